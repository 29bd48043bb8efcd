package nn

import (
	"fmt"
	"math"

	"github.com/sardonyx-ml/sardonyx/compiler/initializer"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// Positions adds a learned vector to each place of a sequence (Gehring et al. 2017; Radford et al. 2018). Its parameter is
// weight [Len dim], where dim is the width of what it is applied to.
type Positions struct {
	Len    int               // the longest sequence
	Weight graph.Initializer // nil means Normal{Std: .02}
	Layer
}

// Apply adds to x [batch seq dim] the first seq rows of the table. A longer sequence than Len is an error: while tracing, or,
// if seq is a symbol, of the run.
func (l *Positions) Apply(x *graph.Value) *graph.Value {
	return base(l, func(l *Positions) *Layer { return &l.Layer }).Run(l, x, func() *graph.Value {
		if x.Rank() != 3 {
			return mistake(x, fmt.Sprintf("Positions: needs [batch seq dim], has %v", x.Type), "embed the tokens first, with nn.Embedding")
		}
		dim, ok := width("Positions", x, -1)
		if !ok || !positive("Positions", x, "Len", l.Len) {
			return x.Func().Poison()
		}
		seq := x.Dim(1)
		if !seq.Symbolic() && int(seq) > l.Len {
			return mistake(x, fmt.Sprintf("Positions: the sequence %v is longer than Len, %d", x.Type, l.Len), "set Len to the longest sequence")
		}
		table := l.Param(x, "weight", or(l.Weight, initializer.Normal{Std: .02}), graph.Dim(l.Len), dim)
		at := x.Func().Arange(seq).InRange(l.Len, fmt.Sprintf("Positions: a sequence has at most Len = %d places", l.Len))
		return x.Add(table.Gather(at, 0))
	})
}

// Sinusoidal gives each number t of x [...] the vector [... dim] of sin(t·ω) for dim/2 frequencies ω from 1 down to
// 1/10000, then cos(t·ω) (Vaswani et al. 2017, section 3.5, in the order of Ho et al. 2020): positions, or the times of a
// diffusion. Whole numbers count as floats.
func Sinusoidal(dim int) Func {
	return func(x *graph.Value) *graph.Value {
		if !x.OK() {
			return x
		}
		if dim < 4 || dim%2 != 0 || dim > 1<<20 {
			return mistake(x, fmt.Sprintf("Sinusoidal: dim is %d", dim), "an even number from 4 on: half are sines, half cosines")
		}
		half := dim / 2
		frequencies := tensor.New(tensor.F32, half)
		for i := range half {
			frequencies.Set(i, math.Pow(10000, -float64(i)/float64(half-1)))
		}
		angle := x.Cast(graph.F32).Unsqueeze(-1).Mul(x.Func().Const(frequencies))
		return graph.Join(-1, angle.Sin(), angle.Cos())
	}
}
