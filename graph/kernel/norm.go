package kernel

import "math"

// LayerNorm normalises each row of n elements to mean 0 and variance 1, with eps added to the variance, then scales and
// shifts it by vectors of n elements, if they are there.
func LayerNorm[T Float](c *Context, y, x, scale, bias []T, n int, eps T) {
	normRows(c, len(x), n, func(i, j int) {
		out := y[i:j]
		r := standardize(out, x[i:j], eps)
		switch {
		case scale != nil && bias != nil:
			scale, bias := scale[:len(out)], bias[:len(out)]
			for k, d := range out {
				out[k] = d*r*scale[k] + bias[k]
			}
		case scale != nil:
			scale := scale[:len(out)]
			for k, d := range out {
				out[k] = d * r * scale[k]
			}
		case bias != nil:
			bias := bias[:len(out)]
			for k, d := range out {
				out[k] = d*r + bias[k]
			}
		default:
			Scale(out, out, r)
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
		for k, d := range hat {
			hat[k] = (u[k] - mean - d*along) * r
		}
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
	mean := sum(x) / n
	var s0, s1, s2, s3 T // as in sum
	for len(x) >= 4 && len(d) >= 4 {
		in, out := x[:4:4], d[:4:4]
		d0, d1, d2, d3 := in[0]-mean, in[1]-mean, in[2]-mean, in[3]-mean
		out[0], out[1], out[2], out[3] = d0, d1, d2, d3
		s0 += d0 * d0
		s1 += d1 * d1
		s2 += d2 * d2
		s3 += d3 * d3
		x, d = x[4:], d[4:]
	}
	for k, v := range x {
		d[k] = v - mean
		s0 += d[k] * d[k]
	}
	return 1 / T(math.Sqrt(float64(((s0+s1)+(s2+s3))/n+eps)))
}
