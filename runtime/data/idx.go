package data

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/sardonyx-ml/sardonyx/exporters/elements"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/regularfile"
)

// ReadIDX reads an idx file, the format of MNIST (http://yann.lecun.com/exdb/mnist), gzipped or not: two zero bytes, a
// type, the number of dimensions, the dimensions as big-endian 32-bit numbers, and the elements in row-major order.
// Types 8 (u8), 12 (i32), 13 (f32) and 14 (f64) become tensors of that dtype; 9 (i8) and 11 (i16) become i32.
func ReadIDX(path string) (*tensor.Tensor, error) {
	x, err := readIDX(path, nil)
	if err != nil {
		return nil, fmt.Errorf("read idx file %s: %w", path, err)
	}
	return x, nil
}

// readIDX reads the idx file at path and writes its uncompressed bytes to sum, if there is one.
func readIDX(path string, sum io.Writer) (*tensor.Tensor, error) {
	f, size, err := regularfile.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var r io.Reader = bufio.NewReaderSize(f, 1<<16)
	exact := true
	if magic, err := r.(*bufio.Reader).Peek(2); err == nil && bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, err
		}
		r, exact, size = z, false, size*elements.MaxInflation
	}
	if sum != nil {
		r = io.TeeReader(r, sum)
	}

	var magic [4]byte
	if _, err := io.ReadFull(r, magic[:]); err != nil {
		return nil, fmt.Errorf("too short for an idx header: %w", err)
	}
	stored, ok := idxTypes()[magic[2]]
	if magic[0] != 0 || magic[1] != 0 || !ok {
		return nil, fmt.Errorf("it begins with % x, which is no idx header", magic)
	}
	dims := make([]byte, 4*int(magic[3]))
	if _, err := io.ReadFull(r, dims); err != nil {
		return nil, fmt.Errorf("the header of %d dimensions is cut short: %w", magic[3], err)
	}
	shape := make([]int, magic[3])
	for i := range shape {
		d := binary.BigEndian.Uint32(dims[4*i:])
		if d > 1<<31-1 {
			return nil, fmt.Errorf("its header claims %d for dimension %d", d, i)
		}
		shape[i] = int(d)
	}
	return elements.Read(r, stored, shape, size-int64(len(magic)+len(dims)), exact)
}

func idxTypes() map[byte]elements.Storage {
	be := binary.BigEndian
	return map[byte]elements.Storage{
		0x08: elements.Of(tensor.U8, be), 0x09: elements.Of(tensor.I8, be).As(tensor.I32), 0x0b: elements.Of(tensor.I16, be).As(tensor.I32),
		0x0c: elements.Of(tensor.I32, be), 0x0d: elements.Of(tensor.F32, be), 0x0e: elements.Of(tensor.F64, be),
	}
}
