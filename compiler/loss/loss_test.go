package loss_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/compiler/loss"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

const batch, n = 3, 5

// evaluate traces a loss of inputs with the shapes of in and computes it.
func evaluate(t *testing.T, in map[string]*tensor.Tensor, build func(f *graph.Func, v map[string]*graph.Value) *graph.Value) []float64 {
	t.Helper()
	f := graph.NewFunc("loss", true)
	vals := map[string]*graph.Value{}
	for name, x := range in {
		dims := make([]graph.Dim, x.Rank())
		for i, d := range x.Shape() {
			dims[i] = graph.Dim(d)
		}
		vals[name] = f.Input(name, x.DType(), dims...)
	}
	y := build(f, vals)
	if len(f.Diags) > 0 {
		t.Fatal(f.Diags)
	}
	in[graph.RandomState] = tensor.Of([]int64{1, 2}, 2)
	out, err := graph.Evaluate(kernel.NewContext(gonum.Implementation{}, 1), f, in)
	if err != nil {
		t.Fatal(err)
	}
	return out[y.ID].Float64s()
}

func normal(r *rand.Rand, shape ...int) *tensor.Tensor {
	x := tensor.New(tensor.F64, shape...)
	for i := range x.Len() {
		x.Set(i, 2*r.NormFloat64())
	}
	return x
}

// TestValues compares each loss with its formula.
func TestValues(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	a, b, unit := normal(r, batch, n), normal(r, batch, n), tensor.New(tensor.F64, batch, n)
	for i := range unit.Len() {
		unit.Set(i, r.Float64())
	}
	labels := tensor.Of([]int64{4, 0, 2}, batch)
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	for _, c := range []struct {
		name  string
		y     *tensor.Tensor
		build func(x, y *graph.Value) *graph.Value
		term  func(x, y float64) float64 // of each element
		scale float64
	}{
		{"BCEWithLogits", unit, loss.BCEWithLogits, func(x, y float64) float64 { return -y*math.Log(sigmoid(x)) - (1-y)*math.Log(1-sigmoid(x)) }, 1},
		{"KLNormal", b, loss.KLNormal, func(m, v float64) float64 { return .5 * (m*m + math.Exp(v) - v - 1) }, 1},
		{"MSE", b, loss.MSE, func(x, y float64) float64 { return (x - y) * (x - y) }, 1. / n},
		{"MAE", b, loss.MAE, func(x, y float64) float64 { return math.Abs(x - y) }, 1. / n},
		{"Huber", b, func(x, y *graph.Value) *graph.Value { return loss.Huber(x, y, 1.5) }, func(x, y float64) float64 {
			if d := math.Abs(x - y); d > 1.5 {
				return 1.5 * (d - .75)
			}
			return .5 * (x - y) * (x - y)
		}, 1. / n},
	} {
		got := evaluate(t, map[string]*tensor.Tensor{"x": a, "y": c.y}, func(_ *graph.Func, v map[string]*graph.Value) *graph.Value { return c.build(v["x"], v["y"]) })
		compare(t, c.name, got, func(i int) float64 {
			sum := 0.0
			for j := range n {
				sum += c.term(a.At(i*n+j), c.y.At(i*n+j))
			}
			return sum * c.scale
		})
	}
	got := evaluate(t, map[string]*tensor.Tensor{"x": a, "y": labels}, func(_ *graph.Func, v map[string]*graph.Value) *graph.Value {
		return loss.CrossEntropy(v["x"], v["y"])
	})
	compare(t, "CrossEntropy", got, func(i int) float64 {
		sum := 0.0
		for j := range n {
			sum += math.Exp(a.At(i*n + j))
		}
		return -math.Log(math.Exp(a.At(i*n+int(labels.At(i)))) / sum)
	})
}

// TestIgnoredLabels leaves positions out of the mean; the numbers are by hand and from PyTorch's cross_entropy.
func TestIgnoredLabels(t *testing.T) {
	const first, last = 2.4076059644443806, .4076059644443806 // −ln softmax([1 2 3]) at its ends
	inf := math.Inf(-1)
	for _, c := range []struct {
		name   string
		logits []float64
		shape  []int
		labels []int64
		ignore int64
		want   []float64
	}{
		{"in the batch", []float64{1, 2, 3, 1, 2, 3}, []int{2, 3}, []int64{0, -1}, -1, []float64{2 * first, 0}},
		{"in an example", []float64{1, 2, 3, 1, 2, 3}, []int{1, 2, 3}, []int64{0, -1}, -1, []float64{first}},
		{"none", []float64{1, 2, 3, 1, 2, 3}, []int{2, 3}, []int64{0, 2}, -1, []float64{first, last}},
		{"all", []float64{1, 2, 3, 1, 2, 3}, []int{2, 3}, []int64{-100, -100}, -100, []float64{0, 0}},
		{"a class", []float64{1, 2, 3, 1, 2, 3}, []int{2, 3}, []int64{2, 0}, 0, []float64{2 * last, 0}},
		{"a class that is masked", []float64{inf, 2, 3, 1, 2, 3}, []int{2, 3}, []int64{-1, 0}, -1, []float64{0, 2 * first}},
		{"more in one example than in the other", []float64{1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3}, []int{2, 2, 3}, []int64{0, 2, -1, 2}, -1, []float64{2 * (first + last) / 3, 2 * last / 3}},
	} {
		for _, index := range []graph.DType{graph.I64, graph.I32} {
			in := map[string]*tensor.Tensor{"x": tensor.Of(c.logits, c.shape...), "y": tensor.Of(c.labels, c.shape[:len(c.shape)-1]...).Cast(index)}
			got := evaluate(t, in, func(_ *graph.Func, v map[string]*graph.Value) *graph.Value {
				return loss.CrossEntropyIgnoring(v["x"], v["y"], c.ignore)
			})
			for i, w := range c.want {
				if len(got) != len(c.want) || math.Abs(got[i]-w) > 1e-12 {
					t.Errorf("%s, %v: %v, want %v", c.name, index, got, c.want)
					break
				}
			}
			slope := evaluate(t, in, func(_ *graph.Func, v map[string]*graph.Value) *graph.Value {
				return graph.Grad(loss.CrossEntropyIgnoring(v["x"], v["y"], c.ignore), v["x"])[0]
			})
			for i, g := range slope {
				if ignored := c.labels[i/3] == c.ignore; math.IsNaN(g) || ignored && g != 0 || !ignored && g == 0 && c.logits[i] != inf {
					t.Errorf("%s, %v: the gradient is %v", c.name, index, slope)
					break
				}
			}
		}
	}
}

// TestLabelsOutOfRange must end the run, with the label and the line.
func TestLabelsOutOfRange(t *testing.T) {
	for _, c := range []struct {
		name  string
		build func(logits, labels *graph.Value) *graph.Value
		label int64
	}{
		{"CrossEntropy", loss.CrossEntropy, -1}, {"CrossEntropy", loss.CrossEntropy, 3},
		{"CrossEntropyIgnoring", func(x, y *graph.Value) *graph.Value { return loss.CrossEntropyIgnoring(x, y, -1) }, -2},
		{"CrossEntropyIgnoring", func(x, y *graph.Value) *graph.Value { return loss.CrossEntropyIgnoring(x, y, -1) }, 3},
		{"NLL", loss.NLL, 3}, {"CrossEntropy", loss.Classes{Ignore: []int64{7, -1}, Weights: []float64{1, 2, 3}}.CrossEntropy, -2},
	} {
		f := graph.NewFunc("train", true)
		c.build(f.Input("x", graph.F32, 2, 3), f.Input("y", graph.I64, 2))
		_, err := graph.Evaluate(kernel.NewContext(gonum.Implementation{}, 1), f, map[string]*tensor.Tensor{"x": tensor.New(graph.F32, 2, 3), "y": tensor.Of([]int64{0, c.label}, 2)})
		want := fmt.Sprintf("%s: a label is a class from 0 to 2: element [1] is %d", c.name, c.label)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "loss_test.go:") {
			t.Errorf("label %d: %v, want %q with the line", c.label, err, want)
		}
	}
}

func compare(t *testing.T, name string, got []float64, want func(i int) float64) {
	t.Helper()
	if len(got) != batch {
		t.Fatalf("%s: %d numbers, want one an example", name, len(got))
	}
	for i, g := range got {
		if w := want(i); math.Abs(g-w) > 1e-9*max(1, math.Abs(w)) {
			t.Errorf("%s: example %d is %v, want %v", name, i, g, w)
		}
	}
}

// TestTails takes losses that are nearly 0 in float32, and their gradients: each keeps its digits, and none is negative.
func TestTails(t *testing.T) {
	for _, c := range []struct {
		name         string
		build        func(x, y *graph.Value) *graph.Value
		x, y         float64
		want         float64
		wantX, wantY float64 // gradients
		slack        float64 // of gradients, absolute
	}{
		{"BCEWithLogits", loss.BCEWithLogits, 16, 1, 1.12535e-7, -1.12535e-7, -16, 0},
		{"BCEWithLogits", loss.BCEWithLogits, 14, 1, 8.3153e-7, -8.3153e-7, -14, 0},
		{"BCEWithLogits", loss.BCEWithLogits, -17, 0, 4.1399e-8, 4.1399e-8, 17, 0},
		{"BCEWithLogits", loss.BCEWithLogits, 0, .25, math.Ln2, .25, 0, 0},
		{"BCEWithLogits", loss.BCEWithLogits, 1000, 0, 1000, 1, -1000, 0},
		{"BCEWithLogits", loss.BCEWithLogits, -1000, 1, 1000, -1, 1000, 0},
		{"KLNormal", loss.KLNormal, 0, 1e-6, 2.5e-13, 0, 5e-7, 0},
		{"KLNormal", loss.KLNormal, 0, -1e-6, 2.5e-13, 0, -5e-7, 0},
		{"KLNormal", loss.KLNormal, 1e-4, 1e-9, 5e-9, 1e-4, 5e-10, 0},
		{"KLNormal", loss.KLNormal, 0, -80, 39.5, 0, -.5, 0},
		{"MSE", loss.MSE, 1, 1 + 0x1p-20, 0x1p-40, -0x1p-19, 0x1p-19, 0},
		{"Huber", func(x, y *graph.Value) *graph.Value { return loss.Huber(x, y, 1) }, 1, 1 + 0x1p-20, 0x1p-41, -0x1p-20, 0x1p-20, 0},
		{"CrossEntropy of two classes", func(x, _ *graph.Value) *graph.Value { // the class 0 with the logit x, the other with 0
			f := x.Func()
			return loss.CrossEntropy(graph.Join(-1, x, f.Full(graph.F32, 0, 1, 1)), f.Full(graph.I64, 0, 1))
		}, 17, 0, 4.1399e-8, -4.1399e-8, 0, 0x1p-24}, // the gradient is a share less 1
	} {
		f := graph.NewFunc("loss", true)
		x, y := f.Input("x", graph.F32, 1, 1), f.Input("y", graph.F32, 1, 1)
		value := c.build(x, y).Sum()
		grads := graph.Grad(value, x, y)
		if len(f.Diags) > 0 {
			t.Fatal(f.Diags)
		}
		out, err := graph.Evaluate(kernel.NewContext(gonum.Implementation{}, 1), f, map[string]*tensor.Tensor{
			"x": tensor.Of([]float32{float32(c.x)}, 1, 1), "y": tensor.Of([]float32{float32(c.y)}, 1, 1)})
		if err != nil {
			t.Fatal(err)
		}
		check := func(what string, got *graph.Value, want, slack float64) {
			if g := out[got.ID].At(0); !(math.Abs(g-want) <= 2e-5*math.Abs(want)+slack) {
				t.Errorf("%s(%v, %v): %s is %v, want %v", c.name, c.x, c.y, what, g, want)
			}
		}
		check("the loss", value, c.want, 0)
		check("the gradient for the first", grads[0], c.wantX, c.slack)
		check("the gradient for the second", grads[1], c.wantY, c.slack)
	}
	for l := 1e-12; l < 90; l *= 1.1 { // KL(N(0, σ²) ‖ N(0, 1)), near 1 and far
		for _, l := range []float64{l, -l} {
			v := tensor.Of([]float32{float32(l)}, 1, 1)
			got := evaluate(t, map[string]*tensor.Tensor{"mu": tensor.New(tensor.F32, 1, 1), "l": v}, func(_ *graph.Func, v map[string]*graph.Value) *graph.Value {
				return loss.KLNormal(v["mu"], v["l"])
			})[0]
			if got < 0 || math.Abs(l) < 1e-3 && math.Abs(got-l*l/4) > 1e-3*l*l {
				t.Fatalf("KLNormal(0, %v) = %v", l, got)
			}
		}
	}
}

// TestGradientPenaltyMix takes the critic Σ x³/3, whose slope x² tells at which points the penalty is: at ε·real + (1−ε)·fake
// for the numbers ε that were drawn.
func TestGradientPenaltyMix(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	real, fake := normal(r, batch, n), normal(r, batch, n)
	f := graph.NewFunc("loss", true)
	x, y := f.Input("x", graph.F64, batch, n), f.Input("y", graph.F64, batch, n)
	penalty := loss.GradientPenalty(func(x *graph.Value) *graph.Value { return x.Square().Mul(x).Scale(1. / 3).Sum(1) }, x, y)
	if len(f.Diags) > 0 {
		t.Fatal(f.Diags)
	}
	out, err := graph.Evaluate(kernel.NewContext(gonum.Implementation{}, 1), f, map[string]*tensor.Tensor{
		"x": real, "y": fake, graph.RandomState: tensor.Of([]int64{1, 2}, 2)})
	if err != nil {
		t.Fatal(err)
	}
	var drawn *tensor.Tensor
	for _, v := range f.Values {
		if _, ok := v.Op.(graph.RandomUniform); ok {
			drawn = out[v.ID]
		}
	}
	if drawn == nil || drawn.Len() != batch {
		t.Fatalf("drawn: %v, want one number an example", drawn)
	}
	compare(t, "GradientPenalty", out[penalty.ID].Float64s(), func(i int) float64 {
		e, sum := drawn.At(i), 0.0
		for j := i * n; j < (i+1)*n; j++ {
			sum += math.Pow(e*real.At(j)+(1-e)*fake.At(j), 4)
		}
		return math.Pow(math.Sqrt(sum)-1, 2)
	})
}

// TestGradientPenalty takes a linear critic, whose slope is known.
func TestGradientPenalty(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	w := normal(r, n, 1)
	norm := 0.0
	for i := range n {
		norm += w.At(i) * w.At(i)
	}
	got := evaluate(t, map[string]*tensor.Tensor{"x": normal(r, batch, n), "y": normal(r, batch, n), "w": w}, func(_ *graph.Func, v map[string]*graph.Value) *graph.Value {
		return loss.GradientPenalty(func(x *graph.Value) *graph.Value { return x.MatMul(v["w"]) }, v["x"], v["y"])
	})
	compare(t, "GradientPenalty", got, func(int) float64 { return math.Pow(math.Sqrt(norm)-1, 2) })
}

// TestGradientOfPenalty compares the gradient of a penalty, itself made of a gradient, for the weights of a critic with
// central differences.
func TestGradientOfPenalty(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	weights := map[string]*tensor.Tensor{"w1": normal(r, n, 4), "b": normal(r, 4), "w2": normal(r, 4, 1)}
	real, fake := normal(r, batch, n), normal(r, batch, n)
	for name, of := range map[string]func(critic func(x *graph.Value) *graph.Value, real, fake *graph.Value) *graph.Value{
		"GradientPenalty": loss.GradientPenalty,
		"R1": func(critic func(x *graph.Value) *graph.Value, real, _ *graph.Value) *graph.Value {
			return loss.R1(critic, real)
		},
	} {
		t.Run(name, func(t *testing.T) { checkPenalty(t, of, weights, real, fake) })
	}
}

func checkPenalty(t *testing.T, of func(critic func(x *graph.Value) *graph.Value, real, fake *graph.Value) *graph.Value, weights map[string]*tensor.Tensor, real, fake *tensor.Tensor) {
	penalty := func(gradient string) []float64 {
		in := map[string]*tensor.Tensor{"x": real, "y": fake}
		for name, w := range weights {
			in[name] = w
		}
		return evaluate(t, in, func(_ *graph.Func, v map[string]*graph.Value) *graph.Value {
			critic := func(x *graph.Value) *graph.Value {
				return x.MatMul(v["w1"]).Add(v["b"]).Tanh().MatMul(v["w2"])
			}
			p := of(critic, v["x"], v["y"]).Mean()
			if gradient == "" {
				return p
			}
			return graph.Grad(p, v[gradient])[0]
		})
	}
	const h = 1e-6
	for name, w := range weights {
		got := penalty(name)
		for i := range w.Len() {
			old := w.At(i)
			w.Set(i, old+h)
			hi := penalty("")[0]
			w.Set(i, old-h)
			lo := penalty("")[0]
			w.Set(i, old)
			if want := (hi - lo) / (2 * h); math.Abs(got[i]-want) > 1e-6*max(1, math.Abs(want)) {
				t.Errorf("for %s, element %d: %v, finite differences say %v", name, i, got[i], want)
			}
		}
	}
}

// TestMistakes gives arguments that do not match.
func TestMistakes(t *testing.T) {
	for _, c := range []struct {
		name  string
		build func(f *graph.Func, x *graph.Value) *graph.Value
	}{
		{"BCEWithLogits", func(f *graph.Func, x *graph.Value) *graph.Value {
			return loss.BCEWithLogits(x, f.Input("y", graph.F32, 3, 1))
		}},
		{"CrossEntropy", func(f *graph.Func, x *graph.Value) *graph.Value {
			return loss.CrossEntropy(x, f.Input("y", graph.I64, 4))
		}},
		{"CrossEntropy", func(f *graph.Func, x *graph.Value) *graph.Value {
			return loss.CrossEntropy(f.Input("logits", graph.I64, 3, 5), f.Input("y", graph.I64, 3))
		}},
		{"MSE", func(f *graph.Func, x *graph.Value) *graph.Value {
			return loss.MSE(x, f.Input("y", graph.I64, 3, 5))
		}},
		{"MAE", func(f *graph.Func, x *graph.Value) *graph.Value { return loss.MAE(nil, x) }},
		{"KLNormal", func(f *graph.Func, x *graph.Value) *graph.Value { return loss.KLNormal(x, nil) }},
		{"Huber", func(f *graph.Func, x *graph.Value) *graph.Value { return loss.Huber(x, x, 0) }},
		{"GAN", func(f *graph.Func, x *graph.Value) *graph.Value { return loss.GAN{Smooth: 1}.Critic(x, x) }},
		{"GAN", func(f *graph.Func, x *graph.Value) *graph.Value { return loss.GAN{Smooth: math.NaN()}.Generator(x) }},
		{"GAN", func(f *graph.Func, x *graph.Value) *graph.Value {
			return loss.GAN{}.Critic(x, f.Input("y", graph.F32, 3, 1))
		}},
		{"LeastSquares", func(f *graph.Func, x *graph.Value) *graph.Value { return loss.LeastSquares{Smooth: -1}.Critic(x, x) }},
		{"LeastSquares", func(f *graph.Func, x *graph.Value) *graph.Value { return loss.LeastSquares{}.Generator(x.Mean()) }},
		{"Wasserstein", func(f *graph.Func, x *graph.Value) *graph.Value { return loss.Wasserstein{}.Critic(x, x.Mean()) }},
		{"Wasserstein", func(f *graph.Func, x *graph.Value) *graph.Value { return loss.Hinge{}.Generator(x.Mean()) }},
		{"Hinge", func(f *graph.Func, x *graph.Value) *graph.Value { return loss.Hinge{}.Critic(x.Mean(), x.Mean()) }},
		{"R1", func(f *graph.Func, x *graph.Value) *graph.Value {
			return loss.R1((*graph.Value).Tanh, f.Input("y", graph.I64, 3, 4))
		}},
		{"GradientPenalty", func(f *graph.Func, x *graph.Value) *graph.Value {
			return loss.GradientPenalty((*graph.Value).Tanh, x, f.Input("y", graph.F32, 3, 4))
		}},
	} {
		f := graph.NewFunc("f", false)
		y := c.build(f, f.Input("x", graph.F32, 3, 5))
		if y.OK() || len(f.Diags) != 1 || !strings.HasPrefix(f.Diags[0].Msg, c.name+": ") || !strings.HasSuffix(f.Diags[0].Pos.File, "loss_test.go") {
			t.Errorf("%s: %v", c.name, f.Diags)
		}
	}
}
