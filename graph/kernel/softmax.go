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
		log := T(math.Log1p(float64(sumOfOthers(y))))
		for i, v := range x[:len(y)] {
			y[i] = v - top - log // not v − (top + log): a large top would swallow the digits of log
		}
	})
}

// sumOfOthers is the sum of y but for the first 1, the largest element's, whose logarithm is 0: next to it a sum would lose
// the digits of the others. It spoils y.
func sumOfOthers[T Float](y []T) T {
	for i, v := range y {
		if v == 1 {
			y[i] = 0
			break
		}
	}
	return sum(y)
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
