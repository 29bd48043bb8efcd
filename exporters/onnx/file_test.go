package onnx

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

func TestExportFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m.onnx")
	f, w := dense()
	r, err := ExportFile(path, f, w, Options{})
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() != r.Bytes || !slices.Equal(r.Files, []File{{path, info.Size()}}) || info.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v; report %+v", info, err, r)
	}
	old, _ := os.ReadFile(path)
	if _, err := ExportFile(path, f, Tensors{}, Options{}); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("without weights: %v", err)
	}
	f.Outputs[0].Name = "\xff" // found while encoding
	if _, err := ExportFile(path, f, w, Options{}); err == nil {
		t.Error("a name that is not UTF-8 was written")
	}
	if data, _ := os.ReadFile(path); !bytes.Equal(data, old) {
		t.Error("a failed export changed the file")
	}
	if _, err := ExportFile(filepath.Join(dir, "no", "m.onnx"), f, w, Options{}); err == nil {
		t.Error("no error for a folder that is not there")
	}
	if _, err := ExportFile(dir, f, w, Options{}); err == nil {
		t.Error("no error for a folder as the file")
	}
	if list, _ := filepath.Glob(filepath.Join(dir, ".*")); len(list) != 0 {
		t.Errorf("left behind: %v", list)
	}
}

func TestExternal(t *testing.T) {
	f := graph.NewFunc("f", false)
	x := f.Input("x", graph.F32, 300)
	y := x
	w := Tensors{}
	for i, n := range []graph.Dim{300, 1, 300} {
		name := fmt.Sprint("w", i)
		t := tensor.New(graph.F32, int(n))
		for k := range t.Len() {
			t.Set(k, float64(i*1000+k))
		}
		w[name] = t
		y = f.Apply(node("Add", graph.F32, 300), y, f.Param(name, nil, n))
	}
	f.Output("y", y)
	path := filepath.Join(t.TempDir(), "m.onnx")
	r, err := ExportFile(path, f, w, Options{External: true})
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path + ".data")
	if err != nil || len(r.Files) != 2 || r.Files[1] != (File{path + ".data", int64(len(data))}) || r.Bytes != r.Files[0].Bytes+r.Files[1].Bytes {
		t.Fatalf("%d bytes of data, %v; report %+v", len(data), err, r)
	}
	file, _ := os.ReadFile(path)
	m, err := wire.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	want := []wire.Entry{{Key: "location", Value: "m.onnx.data"}, {Key: "offset", Value: "4096"}, {Key: "length", Value: "1200"}}
	if got := m.Graph.Initializers[2].External; !slices.Equal(got, want) {
		t.Errorf("w2 is at %v, want %v", got, want)
	}
	if len(m.Graph.Initializers[1].External) != 0 || len(data) != 4096+1200 {
		t.Errorf("w1 is at %v; %d bytes of data", m.Graph.Initializers[1].External, len(data))
	}
	got, err := wire.FromRaw("", wire.Float, []int64{300}, data[4096:]).Values()
	if err != nil || !slices.Equal(got.([]float32), tensor.Data[float32](w["w2"])) {
		t.Errorf("w2 reads %v, %v", got, err)
	}
	s, err := Inspect(path)
	if err != nil || s.Initializers[2].External != "m.onnx.data" || s.Params != 601 {
		t.Errorf("summary %+v, %v", s, err)
	}
	acceptONNX(t, path)
}

// TestTooLarge: weights leave a file that would be over the limit.
func TestTooLarge(t *testing.T) {
	defer func(n int64) { maxFile = n }(maxFile)
	f, w := deep(64)
	path := filepath.Join(t.TempDir(), "m.onnx")
	whole, err := ExportFile(path, f, w, Options{})
	if err != nil || len(whole.Files) != 1 {
		t.Fatalf("%+v, %v", whole, err)
	}
	for limit, files := range map[int64]int{whole.Bytes: 1, whole.Bytes - 1: 2} {
		maxFile = limit
		r, err := ExportFile(path, f, w, Options{})
		if err != nil || len(r.Files) != files {
			t.Errorf("limit %d: %+v, %v, want %d files", limit, r, err, files)
		}
		if err := CheckWeights(path); err != nil {
			t.Error(err)
		}
	}
}

// TestWriteFails: a disk that is full leaves what was there.
func TestWriteFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	full := errors.New("no space left")
	if _, err := writeOutput(path, func(w io.Writer) error { return errors.Join(io.ErrShortWrite, full) }); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	list, _ := os.ReadDir(dir)
	if data, _ := os.ReadFile(path); string(data) != "old" || len(list) != 1 {
		t.Errorf("left %q and %v", data, list)
	}
}
