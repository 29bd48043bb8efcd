package loss_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler/loss"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestGaussianNLL compares it with the density, under one scale and under one an element.
func TestGaussianNLL(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	in := map[string]*tensor.Tensor{"mean": normal(r, batch, n), "x": normal(r, batch, n), "each": normal(r, batch, n), "one": normal(r)}
	for _, scale := range []string{"each", "one"} {
		got := evaluate(t, in, func(_ *graph.Func, v map[string]*graph.Value) *graph.Value {
			return loss.GaussianNLL(v["mean"], v[scale], v["x"])
		})
		compare(t, "GaussianNLL of "+scale, got, func(i int) float64 {
			sum := 0.0
			for j := i * n; j < (i+1)*n; j++ {
				sigma, d := math.Exp(in[scale].At(j%in[scale].Len())), in["x"].At(j)-in["mean"].At(j)
				sum -= math.Log(math.Exp(-d*d/(2*sigma*sigma)) / (sigma * math.Sqrt(2*math.Pi)))
			}
			return sum
		})
	}
}

// logistic is −ln P of each of 256 levels, an example each.
func logistic(t *testing.T, dtype tensor.DType, mean, logScale float64) []float64 {
	t.Helper()
	in := map[string]*tensor.Tensor{"x": tensor.New(dtype, 256, 1), "mean": tensor.New(dtype, 256, 1), "scale": tensor.New(dtype)}
	for k := range 256 {
		in["x"].Set(k, float64(k)/255)
		in["mean"].Set(k, mean)
	}
	in["scale"].Set(0, logScale)
	return evaluate(t, in, func(_ *graph.Func, v map[string]*graph.Value) *graph.Value {
		return loss.DiscretizedLogistic(v["mean"], v["scale"], v["x"])
	})
}

// TestDiscretizedLogistic compares it with differences of the distribution function, and adds the levels up to 1.
func TestDiscretizedLogistic(t *testing.T) {
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	for _, dtype := range []tensor.DType{tensor.F64, tensor.F32} {
		slack := map[tensor.DType]float64{tensor.F64: 1e-9, tensor.F32: 2e-3}[dtype]
		for _, mean := range []float64{-.3, 0, .2, .5, 1, 1.7} {
			for _, logScale := range []float64{-7, -5, -3, -1, 0, 3} {
				sum, scale := 0.0, math.Exp(logScale)
				for k, nll := range logistic(t, dtype, mean, logScale) {
					sum += math.Exp(-nll)
					// The upper half of the distribution is the lower one's mirror: there differences would cancel.
					lower, upper := (float64(k)-.5)/255-mean, (float64(k)+.5)/255-mean
					if k == 0 {
						lower = math.Inf(-1)
					}
					if k == 255 {
						upper = math.Inf(1)
					}
					if lower > 0 {
						lower, upper = -upper, -lower
					}
					p := sigmoid(upper/scale) - sigmoid(lower/scale)
					if math.IsNaN(nll) || nll < 0 || p > 1e-200 && math.Abs(nll+math.Log(p)) > slack*max(1, nll) {
						t.Fatalf("%v, mean %v, ln scale %v: −ln P(%d) is %v, want %v", dtype, mean, logScale, k, nll, -math.Log(p))
					}
				}
				if math.Abs(sum-1) > slack {
					t.Errorf("%v, mean %v, ln scale %v: the levels have %v, want 1", dtype, mean, logScale, sum)
				}
			}
		}
	}
	// Far off, the share of a piece falls by e for each scale, and is not 0: mean 1, scale e^-8, level 0 is e^8·(1 − ½/255) scales off.
	if got, want := logistic(t, tensor.F32, 1, -8)[0], math.Exp(8)*(1-.5/255); math.Abs(got-want) > 1e-4*want {
		t.Errorf("far off, −ln P is %v, want %v", got, want)
	}
	// By hand: a scale of 1/255, and the level that is the mean: σ(½) − σ(−½) = tanh(¼).
	if got, want := logistic(t, tensor.F64, 100./255, math.Log(1./255))[100], -math.Log(math.Tanh(.25)); math.Abs(got-want) > 1e-9 {
		t.Errorf("at the mean, −ln P is %v, want %v", got, want)
	}
}

// TestLikelihoodGradients compares the gradients for mean and scale with finite differences, at the ends and between.
func TestLikelihoodGradients(t *testing.T) {
	const h = 1e-6
	for name, of := range map[string]func(mean, logScale, x *graph.Value) *graph.Value{"GaussianNLL": loss.GaussianNLL, "DiscretizedLogistic": loss.DiscretizedLogistic} {
		in := map[string]*tensor.Tensor{"x": tensor.Of([]float64{0, 1. / 255, .4, 254. / 255, 1}, 1, 5), "mean": tensor.Of([]float64{.1, .3, .2, 1.2, .9}, 1, 5), "scale": tensor.Of([]float64{-2})}
		take := func(gradient string) []float64 {
			return evaluate(t, in, func(_ *graph.Func, v map[string]*graph.Value) *graph.Value {
				y := of(v["mean"], v["scale"], v["x"]).Sum()
				if gradient == "" {
					return y
				}
				return graph.Grad(y, v[gradient])[0]
			})
		}
		for _, wrt := range []string{"mean", "scale"} {
			for i, got := range take(wrt) {
				old := in[wrt].At(i)
				in[wrt].Set(i, old+h)
				hi := take("")[0]
				in[wrt].Set(i, old-h)
				lo := take("")[0]
				in[wrt].Set(i, old)
				if want := (hi - lo) / (2 * h); math.Abs(got-want) > 1e-6*max(1, math.Abs(want)) {
					t.Errorf("%s: the gradient for %s, element %d, is %v, finite differences say %v", name, wrt, i, got, want)
				}
			}
		}
	}
}

// TestFreeBits is by hand: with variances of 1, an element's divergence is ½μ², over the batch 1.25 and .0125 here, which counts as .5.
func TestFreeBits(t *testing.T) {
	in := map[string]*tensor.Tensor{"mu": tensor.Of([]float64{1, .1, 2, .2}, 2, 2), "log_var": tensor.New(tensor.F64, 2, 2)}
	for free, want := range map[float64]float64{0: 1.2625, .5: 1.75, 2: 4} {
		got := evaluate(t, in, func(_ *graph.Func, v map[string]*graph.Value) *graph.Value {
			return loss.FreeBits(v["mu"], v["log_var"], free)
		})
		if len(got) != 1 || math.Abs(got[0]-want) > 1e-12 {
			t.Errorf("with %v nats free: %v, want %v", free, got, want)
		}
	}
	slope := evaluate(t, in, func(_ *graph.Func, v map[string]*graph.Value) *graph.Value {
		return graph.Grad(loss.FreeBits(v["mu"], v["log_var"], .5), v["mu"])[0]
	})
	for i, want := range []float64{.5, 0, 1, 0} { // μ over the batch of 2; nothing where it is free
		if math.Abs(slope[i]-want) > 1e-12 {
			t.Errorf("the gradient is %v", slope)
		}
	}
}

// TestLikelihoodMistakes must name the loss and the line.
func TestLikelihoodMistakes(t *testing.T) {
	for want, build := range map[string]func(x, y, z *graph.Value) *graph.Value{
		"GaussianNLL: the arguments are f32[2 3] and f32[2 4]":                  func(x, y, _ *graph.Value) *graph.Value { return loss.GaussianNLL(x, x.Scalar(0), y) },
		"GaussianNLL: the logarithm of the scale is f32[2 4], of f32[2 3]":      func(x, y, _ *graph.Value) *graph.Value { return loss.GaussianNLL(x, y, x) },
		"GaussianNLL: argument 1 is nil":                                        func(x, _, _ *graph.Value) *graph.Value { return loss.GaussianNLL(x, nil, x) },
		"DiscretizedLogistic: the logarithm of the scale is f64[], of f32[2 3]": func(x, _, z *graph.Value) *graph.Value { return loss.DiscretizedLogistic(x, z, x) },
		"FreeBits: free is -1 nats, and must be 0 or more and finite":           func(x, _, _ *graph.Value) *graph.Value { return loss.FreeBits(x, x, -1) },
		"FreeBits: the arguments are f32[2 3] and f32[2 4]":                     func(x, y, _ *graph.Value) *graph.Value { return loss.FreeBits(x, y, 1) },
	} {
		f := graph.NewFunc("loss", true)
		build(f.Input("x", graph.F32, 2, 3), f.Input("y", graph.F32, 2, 4), f.Input("z", graph.F64))
		if len(f.Diags) != 1 || f.Diags[0].Msg != want || !strings.Contains(f.Diags.Error(), "likelihood_test.go:") {
			t.Errorf("want %q at the test's line: %v", want, f.Diags)
		}
	}
}
