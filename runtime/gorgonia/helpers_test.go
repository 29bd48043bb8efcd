package gorgonia_test

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/gorgonia"
)

var batch = graph.Sym("batch")

type regressor struct{ Hidden, Out nn.Dense }

func (m *regressor) Apply(x *graph.Value) *graph.Value { return m.Out.Apply(m.Hidden.Apply(x).Tanh()) }

// regression is a small program with a Func and a Step.
func regression(t testing.TB, opt optim.Optimizer) *compiler.Program {
	t.Helper()
	m := &regressor{nn.Dense{Units: 8}, nn.Dense{Units: 2}}
	b := compiler.New("regression")
	b.Model("", m)
	b.Func("predict", func(f *graph.Func) {
		f.Output("y", m.Apply(f.Input("x", graph.F32, batch, 3)))
		f.Output("weight", f.Lookup("out.weight")) // state as an output
	})
	b.Step("train", opt, m, func(f *graph.Func) *graph.Value {
		y := m.Apply(f.Input("x", graph.F32, batch, 3).Dropout(.1))
		d := y.Sub(f.Input("y", graph.F32, batch, 2))
		f.Output("error", d.Abs().ReduceMax())
		return d.Square().Mean()
	})
	return compile(t, b)
}

func compile(t testing.TB, b *compiler.Builder) *compiler.Program {
	t.Helper()
	prog, err := b.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return prog
}

func load(t testing.TB, prog *compiler.Program, seed uint64) (*runtime.State, runtime.Executable) {
	t.Helper()
	e, err := gorgonia.New(gorgonia.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return loadIn(t, e, prog, seed)
}

func loadIn(t testing.TB, e *gorgonia.Engine, prog *compiler.Program, seed uint64) (*runtime.State, runtime.Executable) {
	t.Helper()
	s, err := runtime.NewState(prog, seed)
	if err != nil {
		t.Fatal(err)
	}
	x, err := e.Load(prog, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, x
}

func normal(r *rand.Rand, shape ...int) *tensor.Tensor {
	t := tensor.New(tensor.F32, shape...)
	for i := range t.Len() {
		t.Set(i, r.NormFloat64())
	}
	return t
}

func run(t testing.TB, x runtime.Executable, entry string, in map[string]*tensor.Tensor) map[string]*tensor.Tensor {
	t.Helper()
	out, err := runtime.Run(context.Background(), x, entry, in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// evaluate runs f plainly over a copy of the state s, and updates s if asked to.
func evaluate(t *testing.T, c *kernel.Context, f *graph.Func, in map[string]*tensor.Tensor, s *runtime.State, update bool) map[string]*tensor.Tensor {
	t.Helper()
	all := map[string]*tensor.Tensor{}
	for k, v := range in {
		all[k] = v
	}
	for _, p := range f.Params {
		v, err := s.Tensor(p.Name)
		if err != nil {
			t.Fatal(err)
		}
		all[p.Name] = v.Clone()
	}
	vals, err := graph.Evaluate(c, f, all)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*tensor.Tensor{}
	for _, o := range f.Outputs {
		out[o.Name] = vals[o.Value.ID]
	}
	if update {
		for _, u := range f.Updates {
			if err := s.Set(u.Name, vals[u.Value.ID]); err != nil {
				t.Fatal(err)
			}
		}
	}
	return out
}

func agree(t *testing.T, what string, got, want map[string]*tensor.Tensor) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: outputs %v, want %v", what, got, want)
	}
	for name, w := range want {
		g := got[name]
		if g == nil || g.Len() != w.Len() {
			t.Fatalf("%s: %q is %v, want %v", what, name, g, w)
		}
		for i := range w.Len() {
			if d := g.At(i) - w.At(i); d > 1e-5 || d < -1e-5 || d != d {
				t.Fatalf("%s: %q[%d] is %v, want %v", what, name, i, g.At(i), w.At(i))
			}
		}
	}
}

// clone is a copy of s.
func clone(t testing.TB, s *runtime.State) *runtime.State {
	t.Helper()
	c, err := s.Clone()
	if err != nil {
		t.Fatal(err)
	}
	return c
}
