package loss_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler/loss"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestAdversarial compares the losses of critics and generators, over n judgements an example and over one, with the equations
// of their papers, and their gradients with central differences of those.
func TestAdversarial(t *testing.T) {
	d := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) } // of a logit
	const s = .1
	for _, c := range []struct {
		name      string
		loss      loss.Adversarial
		critic    func(real, fake float64) float64
		generator func(fake float64) float64
	}{
		{"GAN", loss.GAN{}, func(r, f float64) float64 { return -math.Log(d(r)) - math.Log(1-d(f)) }, func(f float64) float64 { return -math.Log(d(f)) }},
		{"saturating GAN", loss.GAN{Saturating: true, Smooth: s}, func(r, f float64) float64 {
			return -(1-s)*math.Log(d(r)) - s*math.Log(1-d(r)) - math.Log(1-d(f))
		}, func(f float64) float64 { return math.Log(1 - d(f)) }},
		{"LeastSquares", loss.LeastSquares{}, func(r, f float64) float64 { return (r-1)*(r-1)/2 + f*f/2 }, func(f float64) float64 { return (f - 1) * (f - 1) / 2 }},
		{"smooth LeastSquares", loss.LeastSquares{Smooth: s}, func(r, f float64) float64 { return (r-1+s)*(r-1+s)/2 + f*f/2 }, func(f float64) float64 { return (f - 1) * (f - 1) / 2 }},
		{"Wasserstein", loss.Wasserstein{}, func(r, f float64) float64 { return f - r }, func(f float64) float64 { return -f }},
		{"Hinge", loss.Hinge{}, func(r, f float64) float64 { return max(0, 1-r) + max(0, 1+f) }, func(f float64) float64 { return -f }},
	} {
		for _, shape := range [][]int{{batch}, {batch, 1}, {batch, n}} {
			r := rand.New(rand.NewPCG(1, 2))
			real, fake := normal(r, shape...), normal(r, shape...)
			each := real.Len() / batch
			mean := func(term func(k int) float64) func(i int) float64 {
				return func(i int) float64 {
					sum := 0.0
					for k := i * each; k < (i+1)*each; k++ {
						sum += term(k) / float64(each)
					}
					return sum
				}
			}
			slope := func(f func(x float64) float64, x float64) float64 {
				return (f(x+1e-6) - f(x-1e-6)) / 2e-6 / float64(each)
			}
			in := func() map[string]*tensor.Tensor { return map[string]*tensor.Tensor{"real": real, "fake": fake} }
			got := evaluate(t, in(), func(_ *graph.Func, v map[string]*graph.Value) *graph.Value {
				return c.loss.Critic(v["real"], v["fake"])
			})
			compare(t, c.name+"'s critic", got, mean(func(k int) float64 { return c.critic(real.At(k), fake.At(k)) }))
			got = evaluate(t, in(), func(_ *graph.Func, v map[string]*graph.Value) *graph.Value { return c.loss.Generator(v["fake"]) })
			compare(t, c.name+"'s generator", got, mean(func(k int) float64 { return c.generator(fake.At(k)) }))
			for name, want := range map[string]func(k int) float64{
				"real": func(k int) float64 {
					return slope(func(x float64) float64 { return c.critic(x, fake.At(k)) }, real.At(k))
				},
				"fake": func(k int) float64 {
					return slope(func(x float64) float64 { return c.critic(real.At(k), x) }, fake.At(k))
				},
			} {
				got = evaluate(t, in(), func(_ *graph.Func, v map[string]*graph.Value) *graph.Value {
					return graph.Grad(c.loss.Critic(v["real"], v["fake"]).Sum(), v[name])[0]
				})
				for k, g := range got {
					if w := want(k); math.Abs(g-w) > 1e-6 {
						t.Errorf("%s: the gradient for %s, element %d, is %v, want %v", c.name, name, k, g, w)
					}
				}
			}
		}
	}
}

// TestSureCritic checks that a critic that is sure costs no NaN, and a wrong one what its logit says.
func TestSureCritic(t *testing.T) {
	in := map[string]*tensor.Tensor{"real": tensor.Of([]float64{2000, -2000}, 2), "fake": tensor.Of([]float64{-2000, 2000}, 2)}
	got := evaluate(t, in, func(_ *graph.Func, v map[string]*graph.Value) *graph.Value {
		return loss.GAN{}.Critic(v["real"], v["fake"])
	})
	if got[0] != 0 || got[1] != 4000 {
		t.Errorf("%v, want [0 4000]", got)
	}
}

// TestR1 takes a linear critic, whose squared slope is known.
func TestR1(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	w := normal(r, n, 1)
	got := evaluate(t, map[string]*tensor.Tensor{"x": normal(r, batch, n), "w": w}, func(_ *graph.Func, v map[string]*graph.Value) *graph.Value {
		return loss.R1(func(x *graph.Value) *graph.Value { return x.MatMul(v["w"]) }, v["x"])
	})
	compare(t, "R1", got, func(int) float64 {
		sum := 0.0
		for i := range n {
			sum += w.At(i) * w.At(i)
		}
		return sum
	})
}
