package onnx

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/sardonyx-ml/sardonyx/exporters/numpy"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/runtime/atomicfile"
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
// into one file. A training step's first state and its description go into [StateFile] and [DescriptionFile] beside it. Files
// appear whole or not at all, and a model never with other weights or another state than its own: when there are several files, a
// model that is there is removed first, so that a crash can leave none.
func ExportFile(path string, f *graph.Func, weights Weights, o Options) (*Report, error) {
	r, err := exportFile(path, f, weights, o)
	if err != nil {
		return nil, fmt.Errorf("exporting %q to %s: %w", f.Name, path, err)
	}
	return r, nil
}

func exportFile(path string, f *graph.Func, weights Weights, o Options) (*Report, error) {
	m, x, err := build(f, weights, o, true)
	if err != nil {
		return nil, err
	}
	size, err := m.Size()
	if err != nil {
		return nil, err
	}
	var files []*output
	defer func() {
		for _, w := range files {
			w.Discard()
		}
	}()
	add := func(path string, write func(io.Writer) error) error {
		w, err := writeOutput(path, write)
		if err == nil {
			files = append(files, w)
		}
		return err
	}
	if o.External || size > maxFile {
		if weights := moveOut(m, filepath.Base(path)+".data"); len(weights) > 0 {
			if err := add(path+".data", func(w io.Writer) error { return writeExternal(w, weights) }); err != nil {
				return nil, err
			}
		}
	}
	if x.beside {
		if err := add(StateFile(path), func(w io.Writer) error { return numpy.EncodeNPZ(w, x.first) }); err != nil {
			return nil, err
		}
		if err := add(DescriptionFile(path), func(w io.Writer) error { return x.describe(w, path) }); err != nil {
			return nil, err
		}
	}
	if err := add(path, m.Encode); err != nil {
		return nil, err
	}
	if len(files) > 1 { // a model that is there may have its weights in the same file: it must not get the new ones
		if err := atomicfile.Remove(path); err != nil {
			return nil, err
		}
	}
	r := x.report(m)
	for _, w := range files { // the weights first: a model without them would not load
		if err := w.Commit(w.path); err != nil {
			return nil, err
		}
		r.Files = slices.Insert(r.Files, 0, File{w.path, w.size})
		r.Bytes += w.size
	}
	return r, nil
}

// An output is a file that is written and not yet in its place.
type output struct {
	*atomicfile.File
	path string
	size int64
}

func writeOutput(path string, write func(io.Writer) error) (*output, error) {
	f, err := atomicfile.Create(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	w := &output{File: f, path: path}
	if err = write(f); err == nil {
		w.size, err = f.Finish()
	}
	if err != nil {
		f.Discard()
		return nil, err
	}
	return w, nil
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
