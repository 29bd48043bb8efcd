package graph

import (
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var softmaxOps = []Op{Softmax{}, LogSoftmax{}}

// inferSoftmax checks the axis.
func inferSoftmax(in []*Value, i int) (Type, error) {
	if _, err := axis(i, in[0].Rank()); err != nil {
		return Type{}, err
	}
	return sameFloat(in)
}

// alongAxis splits a shape at an axis: the product before it, its size, and the product after it.
func alongAxis(shape []int, i int) (outer, n, inner int, err error) {
	k, err := axis(i, len(shape))
	if err != nil {
		return 0, 0, 0, err
	}
	outer, inner = 1, 1
	for _, d := range shape[:k] {
		outer *= d
	}
	for _, d := range shape[k+1:] {
		inner *= d
	}
	return outer, shape[k], inner, nil
}

// softmaxSamples covers first, inner and last axes.
func softmaxSamples(op func(axis int) Op) []Sample {
	var out []Sample
	for _, s := range []struct {
		shape []int
		axis  int
	}{{[]int{5}, 0}, {[]int{3, 4}, -1}, {[]int{3, 4}, 0}, {[]int{2, 3, 2}, 1}, {[]int{1, 2, 2, 1, 3}, 4}, {[]int{2, 1}, 1}} {
		out = append(out, Sample{Op: op(s.axis), In: []SampleInput{{Shape: s.shape}}})
	}
	return out
}

// Softmax is e^x / Σ e^x along Axis. ONNX: Softmax.
type Softmax struct{ Axis int }

// Softmax is the softmax of v along the axis, counted from the end when negative.
func (v *Value) Softmax(axis int) *Value { return Apply(Softmax{axis}, v) }

func (o Softmax) normalize(in []*Value) Op {
	o.Axis = normalAxis(o.Axis, in[0])
	return o
}

// Infer returns the argument's type.
func (o Softmax) Infer(in []*Value) (Type, error) { return inferSoftmax(in, o.Axis) }

// VJP is y·(g − Σ g·y).
func (o Softmax) VJP(y, g *Value) []*Value {
	return []*Value{y.Mul(g.Sub(g.Mul(y).SumKeep(o.Axis)))}
}

// Eval computes it without overflow.
func (o Softmax) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	outer, n, inner, err := alongAxis(in[0].Shape(), o.Axis)
	if err != nil {
		return err
	}
	switch out.DType() {
	case F32:
		kernel.Softmax(c, tensor.Data[float32](out), tensor.Data[float32](in[0]), outer, n, inner)
	case F64:
		kernel.Softmax(c, tensor.Data[float64](out), tensor.Data[float64](in[0]), outer, n, inner)
	default:
		return noKernel(o, out)
	}
	return nil
}

// ONNX adds a Softmax node.
func (o Softmax) ONNX(e Emitter, y *Value, in []string) string {
	return e.Node("Softmax", in, Attr{"axis", o.Axis})
}

// Samples covers the places of the axis.
func (Softmax) Samples() []Sample { return softmaxSamples(func(axis int) Op { return Softmax{axis} }) }

// LogSoftmax is x − ln Σ e^x along Axis. ONNX: LogSoftmax.
type LogSoftmax struct{ Axis int }

// LogSoftmax is the logarithm of the softmax of v along the axis, counted from the end when negative.
func (v *Value) LogSoftmax(axis int) *Value { return Apply(LogSoftmax{axis}, v) }

func (o LogSoftmax) normalize(in []*Value) Op {
	o.Axis = normalAxis(o.Axis, in[0])
	return o
}

// Infer returns the argument's type.
func (o LogSoftmax) Infer(in []*Value) (Type, error) { return inferSoftmax(in, o.Axis) }

// VJP is g − e^y·Σ g.
func (o LogSoftmax) VJP(y, g *Value) []*Value {
	return []*Value{g.Sub(y.Exp().Mul(g.SumKeep(o.Axis)))}
}

// Eval computes it without overflow.
func (o LogSoftmax) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	outer, n, inner, err := alongAxis(in[0].Shape(), o.Axis)
	if err != nil {
		return err
	}
	switch out.DType() {
	case F32:
		kernel.LogSoftmax(c, tensor.Data[float32](out), tensor.Data[float32](in[0]), outer, n, inner)
	case F64:
		kernel.LogSoftmax(c, tensor.Data[float64](out), tensor.Data[float64](in[0]), outer, n, inner)
	default:
		return noKernel(o, out)
	}
	return nil
}

// ONNX adds a LogSoftmax node.
func (o LogSoftmax) ONNX(e Emitter, y *Value, in []string) string {
	return e.Node("LogSoftmax", in, Attr{"axis", o.Axis})
}

// Samples covers the places of the axis.
func (LogSoftmax) Samples() []Sample {
	return softmaxSamples(func(axis int) Op { return LogSoftmax{axis} })
}
