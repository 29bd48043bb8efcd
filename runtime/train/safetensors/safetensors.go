// Package safetensors reads and writes safetensors files: named tensors in a form that cannot run code
// (https://huggingface.co/docs/safetensors).
//
// A file is the length of the header as 8 little-endian bytes, the header in JSON, and the tensors' little-endian bytes in
// row-major order. The header has for each tensor its dtype, its shape, and where its bytes begin and end after the header;
// its key __metadata__ has strings by name.
package safetensors

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// Bounds on a header, which is read into memory: far over what models have, and under what would take seconds to read.
const (
	maxHeader  = 16 << 20 // bytes; the reference implementation stops at 100 MB
	maxTensors = 1 << 16
)

// metadataKey is the header's key that is not a tensor.
const metadataKey = "__metadata__"

// entry is a tensor in the header.
type entry struct {
	DType   string   `json:"dtype"`
	Shape   []int    `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
}

var dtypeNames = map[tensor.DType]string{
	tensor.F32: "F32", tensor.F64: "F64", tensor.F16: "F16", tensor.BF16: "BF16",
	tensor.I64: "I64", tensor.I32: "I32", tensor.U8: "U8", tensor.Bool: "BOOL",
}

var dtypes = func() map[string]tensor.DType {
	m := make(map[string]tensor.DType, len(dtypeNames))
	for t, name := range dtypeNames {
		m[name] = t
	}
	return m
}()

// chunk is how many bytes are converted at a time.
const chunk = 64 << 10

// writeElements writes the elements of x.
func writeElements(w io.Writer, x *tensor.Tensor, buf []byte) error {
	switch d := x.Raw().(type) {
	case []float32:
		return encode(w, d, 4, buf)
	case []float64:
		return encode(w, d, 8, buf)
	case []uint16:
		return encode(w, d, 2, buf)
	case []int64:
		return encode(w, d, 8, buf)
	case []int32:
		return encode(w, d, 4, buf)
	case []uint8:
		_, err := w.Write(d)
		return err
	case []bool:
		return encode(w, d, 1, buf)
	}
	return fmt.Errorf("%v cannot be stored", x)
}

func encode[T tensor.Element](w io.Writer, d []T, size int, buf []byte) error {
	for len(d) > 0 {
		n := min(len(d), len(buf)/size)
		b, err := binary.Append(buf[:0], binary.LittleEndian, d[:n])
		if err != nil {
			return err
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
		d = d[n:]
	}
	return nil
}

// readElements fills x.
func readElements(r io.Reader, x *tensor.Tensor, buf []byte) error {
	switch d := x.Raw().(type) {
	case []float32:
		return decode(r, d, 4, buf)
	case []float64:
		return decode(r, d, 8, buf)
	case []uint16:
		return decode(r, d, 2, buf)
	case []int64:
		return decode(r, d, 8, buf)
	case []int32:
		return decode(r, d, 4, buf)
	case []uint8:
		_, err := io.ReadFull(r, d)
		return err
	case []bool:
		return decodeBools(r, d, buf)
	}
	return fmt.Errorf("%v cannot be read", x)
}

func decode[T tensor.Element](r io.Reader, d []T, size int, buf []byte) error {
	for len(d) > 0 {
		n := min(len(d), len(buf)/size)
		b := buf[:n*size]
		if _, err := io.ReadFull(r, b); err != nil {
			return err
		}
		if _, err := binary.Decode(b, binary.LittleEndian, d[:n]); err != nil {
			return err
		}
		d = d[n:]
	}
	return nil
}

func decodeBools(r io.Reader, d []bool, buf []byte) error {
	for len(d) > 0 {
		b := buf[:min(len(d), len(buf))]
		if _, err := io.ReadFull(r, b); err != nil {
			return err
		}
		for i, v := range b {
			if v > 1 {
				return fmt.Errorf("a bool is stored as %d: the file is damaged", v)
			}
			d[i] = v == 1
		}
		d = d[len(b):]
	}
	return nil
}
