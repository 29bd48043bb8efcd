package kernel

// CumSum adds up the elements of in along the middle axis, seen as [outer n inner]: each result is the sum of the elements up to its
// place, without its own if it is exclusive, from the end on if it is in reverse.
func CumSum[T Number](c *Context, out, in []T, outer, n, inner int, exclusive, reverse bool) {
	if n == 0 {
		return
	}
	c.Parallel(outer*inner, max(1, reduceGrain/n), func(lo, hi int) {
		for lo < hi { // the lines of one outer index, all of them or some
			from := lo % inner
			to := min(inner, from+hi-lo)
			first, step := lo/inner*n*inner, inner
			if reverse {
				first, step = first+(n-1)*inner, -inner
			}
			cumSum(out, in, first+from, first+to, step, n, exclusive)
			lo += to - from
		}
	})
}

// cumSum adds up lines that begin at the places from lo to hi; their n elements are step apart.
func cumSum[T Number](out, in []T, lo, hi, step, n int, exclusive bool) {
	if exclusive {
		fill(out[lo:hi], 0)
	} else {
		copy(out[lo:hi], in[lo:hi])
	}
	for k := 1; k < n; k++ {
		last := out[lo:hi]
		more := in[lo:hi]
		lo, hi = lo+step, hi+step
		if !exclusive {
			more = in[lo:hi]
		}
		Add(out[lo:hi], last, more)
	}
}
