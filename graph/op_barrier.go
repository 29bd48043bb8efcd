package graph

import (
	"math"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var barrierOps = []Sampled{Barrier{}}

// Barrier is x, but not before another value, after, is there: what is computed from it is computed later, and is not what is computed
// from x, to whoever computes equal values once. Arguments: x and after. ONNX: Where, of x and x, by a condition that is computed from
// after; of bools And.
type Barrier struct{}

// After is v, but not before other, a float, is there; see [Barrier].
func (v *Value) After(other *Value) *Value { return Apply(Barrier{}, v, other) }

var barrierArgs = []Arg{{Name: "x", DTypes: Any}, {Name: "after", DTypes: Floats}}

// Takes is x and what comes before.
func (Barrier) Takes() []Arg { return barrierArgs }

// Infer returns the type of x.
func (Barrier) Infer(in *Infer) ([]Type, error) { return in.Same(0) }

// VJP is g.
func (Barrier) VJP(_ *Node, g []*Value) []*Value { return []*Value{g[0], nil} }

// Run copies.
func (Barrier) Run(_ *kernel.Context, out, in []*tensor.Tensor) error {
	out[0].CopyFrom(in[0])
	return nil
}

// Lower chooses x if the sum of after is a number, and x otherwise. A bool, which onnxruntime has no Where of, is and-ed with true.
func (Barrier) Lower(n *Node) []*Value {
	x, sum := n.Args[0], n.Args[1].Sum()
	number := sum.Equal(sum)
	if x.DType() == Bool {
		return []*Value{x.And(number.Or(number.Not()))}
	}
	return []*Value{number.Where(x, x)}
}

// Samples covers ranks, dtypes, and a NaN to wait for.
func (o Barrier) Samples() []Sample {
	return []Sample{
		{Op: o, In: []SampleInput{{Shape: []int{2, 3}}, {Shape: []int{4}}}},
		{Op: o, In: []SampleInput{{Shape: []int{5}}, {Shape: []int{5}}}},
		{Op: o, In: []SampleInput{{Shape: []int{}}, {Shape: []int{2, 0}}}},
		{Op: o, In: []SampleInput{{DType: I64, Shape: []int{3}}, {Shape: []int{}, NoGrad: true}}},
		{Op: o, In: []SampleInput{{DType: Bool, Shape: []int{2, 1, 2}}, {Shape: []int{2}, Lo: math.NaN(), NoGrad: true}}},
	}
}
