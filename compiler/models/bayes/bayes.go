// Package bayes is naive Bayes as a generative model, p(x) = Π p(x_k): each feature has a distribution of its own and knows nothing of
// the others (Foster 2019, "Generative Deep Learning", chapter 1). It is fitted in closed form, by counting.
//
// Features that each say something, such as the columns of a table ([Model]), it draws well. Of pixels ([PixelModel]) it draws noise.
package bayes

import (
	"fmt"
	"slices"

	"github.com/sardonyx-ml/sardonyx/compiler/initializer"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// NaiveBayes is p(x) of features x_k that are whole numbers from 0 to d_k-1. Its state is n_kl, how often feature k had the value l.
type NaiveBayes struct {
	values    []int   // d_k
	smoothing float64 // a, added to each count: 0 is maximum likelihood, 1 Laplace's rule
	nn.Layer
}

// New returns a model of features with so many values each, at least one. Before it is fitted, all values are as probable.
func New(smoothing float64, values ...int) *NaiveBayes {
	return &NaiveBayes{values: values, smoothing: smoothing}
}

// weights are n_kl + a, [features values], and 0 where feature k has no value l; totals are their sums N + a·d_k, [features 1].
func (m *NaiveBayes) weights(d *graph.Value) (weights, totals *graph.Value) {
	most := graph.Dim(slices.Max(m.values))
	counts := m.Buffer(d, "counts", initializer.Ones{}, d.Dim(0), most)
	weights = d.Func().Arange(most).Less(d.Unsqueeze(1)).Where(counts.Shift(m.smoothing), counts.Scalar(0))
	return weights, weights.SumKeep(1)
}

// logProbs are ln p(x_k) = ln (n_kl + a)/(N + a·d_k) of each feature, f64[batch features], for x i64[batch features].
func (m *NaiveBayes) logProbs(x *graph.Value) *graph.Value {
	d := m.sizes(x.Func())
	x = x.Assert(x.GreaterEqual(x.Scalar(0)).And(x.Less(d)), "naive Bayes: a feature is a whole number from 0 to the number of its values, less one")
	weights, totals := m.weights(d)
	first := x.Func().Arange(d.Dim(0)).Mul(x.Scalar(float64(weights.Dim(1)))) // of each feature, in a flat table
	return weights.Cast(graph.F64).Div(totals.Cast(graph.F64)).Reshape(-1).Gather(x.Add(first), 0).Log()
}

// LogProb is ln p(x) = Σ ln p(x_k), f64[batch], for x i64[batch features].
func (m *NaiveBayes) LogProb(x *graph.Value) *graph.Value {
	return m.Run(m, x, func() *graph.Value { return m.logProbs(x).Sum(1) })
}

// MeanLogProb is the mean of ln p(x), f64[batch], over x that are v, f32[batch features], rounded by chance: up to the next whole number
// with the probability of v's fraction, else down.
func (m *NaiveBayes) MeanLogProb(v *graph.Value) *graph.Value {
	return m.Run(m, v, func() *graph.Value {
		down := v.Floor()
		up, part := down.Cast(graph.I64), v.Sub(down).Cast(graph.F64)
		up = up.Add(part.Greater(part.Scalar(0)).Cast(graph.I64))
		above := part.Greater(part.Scalar(0)).Where(m.logProbs(up).Mul(part), part) // 0·ln 0 is none
		return m.logProbs(down.Cast(graph.I64)).Mul(part.Neg().Shift(1)).Add(above).Sum(1)
	})
}

// Draw gives x ~ p(x), i64[batch features], for u uniform in [0, 1) of that shape: x_k is the number of values that have all of their
// probability below u_k.
func (m *NaiveBayes) Draw(u *graph.Value) *graph.Value {
	return m.Run(m, u, func() *graph.Value {
		d := m.sizes(u.Func())
		weights, totals := m.weights(d)
		below := weights.MatMul(u.Func().Causal(weights.Dim(1)).T().Cast(graph.F32)) // Σ of the weights up to each value's
		x := u.Unsqueeze(2).Mul(totals).GreaterEqual(below).Cast(graph.F32).Sum(2).Cast(graph.I64)
		return x.Min(d.Sub(d.Scalar(1))) // sums are rounded
	})
}

// sizes are d_k, i64[features].
func (m *NaiveBayes) sizes(f *graph.Func) *graph.Value {
	d := tensor.New(tensor.I64, len(m.values))
	for k, n := range m.values {
		d.SetInt(k, int64(n))
	}
	return f.Const(d)
}

// check refuses what no model can be.
func (m *NaiveBayes) check() error {
	if !(m.smoothing >= 0) {
		return fmt.Errorf("setting smoothing is %v, want 0 or more", m.smoothing)
	}
	return nil
}
