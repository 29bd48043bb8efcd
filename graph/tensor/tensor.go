// Package tensor has dense host tensors: a dtype, a shape, and a typed Go slice in row-major order.
//
// It is the common currency of the house: kernels read and write tensors, engines hold state in them, exporters
// store them. It knows no graph and no arithmetic.
package tensor

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strconv"
)

// A DType is the type of a tensor's elements. Dtype is data, not a Go type parameter.
type DType uint8

// The dtypes. F16 and BF16 are for storage and export only; their elements are held as raw bits in a []uint16.
const (
	F32 DType = iota
	F64
	F16
	BF16
	I64
	I32
	U8
	Bool
	numDTypes
)

var dtypeNames = [numDTypes]string{"f32", "f64", "f16", "bf16", "i64", "i32", "u8", "bool"}
var dtypeSizes = [numDTypes]int{4, 8, 2, 2, 8, 4, 1, 1}

// String is the short name, such as f32.
func (t DType) String() string {
	if t >= numDTypes {
		return fmt.Sprintf("dtype(%d)", uint8(t))
	}
	return dtypeNames[t]
}

// Size is the number of bytes of one element.
func (t DType) Size() int { return dtypeSizes[t] }

// Float reports whether t is a floating-point type that kernels compute in: F32 or F64.
func (t DType) Float() bool { return t == F32 || t == F64 }

// Integer reports whether t is I64, I32 or U8.
func (t DType) Integer() bool { return t == I64 || t == I32 || t == U8 }

// An Element is a Go type that a tensor's slice can have.
type Element interface {
	float32 | float64 | uint16 | int64 | int32 | uint8 | bool
}

// A Tensor is a dense array in row-major order. A rank-0 tensor has an empty shape and one element.
type Tensor struct {
	dtype DType
	shape []int
	data  any // a slice of the dtype's Go type, of exactly Len elements
	n     int
}

// New returns a zero tensor. It panics on a negative dimension or a size that overflows: shapes from outside the
// program must be checked with [Count] first.
func New(t DType, shape ...int) *Tensor {
	n, err := Count(shape)
	if err != nil {
		panic("tensor.New: " + err.Error())
	}
	x := &Tensor{dtype: t, shape: slices.Clone(shape), n: n}
	switch t {
	case F32:
		x.data = make([]float32, n)
	case F64:
		x.data = make([]float64, n)
	case F16, BF16:
		x.data = make([]uint16, n)
	case I64:
		x.data = make([]int64, n)
	case I32:
		x.data = make([]int32, n)
	case U8:
		x.data = make([]uint8, n)
	case Bool:
		x.data = make([]bool, n)
	default:
		panic(fmt.Sprintf("tensor.New: %v", t))
	}
	return x
}

// Of returns a tensor that uses data, without a copy, as its elements. []uint16 is taken as F16; see [OfBits].
// It panics if len(data) is not the product of the shape.
func Of[T Element](data []T, shape ...int) *Tensor {
	var t DType
	switch any(data).(type) {
	case []float32:
		t = F32
	case []float64:
		t = F64
	case []uint16:
		t = F16
	case []int64:
		t = I64
	case []int32:
		t = I32
	case []uint8:
		t = U8
	case []bool:
		t = Bool
	}
	return wrap(t, data, len(data), shape)
}

// OfBits returns a tensor of dtype F16 or BF16 over raw bits, without a copy.
func OfBits(t DType, data []uint16, shape ...int) *Tensor {
	if t != F16 && t != BF16 {
		panic(fmt.Sprintf("tensor.OfBits: %v is not f16 or bf16", t))
	}
	return wrap(t, data, len(data), shape)
}

// OfRaw returns a tensor of dtype t that uses data, a slice as [Tensor.Raw] returns it, without a copy. ok is false if tensors
// of that dtype do not have such slices.
func OfRaw(t DType, data any, shape ...int) (x *Tensor, ok bool) {
	if reflect.TypeOf(data) != reflect.TypeOf(New(t).data) {
		return nil, false
	}
	return wrap(t, data, reflect.ValueOf(data).Len(), shape), true
}

func wrap(t DType, data any, n int, shape []int) *Tensor {
	if c, err := Count(shape); err != nil || c != n {
		panic(fmt.Sprintf("tensor: %d elements do not fill shape %v", n, shape))
	}
	return &Tensor{dtype: t, shape: slices.Clone(shape), data: data, n: n}
}

// Scalar returns a rank-0 tensor.
func Scalar[T Element](v T) *Tensor { return Of([]T{v}) }

// Count is the number of elements of a shape, or an error if a dimension is negative or the product overflows.
func Count(shape []int) (int, error) {
	n := 1
	for i, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("shape %v: axis %d is negative", shape, i)
		}
		if d > 0 && n > math.MaxInt/16/d {
			return 0, fmt.Errorf("shape %v is too large", shape)
		}
		n *= d
	}
	return n, nil
}

// DType is the type of the elements.
func (x *Tensor) DType() DType { return x.dtype }

// Shape is the list of dimensions, outermost first. The caller must not change it.
func (x *Tensor) Shape() []int { return x.shape }

// Rank is the number of dimensions.
func (x *Tensor) Rank() int { return len(x.shape) }

// Len is the number of elements.
func (x *Tensor) Len() int { return x.n }

// Dim is the size of axis i, counted from the end when negative.
func (x *Tensor) Dim(i int) int {
	if i < 0 {
		i += len(x.shape)
	}
	return x.shape[i]
}

// Raw is the element slice as its dynamic type, for a type switch.
func (x *Tensor) Raw() any { return x.data }

// Data is the element slice of x, shared with it. It panics if T is not the Go type of x's dtype.
func Data[T Element](x *Tensor) []T {
	d, ok := x.data.([]T)
	if !ok {
		var z T
		panic(fmt.Sprintf("tensor.Data: the tensor is %v, not %T", x.dtype, z))
	}
	return d
}

// Reshape returns a tensor of another shape over the same elements. It panics if the sizes differ.
func (x *Tensor) Reshape(shape ...int) *Tensor { return wrap(x.dtype, x.data, x.n, shape) }

// Clone returns a copy with its own elements.
func (x *Tensor) Clone() *Tensor {
	y := New(x.dtype, x.shape...)
	y.CopyFrom(x)
	return y
}

// CopyFrom copies y's elements over x's. It panics if dtype or length differ; shapes may.
func (x *Tensor) CopyFrom(y *Tensor) {
	if x.dtype != y.dtype || x.n != y.n {
		panic(fmt.Sprintf("tensor.CopyFrom: %v into %v", y, x))
	}
	switch d := x.data.(type) {
	case []float32:
		copy(d, y.data.([]float32))
	case []float64:
		copy(d, y.data.([]float64))
	case []uint16:
		copy(d, y.data.([]uint16))
	case []int64:
		copy(d, y.data.([]int64))
	case []int32:
		copy(d, y.data.([]int32))
	case []uint8:
		copy(d, y.data.([]uint8))
	case []bool:
		copy(d, y.data.([]bool))
	}
}

// String is the dtype and shape, f32[128 784].
func (x *Tensor) String() string { return fmt.Sprintf("%v%v", x.dtype, x.shape) }

// Float64s converts the elements of any dtype to a new []float64; a bool is 0 or 1.
func (x *Tensor) Float64s() []float64 {
	out := make([]float64, x.n)
	for i := range out {
		out[i] = x.At(i)
	}
	return out
}

// At is element i in row-major order as a float64, whatever the dtype. An i64 of more than 2⁵³ is rounded; see [Tensor.Int].
func (x *Tensor) At(i int) float64 {
	switch d := x.data.(type) {
	case []float32:
		return float64(d[i])
	case []float64:
		return d[i]
	case []uint16:
		if x.dtype == BF16 {
			return float64(BF16ToFloat(d[i]))
		}
		return float64(F16ToFloat(d[i]))
	case []int64:
		return float64(d[i])
	case []int32:
		return float64(d[i])
	case []uint8:
		return float64(d[i])
	case []bool:
		if d[i] {
			return 1
		}
	}
	return 0
}

// Set stores v, converted to the dtype, as element i in row-major order; a bool is v ≠ 0. See [Tensor.SetInt] for an i64 of
// more than 2⁵³.
func (x *Tensor) Set(i int, v float64) {
	switch d := x.data.(type) {
	case []float32:
		d[i] = float32(v)
	case []float64:
		d[i] = v
	case []uint16:
		if x.dtype == BF16 {
			d[i] = FloatToBF16(float32(v))
		} else {
			d[i] = FloatToF16(float32(v))
		}
	case []int64:
		d[i] = int64(v)
	case []int32:
		d[i] = int32(v)
	case []uint8:
		d[i] = uint8(v)
	case []bool:
		d[i] = v != 0
	}
}

// Int is element i in row-major order as an int64: exact for integers, truncated toward zero for floats; a bool is 0 or 1.
func (x *Tensor) Int(i int) int64 {
	switch d := x.data.(type) {
	case []int64:
		return d[i]
	case []int32:
		return int64(d[i])
	case []uint8:
		return int64(d[i])
	}
	return int64(x.At(i))
}

// Text is element i in row-major order in as few digits as tell it from every other number of the dtype.
func (x *Tensor) Text(i int) string {
	switch {
	case x.dtype.Integer():
		return strconv.FormatInt(x.Int(i), 10)
	case x.dtype == F64:
		return strconv.FormatFloat(x.At(i), 'g', -1, 64)
	}
	return strconv.FormatFloat(x.At(i), 'g', -1, 32)
}

// SetInt stores v, converted to the dtype, as element i in row-major order; a bool is v ≠ 0.
func (x *Tensor) SetInt(i int, v int64) {
	switch d := x.data.(type) {
	case []float32:
		d[i] = float32(v)
	case []uint16:
		x.Set(i, float64(float32(v)))
	case []int64:
		d[i] = v
	case []int32:
		d[i] = int32(v)
	case []uint8:
		d[i] = uint8(v)
	default:
		x.Set(i, float64(v))
	}
}

// Encode writes x's elements to w, little-endian, in row-major order; a bool is a byte.
func (x *Tensor) Encode(w io.Writer) error {
	const chunk = 1 << 15 // binary.Write makes a copy of what it is given
	all := reflect.ValueOf(x.data)
	for i := 0; i < x.n; i += chunk {
		if err := binary.Write(w, binary.LittleEndian, all.Slice(i, min(i+chunk, x.n)).Interface()); err != nil {
			return err
		}
	}
	return nil
}

// Cast returns a copy with dtype t. Floats become integers by truncation toward zero, integers narrower ones by their low
// bits, as in ONNX Cast.
func (x *Tensor) Cast(t DType) *Tensor {
	y := New(t, x.shape...)
	switch {
	case x.dtype == t:
		y.CopyFrom(x)
	case x.dtype.Integer(): // not through float64: it would lose bits
		for i := range x.n {
			y.SetInt(i, x.Int(i))
		}
	default:
		for i := range x.n {
			y.Set(i, x.At(i))
		}
	}
	return y
}
