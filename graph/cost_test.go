package graph_test

import (
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph"
)

// TestMultiplyAdds counts by hand: products, convolutions, what is made of them, and bodies.
func TestMultiplyAdds(t *testing.T) {
	n := graph.Sym("n")
	for name, c := range map[string]struct {
		trace func(f *graph.Func) *graph.Value
		want  float64 // for n = 3
	}{
		"a product": {func(f *graph.Func) *graph.Value {
			return f.Input("a", graph.F32, n, 2, 5).MatMul(f.Input("b", graph.F32, 5, 7))
		}, 3 * 2 * 5 * 7},
		"a Gemm, transposed": {func(f *graph.Func) *graph.Value {
			return f.Input("a", graph.F32, 5, n).Gemm(f.Input("b", graph.F32, 7, 5), nil, graph.Gemm{Alpha: 1, Beta: 1, TransA: true, TransB: true})
		}, 3 * 5 * 7},
		"a convolution in groups": {func(f *graph.Func) *graph.Value {
			return f.Input("x", graph.F32, n, 4, 9, 9).Conv2D(f.Input("w", graph.F32, 6, 2, 3, 3), graph.Conv2D{Groups: 2, Strides: [2]int{2, 2}})
		}, 3 * 6 * 4 * 4 * 2 * 9},
		"a transposed one": {func(f *graph.Func) *graph.Value {
			return f.Input("x", graph.F32, n, 4, 5, 5).ConvTranspose2D(f.Input("w", graph.F32, 4, 6, 3, 3), graph.ConvTranspose2D{})
		}, 3 * 4 * 25 * 6 * 9},
		"attention with a past": {func(f *graph.Func) *graph.Value {
			in := func(name string, places graph.Dim, size int) *graph.Value {
				return f.Input(name, graph.F32, n, 2, places, graph.Dim(size))
			}
			y, _, _ := in("q", 4, 8).AttentionPast(in("k", 4, 8), in("v", 4, 6), nil, in("pk", 5, 8), in("pv", 5, 6), graph.Attention{})
			return y
		}, 3 * 2 * 4 * 9 * (8 + 6)},
		"elementwise alone": {func(f *graph.Func) *graph.Value { return f.Input("x", graph.F32, n, 4).Mish() }, 0},
		"a scan": {func(f *graph.Func) *graph.Value {
			w := f.Input("w", graph.F32, 2, 2)
			final, _ := f.Scan([]*graph.Value{f.Input("h", graph.F32, 5, 2)}, []*graph.Value{f.Input("x", graph.F32, n, 5, 2)},
				func(h, x []*graph.Value) (next, ys []*graph.Value) {
					return []*graph.Value{h[0].MatMul(w).Add(x[0])}, nil
				})
			return final[0]
		}, 3 * 5 * 2 * 2},
	} {
		f := graph.NewFunc("f", false)
		f.Output("y", c.trace(f))
		if f.Diags != nil {
			t.Fatalf("%s: %v", name, f.Diags)
		}
		if got, err := graph.MultiplyAdds(f, f.BindAll(3)); err != nil || got != c.want {
			t.Errorf("%s takes %v multiply-adds, want %v (%v)", name, got, c.want, err)
		}
	}
}
