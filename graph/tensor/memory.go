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
	data := rows[t].elems.over(mem, n)
	if data == nil {
		panic(fmt.Sprintf("tensor.In: the elements of %v are not bytes", t))
	}
	return wrap(t, data, n, shape)
}

// Bytes is the memory of x's elements, shared with it, in this machine's order of bytes; nil for strings. A bool is a byte, 0 or 1.
func (x *Tensor) Bytes() []byte { return rows[x.dtype].elems.memory(x.data) }

// Units is x's elements, shared with it, as a slice of uint8, uint16, uint32 or uint64, whichever has an element's size, or of string:
// what only moves elements need not know what they are.
func (x *Tensor) Units() any {
	switch x.dtype.Size() {
	case 1:
		return cast[uint8](x)
	case 2:
		return cast[uint16](x)
	case 4:
		return cast[uint32](x)
	case 8:
		return cast[uint64](x)
	}
	return x.data
}

// Words is x's elements as [Tensor.Units] has them, T being the type that has their size.
func Words[T uint8 | uint16 | uint32 | uint64](x *Tensor) []T {
	mem := x.Bytes()
	if unsafe.Sizeof(*new(T)) != uintptr(x.dtype.Size()) || x.dtype == String {
		panic(fmt.Sprintf("tensor.Words: %v as %T", x.dtype, *new(T)))
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(mem))), x.n)
}

func cast[T Element](x *Tensor) []T { return of[T]{}.over(x.Bytes(), x.n).([]T) }
