package graph

import (
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
)

var bitwiseOps = []Sampled{BitwiseAnd{}, BitwiseOr{}, BitwiseXor{}}

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
