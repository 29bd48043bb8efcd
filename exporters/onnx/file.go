package onnx

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph"
)

const (
	// externalMin is the size from which a weight is stored outside of the model, in bytes; shapes and scalars must stay
	// inside, where runtimes look when they load the graph.
	externalMin = 1 << 10
	// externalAlign is where weights in an external file begin, so that runtimes can map them: a multiple of the page size.
	externalAlign = 4 << 10
)

// maxFile is the size over which weights go into a second file; less in tests.
var maxFile int64 = wire.MaxSize

// ExportFile writes f as the ONNX file path, and as path.data beside it if the weights are to be external or do not fit
// into one file. Files appear whole or not at all.
func ExportFile(path string, f *graph.Func, weights Weights, o Options) (*Report, error) {
	r, err := exportFile(path, f, weights, o)
	if err != nil {
		return nil, fmt.Errorf("exporting %q to %s: %w", f.Name, path, err)
	}
	return r, nil
}

func exportFile(path string, f *graph.Func, weights Weights, o Options) (*Report, error) {
	m, r, err := build(f, weights, o)
	if err != nil {
		return nil, err
	}
	size, err := m.Size()
	if err != nil {
		return nil, err
	}
	var files replacements
	defer files.discard()
	if o.External || size > maxFile {
		if weights := moveOut(m, filepath.Base(path)+".data"); len(weights) > 0 {
			if err := files.write(path+".data", func(w io.Writer) error { return writeExternal(w, weights) }); err != nil {
				return nil, err
			}
		}
	}
	if err := files.write(path, m.Encode); err != nil {
		return nil, err
	}
	if err := files.commit(); err != nil {
		return nil, err
	}
	for _, w := range slices.Backward(files) {
		r.Files = append(r.Files, File{w.path, w.n})
		r.Bytes += w.n
	}
	return r, nil
}

// A moved is a weight in the external file, and where it begins.
type moved struct {
	*wire.Tensor
	offset int64
}

// moveOut marks the large weights of m as external data in the file called name, and returns them.
func moveOut(m *wire.Model, name string) []moved {
	var out []moved
	end := int64(0)
	for _, t := range m.Graph.Initializers {
		n, err := t.Bytes()
		if err != nil || n < externalMin {
			continue
		}
		start := (end + externalAlign - 1) / externalAlign * externalAlign
		end = start + n
		out = append(out, moved{t, start})
		t.External = []wire.Entry{
			{Key: "location", Value: name},
			{Key: "offset", Value: strconv.FormatInt(start, 10)},
			{Key: "length", Value: strconv.FormatInt(n, 10)},
		}
	}
	return out
}

func writeExternal(w io.Writer, weights []moved) error {
	pos := int64(0)
	for _, t := range weights {
		if _, err := w.Write(make([]byte, t.offset-pos)); err != nil {
			return err
		}
		if err := t.WriteRaw(w); err != nil {
			return err
		}
		n, err := t.Bytes()
		if err != nil {
			return err
		}
		pos = t.offset + n
	}
	return nil
}

// replacements are files written beside those that they are to replace.
type replacements []replacement

type replacement struct {
	path, temp string
	n          int64
}

// write adds what do writes as the new contents of path.
func (rs *replacements) write(path string, do func(io.Writer) error) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is there and is not a file: it is not replaced", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	*rs = append(*rs, replacement{path: path, temp: f.Name()})
	w := bufio.NewWriterSize(f, 256<<10)
	err = do(w)
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Chmod(0o644) // CreateTemp lets only the owner read
	}
	info, statErr := f.Stat()
	if err = errors.Join(err, statErr, f.Close()); err != nil {
		return err
	}
	(*rs)[len(*rs)-1].n = info.Size()
	return nil
}

// commit puts the files in their places, in the order of writing.
func (rs *replacements) commit() error {
	for i := range *rs {
		r := &(*rs)[i]
		if err := os.Rename(r.temp, r.path); err != nil {
			return err
		}
		r.temp = ""
	}
	return nil
}

// discard removes what was not committed.
func (rs *replacements) discard() {
	for _, r := range *rs {
		if r.temp != "" {
			os.Remove(r.temp)
		}
	}
}
