package loss

import (
	"fmt"
	"math"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// CrossEntropy is −ln softmax(logits)[label], averaged over each example's positions: logits [batch ... classes], labels
// i64 or i32 [batch ...]. A label below 0, or from the number of classes on, ends the run with an error. [Classes] has weights, label
// smoothing and labels that do not count.
func CrossEntropy(logits, labels *graph.Value) *graph.Value {
	return Classes{}.loss("CrossEntropy", logits, labels, softmax)
}

// CrossEntropyIgnoring is [CrossEntropy] without the positions whose label is ignore, such as the padding of short texts:
// its mean over the batch is that over all positions that count, as with PyTorch's ignore_index, so each position weighs the
// same in whatever example it stands. An example without any is 0, and so is a batch without any.
func CrossEntropyIgnoring(logits, labels *graph.Value, ignore int64) *graph.Value {
	return Classes{Ignore: []int64{ignore}}.loss("CrossEntropyIgnoring", logits, labels, softmax)
}

// NLL is −logProbs[label], of what is ln p already, such as a LogSoftmax; else as [CrossEntropy].
func NLL(logProbs, labels *graph.Value) *graph.Value {
	return Classes{}.loss("NLL", logProbs, labels, identity)
}

// Classes are ways to count classes in [CrossEntropy] and [NLL]. With any of them the mean over the batch is that over all positions that
// count, each weighing what its label weighs, as in PyTorch's cross_entropy and nll_loss.
type Classes struct {
	Weights []float64 // of each class, 0 or more; none weigh 1 each
	// Smooth is the share of a label that all classes have alike, the label's own too: 0.1 is usual (Szegedy et al. 2016, section 7). In
	// it each class weighs its own weight.
	Smooth float64
	Ignore []int64 // labels of positions that do not count, such as those of padding; they need not be classes
}

// CrossEntropy is [CrossEntropy] counted as c says.
func (c Classes) CrossEntropy(logits, labels *graph.Value) *graph.Value {
	return c.loss("CrossEntropy", logits, labels, softmax)
}

// NLL is [NLL] counted as c says.
func (c Classes) NLL(logProbs, labels *graph.Value) *graph.Value {
	return c.loss("NLL", logProbs, labels, identity)
}

func softmax(logits *graph.Value) *graph.Value    { return logits.LogSoftmax(-1) }
func identity(logProbs *graph.Value) *graph.Value { return logProbs }

// loss is that of x, of which logProbs makes ln p.
func (c Classes) loss(name string, x, labels *graph.Value, logProbs func(x *graph.Value) *graph.Value) *graph.Value {
	f, ok := classified(name, x, labels)
	if ok {
		ok = c.check(name, x, labels)
	}
	if !ok {
		return f.Poison()
	}
	if len(c.Ignore) == 0 && c.Weights == nil {
		each := surprise(name, x, labels, logProbs)
		if c.Smooth > 0 {
			each = c.smooth(each, logProbs(x).Sum(-1).Neg(), x)
		}
		return meanPerExample(each)
	}
	labels = labels.Cast(graph.I64)
	zero, one := f.Full(x.DType(), 0), f.Full(x.DType(), 1)
	counted := func(v *graph.Value) *graph.Value { return v }
	class := labels // of a position that counts, else any
	if len(c.Ignore) > 0 {
		ignored := labels.Equal(f.FullInt(graph.I64, c.Ignore[0]))
		for _, label := range c.Ignore[1:] {
			ignored = ignored.Or(labels.Equal(f.FullInt(graph.I64, label)))
		}
		counted = func(v *graph.Value) *graph.Value { return ignored.Where(zero, v) }
		class = ignored.Where(f.FullInt(graph.I64, 0), labels)
	}
	each, all := surprise(name, x, class, logProbs), (*graph.Value)(nil)
	if c.Smooth > 0 {
		all = logProbs(x)
	}
	weight := one
	if c.Weights != nil {
		weights := tensor.New(x.DType(), len(c.Weights))
		for i, w := range c.Weights {
			weights.Set(i, w)
		}
		w := f.Const(weights)
		weight = w.Gather(class, 0)
		each = weight.Greater(zero).Where(each.Mul(weight), zero) // what weighs nothing may be infinite
		if all != nil {
			all = w.Greater(zero).Where(all.Mul(w), zero)
		}
	}
	if all != nil {
		each = c.smooth(each, all.Sum(-1).Neg(), x)
	}
	each = counted(each)
	total := counted(weight).Sum()
	if c.Weights == nil {
		total = total.Max(one)
	} else {
		total = total.Greater(zero).Where(total, one)
	}
	return perExample(each).Mul(each.Size(0).Div(total))
}

// smooth is the share of the label in a loss, and that of all classes.
func (c Classes) smooth(label, all, x *graph.Value) *graph.Value {
	return label.Scale(1 - c.Smooth).Add(all.Scale(c.Smooth / float64(x.Dim(-1))))
}

// check says what is wrong with c for the logits x.
func (c Classes) check(name string, x, labels *graph.Value) bool {
	var msg, hint string
	switch n := int(x.Dim(-1)); {
	case c.Weights != nil && len(c.Weights) != n:
		msg, hint = fmt.Sprintf("there are %d weights for %d classes", len(c.Weights), n), "one for each class, in their order"
	case slices.ContainsFunc(c.Weights, func(w float64) bool { return !(w >= 0) || math.IsInf(w, 0) }):
		msg, hint = fmt.Sprintf("the weights are %v", c.Weights), "a weight is 0 or more and finite"
	case !(c.Smooth >= 0 && c.Smooth < 1):
		msg, hint = fmt.Sprintf("Smooth is %v, and must be from 0 to 1, without 1", c.Smooth), "0.1 is usual, and 0 smooths nothing"
	default:
		return true
	}
	x.Func().Mistake(x.Func().Pos(), name+": "+msg, hint, x, labels)
	return false
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

// surprise is −ln p of the label at each position.
func surprise(name string, x, labels *graph.Value, logProbs func(x *graph.Value) *graph.Value) *graph.Value {
	classes := int(x.Dim(-1))
	hit := labels.InRange(classes, fmt.Sprintf("%s: a label is a class from 0 to %d", name, classes-1)).OneHot(classes, x.DType())
	zero := x.Func().Full(x.DType(), 0)
	return hit.Greater(zero).Where(logProbs(x), zero).Sum(-1).Neg() // not a product: a masked class has −Inf
}
