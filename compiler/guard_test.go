package compiler_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// guardedModel has one weight, by which an input is multiplied. Its root has no finite slope at 0.
type guardedModel struct{ FC nn.Dense }

func guardedProgram(t *testing.T) *compiler.Program {
	t.Helper()
	m := &guardedModel{nn.Dense{Units: 1, NoBias: true}}
	b := compiler.New("guarded")
	b.Model("", m)
	b.Step("train", optim.Adam{LR: .1}, m, func(f *graph.Func) *graph.Value {
		x := f.Input("x", graph.F32, graph.Sym("batch"), 2)
		y := m.FC.Apply(x)
		f.Output("inverse", x.Mean().Reciprocal())
		return y.Square().Sum().Sqrt()
	})
	prog, err := b.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return prog
}

// TestGuard: a Step says whether its loss and new state are finite, and nothing else; Guarded keeps the state where they are not. It is
// no part of the Step as traced.
func TestGuard(t *testing.T) {
	prog := guardedProgram(t)
	f := prog.Step("train")
	if slices.ContainsFunc(prog.Traced("train").Outputs, func(o graph.Output) bool { return o.Name == compiler.OK }) {
		t.Error("the guard is part of the Step as traced, and so of the fingerprint")
	}
	inf := float32(math.Inf(1))
	for _, tt := range []struct {
		what string
		x, w [2]float32
		ok   bool
	}{
		{"finite", [2]float32{1, 2}, [2]float32{1, -1}, true},
		{"the largest finite numbers", [2]float32{1e-20, 1e-20}, [2]float32{3e38, 3e38}, true},
		{"another output that is infinite", [2]float32{1, -1}, [2]float32{1, 2}, true},
		{"a gradient that is not finite", [2]float32{1, 1}, [2]float32{1, -1}, false},
		{"an infinite input", [2]float32{inf, 1}, [2]float32{1, 1}, false},
		{"a NaN", [2]float32{1, 1}, [2]float32{float32(math.NaN()), 1}, false},
		{"an overflow", [2]float32{1e30, 1}, [2]float32{1, 1}, false},
	} {
		in := map[string]*tensor.Tensor{"x": tensor.Of(tt.x[:], 1, 2)}
		for _, p := range prog.Params() {
			shape, _ := p.Type.Shape.Eval(nil)
			in[p.Name] = tensor.New(p.Type.DType, shape...)
		}
		in["fc.weight"].CopyFrom(tensor.Of(tt.w[:], in["fc.weight"].Shape()...))
		g := compiler.Guarded(f)
		if err := g.Verify(); err != nil {
			t.Fatal(err)
		}
		out, err := graph.Evaluate(kernel.NewContext(gonum.Implementation{}, 1), g, in)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range g.Outputs {
			if o.Name == compiler.OK && tensor.Data[bool](out[o.Value.ID])[0] != tt.ok {
				t.Errorf("%s: ok is %v", tt.what, !tt.ok)
			}
		}
		moved := 0
		for _, u := range g.Updates {
			next, old := out[u.Value.ID], in[u.Name]
			same := true
			for i := range next.Len() {
				same = same && math.Float64bits(next.At(i)) == math.Float64bits(old.At(i))
			}
			if !same {
				moved++
			}
		}
		if moved > 0 != tt.ok {
			t.Errorf("%s: %d of %d states change", tt.what, moved, len(g.Updates))
		}
	}
}

// TestGuardName: what has the guard's name is a mistake, at its line.
func TestGuardName(t *testing.T) {
	for what, loss := range map[string]func(f *graph.Func, m *guardedModel) *graph.Value{
		"an output": func(f *graph.Func, m *guardedModel) *graph.Value {
			y := m.FC.Apply(f.Input("x", graph.F32, 4, 2)).Mean()
			f.Output("ok", y)
			return y
		},
		"an input": func(f *graph.Func, m *guardedModel) *graph.Value {
			return m.FC.Apply(f.Input("ok", graph.F32, 4, 2)).Mean()
		},
		"a state": func(f *graph.Func, m *guardedModel) *graph.Value {
			return m.FC.Apply(f.Input("x", graph.F32, 4, 2)).Mul(f.Param("ok", nil, 1)).Mean()
		},
	} {
		m := &guardedModel{nn.Dense{Units: 1}}
		b := compiler.New("guarded")
		b.Model("", m)
		b.Step("train", optim.SGD{LR: .1}, m, func(f *graph.Func) *graph.Value { return loss(f, m) })
		_, err := b.Compile()
		if err == nil || !strings.Contains(err.Error(), `is called "ok"`) || !strings.Contains(err.Error(), "guard_test.go") {
			t.Errorf("%s called ok: %v", what, err)
		}
	}
}
