package kernel

import "math"

// LayerNorm normalises each row of n elements to mean 0 and variance 1, with eps added to the variance, then scales and
// shifts it by vectors of n elements, if they are there.
func LayerNorm[T Float](c *Context, y, x, scale, bias []T, n int, eps T) {
	if n == 0 {
		return
	}
	c.Parallel(len(x)/n, max(1, reduceGrain/n), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			in, out := x[i*n:(i+1)*n], y[i*n:(i+1)*n]
			mean := sum(in) / T(n)
			Shift(out, in, -mean)
			var square T
			for _, d := range out {
				square += d * d
			}
			Scale(out, out, 1/T(math.Sqrt(float64(square/T(n)+eps))))
			if scale != nil {
				Mul(out, out, scale)
			}
			if bias != nil {
				Add(out, out, bias)
			}
		}
	})
}

// BatchNorm maps each channel of x, [outer channels inner], by its own mean, variance, scale and bias.
func BatchNorm[T Float](c *Context, y, x, scale, bias, mean, variance []T, inner int, eps T) {
	channels := len(mean)
	if channels == 0 || inner == 0 {
		return
	}
	c.Parallel(len(x)/inner, max(1, reduceGrain/inner), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			k := i % channels
			a := scale[k] / T(math.Sqrt(float64(variance[k]+eps)))
			b := bias[k] - a*mean[k]
			out := y[i*inner : (i+1)*inner]
			for j, v := range x[i*inner : (i+1)*inner] {
				out[j] = a*v + b
			}
		}
	})
}
