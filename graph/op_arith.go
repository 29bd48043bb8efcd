package graph

import (
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var arithOps = []Op{Add{}, Sub{}, Mul{}, Div{}, Pow{}, Min{}, Max{}, Neg{}, Scale{}, Shift{}, Lerp{}}

// Add is x + y with broadcasting, over floats and i64. ONNX: Add.
type Add struct{}

// Add is v + w; the shapes broadcast.
func (v *Value) Add(w *Value) *Value { return Apply(Add{}, v, w) }

// Infer broadcasts the shapes.
func (Add) Infer(in []*Value) (Type, error) { return inferBinary(in) }

// VJP is (g, g).
func (Add) VJP(y, g *Value) []*Value {
	return []*Value{sumTo(g, y.Args[0].Shape()), sumTo(g, y.Args[1].Shape())}
}

func (Add) flats() flats {
	return binary(1, kernel.Add[float32], kernel.Add[float64], kernel.Add[int64])
}

// Eval adds.
func (o Add) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	return evalElementwise(c, o, out, in)
}

// ONNX adds an Add node.
func (Add) ONNX(e Emitter, y *Value, in []string) string { return e.Node("Add", in) }

// Samples covers floats and integers.
func (o Add) Samples() []Sample {
	ints := Sample{Op: o, In: []SampleInput{{DType: I64, Shape: []int{2, 3}}, {DType: I64, Shape: []int{3}}}}
	return append(binarySamples(o, SampleInput{}, SampleInput{}), ints)
}

// Sub is x − y with broadcasting, over floats and i64. ONNX: Sub.
type Sub struct{}

// Sub is v − w; the shapes broadcast.
func (v *Value) Sub(w *Value) *Value { return Apply(Sub{}, v, w) }

// Infer broadcasts the shapes.
func (Sub) Infer(in []*Value) (Type, error) { return inferBinary(in) }

// VJP is (g, −g).
func (Sub) VJP(y, g *Value) []*Value {
	return []*Value{sumTo(g, y.Args[0].Shape()), sumTo(g, y.Args[1].Shape()).Neg()}
}

func (Sub) flats() flats {
	return binary(1, kernel.Sub[float32], kernel.Sub[float64], kernel.Sub[int64])
}

// Eval subtracts.
func (o Sub) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	return evalElementwise(c, o, out, in)
}

// ONNX adds a Sub node.
func (Sub) ONNX(e Emitter, y *Value, in []string) string { return e.Node("Sub", in) }

// Samples covers floats and integers.
func (o Sub) Samples() []Sample {
	ints := Sample{Op: o, In: []SampleInput{{DType: I64, Shape: []int{2, 1}}, {DType: I64, Shape: []int{3}}}}
	return append(binarySamples(o, SampleInput{}, SampleInput{}), ints)
}

// Mul is x · y with broadcasting, over floats and i64. ONNX: Mul.
type Mul struct{}

// Mul is v · w, element by element; the shapes broadcast.
func (v *Value) Mul(w *Value) *Value { return Apply(Mul{}, v, w) }

// Infer broadcasts the shapes.
func (Mul) Infer(in []*Value) (Type, error) { return inferBinary(in) }

// VJP is (g·y, g·x).
func (Mul) VJP(y, g *Value) []*Value {
	a, b := y.Args[0], y.Args[1]
	return []*Value{sumTo(g.Mul(b), a.Shape()), sumTo(g.Mul(a), b.Shape())}
}

func (Mul) flats() flats {
	return binary(1, kernel.Mul[float32], kernel.Mul[float64], kernel.Mul[int64])
}

// Eval multiplies.
func (o Mul) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	return evalElementwise(c, o, out, in)
}

// ONNX adds a Mul node.
func (Mul) ONNX(e Emitter, y *Value, in []string) string { return e.Node("Mul", in) }

// Samples covers floats and integers.
func (o Mul) Samples() []Sample {
	ints := Sample{Op: o, In: []SampleInput{{DType: I64, Shape: []int{2, 3}}, {DType: I64, Shape: []int{}}}}
	return append(binarySamples(o, SampleInput{}, SampleInput{}), ints)
}

// Div is x / y with broadcasting, over floats. ONNX: Div.
type Div struct{}

// Div is v / w, element by element; the shapes broadcast.
func (v *Value) Div(w *Value) *Value { return Apply(Div{}, v, w) }

// Infer broadcasts the shapes.
func (Div) Infer(in []*Value) (Type, error) {
	if err := wantFloat(in[0]); err != nil {
		return Type{}, err
	}
	return inferBinary(in)
}

// VJP is (g/b, −g·y/b).
func (Div) VJP(y, g *Value) []*Value {
	a, b := y.Args[0], y.Args[1]
	q := g.Div(b)
	return []*Value{sumTo(q, a.Shape()), sumTo(q.Mul(y), b.Shape()).Neg()}
}

func (Div) flats() flats { return binary(2, kernel.Div[float32], kernel.Div[float64], nil) }

// Eval divides.
func (o Div) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	return evalElementwise(c, o, out, in)
}

// ONNX adds a Div node.
func (Div) ONNX(e Emitter, y *Value, in []string) string { return e.Node("Div", in) }

// Samples keeps the divisor away from zero.
func (o Div) Samples() []Sample {
	return binarySamples(o, SampleInput{}, SampleInput{Lo: .5, Hi: 2})
}

// Pow is x to the power y with broadcasting, over floats. ONNX: Pow.
type Pow struct{}

// Pow is v to the power w. A negative v with a w that is not whole gives NaN, and the gradient for w needs v ≥ 0. At v = 0
// gradients are PyTorch's: 0 for w where w ≥ 0, and 0 for v where w = 0.
func (v *Value) Pow(w *Value) *Value { return Apply(Pow{}, v, w) }

// Infer broadcasts the shapes.
func (Pow) Infer(in []*Value) (Type, error) {
	if err := wantFloat(in[0]); err != nil {
		return Type{}, err
	}
	return inferBinary(in)
}

// VJP is (g·b·a^(b−1), g·y·ln a). Where a is 0, the one is 0 if b is, the other if b is not negative: with the base 1 there
// the formulas say so, also when they are differentiated again.
func (Pow) VJP(y, g *Value) []*Value {
	a, b := y.Args[0], y.Args[1]
	zero, one := scalarLike(a, 0), scalarLike(a, 1)
	isZero := a.Equal(zero)
	base := isZero.And(b.Equal(zero)).Where(one, a)
	argument := isZero.And(b.GreaterEqual(zero)).Where(one, a)
	return []*Value{
		sumTo(g.Mul(b).Mul(base.Pow(b.Shift(-1))), a.Shape()),
		sumTo(g.Mul(y).Mul(argument.Log()), b.Shape()),
	}
}

func (Pow) flats() flats { return binary(20, kernel.Pow[float32], kernel.Pow[float64], nil) }

// Eval raises to the power.
func (o Pow) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	return evalElementwise(c, o, out, in)
}

// ONNX adds a Pow node.
func (Pow) ONNX(e Emitter, y *Value, in []string) string { return e.Node("Pow", in) }

// Samples keeps the base positive.
func (o Pow) Samples() []Sample {
	return binarySamples(o, SampleInput{Lo: .5, Hi: 2}, SampleInput{})
}

// Min is the smaller of x and y with broadcasting, over floats and i64. ONNX: Min.
type Min struct{}

// Min is the smaller of v and w, element by element; of equals, the gradient goes to v.
func (v *Value) Min(w *Value) *Value { return Apply(Min{}, v, w) }

// Infer broadcasts the shapes.
func (Min) Infer(in []*Value) (Type, error) { return inferBinary(in) }

// VJP gives g to the smaller argument.
func (Min) VJP(y, g *Value) []*Value {
	a, b := y.Args[0], y.Args[1]
	return choose(a.LessEqual(b), g, a, b)
}

func (Min) flats() flats {
	return binary(1, kernel.Min[float32], kernel.Min[float64], kernel.Min[int64])
}

// Eval takes the minimum.
func (o Min) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	return evalElementwise(c, o, out, in)
}

// ONNX adds a Min node.
func (Min) ONNX(e Emitter, y *Value, in []string) string { return e.Node("Min", in) }

// Samples avoids ties.
func (o Min) Samples() []Sample {
	return binarySamples(o, SampleInput{Distinct: true}, SampleInput{Lo: -1.9, Hi: 2.1, Distinct: true})
}

// Max is the larger of x and y with broadcasting, over floats and i64. ONNX: Max.
type Max struct{}

// Max is the larger of v and w, element by element; of equals, the gradient goes to v.
func (v *Value) Max(w *Value) *Value { return Apply(Max{}, v, w) }

// Infer broadcasts the shapes.
func (Max) Infer(in []*Value) (Type, error) { return inferBinary(in) }

// VJP gives g to the larger argument.
func (Max) VJP(y, g *Value) []*Value {
	a, b := y.Args[0], y.Args[1]
	return choose(a.GreaterEqual(b), g, a, b)
}

func (Max) flats() flats {
	return binary(1, kernel.Max[float32], kernel.Max[float64], kernel.Max[int64])
}

// Eval takes the maximum.
func (o Max) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	return evalElementwise(c, o, out, in)
}

// ONNX adds a Max node.
func (Max) ONNX(e Emitter, y *Value, in []string) string { return e.Node("Max", in) }

// Samples avoids ties.
func (o Max) Samples() []Sample {
	return binarySamples(o, SampleInput{Distinct: true}, SampleInput{Lo: -1.9, Hi: 2.1, Distinct: true})
}

// choose gives g to a where first holds, else to b.
func choose(first, g, a, b *Value) []*Value {
	zero := scalarLike(g, 0)
	return []*Value{sumTo(first.Where(g, zero), a.Shape()), sumTo(first.Where(zero, g), b.Shape())}
}

// Neg is −x. ONNX: Neg.
type Neg struct{}

// Neg is −v.
func (v *Value) Neg() *Value { return Apply(Neg{}, v) }

// Infer returns the argument's type.
func (Neg) Infer(in []*Value) (Type, error) { return sameFloat(in) }

// VJP is −g.
func (Neg) VJP(y, g *Value) []*Value { return []*Value{g.Neg()} }

func (Neg) flats() flats { return unary(1, kernel.Neg[float32], kernel.Neg[float64]) }

// Eval negates.
func (o Neg) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	return evalElementwise(c, o, out, in)
}

// ONNX adds a Neg node.
func (Neg) ONNX(e Emitter, y *Value, in []string) string { return e.Node("Neg", in) }

// Samples covers the ranks.
func (o Neg) Samples() []Sample { return unarySamples(o, 0, 0, false) }

// Scale is x·By, for a number By. ONNX: Mul with a constant.
type Scale struct{ By float64 }

// Scale is v times c.
func (v *Value) Scale(c float64) *Value { return Apply(Scale{c}, v) }

// Infer returns the argument's type.
func (Scale) Infer(in []*Value) (Type, error) { return sameFloat(in) }

// VJP is g·By.
func (o Scale) VJP(y, g *Value) []*Value { return []*Value{g.Scale(o.By)} }

func (o Scale) flats() flats {
	return unary(1,
		func(out, a []float32) { kernel.Scale(out, a, float32(o.By)) },
		func(out, a []float64) { kernel.Scale(out, a, o.By) })
}

// Eval scales.
func (o Scale) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	return evalElementwise(c, o, out, in)
}

// ONNX adds a Mul node with a constant.
func (o Scale) ONNX(e Emitter, y *Value, in []string) string {
	return e.Node("Mul", []string{in[0], number(e, y, o.By)})
}

// Samples covers the ranks.
func (Scale) Samples() []Sample { return unarySamples(Scale{By: -1.5}, 0, 0, false) }

// number is a scalar initializer of y's dtype.
func number(e Emitter, y *Value, c float64) string {
	t := tensor.New(y.DType())
	t.Set(0, c)
	return e.Const(t)
}

// Shift is x + By, for a number By. ONNX: Add with a constant.
type Shift struct{ By float64 }

// Shift is v plus c.
func (v *Value) Shift(c float64) *Value { return Apply(Shift{c}, v) }

// Infer returns the argument's type.
func (Shift) Infer(in []*Value) (Type, error) { return sameFloat(in) }

// VJP is g.
func (Shift) VJP(y, g *Value) []*Value { return []*Value{g} }

func (o Shift) flats() flats {
	return unary(1,
		func(out, a []float32) { kernel.Shift(out, a, float32(o.By)) },
		func(out, a []float64) { kernel.Shift(out, a, o.By) })
}

// Eval adds the number.
func (o Shift) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	return evalElementwise(c, o, out, in)
}

// ONNX adds an Add node with a constant.
func (o Shift) ONNX(e Emitter, y *Value, in []string) string {
	return e.Node("Add", []string{in[0], number(e, y, o.By)})
}

// Samples covers the ranks.
func (Shift) Samples() []Sample { return unarySamples(Shift{By: .25}, 0, 0, false) }

// Lerp is x + T·(y − x): linear interpolation, as in the running averages of optimizers. ONNX: Sub, Mul, Add.
type Lerp struct{ T float64 }

// Lerp is v + t·(w − v); the shapes broadcast.
func (v *Value) Lerp(w *Value, t float64) *Value { return Apply(Lerp{t}, v, w) }

// Infer broadcasts the shapes.
func (Lerp) Infer(in []*Value) (Type, error) {
	if err := wantFloat(in[0]); err != nil {
		return Type{}, err
	}
	return inferBinary(in)
}

// VJP is (g·(1−T), g·T).
func (o Lerp) VJP(y, g *Value) []*Value {
	return []*Value{sumTo(g.Scale(1-o.T), y.Args[0].Shape()), sumTo(g.Scale(o.T), y.Args[1].Shape())}
}

func (o Lerp) flats() flats {
	return binary(1,
		func(out, a, b []float32) { kernel.Lerp(out, a, b, float32(o.T)) },
		func(out, a, b []float64) { kernel.Lerp(out, a, b, o.T) }, nil)
}

// Eval interpolates.
func (o Lerp) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	return evalElementwise(c, o, out, in)
}

// ONNX adds Sub, Mul and Add nodes.
func (o Lerp) ONNX(e Emitter, y *Value, in []string) string {
	d := e.Node("Sub", []string{in[1], in[0]})
	return e.Node("Add", []string{in[0], e.Node("Mul", []string{d, number(e, y, o.T)})})
}

// Samples covers the broadcasts.
func (Lerp) Samples() []Sample { return binarySamples(Lerp{T: .1}, SampleInput{}, SampleInput{}) }
