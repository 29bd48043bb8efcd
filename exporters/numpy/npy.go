// Package numpy reads and writes NumPy's files: .npy, an array with a header (NEP 1,
// https://numpy.org/neps/nep-0001-npy-format.html), and .npz, a zip archive of these. What NumPy reads is read, whoever wrote it; what
// is written, NumPy reads.
package numpy

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/sardonyx-ml/sardonyx/exporters/elements"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/atomicfile"
	"github.com/sardonyx-ml/sardonyx/runtime/regularfile"
)

// ReadNPY reads a .npy file of format 1, 2 or 3: arrays of float16, float32, float64, int64, int32, uint8 or bool, of
// either byte order, in C or Fortran order. The tensor is always row-major.
func ReadNPY(path string) (*tensor.Tensor, error) {
	f, size, err := regularfile.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read npy file %s: %w", path, err)
	}
	defer f.Close()
	x, err := read(f, size, true)
	if err != nil {
		return nil, fmt.Errorf("read npy file %s: %w", path, err)
	}
	return x, nil
}

// read reads one array from r, which yields maxBytes bytes, or at most so many unless exact.
func read(r io.Reader, maxBytes int64, exact bool) (*tensor.Tensor, error) {
	h, used, err := readHeader(r)
	if err != nil {
		return nil, err
	}
	if !h.fortran || len(h.shape) < 2 {
		return elements.Read(r, h.stored, h.shape, maxBytes-used, exact)
	}
	reversed := make([]int, len(h.shape))
	for i, d := range h.shape {
		reversed[len(h.shape)-1-i] = d
	}
	x, err := elements.Read(r, h.stored, reversed, maxBytes-used, exact)
	if err != nil {
		return nil, err
	}
	return fromFortran(x, h.shape), nil
}

// fromFortran returns as row-major shape the tensor x, which was read with the dimensions reversed.
func fromFortran(x *tensor.Tensor, shape []int) *tensor.Tensor {
	y := tensor.New(x.DType(), shape...)
	from, to, size := x.Bytes(), y.Bytes(), x.DType().Size()
	stride := make([]int, len(shape)) // of x, the first axis running fastest
	s := 1
	for i, d := range shape {
		stride[i] = s
		s *= d
	}
	index := make([]int, len(shape))
	at := 0
	for i := range x.Len() {
		copy(to[i*size:(i+1)*size], from[at*size:])
		for a := len(shape) - 1; a >= 0; a-- {
			index[a]++
			at += stride[a]
			if index[a] < shape[a] {
				break
			}
			at -= index[a] * stride[a]
			index[a] = 0
		}
	}
	return y
}

// WriteNPY writes x as a NumPy .npy file of format 1.0, replacing path only when the file is complete. NumPy has no
// bf16: such a tensor is an error.
func WriteNPY(path string, x *tensor.Tensor) error {
	if err := atomicfile.Write(path, func(w io.Writer) error { return write(w, x) }); err != nil {
		return fmt.Errorf("write npy file %s: %w", path, err)
	}
	return nil
}

func write(w io.Writer, x *tensor.Tensor) error {
	descr, ok := descrs[x.DType()]
	if !ok {
		return fmt.Errorf("NumPy has no type for %v; cast it to f32 first", x.DType())
	}
	var shape strings.Builder
	for _, d := range x.Shape() {
		fmt.Fprintf(&shape, "%d, ", d) // (3, ) is a tuple, (3) is not
	}
	dict := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, strings.TrimSuffix(shape.String(), " "))
	const prefix = 10
	pad := 64 - (prefix+len(dict)+1)%64 // NEP 1: the elements begin at a multiple of 64
	head := append([]byte{}, magic...)
	head = append(head, 1, 0)
	n := len(dict) + pad + 1
	if n > math.MaxUint16 {
		return fmt.Errorf("a shape of %d dimensions does not fit a npy header", x.Rank())
	}
	head = binary.LittleEndian.AppendUint16(head, uint16(n))
	head = append(head, dict...)
	head = append(head, strings.Repeat(" ", pad)...)
	head = append(head, '\n')
	if _, err := w.Write(head); err != nil {
		return err
	}
	return x.Encode(w)
}
