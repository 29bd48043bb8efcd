package gorgonia_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	gonum "gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/gorgonia"
)

// TestUpdatesFromState moves state to other state in every order: all new state must come from the old, also where what
// it comes from changes in the same step.
func TestUpdatesFromState(t *testing.T) {
	m := &regressor{nn.Dense{Units: 8}, nn.Dense{Units: 2}}
	b := compiler.New("history")
	b.Model("", m)
	b.Step("train", optim.SGD{LR: .1}, m, func(f *graph.Func) *graph.Value {
		x := f.Input("x", graph.F32, 2, 3)
		buffer := func(name string) *graph.Value { return f.Buffer(name, graph.F32, nil, 2, 3) }
		now, before, first, left, right := buffer("now"), buffer("before"), buffer("first"), buffer("left"), buffer("right")
		f.Update(before, now) // now, before and first are the last three sums
		f.Update(first, before)
		f.Update(now, now.Add(x))
		f.Update(left, right) // and these change places
		f.Update(right, left)
		f.Output("before.old", before)
		f.Output("now.old", now)
		return m.Apply(x).Square().Mean()
	})
	prog := compile(t, b)
	s, x := load(t, prog, 1)
	if err := s.Set("left", tensor.Of([]float32{1, 2, 3, 4, 5, 6}, 2, 3)); err != nil {
		t.Fatal(err)
	}
	ref := clone(t, s)
	c := kernel.NewContext(gonum.Implementation{}, 1)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 5 {
		in := map[string]*tensor.Tensor{"x": normal(r, 2, 3)}
		agree(t, fmt.Sprintf("step %d", i), run(t, x, "train", in), evaluate(t, c, prog.Step("train"), in, ref, true))
		for _, name := range s.Names() {
			got, _ := s.Tensor(name)
			want, _ := ref.Tensor(name)
			agree(t, fmt.Sprintf("state after step %d", i), map[string]*tensor.Tensor{name: got}, map[string]*tensor.Tensor{name: want})
		}
	}
}

// TestStateMovedTwice applies one BatchNorm to real and to fake values in a step: the running statistics move with both, in
// order. The numbers are by hand; in the second step the first's are where they start.
func TestStateMovedTwice(t *testing.T) {
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
		return score("fake").Sub(score("real")).Add(m.Out.Apply(m.Norm.Apply(f.Inputs[0])).Square().Mean())
	})
	s, x := load(t, compile(t, b), 1)
	for _, want := range [][2]float32{{1.447, 2.357}, {2.501863, 3.346253}} {
		run(t, x, "train", map[string]*tensor.Tensor{"fake": tensor.Of([]float32{5, 9}, 2, 1), "real": tensor.Of([]float32{1, 3}, 2, 1)})
		for i, name := range []string{"norm.mean", "norm.variance"} {
			got, _ := s.Tensor(name)
			agree(t, "state", map[string]*tensor.Tensor{name: got}, map[string]*tensor.Tensor{name: tensor.Of([]float32{want[i]}, 1)})
		}
	}
}

// TestUpdatesOfOneValue makes one value new state twice and an output, and another new state twice: all are tensors apart,
// however the state is changed from outside in between.
func TestUpdatesOfOneValue(t *testing.T) {
	m := &regressor{nn.Dense{Units: 8}, nn.Dense{Units: 2}}
	b := compiler.New("twice")
	b.Model("", m)
	b.Step("train", optim.SGD{LR: .1}, m, func(f *graph.Func) *graph.Value {
		x := f.Input("x", graph.F32, 2, 3)
		p, q := f.Buffer("p", graph.F32, nil, 2, 3), f.Buffer("q", graph.F32, nil, 2, 3)
		v := p.Add(q).Scale(.5).Add(x)
		f.Update(p, v)
		f.Update(q, v)
		f.Output("v", v)
		first, second := f.Buffer("first", graph.F32, nil, 2, 3), f.Buffer("second", graph.F32, nil, 2, 3)
		w := first.Sub(second.Scale(2)).Add(x)
		f.Update(first, w)
		f.Update(second, w)
		return m.Apply(x).Square().Mean()
	})
	prog := compile(t, b)
	s, x := load(t, prog, 1)
	ref := clone(t, s)
	c := kernel.NewContext(gonum.Implementation{}, 1)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 6 {
		in := map[string]*tensor.Tensor{"x": normal(r, 2, 3)}
		got := run(t, x, "train", in)
		want := evaluate(t, c, prog.Step("train"), in, ref, true)
		agree(t, fmt.Sprintf("step %d", i), got, want)
		for _, set := range []string{"p", "q", "first"}[:i%4] {
			v := normal(r, 2, 3)
			if err := errors.Join(s.Set(set, v), ref.Set(set, v)); err != nil {
				t.Fatal(err)
			}
		}
		agree(t, fmt.Sprintf("after step %d", i), got, want)
		for _, name := range []string{"p", "q", "first", "second"} {
			got, _ := s.Tensor(name)
			want, _ := ref.Tensor(name)
			agree(t, fmt.Sprintf("state after step %d", i), map[string]*tensor.Tensor{name: got}, map[string]*tensor.Tensor{name: want})
		}
	}
}

// TestSharedState trains by turns with two executables over one state, which keep fewer plans than there are batch sizes,
// are closed in between, and whose state is set from outside: it must be as if there were one, that keeps nothing.
func TestSharedState(t *testing.T) {
	prog := regression(t, optim.Adam{LR: 1e-2})
	s, err := runtime.NewState(prog, 3)
	if err != nil {
		t.Fatal(err)
	}
	var x [2]runtime.Executable
	for i := range x {
		e, err := gorgonia.New(gorgonia.Options{MaxPlans: 1 + i})
		if err != nil {
			t.Fatal(err)
		}
		if x[i], err = e.Load(prog, s); err != nil {
			t.Fatal(err)
		}
	}
	ref := clone(t, s)
	c := kernel.NewContext(gonum.Implementation{}, 1)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 30 {
		n := 1 + r.IntN(4)
		in := map[string]*tensor.Tensor{"x": normal(r, n, 3), "y": normal(r, n, 2)}
		agree(t, fmt.Sprintf("step %d", i), run(t, x[r.IntN(2)], "train", in), evaluate(t, c, prog.Step("train"), in, ref, true))
		one := map[string]*tensor.Tensor{"x": in["x"]}
		agree(t, fmt.Sprintf("function %d", i), run(t, x[r.IntN(2)], "predict", one), evaluate(t, c, prog.Func("predict"), one, ref, false))
		switch i % 10 {
		case 3:
			if err := x[i/10%2].Close(); err != nil {
				t.Fatal(err)
			}
		case 6:
			w := normal(r, 8, 2)
			if err := errors.Join(s.Set("out.weight", w), ref.Set("out.weight", w)); err != nil {
				t.Fatal(err)
			}
		case 8: // state as an input
			w, err := s.Tensor("out.weight")
			if err != nil {
				t.Fatal(err)
			}
			in = map[string]*tensor.Tensor{"x": normal(r, 8, 3), "y": w}
			own := map[string]*tensor.Tensor{"x": in["x"], "y": w.Clone()}
			agree(t, "state as an input", run(t, x[0], "train", in), evaluate(t, c, prog.Step("train"), own, ref, true))
		}
	}
	for _, x := range x {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestOutputsStay runs steps after a function: its outputs, state among them, must stay until it runs again.
func TestOutputsStay(t *testing.T) {
	_, x := load(t, regression(t, optim.SGD{LR: .1}), 1)
	r := rand.New(rand.NewPCG(1, 2))
	in := map[string]*tensor.Tensor{"x": normal(r, 4, 3)}
	out := run(t, x, "predict", in)
	kept := map[string]*tensor.Tensor{}
	for name, v := range out {
		kept[name] = v.Clone()
	}
	in["y"] = normal(r, 4, 2)
	for i := range 4 {
		run(t, x, "train", in)
		agree(t, fmt.Sprintf("after step %d", i), out, kept)
	}
}
