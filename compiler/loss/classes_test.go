package loss_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler/loss"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// classLogits are of two examples with two positions each, and three classes.
var classLogits = []float64{.2, -1, 3, 1.5, .5, -.5, 0, 2, 1, -1, -2, .3}

// TestClasses counts classes in each way; the means are those of PyTorch 2.15's cross_entropy in float64.
func TestClasses(t *testing.T) {
	weights := []float64{.5, 2, 1.25}
	for _, c := range []struct {
		name   string
		of     loss.Classes
		labels []int64
		want   float64
	}{
		{"plain", loss.Classes{}, []int64{2, 0, 1, 1}, 0.877052183931},
		{"ignored", loss.Classes{Ignore: []int64{-1}}, []int64{2, 0, -1, 1}, 1.033534257093},
		{"two ignored", loss.Classes{Ignore: []int64{-1, -2}}, []int64{-2, 0, -1, 1}, 1.512225796814},
		{"weights", loss.Classes{Weights: weights}, []int64{2, 0, 1, 1}, 1.103981763746},
		{"smooth", loss.Classes{Smooth: .25}, []int64{2, 0, 1, 1}, 1.074968850597},
		{"weights and smooth", loss.Classes{Weights: weights, Smooth: .25}, []int64{2, 0, 1, 1}, 1.203794768592},
		{"weights, one ignored", loss.Classes{Weights: weights, Ignore: []int64{-1}}, []int64{2, 0, -1, 1}, 1.475382190041},
		{"smooth, one ignored", loss.Classes{Smooth: .1, Ignore: []int64{-1}}, []int64{2, 0, -1, 1}, 1.105756479315},
		{"all", loss.Classes{Weights: weights, Smooth: .1, Ignore: []int64{-1}}, []int64{2, 0, -1, 1}, 1.524752952301},
		{"all ignored", loss.Classes{Weights: weights, Smooth: .1, Ignore: []int64{9}}, []int64{9, 9, 9, 9}, 0},
		{"nothing weighs", loss.Classes{Weights: []float64{1, 0, 1}}, []int64{1, 1, 1, 1}, 0},
	} {
		in := map[string]*tensor.Tensor{"x": tensor.Of(slices.Clone(classLogits), 2, 2, 3), "y": tensor.Of(c.labels, 2, 2)}
		forms := map[string]func(x, y *graph.Value) *graph.Value{
			"CrossEntropy": c.of.CrossEntropy,
			"NLL":          func(x, y *graph.Value) *graph.Value { return c.of.NLL(x.LogSoftmax(-1), y) },
		}
		for form, build := range forms {
			of := func(do func(y *graph.Value, x *graph.Value) *graph.Value) []float64 {
				return evaluate(t, in, func(_ *graph.Func, v map[string]*graph.Value) *graph.Value { return do(build(v["x"], v["y"]), v["x"]) })
			}
			mean := func() float64 { return of(func(y, _ *graph.Value) *graph.Value { return y.Mean() })[0] }
			if got := mean(); math.Abs(got-c.want) > 1e-11 {
				t.Errorf("%s, %s: %v, want %v", c.name, form, got, c.want)
			}
			if each := of(func(y, _ *graph.Value) *graph.Value { return y }); len(each) != 2 {
				t.Errorf("%s, %s: %v, want one number an example", c.name, form, each)
			}
			slope := of(func(y, x *graph.Value) *graph.Value { return graph.Grad(y.Mean(), x)[0] })
			x := in["x"]
			for i, g := range slope {
				const h = 1e-5
				old := x.At(i)
				x.Set(i, old+h)
				hi := mean()
				x.Set(i, old-h)
				lo := mean()
				x.Set(i, old)
				if want := (hi - lo) / (2 * h); math.Abs(g-want) > 1e-8 {
					t.Errorf("%s, %s: the gradient at %d is %v, differences say %v", c.name, form, i, g, want)
				}
			}
		}
	}
}

// TestMaskedClass has a class that cannot be, of logit −∞ and weight 0, among the others.
func TestMaskedClass(t *testing.T) {
	in := map[string]*tensor.Tensor{"x": tensor.Of([]float64{1, math.Inf(-1), 2}, 1, 3), "y": tensor.Of([]int64{2}, 1)}
	got := evaluate(t, in, func(_ *graph.Func, v map[string]*graph.Value) *graph.Value {
		return loss.Classes{Weights: []float64{1, 0, 1}, Smooth: .3}.CrossEntropy(v["x"], v["y"])
	})[0]
	a, b := math.Log(1+math.E), math.Log(1+1/math.E) // −ln p of the two others
	if want := .7*b + .1*(a+b); math.Abs(got-want) > 1e-12 {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestClassMistakes names what is wrong with the ways to count.
func TestClassMistakes(t *testing.T) {
	for _, c := range []struct {
		of   loss.Classes
		want string
	}{
		{loss.Classes{Weights: []float64{1, 2}}, "there are 2 weights for 3 classes"},
		{loss.Classes{Weights: []float64{1, 2, math.NaN()}}, "the weights are [1 2 NaN]"},
		{loss.Classes{Weights: []float64{1, 2, -1}}, "a weight is 0 or more"},
		{loss.Classes{Smooth: 1}, "Smooth is 1"},
		{loss.Classes{Smooth: math.NaN()}, "Smooth is NaN"},
	} {
		f := graph.NewFunc("train", true)
		y := c.of.CrossEntropy(f.Input("x", graph.F32, 2, 3), f.Input("y", graph.I64, 2))
		if y.OK() || len(f.Diags) != 1 || !strings.Contains(f.Diags.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.of, f.Diags, c.want)
		}
	}
}
