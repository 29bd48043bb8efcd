package graph_test

import (
	"math"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestRectified: the gradient of a rectifier reads its result where nothing else reads its argument, and every bit stays.
func TestRectified(t *testing.T) {
	grad := func(f *graph.Func, y *graph.Value) {
		f.Output("loss", y.Sum())
		f.Output("gradient", graph.Grad(y.Mul(f.Input("g", graph.F32, 8)).Sum(), f.Inputs[0])[0])
	}
	for _, c := range []struct {
		name  string
		build func(f *graph.Func, x *graph.Value) // x is computed
		moved bool                                // whether the Steps read the results
	}{
		{"a ReLU", func(f *graph.Func, x *graph.Value) { grad(f, x.ReLU()) }, true},
		{"a leaky one", func(f *graph.Func, x *graph.Value) { grad(f, x.LeakyReLU(.2)) }, true},
		{"one that leaks nothing", func(f *graph.Func, x *graph.Value) { grad(f, x.LeakyReLU(0)) }, true},
		{"one that turns signs", func(f *graph.Func, x *graph.Value) { grad(f, x.LeakyReLU(-1)) }, false},
		{"another reader", func(f *graph.Func, x *graph.Value) { grad(f, x.ReLU().Add(x.Exp())) }, false},
		{"an output", func(f *graph.Func, x *graph.Value) { f.Output("x", x); grad(f, x.ReLU()) }, false},
		{"an input", func(f *graph.Func, x *graph.Value) { grad(f, f.Inputs[0].ReLU().Add(x)) }, false},
		{"the sign first", func(f *graph.Func, x *graph.Value) { f.Output("y", x.Step().Add(x.ReLU())) }, false},
		{"a sign alone", func(f *graph.Func, x *graph.Value) { f.Output("y", x.Step()) }, false},
		{"one after another", func(f *graph.Func, x *graph.Value) { grad(f, x.ReLU().Shift(-1).LeakyReLU(.5).Shift(1).ReLU()) }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := graph.NewFunc("f", false)
			c.build(f, f.Input("in", graph.F32, 8).Scale(2))
			g := graph.Rectified(graph.Prune(f))
			if err := g.Verify(); err != nil {
				t.Fatal(err)
			}
			for _, n := range g.Nodes {
				if _, ok := n.Op.(graph.Step); !ok {
					continue
				}
				var moved bool
				switch n.Args[0].Op.(type) {
				case graph.ReLU, graph.LeakyReLU:
					moved = true
				}
				if moved != c.moved {
					t.Errorf("a Step reads %s", graph.OpText(n.Args[0].Op))
				}
			}
			inf, nan := float32(math.Inf(1)), float32(math.NaN())
			zero := float32(math.Copysign(0, -1))
			in := map[string]*tensor.Tensor{
				"in": tensor.Of([]float32{1.5, -.25, 0, zero, inf, -inf, nan, 1e-45}, 8),
				"g":  tensor.Of([]float32{1, 2, 3, -4, 5, 6, 7, 8}, 8),
			}
			want, got := evaluate(t, newContext(1), f, in), evaluate(t, newContext(1), g, in)
			for k, o := range f.Outputs {
				w, h := tensor.Data[float32](want[o.Value.ID]), tensor.Data[float32](got[g.Outputs[k].Value.ID])
				for i := range w {
					if math.Float32bits(w[i]) != math.Float32bits(h[i]) {
						t.Errorf("%s[%d] is %v, was %v", o.Name, i, h[i], w[i])
					}
				}
			}
		})
	}
}
