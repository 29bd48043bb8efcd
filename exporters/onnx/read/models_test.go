package read

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/models/bayes"
	"github.com/sardonyx-ml/sardonyx/compiler/models/classifier"
	"github.com/sardonyx-ml/sardonyx/compiler/models/faces"
	"github.com/sardonyx-ml/sardonyx/compiler/models/gan"
	"github.com/sardonyx-ml/sardonyx/compiler/models/modelstest"
	"github.com/sardonyx-ml/sardonyx/compiler/models/vae"
	"github.com/sardonyx-ml/sardonyx/compiler/pass"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/onnxtest"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// TestZoo exports every entry point of every model of the zoo, reads the file, and computes both.
func TestZoo(t *testing.T) {
	zoo := slices.Concat(bayes.Models, vae.Models, []models.Model{faces.Model}, classifier.Models, []models.Model{classifier.AttributesModel}, gan.Models)
	for _, m := range zoo {
		t.Run(m.Name, func(t *testing.T) {
			prog := modelstest.Define(t, m, nil)
			w := onnx.Tensors(modelstest.State(t, prog, rand.New(rand.NewPCG(3, 4))))
			for _, f := range prog.Funcs() {
				compareRead(t, f, w, 1)
			}
		})
	}
}

// TestPrograms does so with the functions and training steps of small models, which have every layer.
func TestPrograms(t *testing.T) {
	progs, err := onnxtest.Programs()
	if err != nil {
		t.Fatal(err)
	}
	for _, prog := range progs {
		t.Run(prog.Name(), func(t *testing.T) {
			w := onnx.Tensors(modelstest.State(t, prog, rand.New(rand.NewPCG(3, 4))))
			for _, f := range entries(prog) {
				compareRead(t, f, w, 2)
			}
		})
	}
}

// lacking are what is not read, and for want of which operator.
var lacking = map[string]string{
	"TestPrograms/images/train":  "Conv", // the gradient of filters is a convolution whose channels are the batch
	"TestPrograms/anysize/train": "Conv",
	"TestPrograms/anysize/tune":  "MaxPool", // the gradient of windows that lie over one another takes the places of the largest elements
}

// entries are the functions of prog, and its steps unless they are those of the zoo's VAE, which is large.
func entries(prog *compiler.Program) []*graph.Func {
	if prog.Name() == "vae" {
		return prog.Funcs()
	}
	return slices.Concat(prog.Funcs(), prog.Steps())
}

// compareRead holds f to what is read of its file, at the first and the last opset, for inputs in which every symbol is n.
func compareRead(t *testing.T, f *graph.Func, w onnx.Tensors, n int) {
	t.Helper()
	pure, noise := pass.HoistRandom(f)
	in, err := onnx.DrawInputs(pure, noise, n, 1)
	if err != nil {
		t.Fatal(err)
	}
	want, err := onnx.Evaluate(pure, w, in)
	if err != nil {
		t.Fatal(err)
	}
	if f.Training { // its state is inputs
		in = maps.Clone(in)
		for _, p := range pure.Params {
			in[p.Name] = w[p.Name]
		}
	}
	for _, opset := range []int{onnx.MinOpset, onnx.MaxOpset} {
		m, err := reread(f, w, opset)
		if lacks := lacking[t.Name()+"/"+f.Name]; lacks != "" {
			if err == nil || !strings.Contains(err.Error(), "("+lacks+")") {
				t.Errorf("%s at opset %d: %v, want %q to be lacking", f.Name, opset, err, lacks)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s at opset %d: %v", f.Name, opset, err)
			return
		}
		got, err := onnx.Evaluate(m.Func, m.Weights, in)
		if err == nil {
			err = same(got, want, 1e-4, 1e-8)
		}
		if err != nil {
			t.Errorf("%s at opset %d: %v", f.Name, opset, err)
			return
		}
		for i, in := range m.Func.Inputs {
			if i < len(pure.Inputs) && (in.Name != pure.Inputs[i].Name || !in.Type.Equal(pure.Inputs[i].Type)) {
				t.Errorf("%s: input %d is %s %v, want %s %v", f.Name, i, in.Name, in.Type, pure.Inputs[i].Name, pure.Inputs[i].Type)
			}
		}
		for i, o := range pure.Outputs {
			if got := m.Func.Outputs[i]; got.Name != o.Name || !got.Value.Type.Equal(o.Value.Type) {
				t.Errorf("%s: output %d is %s %v, want %s %v", f.Name, i, got.Name, got.Value.Type, o.Name, o.Value.Type)
			}
		}
	}
}
