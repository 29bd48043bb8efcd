package graph

import (
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var cumSumOps = []Sampled{CumSum{}}

// CumSum is, at each place along Axis, the sum of the elements up to it, without its own if it is Exclusive, and from the end on if it is
// in Reverse. ONNX: CumSum.
type CumSum struct {
	Axis               int
	Exclusive, Reverse bool
}

// CumSum is the sum of v's elements along the axis up to each place, with its own; the axis is counted from the end when negative.
func (v *Value) CumSum(axis int) *Value { return Apply(CumSum{Axis: axis}, v) }

// CumSumExclusive is the sum of v's elements along the axis before each place.
func (v *Value) CumSumExclusive(axis int) *Value {
	return Apply(CumSum{Axis: axis, Exclusive: true}, v)
}

// CumSumReverse is the sum of v's elements along the axis from each place to the end.
func (v *Value) CumSumReverse(axis int) *Value { return Apply(CumSum{Axis: axis, Reverse: true}, v) }

func (o CumSum) normalize(in []*Value) Op {
	o.Axis = normalAxis(o.Axis, in[0])
	return o
}

// Takes is a number.
func (CumSum) Takes() []Arg { return oneNumber }

// Infer returns the argument's type, which has the axis.
func (o CumSum) Infer(in *Infer) ([]Type, error) {
	_, err := axis(o.Axis, in.Args[0].Rank())
	return in.One(in.Args[0].Type, err)
}

// VJP sums g up the other way.
func (o CumSum) VJP(_ *Node, g []*Value) []*Value {
	o.Reverse = !o.Reverse
	return []*Value{Apply(o, g[0])}
}

// Run adds up.
func (o CumSum) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	k := typed[CumSum]{cumSum[float32], cumSum[float64], cumSum[int64], cumSum[uint64]}
	return k.run(c, o, in[0], out, in)
}

func cumSum[T kernel.Number](c *kernel.Context, o CumSum, out, in []*tensor.Tensor) error {
	outer, n, inner, err := alongAxis(in[0].Shape(), o.Axis)
	if err != nil {
		return err
	}
	kernel.CumSum(c, tensor.Data[T](out[0]), tensor.Data[T](in[0]), outer, n, inner, o.Exclusive, o.Reverse)
	return nil
}

// Forms is CumSum, whose axis is an input.
func (CumSum) Forms() []Form {
	return form("CumSum", Field{Input: 1, Name: "Axis"}, Field{Attribute: "exclusive", Name: "Exclusive", Default: false},
		Field{Attribute: "reverse", Name: "Reverse", Default: false})
}

// Samples covers the places of the axis, and both ways with the own element and without.
func (CumSum) Samples() []Sample {
	return []Sample{
		{Op: CumSum{Axis: 0}, In: []SampleInput{{Shape: []int{6}}}},
		{Op: CumSum{Axis: -1}, In: []SampleInput{{Shape: []int{4, 10}}}},
		{Op: CumSum{Axis: 0, Exclusive: true}, In: []SampleInput{{Shape: []int{3, 4}}}},
		{Op: CumSum{Axis: 1, Reverse: true}, In: []SampleInput{{Shape: []int{2, 3, 4}}}},
		{Op: CumSum{Axis: 1, Exclusive: true, Reverse: true}, In: []SampleInput{{Shape: []int{1, 2, 3, 1, 2}}}},
		{Op: CumSum{Axis: 0, Reverse: true}, In: []SampleInput{{Shape: []int{1, 5}}}},
		{Op: CumSum{Axis: 0}, In: []SampleInput{{DType: I64, Shape: []int{7, 2}, Lo: -9, Hi: 9}}},
	}
}
