// Package bayes is naive Bayes as a generative model, p(x) = Π p(x_k): each feature has a distribution of its own and knows nothing of
// the others (Foster 2019, "Generative Deep Learning", chapter 1). It is fitted in closed form, by counting.
//
// Features that each say something, such as the columns of a table ([Model]), it draws well. Of pixels ([PixelModel]) it draws noise.
package bayes

import (
	"slices"

	"github.com/sardonyx-ml/sardonyx/compiler/initializer"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// NaiveBayes is p(x) of features x_k that are whole numbers from 0 to d_k-1. Its state is n_kl, how often feature k had the value l;
// before it is fitted, all values are as probable.
type NaiveBayes struct {
	Values    []int64 // d_k, each 1 or more
	Smoothing float64 // a, added to each count: 0 is maximum likelihood, 1 Laplace's rule
	nn.Layer
}

// weights are n_kl + a, f32[features values], 0 where feature k has no value l, and sizes d_k, i64[features].
func (m *NaiveBayes) weights(f *graph.Func) (weights, sizes *graph.Value) {
	sizes = f.Const(tensor.Of(m.Values, len(m.Values)))
	n := m.Buffer(sizes, "counts", initializer.Ones{}, sizes.Dim(0), graph.Dim(slices.Max(m.Values)))
	return f.Arange(n.Dim(1)).Less(sizes.Unsqueeze(1)).Where(n.Shift(m.Smoothing), n.Scalar(0)), sizes
}

// LogProbs are ln p(x_k) = ln (n_kl + a)/(N + a·d_k) of each feature, f64[batch features], for x i64[batch features]; ln p(x) is their
// sum.
func (m *NaiveBayes) LogProbs(x *graph.Value) *graph.Value {
	w, d := m.weights(x.Func())
	x = x.Assert(x.GreaterEqual(x.Scalar(0)).And(x.Less(d)), "naive Bayes: a feature is a whole number from 0 to the number of its values, less one")
	p := w.Cast(graph.F64).Div(w.Cast(graph.F64).SumKeep(1))
	first := x.Func().Arange(d.Dim(0)).Mul(x.Scalar(float64(p.Dim(1)))) // of each feature, in a flat table
	return p.Reshape(-1).Gather(x.Add(first), 0).Log()
}

// Draw gives x ~ p(x), i64[batch features], for u uniform in [0, 1) of that shape: x_k is the number of values that have all of their
// probability below u_k.
func (m *NaiveBayes) Draw(u *graph.Value) *graph.Value {
	w, d := m.weights(u.Func())
	below := w.MatMul(u.Func().Causal(w.Dim(1)).T().Cast(graph.F32)) // Σ of the weights up to each value's
	// Sums are rounded, so that all values may be below u_k.
	return u.Unsqueeze(2).Mul(w.SumKeep(1)).GreaterEqual(below).Cast(graph.F32).Sum(2).Cast(graph.I64).Min(d.Sub(d.Scalar(1)))
}

// MeanLogProbs are the means of ln p(x_k), f64[batch features], over x that are v, f32[batch features], rounded by chance: up to the
// next whole number with the probability of v's fraction, else down.
func (m *NaiveBayes) MeanLogProbs(v *graph.Value) *graph.Value {
	down, part := v.Floor().Cast(graph.I64), v.Sub(v.Floor()).Cast(graph.F64)
	between := part.Greater(part.Scalar(0))
	above := between.Where(m.LogProbs(down.Add(between.Cast(graph.I64))).Mul(part), part) // 0·ln 0 is none
	return m.LogProbs(down).Mul(part.Neg().Shift(1)).Add(above)
}
