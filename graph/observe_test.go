package graph

import (
	"testing"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestObserve sees each op once before and once after it is computed, in order, and costs no allocation where nobody looks.
func TestObserve(t *testing.T) {
	f := NewFunc("f", false)
	x := f.Input("x", F32, 100)
	f.Output("y", x.Tanh().Add(x))
	c := kernel.NewContext(gonum.Implementation{}, 1)
	n := f.Outputs[0].Value.Node
	out, args := []*tensor.Tensor{tensor.New(F32, 100)}, []*tensor.Tensor{tensor.New(F32, 100), tensor.New(F32, 100)}
	run := func() {
		if err := n.Run(c, out, args); err != nil {
			t.Fatal(err)
		}
	}
	var seen []string
	c.Observe = func(of any, out, args []*tensor.Tensor) func() {
		name := OpName(of.(*Node).Op)
		seen = append(seen, name)
		if len(out) != 1 || len(args) == 0 {
			t.Errorf("%s has %d results and %d arguments", name, len(out), len(args))
		}
		return func() { seen = append(seen, "end of "+name) }
	}
	if _, err := Evaluate(c, f, map[string]*tensor.Tensor{"x": args[0]}); err != nil {
		t.Fatal(err)
	}
	want := []string{"Tanh", "end of Tanh", "Add", "end of Add"}
	if len(seen) != len(want) {
		t.Fatalf("it saw %v", seen)
	}
	for i, w := range want {
		if seen[i] != w {
			t.Errorf("it saw %v, want %v", seen, want)
			break
		}
	}
	c.Observe = nil
	alone := testing.AllocsPerRun(100, func() {
		if err := n.compute(c, out, args); err != nil {
			t.Fatal(err)
		}
	})
	if unseen := testing.AllocsPerRun(100, run); unseen != alone {
		t.Errorf("an op that nobody observes allocates %v times, its kernel %v times", unseen, alone)
	}
}
