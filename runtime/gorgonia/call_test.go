package gorgonia_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
)

// TestCall: inputs keep what was written over runs of this Call and of others, whatever becomes of the memory of plans; outputs keep
// what they are until the Call's next run, also those that are inputs; a Call that the engine has put away runs on; and what there is not
// is said.
func TestCall(t *testing.T) {
	b := compiler.New("calls")
	b.Func("f", func(f *graph.Func) {
		x := f.Input("x", graph.F32, batch, 3)
		f.Output("same", x)
		f.Output("flat", x.Reshape(batch.Times(3)))
		f.Output("y", x.Tanh().Add(x).Exp().Mul(x.Reshape(batch.Times(3)).Reshape(batch, 3)))
	})
	prog := compile(t, b)
	_, x := load(t, prog, 1)
	r := rand.New(rand.NewPCG(1, 1))
	first := map[string]*tensor.Tensor{"x": normal(r, 2, 3)}
	c, err := x.Prepare("f", first)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Output("y"); err == nil || !strings.Contains(err.Error(), "has not run") {
		t.Errorf("an output before the run: %v", err)
	}
	want := map[string]*tensor.Tensor{}
	read := func() map[string]*tensor.Tensor {
		out := map[string]*tensor.Tensor{}
		for _, o := range c.Func().Outputs {
			if out[o.Name], err = c.Output(o.Name); err != nil {
				t.Fatal(err)
			}
		}
		return out
	}
	c.Input("x").CopyFrom(first["x"])
	for i := range 20 { // more than the plans that are kept, and larger and larger ones
		if err := c.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			for name, v := range read() {
				want[name] = v.Clone()
			}
		}
		agree(t, "again", read(), want)
		run(t, x, "f", map[string]*tensor.Tensor{"x": normal(r, 3+i, 3)})
		agree(t, "after another Call", read(), want)
	}
	c.Input("x").CopyFrom(normal(r, 2, 3))
	agree(t, "with the next inputs written", map[string]*tensor.Tensor{"same": read()["same"]}, map[string]*tensor.Tensor{"same": want["same"]})
	if c.Input("y") != nil || c.Input(graph.RandomState) != nil {
		t.Error("inputs that there are not")
	}
	if _, err := c.Output("x"); err == nil || !strings.Contains(err.Error(), "it has [same flat y]") {
		t.Errorf("an output that there is not: %v", err)
	}
	if again, err := x.Prepare("f", map[string]*tensor.Tensor{"x": normal(r, 22, 3)}); err != nil {
		t.Error(err)
	} else if other, err := x.Prepare("f", map[string]*tensor.Tensor{"x": normal(r, 22, 3)}); err != nil || other != again {
		t.Errorf("two Calls for inputs of one shape: %v", err)
	}
	if _, err := runtime.Run(t.Context(), x, "f", map[string]*tensor.Tensor{"x": normal(r, 2, 3), graph.RandomState: tensor.Of([]int64{1, 1}, 2)}); err == nil {
		t.Error("a random state for a Func that does not draw")
	}
}
