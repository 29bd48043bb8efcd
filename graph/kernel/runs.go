package kernel

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
// grain is the smallest number of elements worth a goroutine. start is called once on each goroutine and returns the do of
// that goroutine, which may keep memory of its own.
func Runs(c *Context, out []int, shapes [][]int, grain int, start func() (do func(r *Run))) {
	g := newGrid(out, shapes)
	c.Parallel(g.size, grain, func(lo, hi int) {
		g.runs(lo, hi, start())
	})
}

// A grid is the index space of a broadcast, with adjacent axes joined where every operand walks them with one stride.
type grid struct {
	size     int
	dims     []int              // at least one
	strides  [][maxOperands]int // of each operand along each axis; 0 where it is broadcast
	operands int
}

func newGrid(out []int, shapes [][]int) grid {
	g := grid{size: 1, operands: len(shapes)}
	g.dims, g.strides = collapse(out, shapes)
	for _, d := range g.dims {
		g.size *= d
	}
	return g
}

// runs calls do for the runs that make up the elements of the output from lo to hi.
func (g grid) runs(lo, hi int, do func(r *Run)) {
	last := len(g.dims) - 1
	var few [16]int
	index := few[:]
	if len(g.dims) > len(few) {
		index = make([]int, len(g.dims))
	}
	var base [maxOperands]int // where the operands are at index, its last axis aside
	rest := lo
	for d := last; d >= 0; d-- {
		index[d] = rest % g.dims[d]
		rest /= g.dims[d]
		if d < last {
			for k := range g.operands {
				base[k] += index[d] * g.strides[d][k]
			}
		}
	}
	var r Run
	for k := range g.operands {
		r.One[k] = g.strides[last][k] == 0
	}
	for at := lo; at < hi; {
		r.Out, r.N = at, min(g.dims[last]-index[last], hi-at)
		for k := range g.operands {
			r.At[k] = base[k] + index[last]*g.strides[last][k]
		}
		do(&r)
		at += r.N
		index[last] = 0
		for d := last - 1; d >= 0; d-- {
			step := 1
			if index[d]++; index[d] == g.dims[d] {
				index[d], step = 0, 1-g.dims[d]
			}
			for k := range g.operands {
				base[k] += step * g.strides[d][k]
			}
			if step == 1 {
				break
			}
		}
	}
}

// collapse joins adjacent axes that every operand walks with one stride, and returns the remaining axes (at least one)
// with each operand's stride along them; 0 where it is broadcast.
func collapse(out []int, shapes [][]int) (dims []int, strides [][maxOperands]int) {
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
		return []int{1}, make([][maxOperands]int, 1)
	}
	for i, j := 0, len(dims)-1; i < j; i, j = i+1, j-1 {
		dims[i], dims[j] = dims[j], dims[i]
		strides[i], strides[j] = strides[j], strides[i]
	}
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
