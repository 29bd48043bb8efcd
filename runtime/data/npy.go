package data

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/sbinet/npyio/npy"

	"github.com/sardonyx-ml/sardonyx/exporters/atomicfile"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// maxNPYHeader is the longest header read, in bytes; NumPy's own are 128. maxRank is NumPy's limit on dimensions.
const (
	maxNPYHeader = 1 << 16
	maxRank      = 64
)

// ReadNPY reads a NumPy .npy file of format 1 or 2: arrays of float16, float32, float64, int64, int32, uint8 or bool, of
// either byte order, in C or Fortran order. The tensor is always row-major.
func ReadNPY(path string) (*tensor.Tensor, error) {
	f, size, err := openRegular(path)
	if err != nil {
		return nil, fmt.Errorf("read npy file %s: %w", path, err)
	}
	defer f.Close()
	x, err := readNPY(f, size, true)
	if err != nil {
		return nil, fmt.Errorf("read npy file %s: %w", path, err)
	}
	return x, nil
}

// readNPY reads one array from r, which yields maxBytes bytes, or at most so many unless exact.
func readNPY(r io.Reader, maxBytes int64, exact bool) (*tensor.Tensor, error) {
	h, used, err := readNPYHeader(r)
	if err != nil {
		return nil, err
	}
	stored, err := npyStorage(h.Descr.Type)
	if err != nil {
		return nil, err
	}
	shape := h.Descr.Shape
	if len(shape) > maxRank {
		return nil, fmt.Errorf("its header claims %d dimensions", len(shape))
	}
	if !h.Descr.Fortran || len(shape) < 2 {
		return readTensor(r, stored, shape, maxBytes-used, exact)
	}
	reversed := make([]int, len(shape))
	for i, d := range shape {
		reversed[len(shape)-1-i] = d
	}
	x, err := readTensor(r, stored, reversed, maxBytes-used, exact)
	if err != nil {
		return nil, err
	}
	return fromFortran(x, shape), nil
}

// readNPYHeader reads the header of an array and says how many bytes it took. The elements are not left to the library:
// it takes a short read for a whole one and the end of the file for zeros.
func readNPYHeader(r io.Reader) (h npy.Header, used int64, err error) {
	prefix := make([]byte, 10)
	if _, err := io.ReadFull(r, prefix); err != nil {
		return h, 0, fmt.Errorf("too short for a npy header: %w", err)
	}
	if !bytes.Equal(prefix[:6], npy.Magic[:]) {
		return h, 0, fmt.Errorf("it begins with % x, which is no npy header", prefix[:6])
	}
	n := int64(binary.LittleEndian.Uint16(prefix[8:]))
	switch prefix[6] {
	case 1:
	case 2:
		prefix = append(prefix, 0, 0)
		if _, err := io.ReadFull(r, prefix[10:]); err != nil {
			return h, 0, fmt.Errorf("too short for a npy header: %w", err)
		}
		n = int64(binary.LittleEndian.Uint32(prefix[8:]))
	default:
		return h, 0, fmt.Errorf("npy format version %d.%d is not known (1 and 2 are)", prefix[6], prefix[7])
	}
	if n > maxNPYHeader {
		return h, 0, fmt.Errorf("its header claims to be %d bytes long", n)
	}
	head := append(prefix, make([]byte, n)...)
	if _, err := io.ReadFull(r, head[len(prefix):]); err != nil {
		return h, 0, fmt.Errorf("the header of %d bytes is cut short: %w", n, err)
	}
	h, err = parseNPYHeader(head)
	return h, int64(len(head)), err
}

func parseNPYHeader(head []byte) (h npy.Header, err error) {
	defer func() {
		if p := recover(); p != nil { // the library slices without looking
			err = errors.New("its npy header is damaged")
		}
	}()
	r, err := npy.NewReader(bytes.NewReader(head))
	if err != nil {
		return h, fmt.Errorf("its npy header is damaged: %w", err)
	}
	return r.Header, nil
}

// npyStorage is the element type of a NumPy type string such as "<f4".
func npyStorage(descr string) (storage, error) {
	var order binary.ByteOrder = binary.LittleEndian
	if strings.HasPrefix(descr, ">") {
		order = binary.BigEndian
	}
	switch strings.TrimLeft(descr, "<>|=") {
	case "f2":
		return storeF16(order), nil
	case "f4":
		return storeF32(order), nil
	case "f8":
		return storeF64(order), nil
	case "i8":
		return storeI64(order), nil
	case "i4":
		return storeI32(order), nil
	case "u1":
		return storeU8(), nil
	case "b1":
		return storeBool(), nil
	}
	return storage{}, fmt.Errorf("its elements are of NumPy type %q, not float16, float32, float64, int64, int32, uint8 or bool; "+
		"save it with .astype(...) as one of these", descr)
}

// fromFortran returns as row-major shape the tensor x, which was read with the dimensions reversed.
func fromFortran(x *tensor.Tensor, shape []int) *tensor.Tensor {
	switch d := x.Raw().(type) {
	case []float32:
		return tensor.Of(rowMajor(d, shape), shape...)
	case []float64:
		return tensor.Of(rowMajor(d, shape), shape...)
	case []uint16:
		return tensor.Of(rowMajor(d, shape), shape...)
	case []int64:
		return tensor.Of(rowMajor(d, shape), shape...)
	case []int32:
		return tensor.Of(rowMajor(d, shape), shape...)
	case []uint8:
		return tensor.Of(rowMajor(d, shape), shape...)
	default:
		return tensor.Of(rowMajor(d.([]bool), shape), shape...)
	}
}

func rowMajor[T any](src []T, shape []int) []T {
	stride := make([]int, len(shape)) // of src, the first axis running fastest
	s := 1
	for i, d := range shape {
		stride[i] = s
		s *= d
	}
	dst := make([]T, len(src))
	index := make([]int, len(shape))
	at := 0
	for i := range dst {
		dst[i] = src[at]
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
	return dst
}

// WriteNPY writes x as a NumPy .npy file of format 1.0, replacing path only when the file is complete. NumPy has no
// bf16: such a tensor is an error.
func WriteNPY(path string, x *tensor.Tensor) error {
	if err := atomicfile.Write(path, func(w io.Writer) error { return writeNPY(w, x) }); err != nil {
		return fmt.Errorf("write npy file %s: %w", path, err)
	}
	return nil
}

var npyNames = map[tensor.DType]string{
	tensor.F16: "<f2", tensor.F32: "<f4", tensor.F64: "<f8", tensor.I64: "<i8", tensor.I32: "<i4", tensor.U8: "|u1", tensor.Bool: "|b1",
}

func writeNPY(w io.Writer, x *tensor.Tensor) error {
	descr, ok := npyNames[x.DType()]
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
	head := append([]byte{}, npy.Magic[:]...)
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
	switch d := x.Raw().(type) {
	case []float32:
		return writeElems(w, d)
	case []float64:
		return writeElems(w, d)
	case []uint16:
		return writeElems(w, d)
	case []int64:
		return writeElems(w, d)
	case []int32:
		return writeElems(w, d)
	case []uint8:
		return writeElems(w, d)
	default:
		return writeElems(w, d.([]bool))
	}
}
