// Package modelstest has what the tests of all families share: it defines models as the commands do, makes states to run them from,
// and runs and trains them with our own kernels.
package modelstest

import (
	"math/rand/v2"
	"strings"
	"testing"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// Build is the program of m with changes of its settings, if these are within its limits and m has no contradictions.
func Build(m models.Model, changes models.Settings) (*compiler.Program, error) {
	s, err := m.Settings.With(changes)
	if err != nil {
		return nil, err
	}
	if err := m.Limits.Check(s); err != nil {
		return nil, err
	}
	prog, err := m.Define(s)
	if err != nil {
		return nil, err
	}
	if m, err = m.With(s); err != nil {
		return nil, err
	}
	return prog, m.Check(prog)
}

// Define is [Build] of what is to have no error.
func Define(t testing.TB, m models.Model, changes models.Settings) *compiler.Program {
	t.Helper()
	prog, err := Build(m, changes)
	if err != nil {
		t.Fatal(err)
	}
	return prog
}

// Refuses sees that none of the settings, by what is to be said of them in one line, makes a program of m.
func Refuses(t *testing.T, m models.Model, settings map[string]models.Settings) {
	t.Helper()
	for want, changes := range settings {
		if _, err := Build(m, changes); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s with %v: %v, want %q", m.Name, changes, err, want)
		}
	}
}

// State is what prog starts from, drawn by r. The state of optimizers and of random numbers is zeros.
func State(t testing.TB, prog *compiler.Program, r *rand.Rand) map[string]*tensor.Tensor {
	t.Helper()
	state := map[string]*tensor.Tensor{}
	for _, p := range prog.Params() {
		shape, err := p.Type.Shape.Eval(nil)
		if err != nil {
			t.Fatal(err)
		}
		x := tensor.New(p.Type.DType, shape...)
		if p.Init != nil && !strings.HasPrefix(p.Name, "opt.") && p.Name != graph.RandomState {
			p.Init.Init(x, r)
		}
		state[p.Name] = x
	}
	return state
}

// Evaluate gives all values of f for the inputs and state in in.
func Evaluate(f *graph.Func, in map[string]*tensor.Tensor) ([]*tensor.Tensor, error) {
	return graph.Evaluate(kernel.NewContext(gonum.Implementation{}, 1), f, in)
}

// Run gives all values of f, by their IDs, and its outputs, by their names.
func Run(t testing.TB, f *graph.Func, in map[string]*tensor.Tensor) (all []*tensor.Tensor, out map[string]*tensor.Tensor) {
	t.Helper()
	all, err := Evaluate(f, in)
	if err != nil {
		t.Fatal(err)
	}
	out = map[string]*tensor.Tensor{}
	for _, o := range f.Outputs {
		out[o.Name] = all[o.Value.ID]
	}
	return all, out
}

// Train runs a Step, moves state on, and gives the Step's outputs.
func Train(t testing.TB, step *graph.Func, state map[string]*tensor.Tensor) map[string]*tensor.Tensor {
	t.Helper()
	all, out := Run(t, step, state)
	for _, u := range step.Updates {
		state[u.Name] = all[u.Value.ID]
	}
	return out
}

// Output runs f and gives the output called name.
func Output(t testing.TB, f *graph.Func, name string, in map[string]*tensor.Tensor) *tensor.Tensor {
	t.Helper()
	_, out := Run(t, f, in)
	if out[name] == nil {
		t.Fatalf("%s has no output %s", f.Name, name)
	}
	return out[name]
}
