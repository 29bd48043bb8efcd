package graph

import (
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var indexOps = []Sampled{Gather{}, ScatterAdd{}, OneHot{}, ArgMax{}}

// Gather takes slices of a table along an axis, by index; negative indices count from the end. ONNX: Gather.
type Gather struct{ Axis int }

// Gather is v's slices along axis at the given indices: the axis is replaced by the axes of indices. See [Value.InRange] for
// indices that must not count from the end.
func (v *Value) Gather(indices *Value, axis int) *Value { return Apply(Gather{axis}, v, indices) }

func (o Gather) normalize(in []*Value) Op {
	o.Axis = normalAxis(o.Axis, in[0])
	return o
}

var gatherArgs = []Arg{{Name: "table", DTypes: Any}, {Name: "indices", DTypes: Indices}}

// Takes is the table and the indices.
func (Gather) Takes() []Arg { return gatherArgs }

// Infer replaces the axis by the indices' shape.
func (o Gather) Infer(in *Infer) ([]Type, error) {
	k, err := axis(o.Axis, in.Args[0].Rank())
	if err != nil {
		return nil, err
	}
	s := in.Args[0].Shape()
	return in.One(Type{in.Args[0].DType(), slices.Concat(s[:k], in.Args[1].Shape(), s[k+1:])}, nil)
}

// VJP adds g's slices at their places.
func (o Gather) VJP(n *Node, g []*Value) []*Value {
	return []*Value{Apply(ScatterAdd{Axis: o.Axis, Shape: n.Args[0].Shape()}, g[0], n.Args[1])}
}

// Run copies.
func (o Gather) Run(_ *kernel.Context, out, in []*tensor.Tensor) error {
	outer, n, inner, err := alongAxis(in[0].Shape(), o.Axis)
	if err != nil {
		return err
	}
	index := tensor.Data[int64](in[1])
	switch y := out[0].Units().(type) {
	case []uint8:
		return kernel.Gather(y, in[0].Units().([]uint8), index, outer, n, inner)
	case []uint16:
		return kernel.Gather(y, in[0].Units().([]uint16), index, outer, n, inner)
	case []uint32:
		return kernel.Gather(y, in[0].Units().([]uint32), index, outer, n, inner)
	case []uint64:
		return kernel.Gather(y, in[0].Units().([]uint64), index, outer, n, inner)
	case []string:
		return kernel.Gather(y, in[0].Units().([]string), index, outer, n, inner)
	}
	return nil
}

// Forms is Gather.
func (Gather) Forms() []Form { return form("Gather", Field{Attribute: "axis", Name: "Axis"}) }

// Samples covers the places of the axis and repeated and negative indices.
func (Gather) Samples() []Sample {
	index := func(shape ...int) SampleInput { return SampleInput{DType: I64, Shape: shape, Lo: -3, Hi: 3} }
	return []Sample{
		{Op: Gather{0}, In: []SampleInput{{Shape: []int{4}}, index(5)}},
		{Op: Gather{0}, In: []SampleInput{{Shape: []int{4, 2}}, index(2, 3)}},
		{Op: Gather{1}, In: []SampleInput{{Shape: []int{2, 3, 2}}, index(4)}},
		{Op: Gather{-1}, In: []SampleInput{{Shape: []int{2, 3}}, index()}},
		{Op: Gather{0}, In: []SampleInput{{Shape: []int{4, 2}}, {DType: I32, Shape: []int{3}, Lo: 0, Hi: 3}}},
		{Op: Gather{0}, In: []SampleInput{{DType: I64, Shape: []int{5}, Lo: -9, Hi: 9}, index(2, 2)}},
		{Op: Gather{2}, In: []SampleInput{{Shape: []int{1, 2, 3, 1, 2}}, index(1)}},
	}
}

// ScatterAdd is the adjoint of Gather: slices are added to zeros of the given shape, at their indices along the axis.
// ONNX: ScatterElements.
type ScatterAdd struct {
	Axis  int
	Shape Shape
}

func (o ScatterAdd) normalize([]*Value) Op {
	o.Axis, _ = axis(o.Axis, len(o.Shape))
	return o
}

var scatterAddArgs = []Arg{{Name: "slices", DTypes: Floats}, {Name: "indices", DTypes: Indices}}

// Takes is the slices and the indices.
func (ScatterAdd) Takes() []Arg { return scatterAddArgs }

// Infer checks the slices' shape.
func (o ScatterAdd) Infer(in *Infer) ([]Type, error) {
	k, err := axis(o.Axis, len(o.Shape))
	if err != nil {
		return nil, err
	}
	if want := slices.Concat(o.Shape[:k], in.Args[1].Shape(), o.Shape[k+1:]); !in.Args[0].Shape().Equal(want) {
		return nil, Mistakef("they are what Gather takes with the same indices", "the slices are %v, want the shape %v", in.Args[0].Type, want)
	}
	return []Type{{in.Args[0].DType(), o.Shape}}, nil
}

// VJP gathers g's slices.
func (o ScatterAdd) VJP(n *Node, g []*Value) []*Value {
	return []*Value{g[0].Gather(n.Args[1], o.Axis), nil}
}

// Run adds, in the order of the indices.
func (o ScatterAdd) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return floats(c, o, out, in, scatterAddFloats[float32], scatterAddFloats[float64])
}

func scatterAddFloats[T kernel.Float](_ *kernel.Context, o ScatterAdd, out, in []*tensor.Tensor) error {
	outer, n, inner, err := alongAxis(out[0].Shape(), o.Axis)
	if err != nil {
		return err
	}
	return kernel.ScatterAdd(tensor.Data[T](out[0]), tensor.Data[T](in[0]), tensor.Data[int64](in[1]), outer, n, inner)
}

// Lower spreads the indices over the slices, and adds element by element to zeros.
func (o ScatterAdd) Lower(n *Node) []*Value {
	parts, index := n.Args[0], n.Args[1]
	k, size := normalAxis(o.Axis, n.Results[0]), index.Shape().Size()
	flat := slices.Concat(o.Shape[:k], Shape{size}, o.Shape[k+1:])
	column := slices.Concat(Shape{size}, slices.Repeat(Shape{1}, len(o.Shape)-k-1))
	zeros := n.fn.Full(parts.DType(), 0, o.Shape...)
	return []*Value{zeros.ScatterElements(index.Reshape(column...).Expand(flat...), parts.Reshape(flat...), k, true)}
}

// Samples mirrors Gather's.
func (ScatterAdd) Samples() []Sample {
	index := func(shape ...int) SampleInput { return SampleInput{DType: I64, Shape: shape, Lo: -3, Hi: 3} }
	return []Sample{
		{Op: ScatterAdd{0, Shape{4}}, In: []SampleInput{{Shape: []int{5}}, index(5)}},
		{Op: ScatterAdd{0, Shape{4, 2}}, In: []SampleInput{{Shape: []int{2, 3, 2}}, index(2, 3)}},
		{Op: ScatterAdd{1, Shape{2, 3, 2}}, In: []SampleInput{{Shape: []int{2, 4, 2}}, index(4)}},
		{Op: ScatterAdd{-1, Shape{2, 3}}, In: []SampleInput{{Shape: []int{2}}, index()}},
		{Op: ScatterAdd{0, Shape{4}}, In: []SampleInput{{Shape: []int{3}}, {DType: I32, Shape: []int{3}, Lo: -3, Hi: 3}}},
	}
}

// OneHot turns indices into rows with a one at the index; one below 0 counts from the end, and one out of range gives a row of
// zeros, as ONNX has it; InRange before it refuses both. ONNX: OneHot.
type OneHot struct {
	Depth int
	DType DType
}

// OneHot is a new last axis of the given depth with a one at v's index, in dtype t; see [Value.InRange] for labels.
func (v *Value) OneHot(depth int, t DType) *Value { return Apply(OneHot{Depth: depth, DType: t}, v) }

var oneHotArgs = []Arg{{Name: "indices", DTypes: Indices}}

// Takes is the indices.
func (OneHot) Takes() []Arg { return oneHotArgs }

// Infer adds the axis.
func (o OneHot) Infer(in *Infer) ([]Type, error) {
	if o.Depth < 1 {
		return nil, Mistakef("the depth is the number of classes", "depth %d", o.Depth)
	}
	if !o.DType.Float() {
		return nil, Mistakef("one-hot rows are floats", "dtype %v", o.DType)
	}
	return in.One(Type{o.DType, append(slices.Clone(in.Args[0].Shape()), Dim(o.Depth))}, nil)
}

// Run writes the rows.
func (o OneHot) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return floats(c, o, out, in, oneHotFloats[float32], oneHotFloats[float64])
}

func oneHotFloats[T kernel.Float](_ *kernel.Context, o OneHot, out, in []*tensor.Tensor) error {
	kernel.OneHot(tensor.Data[T](out[0]), tensor.Data[int64](in[0]), o.Depth, 0, 1)
	return nil
}

// Forms is OneHot; onnxruntime wants at least one index.
func (OneHot) Forms() []Form {
	return []Form{{Operator: "OneHot", Rank: 2, Fields: []Field{{Name: "Depth", Input: 1}, {Input: 2, Value: []float64{0, 1}}, {Attribute: "axis", Value: -1, Default: -1}}}}
}

// Lower compares the indices, those below 0 counted from the end, with each place.
func (o OneHot) Lower(n *Node) []*Value {
	i := n.Args[0].Cast(I64)
	depth := i.fn.FullInt(I64, int64(o.Depth))
	i = i.Less(i.fn.FullInt(I64, 0)).Where(i.Add(depth), i)
	return []*Value{i.Unsqueeze(-1).Equal(i.fn.Arange(Dim(o.Depth))).Cast(o.DType)}
}

// Samples covers ranks, negative indices and ones out of range.
func (OneHot) Samples() []Sample {
	return []Sample{
		{Op: OneHot{Depth: 3, DType: F32}, In: []SampleInput{{DType: I64, Shape: []int{}, Lo: 0, Hi: 3}}},
		{Op: OneHot{Depth: 3, DType: F32}, In: []SampleInput{{DType: I64, Shape: []int{2, 4}, Lo: -3, Hi: 3}}},
		{Op: OneHot{Depth: 2, DType: F32}, In: []SampleInput{{DType: I64, Shape: []int{8}, Lo: -4, Hi: 4}}},
	}
}

// ArgMax is the index of the largest element along Axis, the first of equals, as i64. ONNX: ArgMax.
type ArgMax struct {
	Axis int
}

// ArgMax is the index of v's largest element along the axis, which goes and is counted from the end when negative.
func (v *Value) ArgMax(axis int) *Value { return Apply(ArgMax{Axis: axis}, v) }

func (o ArgMax) normalize(in []*Value) Op {
	o.Axis = normalAxis(o.Axis, in[0])
	return o
}

// Takes is a number.
func (ArgMax) Takes() []Arg { return oneNumber }

// Infer drops the axis.
func (o ArgMax) Infer(in *Infer) ([]Type, error) {
	k, err := axis(o.Axis, in.Args[0].Rank())
	if err != nil {
		return nil, err
	}
	return in.One(Type{I64, without(in.Args[0].Shape(), []int{k})}, nil)
}

// Run searches.
func (o ArgMax) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	k := typed[ArgMax]{argMax[float32], argMax[float64], argMax[int64], argMax[uint64]}
	return k.run(c, o, in[0], out, in)
}

func argMax[T kernel.Number](_ *kernel.Context, o ArgMax, out, in []*tensor.Tensor) error {
	outer, n, inner, err := alongAxis(in[0].Shape(), o.Axis)
	if err != nil {
		return err
	}
	return kernel.ArgMax(tensor.Data[int64](out[0]), tensor.Data[T](in[0]), outer, n, inner)
}

// Forms is ArgMax.
func (ArgMax) Forms() []Form {
	return form("ArgMax", Field{Attribute: "axis", Name: "Axis"}, Field{Attribute: "keepdims", Value: 0})
}

// Samples covers the places of the axis, and equal elements.
func (ArgMax) Samples() []Sample {
	return []Sample{
		{Op: ArgMax{Axis: 0}, In: []SampleInput{{Shape: []int{6}, Distinct: true}}},
		{Op: ArgMax{Axis: -1}, In: []SampleInput{{Shape: []int{4, 10}, Distinct: true}}},
		{Op: ArgMax{Axis: 0}, In: []SampleInput{{Shape: []int{3, 4}, Distinct: true}}},
		{Op: ArgMax{Axis: 1}, In: []SampleInput{{Shape: []int{2, 3, 4}, Distinct: true}}},
		{Op: ArgMax{Axis: 2}, In: []SampleInput{{Shape: []int{1, 2, 3, 1, 2}, Distinct: true}}},
		{Op: ArgMax{Axis: -1}, In: []SampleInput{{Shape: []int{2, 5}, Lo: 1, Hi: 1}}},
	}
}
