package graph

import (
	"math"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
)

var activationOps = []Sampled{ReLU{}, Step{}, Sigmoid{}, Tanh{}, Softplus{}, GELU{}, SiLU{}, Mish{}, LeakyReLU{}, ELU{}, Clip{}}

// ReLU is max(x, 0). ONNX: Relu.
type ReLU struct{ floatMap }

// ReLU is max(v, 0); its gradient at 0 is 0.
func (v *Value) ReLU() *Value { return Apply(ReLU{}, v) }

// VJP is g where x > 0.
func (ReLU) VJP(n *Node, g []*Value) []*Value { return []*Value{g[0].Mul(n.Args[0].Step())} }

func (ReLU) flats() flats { return unary(1, kernel.ReLU[float32], kernel.ReLU[float64]) }

// Forms is Relu.
func (ReLU) Forms() []Form { return form("Relu") }

// Samples covers the ranks.
func (o ReLU) Samples() []Sample { return unarySamples(o, 0, 0, true) }

// Step is 1 where x > 0, else 0: the derivative of ReLU. ONNX: Greater, Cast.
type Step struct{ floatMap }

// Step is 1 where v is above 0, else 0.
func (v *Value) Step() *Value { return Apply(Step{}, v) }

func (Step) flats() flats { return unary(1, kernel.Step[float32], kernel.Step[float64]) }

// Lower is whether x > 0, as a number.
func (Step) Lower(n *Node) []*Value {
	x := n.Args[0]
	return []*Value{x.Greater(scalarLike(x, 0)).Cast(x.DType())}
}

// LowerFast is a large multiple of x, clipped: it is right where x is not between 0 and 3e-39, which no sum of products of such numbers is.
func (Step) LowerFast(n *Node) []*Value {
	if n.Args[0].DType() != F32 {
		return nil
	}
	return []*Value{n.Args[0].Scale(math.MaxFloat32).Clip(0, 1)}
}

// Samples covers the ranks.
func (o Step) Samples() []Sample { return unarySamples(o, 0, 0, true) }

// Sigmoid is 1/(1+e^(−x)). ONNX: Sigmoid.
type Sigmoid struct{ floatMap }

// Sigmoid is the logistic function of v.
func (v *Value) Sigmoid() *Value { return Apply(Sigmoid{}, v) }

// VJP is g·y·(1−y).
func (Sigmoid) VJP(n *Node, g []*Value) []*Value {
	return []*Value{g[0].Mul(n.Results[0].Sub(n.Results[0].Square()))}
}

func (Sigmoid) flats() flats { return unary(10, kernel.Sigmoid[float32], kernel.Sigmoid[float64]) }

// Forms is Sigmoid.
func (Sigmoid) Forms() []Form { return form("Sigmoid") }

// Samples covers the ranks.
func (o Sigmoid) Samples() []Sample { return unarySamples(o, 0, 0, false) }

// Tanh is the hyperbolic tangent of x. ONNX: Tanh.
type Tanh struct{ floatMap }

// Tanh is the hyperbolic tangent of v.
func (v *Value) Tanh() *Value { return Apply(Tanh{}, v) }

// VJP is g·(1−y²).
func (Tanh) VJP(n *Node, g []*Value) []*Value {
	return []*Value{g[0].Sub(g[0].Mul(n.Results[0].Square()))}
}

func (Tanh) flats() flats { return unary(10, kernel.Tanh[float32], kernel.Tanh[float64]) }

// Forms is Tanh.
func (Tanh) Forms() []Form { return form("Tanh") }

// Samples covers the ranks.
func (o Tanh) Samples() []Sample { return unarySamples(o, 0, 0, false) }

// Softplus is ln(1+e^x), computed without overflow. ONNX: Softplus.
type Softplus struct{ floatMap }

// Softplus is ln(1+e^v), a smooth max(v, 0).
func (v *Value) Softplus() *Value { return Apply(Softplus{}, v) }

// VJP is g·sigmoid(x).
func (Softplus) VJP(n *Node, g []*Value) []*Value { return []*Value{g[0].Mul(n.Args[0].Sigmoid())} }

func (Softplus) flats() flats { return unary(16, kernel.Softplus[float32], kernel.Softplus[float64]) }

// Forms is Softplus, which runtimes compute without overflow and to the end of the tail. onnxruntime has none in f64.
func (Softplus) Forms() []Form { return []Form{{Operator: "Softplus", DTypes: 1 << F32}} }

// Lower is max(x, 0) + ln(1+s) with s = e^(−|x|), and ln(1+s) = s·ln(u)/(u−1) with u = 1+s keeps the digits of s that the sum loses
// (Kahan).
func (Softplus) Lower(n *Node) []*Value {
	x := n.Args[0]
	one := scalarLike(x, 1)
	s := x.Abs().Neg().Exp()
	u := one.Add(s)
	log := u.Equal(one).Where(s, s.Mul(u.Log().Div(u.Sub(one))))
	return []*Value{x.ReLU().Add(log)}
}

// LowerFast is max(x, 0) and the tail.
func (Softplus) LowerFast(n *Node) []*Value {
	return []*Value{n.Args[0].ReLU().Add(SoftplusTail(n.Args[0]))}
}

// SoftplusTail is what the softplus of x has above max(x, 0), of ops that runtimes compute by vectors: ln(1+s), where s is e to the power
// −abs x. The logarithm is of u, the sum as it is rounded, and s−(u−1) what that has lost, where u is near 1; where it is not, that is less than
// the logarithm's own rounding.
func SoftplusTail(x *Value) *Value {
	s := x.Abs().Neg().Exp()
	u := s.Shift(1)
	return u.Log().Add(s.Sub(u.Shift(-1)))
}

// Samples covers the ranks.
func (o Softplus) Samples() []Sample { return unarySamples(o, 0, 0, false) }

// GELU is the Gaussian error linear unit, x·Φ(x), exact (Hendrycks and Gimpel 2016). ONNX: Gelu from opset 20, else Erf and arithmetic.
type GELU struct{ floatMap }

// GELU is the Gaussian error linear unit, v·Φ(v).
func (v *Value) GELU() *Value { return Apply(GELU{}, v) }

// VJP is g·(Φ(x) + x·φ(x)).
func (GELU) VJP(n *Node, gs []*Value) []*Value {
	g := gs[0]
	x := n.Args[0]
	cdf := x.Scale(math.Sqrt2 / 2).Erf().Shift(1).Scale(.5)
	pdf := x.Square().Scale(-.5).Exp().Scale(1 / math.Sqrt(2*math.Pi))
	return []*Value{g.Mul(cdf.Add(x.Mul(pdf)))}
}

func (GELU) flats() flats { return unary(16, kernel.GELU[float32], kernel.GELU[float64]) }

// Forms is Gelu, from opset 20 on.
func (GELU) Forms() []Form {
	return []Form{{Operator: "Gelu", Since: 20, Fields: []Field{{Attribute: "approximate", Value: "none", Default: "none"}}}}
}

// Lower is the definition: in a training step as the gradient has it, which takes the Erf too, and else with the quotient that runtimes look
// for, to compute all of it at once.
func (GELU) Lower(n *Node) []*Value {
	x := n.Args[0]
	if x.fn.Training {
		return []*Value{x.Mul(x.Scale(math.Sqrt2 / 2).Erf().Shift(1).Scale(.5))}
	}
	return []*Value{x.Mul(x.Div(x.Scalar(math.Sqrt2)).Erf().Shift(1)).Scale(.5)}
}

// Samples covers the ranks.
func (o GELU) Samples() []Sample { return unarySamples(o, 0, 0, false) }

// SiLU is x·sigmoid(x), also called swish. ONNX: Sigmoid, Mul.
type SiLU struct{ floatMap }

// SiLU is v·sigmoid(v), also called swish.
func (v *Value) SiLU() *Value { return Apply(SiLU{}, v) }

// VJP is g·(s + y·(1−s)) with s = sigmoid(x).
func (SiLU) VJP(n *Node, gs []*Value) []*Value {
	y, g := n.Results[0], gs[0]
	s := n.Args[0].Sigmoid()
	return []*Value{g.Mul(s.Add(y).Sub(y.Mul(s)))}
}

func (SiLU) flats() flats { return unary(10, kernel.SiLU[float32], kernel.SiLU[float64]) }

// Lower is the definition.
func (SiLU) Lower(n *Node) []*Value { return []*Value{n.Args[0].Mul(n.Args[0].Sigmoid())} }

// Samples covers the ranks.
func (o SiLU) Samples() []Sample { return unarySamples(o, 0, 0, false) }

// Mish is x·tanh(softplus x) (Misra 2019). ONNX: Mish from opset 18 on, else its definition.
type Mish struct{ floatMap }

// Mish is v·tanh(softplus v).
func (v *Value) Mish() *Value { return Apply(Mish{}, v) }

// Lower is the definition.
func (Mish) Lower(n *Node) []*Value { return []*Value{n.Args[0].Mul(n.Args[0].Softplus().Tanh())} }

// Forms is Mish, from opset 18 on.
func (Mish) Forms() []Form { return []Form{{Operator: "Mish", Since: 18, DTypes: 1 << F32}} }

// Samples covers the ranks.
func (o Mish) Samples() []Sample { return unarySamples(o, 0, 0, false) }

// LeakyReLU is x where x > 0, else Alpha·x. ONNX: LeakyRelu.
type LeakyReLU struct{ Alpha float64 }

// LeakyReLU is v where it is above 0, else alpha·v.
func (v *Value) LeakyReLU(alpha float64) *Value { return Apply(LeakyReLU{alpha}, v) }

// Takes is a float.
func (LeakyReLU) Takes() []Arg { return oneFloat }

// Infer returns the argument's type.
func (LeakyReLU) Infer(in *Infer) ([]Type, error) { return in.Same(0) }

// VJP is g where x > 0, else Alpha·g.
func (o LeakyReLU) VJP(n *Node, g []*Value) []*Value {
	return []*Value{g[0].Mul(n.Args[0].Step().Scale(1 - o.Alpha).Shift(o.Alpha))}
}

func (o LeakyReLU) flats() flats {
	return unary(1,
		func(out, a []float32) { kernel.LeakyReLU(out, a, float32(o.Alpha)) },
		func(out, a []float64) { kernel.LeakyReLU(out, a, o.Alpha) })
}

// Forms is LeakyRelu.
func (LeakyReLU) Forms() []Form {
	return form("LeakyRelu", Field{Attribute: "alpha", Name: "Alpha", Default: .01})
}

// Samples covers the ranks.
func (LeakyReLU) Samples() []Sample { return unarySamples(LeakyReLU{Alpha: .2}, 0, 0, true) }

// ELU is x where x > 0, else Alpha·(e^x − 1) (Clevert et al. 2016). ONNX: Elu.
type ELU struct{ Alpha float64 }

// ELU is v where it is above 0, else alpha·(e^v − 1).
func (v *Value) ELU(alpha float64) *Value { return Apply(ELU{alpha}, v) }

// Takes is a float.
func (ELU) Takes() []Arg { return oneFloat }

// Infer returns the argument's type.
func (ELU) Infer(in *Infer) ([]Type, error) { return in.Same(0) }

// VJP is g where x > 0, else g·Alpha·e^x. The exponent is clipped at 0, so that it cannot overflow where it is not used.
func (o ELU) VJP(n *Node, gs []*Value) []*Value {
	g := gs[0]
	x := n.Args[0]
	below := x.Neg().ReLU().Neg().Exp().Scale(o.Alpha)
	return []*Value{g.Mul(x.Greater(scalarLike(x, 0)).Where(scalarLike(x, 1), below))}
}

func (o ELU) flats() flats {
	return unary(8,
		func(out, a []float32) { kernel.ELU(out, a, float32(o.Alpha)) },
		func(out, a []float64) { kernel.ELU(out, a, o.Alpha) })
}

// Forms is Elu.
func (ELU) Forms() []Form { return form("Elu", Field{Attribute: "alpha", Name: "Alpha", Default: 1.}) }

// Samples covers the ranks.
func (ELU) Samples() []Sample { return unarySamples(ELU{Alpha: .7}, 0, 0, true) }

// Clip limits x to [Lo, Hi]; an infinite limit is none. ONNX: Clip.
type Clip struct {
	Lo, Hi float64 `inf:"ok"`
}

// Clip limits v to [lo, hi]; the gradient is 0 outside.
func (v *Value) Clip(lo, hi float64) *Value { return Apply(Clip{lo, hi}, v) }

// Takes is a number.
func (Clip) Takes() []Arg { return oneNumber }

// Infer returns the argument's type. Limits of integers are integers.
func (o Clip) Infer(in *Infer) ([]Type, error) {
	if !(o.Lo <= o.Hi) {
		return nil, Mistakef("the first limit is the lower one", "the limits %v and %v leave nothing between them", o.Lo, o.Hi)
	}
	for _, limit := range []float64{o.Lo, o.Hi} {
		if t := in.Args[0].DType(); t.Integer() && !math.IsInf(limit, 0) {
			if err := holds(t, limit); err != nil {
				return nil, err
			}
		}
	}
	return in.Same(0)
}

// VJP is g where x is within the limits.
func (o Clip) VJP(n *Node, gs []*Value) []*Value {
	g := gs[0]
	x := n.Args[0]
	inside := x.GreaterEqual(scalarLike(x, o.Lo)).And(x.LessEqual(scalarLike(x, o.Hi)))
	return []*Value{inside.Where(g, scalarLike(g, 0))}
}

func (o Clip) flats() flats {
	return unary(1,
		func(out, a []float32) { kernel.Clip(out, a, float32(o.Lo), float32(o.Hi)) },
		func(out, a []float64) { kernel.Clip(out, a, o.Lo, o.Hi) }).integers(
		func(out, a []int64) { clipIntegers(out, a, o) },
		func(out, a []uint64) { clipIntegers(out, a, o) })
}

// clipIntegers is Clip with limits that the dtype holds, or that are none.
func clipIntegers[T int64 | uint64](out, a []T, o Clip) {
	lo, hi := kernel.Lowest[T](), kernel.Highest[T]()
	if !math.IsInf(o.Lo, -1) {
		lo = T(o.Lo)
	}
	if !math.IsInf(o.Hi, 1) {
		hi = T(o.Hi)
	}
	kernel.Clip(out, a, lo, hi)
}

// Forms is Clip, whose limits are inputs.
func (Clip) Forms() []Form {
	return form("Clip", Field{Name: "Lo", Input: 1, Default: math.Inf(-1)}, Field{Name: "Hi", Input: 2, Default: math.Inf(1)})
}

// Samples has elements on both sides of both limits.
func (Clip) Samples() []Sample {
	return append(unarySamples(Clip{Lo: -.905, Hi: 1.105}, 0, 0, true),
		Sample{Op: Clip{Lo: 0, Hi: 1}, In: []SampleInput{{Shape: []int{7}, Distinct: true}}},
		Sample{Op: Clip{Lo: math.Inf(-1), Hi: 2}, In: []SampleInput{{Shape: []int{7}, Distinct: true}}})
}
