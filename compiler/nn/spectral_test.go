package nn_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestSpectralNorm compares a layer's weight, as the layer applies it, and its gradient with the formulas of Miyato et al. (2018): one
// step of power iteration (algorithm 1) and eq. 12, by gonum's matrices, and after many steps with the largest singular value of
// gonum's decomposition.
func TestSpectralNorm(t *testing.T) {
	for name, c := range map[string]struct {
		layer      nn.Module
		x          graph.Shape // one that shows the weights
		rows, cols int         // of the weight as a matrix
		weight     []int
	}{
		"Dense":  {&nn.Dense{Units: 5, NoBias: true, SpectralNorm: true}, graph.Shape{3, 3}, 3, 5, []int{3, 5}},
		"Conv2D": {&nn.Conv2D{Filters: 4, Kernel: 2, NoBias: true, SpectralNorm: true}, graph.Shape{1, 3, 2, 2}, 4, 12, []int{4, 3, 2, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, problems := nn.Bind("", &struct{ L nn.Module }{c.layer}, map[*nn.Layer]bool{}); problems != nil {
				t.Fatal(problems)
			}
			r := rand.New(rand.NewPCG(1, 2))
			random := func(shape ...int) *tensor.Tensor {
				x := tensor.New(tensor.F32, shape...)
				for i := range x.Len() {
					x.Set(i, r.NormFloat64())
				}
				return x
			}
			trace := func(training bool) (*graph.Func, *graph.Value, *graph.Value) {
				f := graph.NewFunc("f", training)
				y := c.layer.Apply(f.Input("x", graph.F32, c.x...))
				return f, y, graph.Grad(y.Mul(f.Input("g", graph.F32, y.Shape()...)).Sum(), f.Lookup("l.weight"))[0]
			}
			f, y, grad := trace(true)
			size := make([]int, y.Rank())
			for i, d := range y.Shape() {
				size[i] = int(d)
			}
			shape := make([]int, len(c.x))
			for i, d := range c.x {
				shape[i] = int(d)
			}
			in := map[string]*tensor.Tensor{"x": random(shape...), "g": random(size...), "l.weight": random(c.weight...), "l.u": random(1, c.rows)}

			w := mat.NewDense(c.rows, c.cols, in["l.weight"].Float64s())
			unit := func(v mat.Vector) *mat.VecDense {
				var u mat.VecDense
				u.ScaleVec(1/mat.Norm(v, 2), v)
				return &u
			}
			var v, u, wv mat.VecDense
			v.MulVec(w.T(), mat.NewVecDense(c.rows, in["l.u"].Float64s()))
			v = *unit(&v)
			wv.MulVec(w, &v)
			u = *unit(&wv)
			sigma := mat.Dot(&u, &wv)

			// The layer without the norm, on the weight divided by σ, gives the result and ∂/∂(W/σ).
			plain := graph.NewFunc("plain", true)
			divided := plain.Input("w", graph.F32, f.Lookup("l.weight").Shape()...)
			px := plain.Input("x", graph.F32, c.x...)
			var py *graph.Value
			if name == "Dense" {
				py = px.MatMul(divided)
			} else {
				py = px.Conv2D(divided, graph.Conv2D{})
			}
			dw := graph.Grad(py.Mul(plain.Input("g", graph.F32, py.Shape()...)).Sum(), divided)[0]
			over := tensor.New(tensor.F32, c.weight...)
			for i := range over.Len() {
				over.Set(i, in["l.weight"].At(i)/sigma)
			}
			want := run(t, plain, map[string]*tensor.Tensor{"w": over, "x": in["x"], "g": in["g"]})
			close := func(what string, i int, got, want float64) {
				t.Helper()
				if math.Abs(got-want) > 1e-4*max(1, math.Abs(want)) {
					t.Errorf("%s %d is %v, want %v", what, i, got, want)
				}
			}
			out := run(t, f, in)
			for i := range out[y.ID].Len() {
				close("result", i, out[y.ID].At(i), want[py.ID].At(i))
			}
			lambda := 0.
			for i := range over.Len() {
				lambda += want[dw.ID].At(i) * over.At(i)
			}
			for i := range over.Len() {
				close("gradient", i, out[grad.ID].At(i), (want[dw.ID].At(i)-lambda*u.AtVec(i/c.cols)*v.AtVec(i%c.cols))/sigma)
			}
			if len(f.Updates) != 1 || f.Updates[0].Name != "l.u" {
				t.Fatalf("the updates are %v", f.Updates)
			}
			for i := range c.rows {
				close("u", i, out[f.Updates[0].Value.ID].At(i), u.AtVec(i))
			}

			for range 200 {
				in["l.u"] = run(t, f, in)[f.Updates[0].Value.ID]
			}
			var svd mat.SVD
			if !svd.Factorize(w, mat.SVDNone) {
				t.Fatal("no singular values")
			}
			most := svd.Values(nil)[0]
			inference, y2, _ := trace(false)
			if len(inference.Updates) > 0 {
				t.Errorf("inference updates %v", inference.Updates)
			}
			out = run(t, inference, in)
			for i := range out[y2.ID].Len() {
				close("result after many steps", i, out[y2.ID].At(i), want[py.ID].At(i)*sigma/most)
			}
		})
	}
}

// TestSpectralNormTwice holds that each application in a step goes on from the one before.
func TestSpectralNormTwice(t *testing.T) {
	l := &nn.Dense{Units: 2, SpectralNorm: true}
	nn.Bind("", &struct{ L *nn.Dense }{l}, map[*nn.Layer]bool{})
	in := map[string]*tensor.Tensor{"x": tensor.Of([]float32{1, 1}, 1, 2), "l.weight": tensor.Of([]float32{2, 0, 0, 1}, 2, 2),
		"l.bias": tensor.Of([]float32{0, 0}, 2), "l.u": tensor.Of([]float32{.6, .8}, 1, 2)}
	f := graph.NewFunc("train", true)
	for i, want := range []float64{4 * .6 / .8, 16 * .6 / .8} { // the ratio of u's elements, which W·Wᵀ = diag(4, 1) multiplies by 4
		if l.Apply(f.Input([]string{"x", "more"}[i], graph.F32, 1, 2)); i > 0 {
			in["more"] = in["x"]
		}
		u := run(t, f, in)[f.Updates[0].Value.ID]
		if got := u.At(0) / u.At(1); len(f.Updates) != 1 || math.Abs(got-want) > 1e-4 {
			t.Errorf("after %d applications u is %v, with the ratio %v, want %v", i+1, u, got, want)
		}
	}
}
