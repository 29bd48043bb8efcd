package kernel

import "slices"

// reduceGrain is the number of elements worth a goroutine in a reduction.
const reduceGrain = 32 << 10

// A layout is a tensor seen as alternating groups of axes, kept and reduced, each group joined into one axis.
type layout struct {
	dims   []int
	reduce []bool
	stride []int // in elements of the input
	kept   []int // in elements of the results; 0 along reduced groups

	few       [3][fewAxes]int
	fewReduce [fewAxes]bool
}

// set makes l the layout of a reduction.
func (l *layout) set(shape, axes []int) {
	l.dims, l.stride, l.kept, l.reduce = l.few[0][:0], l.few[1][:0], l.few[2][:0], l.fewReduce[:0]
	for i, d := range shape {
		drop := slices.Contains(axes, i)
		if n := len(l.dims); d == 1 {
			continue
		} else if n > 0 && l.reduce[n-1] == drop {
			l.dims[n-1] *= d
		} else {
			l.dims, l.reduce = append(l.dims, d), append(l.reduce, drop)
		}
	}
	l.stride, l.kept = append(l.stride, l.dims...), append(l.kept, l.dims...)
	stride, kept := 1, 1
	for i := len(l.dims) - 1; i >= 0; i-- {
		l.stride[i] = stride
		stride *= l.dims[i]
		if l.reduce[i] {
			l.kept[i] = 0
		} else {
			l.kept[i] = kept
			kept *= l.dims[i]
		}
	}
}

// A reduction folds elements to one.
type reduction[T Number] int

const (
	adding = iota
	multiplying
	takingMax
	takingMin
)

// init is what no element is folded to.
func (r reduction[T]) init() T {
	switch r {
	case multiplying:
		return 1
	case takingMax:
		return Lowest[T]()
	case takingMin:
		return Highest[T]()
	}
	return 0
}

// fold is what the stretch a is folded to.
func (r reduction[T]) fold(a []T) T {
	switch r {
	case multiplying:
		return prod(a)
	case takingMax:
		return maxOf(a)
	case takingMin:
		return minOf(a)
	}
	return sum(a)
}

// into folds a row into a row of results.
func (r reduction[T]) into(out, a []T) {
	switch r {
	case multiplying:
		Mul(out, out, a)
	case takingMax:
		Max(out, out, a)
	case takingMin:
		Min(out, out, a)
	default:
		Add(out, out, a)
	}
}

// join folds two.
func (r reduction[T]) join(a, b T) T {
	switch r {
	case multiplying:
		return a * b
	case takingMax:
		return max(a, b)
	case takingMin:
		return min(a, b)
	}
	return a + b
}

// reduce folds the axes of in into out, which has the kept axes in order.
func reduce[T Number](c *Context, r reduction[T], out, in []T, shape, axes []int) {
	fill(out, r.init())
	if len(in) == 0 {
		return
	}
	l := Borrow[layout](c)
	l.set(shape, axes)
	f := folding[T]{layout: l, reduction: r, out: out, in: in}
	switch last := len(l.dims) - 1; {
	case last < 0:
		out[0] = r.join(r.init(), in[0])
	case last == 0 && l.reduce[0]:
		out[0] = f.all(c)
	case last == 1 && l.reduce[1]:
		Cut(c, l.dims[0], max(1, reduceGrain/l.dims[1]), foldingRows[T]{f})
	case last == 1 && l.reduce[0]:
		Cut(c, l.dims[1], max(64, reduceGrain/l.dims[0]), foldingColumns[T]{f})
	default: // each goroutine takes a part of the first kept group of axes
		if l.reduce[0] {
			f.cut = 1
		}
		n := l.dims[f.cut]
		Cut(c, n, max(1, reduceGrain/(len(in)/n)), foldingGroups[T]{f})
	}
	GiveBack(c, l)
}

// A folding is the operands of a reduction.
type folding[T Number] struct {
	*layout
	reduction[T]
	out, in []T
	cut     int // the group of axes that is cut
}

// foldingRows folds rows, each to an element.
type foldingRows[T Number] struct{ folding[T] }

func (f *foldingRows[T]) Part(_ *Context, lo, hi int) {
	n := f.dims[1]
	for i := lo; i < hi; i++ {
		f.out[i] = f.fold(f.in[i*n : (i+1)*n])
	}
}

// foldingColumns folds whole rows into the row of results.
type foldingColumns[T Number] struct{ folding[T] }

func (f *foldingColumns[T]) Part(own *Context, lo, hi int) {
	b := Borrow[[columnBlock]T](own)
	f.columns(b, f.out, f.in, f.dims[0], f.dims[1], lo, hi)
	GiveBack(own, b)
}

// foldingGroups folds several groups of axes.
type foldingGroups[T Number] struct{ folding[T] }

func (f *foldingGroups[T]) Part(own *Context, lo, hi int) {
	b := Borrow[[columnBlock]T](own)
	f.walk(b, 0, hi-lo, lo*f.kept[f.cut], lo*f.stride[f.cut])
	GiveBack(own, b)
}

// The rows of columns are folded in blocks, whose results are then folded, since the error of a sum grows with its length.
const (
	columnBlock = 256 // columns at a time, so that their results stay in the cache
	rowBlock    = 128
)

// columns folds the rows of in, [rows n], from column lo to hi.
func (r reduction[T]) columns(buf *[columnBlock]T, out, in []T, rows, n, lo, hi int) {
	if rows <= rowBlock {
		for i := range rows {
			r.into(out[lo:hi], in[i*n+lo:i*n+hi])
		}
		return
	}
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
func (f folding[T]) all(c *Context) T {
	part := Borrow[[]T](c)
	if n := ceilDiv(len(f.in), SumBlock); cap(*part) < n {
		*part = make([]T, n)
	} else {
		*part = (*part)[:n]
	}
	Cut(c, len(*part), reduceGrain/SumBlock, foldingBlocks[T]{f.reduction, *part, f.in})
	total := f.fold(*part)
	GiveBack(c, part)
	return total
}

// foldingBlocks folds each block of in to an element of part.
type foldingBlocks[T Number] struct {
	reduction[T]
	part, in []T
}

func (f *foldingBlocks[T]) Part(_ *Context, lo, hi int) {
	for i := lo; i < hi; i++ {
		f.part[i] = f.fold(f.in[i*SumBlock : min(len(f.in), (i+1)*SumBlock)])
	}
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
	var l layout
	l.set(shape, axes)
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

// walk goes over the groups from the outermost on, n indices of the one that is cut; the last is folded as a stretch or, with the one
// before, as columns. o and i are where the results and the elements begin.
func (f *foldingGroups[T]) walk(buf *[columnBlock]T, group, n, o, i int) {
	count := f.dims[group]
	if group == f.cut {
		count = n
	}
	if group == len(f.dims)-1 {
		row := f.in[i : i+count]
		if f.reduce[group] {
			f.out[o] = f.join(f.out[o], f.fold(row))
		} else {
			f.into(f.out[o:o+count], row)
		}
		return
	}
	if group == len(f.dims)-2 && f.reduce[group] {
		width := f.dims[group+1]
		f.columns(buf, f.out[o:o+width], f.in[i:i+count*width], count, width, 0, width)
		return
	}
	for k := range count {
		f.walk(buf, group+1, n, o+k*f.kept[group], i+k*f.stride[group])
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
	reduce(c, reduction[T](adding), out, in, shape, axes)
}

// Mean averages along axes; over no elements it is NaN.
func Mean[T Float](c *Context, out, in []T, shape, axes []int) {
	Sum(c, out, in, shape, axes)
	n := Borrow[[1]T](c)
	n[0] = 1
	for _, a := range axes {
		n[0] *= T(shape[a])
	}
	Div(out, out, n[:])
	GiveBack(c, n)
}

// ReduceMax is the largest element along axes; [Lowest] over no elements.
func ReduceMax[T Number](c *Context, out, in []T, shape, axes []int) {
	reduce(c, reduction[T](takingMax), out, in, shape, axes)
}

// ReduceMin is the smallest element along axes; [Highest] over no elements.
func ReduceMin[T Number](c *Context, out, in []T, shape, axes []int) {
	reduce(c, reduction[T](takingMin), out, in, shape, axes)
}

// Prod multiplies the elements along axes; over no elements it is 1.
func Prod[T Number](c *Context, out, in []T, shape, axes []int) {
	reduce(c, reduction[T](multiplying), out, in, shape, axes)
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
