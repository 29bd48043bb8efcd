package graph

import (
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
)

var bitwiseOps = []Sampled{BitwiseAnd{}, BitwiseOr{}, BitwiseXor{}, BitwiseNot{}, BitShiftLeft{}, BitShiftRight{}}

// twoIntegers are the arguments of ops on bits.
var twoIntegers = []Arg{{Name: "a", DTypes: Integers, Like: "T"}, {Name: "b", DTypes: Integers, Like: "T"}}

// bitPair is embedded by ops without attributes over the bits of two integers whose shapes broadcast.
type bitPair struct{}

// Takes is two integers.
func (bitPair) Takes() []Arg { return twoIntegers }

// Infer broadcasts the shapes.
func (bitPair) Infer(in *Infer) ([]Type, error) { return inferBroadcast(in) }

// bitSamples covers the broadcasts, with bits above the lowest and numbers below 0.
func bitSamples(op Op) []Sample {
	in := SampleInput{DType: I64, Lo: -1000, Hi: 1000}
	return binarySamples(op, in, in)
}

// BitwiseAnd has the bits that x and y both have, with broadcasting, over integers, those with a sign in two's complement. ONNX:
// BitwiseAnd, from opset 18 on.
type BitwiseAnd struct{ bitPair }

// BitwiseAnd is the bits that v and w both have; the shapes broadcast.
func (v *Value) BitwiseAnd(w *Value) *Value { return Apply(BitwiseAnd{}, v, w) }

func (BitwiseAnd) flats() flats {
	return flats{}.binaryIntegers(kernel.BitAnd[int64], kernel.BitAnd[uint64])
}

// Forms is BitwiseAnd.
func (BitwiseAnd) Forms() []Form { return []Form{{Operator: "BitwiseAnd", Since: 18}} }

// Samples covers the broadcasts.
func (o BitwiseAnd) Samples() []Sample { return bitSamples(o) }

// BitwiseOr has the bits that x or y has, with broadcasting, over integers, those with a sign in two's complement. ONNX: BitwiseOr, from
// opset 18 on.
type BitwiseOr struct{ bitPair }

// BitwiseOr is the bits that v or w has; the shapes broadcast.
func (v *Value) BitwiseOr(w *Value) *Value { return Apply(BitwiseOr{}, v, w) }

func (BitwiseOr) flats() flats {
	return flats{}.binaryIntegers(kernel.BitOr[int64], kernel.BitOr[uint64])
}

// Forms is BitwiseOr.
func (BitwiseOr) Forms() []Form { return []Form{{Operator: "BitwiseOr", Since: 18}} }

// Samples covers the broadcasts.
func (o BitwiseOr) Samples() []Sample { return bitSamples(o) }

// BitwiseXor has the bits that one of x and y has, with broadcasting, over integers, those with a sign in two's complement. ONNX:
// BitwiseXor, from opset 18 on.
type BitwiseXor struct{ bitPair }

// BitwiseXor is the bits that one of v and w has and the other has not; the shapes broadcast.
func (v *Value) BitwiseXor(w *Value) *Value { return Apply(BitwiseXor{}, v, w) }

func (BitwiseXor) flats() flats {
	return flats{}.binaryIntegers(kernel.BitXor[int64], kernel.BitXor[uint64])
}

// Forms is BitwiseXor.
func (BitwiseXor) Forms() []Form { return []Form{{Operator: "BitwiseXor", Since: 18}} }

// Samples covers the broadcasts.
func (o BitwiseXor) Samples() []Sample { return bitSamples(o) }

// BitwiseNot has the bits that x has not, over integers, those with a sign in two's complement. ONNX: BitwiseNot, from opset 18 on.
type BitwiseNot struct{}

// BitwiseNot is the bits that v has not.
func (v *Value) BitwiseNot() *Value { return Apply(BitwiseNot{}, v) }

// Takes is an integer.
func (BitwiseNot) Takes() []Arg { return []Arg{{Name: "x", DTypes: Integers}} }

// Infer returns the argument's type.
func (BitwiseNot) Infer(in *Infer) ([]Type, error) { return in.Same(0) }

func (BitwiseNot) flats() flats {
	return flats{}.integers(kernel.BitNot[int64], kernel.BitNot[uint64])
}

// Lower is 0 − x − 1, also without a sign.
func (BitwiseNot) Lower(n *Node) []*Value {
	x := n.Args[0]
	return []*Value{scalarLike(x, 0).Sub(x).Sub(scalarLike(x, 1))}
}

// Forms is BitwiseNot.
func (BitwiseNot) Forms() []Form { return []Form{{Operator: "BitwiseNot", Since: 18}} }

// Samples covers ranks, and numbers below 0 and without a sign.
func (o BitwiseNot) Samples() []Sample {
	return []Sample{
		{Op: o, In: []SampleInput{{DType: I64, Shape: []int{}, Lo: -1000, Hi: 1000}}},
		{Op: o, In: []SampleInput{{DType: I64, Shape: []int{3, 7}, Lo: -1000, Hi: 1000}}},
		{Op: o, In: []SampleInput{{DType: U8, Shape: []int{2, 3, 5}, Lo: 0, Hi: 256}}},
	}
}

// shifted is embedded by ops without attributes that move the bits of an integer without a sign; the shapes broadcast.
type shifted struct{}

// Takes is two integers without a sign.
func (shifted) Takes() []Arg {
	return []Arg{{Name: "x", DTypes: Unsigned, Like: "T"}, {Name: "by", DTypes: Unsigned, Like: "T"}}
}

// Infer broadcasts the shapes.
func (shifted) Infer(in *Infer) ([]Type, error) { return inferBroadcast(in) }

// shiftSamples covers the broadcasts, and bits that go out of a byte.
func shiftSamples(op Op) []Sample {
	byte := Sample{Op: op, In: []SampleInput{{DType: U8, Shape: []int{4, 8}, Lo: 0, Hi: 256}, {DType: U8, Shape: []int{8}, Lo: 0, Hi: 8}}}
	return append(binarySamples(op, SampleInput{DType: U64, Lo: 0, Hi: 1 << 20}, SampleInput{DType: U64, Lo: 0, Hi: 20}), byte)
}

// BitShiftLeft moves the bits of x up by y places, with broadcasting, over integers without a sign: x·2ʸ without the bits that the dtype
// does not have. ONNX: BitShift.
type BitShiftLeft struct{ shifted }

// BitShiftLeft is v with its bits moved up by w places, those beyond the highest dropped; the shapes broadcast.
func (v *Value) BitShiftLeft(w *Value) *Value { return Apply(BitShiftLeft{}, v, w) }

func (BitShiftLeft) flats() flats { return flats{u64: flat[uint64]{two: kernel.ShiftLeft}} }

// Forms is BitShift.
func (BitShiftLeft) Forms() []Form {
	return form("BitShift", Field{Attribute: "direction", Value: "LEFT"})
}

// Samples covers the broadcasts.
func (o BitShiftLeft) Samples() []Sample { return shiftSamples(o) }

// BitShiftRight moves the bits of x down by y places, with broadcasting, over integers without a sign: x/2ʸ, rounded down. ONNX: BitShift.
type BitShiftRight struct{ shifted }

// BitShiftRight is v with its bits moved down by w places, those below the lowest dropped; the shapes broadcast.
func (v *Value) BitShiftRight(w *Value) *Value { return Apply(BitShiftRight{}, v, w) }

func (BitShiftRight) flats() flats { return flats{u64: flat[uint64]{two: kernel.ShiftRight}} }

// Forms is BitShift.
func (BitShiftRight) Forms() []Form {
	return form("BitShift", Field{Attribute: "direction", Value: "RIGHT"})
}

// Samples covers the broadcasts.
func (o BitShiftRight) Samples() []Sample { return shiftSamples(o) }
