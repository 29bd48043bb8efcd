package kernel

import "math"

// LayerNorm normalises each row of n elements to mean 0 and variance 1, with eps added to the variance, then scales and
// shifts it by vectors of n elements, if they are there.
func LayerNorm[T Float](c *Context, y, x, scale, bias []T, n int, eps T) {
	normRows(c, len(x), n, func(i, j int) {
		out := y[i:j]
		Scale(out, out, standardize(out, x[i:j], eps))
		if scale != nil {
			Mul(out, out, scale)
		}
		if bias != nil {
			Add(out, out, bias)
		}
	})
}

// LayerNormGrad is the adjoint of LayerNorm, without scale and bias, at x: for each row (u − mean u − x̂·mean(u·x̂))/σ, where x̂
// is the normalised row and 1/σ what it was multiplied by.
func LayerNormGrad[T Float](c *Context, out, x, u []T, n int, eps T) {
	normRows(c, len(x), n, func(i, j int) {
		hat, u := out[i:j], u[i:j]
		r := standardize(hat, x[i:j], eps)
		mean := sum(u) / T(n)
		along := r * r * dot(u, hat) / T(n)
		Scale(hat, hat, along)
		Sub(hat, u, hat)
		Shift(hat, hat, -mean)
		Scale(hat, hat, r)
	})
}

// normRows calls do for each row of n of size elements, which is from i to j.
func normRows(c *Context, size, n int, do func(i, j int)) {
	if n == 0 {
		return
	}
	c.Parallel(size/n, max(1, reduceGrain/(2*n)), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			do(i*n, (i+1)*n)
		}
	})
}

// standardize writes x less its mean to d, and returns what it must be multiplied by to have variance 1.
func standardize[T Float](d, x []T, eps T) T {
	n := T(len(x))
	Shift(d, x, -(sum(x) / n))
	return 1 / T(math.Sqrt(float64(dot(d, d)/n+eps)))
}
