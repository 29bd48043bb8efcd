package tensor

import "fmt"

// A DType is the type of a tensor's elements. Dtype is data, not a Go type parameter.
type DType uint8

// The dtypes. Kernels compute in f32, f64, f16, bf16 and the integers of whole bytes; the 8-bit floats, what is narrower, and strings
// are stored, moved, and but for strings cast. The numbers of dtypes are in fingerprints: new ones come last.
const (
	F32 DType = iota
	F64
	F16
	BF16
	I64
	I32
	U8
	Bool
	I8
	I16
	U16
	U32
	U64
	F8E4M3FN
	F8E5M2
	F4E2M1
	I4
	U4
	I2
	U2
	String
	numDTypes
)

// A row is what is known of a dtype.
type row struct {
	name  string
	kind  kind
	bits  int // of an element in a file, where elements are packed
	onnx  int // its number in ONNX's TensorProto.DataType
	opset int // the first version of ai.onnx that has it
	elems elements
}

type kind uint8

const (
	stored kind = iota // elements are stored, moved and cast only
	float
	integer
	unsigned
)

// rows is the table of dtypes. Whatever depends on a dtype and not on an op comes from here.
var rows = [numDTypes]row{
	F32:      {"f32", float, 32, 1, 1, number[float32]()},
	F64:      {"f64", float, 64, 11, 1, number[float64]()},
	F16:      {"f16", float, 16, 10, 1, small[Float16](f16)},
	BF16:     {"bf16", float, 16, 16, 13, small[BFloat16](bf16)},
	I64:      {"i64", integer, 64, 7, 1, number[int64]()},
	I32:      {"i32", integer, 32, 6, 1, number[int32]()},
	I16:      {"i16", integer, 16, 5, 1, number[int16]()},
	I8:       {"i8", integer, 8, 3, 1, number[int8]()},
	U64:      {"u64", unsigned, 64, 13, 1, number[uint64]()},
	U32:      {"u32", unsigned, 32, 12, 1, number[uint32]()},
	U16:      {"u16", unsigned, 16, 4, 1, number[uint16]()},
	U8:       {"u8", unsigned, 8, 2, 1, number[uint8]()},
	Bool:     {"bool", stored, 8, 9, 1, truth()},
	F8E4M3FN: {"f8e4m3fn", stored, 8, 17, 19, small[Float8E4M3FN](f8e4m3fn)},
	F8E5M2:   {"f8e5m2", stored, 8, 19, 19, small[Float8E5M2](f8e5m2)},
	F4E2M1:   {"f4e2m1", stored, 4, 23, 23, small[Float4E2M1](f4e2m1)},
	I4:       {"i4", stored, 4, 22, 21, narrow[Int4](4, true)},
	U4:       {"u4", stored, 4, 21, 21, narrow[Uint4](4, false)},
	I2:       {"i2", stored, 2, 26, 25, narrow[Int2](2, true)},
	U2:       {"u2", stored, 2, 25, 25, narrow[Uint2](2, false)},
	String:   {"string", stored, 0, 8, 1, text()},
}

// DTypes are all dtypes, in the order of their numbers.
func DTypes() []DType {
	all := make([]DType, numDTypes)
	for t := range numDTypes {
		all[t] = t
	}
	return all
}

// OfONNX is the dtype with number n in ONNX's TensorProto.DataType; ok is false if there is none.
func OfONNX(n int) (t DType, ok bool) {
	for t := range numDTypes {
		if rows[t].onnx == n {
			return t, true
		}
	}
	return 0, false
}

// ByName is the dtype whose String is name; ok is false if there is none.
func ByName(name string) (t DType, ok bool) {
	for t := range numDTypes {
		if rows[t].name == name {
			return t, true
		}
	}
	return 0, false
}

// Valid reports whether t is one of the dtypes.
func (t DType) Valid() bool { return t < numDTypes }

// String is the short name, such as f32.
func (t DType) String() string {
	if !t.Valid() {
		return fmt.Sprintf("dtype(%d)", uint8(t))
	}
	return rows[t].name
}

// Size is the number of bytes of one element in memory, where those of less than a byte have one each; a string's are those of
// its Go value.
func (t DType) Size() int { return rows[t].elems.size() }

// Bits is the number of bits of one element in a file, where elements of less than a byte are packed; 0 for strings.
func (t DType) Bits() int { return rows[t].bits }

// ONNX is the number of t in ONNX's TensorProto.DataType.
func (t DType) ONNX() int { return rows[t].onnx }

// Opset is the first version of ai.onnx that has t.
func (t DType) Opset() int { return rows[t].opset }

// Float reports whether t is a floating-point type that is computed in: F32, F64, F16 or BF16.
func (t DType) Float() bool { return rows[t].kind == float }

// Native reports whether t is one of Go's own floats: F32 or F64.
func (t DType) Native() bool { return t == F32 || t == F64 }

// Integer reports whether t is an integer type that is computed in: those of 8, 16, 32 and 64 bits, with a sign or without.
func (t DType) Integer() bool { return t.Unsigned() || rows[t].kind == integer }

// Unsigned reports whether t is an integer type without a sign that is computed in.
func (t DType) Unsigned() bool { return rows[t].kind == unsigned }

// Wide is the dtype that numbers of dtype t are computed in: F32 for the floats of 16 bits, I64 or U64 for integers, and t itself
// for the others. It holds every number of t.
func (t DType) Wide() DType {
	switch k := rows[t].kind; {
	case t == F16 || t == BF16:
		return F32
	case k == integer:
		return I64
	case k == unsigned:
		return U64
	}
	return t
}

// The Go types of elements that Go has no type for: floats by their bits, and integers of less than a byte, each in one.
type (
	Float16      uint16 // IEEE 754 binary16
	BFloat16     uint16 // the upper half of a float32
	Float8E4M3FN uint8  // 4 bits of exponent, 3 of fraction, no infinities: to ±448 (Micikevicius et al. 2022, FP8 formats)
	Float8E5M2   uint8  // 5 bits of exponent, 2 of fraction: to ±57344
	Float4E2M1   uint8  // 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives (OCP Microscaling Formats, FP4)
	Int4         int8
	Uint4        uint8
	Int2         int8
	Uint2        uint8
)

// An Element is a Go type that a tensor's slice can have. Each belongs to one dtype.
type Element interface {
	float32 | float64 | Float16 | BFloat16 | Float8E4M3FN | Float8E5M2 | Float4E2M1 |
		int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64 | Int4 | Uint4 | Int2 | Uint2 | bool | string
}
