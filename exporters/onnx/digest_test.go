package onnx

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestCheckWeights changes one bit of each weight in turn.
func TestCheckWeights(t *testing.T) {
	f := graph.NewFunc("f", false)
	x := f.Input("x", graph.F32, 300)
	f.Output("y", f.Apply(node("Add", graph.F32, 300), x, f.Param("w", nil, 300)))
	w := Tensors{"w": tensor.New(graph.F32, 300)}
	for i := range 300 {
		w["w"].Set(i, float64(i)+.5)
	}
	path := filepath.Join(t.TempDir(), "m.onnx")
	for _, o := range []Options{{}, {External: true}} {
		if _, err := ExportFile(path, f, w, o); err != nil {
			t.Fatal(err)
		}
		if err := CheckWeights(path); err != nil {
			t.Error(err)
		}
		holder := path
		if o.External {
			holder += ".data"
		}
		data, err := os.ReadFile(holder)
		if err != nil {
			t.Fatal(err)
		}
		first := strings.Index(string(data), "\x00\x00\x00\x3f\x00\x00\xc0\x3f") // .5, 1.5
		for i := range 300 {
			data[first+4*i] ^= 1
			if err := os.WriteFile(holder, data, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := CheckWeights(path); err == nil || !strings.Contains(err.Error(), path+": the weights are not those that were exported") {
				t.Fatalf("weight %d changed: %v", i, err)
			}
			data[first+4*i] ^= 1
		}
		if o.External {
			if err := os.WriteFile(holder, data[:len(data)-1], 0o600); err != nil {
				t.Fatal(err)
			}
			if err := CheckWeights(path); err == nil || !strings.Contains(err.Error(), holder) {
				t.Errorf("a file cut off: %v", err)
			}
		}
	}
	if err := os.WriteFile(path, []byte("\x3a\x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := CheckWeights(path); err == nil || !strings.Contains(err.Error(), "no digest") {
		t.Errorf("another's file: %v", err)
	}
}
