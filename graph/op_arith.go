package graph

import (
	"fmt"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var arithOps = []Sampled{Add{}, Sub{}, Mul{}, Div{}, Mod{}, Pow{}, Min{}, Max{}, Neg{}, Scale{}, Shift{}, Lerp{}}

// Add is x + y with broadcasting. ONNX: Add.
type Add struct{ numberPair }

// Add is v + w; the shapes broadcast.
func (v *Value) Add(w *Value) *Value { return Apply(Add{}, v, w) }

// VJP is (g, g).
func (Add) VJP(n *Node, g []*Value) []*Value {
	return []*Value{sumTo(g[0], n.Args[0].Shape()), sumTo(g[0], n.Args[1].Shape())}
}

func (Add) flats() flats {
	return binary(1, kernel.Add[float32], kernel.Add[float64]).binaryIntegers(kernel.Add[int64], kernel.Add[uint64])
}

// Forms is Add.
func (Add) Forms() []Form { return form("Add") }

// Samples covers floats and integers.
func (o Add) Samples() []Sample {
	ints := Sample{Op: o, In: []SampleInput{{DType: I64, Shape: []int{2, 3}}, {DType: I64, Shape: []int{3}}}}
	return append(binarySamples(o, SampleInput{}, SampleInput{}), ints)
}

// Sub is x − y with broadcasting. ONNX: Sub.
type Sub struct{ numberPair }

// Sub is v − w; the shapes broadcast.
func (v *Value) Sub(w *Value) *Value { return Apply(Sub{}, v, w) }

// VJP is (g, −g).
func (Sub) VJP(n *Node, g []*Value) []*Value {
	return []*Value{sumTo(g[0], n.Args[0].Shape()), sumTo(g[0], n.Args[1].Shape()).Neg()}
}

func (Sub) flats() flats {
	return binary(1, kernel.Sub[float32], kernel.Sub[float64]).binaryIntegers(kernel.Sub[int64], kernel.Sub[uint64])
}

// Forms is Sub.
func (Sub) Forms() []Form { return form("Sub") }

// Samples covers floats and integers.
func (o Sub) Samples() []Sample {
	ints := Sample{Op: o, In: []SampleInput{{DType: I64, Shape: []int{2, 1}}, {DType: I64, Shape: []int{3}}}}
	return append(binarySamples(o, SampleInput{}, SampleInput{}), ints)
}

// Mul is x · y with broadcasting. ONNX: Mul.
type Mul struct{ numberPair }

// Mul is v · w, element by element; the shapes broadcast.
func (v *Value) Mul(w *Value) *Value { return Apply(Mul{}, v, w) }

// VJP is (g·y, g·x).
func (Mul) VJP(n *Node, gs []*Value) []*Value {
	g := gs[0]
	a, b := n.Args[0], n.Args[1]
	return []*Value{sumTo(g.Mul(b), a.Shape()), sumTo(g.Mul(a), b.Shape())}
}

func (Mul) flats() flats {
	return binary(1, kernel.Mul[float32], kernel.Mul[float64]).binaryIntegers(kernel.Mul[int64], kernel.Mul[uint64])
}

// Forms is Mul.
func (Mul) Forms() []Form { return form("Mul") }

// Samples covers floats and integers.
func (o Mul) Samples() []Sample {
	ints := Sample{Op: o, In: []SampleInput{{DType: I64, Shape: []int{2, 3}}, {DType: I64, Shape: []int{}}}}
	return append(binarySamples(o, SampleInput{}, SampleInput{}), ints)
}

// Div is x / y with broadcasting; integers are divided towards 0, and by 0 the run ends with an error. ONNX: Div.
type Div struct{ numberPair }

// Div is v / w, element by element; the shapes broadcast.
func (v *Value) Div(w *Value) *Value { return Apply(Div{}, v, w) }

// VJP is (g/b, −g·y/b).
func (Div) VJP(n *Node, gs []*Value) []*Value {
	y, g := n.Results[0], gs[0]
	a, b := n.Args[0], n.Args[1]
	q := g.Div(b)
	return []*Value{sumTo(q, a.Shape()), sumTo(q.Mul(y), b.Shape()).Neg()}
}

func (Div) flats() flats {
	return binary(2, kernel.Div[float32], kernel.Div[float64]).binaryIntegers(kernel.Div[int64], kernel.Div[uint64])
}

func (Div) check(in []*tensor.Tensor) error { return nonzero(in[1]) }

// nonzero says where a divisor that is an integer is 0.
func nonzero(x *tensor.Tensor) error {
	if !x.DType().Integer() {
		return nil
	}
	for i := range x.Len() {
		if x.Int(i) == 0 {
			return fmt.Errorf("division by 0, which integers do not have: element %d of the divisor, a %v", i, x)
		}
	}
	return nil
}

// Forms is Div.
func (Div) Forms() []Form { return form("Div") }

// Samples keeps the divisor away from zero.
func (o Div) Samples() []Sample {
	return binarySamples(o, SampleInput{}, SampleInput{Lo: .5, Hi: 2})
}

// Mod is what is left of x divided by y, with broadcasting: of integers it has the divisor's sign, and by 0 the run ends with an error; of
// floats it has the dividend's, as fmod in C. ONNX: Mod.
type Mod struct{ numberPair }

// Mod is what is left of v divided by w, element by element; the shapes broadcast. It has the sign of w if they are integers, that of v if
// they are floats.
func (v *Value) Mod(w *Value) *Value { return Apply(Mod{}, v, w) }

// VJP is (g, −g·q), where q is the whole quotient.
func (Mod) VJP(n *Node, gs []*Value) []*Value {
	y, g := n.Results[0], gs[0]
	a, b := n.Args[0], n.Args[1]
	q := a.Sub(y).Div(b)
	return []*Value{sumTo(g, a.Shape()), sumTo(g.Mul(q), b.Shape()).Neg()}
}

func (Mod) flats() flats {
	return binary(20, kernel.Fmod[float32], kernel.Fmod[float64]).binaryIntegers(kernel.Mod[int64], kernel.Mod[uint64])
}

func (Mod) check(in []*tensor.Tensor) error { return nonzero(in[1]) }

// Forms is Mod, which has an attribute for the sign.
func (Mod) Forms() []Form {
	return []Form{
		{Operator: "Mod", DTypes: Integers, Fields: []Field{{Attribute: "fmod", Value: 0, Default: 0}}},
		{Operator: "Mod", DTypes: Floats, Fields: []Field{{Attribute: "fmod", Value: 1}}},
	}
}

// Samples keeps the divisor away from zero, and has all signs.
func (o Mod) Samples() []Sample {
	signs := Sample{Op: o, In: []SampleInput{{DType: I64, Shape: []int{8, 5}, Lo: -20, Hi: 20}, {DType: I64, Shape: []int{5}, Lo: -7, Hi: 0}}}
	below := Sample{Op: o, In: []SampleInput{{Shape: []int{9}, Lo: -7, Hi: 7}, {Shape: []int{9}, Lo: 1, Hi: 4}}}
	return append(binarySamples(o, SampleInput{}, SampleInput{Lo: .5, Hi: 2}), signs, below)
}

// Pow is x to the power y with broadcasting, over floats. ONNX: Pow.
type Pow struct{ floatPair }

// Pow is v to the power w. A negative v with a w that is not whole gives NaN, and the gradient for w needs v ≥ 0. At v = 0
// gradients are PyTorch's: 0 for w where w ≥ 0, and 0 for v where w = 0.
func (v *Value) Pow(w *Value) *Value { return Apply(Pow{}, v, w) }

// VJP is (g·b·a^(b−1), g·y·ln a). Where a is 0, the one is 0 if b is, the other if b is not negative: with the base 1 there
// the formulas say so, also when they are differentiated again.
func (Pow) VJP(n *Node, gs []*Value) []*Value {
	y, g := n.Results[0], gs[0]
	a, b := n.Args[0], n.Args[1]
	zero, one := scalarLike(a, 0), scalarLike(a, 1)
	isZero := a.Equal(zero)
	base := isZero.And(b.Equal(zero)).Where(one, a)
	argument := isZero.And(b.GreaterEqual(zero)).Where(one, a)
	return []*Value{
		sumTo(g.Mul(b).Mul(base.Pow(b.Shift(-1))), a.Shape()),
		sumTo(g.Mul(y).Mul(argument.Log()), b.Shape()),
	}
}

func (Pow) flats() flats { return binary(20, kernel.Pow[float32], kernel.Pow[float64]) }

// Forms is Pow.
func (Pow) Forms() []Form { return form("Pow") }

// Samples keeps the base positive.
func (o Pow) Samples() []Sample {
	return binarySamples(o, SampleInput{Lo: .5, Hi: 2}, SampleInput{})
}

// Min is the smaller of x and y with broadcasting. ONNX: Min.
type Min struct{ numberPair }

// Min is the smaller of v and w, element by element; of equals, the gradient goes to v.
func (v *Value) Min(w *Value) *Value { return Apply(Min{}, v, w) }

// VJP gives g to the smaller argument.
func (Min) VJP(n *Node, gs []*Value) []*Value {
	g := gs[0]
	a, b := n.Args[0], n.Args[1]
	return choose(a.LessEqual(b), g, a, b)
}

func (Min) flats() flats {
	return binary(1, kernel.Min[float32], kernel.Min[float64]).binaryIntegers(kernel.Min[int64], kernel.Min[uint64])
}

// Forms is Min.
func (Min) Forms() []Form { return form("Min") }

// Samples avoids ties.
func (o Min) Samples() []Sample {
	return binarySamples(o, SampleInput{Distinct: true}, SampleInput{Lo: -1.9, Hi: 2.1, Distinct: true})
}

// Max is the larger of x and y with broadcasting. ONNX: Max.
type Max struct{ numberPair }

// Max is the larger of v and w, element by element; of equals, the gradient goes to v.
func (v *Value) Max(w *Value) *Value { return Apply(Max{}, v, w) }

// VJP gives g to the larger argument.
func (Max) VJP(n *Node, gs []*Value) []*Value {
	g := gs[0]
	a, b := n.Args[0], n.Args[1]
	return choose(a.GreaterEqual(b), g, a, b)
}

func (Max) flats() flats {
	return binary(1, kernel.Max[float32], kernel.Max[float64]).binaryIntegers(kernel.Max[int64], kernel.Max[uint64])
}

// Forms is Max.
func (Max) Forms() []Form { return form("Max") }

// Samples avoids ties.
func (o Max) Samples() []Sample {
	return binarySamples(o, SampleInput{Distinct: true}, SampleInput{Lo: -1.9, Hi: 2.1, Distinct: true})
}

// choose gives g to a where first holds, else to b.
func choose(first, g, a, b *Value) []*Value {
	zero := scalarLike(g, 0)
	return []*Value{sumTo(first.Where(g, zero), a.Shape()), sumTo(first.Where(zero, g), b.Shape())}
}

// Neg is −x, of floats and integers with a sign. ONNX: Neg.
type Neg struct{}

// Neg is −v.
func (v *Value) Neg() *Value { return Apply(Neg{}, v) }

var signedArgs = []Arg{{Name: "x", DTypes: Floats | Signed}}

// Takes is a number that has a sign.
func (Neg) Takes() []Arg { return signedArgs }

// Infer returns the argument's type.
func (Neg) Infer(in *Infer) ([]Type, error) { return in.Same(0) }

// VJP is −g.
func (Neg) VJP(_ *Node, g []*Value) []*Value { return []*Value{g[0].Neg()} }

func (Neg) flats() flats {
	return unary(1, kernel.Neg[float32], kernel.Neg[float64]).integers(kernel.Neg[int64], nil)
}

// Forms is Neg.
func (Neg) Forms() []Form { return form("Neg") }

// Samples covers the ranks.
func (o Neg) Samples() []Sample { return unarySamples(o, 0, 0, false) }

// Scale is x·By, for a number By. ONNX: Mul with a constant.
type Scale struct{ By float64 }

// Scale is v times c.
func (v *Value) Scale(c float64) *Value { return Apply(Scale{c}, v) }

// Takes is a float.
func (Scale) Takes() []Arg { return oneFloat }

// Infer returns the argument's type.
func (Scale) Infer(in *Infer) ([]Type, error) { return in.Same(0) }

// VJP is g·By.
func (o Scale) VJP(_ *Node, g []*Value) []*Value { return []*Value{g[0].Scale(o.By)} }

func (o Scale) flats() flats {
	return unary(1,
		func(out, a []float32) { kernel.Scale(out, a, float32(o.By)) },
		func(out, a []float64) { kernel.Scale(out, a, o.By) })
}

// Lower multiplies by a constant.
func (o Scale) Lower(n *Node) []*Value { return []*Value{n.Args[0].Mul(scalarLike(n.Args[0], o.By))} }

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

// Takes is a float.
func (Shift) Takes() []Arg { return oneFloat }

// Infer returns the argument's type.
func (Shift) Infer(in *Infer) ([]Type, error) { return in.Same(0) }

// VJP is g.
func (Shift) VJP(_ *Node, g []*Value) []*Value { return []*Value{g[0]} }

func (o Shift) flats() flats {
	return unary(1,
		func(out, a []float32) { kernel.Shift(out, a, float32(o.By)) },
		func(out, a []float64) { kernel.Shift(out, a, o.By) })
}

// Lower adds a constant.
func (o Shift) Lower(n *Node) []*Value { return []*Value{n.Args[0].Add(scalarLike(n.Args[0], o.By))} }

// Samples covers the ranks.
func (Shift) Samples() []Sample { return unarySamples(Shift{By: .25}, 0, 0, false) }

// Lerp is x + T·(y − x): linear interpolation, as in the running averages of optimizers. ONNX: Sub, Mul, Add.
type Lerp struct{ T float64 }

// Lerp is v + t·(w − v); the shapes broadcast.
func (v *Value) Lerp(w *Value, t float64) *Value { return Apply(Lerp{t}, v, w) }

// Takes is two floats.
func (Lerp) Takes() []Arg { return twoFloats }

// Infer broadcasts the shapes.
func (Lerp) Infer(in *Infer) ([]Type, error) { return inferBroadcast(in) }

// VJP is (g·(1−T), g·T).
func (o Lerp) VJP(n *Node, g []*Value) []*Value {
	return []*Value{sumTo(g[0].Scale(1-o.T), n.Args[0].Shape()), sumTo(g[0].Scale(o.T), n.Args[1].Shape())}
}

func (o Lerp) flats() flats {
	return binary(1,
		func(out, a, b []float32) { kernel.Lerp(out, a, b, float32(o.T)) },
		func(out, a, b []float64) { kernel.Lerp(out, a, b, o.T) })
}

// Lower is the definition.
func (o Lerp) Lower(n *Node) []*Value {
	x, y := n.Args[0], n.Args[1]
	return []*Value{x.Add(y.Sub(x).Scale(o.T))}
}

// LowerFast is the sum of both shares: to scale is to read one value, to subtract two.
func (o Lerp) LowerFast(n *Node) []*Value {
	return []*Value{n.Args[0].Scale(1 - o.T).Add(n.Args[1].Scale(o.T))}
}

// Samples covers the broadcasts.
func (Lerp) Samples() []Sample { return binarySamples(Lerp{T: .1}, SampleInput{}, SampleInput{}) }
