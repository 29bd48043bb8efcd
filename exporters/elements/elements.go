// Package elements reads the elements of tensors from files, as idx and NumPy files store them. A file's
// claims are held to its real size before anything is allocated.
package elements

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// MaxInflation bounds how many bytes one compressed byte can become in deflate (RFC 1951: 258 bytes for 2 bits).
const MaxInflation = 1032

// MaxUnpacked bounds the bytes that are unpacked into memory from one compressed file, which may be a thousand times smaller.
const MaxUnpacked = 4 << 30

// Read reads the elements of a tensor from r, which must hold exactly that many and no more. stored is the dtype in
// the file and maxBytes the most that r can yield, judged by real sizes; exact says that it yields just that many.
func Read(r io.Reader, stored Storage, shape []int, maxBytes int64, exact bool) (*tensor.Tensor, error) {
	n, err := tensor.Count(shape)
	if err != nil {
		return nil, err
	}
	need := int64(n) * int64(stored.size) // Count bounds n by MaxInt/16
	switch {
	case need > maxBytes && exact:
		return nil, fmt.Errorf("its header claims shape %v, %d bytes, but only %d are there: the file is cut short or damaged",
			shape, need, maxBytes)
	case need > maxBytes:
		return nil, fmt.Errorf("its header claims shape %v, %d bytes, more than so small a compressed file can hold: it is damaged",
			shape, need)
	case need > MaxUnpacked && !exact:
		return nil, TooLarge(uint64(need))
	case need < maxBytes && exact:
		return nil, fmt.Errorf("%d bytes follow the array of shape %v", maxBytes-need, shape)
	}
	x, err := stored.read(r, n, exact, shape)
	if err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) || err == io.EOF {
			return nil, fmt.Errorf("the data end before the %d bytes of shape %v: the file is cut short", need, shape)
		}
		return nil, err
	}
	// Reading to the end also lets gzip and zip check their sums.
	switch k, err := io.CopyN(io.Discard, r, 1); {
	case k > 0:
		return nil, fmt.Errorf("more data follow the array of shape %v", shape)
	case err != io.EOF:
		return nil, err
	}
	return x, nil
}

// TooLarge refuses to unpack so many bytes.
func TooLarge(bytes uint64) error {
	return fmt.Errorf("unpacked it has %.1f GB, and at most %.1f are unpacked into memory: store it uncompressed", float64(bytes)/1e9, float64(MaxUnpacked)/1e9)
}

// A Storage is an element type as files have it: its size, and how to read n of them as a tensor.
type Storage struct {
	size int
	read func(r io.Reader, n int, exact bool, shape []int) (*tensor.Tensor, error)
}

func storageOf[T tensor.Element](size int, conv func(dst []T, src []byte)) Storage {
	return Storage{size, func(r io.Reader, n int, exact bool, shape []int) (*tensor.Tensor, error) {
		data, err := readElems(r, n, size, exact, conv)
		if err != nil {
			return nil, err
		}
		return tensor.Of(data, shape...), nil
	}}
}

// readElems reads n elements of size bytes each. Unless exact, the slice grows only as data really arrive.
func readElems[T any](r io.Reader, n, size int, exact bool, conv func(dst []T, src []byte)) ([]T, error) {
	const chunk = 1 << 16 // elements
	known := n
	if !exact {
		known = min(n, chunk)
	}
	out := make([]T, 0, known)
	buf := make([]byte, size*min(n, chunk))
	for len(out) < n {
		k := min(n-len(out), chunk)
		if _, err := io.ReadFull(r, buf[:k*size]); err != nil {
			return nil, err
		}
		if cap(out)-len(out) < k {
			grown := make([]T, len(out), min(n, 2*cap(out)+k))
			copy(grown, out)
			out = grown
		}
		out = out[:len(out)+k]
		conv(out[len(out)-k:], buf[:k*size])
	}
	return out, nil
}

// U8 is bytes.
func U8() Storage {
	return storageOf(1, func(dst, src []byte) { copy(dst, src) })
}

// Bool is bytes of which 0 is false.
func Bool() Storage {
	return storageOf(1, func(dst []bool, src []byte) {
		for i := range dst {
			dst[i] = src[i] != 0
		}
	})
}

// I8 is signed bytes, read as i32.
func I8() Storage {
	return storageOf(1, func(dst []int32, src []byte) {
		for i := range dst {
			dst[i] = int32(int8(src[i]))
		}
	})
}

// I16 is 16-bit integers, read as i32.
func I16(o binary.ByteOrder) Storage {
	return storageOf(2, func(dst []int32, src []byte) {
		for i := range dst {
			dst[i] = int32(int16(o.Uint16(src[2*i:])))
		}
	})
}

// I32 is 32-bit integers.
func I32(o binary.ByteOrder) Storage {
	return storageOf(4, func(dst []int32, src []byte) {
		for i := range dst {
			dst[i] = int32(o.Uint32(src[4*i:]))
		}
	})
}

// I64 is 64-bit integers.
func I64(o binary.ByteOrder) Storage {
	return storageOf(8, func(dst []int64, src []byte) {
		for i := range dst {
			dst[i] = int64(o.Uint64(src[8*i:]))
		}
	})
}

// F16 is the bits of half floats.
func F16(o binary.ByteOrder) Storage {
	return storageOf(2, func(dst []uint16, src []byte) {
		for i := range dst {
			dst[i] = o.Uint16(src[2*i:])
		}
	})
}

// F32 is single floats.
func F32(o binary.ByteOrder) Storage {
	return storageOf(4, func(dst []float32, src []byte) {
		for i := range dst {
			dst[i] = math.Float32frombits(o.Uint32(src[4*i:]))
		}
	})
}

// F64 is double floats.
func F64(o binary.ByteOrder) Storage {
	return storageOf(8, func(dst []float64, src []byte) {
		for i := range dst {
			dst[i] = math.Float64frombits(o.Uint64(src[8*i:]))
		}
	})
}
