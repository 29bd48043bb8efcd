package onnx

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/atomicfile/disktest"
)

// TestCrashExport replaces a model and crashes at every operation: a model in one file is the old or the new one; one with its
// weights beside it may be gone, but never has the weights of the other.
func TestCrashExport(t *testing.T) {
	f := graph.NewFunc("f", false)
	x := f.Input("x", graph.F32, 300)
	f.Output("y", f.Apply(node("Add", graph.F32, 300), x, f.Param("w", nil, 300)))
	for _, o := range []Options{{}, {External: true}} {
		root := t.TempDir()
		d := disktest.NewDisk(t, root)
		digests := []string{}
		for i := range 2 {
			w := tensor.New(graph.F32, 300)
			w.Set(7, float64(i))
			path := filepath.Join(root, "m.onnx")
			if _, err := ExportFile(path, f, Tensors{"w": w}, o); err != nil {
				t.Fatal(err)
			}
			s, err := Inspect(path)
			if err != nil {
				t.Fatal(err)
			}
			digests = append(digests, s.Weights)
			d.Mark()
		}
		tried := 0
		d.Crashes(t, nil, func(c disktest.Crash) {
			tried++
			path := filepath.Join(c.Dir, "m.onnx")
			s, err := Inspect(path)
			if errors.Is(err, os.ErrNotExist) && (c.Marks == 0 || o.External && c.Marks < 2) {
				return
			}
			if err == nil {
				err = CheckWeights(path)
			}
			if err != nil {
				t.Errorf("external %v, %v: %v", o.External, c, err)
			} else if s.Weights != digests[max(0, c.Marks-1)] && s.Weights != digests[min(1, c.Marks)] {
				t.Errorf("external %v, %v: another model than was written", o.External, c)
			}
		})
		if tried < 10 {
			t.Errorf("only %d crashes were tried", tried)
		}
	}
}
