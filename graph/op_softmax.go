package graph

import (
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var softmaxOps = []Sampled{Softmax{}, LogSoftmax{}}

// inferSoftmax checks the axis.
func inferSoftmax(in *Infer, i int) ([]Type, error) {
	if _, err := axis(i, in.Args[0].Rank()); err != nil {
		return nil, err
	}
	return in.Same(0)
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

// Takes is a float.
func (Softmax) Takes() []Arg { return oneFloat }

// Infer returns the argument's type.
func (o Softmax) Infer(in *Infer) ([]Type, error) { return inferSoftmax(in, o.Axis) }

// VJP is y·(g − Σ g·y).
func (o Softmax) VJP(n *Node, g []*Value) []*Value {
	return []*Value{n.Results[0].Mul(g[0].Sub(g[0].Mul(n.Results[0]).SumKeep(o.Axis)))}
}

// Run computes it without overflow.
func (o Softmax) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return floats(c, o, out, in, softmaxFloats[float32], softmaxFloats[float64])
}

func softmaxFloats[T kernel.Float](c *kernel.Context, o Softmax, out, in []*tensor.Tensor) error {
	outer, n, inner, err := alongAxis(in[0].Shape(), o.Axis)
	if err != nil {
		return err
	}
	kernel.Softmax(c, tensor.Data[T](out[0]), tensor.Data[T](in[0]), outer, n, inner)
	return nil
}

// Forms is Softmax.
func (Softmax) Forms() []Form {
	return form("Softmax", Field{Attribute: "axis", Name: "Axis", Default: -1})
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

// Takes is a float.
func (LogSoftmax) Takes() []Arg { return oneFloat }

// Infer returns the argument's type.
func (o LogSoftmax) Infer(in *Infer) ([]Type, error) { return inferSoftmax(in, o.Axis) }

// VJP is g − e^y·Σ g.
func (o LogSoftmax) VJP(n *Node, g []*Value) []*Value {
	return []*Value{g[0].Sub(n.Results[0].Exp().Mul(g[0].SumKeep(o.Axis)))}
}

// Run computes it without overflow.
func (o LogSoftmax) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return floats(c, o, out, in, logSoftmaxFloats[float32], logSoftmaxFloats[float64])
}

func logSoftmaxFloats[T kernel.Float](c *kernel.Context, o LogSoftmax, out, in []*tensor.Tensor) error {
	outer, n, inner, err := alongAxis(in[0].Shape(), o.Axis)
	if err != nil {
		return err
	}
	kernel.LogSoftmax(c, tensor.Data[T](out[0]), tensor.Data[T](in[0]), outer, n, inner)
	return nil
}

// Forms is LogSoftmax.
func (LogSoftmax) Forms() []Form {
	return form("LogSoftmax", Field{Attribute: "axis", Name: "Axis", Default: -1})
}

// Samples covers the places of the axis.
func (LogSoftmax) Samples() []Sample {
	return softmaxSamples(func(axis int) Op { return LogSoftmax{axis} })
}

// LogSumExp is ln Σ e^v along the axis, counted from the end when negative, without overflow: the largest element is taken out of the sum.
func (v *Value) LogSumExp(axis int) *Value {
	most := v.ReduceMaxKeep(axis).Detach()
	return v.Sub(most).Exp().SumKeep(axis).Log().Add(most).Squeeze(axis)
}
