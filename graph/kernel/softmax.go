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
		Shift(y, x, -top-T(math.Log(float64(sum(y)))))
	})
}

// softmax calls row for each line along the middle axis, with its largest element; strided lines are gathered first.
func softmax[T Float](c *Context, out, in []T, outer, n, inner int, row func(y, x []T, top T)) {
	if n == 0 {
		return
	}
	c.Parallel(outer*inner, max(1, reduceGrain/(8*n)), func(lo, hi int) {
		var x, y []T
		if inner > 1 {
			x, y = make([]T, n), make([]T, n)
		}
		for i := lo; i < hi; i++ {
			at := i/inner*n*inner + i%inner
			if inner == 1 {
				x, y = in[at:at+n], out[at:at+n]
			} else {
				for k := range x {
					x[k] = in[at+k*inner]
				}
			}
			top := x[0]
			for _, v := range x {
				top = max(top, v)
			}
			row(y, x, top)
			if inner > 1 {
				for k, v := range y {
					out[at+k*inner] = v
				}
			}
		}
	})
}
