package kernel

import "math"

// LayerNorm normalises each row of n elements to mean 0 and variance 1, with eps added to the variance, then scales and
// shifts it by vectors of n elements, if they are there.
func LayerNorm[T Float](c *Context, y, x, scale, bias []T, n int, eps T) {
	if n > 0 {
		Cut(c, len(x)/n, normGrain(n), normalRows[T]{y, x, scale, bias, n, eps})
	}
}

// normalRows is the task of LayerNorm.
type normalRows[T Float] struct {
	y, x, scale, bias []T
	n                 int
	eps               T
}

func (r *normalRows[T]) Part(_ *Context, lo, hi int) {
	for i := lo * r.n; i < hi*r.n; i += r.n {
		out := r.y[i : i+r.n]
		Scale(out, out, standardize(out, r.x[i:i+r.n], r.eps))
		if r.scale != nil {
			Mul(out, out, r.scale)
		}
		if r.bias != nil {
			Add(out, out, r.bias)
		}
	}
}

// LayerNormGrad is the adjoint of LayerNorm, without scale and bias, at x: for each row (u − mean u − x̂·mean(u·x̂))/σ, where x̂
// is the normalised row and 1/σ what it was multiplied by.
func LayerNormGrad[T Float](c *Context, out, x, u []T, n int, eps T) {
	if n > 0 {
		Cut(c, len(x)/n, normGrain(n), normalRowsBack[T]{out, x, u, n, eps})
	}
}

// normalRowsBack is the task of LayerNormGrad.
type normalRowsBack[T Float] struct {
	out, x, u []T
	n         int
	eps       T
}

func (r *normalRowsBack[T]) Part(_ *Context, lo, hi int) {
	n := r.n
	for i := lo * n; i < hi*n; i += n {
		hat, u := r.out[i:i+n], r.u[i:i+n]
		by := standardize(hat, r.x[i:i+n], r.eps)
		mean := sum(u) / T(n)
		along := by * by * dot(u, hat) / T(n)
		Scale(hat, hat, along)
		Sub(hat, u, hat)
		Shift(hat, hat, -mean)
		Scale(hat, hat, by)
	}
}

// normGrain is the number of rows of n elements worth a goroutine.
func normGrain(n int) int { return max(1, reduceGrain/(2*n)) }

// standardize writes x less its mean to d, and returns what it must be multiplied by to have variance 1.
func standardize[T Float](d, x []T, eps T) T {
	n := T(len(x))
	Shift(d, x, -(sum(x) / n))
	return 1 / T(math.Sqrt(float64(dot(d, d)/n+eps)))
}
