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

// CrossEntropy is −ln softmax(logits)[label], averaged over each example's positions: logits [batch ... classes], labels
// i64 or i32 [batch ...]. A label below 0, or from the number of classes on, ends the run with an error.
func CrossEntropy(logits, labels *graph.Value) *graph.Value {
	if f, ok := classified("CrossEntropy", logits, labels); !ok {
		return f.Poison()
	}
	return meanPerExample(surprise("CrossEntropy", logits, labels))
}

// CrossEntropyIgnoring is [CrossEntropy] without the positions whose label is ignore, such as the padding of short texts:
// its mean over the batch is that over all positions that count, as with PyTorch's ignore_index, so each position weighs the
// same in whatever example it stands. An example without any is 0, and so is a batch without any.
func CrossEntropyIgnoring(logits, labels *graph.Value, ignore int64) *graph.Value {
	f, ok := classified("CrossEntropyIgnoring", logits, labels)
	if !ok {
		return f.Poison()
	}
	labels = labels.Cast(graph.I64)
	zero, one := f.Full(logits.DType(), 0), f.Full(logits.DType(), 1)
	ignored := labels.Equal(f.FullInt(graph.I64, ignore))
	each := ignored.Where(zero, surprise("CrossEntropyIgnoring", logits, ignored.Where(f.FullInt(graph.I64, 0), labels)))
	count := ignored.Where(zero, one).Sum().Max(one)
	return perExample(each).Mul(each.Size(0).Div(count))
}

// classified checks the arguments of a loss over classes. It returns the Func in which to poison the result.
func classified(name string, logits, labels *graph.Value) (*graph.Func, bool) {
	f, ok := usable(name, logits, labels)
	if !ok {
		return f, false
	}
	var msg, hint string
	n := logits.Rank()
	switch {
	case !logits.DType().Float():
		msg, hint = fmt.Sprintf("the logits are %v", logits.Type), "logits are floats, before a softmax; class numbers are the second argument"
	case n < 2 || !logits.Shape()[:n-1].Equal(labels.Shape()):
		msg, hint = fmt.Sprintf("logits %v and labels %v", logits.Type, labels.Type), "logits have the labels' axes and one more, of classes, at the end"
	case labels.DType() != graph.I64 && labels.DType() != graph.I32:
		msg, hint = fmt.Sprintf("the labels are %v", labels.Type), "labels are class numbers, i64: declare the input so, or .Cast(graph.I64)"
	case logits.Dim(-1).Symbolic():
		msg, hint = fmt.Sprintf("the number of classes is the symbol %v", logits.Dim(-1)), "classes are the last axis, of known size"
	default:
		return f, true
	}
	f.Mistake(f.Pos(), name+": "+msg, hint, logits, labels)
	return f, false
}

// surprise is −ln softmax(logits)[label] at each position.
func surprise(name string, logits, labels *graph.Value) *graph.Value {
	classes := int(logits.Dim(-1))
	hit := labels.InRange(classes, fmt.Sprintf("%s: a label is a class from 0 to %d", name, classes-1)).OneHot(classes, logits.DType())
	zero := logits.Func().Full(logits.DType(), 0)
	return hit.Greater(zero).Where(logits.LogSoftmax(-1), zero).Sum(-1).Neg() // not a product: a masked class has −Inf
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
