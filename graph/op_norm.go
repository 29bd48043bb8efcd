package graph

import (
	"fmt"
	"math"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var normOps = []Op{LayerNorm{}, LayerNormGrad{}, BatchNorm{}}

// LayerNorm normalises the last axis to mean 0 and variance 1, then scales and shifts it (Ba et al. 2016). Arguments: x,
// and optionally scale and bias. ONNX: LayerNormalization.
type LayerNorm struct{ Eps float64 }

// LayerNorm normalises v's last axis; scale and bias, of that axis' size, may both be nil.
func (v *Value) LayerNorm(scale, bias *Value, eps float64) *Value {
	if scale == nil && bias == nil {
		return Apply(LayerNorm{eps}, v)
	}
	return Apply(LayerNorm{eps}, v, scale, bias)
}

// Infer checks scale and bias.
func (o LayerNorm) Infer(in []*Value) (Type, error) {
	x := in[0]
	if err := wantFloat(x); err != nil {
		return Type{}, err
	}
	if x.Rank() < 1 {
		return Type{}, Mistakef("give it at least one axis", "a scalar has no axis to normalise")
	}
	if !(o.Eps >= 0) {
		return Type{}, Mistakef("a usual choice is 1e-5", "eps is %v", o.Eps)
	}
	return x.Type, vectors(x, x.Shape()[x.Rank()-1], in[1:])
}

// vectors checks that each of vs is a vector of n elements of x's dtype.
func vectors(x *Value, n Dim, vs []*Value) error {
	for _, v := range vs {
		if v.DType() != x.DType() || !v.Shape().Equal(Shape{n}) {
			return Mistakef("each has one element for each channel, or for each element of the last axis", "scale, bias and statistics of %v must be %v", x.Type, Type{x.DType(), Shape{n}})
		}
	}
	return nil
}

// VJP is (the gradient through the normalisation of g·scale, the sums of g·x̂ and of g).
func (o LayerNorm) VJP(y, g *Value) []*Value {
	x := y.Args[0]
	if len(y.Args) == 1 {
		return []*Value{Apply(LayerNormGrad{o.Eps}, x, g)}
	}
	scale := y.Args[1]
	return []*Value{Apply(LayerNormGrad{o.Eps}, x, g.Mul(scale)), sumTo(g.Mul(x.LayerNorm(nil, nil, o.Eps)), scale.Shape()), sumTo(g, scale.Shape())}
}

// Eval normalises.
func (o LayerNorm) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	switch out.DType() {
	case F32:
		layerNorm[float32](c, o, out, in)
	case F64:
		layerNorm[float64](c, o, out, in)
	default:
		return noKernel(o, out)
	}
	return nil
}

func layerNorm[T kernel.Float](c *kernel.Context, o LayerNorm, out *tensor.Tensor, in []*tensor.Tensor) {
	var scale, bias []T
	if len(in) > 1 {
		scale, bias = tensor.Data[T](in[1]), tensor.Data[T](in[2])
	}
	kernel.LayerNorm(c, tensor.Data[T](out), tensor.Data[T](in[0]), scale, bias, out.Dim(-1), T(o.Eps))
}

// ONNX adds a LayerNormalization node; it wants a scale.
func (o LayerNorm) ONNX(e Emitter, y *Value, in []string) string {
	if len(in) == 1 {
		in = []string{in[0], Full{Type: Type{y.DType(), y.Shape()[y.Rank()-1:]}, Value: 1}.ONNX(e, y, nil)}
	}
	return e.Node("LayerNormalization", in, Attr{"axis", -1}, Attr{"epsilon", o.Eps})
}

// Samples covers ranks, with and without scale and bias.
func (LayerNorm) Samples() []Sample {
	var out []Sample
	for _, s := range [][]int{{5}, {3, 4}, {2, 3, 2}, {1, 2, 1, 2, 3}} {
		x, v := SampleInput{Shape: s}, SampleInput{Shape: s[len(s)-1:]}
		out = append(out, Sample{Op: LayerNorm{1e-2}, In: []SampleInput{x}}, Sample{Op: LayerNorm{1e-2}, In: []SampleInput{x, v, v}})
	}
	return out
}

// LayerNormGrad is the gradient of LayerNorm without scale and bias, from x and the gradient u of its result: along the last
// axis (u − mean u − x̂·mean(u·x̂))/σ, where x̂ = (x − mean x)/σ is the normalised x. ONNX: LayerNormalization, ReduceMean and
// arithmetic.
type LayerNormGrad struct{ Eps float64 }

// Infer checks that x and u have one type.
func (o LayerNormGrad) Infer(in []*Value) (Type, error) {
	if in[0].DType() != in[1].DType() || !in[0].Shape().Equal(in[1].Shape()) {
		return Type{}, Mistakef("it is the gradient of the normalised value", "the gradient is %v, want %v", in[1].Type, in[0].Type)
	}
	return LayerNorm(o).Infer(in[:1])
}

// VJP differentiates v·y. As a map of u the op is its own adjoint, so u gets the same op of v. With a = mean(u·x̂),
// b = mean(v·x̂) and c = mean(u·v) − mean u·mean v − a·b, v·y is n·c/σ; x gets −c·x̂/σ² − (b·y + a·(the same op of v))/σ.
func (o LayerNormGrad) VJP(y, v *Value) []*Value {
	x, u := y.Args[0], y.Args[1]
	yv := Apply(o, x, v)
	hat := x.LayerNorm(nil, nil, o.Eps)
	r := x.Sub(x.MeanKeep(-1)).Square().MeanKeep(-1).Shift(o.Eps).Sqrt().Reciprocal()
	a, b := u.Mul(hat).MeanKeep(-1), v.Mul(hat).MeanKeep(-1)
	c := u.Mul(v).MeanKeep(-1).Sub(u.MeanKeep(-1).Mul(v.MeanKeep(-1))).Sub(a.Mul(b))
	dx := c.Mul(r).Mul(hat).Add(b.Mul(y)).Add(a.Mul(yv)).Mul(r).Neg()
	return []*Value{dx, yv}
}

// Eval runs the kernel.
func (o LayerNormGrad) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	switch out.DType() {
	case F32:
		kernel.LayerNormGrad(c, tensor.Data[float32](out), tensor.Data[float32](in[0]), tensor.Data[float32](in[1]), out.Dim(-1), float32(o.Eps))
	case F64:
		kernel.LayerNormGrad(c, tensor.Data[float64](out), tensor.Data[float64](in[0]), tensor.Data[float64](in[1]), out.Dim(-1), o.Eps)
	default:
		return noKernel(o, out)
	}
	return nil
}

// ONNX takes x̂ and 1/σ from a LayerNormalization node; it gives 1/σ in f32 only, so f64 computes both.
func (o LayerNormGrad) ONNX(e Emitter, y *Value, in []string) string {
	mean := func(v string) string { return reduceONNX(e, y, "ReduceMean", []int{-1}, true, []string{v}) }
	op := func(opType, a, b string) string { return e.Node(opType, []string{a, b}) }
	x, u := in[0], in[1]
	var hat, r string
	if y.DType() == F32 {
		ones := Full{Type: Type{F32, y.Shape()[y.Rank()-1:]}, Value: 1}.ONNX(e, y, nil)
		out := e.Nodes("LayerNormalization", 3, []string{x, ones}, Attr{"axis", -1}, Attr{"epsilon", o.Eps})
		hat, r = out[0], out[2]
	} else {
		d := op("Sub", x, mean(x))
		r = e.Node("Reciprocal", []string{e.Node("Sqrt", []string{op("Add", mean(op("Mul", d, d)), number(e, y, o.Eps))})})
		hat = op("Mul", d, r)
	}
	along := op("Mul", hat, mean(op("Mul", u, hat)))
	return op("Mul", op("Sub", op("Sub", u, mean(u)), along), r)
}

// Samples covers ranks.
func (LayerNormGrad) Samples() []Sample {
	var out []Sample
	for _, s := range [][]int{{5}, {3, 4}, {2, 3, 2}, {1, 2, 1, 2, 3}} {
		out = append(out, Sample{Op: LayerNormGrad{1e-2}, In: []SampleInput{{Shape: s}, {Shape: s}}})
	}
	return out
}

// BatchNorm maps each channel, axis 1, by given statistics: scale·(x−mean)/√(variance+Eps) + bias (Ioffe and Szegedy
// 2015). Arguments: x, scale, bias, mean, variance. ONNX: BatchNormalization.
type BatchNorm struct{ Eps float64 }

// BatchNorm normalises v's channels by running statistics; all four are [channels].
func (v *Value) BatchNorm(scale, bias, mean, variance *Value, eps float64) *Value {
	return Apply(BatchNorm{eps}, v, scale, bias, mean, variance)
}

// BatchNormTrain normalises v's channels by the batch's own statistics, and returns those: the mean and the biased
// variance, [channels]. It is made of smaller ops, so gradients of any order flow through the statistics too.
func (v *Value) BatchNormTrain(scale, bias *Value, eps float64) (y, mean, variance *Value) {
	if v.OK() && (scale == nil || bias == nil) {
		v.fn.Mistake(v.fn.Pos(), "BatchNormTrain: scale or bias is nil", "v.Func().Full makes ones and zeros", v)
	}
	if !v.OK() || !scale.OK() || !bias.OK() {
		p := v.fn.Poison()
		return p, p, p
	}
	if v.Rank() < 2 || !(eps >= 0) || math.IsInf(eps, 0) {
		v.fn.Mistake(v.fn.Pos(), fmt.Sprintf("BatchNormTrain: needs [batch channels ...] and eps from 0, has %v and %v", v.Type, eps), "channels are axis 1; a usual eps is 1e-5", v)
		p := v.fn.Poison()
		return p, p, p
	}
	c, others := v.Shape()[1], channelRest(v.Rank())
	mean = v.MeanKeep(others...)
	d := v.Sub(mean)
	variance = d.Square().MeanKeep(others...)
	hat := d.Mul(variance.Shift(eps).Sqrt().Reciprocal())
	y = hat.Mul(perChannel(scale, v.Rank())).Add(perChannel(bias, v.Rank()))
	return y, mean.Reshape(c), variance.Reshape(c)
}

// channelRest are all axes but 1.
func channelRest(rank int) []int {
	out := []int{0}
	for i := 2; i < rank; i++ {
		out = append(out, i)
	}
	return out
}

// perChannel gives a vector [channels] the axes that broadcast it along axis 1.
func perChannel(v *Value, rank int) *Value {
	s := v.Shape()
	for range rank - 2 {
		s = append(s[:len(s):len(s)], 1)
	}
	return v.Reshape(s...)
}

// Infer checks the vectors.
func (o BatchNorm) Infer(in []*Value) (Type, error) {
	x := in[0]
	if err := wantFloat(x); err != nil {
		return Type{}, err
	}
	if x.Rank() < 2 {
		return Type{}, Mistakef("channels are axis 1", "needs [batch channels ...], has %v", x.Type)
	}
	if !(o.Eps >= 0) {
		return Type{}, Mistakef("a usual choice is 1e-5", "eps is %v", o.Eps)
	}
	return x.Type, vectors(x, x.Shape()[1], in[1:])
}

// VJP differentiates with respect to all five arguments.
func (o BatchNorm) VJP(y, g *Value) []*Value {
	x, n := y.Args[0], y.Rank()
	scale, mean, variance := perChannel(y.Args[1], n), perChannel(y.Args[3], n), perChannel(y.Args[4], n)
	r := variance.Shift(o.Eps).Sqrt().Reciprocal()
	hat := x.Sub(mean).Mul(r)
	dx := g.Mul(scale.Mul(r))
	vector := func(v *Value) *Value { return v.Sum(channelRest(n)...) }
	return []*Value{dx, vector(g.Mul(hat)), vector(g), vector(dx).Neg(), vector(dx.Mul(hat).Mul(r)).Scale(-.5)}
}

// Eval normalises.
func (o BatchNorm) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	switch out.DType() {
	case F32:
		batchNorm[float32](c, o, out, in)
	case F64:
		batchNorm[float64](c, o, out, in)
	default:
		return noKernel(o, out)
	}
	return nil
}

func batchNorm[T kernel.Float](c *kernel.Context, o BatchNorm, out *tensor.Tensor, in []*tensor.Tensor) {
	inner := 1
	for _, d := range out.Shape()[2:] {
		inner *= d
	}
	v := func(i int) []T { return tensor.Data[T](in[i]) }
	kernel.BatchNorm(c, tensor.Data[T](out), v(0), v(1), v(2), v(3), v(4), inner, T(o.Eps))
}

// ONNX adds a BatchNormalization node.
func (o BatchNorm) ONNX(e Emitter, y *Value, in []string) string {
	return e.Node("BatchNormalization", in, Attr{"epsilon", o.Eps})
}

// Samples covers ranks 2 to 5.
func (BatchNorm) Samples() []Sample {
	var out []Sample
	for _, s := range [][]int{{3, 2}, {2, 3, 2}, {2, 2, 2, 2}, {1, 2, 1, 2, 2}} {
		v := SampleInput{Shape: s[1:2]}
		out = append(out, Sample{Op: BatchNorm{1e-2}, In: []SampleInput{{Shape: s}, v, v, v, {Shape: s[1:2], Lo: .5, Hi: 2}}})
	}
	return out
}
