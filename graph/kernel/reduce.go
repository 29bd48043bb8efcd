package kernel

// reduceGrain is the number of elements worth a goroutine in a reduction.
const reduceGrain = 32 << 10

// A layout is a tensor seen as alternating groups of axes, kept and reduced, each group joined into one axis.
type layout struct {
	dims   []int
	reduce []bool
	stride []int // in elements of the input
}

func newLayout(shape, axes []int) layout {
	var l layout
	drop := make([]bool, len(shape))
	for _, a := range axes {
		drop[a] = true
	}
	for i, d := range shape {
		if n := len(l.dims); d == 1 && n > 0 {
			continue
		} else if n > 0 && l.reduce[n-1] == drop[i] {
			l.dims[n-1] *= d
		} else {
			l.dims, l.reduce = append(l.dims, d), append(l.reduce, drop[i])
		}
	}
	l.stride = make([]int, len(l.dims))
	s := 1
	for i := len(l.dims) - 1; i >= 0; i-- {
		l.stride[i] = s
		s *= l.dims[i]
	}
	return l
}

// reduction is how a reduction starts, folds a stretch to one number, and folds a row into a row of results.
type reduction[T Float] struct {
	init T
	fold func(a []T) T
	into func(out, a []T) // out[i] = out[i] ⊕ a[i]
	join func(a, b T) T
}

// reduce folds the axes of in into out, which has the kept axes in order.
func reduce[T Float](c *Context, r reduction[T], out, in []T, shape, axes []int) {
	l := newLayout(shape, axes)
	for i := range out {
		out[i] = r.init
	}
	if len(in) == 0 {
		return
	}
	last := len(l.dims) - 1
	switch {
	case last < 0:
		out[0] = r.join(r.init, in[0])
	case last == 0 && l.reduce[0]: // everything
		out[0] = r.all(c, in)
	case last == 1 && l.reduce[1]: // rows
		n := l.dims[1]
		c.Parallel(l.dims[0], max(1, reduceGrain/n), func(lo, hi int) {
			for i := lo; i < hi; i++ {
				out[i] = r.fold(in[i*n : (i+1)*n])
			}
		})
	case last == 1 && l.reduce[0]: // columns: whole rows are folded into the row of results
		n := l.dims[1]
		c.Parallel(n, max(64, reduceGrain/l.dims[0]), func(lo, hi int) {
			for i := range l.dims[0] {
				r.into(out[lo:hi], in[i*n+lo:i*n+hi])
			}
		})
	default:
		r.walk(l, 0, out, in, 0, 0, kept(l))
	}
}

// all folds everything, in blocks of fixed size so that the result does not depend on the number of goroutines.
func (r reduction[T]) all(c *Context, in []T) T {
	blocks := (len(in) + reduceGrain - 1) / reduceGrain
	part := make([]T, blocks)
	c.Parallel(blocks, 1, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			part[i] = r.fold(in[i*reduceGrain : min(len(in), (i+1)*reduceGrain)])
		}
	})
	return r.fold(part)
}

// kept is, for each group of axes, the stride of the results along it; 0 along reduced ones.
func kept(l layout) []int {
	out := make([]int, len(l.dims))
	s := 1
	for i := len(l.dims) - 1; i >= 0; i-- {
		if !l.reduce[i] {
			out[i] = s
			s *= l.dims[i]
		}
	}
	return out
}

// walk goes over the groups from the outermost on; the last is folded as a stretch or into a row.
func (r reduction[T]) walk(l layout, group int, out, in []T, o, i int, strides []int) {
	n := l.dims[group]
	if group == len(l.dims)-1 {
		row := in[i : i+n]
		if l.reduce[group] {
			out[o] = r.join(out[o], r.fold(row))
		} else {
			r.into(out[o:o+n], row)
		}
		return
	}
	for k := range n {
		r.walk(l, group+1, out, in, o+k*strides[group], i+k*l.stride[group], strides)
	}
}

// sum adds in eight running sums: faster, and more accurate, than one. They are variables, not an array, to stay in
// registers.
func sum[T Float](a []T) T {
	var s0, s1, s2, s3, s4, s5, s6, s7 T
	for len(a) >= 8 {
		b := a[:8:8]
		s0 += b[0]
		s1 += b[1]
		s2 += b[2]
		s3 += b[3]
		s4 += b[4]
		s5 += b[5]
		s6 += b[6]
		s7 += b[7]
		a = a[8:]
	}
	for _, x := range a {
		s0 += x
	}
	return ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))
}

// dot is Σ a·b in running sums, as sum.
func dot[T Float](a, b []T) T {
	var s0, s1, s2, s3, s4, s5, s6, s7 T
	for len(a) >= 8 && len(b) >= 8 {
		p, q := a[:8:8], b[:8:8]
		s0 += p[0] * q[0]
		s1 += p[1] * q[1]
		s2 += p[2] * q[2]
		s3 += p[3] * q[3]
		s4 += p[4] * q[4]
		s5 += p[5] * q[5]
		s6 += p[6] * q[6]
		s7 += p[7] * q[7]
		a, b = a[8:], b[8:]
	}
	for k, x := range a {
		s0 += x * b[k]
	}
	return ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))
}

func extreme[T Float](pick func(a, b T) T, init T) reduction[T] {
	return reduction[T]{
		init: init,
		fold: func(a []T) T {
			y := init
			for _, x := range a {
				y = pick(y, x)
			}
			return y
		},
		into: func(out, a []T) {
			for i, x := range a {
				out[i] = pick(out[i], x)
			}
		},
		join: pick,
	}
}

// Sum adds the elements of in, of the given shape, along axes (sorted, distinct; none leaves in as it is).
func Sum[T Float](c *Context, out, in []T, shape, axes []int) {
	reduce(c, reduction[T]{
		fold: sum[T],
		into: func(out, a []T) { Add(out, out, a) },
		join: func(a, b T) T { return a + b },
	}, out, in, shape, axes)
}

// Mean averages along axes; over no elements it is NaN.
func Mean[T Float](c *Context, out, in []T, shape, axes []int) {
	Sum(c, out, in, shape, axes)
	n := T(1)
	for _, a := range axes {
		n *= T(shape[a])
	}
	Div(out, out, []T{n})
}

// ReduceMax is the largest element along axes; −Inf over no elements.
func ReduceMax[T Float](c *Context, out, in []T, shape, axes []int) {
	reduce(c, extreme(func(a, b T) T { return max(a, b) }, T(inf(-1))), out, in, shape, axes)
}

// ReduceMin is the smallest element along axes; +Inf over no elements.
func ReduceMin[T Float](c *Context, out, in []T, shape, axes []int) {
	reduce(c, extreme(func(a, b T) T { return min(a, b) }, T(inf(1))), out, in, shape, axes)
}
