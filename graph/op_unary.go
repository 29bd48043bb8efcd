package graph

import (
	"math"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var unaryOps = []Op{Exp{}, ExpRemainder{}, Log{}, Sqrt{}, Square{}, Abs{}, Sign{}, Reciprocal{}, Floor{}, Sin{}, Cos{}, Erf{}}

// Exp is e to the power x. ONNX: Exp.
type Exp struct{}

// Exp is e to the power v.
func (v *Value) Exp() *Value { return Apply(Exp{}, v) }

// Infer returns the argument's type.
func (Exp) Infer(in []*Value) (Type, error) { return sameFloat(in) }

// VJP is g·y.
func (Exp) VJP(y, g *Value) []*Value { return []*Value{g.Mul(y)} }

func (Exp) flats() flats { return unary(8, kernel.Exp[float32], kernel.Exp[float64]) }

// Eval computes it.
func (o Exp) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	return evalElementwise(c, o, out, in)
}

// ONNX adds a Exp node.
func (Exp) ONNX(e Emitter, y *Value, in []string) string { return e.Node("Exp", in) }

// Samples covers the ranks.
func (o Exp) Samples() []Sample { return unarySamples(o, 0, 0, false) }

// ExpRemainder is e^x less the first Order terms of its series, 1 or 2: e^x − 1, known as expm1, or e^x − 1 − x. It keeps
// its digits where x is small and the terms nearly cancel. ONNX: the series where |x| < ½, else Exp and Sub.
type ExpRemainder struct{ Order int }

// ExpRemainder is e^v less the first terms of its series: e^v − 1 for 1, e^v − 1 − v for 2, to full precision.
func (v *Value) ExpRemainder(order int) *Value { return Apply(ExpRemainder{order}, v) }

// Infer returns the argument's type.
func (o ExpRemainder) Infer(in []*Value) (Type, error) {
	if o.Order != 1 && o.Order != 2 {
		return Type{}, Mistakef("order 1 is e^x − 1, order 2 is e^x − 1 − x; Exp leaves nothing out", "the order is %d", o.Order)
	}
	return sameFloat(in)
}

// VJP is g times the remainder of one order less.
func (o ExpRemainder) VJP(y, g *Value) []*Value {
	x := y.Args[0]
	if o.Order == 1 {
		return []*Value{g.Mul(x.Exp())}
	}
	return []*Value{g.Mul(x.ExpRemainder(o.Order - 1))}
}

func (o ExpRemainder) flats() flats {
	return unary(20,
		func(out, a []float32) { kernel.ExpRemainder(out, a, o.Order) },
		func(out, a []float64) { kernel.ExpRemainder(out, a, o.Order) })
}

// Eval computes it.
func (o ExpRemainder) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	return evalElementwise(c, o, out, in)
}

// ONNX adds the series, as far as the dtype has digits, and the difference, and a Where that takes one or the other.
func (o ExpRemainder) ONNX(e Emitter, y *Value, in []string) string {
	x := in[0]
	last := 9
	if y.DType() == F64 {
		last = 15
	}
	series, factorial := "", math.Gamma(float64(last)+1)
	for k := last; k >= o.Order; k-- { // x^k/k! + ... , in Horner's form
		term := number(e, y, 1/factorial)
		if series == "" {
			series = term
		} else {
			series = e.Node("Add", []string{e.Node("Mul", []string{series, x}), term})
		}
		factorial /= float64(k)
	}
	rest := e.Node("Sub", []string{e.Node("Exp", in), number(e, y, 1)})
	for k := range o.Order {
		series = e.Node("Mul", []string{series, x})
		if k > 0 {
			rest = e.Node("Sub", []string{rest, x})
		}
	}
	small := e.Node("Less", []string{e.Node("Abs", in), number(e, y, .5)})
	return e.Node("Where", []string{small, series, rest})
}

// Samples covers the ranks and both orders.
func (ExpRemainder) Samples() []Sample {
	return append(unarySamples(ExpRemainder{1}, 0, 0, false), unarySamples(ExpRemainder{2}, 0, 0, false)...)
}

// Log is the natural logarithm of x. ONNX: Log.
type Log struct{}

// Log is the natural logarithm of v: -Inf at 0, NaN below.
func (v *Value) Log() *Value { return Apply(Log{}, v) }

// Infer returns the argument's type.
func (Log) Infer(in []*Value) (Type, error) { return sameFloat(in) }

// VJP is g/x.
func (Log) VJP(y, g *Value) []*Value { return []*Value{g.Div(y.Args[0])} }

func (Log) flats() flats { return unary(8, kernel.Log[float32], kernel.Log[float64]) }

// Eval computes it.
func (o Log) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	return evalElementwise(c, o, out, in)
}

// ONNX adds a Log node.
func (Log) ONNX(e Emitter, y *Value, in []string) string { return e.Node("Log", in) }

// Samples covers the ranks.
func (o Log) Samples() []Sample { return unarySamples(o, 0.2, 3, false) }

// Sqrt is the square root of x. ONNX: Sqrt.
type Sqrt struct{}

// Sqrt is the square root of v; its gradient at 0 is infinite.
func (v *Value) Sqrt() *Value { return Apply(Sqrt{}, v) }

// Infer returns the argument's type.
func (Sqrt) Infer(in []*Value) (Type, error) { return sameFloat(in) }

// VJP is g/(2y).
func (Sqrt) VJP(y, g *Value) []*Value { return []*Value{g.Div(y).Scale(.5)} }

func (Sqrt) flats() flats { return unary(4, kernel.Sqrt[float32], kernel.Sqrt[float64]) }

// Eval computes it.
func (o Sqrt) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	return evalElementwise(c, o, out, in)
}

// ONNX adds a Sqrt node.
func (Sqrt) ONNX(e Emitter, y *Value, in []string) string { return e.Node("Sqrt", in) }

// Samples covers the ranks.
func (o Sqrt) Samples() []Sample { return unarySamples(o, 0.2, 3, false) }

// Square is x². ONNX: Mul of x with itself.
type Square struct{}

// Square is v².
func (v *Value) Square() *Value { return Apply(Square{}, v) }

// Infer returns the argument's type.
func (Square) Infer(in []*Value) (Type, error) { return sameFloat(in) }

// VJP is 2gx.
func (Square) VJP(y, g *Value) []*Value { return []*Value{g.Mul(y.Args[0]).Scale(2)} }

func (Square) flats() flats { return unary(1, kernel.Square[float32], kernel.Square[float64]) }

// Eval computes it.
func (o Square) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	return evalElementwise(c, o, out, in)
}

// ONNX adds a Mul node.
func (Square) ONNX(e Emitter, y *Value, in []string) string {
	return e.Node("Mul", []string{in[0], in[0]})
}

// Samples covers the ranks.
func (o Square) Samples() []Sample { return unarySamples(o, 0, 0, false) }

// Abs is |x|. ONNX: Abs.
type Abs struct{}

// Abs is the absolute value of v; its gradient at 0 is 0.
func (v *Value) Abs() *Value { return Apply(Abs{}, v) }

// Infer returns the argument's type.
func (Abs) Infer(in []*Value) (Type, error) { return sameFloat(in) }

// VJP is g·sign(x).
func (Abs) VJP(y, g *Value) []*Value { return []*Value{g.Mul(y.Args[0].Sign())} }

func (Abs) flats() flats { return unary(1, kernel.Abs[float32], kernel.Abs[float64]) }

// Eval computes it.
func (o Abs) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	return evalElementwise(c, o, out, in)
}

// ONNX adds a Abs node.
func (Abs) ONNX(e Emitter, y *Value, in []string) string { return e.Node("Abs", in) }

// Samples covers the ranks.
func (o Abs) Samples() []Sample { return unarySamples(o, 0, 0, true) }

// Sign is −1, 0 or 1. ONNX: Sign.
type Sign struct{}

// Sign is −1, 0 or 1 by the sign of v.
func (v *Value) Sign() *Value { return Apply(Sign{}, v) }

// Infer returns the argument's type.
func (Sign) Infer(in []*Value) (Type, error) { return sameFloat(in) }

// VJP returns nil: the gradient is zero almost everywhere.
func (Sign) VJP(y, g *Value) []*Value { return nil }

func (Sign) flats() flats { return unary(1, kernel.Sign[float32], kernel.Sign[float64]) }

// Eval computes it.
func (o Sign) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	return evalElementwise(c, o, out, in)
}

// ONNX adds a Sign node.
func (Sign) ONNX(e Emitter, y *Value, in []string) string { return e.Node("Sign", in) }

// Samples covers the ranks.
func (o Sign) Samples() []Sample { return unarySamples(o, 0, 0, true) }

// Reciprocal is 1/x. ONNX: Reciprocal.
type Reciprocal struct{}

// Reciprocal is 1/v.
func (v *Value) Reciprocal() *Value { return Apply(Reciprocal{}, v) }

// Infer returns the argument's type.
func (Reciprocal) Infer(in []*Value) (Type, error) { return sameFloat(in) }

// VJP is −g·y².
func (Reciprocal) VJP(y, g *Value) []*Value { return []*Value{g.Mul(y.Square()).Neg()} }

func (Reciprocal) flats() flats {
	return unary(2, kernel.Reciprocal[float32], kernel.Reciprocal[float64])
}

// Eval computes it.
func (o Reciprocal) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	return evalElementwise(c, o, out, in)
}

// ONNX adds a Reciprocal node.
func (Reciprocal) ONNX(e Emitter, y *Value, in []string) string { return e.Node("Reciprocal", in) }

// Samples covers the ranks.
func (o Reciprocal) Samples() []Sample { return unarySamples(o, 0.5, 2, false) }

// Floor is the largest whole number not above x. ONNX: Floor.
type Floor struct{}

// Floor is v rounded down.
func (v *Value) Floor() *Value { return Apply(Floor{}, v) }

// Infer returns the argument's type.
func (Floor) Infer(in []*Value) (Type, error) { return sameFloat(in) }

// VJP returns nil: the gradient is zero almost everywhere.
func (Floor) VJP(y, g *Value) []*Value { return nil }

func (Floor) flats() flats { return unary(1, kernel.Floor[float32], kernel.Floor[float64]) }

// Eval computes it.
func (o Floor) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	return evalElementwise(c, o, out, in)
}

// ONNX adds a Floor node.
func (Floor) ONNX(e Emitter, y *Value, in []string) string { return e.Node("Floor", in) }

// Samples covers the ranks.
func (o Floor) Samples() []Sample { return unarySamples(o, 0, 0, true) }

// Sin is the sine of x. ONNX: Sin.
type Sin struct{}

// Sin is the sine of v, in radians.
func (v *Value) Sin() *Value { return Apply(Sin{}, v) }

// Infer returns the argument's type.
func (Sin) Infer(in []*Value) (Type, error) { return sameFloat(in) }

// VJP is g·cos x.
func (Sin) VJP(y, g *Value) []*Value { return []*Value{g.Mul(y.Args[0].Cos())} }

func (Sin) flats() flats { return unary(12, kernel.Sin[float32], kernel.Sin[float64]) }

// Eval computes it.
func (o Sin) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	return evalElementwise(c, o, out, in)
}

// ONNX adds a Sin node.
func (Sin) ONNX(e Emitter, y *Value, in []string) string { return e.Node("Sin", in) }

// Samples covers the ranks.
func (o Sin) Samples() []Sample { return unarySamples(o, 0, 0, false) }

// Cos is the cosine of x. ONNX: Cos.
type Cos struct{}

// Cos is the cosine of v, in radians.
func (v *Value) Cos() *Value { return Apply(Cos{}, v) }

// Infer returns the argument's type.
func (Cos) Infer(in []*Value) (Type, error) { return sameFloat(in) }

// VJP is −g·sin x.
func (Cos) VJP(y, g *Value) []*Value { return []*Value{g.Mul(y.Args[0].Sin()).Neg()} }

func (Cos) flats() flats { return unary(12, kernel.Cos[float32], kernel.Cos[float64]) }

// Eval computes it.
func (o Cos) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	return evalElementwise(c, o, out, in)
}

// ONNX adds a Cos node.
func (Cos) ONNX(e Emitter, y *Value, in []string) string { return e.Node("Cos", in) }

// Samples covers the ranks.
func (o Cos) Samples() []Sample { return unarySamples(o, 0, 0, false) }

// Erf is the error function, 2/√π ∫₀ˣ e^(−t²) dt. ONNX: Erf.
type Erf struct{}

// Erf is the error function of v.
func (v *Value) Erf() *Value { return Apply(Erf{}, v) }

// Infer returns the argument's type.
func (Erf) Infer(in []*Value) (Type, error) { return sameFloat(in) }

// VJP is g · 2/√π · e^(−x²).
func (Erf) VJP(y, g *Value) []*Value {
	return []*Value{g.Mul(y.Args[0].Square().Neg().Exp()).Scale(2 / math.SqrtPi)}
}

func (Erf) flats() flats { return unary(12, kernel.Erf[float32], kernel.Erf[float64]) }

// Eval computes it.
func (o Erf) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	return evalElementwise(c, o, out, in)
}

// ONNX adds a Erf node.
func (Erf) ONNX(e Emitter, y *Value, in []string) string { return e.Node("Erf", in) }

// Samples covers the ranks.
func (o Erf) Samples() []Sample { return unarySamples(o, 0, 0, false) }
