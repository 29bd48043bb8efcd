package kernel

import "slices"

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
		if n := len(l.dims); d == 1 {
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
type reduction[T Number] struct {
	init T
	fold func(a []T) T
	into func(out, a []T) // out[i] = out[i] ⊕ a[i]
	join func(a, b T) T
}

// reduce folds the axes of in into out, which has the kept axes in order.
func reduce[T Number](c *Context, r reduction[T], out, in []T, shape, axes []int) {
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
			r.columns(out, in, l.dims[0], n, lo, hi)
		})
	default: // each goroutine takes a part of the first kept group of axes
		strides := kept(l)
		p := 0
		if l.reduce[0] {
			p = 1
		}
		c.Parallel(l.dims[p], max(1, reduceGrain/(len(in)/l.dims[p])), func(lo, hi int) {
			part := l
			part.dims = slices.Clone(l.dims)
			part.dims[p] = hi - lo
			r.walk(part, 0, out, in, lo*strides[p], lo*l.stride[p], strides)
		})
	}
}

// The rows of columns are folded in blocks, whose results are then folded, since the error of a sum grows with its length.
const (
	columnBlock = 256 // columns at a time, so that their results stay in the cache
	rowBlock    = 128
)

// columns folds the rows of in, [rows n], from column lo to hi.
func (r reduction[T]) columns(out, in []T, rows, n, lo, hi int) {
	if rows <= rowBlock {
		for i := range rows {
			r.into(out[lo:hi], in[i*n+lo:i*n+hi])
		}
		return
	}
	var buf [columnBlock]T
	for ; lo < hi; lo += columnBlock {
		end := min(hi, lo+columnBlock)
		part := buf[:end-lo]
		for i := range rows {
			if row := in[i*n+lo : i*n+end]; i%rowBlock == 0 {
				if i > 0 {
					r.into(out[lo:end], part)
				}
				copy(part, row)
			} else {
				r.into(part, row)
			}
		}
		r.into(out[lo:end], part)
	}
}

// SumBlock is the number of elements whose sum is one of those that a sum of everything adds up.
const SumBlock = 1024

// all folds everything, in blocks of fixed size so that the result does not depend on the number of goroutines.
func (r reduction[T]) all(c *Context, in []T) T {
	blocks := ceilDiv(len(in), SumBlock)
	part := make([]T, blocks)
	c.Parallel(blocks, reduceGrain/SumBlock, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			part[i] = r.fold(in[i*SumBlock : min(len(in), (i+1)*SumBlock)])
		}
	})
	return r.fold(part)
}

// Total is the sum of a as [Sum] makes it of a block, and of the sums of blocks.
func Total[T Number](a []T) T { return sum(a) }

// Most is the largest element of a, as [ReduceMax] finds it.
func Most[T Number](a []T) T { return maxOf(a) }

// A Reduction is how a sum over some axes comes about from rows and blocks: see the constants.
type Reduction struct {
	Kind          ReductionKind
	Rows, Row, Of int // rows of Row elements; Of is how many results there are
}

// A ReductionKind says which elements a sum adds up first, and what it adds up then.
type ReductionKind int

const (
	Everything ReductionKind = iota // blocks of SumBlock elements, then these
	ByRow                           // each row, and of those of one result, in order, these, from 0 on: result i is of the rows i, i+Of, ...
	ByColumn                        // RowBlock rows, element by element, then these, from 0 on
)

// RowBlock is how many rows a sum by columns adds up by themselves.
const RowBlock = rowBlock

// ReductionOf is how a sum of the given shape over axes, the first, the last or both, comes about.
func ReductionOf(shape, axes []int) Reduction {
	l := newLayout(shape, axes)
	n := elements(shape)
	switch last := len(l.dims) - 1; {
	case last < 0 || last == 0 && l.reduce[0]:
		return Reduction{Everything, 1, n, 1}
	case !l.reduce[last]:
		row := l.dims[last]
		return Reduction{ByColumn, n / max(row, 1), row, row}
	case last == 1: // of rows
		return Reduction{ByRow, l.dims[0], l.dims[1], l.dims[0]}
	default:
		return Reduction{ByRow, l.dims[0] * l.dims[1], l.dims[2], l.dims[1]}
	}
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

// walk goes over the groups from the outermost on; the last is folded as a stretch or, with the one before, as columns.
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
	if group == len(l.dims)-2 && l.reduce[group] {
		width := l.dims[group+1]
		r.columns(out[o:o+width], in[i:i+n*width], n, width, 0, width)
		return
	}
	for k := range n {
		r.walk(l, group+1, out, in, o+k*strides[group], i+k*l.stride[group], strides)
	}
}

// sumBlock is the number of elements that are added one after another; longer sums are sums of halves, whose error grows
// with the logarithm of the length.
const sumBlock = 4096

// sum adds in eight running sums: faster, and more accurate, than one. They are variables, not an array, to stay in
// registers.
func sum[T Number](a []T) T {
	if len(a) > sumBlock {
		half := len(a) / 2
		return sum(a[:half]) + sum(a[half:])
	}
	total, a, _ := vectorSum(loops.sum, a, a)
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
	total += ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))
	for _, x := range a {
		total += x
	}
	return total
}

// dot is Σ a·b in running sums, as sum.
func dot[T Float](a, b []T) T {
	total, a, b := vectorSum(loops.dot, a, b)
	var s0, s1, s2, s3, s4, s5, s6, s7 T
	for len(a) >= 8 && len(b) >= 8 {
		p, q := a[:8:8], b[:8:8]
		s0 += T(p[0] * q[0])
		s1 += T(p[1] * q[1])
		s2 += T(p[2] * q[2])
		s3 += T(p[3] * q[3])
		s4 += T(p[4] * q[4])
		s5 += T(p[5] * q[5])
		s6 += T(p[6] * q[6])
		s7 += T(p[7] * q[7])
		a, b = a[8:], b[8:]
	}
	total += ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))
	for k, x := range a {
		total += T(x * b[k])
	}
	return total
}

// maxOf is the largest element, [Lowest] of none, NaN if any is. It keeps four candidates, since each waits for the one before.
func maxOf[T Number](a []T) T {
	low := Lowest[T]()
	if x, ok := any(a).([]float32); ok && loops.max != nil && len(x) >= vectorWidth {
		n := len(x) &^ (vectorWidth - 1)
		if most, ok := loops.max(&x[0], n); ok && most != 0 { // of zeros the positive one is larger, which the loop does not know
			low, a = T(most), a[n:]
		}
	}
	m0, m1, m2, m3 := low, low, low, low
	for len(a) >= 4 {
		b := a[:4:4]
		m0 = max(m0, b[0])
		m1 = max(m1, b[1])
		m2 = max(m2, b[2])
		m3 = max(m3, b[3])
		a = a[4:]
	}
	for _, x := range a {
		m0 = max(m0, x)
	}
	return max(max(m0, m1), max(m2, m3))
}

// minOf is the smallest element, as maxOf.
func minOf[T Number](a []T) T {
	high := Highest[T]()
	m0, m1, m2, m3 := high, high, high, high
	for len(a) >= 4 {
		b := a[:4:4]
		m0 = min(m0, b[0])
		m1 = min(m1, b[1])
		m2 = min(m2, b[2])
		m3 = min(m3, b[3])
		a = a[4:]
	}
	for _, x := range a {
		m0 = min(m0, x)
	}
	return min(min(m0, m1), min(m2, m3))
}

// Sum adds the elements of in, of the given shape, along axes (sorted, distinct; none leaves in as it is).
func Sum[T Number](c *Context, out, in []T, shape, axes []int) {
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

// ReduceMax is the largest element along axes; [Lowest] over no elements.
func ReduceMax[T Number](c *Context, out, in []T, shape, axes []int) {
	reduce(c, reduction[T]{
		init: Lowest[T](),
		fold: maxOf[T],
		into: func(out, a []T) { Max(out, out, a) },
		join: func(a, b T) T { return max(a, b) },
	}, out, in, shape, axes)
}

// ReduceMin is the smallest element along axes; [Highest] over no elements.
func ReduceMin[T Number](c *Context, out, in []T, shape, axes []int) {
	reduce(c, reduction[T]{
		init: Highest[T](),
		fold: minOf[T],
		into: func(out, a []T) { Min(out, out, a) },
		join: func(a, b T) T { return min(a, b) },
	}, out, in, shape, axes)
}

// Prod multiplies the elements along axes; over no elements it is 1.
func Prod[T Number](c *Context, out, in []T, shape, axes []int) {
	reduce(c, reduction[T]{
		init: 1,
		fold: prod[T],
		into: func(out, a []T) { Mul(out, out, a) },
		join: func(a, b T) T { return a * b },
	}, out, in, shape, axes)
}

// prod multiplies in four running products, since each waits for the one before.
func prod[T Number](a []T) T {
	p0, p1, p2, p3 := T(1), T(1), T(1), T(1)
	for len(a) >= 4 {
		b := a[:4:4]
		p0 *= b[0]
		p1 *= b[1]
		p2 *= b[2]
		p3 *= b[3]
		a = a[4:]
	}
	for _, x := range a {
		p0 *= x
	}
	return (p0 * p1) * (p2 * p3)
}
