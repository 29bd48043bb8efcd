package gorgonia_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/onnxtest"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/gorgonia"
)

// hard trains on the rows of a batch that it is worst at, as many as there are.
type hard struct{ Hidden, Out nn.Dense }

func (m *hard) errors(f *graph.Func) *graph.Value {
	x := f.Input("x", graph.F32, batch, 3)
	return m.Out.Apply(m.Hidden.Apply(x).Tanh()).Sub(f.Input("y", graph.F32, batch, 1)).Square().Sum(1)
}

func hardest(t *testing.T) *compiler.Program {
	m := &hard{nn.Dense{Units: 8}, nn.Dense{Units: 1}}
	b := compiler.New("hardest")
	b.Model("", m)
	b.Step("train", optim.Adam{LR: .05}, m, func(f *graph.Func) *graph.Value {
		e := m.errors(f)
		worst := e.Compress(e.Greater(e.Mean()), 0)
		f.Output("worst", worst)
		f.Output("rank", worst.Unsqueeze(1).Less(worst).Cast(graph.F32).Sum(1))
		return worst.Sum().Div(worst.Size().Add(e.Scalar(1)))
	})
	b.Func("errors", func(f *graph.Func) { f.Output("e", m.errors(f)) })
	return compile(t, b)
}

// TestLateTraining trains by values whose sizes change from step to step, and compares each step with an evaluation value by value.
func TestLateTraining(t *testing.T) {
	prog := hardest(t)
	s, x := load(t, prog, 1)
	plain, _ := load(t, prog, 1)
	r := rand.New(rand.NewPCG(1, 1))
	c := kernel.NewContext(gonum.Implementation{}, 1)
	sizes := map[int]bool{}
	for step := range 40 {
		in := map[string]*tensor.Tensor{"x": normal(r, 16+step%2, 3)}
		in["y"] = tensor.New(graph.F32, 16+step%2, 1)
		for i := range in["y"].Len() {
			in["y"].Set(i, in["x"].At(3*i)-in["x"].At(3*i+1))
		}
		want := evaluate(t, c, prog.Step("train"), in, plain, true)
		got := run(t, x, "train", in)
		agree(t, fmt.Sprint("step ", step), got, want)
		sizes[got["worst"].Len()] = true
		for _, p := range prog.Params() {
			a, _ := s.Tensor(p.Name)
			b, _ := plain.Tensor(p.Name)
			agree(t, p.Name, map[string]*tensor.Tensor{"": a}, map[string]*tensor.Tensor{"": b})
		}
	}
	if len(sizes) < 3 {
		t.Errorf("the sizes were %v", sizes)
	}
}

// TestLateValues runs a Func with sizes of many kinds that only a run tells, in one plan and in several, cut in several ways.
func TestLateValues(t *testing.T) {
	f := onnxtest.Late()
	b := compiler.New("late")
	b.Func("late", func(f *graph.Func) { onnxtest.TraceLate(f) })
	prog := compile(t, b)
	for _, o := range []gorgonia.Options{{}, {Threads: 3, Grain: 1, MaxPlans: 2}} {
		e, err := gorgonia.New(o)
		if err != nil {
			t.Fatal(err)
		}
		s, x := loadIn(t, e, prog, 1)
		for round := range 2 {
			for i, in := range onnxtest.LateInputs() {
				want := evaluate(t, kernel.NewContext(gonum.Implementation{}, 1), f, in, s, false)
				got := run(t, x, "late", in)
				agree(t, fmt.Sprintf("round %d, input %d", round, i), got, want)
				for name, w := range want {
					if !slices.Equal(got[name].Shape(), w.Shape()) {
						t.Errorf("input %d: %q is %v, want %v", i, name, got[name], w)
					}
				}
			}
		}
	}
}
