package onnxruntime_test

import (
	"bytes"
	"math"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
)

// TestStateMovedTwice runs an exported step that applies one BatchNorm to real and to fake values: its new running statistics
// are those after both, in order. The numbers are by hand: r ← .9·r + .1·batch, the variances unbiased.
func TestStateMovedTwice(t *testing.T) {
	requireLibrary(t)
	batch := graph.Sym("batch")
	m := &struct {
		Norm nn.BatchNorm
		Out  nn.Dense
	}{Out: nn.Dense{Units: 1}}
	b := compiler.New("critic")
	b.Model("", m)
	b.Step("train", optim.SGD{LR: .1}, m, func(f *graph.Func) *graph.Value {
		score := func(name string) *graph.Value {
			return m.Out.Apply(m.Norm.Apply(f.Input(name, graph.F32, batch, 1))).Mean()
		}
		return score("real").Sub(score("fake"))
	})
	prog, err := b.Compile()
	if err != nil {
		t.Fatal(err)
	}
	state, err := runtime.NewState(prog, 1)
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if _, err := onnx.Export(&file, prog.Step("train"), state, onnx.Options{Training: true}); err != nil {
		t.Fatal(err)
	}
	s, err := onnxruntime.OpenBytes(file.Bytes(), onnxruntime.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	in := map[string]*tensor.Tensor{"real": tensor.Of([]float32{1, 3}, 2, 1), "fake": tensor.Of([]float32{5, 9}, 2, 1)}
	for _, p := range prog.Step("train").Params {
		if in[p.Name], err = state.Tensor(p.Name); err != nil {
			t.Fatal(err)
		}
	}
	out, err := s.Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]float64{"norm.mean.next": .88, "norm.variance.next": 1.79} {
		if got := out[name].At(0); math.Abs(got-want) > 1e-6 {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}
