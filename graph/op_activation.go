package graph

import (
	"math"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var activationOps = []Op{ReLU{}, Step{}, Sigmoid{}, Tanh{}, Softplus{}, GELU{}, SiLU{}, LeakyReLU{}, ELU{}, Clip{}}

// ReLU is max(x, 0). ONNX: Relu.
type ReLU struct{}

// ReLU is max(v, 0); its gradient at 0 is 0.
func (v *Value) ReLU() *Value { return Apply(ReLU{}, v) }

// Infer returns the argument's type.
func (ReLU) Infer(in []*Value) (Type, error) { return sameFloat(in) }

// VJP is g where x > 0.
func (ReLU) VJP(y, g *Value) []*Value { return []*Value{g.Mul(y.Args[0].Step())} }

func (ReLU) flats() flats { return unary(1, kernel.ReLU[float32], kernel.ReLU[float64]) }

// Eval computes it.
func (o ReLU) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	return evalElementwise(c, o, out, in)
}

// ONNX adds a Relu node.
func (ReLU) ONNX(e Emitter, y *Value, in []string) string { return e.Node("Relu", in) }

// Samples covers the ranks.
func (o ReLU) Samples() []Sample { return unarySamples(o, 0, 0, true) }

// Step is 1 where x > 0, else 0: the derivative of ReLU. ONNX: Greater, Cast.
type Step struct{}

// Step is 1 where v is above 0, else 0.
func (v *Value) Step() *Value { return Apply(Step{}, v) }

// Infer returns the argument's type.
func (Step) Infer(in []*Value) (Type, error) { return sameFloat(in) }

// VJP returns nil: the gradient is zero almost everywhere.
func (Step) VJP(y, g *Value) []*Value { return nil }

func (Step) flats() flats { return unary(1, kernel.Step[float32], kernel.Step[float64]) }

// Eval computes it.
func (o Step) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	return evalElementwise(c, o, out, in)
}

// ONNX adds Greater and Cast nodes.
func (Step) ONNX(e Emitter, y *Value, in []string) string {
	return e.Node("Cast", []string{e.Node("Greater", []string{in[0], number(e, y, 0)})}, Attr{"to", ONNXType(y.DType())})
}

// Samples covers the ranks.
func (o Step) Samples() []Sample { return unarySamples(o, 0, 0, true) }

// Sigmoid is 1/(1+e^(−x)). ONNX: Sigmoid.
type Sigmoid struct{}

// Sigmoid is the logistic function of v.
func (v *Value) Sigmoid() *Value { return Apply(Sigmoid{}, v) }

// Infer returns the argument's type.
func (Sigmoid) Infer(in []*Value) (Type, error) { return sameFloat(in) }

// VJP is g·y·(1−y).
func (Sigmoid) VJP(y, g *Value) []*Value { return []*Value{g.Mul(y.Sub(y.Square()))} }

func (Sigmoid) flats() flats { return unary(10, kernel.Sigmoid[float32], kernel.Sigmoid[float64]) }

// Eval computes it.
func (o Sigmoid) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	return evalElementwise(c, o, out, in)
}

// ONNX adds a Sigmoid node.
func (Sigmoid) ONNX(e Emitter, y *Value, in []string) string { return e.Node("Sigmoid", in) }

// Samples covers the ranks.
func (o Sigmoid) Samples() []Sample { return unarySamples(o, 0, 0, false) }

// Tanh is the hyperbolic tangent of x. ONNX: Tanh.
type Tanh struct{}

// Tanh is the hyperbolic tangent of v.
func (v *Value) Tanh() *Value { return Apply(Tanh{}, v) }

// Infer returns the argument's type.
func (Tanh) Infer(in []*Value) (Type, error) { return sameFloat(in) }

// VJP is g·(1−y²).
func (Tanh) VJP(y, g *Value) []*Value { return []*Value{g.Sub(g.Mul(y.Square()))} }

func (Tanh) flats() flats { return unary(10, kernel.Tanh[float32], kernel.Tanh[float64]) }

// Eval computes it.
func (o Tanh) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	return evalElementwise(c, o, out, in)
}

// ONNX adds a Tanh node.
func (Tanh) ONNX(e Emitter, y *Value, in []string) string { return e.Node("Tanh", in) }

// Samples covers the ranks.
func (o Tanh) Samples() []Sample { return unarySamples(o, 0, 0, false) }

// Softplus is ln(1+e^x), computed without overflow. ONNX: Softplus.
type Softplus struct{}

// Softplus is ln(1+e^v), a smooth max(v, 0).
func (v *Value) Softplus() *Value { return Apply(Softplus{}, v) }

// Infer returns the argument's type.
func (Softplus) Infer(in []*Value) (Type, error) { return sameFloat(in) }

// VJP is g·sigmoid(x).
func (Softplus) VJP(y, g *Value) []*Value { return []*Value{g.Mul(y.Args[0].Sigmoid())} }

func (Softplus) flats() flats { return unary(16, kernel.Softplus[float32], kernel.Softplus[float64]) }

// Eval computes it.
func (o Softplus) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	return evalElementwise(c, o, out, in)
}

// ONNX adds a Softplus node, which runtimes compute without overflow and to the end of the tail. onnxruntime has none in
// f64: there it is max(x, 0) + ln(1+s) with s = e^(−|x|), and ln(1+s) = s·ln(u)/(u−1) with u = 1+s keeps the digits of s
// that the sum loses (Kahan).
func (Softplus) ONNX(e Emitter, y *Value, in []string) string {
	if y.DType() != F64 {
		return e.Node("Softplus", in)
	}
	one := number(e, y, 1)
	s := e.Node("Exp", []string{e.Node("Neg", []string{e.Node("Abs", in)})})
	u := e.Node("Add", []string{one, s})
	ratio := e.Node("Div", []string{e.Node("Log", []string{u}), e.Node("Sub", []string{u, one})})
	log := e.Node("Where", []string{e.Node("Equal", []string{u, one}), s, e.Node("Mul", []string{s, ratio})})
	return e.Node("Add", []string{e.Node("Relu", in), log})
}

// Samples covers the ranks.
func (o Softplus) Samples() []Sample { return unarySamples(o, 0, 0, false) }

// GELU is the Gaussian error linear unit, x·Φ(x), exact (Hendrycks and Gimpel 2016). ONNX: Gelu from opset 20, else Erf and arithmetic.
type GELU struct{}

// GELU is the Gaussian error linear unit, v·Φ(v).
func (v *Value) GELU() *Value { return Apply(GELU{}, v) }

// Infer returns the argument's type.
func (GELU) Infer(in []*Value) (Type, error) { return sameFloat(in) }

// VJP is g·(Φ(x) + x·φ(x)).
func (GELU) VJP(y, g *Value) []*Value {
	x := y.Args[0]
	cdf := x.Scale(math.Sqrt2 / 2).Erf().Shift(1).Scale(.5)
	pdf := x.Square().Scale(-.5).Exp().Scale(1 / math.Sqrt(2*math.Pi))
	return []*Value{g.Mul(cdf.Add(x.Mul(pdf)))}
}

func (GELU) flats() flats { return unary(16, kernel.GELU[float32], kernel.GELU[float64]) }

// Eval computes it.
func (o GELU) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	return evalElementwise(c, o, out, in)
}

// ONNX adds a Gelu node from opset 20 on, else its definition.
func (GELU) ONNX(e Emitter, y *Value, in []string) string {
	if e.Opset() >= 20 {
		return e.Node("Gelu", in)
	}
	erf := e.Node("Erf", []string{e.Node("Mul", []string{in[0], number(e, y, math.Sqrt2/2)})})
	cdf := e.Node("Mul", []string{e.Node("Add", []string{erf, number(e, y, 1)}), number(e, y, .5)})
	return e.Node("Mul", []string{in[0], cdf})
}

// Samples covers the ranks.
func (o GELU) Samples() []Sample { return unarySamples(o, 0, 0, false) }

// SiLU is x·sigmoid(x), also called swish. ONNX: Sigmoid, Mul.
type SiLU struct{}

// SiLU is v·sigmoid(v), also called swish.
func (v *Value) SiLU() *Value { return Apply(SiLU{}, v) }

// Infer returns the argument's type.
func (SiLU) Infer(in []*Value) (Type, error) { return sameFloat(in) }

// VJP is g·(s + y·(1−s)) with s = sigmoid(x).
func (SiLU) VJP(y, g *Value) []*Value {
	s := y.Args[0].Sigmoid()
	return []*Value{g.Mul(s.Add(y).Sub(y.Mul(s)))}
}

func (SiLU) flats() flats { return unary(10, kernel.SiLU[float32], kernel.SiLU[float64]) }

// Eval computes it.
func (o SiLU) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	return evalElementwise(c, o, out, in)
}

// ONNX adds Sigmoid and Mul nodes.
func (SiLU) ONNX(e Emitter, y *Value, in []string) string {
	return e.Node("Mul", []string{in[0], e.Node("Sigmoid", in)})
}

// Samples covers the ranks.
func (o SiLU) Samples() []Sample { return unarySamples(o, 0, 0, false) }

// LeakyReLU is x where x > 0, else Alpha·x. ONNX: LeakyRelu.
type LeakyReLU struct{ Alpha float64 }

// LeakyReLU is v where it is above 0, else alpha·v.
func (v *Value) LeakyReLU(alpha float64) *Value { return Apply(LeakyReLU{alpha}, v) }

// Infer returns the argument's type.
func (LeakyReLU) Infer(in []*Value) (Type, error) { return sameFloat(in) }

// VJP is g where x > 0, else Alpha·g.
func (o LeakyReLU) VJP(y, g *Value) []*Value {
	return []*Value{g.Mul(y.Args[0].Step().Scale(1 - o.Alpha).Shift(o.Alpha))}
}

func (o LeakyReLU) flats() flats {
	return unary(1,
		func(out, a []float32) { kernel.LeakyReLU(out, a, float32(o.Alpha)) },
		func(out, a []float64) { kernel.LeakyReLU(out, a, o.Alpha) })
}

// Eval computes it.
func (o LeakyReLU) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	return evalElementwise(c, o, out, in)
}

// ONNX adds a LeakyRelu node.
func (o LeakyReLU) ONNX(e Emitter, y *Value, in []string) string {
	return e.Node("LeakyRelu", in, Attr{"alpha", o.Alpha})
}

// Samples covers the ranks.
func (LeakyReLU) Samples() []Sample { return unarySamples(LeakyReLU{Alpha: .2}, 0, 0, true) }

// ELU is x where x > 0, else Alpha·(e^x − 1) (Clevert et al. 2016). ONNX: Elu.
type ELU struct{ Alpha float64 }

// ELU is v where it is above 0, else alpha·(e^v − 1).
func (v *Value) ELU(alpha float64) *Value { return Apply(ELU{alpha}, v) }

// Infer returns the argument's type.
func (ELU) Infer(in []*Value) (Type, error) { return sameFloat(in) }

// VJP is g where x > 0, else g·Alpha·e^x. The exponent is clipped at 0, so that it cannot overflow where it is not used.
func (o ELU) VJP(y, g *Value) []*Value {
	x := y.Args[0]
	below := x.Neg().ReLU().Neg().Exp().Scale(o.Alpha)
	return []*Value{g.Mul(x.Greater(scalarLike(x, 0)).Where(scalarLike(x, 1), below))}
}

func (o ELU) flats() flats {
	return unary(8,
		func(out, a []float32) { kernel.ELU(out, a, float32(o.Alpha)) },
		func(out, a []float64) { kernel.ELU(out, a, o.Alpha) })
}

// Eval computes it.
func (o ELU) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	return evalElementwise(c, o, out, in)
}

// ONNX adds an Elu node.
func (o ELU) ONNX(e Emitter, y *Value, in []string) string {
	return e.Node("Elu", in, Attr{"alpha", o.Alpha})
}

// Samples covers the ranks.
func (ELU) Samples() []Sample { return unarySamples(ELU{Alpha: .7}, 0, 0, true) }

// Clip limits x to [Lo, Hi]; an infinite limit is none. ONNX: Clip.
type Clip struct {
	Lo, Hi float64 `inf:"ok"`
}

// Clip limits v to [lo, hi]; the gradient is 0 outside.
func (v *Value) Clip(lo, hi float64) *Value { return Apply(Clip{lo, hi}, v) }

// Infer returns the argument's type; empty limits are a mistake.
func (o Clip) Infer(in []*Value) (Type, error) {
	if !(o.Lo <= o.Hi) {
		return Type{}, Mistakef("the first limit is the lower one", "the limits %v and %v leave nothing between them", o.Lo, o.Hi)
	}
	return sameFloat(in)
}

// VJP is g where x is within the limits.
func (o Clip) VJP(y, g *Value) []*Value {
	x := y.Args[0]
	inside := x.GreaterEqual(scalarLike(x, o.Lo)).And(x.LessEqual(scalarLike(x, o.Hi)))
	return []*Value{inside.Where(g, scalarLike(g, 0))}
}

func (o Clip) flats() flats {
	return unary(1,
		func(out, a []float32) { kernel.Clip(out, a, float32(o.Lo), float32(o.Hi)) },
		func(out, a []float64) { kernel.Clip(out, a, o.Lo, o.Hi) })
}

// Eval clips.
func (o Clip) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	return evalElementwise(c, o, out, in)
}

// ONNX adds a Clip node.
func (o Clip) ONNX(e Emitter, y *Value, in []string) string {
	return e.Node("Clip", []string{in[0], number(e, y, o.Lo), number(e, y, o.Hi)})
}

// Samples has elements on both sides of both limits.
func (Clip) Samples() []Sample { return unarySamples(Clip{Lo: -.905, Hi: 1.105}, 0, 0, true) }
