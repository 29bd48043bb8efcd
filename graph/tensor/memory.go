package tensor

import (
	"fmt"
	"unsafe"
)

// In returns a tensor of dtype t whose elements are the bytes mem, as they are: without a copy. It panics if mem has not as many
// bytes as the shape needs, or does not begin where such an element may lie. The bytes of a bool must be 0 or 1.
func In(mem []byte, t DType, shape ...int) *Tensor {
	n, err := Count(shape)
	if err != nil || n*t.Size() != len(mem) {
		panic(fmt.Sprintf("tensor.In: %d bytes for %v%v", len(mem), t, shape))
	}
	if n > 0 && uintptr(unsafe.Pointer(&mem[0]))%uintptr(t.Size()) != 0 {
		panic(fmt.Sprintf("tensor.In: %v at %p", t, &mem[0]))
	}
	var data any
	switch t {
	case F32:
		data = cast[float32](mem, n)
	case F64:
		data = cast[float64](mem, n)
	case F16, BF16:
		data = cast[uint16](mem, n)
	case I64:
		data = cast[int64](mem, n)
	case I32:
		data = cast[int32](mem, n)
	case U8:
		data = mem
	case Bool:
		data = cast[bool](mem, n)
	default:
		panic(fmt.Sprintf("tensor.In: %v", t))
	}
	return wrap(t, data, n, shape)
}

func cast[T Element](mem []byte, n int) []T {
	if n == 0 {
		return []T{}
	}
	return unsafe.Slice((*T)(unsafe.Pointer(&mem[0])), n)
}
