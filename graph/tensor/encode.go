package tensor

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
)

// packed is how many bytes n elements of dtype t, which is no string, take in a file.
func (t DType) packed(n int) int { return (n*t.Bits() + 7) / 8 }

// Stored is the number of bytes that x's elements take as [Tensor.Encode] writes them.
func (x *Tensor) Stored() int {
	if x.dtype != String {
		return x.dtype.packed(x.n)
	}
	n := 0
	for _, s := range x.data.([]string) {
		n += 8 + len(s)
	}
	return n
}

// chunk is how many elements are written or read at a time: as many bytes as a multiple of 8 elements takes are whole.
const chunk = 1 << 15

// Encode writes x's elements to w, little-endian, in row-major order. A bool is a byte, elements of less than a byte are packed, the
// first in the lowest bits, and a string is its length in 8 bytes and its bytes.
func (x *Tensor) Encode(w io.Writer) error {
	if texts, ok := x.data.([]string); ok {
		for _, s := range texts {
			b := append(binary.LittleEndian.AppendUint64(nil, uint64(len(s))), s...)
			if _, err := w.Write(b); err != nil {
				return err
			}
		}
		return nil
	}
	mem, size, bits := x.Bytes(), x.dtype.Size(), x.dtype.Bits()
	var buf []byte
	for lo := 0; lo < x.n; lo += chunk {
		b := mem[lo*size : min(lo+chunk, x.n)*size]
		switch {
		case bits < 8:
			buf = append(buf[:0], make([]byte, (len(b)*bits+7)/8)...)
			for i, v := range b {
				buf[i*bits/8] |= v & (1<<bits - 1) << (i * bits % 8)
			}
			b = buf
		case size > 1 && bigEndian:
			buf = append(buf[:0], b...)
			reverse(buf, size)
			b = buf
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// Decode fills x with elements read from r, as [Tensor.Encode] writes them. A bool that is neither 0 nor 1 is an error.
func (x *Tensor) Decode(r io.Reader) error {
	if texts, ok := x.data.([]string); ok {
		return decodeStrings(r, texts)
	}
	mem, size, bits := x.Bytes(), x.dtype.Size(), x.dtype.Bits()
	signed := x.dtype == I4 || x.dtype == I2
	var buf []byte
	for lo := 0; lo < x.n; lo += chunk {
		b := mem[lo*size : min(lo+chunk, x.n)*size]
		if bits < 8 {
			buf = append(buf[:0], make([]byte, (len(b)*bits+7)/8)...)
			if _, err := io.ReadFull(r, buf); err != nil {
				return err
			}
			for i := range b {
				v := buf[i*bits/8] >> (i * bits % 8) << (8 - bits)
				if signed {
					b[i] = uint8(int8(v) >> (8 - bits))
				} else {
					b[i] = v >> (8 - bits)
				}
			}
			continue
		}
		if x.dtype == Bool { // another byte must not lie in a bool
			buf = append(buf[:0], b...)
			b = buf
		}
		if _, err := io.ReadFull(r, b); err != nil {
			return err
		}
		switch {
		case size > 1 && bigEndian:
			reverse(b, size)
		case x.dtype == Bool:
			for i, v := range b {
				if v > 1 {
					return fmt.Errorf("a bool is stored as %d: the file is damaged", v)
				}
				mem[lo+i] = v
			}
		}
	}
	return nil
}

// decodeStrings takes no more memory than r has bytes.
func decodeStrings(r io.Reader, texts []string) error {
	var length [8]byte
	for i := range texts {
		if _, err := io.ReadFull(r, length[:]); err != nil {
			return err
		}
		n := binary.LittleEndian.Uint64(length[:])
		b, err := io.ReadAll(io.LimitReader(r, int64(min(n, 1<<62))))
		if err != nil {
			return err
		}
		if uint64(len(b)) < n {
			return io.ErrUnexpectedEOF
		}
		texts[i] = string(b)
	}
	return nil
}

// bigEndian says that this machine holds the high bytes of numbers first.
var bigEndian = binary.NativeEndian.Uint16([]byte{1, 0}) != 1

// reverse turns the bytes of each element of b round.
func reverse(b []byte, size int) {
	for i := 0; i < len(b); i += size {
		slices.Reverse(b[i : i+size])
	}
}
