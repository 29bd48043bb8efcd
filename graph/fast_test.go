package graph_test

import (
	"math"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestAllFiniteShown looks at values of which one goes into the other, by ops that let what is not finite through and by one that does not:
// the fast form, which leaves out what shows in another value, must see them all.
func TestAllFiniteShown(t *testing.T) {
	inf := math.Inf(1)
	for _, x := range []float64{1, inf, -inf, math.NaN()} {
		f := graph.NewFunc("f", false)
		in := f.Input("x", graph.F32, 3)
		m, v := in.Scale(.5), in.Square().Shift(1)
		root := in.Sub(m.Mul(m.Scalar(2)).Div(v.Shift(1)))
		f.Output("through", in.Scalar(0).AllFinite(m, in.Scalar(1).Sub(m.Mul(m.Scalar(2)).Neg().Shift(3))))
		f.Output("below", in.Scalar(0).AllFinite(v, in.Scalar(1).Div(v)))
		f.Output("both", in.Scalar(0).AllFinite(m, v, root))
		g := graph.LowerFast(f)
		if len(g.Diags) > 0 {
			t.Fatal(g.Diags)
		}
		all := evaluate(t, newContext(1), g, map[string]*tensor.Tensor{"x": tensor.Of([]float32{1, float32(x), 2}, 3)})
		for _, o := range g.Outputs {
			if got, want := tensor.Data[bool](all[o.Value.ID])[0], x == 1; got != want {
				t.Errorf("%s of %v: %v, want %v", o.Name, x, got, want)
			}
		}
	}
}

// TestSoftplusTail holds the fast form to the values where they are small, relative to them.
func TestSoftplusTail(t *testing.T) {
	f := graph.NewFunc("f", false)
	f.Output("y", f.Input("x", graph.F32, 5).Softplus())
	xs := []float32{-80, -30, -17, -12, -3}
	g := graph.LowerFast(f)
	got := evaluate(t, newContext(1), g, map[string]*tensor.Tensor{"x": tensor.Of(xs, len(xs))})[g.Outputs[0].Value.ID]
	for i, x := range xs {
		if want := math.Log1p(math.Exp(float64(x))); !(math.Abs(got.At(i)-want) <= 3e-6*want) {
			t.Errorf("softplus(%v) is %v, want %v", x, got.At(i), want)
		}
	}
}
