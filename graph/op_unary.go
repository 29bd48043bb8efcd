package graph

import (
	"math"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
)

var unaryOps = []Sampled{Exp{}, ExpRemainder{}, Log{}, Sqrt{}, Square{}, Abs{}, Sign{}, Reciprocal{}, Floor{}, Sin{}, Cos{}, Erf{}}

// Exp is e to the power x. ONNX: Exp.
type Exp struct{ floatMap }

// Exp is e to the power v.
func (v *Value) Exp() *Value { return Apply(Exp{}, v) }

// VJP is g·y.
func (Exp) VJP(n *Node, g []*Value) []*Value { return []*Value{g[0].Mul(n.Results[0])} }

func (Exp) flats() flats { return unary(8, kernel.Exp[float32], kernel.Exp[float64]) }

// Forms is Exp.
func (Exp) Forms() []Form { return form("Exp") }

// Samples covers the ranks.
func (o Exp) Samples() []Sample { return unarySamples(o, 0, 0, false) }

// ExpRemainder is e^x less the first Order terms of its series, 1 or 2: e^x − 1, known as expm1, or e^x − 1 − x. It keeps
// its digits where x is small and the terms nearly cancel. ONNX: the series where |x| < ½, else Exp and Sub.
type ExpRemainder struct{ Order int }

// ExpRemainder is e^v less the first terms of its series: e^v − 1 for 1, e^v − 1 − v for 2, to full precision.
func (v *Value) ExpRemainder(order int) *Value { return Apply(ExpRemainder{order}, v) }

// Takes is a float.
func (ExpRemainder) Takes() []Arg { return oneFloat }

// Infer returns the argument's type.
func (o ExpRemainder) Infer(in *Infer) ([]Type, error) {
	if o.Order != 1 && o.Order != 2 {
		return nil, Mistakef("order 1 is e^x − 1, order 2 is e^x − 1 − x; Exp leaves nothing out", "the order is %d", o.Order)
	}
	return in.Same(0)
}

// VJP is g times the remainder of one order less.
func (o ExpRemainder) VJP(n *Node, gs []*Value) []*Value {
	g := gs[0]
	x := n.Args[0]
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

// Lower is the series, as far as the dtype has digits, where |x| < ½, and the difference elsewhere.
func (o ExpRemainder) Lower(n *Node) []*Value {
	x := n.Args[0]
	last := 9
	if x.DType() == F64 {
		last = 15
	}
	factorial := math.Gamma(float64(last) + 1)
	series := scalarLike(x, 1/factorial)
	for k := last; k > o.Order; k-- { // x^k/k! + ... , in Horner's form
		factorial /= float64(k)
		series = series.Mul(x).Add(scalarLike(x, 1/factorial))
	}
	rest := x.Exp().Sub(scalarLike(x, 1))
	for k := range o.Order {
		series = series.Mul(x)
		if k > 0 {
			rest = rest.Sub(x)
		}
	}
	return []*Value{x.Abs().Less(scalarLike(x, .5)).Where(series, rest)}
}

// Samples covers the ranks and both orders.
func (ExpRemainder) Samples() []Sample {
	return append(unarySamples(ExpRemainder{1}, 0, 0, false), unarySamples(ExpRemainder{2}, 0, 0, false)...)
}

// Log is the natural logarithm of x. ONNX: Log.
type Log struct{ floatMap }

// Log is the natural logarithm of v: -Inf at 0, NaN below.
func (v *Value) Log() *Value { return Apply(Log{}, v) }

// VJP is g/x.
func (Log) VJP(n *Node, g []*Value) []*Value { return []*Value{g[0].Div(n.Args[0])} }

func (Log) flats() flats { return unary(8, kernel.Log[float32], kernel.Log[float64]) }

// Forms is Log.
func (Log) Forms() []Form { return form("Log") }

// Samples covers the ranks.
func (o Log) Samples() []Sample { return unarySamples(o, 0.2, 3, false) }

// Sqrt is the square root of x. ONNX: Sqrt.
type Sqrt struct{ floatMap }

// Sqrt is the square root of v; its gradient at 0 is infinite.
func (v *Value) Sqrt() *Value { return Apply(Sqrt{}, v) }

// VJP is g/(2y).
func (Sqrt) VJP(n *Node, g []*Value) []*Value { return []*Value{g[0].Div(n.Results[0]).Scale(.5)} }

func (Sqrt) flats() flats { return unary(4, kernel.Sqrt[float32], kernel.Sqrt[float64]) }

// Forms is Sqrt.
func (Sqrt) Forms() []Form { return form("Sqrt") }

// Samples covers the ranks.
func (o Sqrt) Samples() []Sample { return unarySamples(o, 0.2, 3, false) }

// Square is x². ONNX: Mul of x with itself.
type Square struct{ floatMap }

// Square is v².
func (v *Value) Square() *Value { return Apply(Square{}, v) }

// VJP is 2gx.
func (Square) VJP(n *Node, g []*Value) []*Value { return []*Value{g[0].Mul(n.Args[0]).Scale(2)} }

func (Square) flats() flats { return unary(1, kernel.Square[float32], kernel.Square[float64]) }

// Lower is x·x.
func (Square) Lower(n *Node) []*Value { return []*Value{n.Args[0].Mul(n.Args[0])} }

// Samples covers the ranks.
func (o Square) Samples() []Sample { return unarySamples(o, 0, 0, false) }

// Abs is |x|. ONNX: Abs.
type Abs struct{ numberMap }

// Abs is the absolute value of v; its gradient at 0 is 0.
func (v *Value) Abs() *Value { return Apply(Abs{}, v) }

// VJP is g·sign(x).
func (Abs) VJP(n *Node, g []*Value) []*Value { return []*Value{g[0].Mul(n.Args[0].Sign())} }

func (Abs) flats() flats {
	return unary(1, kernel.Abs[float32], kernel.Abs[float64]).integers(kernel.Abs[int64], func(out, a []uint64) { copy(out, a) })
}

// Forms is Abs.
func (Abs) Forms() []Form { return form("Abs") }

// Samples covers the ranks.
func (o Abs) Samples() []Sample { return unarySamples(o, 0, 0, true) }

// Sign is −1, 0 or 1. ONNX: Sign.
type Sign struct{ numberMap }

// Sign is −1, 0 or 1 by the sign of v.
func (v *Value) Sign() *Value { return Apply(Sign{}, v) }

func (Sign) flats() flats {
	return unary(1, kernel.Sign[float32], kernel.Sign[float64]).integers(kernel.Sign[int64], kernel.Sign[uint64])
}

// Forms is Sign.
func (Sign) Forms() []Form { return form("Sign") }

// Samples covers the ranks.
func (o Sign) Samples() []Sample { return unarySamples(o, 0, 0, true) }

// Reciprocal is 1/x. ONNX: Reciprocal.
type Reciprocal struct{ floatMap }

// Reciprocal is 1/v.
func (v *Value) Reciprocal() *Value { return Apply(Reciprocal{}, v) }

// VJP is −g·y².
func (Reciprocal) VJP(n *Node, g []*Value) []*Value {
	return []*Value{g[0].Mul(n.Results[0].Square()).Neg()}
}

func (Reciprocal) flats() flats {
	return unary(2, kernel.Reciprocal[float32], kernel.Reciprocal[float64])
}

// Forms is Reciprocal.
func (Reciprocal) Forms() []Form { return form("Reciprocal") }

// Samples covers the ranks.
func (o Reciprocal) Samples() []Sample { return unarySamples(o, 0.5, 2, false) }

// Floor is the largest whole number not above x. ONNX: Floor.
type Floor struct{ floatMap }

// Floor is v rounded down.
func (v *Value) Floor() *Value { return Apply(Floor{}, v) }

func (Floor) flats() flats { return unary(1, kernel.Floor[float32], kernel.Floor[float64]) }

// Forms is Floor.
func (Floor) Forms() []Form { return form("Floor") }

// Samples covers the ranks.
func (o Floor) Samples() []Sample { return unarySamples(o, 0, 0, true) }

// Sin is the sine of x. ONNX: Sin.
type Sin struct{ floatMap }

// Sin is the sine of v, in radians.
func (v *Value) Sin() *Value { return Apply(Sin{}, v) }

// VJP is g·cos x.
func (Sin) VJP(n *Node, g []*Value) []*Value { return []*Value{g[0].Mul(n.Args[0].Cos())} }

func (Sin) flats() flats { return unary(12, kernel.Sin[float32], kernel.Sin[float64]) }

// Forms is Sin.
func (Sin) Forms() []Form { return form("Sin") }

// Samples covers the ranks.
func (o Sin) Samples() []Sample { return unarySamples(o, 0, 0, false) }

// Cos is the cosine of x. ONNX: Cos.
type Cos struct{ floatMap }

// Cos is the cosine of v, in radians.
func (v *Value) Cos() *Value { return Apply(Cos{}, v) }

// VJP is −g·sin x.
func (Cos) VJP(n *Node, g []*Value) []*Value { return []*Value{g[0].Mul(n.Args[0].Sin()).Neg()} }

func (Cos) flats() flats { return unary(12, kernel.Cos[float32], kernel.Cos[float64]) }

// Forms is Cos.
func (Cos) Forms() []Form { return form("Cos") }

// Samples covers the ranks.
func (o Cos) Samples() []Sample { return unarySamples(o, 0, 0, false) }

// Erf is the error function, 2/√π ∫₀ˣ e^(−t²) dt. ONNX: Erf.
type Erf struct{ floatMap }

// Erf is the error function of v.
func (v *Value) Erf() *Value { return Apply(Erf{}, v) }

// VJP is g · 2/√π · e^(−x²).
func (Erf) VJP(n *Node, g []*Value) []*Value {
	return []*Value{g[0].Mul(n.Args[0].Square().Neg().Exp()).Scale(2 / math.SqrtPi)}
}

func (Erf) flats() flats { return unary(12, kernel.Erf[float32], kernel.Erf[float64]) }

// Forms is Erf.
func (Erf) Forms() []Form { return form("Erf") }

// Samples covers the ranks.
func (o Erf) Samples() []Sample { return unarySamples(o, 0, 0, false) }
