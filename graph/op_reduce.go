package graph

import (
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var reduceOps = []Op{Sum{}, Mean{}, ReduceMax{}, ReduceMin{}}

// inferReduce is the inference of a reduction: the axes go, or become 1.
func inferReduce(v *Value, list []int, keep bool) (Type, error) {
	if err := wantFloat(v); err != nil {
		return Type{}, err
	}
	ax, err := axes(list, v.Rank())
	if err != nil {
		return Type{}, err
	}
	if keep {
		return Type{v.DType(), withOnes(v.Shape(), ax)}, nil
	}
	return Type{v.DType(), without(v.Shape(), ax)}, nil
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
}

func (k reduction) eval(c *kernel.Context, op Op, list []int, out *tensor.Tensor, in []*tensor.Tensor) error {
	ax, err := axes(list, in[0].Rank())
	if err != nil {
		return err
	}
	switch out.DType() {
	case F32:
		k.f32(c, tensor.Data[float32](out), tensor.Data[float32](in[0]), in[0].Shape(), ax)
	case F64:
		k.f64(c, tensor.Data[float64](out), tensor.Data[float64](in[0]), in[0].Shape(), ax)
	default:
		return noKernel(op, out)
	}
	return nil
}

// reduceONNX adds the node of a reduction. ReduceSum takes its axes as an input; the others do from opset 18 on.
func reduceONNX(e Emitter, y *Value, opType string, list []int, keep bool, in []string) string {
	keepdims := Attr{"keepdims", map[bool]int{true: 1}[keep]}
	ax, err := axes(list, y.Args[0].Rank())
	if err != nil {
		return e.Fail(y, "%v", err)
	}
	if len(ax) == 0 { // a scalar: no axes would mean all axes, which is the same
		return e.Node("Identity", in)
	}
	if opType != "ReduceSum" && e.Opset() < 18 {
		return e.Node(opType, in, Attr{"axes", ax}, keepdims)
	}
	list64 := make([]int64, len(ax))
	for i, a := range ax {
		list64[i] = int64(a)
	}
	return e.Node(opType, []string{in[0], e.Const(tensor.Of(list64, len(ax)))}, keepdims)
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

// Infer drops the axes.
func (o Sum) Infer(in []*Value) (Type, error) { return inferReduce(in[0], o.Axes, o.KeepDims) }

// VJP spreads g over the axes.
func (o Sum) VJP(y, g *Value) []*Value {
	x := y.Args[0]
	return []*Value{kept(g, x, o.Axes).Expand(x.Shape()...)}
}

// Eval reduces.
func (o Sum) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	return reduction{kernel.Sum[float32], kernel.Sum[float64]}.eval(c, o, o.Axes, out, in)
}

// ONNX adds a ReduceSum node.
func (o Sum) ONNX(e Emitter, y *Value, in []string) string {
	return reduceONNX(e, y, "ReduceSum", o.Axes, o.KeepDims, in)
}

// Samples covers the kinds of axes.
func (Sum) Samples() []Sample {
	return reduceSamples(func(axes []int, keep bool) Op { return Sum{Axes: axes, KeepDims: keep} }, false)
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

// Infer drops the axes.
func (o Mean) Infer(in []*Value) (Type, error) { return inferReduce(in[0], o.Axes, o.KeepDims) }

// VJP spreads g over the axes, divided by their size.
func (o Mean) VJP(y, g *Value) []*Value {
	x := y.Args[0]
	return []*Value{kept(g, x, o.Axes).Div(x.Size(o.Axes...)).Expand(x.Shape()...)}
}

// Eval reduces.
func (o Mean) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	return reduction{kernel.Mean[float32], kernel.Mean[float64]}.eval(c, o, o.Axes, out, in)
}

// ONNX adds a ReduceMean node.
func (o Mean) ONNX(e Emitter, y *Value, in []string) string {
	return reduceONNX(e, y, "ReduceMean", o.Axes, o.KeepDims, in)
}

// Samples covers the kinds of axes.
func (Mean) Samples() []Sample {
	return reduceSamples(func(axes []int, keep bool) Op { return Mean{Axes: axes, KeepDims: keep} }, false)
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

// Infer drops the axes.
func (o ReduceMax) Infer(in []*Value) (Type, error) { return inferReduce(in[0], o.Axes, o.KeepDims) }

// VJP gives g to the largest element.
func (o ReduceMax) VJP(y, g *Value) []*Value {
	x := y.Args[0]
	// Of equal extremes each gets an equal share, so that the gradient's sum stays g.
	hit := x.Equal(kept(y, x, o.Axes)).Where(scalarLike(x, 1), scalarLike(x, 0))
	share := hit.Div(hit.SumKeep(o.Axes...))
	return []*Value{share.Mul(kept(g, x, o.Axes))}
}

// Eval reduces.
func (o ReduceMax) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	return reduction{kernel.ReduceMax[float32], kernel.ReduceMax[float64]}.eval(c, o, o.Axes, out, in)
}

// ONNX adds a ReduceMax node.
func (o ReduceMax) ONNX(e Emitter, y *Value, in []string) string {
	return reduceONNX(e, y, "ReduceMax", o.Axes, o.KeepDims, in)
}

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

// Infer drops the axes.
func (o ReduceMin) Infer(in []*Value) (Type, error) { return inferReduce(in[0], o.Axes, o.KeepDims) }

// VJP gives g to the smallest element.
func (o ReduceMin) VJP(y, g *Value) []*Value {
	x := y.Args[0]
	// Of equal extremes each gets an equal share, so that the gradient's sum stays g.
	hit := x.Equal(kept(y, x, o.Axes)).Where(scalarLike(x, 1), scalarLike(x, 0))
	share := hit.Div(hit.SumKeep(o.Axes...))
	return []*Value{share.Mul(kept(g, x, o.Axes))}
}

// Eval reduces.
func (o ReduceMin) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	return reduction{kernel.ReduceMin[float32], kernel.ReduceMin[float64]}.eval(c, o, o.Axes, out, in)
}

// ONNX adds a ReduceMin node.
func (o ReduceMin) ONNX(e Emitter, y *Value, in []string) string {
	return reduceONNX(e, y, "ReduceMin", o.Axes, o.KeepDims, in)
}

// Samples covers the kinds of axes.
func (ReduceMin) Samples() []Sample {
	return reduceSamples(func(axes []int, keep bool) Op { return ReduceMin{Axes: axes, KeepDims: keep} }, true)
}
