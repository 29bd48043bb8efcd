package onnx

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models/vae"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// zeros gives every piece of a program's state.
func zeros(t *testing.T, prog *compiler.Program) Tensors {
	t.Helper()
	w := Tensors{}
	for _, p := range prog.Params() {
		shape, err := p.Type.Shape.Eval(nil)
		if err != nil {
			t.Fatal(err)
		}
		w[p.Name] = tensor.New(p.Type.DType, shape...)
	}
	return w
}

// TestReferenceModels lets the reference implementation check every function and step of the VAE.
func TestReferenceModels(t *testing.T) {
	prog, err := vae.Define(vae.Model.Settings)
	if err != nil {
		t.Fatal(err)
	}
	w := zeros(t, prog)
	dir := t.TempDir()
	var paths []string
	for _, f := range slices.Concat(prog.Funcs(), prog.Steps()) {
		for name, random := range map[string]Random{"inputs": RandomInputs, "native": RandomNative} {
			path := filepath.Join(dir, f.Name+"-"+name+".onnx")
			if _, err := ExportFile(path, f, w, Options{Training: f.Training, Random: random}); err != nil {
				t.Fatal(err)
			}
			paths = append(paths, path)
		}
	}
	checkONNX(t, paths...)
}

// TestReferenceOps lets the reference implementation check each sample of each op.
func TestReferenceOps(t *testing.T) {
	dir := t.TempDir()
	var paths []string
	for _, op := range graph.All() {
		for i, s := range op.Samples() {
			f := graph.NewFunc("op", false)
			var args []*graph.Value
			for k, in := range s.In {
				dims := make([]graph.Dim, len(in.Shape))
				for j, d := range in.Shape {
					dims[j] = graph.Dim(d)
				}
				args = append(args, f.Input(fmt.Sprint("in", k), in.DType, dims...))
			}
			f.Output("y", f.Apply(s.Op, args...))
			path := filepath.Join(dir, fmt.Sprintf("%s-%d.onnx", graph.OpName(op), i))
			if _, err := ExportFile(path, f, Tensors{}, Options{}); err != nil {
				t.Fatalf("%s: %v", graph.OpText(s.Op), err)
			}
			paths = append(paths, path)
		}
	}
	if len(paths) < 300 {
		t.Errorf("only %d samples", len(paths))
	}
	checkONNX(t, paths...)
}
