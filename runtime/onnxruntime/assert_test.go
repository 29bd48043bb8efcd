package onnxruntime_test

import (
	"bytes"
	"maps"
	"testing"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/loss"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
)

// TestRefusedInputs runs entry points on inputs that are wrong, as tokens that count from the end, and right: our kernels and
// onnxruntime must agree on which are an error.
func TestRefusedInputs(t *testing.T) {
	requireLibrary(t)
	batch := graph.Sym("batch")
	m := &struct {
		Tok  nn.Embedding
		Norm nn.BatchNorm
		Head nn.Dense
	}{Tok: nn.Embedding{Vocab: 4, Dim: 2}, Head: nn.Dense{Units: 3}}
	b := compiler.New("refused")
	b.Model("", m)
	b.Func("embed", func(f *graph.Func) { f.Output("y", m.Tok.Apply(f.Input("ids", graph.I64, batch))) })
	b.Func("embed32", func(f *graph.Func) { f.Output("y", m.Tok.Apply(f.Input("ids", graph.I32, batch))) })
	logits := func(f *graph.Func) *graph.Value { return m.Head.Apply(m.Tok.Apply(f.Input("ids", graph.I64, batch))) }
	sgd := optim.SGD{LR: .1}
	b.Step("classes", sgd, m, func(f *graph.Func) *graph.Value {
		return loss.CrossEntropy(logits(f), f.Input("label", graph.I64, batch)).Mean()
	})
	b.Step("ignoring", sgd, m, func(f *graph.Func) *graph.Value {
		return loss.CrossEntropyIgnoring(logits(f), f.Input("label", graph.I32, batch), -1).Mean()
	})
	b.Step("normal", sgd, m, func(f *graph.Func) *graph.Value {
		return m.Head.Apply(m.Norm.Apply(m.Tok.Apply(f.Input("ids", graph.I64, batch)))).Square().Mean()
	})
	prog, err := b.Compile()
	if err != nil {
		t.Fatal(err)
	}
	state, err := runtime.NewState(prog, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		entry       string
		ids, labels []int64
		good        bool
	}{
		{"embed", []int64{0, 3}, nil, true}, {"embed", []int64{0, -1}, nil, false}, {"embed", []int64{4, 0}, nil, false}, {"embed", []int64{-5}, nil, false},
		{"embed32", []int64{0, 3}, nil, true}, {"embed32", []int64{0, -1}, nil, false}, {"embed32", []int64{4, 0}, nil, false},
		{"classes", []int64{0, 3}, []int64{0, 2}, true}, {"classes", []int64{0, 3}, []int64{0, -1}, false}, {"classes", []int64{0, 3}, []int64{3, 0}, false}, {"classes", []int64{-1, 3}, []int64{1, 0}, false},
		{"ignoring", []int64{0, 3}, []int64{0, -1}, true}, {"ignoring", []int64{0, 3}, []int64{-1, -1}, true}, {"ignoring", []int64{0, 3}, []int64{0, -2}, false}, {"ignoring", []int64{0, 3}, []int64{0, 3}, false},
		{"normal", []int64{0, 3}, nil, true}, {"normal", []int64{0}, nil, false},
	} {
		f, err := prog.Entry(c.entry)
		if err != nil {
			t.Fatal(err)
		}
		in := map[string]*tensor.Tensor{"ids": tensor.Of(c.ids, len(c.ids)).Cast(f.Inputs[0].DType())}
		if c.labels != nil {
			in["label"] = tensor.Of(c.labels, len(c.labels)).Cast(f.Inputs[1].DType())
		}
		all := maps.Clone(in)
		for _, p := range f.Params {
			if all[p.Name], err = state.Tensor(p.Name); err != nil {
				t.Fatal(err)
			}
		}
		if f.Training { // its state is inputs
			in = all
		}
		for _, opset := range []int{onnx.MinOpset, onnx.MaxOpset} {
			var file bytes.Buffer
			if _, err := onnx.Export(&file, f, state, onnx.Options{Training: f.Training, Opset: opset}); err != nil {
				t.Fatal(err)
			}
			s, err := onnxruntime.OpenBytes(file.Bytes(), onnxruntime.Options{Threads: 1})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Run(t.Context(), in); (err == nil) != c.good {
				t.Errorf("%s of %v, %v at opset %d: onnxruntime says %v", c.entry, c.ids, c.labels, opset, err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		if _, err := graph.Evaluate(kernel.NewContext(gonum.Implementation{}, 1), f, all); (err == nil) != c.good {
			t.Errorf("%s of %v, %v: our kernels say %v", c.entry, c.ids, c.labels, err)
		}
	}
}
