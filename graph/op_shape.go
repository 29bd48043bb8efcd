package graph

import (
	"fmt"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var shapeOps = []Sampled{Reshape{}, Transpose{}, Expand{}}

// copyOp runs a strided copy on tensors of any one dtype: only the size of an element matters.
func copyOp(c *kernel.Context, shape []int, out *tensor.Tensor, to kernel.View, in *tensor.Tensor, from kernel.View) error {
	switch {
	case out.DType() == String:
		kernel.Copy(c, shape, tensor.Data[string](out), to, tensor.Data[string](in), from)
	case out.DType().Size() == 1:
		kernel.Copy(c, shape, tensor.Words[uint8](out), to, tensor.Words[uint8](in), from)
	case out.DType().Size() == 2:
		kernel.Copy(c, shape, tensor.Words[uint16](out), to, tensor.Words[uint16](in), from)
	case out.DType().Size() == 4:
		kernel.Copy(c, shape, tensor.Words[uint32](out), to, tensor.Words[uint32](in), from)
	case out.DType().Size() == 8:
		kernel.Copy(c, shape, tensor.Words[uint64](out), to, tensor.Words[uint64](in), from)
	}
	return nil
}

// Reshape gives the elements, in row-major order, another shape of the same size. ONNX: Reshape.
type Reshape struct{ Shape Shape }

// Reshape is v in another shape of the same size; one of dims may be -1, which stands for what is left.
func (v *Value) Reshape(dims ...Dim) *Value {
	s := slices.Clone(Shape(dims))
	if s == nil {
		s = Shape{}
	}
	if v.OK() {
		if i := slices.Index(s, -1); i >= 0 {
			rest := slices.Delete(slices.Clone(s), i, i+1)
			if rest.check() == nil {
				if d, ok := v.Shape().Size().exactly(rest.Size()); ok {
					s[i] = d
				}
			}
		}
	}
	return Apply(Reshape{s}, v)
}

// Flatten joins all axes but the first: [batch 1 28 28] becomes [batch 784].
func (v *Value) Flatten() *Value {
	if !v.OK() {
		return v
	}
	if v.Rank() == 0 {
		v.fn.Mistake(v.fn.Pos(), "Flatten: the value is a scalar", "Reshape(1) gives it an axis", v)
		return v.fn.Poison()
	}
	return v.Reshape(v.Shape()[0], v.Shape()[1:].Size())
}

// Squeeze drops the given axes, each of size 1.
func (v *Value) Squeeze(list ...int) *Value {
	if !v.OK() {
		return v
	}
	ax, err := axes(list, v.Rank())
	if err == nil {
		for _, a := range ax {
			if v.Shape()[a] != 1 && len(list) > 0 {
				err = fmt.Errorf("axis %d has size %v, not 1", a, v.Shape()[a])
			}
		}
	}
	if err != nil {
		v.fn.Mistake(v.fn.Pos(), "Squeeze: "+err.Error(), "Squeeze drops axes of size 1; Reshape and Slice do more", v)
		return v.fn.Poison()
	}
	if len(list) == 0 {
		ax = slices.DeleteFunc(ax, func(a int) bool { return v.Shape()[a] != 1 })
	}
	return v.Reshape(without(v.Shape(), ax)...)
}

// Unsqueeze inserts axes of size 1 so that they stand at the given places of the result, counted from its end when
// negative.
func (v *Value) Unsqueeze(list ...int) *Value {
	if !v.OK() {
		return v
	}
	ax, err := axes(list, v.Rank()+len(list))
	if err != nil {
		v.fn.Mistake(v.fn.Pos(), "Unsqueeze: "+err.Error(), "the places are those in the result, each named once", v)
		return v.fn.Poison()
	}
	s := slices.Clone(v.Shape())
	if len(list) > 0 {
		for _, a := range ax {
			s = slices.Insert(s, a, 1)
		}
	}
	return v.Reshape(s...)
}

// Takes is a value of any dtype.
func (Reshape) Takes() []Arg { return oneAny }

// Infer checks the size.
func (o Reshape) Infer(in *Infer) ([]Type, error) {
	x := in.Args[0]
	if slices.Contains(o.Shape, -1) {
		return nil, Mistakef("-1 may stand for one axis, and the others must divide the size", "%v has %v elements, which %v does not divide", x.Type, x.Shape().Size(), o.Shape)
	}
	if err := o.Shape.check(); err != nil {
		return nil, err
	}
	if a, b := x.Shape().Size(), o.Shape.Size(); a != b {
		return nil, Mistakef("one of the axes may be -1: it takes what is left", "%v has %v elements, %v has %v", x.Shape(), a, o.Shape, b)
	}
	return in.One(Type{x.DType(), o.Shape}, nil)
}

// VJP reshapes g back.
func (Reshape) VJP(n *Node, g []*Value) []*Value { return []*Value{g[0].Reshape(n.Args[0].Shape()...)} }

// Run copies.
func (Reshape) Run(_ *kernel.Context, out, in []*tensor.Tensor) error {
	out[0].CopyFrom(in[0])
	return nil
}

// Forms is Reshape.
func (Reshape) Forms() []Form { return form("Reshape", Field{Name: "Shape", Input: 1}) }

// Samples covers ranks that rise and fall.
func (Reshape) Samples() []Sample {
	var out []Sample
	for _, s := range []struct {
		from []int
		to   Shape
	}{{[]int{}, Shape{1, 1}}, {[]int{1}, Shape{}}, {[]int{6}, Shape{2, 3}}, {[]int{2, 3, 2}, Shape{4, 3}}, {[]int{2, 1, 3, 1, 2}, Shape{2, 6}}, {[]int{4}, Shape{1, 2, 1, 2, 1}}} {
		out = append(out, Sample{Op: Reshape{s.to}, In: []SampleInput{{Shape: s.from}}})
	}
	return append(out,
		Sample{Op: Reshape{Shape{3, 2}}, In: []SampleInput{{DType: I64, Shape: []int{2, 3}}}},
		Sample{Op: Reshape{Shape{0, 4}}, In: []SampleInput{{Shape: []int{3, 0}}}})
}

// Transpose permutes the axes: axis i of the result is axis Perm[i] of the argument. ONNX: Transpose.
type Transpose struct{ Perm []int }

// Transpose is v with axis i taken from v's axis perm[i].
func (v *Value) Transpose(perm ...int) *Value { return Apply(Transpose{perm}, v) }

// T swaps the last two axes.
func (v *Value) T() *Value {
	if !v.OK() {
		return v
	}
	n := v.Rank()
	if n < 2 {
		v.fn.Mistake(v.fn.Pos(), fmt.Sprintf("T: needs a matrix, has %v", v.Type), "Transpose takes a permutation of any number of axes", v)
		return v.fn.Poison()
	}
	perm := make([]int, n)
	for i := range perm {
		perm[i] = i
	}
	perm[n-1], perm[n-2] = n-2, n-1
	return v.Transpose(perm...)
}

// Takes is a value of any dtype.
func (Transpose) Takes() []Arg { return oneAny }

// Infer permutes the shape.
func (o Transpose) Infer(in *Infer) ([]Type, error) {
	x := in.Args[0]
	seen := make([]bool, x.Rank())
	ok := len(o.Perm) == x.Rank()
	s := make(Shape, 0, x.Rank())
	for _, k := range o.Perm {
		if ok = ok && k >= 0 && k < x.Rank() && !seen[k]; !ok {
			break
		}
		seen[k] = true
		s = append(s, x.Shape()[k])
	}
	if !ok {
		return nil, Mistakef("name each axis of the argument once, from 0", "%v is no permutation of the %d axes of %v", o.Perm, x.Rank(), x.Type)
	}
	return in.One(Type{x.DType(), s}, nil)
}

// VJP permutes g back.
func (o Transpose) VJP(n *Node, gs []*Value) []*Value {
	g := gs[0]
	back := make([]int, len(o.Perm))
	for i, k := range o.Perm {
		back[k] = i
	}
	return []*Value{g.Transpose(back...)}
}

// Run copies.
func (o Transpose) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	whole := kernel.Contiguous(in[0].Shape())
	from := kernel.View{Strides: make([]int, len(o.Perm))}
	for i, k := range o.Perm {
		from.Strides[i] = whole.Strides[k]
	}
	return copyOp(c, out[0].Shape(), out[0], kernel.Contiguous(out[0].Shape()), in[0], from)
}

// Forms is Transpose. Without axes there is nothing to permute, and no attribute.
func (Transpose) Forms() []Form { return form("Transpose", Field{Attribute: "perm", Name: "Perm"}) }

// Samples covers ranks 0 to 5.
func (Transpose) Samples() []Sample {
	var out []Sample
	for _, s := range []struct{ shape, perm []int }{
		{[]int{}, nil}, {[]int{3}, []int{0}}, {[]int{2, 3}, []int{1, 0}}, {[]int{17, 2}, []int{1, 0}}, {[]int{2, 3, 4}, []int{2, 0, 1}},
		{[]int{2, 3, 2}, []int{0, 2, 1}}, {[]int{2, 1, 3, 2}, []int{0, 2, 1, 3}}, {[]int{1, 2, 3, 1, 2}, []int{4, 1, 0, 3, 2}},
	} {
		out = append(out, Sample{Op: Transpose{s.perm}, In: []SampleInput{{Shape: s.shape}}})
	}
	return append(out, Sample{Op: Transpose{[]int{1, 0}}, In: []SampleInput{{DType: Bool, Shape: []int{2, 3}}}})
}

// Expand broadcasts to a shape. ONNX: Expand.
type Expand struct{ Shape Shape }

// Expand is v broadcast to the shape dims.
func (v *Value) Expand(dims ...Dim) *Value { return Apply(Expand{dims}, v) }

// Takes is a value of any dtype.
func (Expand) Takes() []Arg { return oneAny }

// Infer checks that the argument broadcasts to the shape itself.
func (o Expand) Infer(in *Infer) ([]Type, error) {
	if err := o.Shape.check(); err != nil {
		return nil, err
	}
	s, err := broadcast(in.Args[0].Shape(), o.Shape)
	if err != nil || !s.Equal(o.Shape) {
		return nil, Mistakef("axes align at the last; each of the argument must be equal or 1", "%v does not broadcast to %v", in.Args[0].Type, o.Shape)
	}
	t := Type{in.Args[0].DType(), o.Shape}
	if t.Shape == nil {
		t.Shape = Shape{}
	}
	return in.One(t, nil)
}

// VJP sums g over what was stretched.
func (Expand) VJP(n *Node, g []*Value) []*Value { return []*Value{sumTo(g[0], n.Args[0].Shape())} }

// Run copies.
func (Expand) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	whole := kernel.Contiguous(in[0].Shape())
	from := kernel.View{Strides: make([]int, out[0].Rank())}
	lead := out[0].Rank() - in[0].Rank()
	for i := lead; i < out[0].Rank(); i++ {
		if in[0].Dim(i-lead) != 1 {
			from.Strides[i] = whole.Strides[i-lead]
		}
	}
	return copyOp(c, out[0].Shape(), out[0], kernel.Contiguous(out[0].Shape()), in[0], from)
}

// Forms is Expand.
func (Expand) Forms() []Form { return form("Expand", Field{Name: "Shape", Input: 1}) }

// Samples covers added and stretched axes.
func (Expand) Samples() []Sample {
	var out []Sample
	for _, s := range []struct {
		from []int
		to   Shape
	}{{[]int{}, Shape{}}, {[]int{}, Shape{2, 3}}, {[]int{3}, Shape{3}}, {[]int{3}, Shape{2, 3}}, {[]int{2, 1}, Shape{2, 4}}, {[]int{1, 3, 1}, Shape{2, 2, 3, 2}}, {[]int{1, 1, 2}, Shape{2, 1, 2, 1, 2}}} {
		out = append(out, Sample{Op: Expand{s.to}, In: []SampleInput{{Shape: s.from}}})
	}
	return out
}
