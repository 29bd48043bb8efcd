package graph

import (
	"strings"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// A DType is the type of a value's elements.
type DType = tensor.DType

// The dtypes of values; see package tensor.
const (
	F32      = tensor.F32
	F64      = tensor.F64
	F16      = tensor.F16
	BF16     = tensor.BF16
	F8E4M3FN = tensor.F8E4M3FN
	F8E5M2   = tensor.F8E5M2
	F4E2M1   = tensor.F4E2M1
	I64      = tensor.I64
	I32      = tensor.I32
	I16      = tensor.I16
	I8       = tensor.I8
	I4       = tensor.I4
	I2       = tensor.I2
	U64      = tensor.U64
	U32      = tensor.U32
	U16      = tensor.U16
	U8       = tensor.U8
	U4       = tensor.U4
	U2       = tensor.U2
	Bool     = tensor.Bool
	String   = tensor.String
)

// A Type is what is known of a value before it is computed.
type Type struct {
	DType DType
	Shape Shape
}

// String is the dtype and shape, f32[batch 784].
func (t Type) String() string { return t.DType.String() + t.Shape.String() }

// Equal reports whether two types are the same.
func (t Type) Equal(u Type) bool { return t.DType == u.DType && t.Shape.Equal(u.Shape) }

// dtypeConst is the name of the Go constant for t.
func dtypeConst(t DType) string {
	if t == Bool || t == String {
		return strings.ToUpper(t.String()[:1]) + t.String()[1:]
	}
	return strings.ToUpper(t.String())
}

// DTypes is a set of dtypes.
type DTypes uint32

// The sets that ops take.
const (
	Floats   DTypes = 1<<F32 | 1<<F64 | 1<<F16 | 1<<BF16
	Signed   DTypes = 1<<I64 | 1<<I32 | 1<<I16 | 1<<I8
	Unsigned DTypes = 1<<U64 | 1<<U32 | 1<<U16 | 1<<U8
	Integers DTypes = Signed | Unsigned
	Numbers  DTypes = Floats | Integers
	Indices  DTypes = 1<<I64 | 1<<I32
	Bools    DTypes = 1 << Bool
	Any      DTypes = 1<<(String+1) - 1
	Elements DTypes = Any &^ (1 << String) // all but strings
)

// Has reports whether t is in the set.
func (s DTypes) Has(t DType) bool { return s>>t&1 == 1 }

// List is the set's dtypes in order.
func (s DTypes) List() []DType {
	var out []DType
	for _, t := range tensor.DTypes() {
		if s.Has(t) {
			out = append(out, t)
		}
	}
	return out
}

// String names the set for a sentence, such as a float, or its dtypes: i64 or i32.
func (s DTypes) String() string {
	if name, ok := map[DTypes]string{Floats: "a float", Numbers: "a number", Integers: "an integer", Floats | Signed: "a number with a sign", Elements: "a number or bool"}[s]; ok {
		return name
	}
	var names []string
	for _, t := range s.List() {
		names = append(names, t.String())
	}
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " or " + names[n-1]
	}
	return strings.Join(names, "")
}
