package tensor

import "fmt"

// Convert fills dst from src, slices of one length of elements of any two dtypes but strings, as ONNX's Cast does. Floats become
// floats by rounding to nearest, of two as near to even; what a float of 8 bits or less cannot hold, infinities too, becomes its
// largest. Floats become integers by truncation toward zero, and integers narrower ones by their low bits; what a NaN or a float
// beyond an integer's range becomes depends on the machine. A bool is 0 or 1, and all but 0 is true.
func Convert(dst, src any) {
	switch s := src.(type) {
	case []float32:
		from(dst, s, asFloat)
	case []float64:
		from(dst, s, asFloat)
	case []int64:
		from(dst, s, sticky)
	case []int32:
		from(dst, s, sticky)
	case []int16:
		from(dst, s, sticky)
	case []int8:
		from(dst, s, sticky)
	case []uint64:
		from(dst, s, sticky)
	case []uint32:
		from(dst, s, sticky)
	case []uint16:
		from(dst, s, sticky)
	case []uint8:
		from(dst, s, sticky)
	case []Int4:
		from(dst, s, sticky)
	case []Int2:
		from(dst, s, sticky)
	case []Uint4:
		from(dst, s, sticky)
	case []Uint2:
		from(dst, s, sticky)
	case []bool:
		from(dst, of[bool]{}.memory(s), sticky)
	case []Float16:
		inBlocks(dst, s, func(v Float16) float32 { return v.Float32() })
	case []BFloat16:
		inBlocks(dst, s, func(v BFloat16) float32 { return v.Float32() })
	case []Float8E4M3FN:
		inBlocks(dst, s, func(v Float8E4M3FN) float32 { return f8e4m3fn.table[v] })
	case []Float8E5M2:
		inBlocks(dst, s, func(v Float8E5M2) float32 { return f8e5m2.table[v] })
	case []Float4E2M1:
		inBlocks(dst, s, func(v Float4E2M1) float32 { return f4e2m1.table[v] })
	default:
		panic(fmt.Sprintf("tensor.Convert: %T to %T", src, dst))
	}
}

// each fills dst with f of src's elements.
func each[B, A any](dst []B, src []A, f func(A) B) {
	src = src[:len(dst)]
	for i := range dst {
		dst[i] = f(src[i])
	}
}

// inBlocks converts small floats as float32s, which hold them.
func inBlocks[A Element](dst any, src []A, f func(A) float32) {
	if d, ok := dst.([]float32); ok {
		each(d, src, f)
		return
	}
	var block [512]float32
	to := elementsOf(dst)
	for lo := 0; lo < len(src); lo += len(block) {
		hi := min(lo+len(block), len(src))
		each(block[:hi-lo], src[lo:hi], f)
		from(to.part(dst, lo, hi), block[:hi-lo], asFloat)
	}
}

// elementsOf is what the dtype of a slice does with it.
func elementsOf(data any) elements {
	for t := range numDTypes {
		if _, ok := rows[t].elems.len(data); ok {
			return rows[t].elems
		}
	}
	panic(fmt.Sprintf("tensor: %T is no slice of elements", data))
}

// arithmetic are the Go types that Go itself converts to each other.
type arithmetic interface {
	~int8 | int16 | int32 | int64 | ~uint8 | uint16 | uint32 | uint64 | float32 | float64
}

// asFloat is v as a float64, which holds it.
func asFloat[A float32 | float64](v A) float64 { return float64(v) }

// from fills dst with the numbers s. exact is a float64 that is rounded to a small float as the number is: asFloat or sticky.
func from[A arithmetic](dst any, s []A, exact func(A) float64) {
	switch d := dst.(type) {
	case []float32:
		numbers(d, s)
	case []float64:
		numbers(d, s)
	case []int64:
		numbers(d, s)
	case []int32:
		numbers(d, s)
	case []int16:
		numbers(d, s)
	case []int8:
		numbers(d, s)
	case []uint64:
		numbers(d, s)
	case []uint32:
		numbers(d, s)
	case []uint16:
		numbers(d, s)
	case []uint8:
		numbers(d, s)
	case []Int4:
		each(d, s, func(v A) Int4 { return Int4(int8(v) << 4 >> 4) })
	case []Int2:
		each(d, s, func(v A) Int2 { return Int2(int8(v) << 6 >> 6) })
	case []Uint4:
		each(d, s, func(v A) Uint4 { return Uint4(v) & 15 })
	case []Uint2:
		each(d, s, func(v A) Uint2 { return Uint2(v) & 3 })
	case []bool:
		each(d, s, func(v A) bool { return v != 0 })
	case []Float16:
		if f, ok := any(s).([]float32); ok {
			each(d, f, ToFloat16)
		} else {
			each(d, s, func(v A) Float16 { return Float16(f16.encode(exact(v))) })
		}
	case []BFloat16:
		if f, ok := any(s).([]float32); ok {
			each(d, f, ToBFloat16)
		} else {
			each(d, s, func(v A) BFloat16 { return BFloat16(bf16.encode(exact(v))) })
		}
	case []Float8E4M3FN:
		each(d, s, func(v A) Float8E4M3FN { return Float8E4M3FN(f8e4m3fn.encode(exact(v))) })
	case []Float8E5M2:
		each(d, s, func(v A) Float8E5M2 { return Float8E5M2(f8e5m2.encode(exact(v))) })
	case []Float4E2M1:
		each(d, s, func(v A) Float4E2M1 { return Float4E2M1(f4e2m1.encode(exact(v))) })
	default:
		panic(fmt.Sprintf("tensor.Convert: %T to %T", s, dst))
	}
}

// numbers converts as Go does.
func numbers[B, A arithmetic](dst []B, src []A) {
	src = src[:len(dst)]
	for i := range dst {
		dst[i] = B(src[i])
	}
}
