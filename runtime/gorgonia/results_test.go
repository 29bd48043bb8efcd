package gorgonia_test

import (
	"math"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// sumDiff has two results and no kernel: a + b and a − b, or a and 0 without b.
type sumDiff struct{}

func (sumDiff) Takes() []graph.Arg {
	return []graph.Arg{{Name: "a", DTypes: graph.Floats, Like: "T"}, {Name: "b", DTypes: graph.Floats, Like: "T", Optional: true}}
}

func (sumDiff) Infer(in *graph.Infer) ([]graph.Type, error) {
	return []graph.Type{in.Args[0].Type, in.Args[0].Type}, nil
}

func (sumDiff) Lower(n *graph.Node) []*graph.Value {
	a, b := n.Args[0], n.Arg(1)
	if b == nil {
		return []*graph.Value{a, a.Scale(0)}
	}
	return []*graph.Value{a.Add(b), a.Sub(b)}
}

// TestSeveralResults runs ops with two results, of which one, the other or both are wanted, with an argument and without, with a kernel
// and without, again and again.
func TestSeveralResults(t *testing.T) {
	b := compiler.New("results")
	b.Func("f", func(f *graph.Func) {
		x := f.Input("x", graph.F32, batch, 5)
		n := graph.ApplyNode(sumDiff{}, nil, x, x.Square())
		elements, places := n.Result(1).TopK(2, 1)
		_, lowest := n.Result(0).BottomK(1, 1)
		alone := graph.ApplyNode(sumDiff{}, nil, elements)
		f.Output("elements", alone.Result(0))
		f.Output("nothing", alone.Result(1))
		f.Output("places", places)
		f.Output("lowest", lowest)
		f.Output("normal", x.LayerNorm(nil, f.Full(graph.F32, 1, 5), 1e-5).Sum())
	})
	_, x := load(t, compile(t, b), 1)
	for _, sign := range []float32{1, -1, 1} {
		out := run(t, x, "f", map[string]*tensor.Tensor{"x": tensor.Of([]float32{sign * .1, sign * .4, sign * .7, sign * .2, sign * 3}, 1, 5)})
		// x − x² and x + x²
		elements, places, lowest := []float64{.24, .21}, []float64{1, 2}, 0.
		if sign < 0 {
			elements, places, lowest = []float64{-.11, -.24}, []float64{0, 3}, 1
		}
		for i := range 2 {
			if got := out["elements"].At(i); math.Abs(got-elements[i]) > 1e-6 {
				t.Errorf("%v: element %d is %v, want %v", sign, i, got, elements[i])
			}
			if got := out["places"].At(i); got != places[i] {
				t.Errorf("%v: its place is %v, want %v", sign, got, places[i])
			}
			if got := out["nothing"].At(i); got != 0 {
				t.Errorf("%v: nothing is %v", sign, got)
			}
		}
		if got := out["lowest"].At(0); got != lowest {
			t.Errorf("%v: the lowest is at %v, want %v", sign, got, lowest)
		}
		if got := out["normal"].At(0); math.Abs(got-5) > 1e-5 {
			t.Errorf("%v: the normalised sum to %v, want 5", sign, got)
		}
	}
}
