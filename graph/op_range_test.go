package graph_test

import (
	"slices"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestCausal compares the mask of a sequence, of known and of symbolic length, with torch.tril(torch.ones(3, 3)).
func TestCausal(t *testing.T) {
	want := []float64{1, 0, 0, 1, 1, 0, 1, 1, 1}
	for _, n := range []graph.Dim{3, graph.Sym("seq")} {
		f := graph.NewFunc("f", false)
		f.Input("x", graph.F32, n)
		y := f.Causal(n)
		out, err := graph.Evaluate(newContext(1), f, map[string]*tensor.Tensor{"x": tensor.New(tensor.F32, 3)})
		if err != nil {
			t.Fatal(err)
		}
		if got := out[y.ID].Float64s(); !slices.Equal(got, want) || y.DType() != graph.Bool {
			t.Errorf("%v: %v of %v", n, got, y.Type)
		}
	}
}

// TestScalar has what models write with a number: 1 − x, a power, a comparison, and that each keeps x's dtype.
func TestScalar(t *testing.T) {
	for _, dtype := range []graph.DType{graph.F32, graph.F64} {
		f := graph.NewFunc("f", false)
		x := f.Input("x", dtype, 3)
		ys := []*graph.Value{x.Scalar(1).Sub(x), x.Pow(x.Scalar(3)), x.Greater(x.Scalar(2))}
		out, err := graph.Evaluate(newContext(1), f, map[string]*tensor.Tensor{"x": tensor.Of([]float64{1, 2, 4}, 3).Cast(dtype)})
		if err != nil {
			t.Fatal(err, f.Diags)
		}
		for i, want := range [][]float64{{0, -1, -3}, {1, 8, 64}, {0, 0, 1}} {
			if got := out[ys[i].ID].Float64s(); !slices.Equal(got, want) {
				t.Errorf("%v: %v, want %v", ys[i].Text(), got, want)
			}
		}
		if ys[0].DType() != dtype {
			t.Errorf("%v − x is %v", dtype, ys[0].Type)
		}
	}
}

// TestArangeMistakes must refuse a negative length and one that is absurd.
func TestArangeMistakes(t *testing.T) {
	for _, n := range []graph.Dim{-1, 1 << 60} {
		f := graph.NewFunc("f", false)
		if f.Causal(n); len(f.Diags) != 1 {
			t.Errorf("a mask of %d: %v", int64(n), f.Diags)
		}
	}
}
