package kernel

// Upsample repeats each row, of w pixels, and each column of images k times: nearest-neighbour interpolation.
func Upsample[T Float](c *Context, y, x []T, w, k int) {
	if len(x) == 0 {
		return
	}
	size := w * k * k // of the rows that come from one
	c.Parallel(len(x)/w, max(1, copyGrain/size), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			out := y[r*size : (r+1)*size]
			first := out[:w*k]
			i := 0
			for _, v := range x[r*w : (r+1)*w] {
				for range k {
					first[i] = v
					i++
				}
			}
			for j := 1; j < k; j++ {
				copy(out[j*w*k:], first)
			}
		}
	})
}

// Taps say what the elements of a resized axis are made of: element i of 1−Part[i] of element Below[i] and Part[i] of Above[i].
type Taps struct {
	Below, Above []int
	Part         []float64
}

// Interpolate resizes the middle axis, of n elements, of x [outer n inner] by taps.
func Interpolate[T Float](c *Context, y, x []T, outer, n, inner int, taps Taps) {
	m := len(taps.Below)
	c.Parallel(outer, max(1, copyGrain/max(1, m*inner)), func(lo, hi int) {
		for o := lo; o < hi; o++ {
			from, to := x[o*n*inner:(o+1)*n*inner], y[o*m*inner:(o+1)*m*inner]
			for i, below := range taps.Below {
				a, b := from[below*inner:], from[taps.Above[i]*inner:]
				part, row := T(taps.Part[i]), to[i*inner:(i+1)*inner]
				if part == 0 {
					copy(row, a)
					continue
				}
				for k := range row {
					row[k] = a[k]*(1-part) + b[k]*part
				}
			}
		}
	})
}
