// Package loss has the losses of models, as functions over graph values. Each gives one number an example, [batch]: losses
// are added as such, and .Mean() makes the scalar that a training step wants.
package loss

import (
	"fmt"
	"math"

	"github.com/sardonyx-ml/sardonyx/graph"
)

// A mistake belongs to the line that called the package.
var _ = graph.Library()

// perExample sums v over all axes but the first.
func perExample(v *graph.Value) *graph.Value {
	if !v.OK() || v.Rank() < 2 {
		return v
	}
	return v.Sum(rest(v.Rank())...)
}

// meanPerExample averages v over all axes but the first.
func meanPerExample(v *graph.Value) *graph.Value {
	if !v.OK() || v.Rank() < 2 {
		return v
	}
	return v.Mean(rest(v.Rank())...)
}

func rest(rank int) []int {
	out := make([]int, 0, rank-1)
	for i := 1; i < rank; i++ {
		out = append(out, i)
	}
	return out
}

// usable checks that neither of a loss's arguments is nil or poisoned. It returns the Func in which to poison the result.
func usable(name string, a, b *graph.Value) (*graph.Func, bool) {
	if a != nil && b != nil {
		return a.Func(), a.OK() && b.OK()
	}
	for i, v := range []*graph.Value{a, b} {
		if v != nil {
			if v.OK() {
				v.Func().Mistake(v.Func().Pos(), fmt.Sprintf("%s: argument %d is nil", name, 1-i), graph.NilHint, a, b)
			}
			return v.Func(), false
		}
	}
	panic(graph.Mistakef(graph.NilHint, "%s: both arguments are nil", name)) // no Func to report it to
}

// matching checks that a loss's two arguments are floats of one shape and dtype; broadcasting them is nearly always a
// mistake. It returns the Func in which to poison the result.
func matching(name string, a, b *graph.Value) (*graph.Func, bool) {
	f, ok := usable(name, a, b)
	if !ok {
		return f, false
	}
	if a.DType() != b.DType() || !a.DType().Float() || !a.Shape().Equal(b.Shape()) {
		f.Mistake(f.Pos(), fmt.Sprintf("%s: the arguments are %v and %v", name, a.Type, b.Type), "a loss compares element by element: give both one shape, and floats", a, b)
		return f, false
	}
	return f, true
}

// BCEWithLogits is the binary cross-entropy −y·ln σ(x) − (1−y)·ln(1−σ(x)) of targets y in [0, 1] under logits x, summed over
// each example. It is computed as y·softplus(−x) + (1−y)·softplus(x), which neither overflows nor cancels.
func BCEWithLogits(logits, targets *graph.Value) *graph.Value {
	if f, ok := matching("BCEWithLogits", logits, targets); !ok {
		return f.Poison()
	}
	missed, raised := targets.Mul(logits.Neg().Softplus()), targets.Neg().Shift(1).Mul(logits.Softplus())
	return perExample(missed.Add(raised))
}

// KLNormal is the divergence KL(N(μ, σ²) ‖ N(0, 1)) = ½ Σ (μ² + σ² − ln σ² − 1), summed over each example (Kingma and
// Welling 2014, appendix B). logVar is ln σ². No term is negative, and near N(0, 1) none loses its digits.
func KLNormal(mu, logVar *graph.Value) *graph.Value {
	if f, ok := matching("KLNormal", mu, logVar); !ok {
		return f.Poison()
	}
	return perExample(klNormal(mu, logVar))
}

// klNormal is the divergence of each element.
func klNormal(mu, logVar *graph.Value) *graph.Value {
	return mu.Square().Add(logVar.ExpRemainder(2)).Scale(.5)
}

// MSE is the mean squared difference over each example.
func MSE(x, target *graph.Value) *graph.Value {
	if f, ok := matching("MSE", x, target); !ok {
		return f.Poison()
	}
	return meanPerExample(x.Sub(target).Square())
}

// MAE is the mean absolute difference over each example.
func MAE(x, target *graph.Value) *graph.Value {
	if f, ok := matching("MAE", x, target); !ok {
		return f.Poison()
	}
	return meanPerExample(x.Sub(target).Abs())
}

// Huber is ½d² where |d| ≤ delta, else delta·(|d| − ½·delta), for the difference d, averaged over each example (Huber 1964).
func Huber(x, target *graph.Value, delta float64) *graph.Value {
	if f, ok := matching("Huber", x, target); !ok {
		return f.Poison()
	}
	if !(delta > 0) || math.IsInf(delta, 0) {
		x.Func().Mistake(x.Func().Pos(), fmt.Sprintf("Huber: delta is %v, and must be above 0 and finite", delta), "1 is a usual choice", x, target)
		return x.Func().Poison()
	}
	d := x.Sub(target).Abs()
	near := d.Clip(0, delta)
	return meanPerExample(near.Square().Scale(.5).Add(d.Sub(near).Scale(delta)))
}

// GradientPenalty is (‖∇ critic(x̂)‖₂ − 1)² at a random point between each real and fake example, x̂ = ε·real + (1−ε)·fake
// with ε uniform in [0, 1), one an example (Gulrajani et al. 2017, algorithm 1 and eq. 3). real and fake are [batch ...].
func GradientPenalty(critic func(x *graph.Value) *graph.Value, real, fake *graph.Value) *graph.Value {
	if f, ok := matching("GradientPenalty", real, fake); !ok {
		return f.Poison()
	}
	dims := []graph.Dim{real.Dim(0)}
	for range real.Rank() - 1 {
		dims = append(dims, 1)
	}
	e := real.Func().RandomUniform(real.DType(), dims...)
	mix := fake.Add(e.Mul(real.Sub(fake)))
	slope := graph.Grad(critic(mix).Sum(), mix)[0]
	// The square root's gradient at 0 is infinite; a critic flat at a point has slope 0 there.
	norm := perExample(slope.Square()).Shift(1e-12).Sqrt()
	return norm.Shift(-1).Square()
}
