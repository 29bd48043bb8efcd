package safetensors

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/atomicfile"
)

// A Named is a tensor with its name.
type Named struct {
	Name   string
	Tensor *tensor.Tensor
}

// WriteFile writes the file path; see [Write]. The file appears whole or not at all.
func WriteFile(path string, tensors []Named, metadata map[string]string) error {
	err := atomicfile.Write(path, func(w io.Writer) error { return Write(w, tensors, metadata) })
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// Write writes tensors, whose names must differ, and metadata, which may be nil. The bytes depend on neither the order of
// tensors nor of metadata: tensors are stored by falling size of their elements, then by name, which aligns each to its
// element. It needs no memory of the tensors' size.
func Write(w io.Writer, tensors []Named, metadata map[string]string) error {
	tensors = slices.Clone(tensors)
	slices.SortFunc(tensors, func(a, b Named) int {
		return cmp.Or(cmp.Compare(b.Tensor.DType().Size(), a.Tensor.DType().Size()), cmp.Compare(a.Name, b.Name))
	})
	h, err := header(tensors, metadata)
	if err != nil {
		return err
	}
	if _, err := w.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(h)))); err != nil {
		return err
	}
	if _, err := w.Write(h); err != nil {
		return err
	}
	for _, t := range tensors {
		if err := t.Tensor.Encode(w); err != nil {
			return fmt.Errorf("tensor %q: %w", t.Name, err)
		}
	}
	return nil
}

// header is the JSON, padded with spaces so that the data begins at a multiple of 8 bytes.
func header(tensors []Named, metadata map[string]string) ([]byte, error) {
	var b bytes.Buffer
	sep := byte('{')
	put := func(key string, value any) error {
		if !utf8.ValidString(key) {
			return fmt.Errorf("the name %q is not UTF-8", key)
		}
		b.WriteByte(sep)
		sep = ','
		for i, part := range []any{key, value} {
			if i == 1 {
				b.WriteByte(':')
			}
			j, err := json.Marshal(part)
			if err != nil {
				return err
			}
			b.Write(j)
		}
		return nil
	}
	if len(metadata) > 0 {
		for k, v := range metadata {
			if !utf8.ValidString(k) || !utf8.ValidString(v) {
				return nil, fmt.Errorf("the metadata %q: %q is not UTF-8", k, v)
			}
		}
		if err := put(metadataKey, metadata); err != nil { // a map is written with sorted keys
			return nil, err
		}
	}
	seen := make(map[string]bool, len(tensors))
	end := int64(0)
	for _, t := range tensors {
		if seen[t.Name] || t.Name == metadataKey {
			return nil, fmt.Errorf("two tensors are called %q, or the name is reserved", t.Name)
		}
		seen[t.Name] = true
		name, ok := dtypeNames[t.Tensor.DType()]
		if !ok {
			return nil, fmt.Errorf("tensor %q is %v, which safetensors files do not have", t.Name, t.Tensor)
		}
		begin := end
		end += int64(t.Tensor.Len()) * int64(t.Tensor.DType().Size())
		shape := t.Tensor.Shape()
		if shape == nil {
			shape = []int{} // null is not a shape
		}
		if err := put(t.Name, entry{name, shape, [2]int64{begin, end}}); err != nil {
			return nil, err
		}
	}
	if b.Len() == 0 {
		b.WriteByte('{')
	}
	b.WriteByte('}')
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	if b.Len() > maxHeader || len(tensors) > maxTensors {
		return nil, fmt.Errorf("the names and shapes of %d tensors take %d bytes; a header has at most %d tensors and %d bytes", len(tensors), b.Len(), maxTensors, maxHeader)
	}
	return b.Bytes(), nil
}
