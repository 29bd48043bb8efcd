package onnx

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/runtime/regularfile"
)

// digest is a hash of tensors: their names, types, shapes and contents, which write writes but for strings.
func digest(tensors []*wire.Tensor, write func(io.Writer, *wire.Tensor) error) (string, error) {
	h := sha256.New()
	for _, t := range tensors {
		fmt.Fprintf(h, "%q %d %d\n", t.Name, t.Type, t.Dims)
		if t.Type == wire.String { // these have no payload to write
			texts, err := t.Values()
			if err != nil {
				return "", err
			}
			fmt.Fprintf(h, "%q\n", texts)
			continue
		}
		if err := write(h, t); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// ErrNoDigest says that a file was not written by this exporter, or was rewritten since.
var ErrNoDigest = errors.New("no digest of its weights: it was not written by this exporter, or was rewritten since")

// CheckWeights holds the weights and constants in the ONNX file path, and in the files beside it, a training step's first
// state among them, to the digests that the exporter left in the metadata. Test vectors alone may not notice a change: a weight of a unit
// that they leave at zero has no part in their outputs. A file without a digest is an [ErrNoDigest].
func CheckWeights(path string) error {
	f, size, err := regularfile.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	m, err := wire.DecodeFrom(f, size)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	find := func(key string) int {
		return slices.IndexFunc(m.Metadata, func(e wire.Entry) bool { return e.Key == key })
	}
	if i := find(metaFirst); i >= 0 {
		if err := checkState(path, m.Metadata[i].Value); err != nil {
			return err
		}
	}
	i := find(metaWeights)
	if i < 0 {
		return fmt.Errorf("%s has %w", path, ErrNoDigest)
	}
	got, err := digest(m.Graph.Initializers, func(w io.Writer, t *wire.Tensor) error {
		if len(t.External) > 0 {
			return copyExternal(w, path, t)
		}
		return t.WriteRaw(w)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if want := m.Metadata[i].Value; got != want {
		return fmt.Errorf("%s: the weights are not those that were exported: their digest is %s, the file says %s", path, got, want)
	}
	return nil
}

// copyExternal writes the payload of t, a tensor of the model in the file model, to w.
func copyExternal(w io.Writer, model string, t *wire.Tensor) error {
	x, err := FindExternal(model, t)
	if err != nil {
		return err
	}
	if n, err := t.Bytes(); err != nil || n != x.Length {
		return fmt.Errorf("the weight %q is %d bytes of %s: %v%v takes %d", t.Name, x.Length, x.Path, t.Type, t.Dims, n)
	}
	f, _, err := regularfile.Open(x.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, io.NewSectionReader(f, x.Offset, x.Length))
	return err
}
