package graph

import (
	"fmt"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var splitOps = []Sampled{Split{}}

// Split cuts a value along an axis into parts of the given sizes, which make up the axis' and may be symbols. Results: the parts. ONNX:
// Split.
type Split struct {
	Axis  int
	Sizes Shape
}

// SplitSizes cuts v along an axis into parts of the given sizes, which make up the axis' whatever the symbols in them are. See
// [Value.Split] for equal parts, and [Join] for the way back.
func (v *Value) SplitSizes(along int, sizes ...Dim) []*Value {
	return ApplyNode(Split{along, sizes}, nil, v).first(len(sizes))
}

// Chunk cuts v along an axis into n parts of one size but the last, which has what is left and may be smaller: the size is the axis' by n,
// rounded up.
func (v *Value) Chunk(along, n int) []*Value {
	out := make([]*Value, min(max(n, 1), maxParts))
	fill(out, v)
	if !v.OK() {
		return out
	}
	k, err := axis(along, v.Rank())
	if err == nil && (n < 1 || n > maxParts) {
		err = fmt.Errorf("into %d parts", n)
	}
	if err == nil {
		size := v.Shape()[k]
		each := size.Plus(Dim(n - 1)).Div(Dim(n))
		last := size.Minus(each.Times(Dim(n - 1)))
		if last.Valid() {
			return v.SplitSizes(k, append(slices.Repeat([]Dim{each}, n-1), last)...)
		}
		err = fmt.Errorf("axis %d has %v elements, and %d parts of %v are more than that without the last", along, size, n-1, each)
	}
	v.fn.Mistake(v.fn.Pos(), "Chunk: "+err.Error(), "take fewer parts; SplitSizes cuts parts of any size", v)
	fill(out, v.fn.Poison())
	return out
}

func (o Split) normalize(in []*Value) Op {
	o.Axis = normalAxis(o.Axis, in[0])
	return o
}

// Takes is a value of any dtype.
func (Split) Takes() []Arg { return oneAny }

// Infer checks that the parts make up the axis.
func (o Split) Infer(in *Infer) ([]Type, error) {
	x := in.Args[0]
	k, err := axis(o.Axis, x.Rank())
	if err != nil {
		return nil, err
	}
	if len(o.Sizes) < 1 || len(o.Sizes) > maxParts {
		return nil, Mistakef(fmt.Sprintf("from 1 to %d", maxParts), "into %d parts", len(o.Sizes))
	}
	total, types := Dim(0), make([]Type, len(o.Sizes))
	for i, d := range o.Sizes {
		if !d.Valid() {
			return nil, Mistakef("take one axis' size from another's with .Minus", "the size of part %d is not a dimension (%d)", i, int64(d))
		}
		total = total.Plus(d)
		s := slices.Clone(x.Shape())
		s[k] = d
		types[i] = Type{x.DType(), s}
	}
	if total != x.Shape()[k] {
		return nil, Mistakef("the sizes of the parts make up the axis': the last is what is left, v.Dim(axis).Minus(...)",
			"the parts have %v elements, axis %d of %v has %v", total, k, x.Type, x.Shape()[k])
	}
	return types, nil
}

// VJP joins the gradients of the parts.
func (o Split) VJP(n *Node, g []*Value) []*Value {
	parts := slices.Clone(g)
	for i, v := range n.Results {
		if parts[i] == nil {
			parts[i] = n.fn.Full(v.DType(), 0, v.Shape()...)
		}
	}
	return []*Value{Join(o.Axis, parts...)}
}

// Run copies each part from its place.
func (o Split) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	k, err := axis(o.Axis, in[0].Rank())
	if err != nil {
		return err
	}
	from := kernel.Contiguous(in[0].Shape())
	for _, y := range out {
		if err := copyOp(c, y.Shape(), y, kernel.Contiguous(y.Shape()), in[0], from); err != nil {
			return err
		}
		from.Base += y.Dim(k) * from.Strides[k]
	}
	return nil
}

// Forms is Split, whose sizes are an input.
func (Split) Forms() []Form {
	return form("Split", Field{Attribute: "axis", Name: "Axis"}, Field{Name: "Sizes", Input: 1})
}

// Samples covers the places of the axis, one part and several, equal and not, and empty ones.
func (Split) Samples() []Sample {
	return []Sample{
		{Op: Split{0, Shape{2, 3}}, In: []SampleInput{{Shape: []int{5}}}},
		{Op: Split{0, Shape{3}}, In: []SampleInput{{Shape: []int{3, 2}}}},
		{Op: Split{-1, Shape{1, 2, 1}}, In: []SampleInput{{Shape: []int{3, 4}}}},
		{Op: Split{1, Shape{2, 2, 1}}, In: []SampleInput{{Shape: []int{2, 5, 3}}}},
		{Op: Split{3, Shape{1, 0, 2}}, In: []SampleInput{{Shape: []int{1, 2, 2, 3, 2}}}},
		{Op: Split{0, Shape{2, 2}}, In: []SampleInput{{DType: I64, Shape: []int{4}}}},
	}
}
