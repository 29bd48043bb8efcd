package kernel

import "slices"

// maxOperands bounds the operands of one broadcast loop.
const maxOperands = 12

// A Run is a stretch of the output over which every operand is either contiguous or one element.
type Run struct {
	Out int              // offset of the stretch in the output
	N   int              // its length
	At  [maxOperands]int // offset of each operand
	One [maxOperands]bool
}

// Runs cuts the broadcast of operands of the given shapes to the shape out into runs, and calls do for each, on up to
// c.Threads goroutines. Shapes align at their last axes, as in NumPy and ONNX; the caller has checked that they broadcast.
// grain is the smallest number of elements worth a goroutine. do may use own, a context of one thread.
func Runs(c *Context, out []int, shapes [][]int, grain int, do func(own *Context, r *Run)) {
	g := Borrow[grid](c)
	g.set(out, shapes)
	Cut(c, g.size, grain, eachRun{g, do})
	GiveBack(c, g)
}

// eachRun is the task of Runs.
type eachRun struct {
	*grid
	do func(own *Context, r *Run)
}

func (e *eachRun) Part(c *Context, lo, hi int) {
	w := Borrow[walk](c)
	for w.start(e.grid, lo, hi); w.next(); {
		e.do(c, &w.Run)
	}
	GiveBack(c, w)
}

// A grid is the index space of a broadcast, with adjacent axes joined where every operand walks them with one stride.
type grid struct {
	size     int
	dims     []int              // at least one
	strides  [][maxOperands]int // of each operand along each axis; 0 where it is broadcast
	operands int
}

// set makes g the grid of the broadcast of shapes to out.
func (g *grid) set(out []int, shapes [][]int) {
	g.size, g.operands = 1, len(shapes)
	g.dims, g.strides = collapse(g.dims[:0], g.strides[:0], out, shapes)
	for _, d := range g.dims {
		g.size *= d
	}
}

// A walk goes through the runs that make up the elements of the output in a range.
type walk struct {
	Run
	grid   *grid
	at, hi int
	index  []int            // of at, along each axis
	base   [maxOperands]int // where the operands are at index, its last axis aside
}

// start sets out to the elements from lo to hi.
func (w *walk) start(g *grid, lo, hi int) {
	w.grid, w.at, w.hi, w.base = g, lo, hi, [maxOperands]int{}
	last := len(g.dims) - 1
	w.index = append(w.index[:0], g.dims...)
	for d := last; d >= 0; d-- {
		w.index[d] = lo % g.dims[d]
		lo /= g.dims[d]
		if d < last {
			for k := range g.operands {
				w.base[k] += w.index[d] * g.strides[d][k]
			}
		}
	}
	for k := range g.operands {
		w.One[k] = g.strides[last][k] == 0
	}
}

// next goes to the next run, if there is one.
func (w *walk) next() bool {
	g, last := w.grid, len(w.grid.dims)-1
	if w.at >= w.hi {
		return false
	}
	w.Out, w.N = w.at, min(g.dims[last]-w.index[last], w.hi-w.at)
	for k := range g.operands {
		w.At[k] = w.base[k] + w.index[last]*g.strides[last][k]
	}
	w.at += w.N
	w.index[last] = 0
	for d := last - 1; d >= 0; d-- {
		step := 1
		if w.index[d]++; w.index[d] == g.dims[d] {
			w.index[d], step = 0, 1-g.dims[d]
		}
		for k := range g.operands {
			w.base[k] += step * g.strides[d][k]
		}
		if step == 1 {
			break
		}
	}
	return true
}

// collapse joins adjacent axes that every operand walks with one stride, and appends to the empty lists the remaining axes (at least
// one) and each operand's stride along them; 0 where it is broadcast.
func collapse(dims []int, strides [][maxOperands]int, out []int, shapes [][]int) ([]int, [][maxOperands]int) {
	var step [maxOperands]int
	for k := range step {
		step[k] = 1
	}
	for i := len(out) - 1; i >= 0; i-- {
		if out[i] == 1 {
			continue
		}
		var st [maxOperands]int
		for k, s := range shapes {
			j := i - (len(out) - len(s))
			if j >= 0 && s[j] != 1 {
				st[k] = step[k]
				step[k] *= s[j]
			}
		}
		if n := len(dims); n > 0 && joins(st, strides[n-1], dims[n-1], len(shapes)) {
			dims[n-1] *= out[i]
			continue
		}
		dims, strides = append(dims, out[i]), append(strides, st)
	}
	if len(dims) == 0 {
		dims, strides = append(dims, 1), append(strides, [maxOperands]int{})
	}
	slices.Reverse(dims)
	slices.Reverse(strides)
	return dims, strides
}

// joins reports whether an axis with strides outer continues the axis of the given size with strides inner.
func joins(outer, inner [maxOperands]int, size, operands int) bool {
	for k := range operands {
		if outer[k] != inner[k]*size {
			return false
		}
	}
	return true
}
