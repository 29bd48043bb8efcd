package graph_test

import (
	"math"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestEdgeGradients takes gradients where a formula has no value or two: they are PyTorch's. want is, for each argument, the
// gradient of the sum.
func TestEdgeGradients(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	type values = []float64
	unary := func(f func(x *graph.Value) *graph.Value) func(x, y *graph.Value) *graph.Value {
		return func(x, _ *graph.Value) *graph.Value { return f(x) }
	}
	product := unary(func(x *graph.Value) *graph.Value { return x.Prod() })
	for _, c := range []struct {
		name         string
		f            func(x, y *graph.Value) *graph.Value
		x, y         values
		wantX, wantY values
	}{
		{"Pow", (*graph.Value).Pow, values{0, 0, 0, 0, 0, 2, -2, 2}, values{0, 1, 2, .5, -1, 0, 2, 3},
			values{0, 1, 0, inf, -inf, 0, -4, 12}, values{0, 0, 0, 0, -inf, math.Ln2, nan, 8 * math.Ln2}},
		{"Sqrt", unary((*graph.Value).Sqrt), values{0, 4}, nil, values{inf, .25}, nil},
		{"Log", unary((*graph.Value).Log), values{0, 4}, nil, values{inf, .25}, nil},
		{"Abs", unary((*graph.Value).Abs), values{0, -2}, nil, values{0, -1}, nil},
		{"ReLU", unary((*graph.Value).ReLU), values{0, -2, 2}, nil, values{0, 0, 1}, nil},
		{"LeakyReLU", unary(func(x *graph.Value) *graph.Value { return x.LeakyReLU(.2) }), values{0, -2, 2}, nil, values{.2, .2, 1}, nil},
		{"ELU", unary(func(x *graph.Value) *graph.Value { return x.ELU(1) }), values{0, -2000, 2000}, nil, values{1, 0, 1}, nil},
		{"Clip", unary(func(x *graph.Value) *graph.Value { return x.Clip(-1, 1) }), values{-1, 1, 2}, nil, values{1, 1, 0}, nil},
		{"Softplus", unary((*graph.Value).Softplus), values{-1000, 0, 1000}, nil, values{0, .5, 1}, nil},
		{"Div", (*graph.Value).Div, values{0, 1}, values{2, 0}, values{.5, inf}, values{0, -inf}},
		{"Mod", (*graph.Value).Mod, values{7, -7, 1}, values{2, 2, -3}, values{1, 1, 1}, values{-3, 3, 0}},
		{"Prod with a 0", product, values{3, 0, 2}, nil, values{0, 6, 0}, nil},
		{"Prod with two", product, values{3, 0, 0}, nil, values{0, 0, 0}, nil},
		{"the gradient of Prod with two", func(x, y *graph.Value) *graph.Value { return graph.Grad(product(x, y), x)[0] },
			values{3, 0, 0}, nil, values{0, 3, 3}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := graph.NewFunc("f", false)
			in := map[string]*tensor.Tensor{"x": tensor.Of(c.x, len(c.x))}
			x := f.Input("x", graph.F64, graph.Dim(len(c.x)))
			wrt := []*graph.Value{x}
			if c.y != nil {
				in["y"] = tensor.Of(c.y, len(c.y))
				wrt = append(wrt, f.Input("y", graph.F64, graph.Dim(len(c.y))))
			}
			result := c.f(x, wrt[len(wrt)-1])
			grads := graph.Grad(result.Sum(), wrt...)
			if len(f.Diags) > 0 {
				t.Fatal(f.Diags)
			}
			out := evaluate(t, newContext(1), f, in)
			for k, want := range []values{c.wantX, c.wantY}[:len(wrt)] {
				for i, g := range out[grads[k].ID].Float64s() {
					if !near(g, want[i], 1e-12) {
						t.Errorf("at (%v, %v) the gradient of argument %d is %v, want %v", c.x[i], append(c.y, c.x...)[i], k, g, want[i])
					}
				}
			}
		})
	}
}

// TestPowTwice differentiates x^y twice where the base is 0 and where it is not.
func TestPowTwice(t *testing.T) {
	f := graph.NewFunc("f", false)
	x, y := f.Input("x", graph.F64, 4), f.Input("y", graph.F64, 4)
	gx := graph.Grad(x.Pow(y).Sum(), x)[0]
	grads := graph.Grad(gx.Sum(), x, y)
	out := evaluate(t, newContext(1), f, map[string]*tensor.Tensor{"x": tensor.Of([]float64{0, 0, 3, 3}, 4), "y": tensor.Of([]float64{2, 3, 0, 2}, 4)})
	for k, want := range [][]float64{{2, 0, 0, 2}, {0, 0, 1. / 3, 3 + 6*math.Log(3)}} { // y(y−1)x^(y−2), and x^(y−1)·(1 + y·ln x)
		for i, g := range out[grads[k].ID].Float64s() {
			if !near(g, want[i], 1e-12) {
				t.Errorf("argument %d, element %d: %v, want %v", k, i, g, want[i])
			}
		}
	}
}
