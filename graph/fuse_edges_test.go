package graph_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestFuseFew fuses chains and reductions of no elements, one, and few.
func TestFuseFew(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for _, shape := range [][]int{{0}, {0, 3}, {3, 0}, {0, 0}, {2, 0, 3}, {0, 2, 3}, {2, 3, 0}, {1}, {1, 1}, {1, 5}, {5, 1}, {}} {
		for name, reduce := range map[string]func(z *graph.Value) *graph.Value{
			"itself":      func(z *graph.Value) *graph.Value { return z },
			"its sum":     func(z *graph.Value) *graph.Value { return z.Sum() },
			"its largest": func(z *graph.Value) *graph.Value { return z.ReduceMax() },
			"its rows":    func(z *graph.Value) *graph.Value { return z.Sum(-1) },
			"its columns": func(z *graph.Value) *graph.Value { return z.SumKeep(0) },
			"its middle":  func(z *graph.Value) *graph.Value { return z.Sum(0, -1) },
			"if finite":   func(z *graph.Value) *graph.Value { return z.AllFinite() },
			"a count":     func(z *graph.Value) *graph.Value { return z.Dropout(.5).Less(z).Cast(graph.F32).Sum() },
		} {
			if len(shape) == 0 && (name == "its rows" || name == "its columns") || len(shape) < 2 && name == "its middle" {
				continue
			}
			f := graph.NewFunc("f", true)
			in := map[string]*tensor.Tensor{}
			input := func(name string, shape []int) *graph.Value {
				x := tensor.New(graph.F32, shape...)
				for i := range x.Len() {
					x.Set(i, r.NormFloat64())
				}
				in[name] = x
				var dims []graph.Dim
				for _, n := range shape {
					dims = append(dims, graph.Dim(n))
				}
				return f.Input(name, graph.F32, dims...)
			}
			one := slices.Clone(shape)
			if len(one) > 0 {
				one[len(one)-1] = 1
			}
			z := input("x", shape).Mul(input("y", shape)).Add(input("row", shape[min(1, len(shape)):])).Sub(input("column", one))
			f.Output("z", reduce(z))
			sameFused(t, fmt.Sprintf("%s of %v", name, shape), f, in)
		}
	}
}

// TestFuseDraws sums up draws in the shape of the random state: it is no argument that tells how many there are.
func TestFuseDraws(t *testing.T) {
	for name, make := range map[string]func(u, x *graph.Value) *graph.Value{
		"alone":         func(u, _ *graph.Value) *graph.Value { return u.Scale(2).Sum() },
		"by one number": func(u, x *graph.Value) *graph.Value { return u.Mul(x).Sum(0) },
		"the largest":   func(u, x *graph.Value) *graph.Value { return u.Add(x).ReduceMax() },
	} {
		f := graph.NewFunc("f", true)
		f.Output("y", make(f.RandomUniform(graph.F32, 2), f.Input("x", graph.F32)))
		sameFused(t, name, f, map[string]*tensor.Tensor{"x": tensor.Scalar(float32(3))})
	}
}

// sameFused wants f's outputs from f fused, on one goroutine and on several, in all their bits.
func sameFused(t *testing.T, what string, f *graph.Func, in map[string]*tensor.Tensor) {
	t.Helper()
	if len(f.Diags) > 0 {
		t.Fatal(what, f.Diags)
	}
	for _, v := range f.Params { // the random state
		in[v.Name] = tensor.Of([]int64{5, 7}, 2)
	}
	g := graph.Fuse(f)
	want := evaluate(t, newContext(1), f, in)
	for _, threads := range []int{1, 3} {
		got := evaluate(t, cutContext(threads), g, in)
		for k, o := range f.Outputs {
			w, h := want[o.Value.ID], got[g.Outputs[k].Value.ID]
			if !slices.Equal(w.Shape(), h.Shape()) {
				t.Fatalf("%s: the shape of %s is %v, want %v", what, o.Name, h.Shape(), w.Shape())
			}
			sameBits(t, what+": "+o.Name, h, w)
		}
	}
}
