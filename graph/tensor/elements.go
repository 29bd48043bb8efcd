package tensor

import (
	"math"
	"unsafe"
)

// elements is what a dtype does with slices of its Go type.
type elements interface {
	size() int
	make(n int) any
	over(mem []byte, n int) any // nil for strings, whose memory is Go's alone
	memory(data any) []byte     // nil for strings
	len(data any) (n int, ok bool)
	part(data any, lo, hi int) any
	copy(dst, src any)
	at(data any, i int) float64
	set(data any, i int, v float64)
	integer(data any, i int) int64
	setInteger(data any, i int, v int64)
}

// of is elements of type T: what all have in common, and how T is a number.
type of[T Element] struct {
	float     func(T) float64
	fromFloat func(float64) T
	int       func(T) int64 // nil: by float
	fromInt   func(int64) T
}

func (of[T]) size() int { return int(unsafe.Sizeof(*new(T))) }

func (of[T]) make(n int) any { return make([]T, n) }

func (of[T]) over(mem []byte, n int) any {
	switch any(*new(T)).(type) {
	case string:
		return nil
	}
	if n == 0 {
		return []T{}
	}
	return unsafe.Slice((*T)(unsafe.Pointer(&mem[0])), n)
}

func (of[T]) memory(data any) []byte {
	if _, text := data.([]string); text {
		return nil
	}
	d := data.([]T)
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(d))), len(d)*int(unsafe.Sizeof(*new(T))))
}

func (of[T]) len(data any) (int, bool) {
	d, ok := data.([]T)
	return len(d), ok
}

func (of[T]) part(data any, lo, hi int) any { return data.([]T)[lo:hi:hi] }

func (of[T]) copy(dst, src any) { copy(dst.([]T), src.([]T)) }

func (o of[T]) at(data any, i int) float64 { return o.float(data.([]T)[i]) }

func (o of[T]) set(data any, i int, v float64) { data.([]T)[i] = o.fromFloat(v) }

func (o of[T]) integer(data any, i int) int64 {
	if o.int == nil {
		return int64(o.at(data, i))
	}
	return o.int(data.([]T)[i])
}

func (o of[T]) setInteger(data any, i int, v int64) { data.([]T)[i] = o.fromInt(v) }

// number is the elements of a number of Go's.
func number[T float32 | float64 | int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64]() elements {
	o := of[T]{float: func(v T) float64 { return float64(v) }, fromFloat: func(v float64) T { return T(v) }, fromInt: func(v int64) T { return T(v) }}
	if h := .5; T(h) == 0 {
		o.int = func(v T) int64 { return int64(v) }
	}
	return o
}

// small is the elements of a float that Go does not have.
func small[T Float16 | BFloat16 | Float8E4M3FN | Float8E5M2 | Float4E2M1](f *format) elements {
	return of[T]{
		float:     func(v T) float64 { return float64(f.decode(uint16(v))) },
		fromFloat: func(v float64) T { return T(f.encode(v)) },
		fromInt:   func(v int64) T { return T(f.encode(sticky(v))) },
	}
}

// narrow is the elements of an integer of less than a byte.
func narrow[T Int4 | Uint4 | Int2 | Uint2](bits int, signed bool) elements {
	low := func(v int64) T {
		if signed {
			return T(v << (64 - bits) >> (64 - bits))
		}
		return T(v & (1<<bits - 1))
	}
	return of[T]{
		float: func(v T) float64 { return float64(v) }, fromFloat: func(v float64) T { return low(int64(v)) },
		int: func(v T) int64 { return int64(v) }, fromInt: low,
	}
}

// truth is the elements of type bool.
func truth() elements {
	float := func(v bool) float64 {
		if v {
			return 1
		}
		return 0
	}
	return of[bool]{float: float, fromFloat: func(v float64) bool { return v != 0 }, fromInt: func(v int64) bool { return v != 0 }}
}

// text is the elements of type string, which are no numbers.
func text() elements {
	return of[string]{
		float:     func(string) float64 { panic("tensor: a string is no number") },
		fromFloat: func(float64) string { panic("tensor: a number is no string") },
		fromInt:   func(int64) string { panic("tensor: a number is no string") },
	}
}

// sticky is v as a float64 that rounds to few digits as v does: what a float64 does not hold of it makes the last digit kept odd.
func sticky[T ~int8 | int16 | int32 | int64 | ~uint8 | uint16 | uint32 | uint64](v T) float64 {
	const low = 1<<11 - 1
	wide := uint64(v) // of a negative number two's complement, whose digits mean the same
	if f := float64(v); math.Abs(f) < 1<<53 || wide&low == 0 {
		return f
	}
	return float64(T(wide&^low | (low + 1)))
}
