package kernel

import "math"

// Softmax is e^x / Σ e^x along the middle axis of in, seen as [outer n inner].
func Softmax[T Float](c *Context, out, in []T, outer, n, inner int) {
	softmax(c, out, in, outer, n, inner, func(y, x []T, top T) {
		Shift(y, x, -top)
		Exp(y, y)
		Scale(y, y, 1/sum(y))
	})
}

// LogSoftmax is x − ln Σ e^x along the middle axis of in, seen as [outer n inner].
func LogSoftmax[T Float](c *Context, out, in []T, outer, n, inner int) {
	softmax(c, out, in, outer, n, inner, func(y, x []T, top T) {
		Shift(y, x, -top)
		Exp(y, y)
		log := logOfSum(y)
		for i, v := range x[:len(y)] {
			y[i] = v - top - log // not v − (top + log): a large top would swallow the digits of log
		}
	})
}

// logOfSum is the logarithm of the sum of y, of which the largest element is 1. The first 1 is left out and added by the logarithm: next to
// it a sum would lose the digits of the others. It spoils y.
func logOfSum[T Float](y []T) T {
	for i, v := range y {
		if v == 1 {
			y[i] = 0
			break
		}
	}
	return T(math.Log1p(float64(sum(y))))
}

// softmaxLines is the number of strided lines that are gathered together, since they share cache lines.
const softmaxLines = 16

// softmax calls row for each line along the middle axis, with its largest element; strided lines are gathered first.
func softmax[T Float](c *Context, out, in []T, outer, n, inner int, row func(y, x []T, top T)) {
	if n == 0 {
		return
	}
	c.Parallel(outer*inner, max(1, reduceGrain/(8*n)), func(lo, hi int) {
		if inner == 1 {
			for i := lo; i < hi; i++ {
				x := in[i*n : (i+1)*n]
				row(out[i*n:(i+1)*n], x, maxOf(x))
			}
			return
		}
		lines := min(softmaxLines, inner, hi-lo)
		x, y := make([]T, lines*n), make([]T, n)
		for i := lo; i < hi; {
			count := min(lines, inner-i%inner, hi-i)
			at := i/inner*n*inner + i%inner
			for k := range n {
				for j, v := range in[at+k*inner:][:count] {
					x[j*n+k] = v
				}
			}
			for j := range count {
				line := x[j*n : (j+1)*n]
				row(y, line, maxOf(line))
				copy(line, y)
			}
			for k := range n {
				to := out[at+k*inner:][:count]
				for j := range to {
					to[j] = x[j*n+k]
				}
			}
			i += count
		}
	})
}

// LogSoftmaxAt is LogSoftmax of each row of in, of n elements, at the place that class says, where one below 0 counts from the end; 0 where
// it is outside. top and log are what is subtracted from a row: its largest element, and the logarithm of the sum.
func LogSoftmaxAt[T Float](c *Context, out, top, log, in []T, class []int64, n int) {
	c.Parallel(len(out), max(1, reduceGrain/(8*n)), func(lo, hi int) {
		y := make([]T, n)
		for i := lo; i < hi; i++ {
			x := in[i*n : (i+1)*n]
			top[i] = maxOf(x)
			Shift(y, x, -top[i])
			Exp(y, y)
			log[i] = logOfSum(y)
			out[i] = 0
			if k, err := position(class[i], n, i); err == nil {
				out[i] += x[k] - top[i] - log[i]
			}
		}
	})
}

// LogSoftmaxAtGrad is the gradient of LogSoftmaxAt for in, from the gradient g of its first result.
func LogSoftmaxAtGrad[T Float](c *Context, out, in []T, class []int64, top, log, g []T, n int) {
	c.Parallel(len(g), max(1, reduceGrain/(8*n)), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			k, err := position(class[i], n, i)
			hit := err == nil
			var total T // of the gradient of the row's LogSoftmax, which is g at one place and 0 elsewhere
			if hit {
				total += g[i]
			}
			for from := 0; from < n; from += SumBlock {
				to := min(from+SumBlock, n)
				y := out[i*n+from : i*n+to]
				Shift(y, in[i*n+from:i*n+to], -top[i])
				Shift(y, y, -log[i])
				Exp(y, y)
				Scale(y, y, total)
				var own T
				if hit && from <= k && k < to {
					own = g[i] - y[k-from]
				}
				Sub(y, []T{0}, y)
				if hit && from <= k && k < to {
					y[k-from] = own
				}
			}
		}
	})
}
