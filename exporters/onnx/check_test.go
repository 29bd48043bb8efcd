package onnx

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/check"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// clean fails t if there is anything to say of an exported file, or an output's type is not inferred whole.
func clean(t *testing.T, what string, data []byte) {
	t.Helper()
	m, err := wire.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range m.Graph.Outputs { // what is inferred shall not lean on it
		o.Type = nil
	}
	r := check.Model(m, check.Options{})
	for _, f := range r.Findings {
		t.Errorf("%s: %v", what, f)
	}
	for _, o := range m.Graph.Outputs {
		got := r.Types[o.Name]
		if got.Elem == wire.Undefined || got.Shape == nil || slices.ContainsFunc(got.Shape, func(d wire.Dim) bool { return d.Unknown }) {
			t.Errorf("%s: output %q is inferred %s", what, o.Name, typeText(got))
		}
	}
}

// TestCheckOps looks for faults in the file of each sample of each op, in f32 and f64, at each opset.
func TestCheckOps(t *testing.T) {
	files := 0
	for _, op := range graph.All() {
		for _, s := range op.Samples() {
			for _, float := range []graph.DType{graph.F32, graph.F64} {
				f, _, _ := s.Trace(float)
				if len(f.Diags) > 0 {
					continue // an op that has no f64, such as a cast's result
				}
				for opset := max(MinOpset, graph.Since(op)); opset <= MaxOpset; opset++ {
					for _, random := range []Random{RandomInputs, RandomNative} {
						var b bytes.Buffer
						if _, err := Export(&b, f, Tensors{}, Options{Opset: opset, Random: random}); err != nil {
							t.Fatalf("%s: %v", graph.OpText(s.Op), err)
						}
						clean(t, graph.OpText(s.Op), b.Bytes())
						files++
					}
				}
			}
		}
	}
	if files < 5000 {
		t.Errorf("only %d files", files)
	}
}

// TestCheckModels looks for faults in the files of the models' functions and training steps.
func TestCheckModels(t *testing.T) {
	variants := map[string]Options{"inputs": {}, "native": {Random: RandomNative}, "external": {External: true}}
	path := filepath.Join(t.TempDir(), "m.onnx")
	for _, prog := range programs(t) {
		w := zeros(t, prog)
		for _, f := range slices.Concat(prog.Funcs(), prog.Steps()) {
			for opset := MinOpset; opset <= MaxOpset; opset++ {
				for _, name := range slices.Sorted(maps.Keys(variants)) {
					o := variants[name]
					o.Opset, o.Training = opset, f.Training
					if _, err := ExportFile(path, f, w, o); err != nil {
						t.Fatal(err)
					}
					r, err := Check(path)
					if err != nil {
						t.Fatal(err)
					}
					for _, found := range r.Findings {
						t.Errorf("%s %s %s: %v", prog.Name(), f.Name, name, found)
					}
					if o.External {
						continue
					}
					var b bytes.Buffer
					if _, err := Export(&b, f, w, o); err != nil {
						t.Fatal(err)
					}
					clean(t, prog.Name()+" "+f.Name, b.Bytes())
				}
			}
		}
	}
}

// TestCheckSizes holds what is inferred of every value in the files of a model of images of any size to sizes without a choice, and its
// outputs to those of the graph.
func TestCheckSizes(t *testing.T) {
	for _, prog := range programs(t) {
		if prog.Name() != "anysize" {
			continue
		}
		w := zeros(t, prog)
		for _, f := range slices.Concat(prog.Funcs(), prog.Steps()) {
			var b bytes.Buffer
			if _, err := Export(&b, f, w, Options{Training: f.Training}); err != nil {
				t.Fatal(err)
			}
			m, err := wire.Decode(b.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range m.Graph.Outputs {
				o.Type = nil
			}
			r := check.Model(m, check.Options{})
			for _, n := range m.Graph.Nodes {
				for _, name := range n.Outputs {
					if text := typeText(r.Types[name]); strings.Contains(text, "min(") || strings.Contains(text, "?") {
						t.Errorf("%s: %s %q is inferred %s", f.Name, n.OpType, name, text)
					}
				}
			}
			for _, o := range f.Outputs {
				if got, want := typeText(r.Types[o.Name]), o.Value.Type.String(); got != want {
					t.Errorf("%s: output %q is inferred %s, want %s", f.Name, o.Name, got, want)
				}
			}
		}
	}
}

// TestFaultyOp exports an op whose Emit method is wrong: an error that names the node, and no file.
func TestFaultyOp(t *testing.T) {
	f := graph.NewFunc("f", false)
	f.Output("y", f.Apply(custom{"wrong", graph.Type{DType: graph.F32, Shape: graph.Shape{2}}, func(e graph.Emitter, y *graph.Value, in []string) string {
		return e.Node("Softmax", in, graph.Attr{Name: "axes", Value: 0})
	}}, f.Input("x", graph.F32, 2)))
	dir := t.TempDir()
	_, err := ExportFile(filepath.Join(dir, "m.onnx"), f, Tensors{}, Options{NoVectors: true})
	if err == nil || !strings.Contains(err.Error(), `node 0 "Softmax_1" (Softmax): there is no attribute "axes" at opset 17`) {
		t.Errorf("got %v", err)
	}
	var b bytes.Buffer
	if _, err := Export(&b, f, Tensors{}, Options{NoVectors: true}); err == nil || b.Len() != 0 {
		t.Errorf("got %v and %d bytes", err, b.Len())
	}
	if list, _ := os.ReadDir(dir); len(list) != 0 {
		t.Errorf("left behind: %v", list)
	}
}
