package nn

import (
	"fmt"

	"github.com/sardonyx-ml/sardonyx/compiler/initializer"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// Dense is y = x·W + b over the last axis. Its parameters are weight [in Units] and bias [Units].
type Dense struct {
	Units        int
	NoBias       bool
	SpectralNorm bool // divide the weight by its largest singular value (Miyato et al. 2018); the buffer u [1 in] follows it
	// Weight and Bias say how the parameters start; nil means GlorotUniform and Zeros.
	Weight, Bias graph.Initializer
	Layer
}

// Apply maps x [... in] to [... Units].
func (l *Dense) Apply(x *graph.Value) *graph.Value {
	return base(l, func(l *Dense) *Layer { return &l.Layer }).Run(l, x, func() *graph.Value {
		if x.Rank() < 2 {
			return mistake(x, fmt.Sprintf("Dense: needs [... in] with at least one axis before the last, has %v", x.Type), "give a single example a batch axis, with .Unsqueeze(0)")
		}
		in, ok := width("Dense", x, -1)
		if !ok || !positive("Dense", x, "Units", l.Units) {
			return x.Func().Poison()
		}
		weight := l.Param(x, "weight", or(l.Weight, initializer.GlorotUniform{}), in, graph.Dim(l.Units))
		if l.SpectralNorm {
			weight = l.spectral(x, weight)
		}
		y := x.MatMul(weight)
		if l.NoBias {
			return y
		}
		return y.Add(l.Param(x, "bias", or(l.Bias, initializer.Zeros{}), graph.Dim(l.Units)))
	})
}

// Embedding is a table of vectors, looked up by index. Its parameter is weight [Vocab Dim], in f32 if the field DType says no other.
type Embedding struct {
	Vocab, Dim int
	Weight     graph.Initializer // nil means Uniform{-.05, .05}
	DType      graph.DType       // of the table, a float: indices have none
	Layer
}

// Apply maps indices x [...] to [... Dim]. An index below 0 or from Vocab on ends the run with an error.
func (l *Embedding) Apply(x *graph.Value) *graph.Value {
	return l.run(x, func(table *graph.Value) *graph.Value {
		if x.DType() != graph.I64 && x.DType() != graph.I32 {
			return mistake(x, fmt.Sprintf("Embedding: the indices are %v", x.Type), "indices are i64 or i32: declare the input so, or .Cast(graph.I64)")
		}
		return table.Gather(x.InRange(l.Vocab, fmt.Sprintf("Embedding: an index is from 0 to %d, Vocab - 1", l.Vocab-1)), 0)
	})
}

// Attend maps vectors x [... Dim] to their products with each row of the table, [... Vocab]: logits over the vocabulary by
// the weights that embed it (Press and Wolf 2017).
func (l *Embedding) Attend(x *graph.Value) *graph.Value {
	return l.run(x, func(table *graph.Value) *graph.Value { return x.MatMul(table.T()) })
}

func (l *Embedding) run(x *graph.Value, do func(table *graph.Value) *graph.Value) *graph.Value {
	return base(l, func(l *Embedding) *Layer { return &l.Layer }).Run(l, x, func() *graph.Value {
		if !positive("Embedding", x, "Vocab", l.Vocab, "Dim", l.Dim) {
			return x.Func().Poison()
		}
		if !l.DType.Float() {
			return mistake(x, fmt.Sprintf("Embedding: the table is %v", l.DType), "DType is a float: graph.F32, graph.BF16, ...")
		}
		return do(l.param(x, l.DType, "weight", or(l.Weight, initializer.Uniform{Lo: -.05, Hi: .05}), graph.Dim(l.Vocab), graph.Dim(l.Dim)))
	})
}
