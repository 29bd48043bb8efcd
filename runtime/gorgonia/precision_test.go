package gorgonia_test

import (
	"maps"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models/yardstick"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestMixedPrecision trains a VAE and a transformer on one batch with products in 16 bits: the losses stay by those of f32 as far as
// numbers of 8 and of 11 bits tell, and are not the same.
func TestMixedPrecision(t *testing.T) {
	far := map[graph.DType]float64{graph.BF16: 2e-2, graph.F16: 2e-3}
	for _, m := range yardstick.Models {
		s := maps.Clone(m.Settings)
		switch m.Name {
		case "step-vae":
		case "step-gpt":
			s["depth"], s["width"], s["heads"], s["context"], s["vocab"] = 2, 32, 2, 16, 16
		default:
			continue
		}
		prog, err := m.Define(s)
		if err != nil {
			t.Fatal(err)
		}
		want := precisionLosses(t, prog)
		for dt, tol := range far {
			mixed, err := prog.MixedPrecision(dt)
			if err != nil {
				t.Fatal(err)
			}
			worst := 0.
			for i, loss := range precisionLosses(t, mixed) {
				worst = max(worst, math.Abs(loss-want[i])/want[i])
			}
			if !(worst < tol) || worst < tol/1e3 {
				t.Errorf("%s: losses in %v are up to %.2g of those in f32 off, want some, below %g", m.Name, dt, worst, tol)
			}
		}
	}
}

// precisionLosses are those of 30 steps of prog on one batch of 8, where a loss scale begins so small that no step is skipped.
func precisionLosses(t *testing.T, prog *compiler.Program) []float64 {
	t.Helper()
	state, x := load(t, prog, 1)
	if old, err := state.Tensor("opt.train.scale"); err == nil {
		scale := old.Clone()
		scale.Set(0, 1024)
		if err := state.Set("opt.train.scale", scale); err != nil {
			t.Fatal(err)
		}
	}
	r := rand.New(rand.NewPCG(1, 1))
	in := map[string]*tensor.Tensor{}
	for _, v := range prog.Step("train").Inputs {
		shape, err := v.Shape().Eval(graph.Binding{"batch": 8})
		if err != nil {
			t.Fatal(err)
		}
		in[v.Name] = tensor.New(v.DType(), shape...)
		for i := range in[v.Name].Len() {
			in[v.Name].Set(i, float64(r.IntN(2)))
		}
	}
	var losses []float64
	for range 30 {
		out := run(t, x, "train", in)
		losses = append(losses, out[compiler.Loss].At(0))
		if s := out[compiler.Skipped]; s != nil && s.At(0) != 0 {
			t.Errorf("%s: a step is skipped", prog.Name())
		}
	}
	return losses
}
