package kernel

import "math"

// An AttentionShape says what attention is over: queries [Batch Heads Rows Size], keys [Batch Groups Keys Size] and values
// [Batch Groups Keys Values]. Heads is a multiple of Groups: so many heads after one another have the same keys and values.
type AttentionShape struct {
	Batch, Heads, Groups     int
	Rows, Keys, Size, Values int
	Scale, Softcap           float64 // of the products; a cap of 0 is none
	Causal                   bool
	Past                     int // of causal attention: row i sees the keys up to Past+i
	MaskBatch, MaskHead      int // the steps in the mask from one batch, head, row and key to the next, 0 where it is
	MaskRow, MaskKey         int // the same for all
}

// An AttentionMask says which keys a row sees, or has what is added to the products; both nil is no mask.
type AttentionMask[T Float] struct {
	Seen []bool
	Bias []T
}

// attentionBlock is the number of probabilities that are computed at a time, and attentionRows the most rows they are of: a block
// of rows with all of its keys stays in the second-level cache. It does not depend on the number of goroutines.
const (
	attentionBlock = 32 << 10
	attentionRows  = 64
)

func (s AttentionShape) block() int {
	return max(1, min(s.Rows, attentionRows, max(8, attentionBlock/max(1, s.Keys))))
}

// attention is a kernel's operands.
type attention[T Float] struct {
	AttentionShape
	q, k, v []T
	mask    AttentionMask[T]
}

// Attention is softmax(Scale·q·kᵀ)·v for each head, block of rows by block of rows, so that the probabilities of few rows are in
// memory at a time. A row that sees no key is 0.
func Attention[T Float](c *Context, s AttentionShape, y, q, k, v []T, mask AttentionMask[T]) {
	if len(y) == 0 {
		return
	}
	a := attention[T]{s, q, k, v, mask}
	block := s.block()
	blocks := ceilDiv(s.Rows, block)
	blocked(c, s.Batch*s.Heads*blocks, block*s.Keys, func(c *Context, item int, p []T) {
		head, r0 := item/blocks, item%blocks*block
		r1 := min(s.Rows, r0+block)
		n := a.probabilities(c, p, nil, head, r0, r1)
		Gemm(c, false, false, r1-r0, s.Values, n, 1, p, n, a.values(head), s.Values, 0, y[(head*s.Rows+r0)*s.Values:], s.Values)
	})
}

// AttentionGrad is the gradient of Attention: from that of y, g, it makes those of q, k and v. It computes the probabilities again,
// block by block (Dao et al. 2022); a head's blocks, and the heads of a group, are added up in one order.
func AttentionGrad[T Float](c *Context, s AttentionShape, dq, dk, dv, q, k, v, g []T, mask AttentionMask[T]) {
	clear(dk)
	clear(dv)
	if len(dq) == 0 || len(dk) == 0 {
		clear(dq)
		return
	}
	a := attention[T]{s, q, k, v, mask}
	block, shared := s.block(), s.Heads/s.Groups
	size := block * s.Keys
	blocked(c, s.Batch*s.Groups, 3*size, func(c *Context, group int, buf []T) {
		p, dp, slope := buf[:size], buf[size:2*size], buf[2*size:]
		if s.Softcap == 0 {
			slope = nil
		}
		dk, dv := dk[group*s.Keys*s.Size:], dv[group*s.Keys*s.Values:]
		for head := group * shared; head < (group+1)*shared; head++ {
			for r0 := 0; r0 < s.Rows; r0 += block {
				r1 := min(s.Rows, r0+block)
				rows := r1 - r0
				n := a.probabilities(c, p, slope, head, r0, r1)
				q, dq := q[(head*s.Rows+r0)*s.Size:], dq[(head*s.Rows+r0)*s.Size:]
				g := g[(head*s.Rows+r0)*s.Values:]
				Gemm(c, true, false, n, s.Values, rows, 1, p, n, g, s.Values, 1, dv, s.Values)
				Gemm(c, false, true, rows, n, s.Values, 1, g, s.Values, a.values(head), s.Values, 0, dp, n)
				c.Parallel(rows, max(1, reduceGrain/(4*n)), func(lo, hi int) {
					for i := lo * n; i < hi*n; i += n {
						d, p := dp[i:i+n], p[i:i+n]
						Shift(d, d, -dot(d, p))
						Mul(d, d, p)
						if slope != nil {
							Mul(d, d, slope[i:i+n])
						}
					}
				})
				Gemm(c, false, false, rows, s.Size, n, T(s.Scale), dp, n, a.keys(head), s.Size, 0, dq, s.Size)
				Gemm(c, true, false, n, s.Size, rows, T(s.Scale), dp, n, q, s.Size, 1, dk, s.Size)
			}
		}
	})
}

// blocked runs do for n items, with scratch of the given size. Where there are too few for the goroutines, do gets them all to itself.
func blocked[T Float](c *Context, n, size int, do func(c *Context, item int, buf []T)) {
	if n < c.Threads {
		buf := Scratch[T](c, size)
		for i := range n {
			do(c, i, buf)
		}
		return
	}
	serial := &Context{BLAS: c.BLAS, Threads: 1}
	share(c, n, Scratch[T](c, workers(c, n)*size), func(item int, buf []T) { do(serial, item, buf) })
}

// keys are those of a head, and all after them.
func (a *attention[T]) keys(head int) []T {
	return a.k[head/(a.Heads/a.Groups)*a.Keys*a.Size:]
}

// values are those of a head, and all after them.
func (a *attention[T]) values(head int) []T {
	return a.v[head/(a.Heads/a.Groups)*a.Keys*a.Values:]
}

// probabilities computes rows r0 to r1 of a head's softmax, [rows n], of the n keys that the last of them sees; slope, if it is there,
// gets the derivative of the cap.
func (a *attention[T]) probabilities(c *Context, p, slope []T, head, r0, r1 int) (n int) {
	n = a.seen(r1 - 1)
	Gemm(c, false, true, r1-r0, n, a.Size, T(a.Scale), a.q[(head*a.Rows+r0)*a.Size:], a.Size, a.keys(head), a.Size, 0, p, n)
	if n == 0 {
		return n
	}
	c.Parallel(r1-r0, max(1, reduceGrain/(8*n)), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			row := p[i*n : (i+1)*n]
			x, rest := row[:a.seen(r0+i)], row[a.seen(r0+i):]
			clear(rest)
			if a.Softcap > 0 {
				Scale(x, x, T(1/a.Softcap))
				Tanh(x, x)
				if slope != nil {
					to := slope[i*n : (i+1)*n]
					clear(to[len(x):])
					for j, t := range x {
						to[j] = 1 - t*t
					}
				}
				Scale(x, x, T(a.Softcap))
			}
			a.hide(x, head, r0+i)
			top := maxOf(x)
			if math.IsInf(float64(top), -1) {
				clear(x)
				continue
			}
			Shift(x, x, -top)
			Exp(x, x)
			Scale(x, x, 1/sum(x))
		}
	})
	return n
}

// seen is how many of the first keys a row sees, but for the mask.
func (a *attention[T]) seen(row int) int {
	if a.Causal {
		return min(a.Keys, a.Past+row+1)
	}
	return a.Keys
}

// hide applies the mask to the products x of a row with the first keys.
func (a *attention[T]) hide(x []T, head, row int) {
	at := head/a.Heads*a.MaskBatch + head%a.Heads*a.MaskHead + row*a.MaskRow
	switch {
	case a.mask.Seen != nil && a.MaskKey == 0:
		if !a.mask.Seen[at] {
			fill(x, T(inf(-1)))
		}
	case a.mask.Seen != nil:
		for j, seen := range a.mask.Seen[at:][:len(x)] {
			if !seen {
				x[j] = T(inf(-1))
			}
		}
	case a.mask.Bias != nil && a.MaskKey == 0:
		Shift(x, x, a.mask.Bias[at])
	case a.mask.Bias != nil:
		Add(x, x, a.mask.Bias[at:][:len(x)])
	}
}
