package graph

import (
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var castOps = []Op{Cast{}}

// Cast converts to another dtype; floats become integers by truncation, and anything but zero becomes true. ONNX: Cast.
type Cast struct{ To DType }

// Cast is v in dtype t.
func (v *Value) Cast(t DType) *Value { return Apply(Cast{t}, v) }

// Infer changes the dtype.
func (o Cast) Infer(in []*Value) (Type, error) { return Type{o.To, in[0].Shape()}, nil }

// VJP casts g back; integers and bools have no gradient.
func (o Cast) VJP(y, g *Value) []*Value {
	if x := y.Args[0]; x.DType().Float() && o.To.Float() {
		return []*Value{g.Cast(x.DType())}
	}
	return nil
}

// Eval converts.
func (o Cast) Eval(_ *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	switch y := out.Raw().(type) {
	case []float32:
		if x, ok := in[0].Raw().([]bool); ok {
			truths(y, x)
			return nil
		}
	case []float64:
		if x, ok := in[0].Raw().([]bool); ok {
			truths(y, x)
			return nil
		}
	}
	out.CopyFrom(in[0].Cast(o.To))
	return nil
}

// truths is the conversion of comparisons, which training steps do at every ReLU.
func truths[T kernel.Float](y []T, x []bool) {
	for i, b := range x {
		y[i] = 0
		if b {
			y[i] = 1
		}
	}
}

// ONNX adds a Cast node.
func (o Cast) ONNX(e Emitter, y *Value, in []string) string {
	return e.Node("Cast", in, Attr{"to", ONNXType(o.To)})
}

// Samples covers pairs of dtypes.
func (Cast) Samples() []Sample {
	in := func(t DType) []SampleInput { return []SampleInput{{DType: t, Shape: []int{2, 3}, Lo: -3, Hi: 3}} }
	return []Sample{
		{Op: Cast{F32}, In: in(Bool)}, {Op: Cast{F64}, In: in(I64)}, {Op: Cast{I64}, In: in(F32)}, {Op: Cast{Bool}, In: in(I64)},
		{Op: Cast{F64}, In: in(F32)}, {Op: Cast{I32}, In: in(I64)}, {Op: Cast{F32}, In: []SampleInput{{DType: U8, Shape: []int{3}, Lo: 0, Hi: 9}}},
	}
}
