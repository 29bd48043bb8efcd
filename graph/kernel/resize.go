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
