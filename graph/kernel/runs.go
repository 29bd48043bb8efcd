package kernel

// maxOperands bounds the operands of one broadcast loop.
const maxOperands = 8

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
	dims, strides := collapse(out, shapes)
	n := 1
	for _, d := range dims {
		n *= d
	}
	if n == 0 {
		return
	}
	last := len(dims) - 1
	inner := dims[last]
	c.Parallel(n, grain, func(lo, hi int) {
		do := start()
		var r Run
		var index [16]int
		for k := range shapes {
			r.One[k] = strides[last][k] == 0
		}
		at := lo
		rest := lo
		for d := last; d >= 0; d-- {
			index[d] = rest % dims[d]
			rest /= dims[d]
		}
		for at < hi {
			r.Out, r.N = at, min(inner-index[last], hi-at)
			for k := range shapes {
				off := 0
				for d := 0; d <= last; d++ {
					off += index[d] * strides[d][k]
				}
				r.At[k] = off
			}
			do(&r)
			at += r.N
			index[last] = 0
			for d := last - 1; d >= 0; d-- {
				if index[d]++; index[d] < dims[d] {
					break
				}
				index[d] = 0
			}
		}
	})
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

// Map computes out[i] from the elements of in that broadcast to i. f gets stretches: each input has as many elements as
// the output, or one.
func Map[T, U any](c *Context, f func(out []U, in [][]T), out []U, shape []int, in [][]T, shapes [][]int, grain int) {
	Runs(c, shape, shapes, grain, func() func(r *Run) {
		args := make([][]T, len(in))
		return func(r *Run) {
			for k, x := range in {
				n := r.N
				if r.One[k] {
					n = 1
				}
				args[k] = x[r.At[k] : r.At[k]+n]
			}
			f(out[r.Out:r.Out+r.N], args)
		}
	})
}
