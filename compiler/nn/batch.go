package nn

import "github.com/sardonyx-ml/sardonyx/graph"

// Given is x with a condition y [batch n] beside it, as what goes into the networks of p(x|y) (Mirza and Osindero 2014, figure 1): to x
// [batch m] as further numbers, and to maps x [batch channels height width] as further channels, each the same all over. Without a
// condition, if y is nil, it is x.
func Given(x, y *graph.Value) *graph.Value {
	if y == nil {
		return x
	}
	if x != nil && y.OK() && x.OK() && x.Rank() == 4 {
		y = y.Reshape(y.Dim(0), y.Dim(1), 1, 1).Expand(y.Dim(0), y.Dim(1), x.Dim(2), x.Dim(3))
	}
	return graph.Join(1, x, y)
}

// RepeatEach has each example of x [batch ...] n times in a row, [batch·n ...]. Of nil, the condition of a model without one, it is nil.
func RepeatEach(x *graph.Value, n graph.Dim) *graph.Value {
	if x == nil || !x.OK() {
		return x
	}
	rest := x.Shape()[1:]
	return x.Unsqueeze(1).Expand(append([]graph.Dim{x.Dim(0), n}, rest...)...).Reshape(append([]graph.Dim{-1}, rest...)...)
}

// Reparameterise is z = μ + σ·ε for noise ε, drawn from N(μ, σ²) so that the gradient reaches both (Kingma and Welling 2014, section
// 2.4). logVar is ln σ².
func Reparameterise(mu, logVar, noise *graph.Value) *graph.Value {
	return mu.Add(logVar.Scale(.5).Exp().Mul(noise))
}
