// Package elements reads the elements of tensors from files, as idx and NumPy files store them. A file's
// claims are held to its real size before anything is allocated.
package elements

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

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
	need := int64(n) * int64(stored.dtype.Size()) // Count bounds n by MaxInt/16
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

// A Storage is an element type as files have it.
type Storage struct {
	dtype, as tensor.DType
	order     binary.ByteOrder
}

// Of is elements of dtype t in the given order of bytes.
func Of(t tensor.DType, o binary.ByteOrder) Storage { return Storage{t, t, o} }

// As is the elements of s, converted to dtype t when they are read.
func (s Storage) As(t tensor.DType) Storage { return Storage{s.dtype, t, s.order} }

// read reads n elements. Unless exact, memory grows only as data really arrive.
func (s Storage) read(r io.Reader, n int, exact bool, shape []int) (*tensor.Tensor, error) {
	const chunk = 1 << 16 // elements
	known := n
	if !exact {
		known = min(n, chunk)
	}
	x, size := tensor.New(s.dtype, known), s.dtype.Size()
	for at := 0; at < n; {
		k := min(n-at, chunk)
		if at+k > x.Len() {
			grown := tensor.New(s.dtype, min(n, 2*x.Len()+k))
			grown.Part(0, at, at).CopyFrom(x.Part(0, at, at))
			x = grown
		}
		part := x.Part(at, at+k, k)
		if err := part.Decode(r); err != nil {
			return nil, err
		}
		if b := part.Bytes(); s.order == binary.BigEndian && size > 1 {
			for i := 0; i < len(b); i += size {
				slices.Reverse(b[i : i+size])
			}
		}
		at += k
	}
	x = x.Part(0, n, shape...)
	if s.as != s.dtype {
		x = x.Cast(s.as)
	}
	return x, nil
}
