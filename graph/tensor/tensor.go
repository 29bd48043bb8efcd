// Package tensor has dense host tensors: a dtype, a shape, and a typed Go slice in row-major order.
//
// It is the common currency of the house: kernels read and write tensors, engines hold state in them, exporters
// store them. It knows no graph and no arithmetic.
package tensor

import (
	"fmt"
	"math"
	"slices"
	"strconv"
)

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
	if !t.Valid() {
		panic(fmt.Sprintf("tensor.New: %v", t))
	}
	return &Tensor{dtype: t, shape: slices.Clone(shape), data: rows[t].elems.make(n), n: n}
}

// Of returns a tensor that uses data, without a copy, as its elements; its dtype is the one to which T belongs. It panics if
// len(data) is not the product of the shape.
func Of[T Element](data []T, shape ...int) *Tensor {
	for t := range numDTypes {
		if n, ok := rows[t].elems.len(data); ok {
			return wrap(t, data, n, shape)
		}
	}
	panic(fmt.Sprintf("tensor.Of: %T", data)) // every Element is in the table
}

// OfRaw returns a tensor of dtype t that uses data, a slice of elements, without a copy: one as [Tensor.Raw] returns it, or, but for
// bools and strings, one of numbers of t's size, whose bits become t's. ok is false if data is none.
func OfRaw(t DType, data any, shape ...int) (x *Tensor, ok bool) {
	if n, ok := rows[t].elems.len(data); ok {
		return wrap(t, data, n, shape), true
	}
	if t == Bool || t == String {
		return nil, false
	}
	for from := range numDTypes {
		n, ok := rows[from].elems.len(data)
		if ok && from != Bool && from != String && from.Size() == t.Size() {
			return wrap(t, rows[t].elems.over(rows[from].elems.memory(data), n), n, shape), true
		}
	}
	return nil, false
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
	rows[x.dtype].elems.copy(x.data, y.data)
}

// Part returns a tensor of the given shape over x's elements from lo to hi, shared with it. It panics if there are not as many.
func (x *Tensor) Part(lo, hi int, shape ...int) *Tensor {
	return wrap(x.dtype, rows[x.dtype].elems.part(x.data, lo, hi), hi-lo, shape)
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

// At is element i in row-major order as a float64, whatever the dtype but a string, which panics. An i64 or u64 of more than 2⁵³ is
// rounded; see [Tensor.Int].
func (x *Tensor) At(i int) float64 {
	if d, ok := x.data.([]float32); ok {
		return float64(d[i])
	}
	return rows[x.dtype].elems.at(x.data, i)
}

// Set stores v, converted to the dtype as [Convert] does, as element i in row-major order; a bool is v ≠ 0. See [Tensor.SetInt] for
// an i64 or u64 of more than 2⁵³.
func (x *Tensor) Set(i int, v float64) {
	if d, ok := x.data.([]float32); ok {
		d[i] = float32(v)
		return
	}
	rows[x.dtype].elems.set(x.data, i, v)
}

// Int is element i in row-major order as an int64: exact for integers, but that a u64 of 2⁶³ or more is negative, as uint64(x.Int(i))
// is not; truncated toward zero for floats; a bool is 0 or 1.
func (x *Tensor) Int(i int) int64 { return rows[x.dtype].elems.integer(x.data, i) }

// Text is element i in row-major order in as few digits as tell it from every other number of the dtype.
func (x *Tensor) Text(i int) string {
	switch {
	case x.dtype == String:
		return x.data.([]string)[i]
	case x.dtype == U64:
		return strconv.FormatUint(x.data.([]uint64)[i], 10)
	case x.dtype.Integer():
		return strconv.FormatInt(x.Int(i), 10)
	case x.dtype == F64:
		return strconv.FormatFloat(x.At(i), 'g', -1, 64)
	}
	return strconv.FormatFloat(x.At(i), 'g', -1, 32)
}

// SetInt stores v, converted to the dtype, as element i in row-major order; a bool is v ≠ 0.
func (x *Tensor) SetInt(i int, v int64) { rows[x.dtype].elems.setInteger(x.data, i, v) }

// Cast returns a copy with dtype t, as [Convert] makes it.
func (x *Tensor) Cast(t DType) *Tensor {
	y := New(t, x.shape...)
	Convert(y.data, x.data)
	return y
}
