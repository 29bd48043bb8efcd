package graph

import (
	"fmt"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var reduceOps = []Sampled{Sum{}, Mean{}, ReduceProd{}, ReduceMax{}, ReduceMin{}}

// inferReduce is the inference of a reduction: the axes go, or become 1.
func inferReduce(v *Value, list []int, keep bool) ([]Type, error) {
	ax, err := axes(list, v.Rank())
	switch {
	case err != nil:
		return nil, err
	case keep:
		return []Type{{v.DType(), withOnes(v.Shape(), ax)}}, nil
	}
	return []Type{{v.DType(), without(v.Shape(), ax)}}, nil
}

// kept gives y, the result of a reduction of x or its gradient, the axes that the reduction dropped, as ones.
func kept(y, x *Value, list []int) *Value {
	ax, err := axes(list, x.Rank())
	if err != nil || !x.OK() {
		return x.fn.Poison()
	}
	return y.Reshape(withOnes(x.Shape(), ax)...)
}

// reduction holds a reduction's kernels; each reduces the given axes of in.
type reduction struct {
	f32 func(c *kernel.Context, out, in []float32, shape, axes []int)
	f64 func(c *kernel.Context, out, in []float64, shape, axes []int)
	i64 func(c *kernel.Context, out, in []int64, shape, axes []int)
	u64 func(c *kernel.Context, out, in []uint64, shape, axes []int)
	// some says that integers must be there: a float has infinities.
	some bool
}

func (k reduction) eval(c *kernel.Context, op Op, list []int, out *tensor.Tensor, in []*tensor.Tensor) error {
	memory := kernel.Borrow[[]int](c)
	ax, err := appendAxes((*memory)[:0], list, in[0].Rank())
	if err != nil {
		return err
	}
	defer kernel.GiveBack(c, memory)
	*memory = ax
	if k.some && in[0].Len() == 0 && out.Len() > 0 && out.DType().Integer() {
		return fmt.Errorf("of no integers none is the largest or smallest: %v", in[0])
	}
	switch out.DType() {
	case F32:
		reduce(c, k.f32, out, in[0], ax)
	case F64:
		reduce(c, k.f64, out, in[0], ax)
	case I64:
		reduce(c, k.i64, out, in[0], ax)
	case U64:
		reduce(c, k.u64, out, in[0], ax)
	default:
		return noKernel(op, out)
	}
	return nil
}

func reduce[T tensor.Element](c *kernel.Context, f func(c *kernel.Context, out, in []T, shape, axes []int), out, in *tensor.Tensor, axes []int) {
	f(c, tensor.Data[T](out), tensor.Data[T](in), in.Shape(), axes)
}

// reduceForms are the forms of a reduction. From the opset since on, its axes are an input; where it names none, it is over all.
func reduceForms(operator string, since int) []Form {
	keep := Field{Attribute: "keepdims", Name: "KeepDims", Default: true}
	out := []Form{{Operator: operator, Since: since, Fields: []Field{{Name: "Axes", Input: 1}, keep, {Attribute: "noop_with_empty_axes", Value: 0, Default: 0}}}}
	if since > 13 { // the first opset that files are read of
		out = append(out, Form{Operator: operator, Until: since - 1, Fields: []Field{{Attribute: "axes", Name: "Axes"}, keep}})
	}
	return out
}

// reduceSamples covers every kind of axis: all, first, last, inner, several, kept or dropped.
func reduceSamples(op func(axes []int, keep bool) Op, distinct bool) []Sample {
	var out []Sample
	for _, s := range []struct {
		shape, axes []int
		keep        bool
	}{
		{[]int{}, nil, false}, {[]int{5}, nil, false}, {[]int{2, 3}, nil, true}, {[]int{4, 3}, []int{0}, false},
		{[]int{4, 3}, []int{1}, true}, {[]int{2, 3, 2}, []int{1}, false}, {[]int{2, 3, 2}, []int{0, -1}, false},
		{[]int{2, 2, 3, 2}, []int{1, 2}, true}, {[]int{2, 1, 2, 2, 3}, []int{0, 2, 4}, false}, {[]int{3, 1, 2}, []int{1}, false},
	} {
		out = append(out, Sample{Op: op(s.axes, s.keep), In: []SampleInput{{Shape: s.shape, Distinct: distinct}}})
	}
	return out
}

// Sum is the sum over Axes; no axes means all of them. ONNX: ReduceSum.
type Sum struct {
	Axes     []int
	KeepDims bool
}

// Sum is the sum over the axes, which go; no axes means all of them, and a scalar.
func (v *Value) Sum(axes ...int) *Value { return Apply(Sum{Axes: axes}, v) }

// SumKeep is the sum over the axes, which stay with size 1; no axes means all of them.
func (v *Value) SumKeep(axes ...int) *Value {
	return Apply(Sum{Axes: axes, KeepDims: true}, v)
}

func (o Sum) normalize(in []*Value) Op {
	o.Axes = normalAxes(o.Axes, in[0])
	return o
}

// Takes is a number.
func (Sum) Takes() []Arg { return oneNumber }

// Infer drops the axes.
func (o Sum) Infer(in *Infer) ([]Type, error) {
	return inferReduce(in.Args[0], o.Axes, o.KeepDims)
}

// VJP spreads g over the axes.
func (o Sum) VJP(n *Node, gs []*Value) []*Value {
	g := gs[0]
	x := n.Args[0]
	return []*Value{kept(g, x, o.Axes).Expand(x.Shape()...)}
}

// Run reduces.
func (o Sum) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return reduction{kernel.Sum[float32], kernel.Sum[float64], kernel.Sum[int64], kernel.Sum[uint64], false}.eval(c, o, o.Axes, out[0], in)
}

// Forms is ReduceSum.
func (Sum) Forms() []Form { return reduceForms("ReduceSum", 13) }

// LowerFast sums up each example, and then over the examples: runtimes do the first by vectors, on all processors. Of all elements of a large
// matrix it sums up each row first, and rows, as for the gradient of a bias, by a product with ones.
func (o Sum) LowerFast(n *Node) []*Value {
	x := n.Args[0]
	switch {
	case len(o.Axes) == 0 && !o.KeepDims && large(x):
		return []*Value{x.Sum(-1).Sum()}
	case x.Rank() == 2 && slices.Equal(o.Axes, []int{0}) && x.DType() == F32:
		return []*Value{n.fn.Full(F32, 1, 1, x.Shape()[0]).MatMul(x).Reshape(n.Results[0].Shape()...)}
	case eachFirst(o.Axes, x):
		return []*Value{Apply(Sum{Axes: []int{0}, KeepDims: o.KeepDims}, Apply(Sum{Axes: o.Axes[1:], KeepDims: o.KeepDims}, x))}
	}
	return nil
}

// large reports whether x is a matrix, or more, of so many floats that several processors add them up faster than one.
func large(x *Value) bool {
	n := x.Shape().Size()
	return x.Rank() > 1 && x.DType().Float() && !n.Symbolic() && n >= 1<<16
}

// eachFirst reports whether a sum over the axes of x is one over examples, axis 0, and more, and leaves something.
func eachFirst(axes []int, x *Value) bool {
	return len(axes) > 1 && len(axes) < x.Rank() && axes[0] == 0 && x.DType().Float()
}

// Samples covers the kinds of axes, and a large matrix.
func (Sum) Samples() []Sample {
	many := Sample{Op: Sum{}, In: []SampleInput{{Shape: []int{257, 3, 86}, NoGrad: true}}}
	return append(reduceSamples(func(axes []int, keep bool) Op { return Sum{Axes: axes, KeepDims: keep} }, false), many)
}

// Mean is the mean over Axes; no axes means all of them. ONNX: ReduceMean.
type Mean struct {
	Axes     []int
	KeepDims bool
}

// Mean is the mean over the axes, which go; no axes means all of them, and a scalar.
func (v *Value) Mean(axes ...int) *Value { return Apply(Mean{Axes: axes}, v) }

// MeanKeep is the mean over the axes, which stay with size 1; no axes means all of them.
func (v *Value) MeanKeep(axes ...int) *Value {
	return Apply(Mean{Axes: axes, KeepDims: true}, v)
}

func (o Mean) normalize(in []*Value) Op {
	o.Axes = normalAxes(o.Axes, in[0])
	return o
}

// Takes is a float.
func (Mean) Takes() []Arg { return oneFloat }

// Infer drops the axes.
func (o Mean) Infer(in *Infer) ([]Type, error) {
	return inferReduce(in.Args[0], o.Axes, o.KeepDims)
}

// VJP spreads g over the axes, divided by their size.
func (o Mean) VJP(n *Node, gs []*Value) []*Value {
	g := gs[0]
	x := n.Args[0]
	if t := x.DType(); t.Wide() != t { // it may not hold the size
		share := kept(g, x, o.Axes).Cast(t.Wide()).Div(x.Cast(t.Wide()).Size(o.Axes...))
		return []*Value{share.Cast(t).Expand(x.Shape()...)}
	}
	return []*Value{kept(g, x, o.Axes).Div(x.Size(o.Axes...)).Expand(x.Shape()...)}
}

// Run reduces.
func (o Mean) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return reduction{f32: kernel.Mean[float32], f64: kernel.Mean[float64]}.eval(c, o, o.Axes, out[0], in)
}

// Forms is ReduceMean.
func (Mean) Forms() []Form { return reduceForms("ReduceMean", 18) }

// LowerFast is the mean over the examples of each one's mean, as in Sum.
func (o Mean) LowerFast(n *Node) []*Value {
	x := n.Args[0]
	if !eachFirst(o.Axes, x) {
		return nil
	}
	return []*Value{Apply(Mean{Axes: []int{0}, KeepDims: o.KeepDims}, Apply(Mean{Axes: o.Axes[1:], KeepDims: o.KeepDims}, x))}
}

// Samples covers the kinds of axes.
func (Mean) Samples() []Sample {
	return reduceSamples(func(axes []int, keep bool) Op { return Mean{Axes: axes, KeepDims: keep} }, false)
}

// ReduceProd is the product over Axes, of no elements 1; no axes means all of them. ONNX: ReduceProd.
type ReduceProd struct {
	Axes     []int
	KeepDims bool
}

// Prod is the product over the axes, which go; no axes means all of them, and a scalar. Its gradient takes a [Func.Scan] over the elements,
// which is right also where some are 0.
func (v *Value) Prod(axes ...int) *Value { return Apply(ReduceProd{Axes: axes}, v) }

// ProdKeep is the product over the axes, which stay with size 1; no axes means all of them.
func (v *Value) ProdKeep(axes ...int) *Value {
	return Apply(ReduceProd{Axes: axes, KeepDims: true}, v)
}

func (o ReduceProd) normalize(in []*Value) Op {
	o.Axes = normalAxes(o.Axes, in[0])
	return o
}

// Takes is a number.
func (ReduceProd) Takes() []Arg { return oneNumber }

// Infer drops the axes.
func (o ReduceProd) Infer(in *Infer) ([]Type, error) {
	return inferReduce(in.Args[0], o.Axes, o.KeepDims)
}

// VJP is g times the product of the other elements.
func (o ReduceProd) VJP(n *Node, gs []*Value) []*Value {
	x := n.Args[0]
	return []*Value{kept(gs[0], x, o.Axes).Mul(prodOfOthers(x, o.Axes))}
}

// prodOfOthers is, for each element of x, the product of all others along the axes: of those before it times those behind it.
func prodOfOthers(x *Value, list []int) *Value {
	ax, err := axes(list, x.Rank())
	if err != nil || !x.OK() {
		return x.fn.Poison()
	}
	perm := slices.Clone(ax)
	for i := range x.Rank() {
		if !slices.Contains(ax, i) {
			perm = append(perm, i)
		}
	}
	back := make([]int, len(perm))
	for i, p := range perm {
		back[p] = i
	}
	first := x.Transpose(perm...)
	k := len(ax)
	line := first.Reshape(append(Shape{first.Shape()[:k].Size()}, first.Shape()[k:]...)...)
	one := []*Value{x.fn.Full(x.DType(), 1, first.Shape()[k:]...)}
	step := func(s, x []*Value) (next, ys []*Value) { return []*Value{s[0].Mul(x[0])}, s }
	_, before := x.fn.Scan(one, []*Value{line}, step)
	_, behind := x.fn.ScanReverse(one, []*Value{line}, step)
	return before[0].Mul(behind[0]).Reshape(first.Shape()...).Transpose(back...)
}

// Run reduces.
func (o ReduceProd) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return reduction{kernel.Prod[float32], kernel.Prod[float64], kernel.Prod[int64], kernel.Prod[uint64], false}.eval(c, o, o.Axes, out[0], in)
}

// Forms is ReduceProd.
func (ReduceProd) Forms() []Form { return reduceForms("ReduceProd", 18) }

// Samples covers the kinds of axes.
func (ReduceProd) Samples() []Sample {
	return reduceSamples(func(axes []int, keep bool) Op { return ReduceProd{Axes: axes, KeepDims: keep} }, false)
}

// ReduceMax is the largest element over Axes; no axes means all of them. ONNX: ReduceMax.
type ReduceMax struct {
	Axes     []int
	KeepDims bool
}

// ReduceMax is the largest element over the axes, which go; no axes means all of them, and a scalar.
func (v *Value) ReduceMax(axes ...int) *Value { return Apply(ReduceMax{Axes: axes}, v) }

// ReduceMaxKeep is the largest element over the axes, which stay with size 1; no axes means all of them.
func (v *Value) ReduceMaxKeep(axes ...int) *Value {
	return Apply(ReduceMax{Axes: axes, KeepDims: true}, v)
}

func (o ReduceMax) normalize(in []*Value) Op {
	o.Axes = normalAxes(o.Axes, in[0])
	return o
}

// Takes is a number.
func (ReduceMax) Takes() []Arg { return oneNumber }

// Infer drops the axes.
func (o ReduceMax) Infer(in *Infer) ([]Type, error) {
	return inferReduce(in.Args[0], o.Axes, o.KeepDims)
}

// VJP gives g to the largest element.
func (o ReduceMax) VJP(n *Node, gs []*Value) []*Value {
	y, g := n.Results[0], gs[0]
	x := n.Args[0]
	// Of equal extremes each gets an equal share, so that the gradient's sum stays g.
	hit := x.Equal(kept(y, x, o.Axes)).Where(scalarLike(x, 1), scalarLike(x, 0))
	share := hit.Div(hit.SumKeep(o.Axes...))
	return []*Value{share.Mul(kept(g, x, o.Axes))}
}

// Run reduces.
func (o ReduceMax) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return reduction{kernel.ReduceMax[float32], kernel.ReduceMax[float64], kernel.ReduceMax[int64], kernel.ReduceMax[uint64], true}.eval(c, o, o.Axes, out[0], in)
}

// Forms is ReduceMax.
func (ReduceMax) Forms() []Form { return reduceForms("ReduceMax", 18) }

// Samples covers the kinds of axes.
func (ReduceMax) Samples() []Sample {
	return reduceSamples(func(axes []int, keep bool) Op { return ReduceMax{Axes: axes, KeepDims: keep} }, true)
}

// ReduceMin is the smallest element over Axes; no axes means all of them. ONNX: ReduceMin.
type ReduceMin struct {
	Axes     []int
	KeepDims bool
}

// ReduceMin is the smallest element over the axes, which go; no axes means all of them, and a scalar.
func (v *Value) ReduceMin(axes ...int) *Value { return Apply(ReduceMin{Axes: axes}, v) }

// ReduceMinKeep is the smallest element over the axes, which stay with size 1; no axes means all of them.
func (v *Value) ReduceMinKeep(axes ...int) *Value {
	return Apply(ReduceMin{Axes: axes, KeepDims: true}, v)
}

func (o ReduceMin) normalize(in []*Value) Op {
	o.Axes = normalAxes(o.Axes, in[0])
	return o
}

// Takes is a number.
func (ReduceMin) Takes() []Arg { return oneNumber }

// Infer drops the axes.
func (o ReduceMin) Infer(in *Infer) ([]Type, error) {
	return inferReduce(in.Args[0], o.Axes, o.KeepDims)
}

// VJP gives g to the smallest element.
func (o ReduceMin) VJP(n *Node, gs []*Value) []*Value {
	y, g := n.Results[0], gs[0]
	x := n.Args[0]
	// Of equal extremes each gets an equal share, so that the gradient's sum stays g.
	hit := x.Equal(kept(y, x, o.Axes)).Where(scalarLike(x, 1), scalarLike(x, 0))
	share := hit.Div(hit.SumKeep(o.Axes...))
	return []*Value{share.Mul(kept(g, x, o.Axes))}
}

// Run reduces.
func (o ReduceMin) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return reduction{kernel.ReduceMin[float32], kernel.ReduceMin[float64], kernel.ReduceMin[int64], kernel.ReduceMin[uint64], true}.eval(c, o, o.Axes, out[0], in)
}

// Forms is ReduceMin.
func (ReduceMin) Forms() []Form { return reduceForms("ReduceMin", 18) }

// Samples covers the kinds of axes.
func (ReduceMin) Samples() []Sample {
	return reduceSamples(func(axes []int, keep bool) Op { return ReduceMin{Axes: axes, KeepDims: keep} }, true)
}
