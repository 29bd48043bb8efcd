package data

import (
	"path/filepath"
	"testing"

	"github.com/sardonyx-ml/sardonyx/exporters/numpy"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, filepath.FromSlash(name)) }
	if err := numpy.WriteNPZ(at("pairs.npz"), map[string]*tensor.Tensor{
		"y": tensor.New(tensor.I64, 5), "x": tensor.New(tensor.F32, 5, 3)}); err != nil {
		t.Fatal(err)
	}
	if err := numpy.WriteNPY(at("noise.npy"), tensor.New(tensor.F64, 4, 2)); err != nil {
		t.Fatal(err)
	}
	files, _ := tinyMNIST(3)
	writeFile(t, at("letters-idx3-ubyte.gz"), gzipped(files[trainImages]))
	for name, b := range files {
		writeFile(t, at("digits/"+name), b)
	}
	for _, f := range []string{"flat/a", "flat/b", "classes/x/a", "classes/y/b", "split/train/x/a", "split/train/y/b", "split/test/x/a", "split/test/y/b"} {
		writeFile(t, at(f+".png"), encoded(t, plain(4, 4, red), "png"))
	}
	writeFile(t, at("split/test/y/c.png"), encoded(t, plain(7, 9, red), "png"))

	tests := []struct{ path, train, test string }{
		{"pairs.npz", "5 × (x f32[3], y i64[])", ""},
		{"noise.npy", "4 × (noise f64[2])", ""},
		{"letters-idx3-ubyte.gz", "3 × (letters-idx3-ubyte u8[2 2])", ""},
		{"digits", "3 × (image f32[1 2 2], label i64[])", "1 × (image f32[1 2 2], label i64[])"},
		{"flat", "2 × (image f32[3 4 4])", ""},
		{"classes", "2 × (image f32[3 4 4], label i64[])", ""},
		{"split", "2 × (image f32[3 4 4], label i64[])", "3 × (image f32[3 4 4], label i64[])"},
	}
	for _, tt := range tests {
		s, err := Open(at(tt.path), ImageOptions{})
		if err != nil {
			t.Errorf("%s: %v", tt.path, err)
			continue
		}
		test := ""
		if s.Test != nil {
			test = s.Test.String()
		}
		if s.Train.String() != tt.train || test != tt.test {
			t.Errorf("%s: train %v, test %v, want %q and %q", tt.path, s.Train, test, tt.train, tt.test)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, filepath.FromSlash(name)) }
	if err := numpy.WriteNPZ(at("uneven.npz"), map[string]*tensor.Tensor{
		"y": tensor.New(tensor.I64, 5), "x": tensor.New(tensor.F32, 4, 3)}); err != nil {
		t.Fatal(err)
	}
	if err := numpy.WriteNPY(at("scalar.npy"), tensor.New(tensor.F32)); err != nil {
		t.Fatal(err)
	}
	if err := numpy.WriteNPZ(at("empty.npz"), nil); err != nil {
		t.Fatal(err)
	}
	writeFile(t, at("model.onnx"), []byte("?"))
	files, _ := tinyMNIST(3)
	writeFile(t, at("part/"+trainImages), files[trainImages])
	tests := []struct{ path, want string }{
		{"none", "no such file"},
		{"uneven.npz", `"x" has 4 examples but field "y" has 5`},
		{"scalar.npy", "no axis for the examples"},
		{"empty.npz", "at least one field"},
		{"model.onnx", "not a folder, a .npy"},
		{"part", "lacks " + trainLabels},
	}
	for _, tt := range tests {
		_, err := Open(at(tt.path), ImageOptions{})
		wantErr(t, err, at(tt.path), tt.want)
	}
}
