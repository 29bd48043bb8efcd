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
	a := Borrow[attend[T]](c)
	*a = attend[T]{attention[T]{s, q, k, v, mask}, y, s.block()}
	blocked(c, s.Batch*s.Heads*ceilDiv(s.Rows, a.block), a.block*s.Keys, a)
	*a = attend[T]{}
	GiveBack(c, a)
}

// attend is the work of Attention; an item is a block of a head.
type attend[T Float] struct {
	attention[T]
	y     []T
	block int
}

func (a *attend[T]) item(c *Context, i int, p []T) {
	blocks := ceilDiv(a.Rows, a.block)
	head, r0 := i/blocks, i%blocks*a.block
	r1 := min(a.Rows, r0+a.block)
	n := a.probabilities(c, p, nil, head, r0, r1)
	Gemm(c, false, false, r1-r0, a.Values, n, 1, p, n, a.values(head), a.Values, 0, a.y[(head*a.Rows+r0)*a.Values:], a.Values)
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
	a := Borrow[attendBack[T]](c)
	*a = attendBack[T]{attention[T]{s, q, k, v, mask}, dq, dk, dv, g, s.block()}
	blocked(c, s.Batch*s.Groups, 3*a.block*s.Keys, a)
	*a = attendBack[T]{}
	GiveBack(c, a)
}

// attendBack is the work of AttentionGrad; an item is a group of heads.
type attendBack[T Float] struct {
	attention[T]
	dq, dk, dv, g []T
	block         int
}

func (a *attendBack[T]) item(c *Context, group int, buf []T) {
	shared, size := a.Heads/a.Groups, a.block*a.Keys
	p, dp, slope := buf[:size], buf[size:2*size], buf[2*size:]
	if a.Softcap == 0 {
		slope = nil
	}
	dk, dv := a.dk[group*a.Keys*a.Size:], a.dv[group*a.Keys*a.Values:]
	for head := group * shared; head < (group+1)*shared; head++ {
		for r0 := 0; r0 < a.Rows; r0 += a.block {
			r1 := min(a.Rows, r0+a.block)
			rows := r1 - r0
			n := a.probabilities(c, p, slope, head, r0, r1)
			q, dq := a.q[(head*a.Rows+r0)*a.Size:], a.dq[(head*a.Rows+r0)*a.Size:]
			g := a.g[(head*a.Rows+r0)*a.Values:]
			Gemm(c, true, false, n, a.Values, rows, 1, p, n, g, a.Values, 1, dv, a.Values)
			Gemm(c, false, true, rows, n, a.Values, 1, g, a.Values, a.values(head), a.Values, 0, dp, n)
			Cut(c, rows, max(1, reduceGrain/(4*n)), softmaxBack[T]{dp, p, slope, n})
			Gemm(c, false, false, rows, a.Size, n, T(a.Scale), dp, n, a.keys(head), a.Size, 0, dq, a.Size)
			Gemm(c, true, false, n, a.Size, rows, T(a.Scale), dp, n, q, a.Size, 1, dk, a.Size)
		}
	}
}

// softmaxBack makes the gradients of products of those of probabilities p, dp, in rows of n.
type softmaxBack[T Float] struct {
	dp, p, slope []T
	n            int
}

func (s *softmaxBack[T]) Part(_ *Context, lo, hi int) {
	for i := lo * s.n; i < hi*s.n; i += s.n {
		d, p := s.dp[i:i+s.n], s.p[i:i+s.n]
		Shift(d, d, -dot(d, p))
		Mul(d, d, p)
		if s.slope != nil {
			Mul(d, d, s.slope[i:i+s.n])
		}
	}
}

// blocked does n items, with scratch of the given size. Where there are too few for the goroutines, each gets all of them to itself.
func blocked[T Float](c *Context, n, size int, do items[T]) {
	if n < c.Threads {
		buf := Scratch[T](c, size)
		for i := range n {
			do.item(c, i, buf)
		}
		return
	}
	shareItems(c, n, Scratch[T](c, workers(c, n)*size), do)
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
	Cut(c, r1-r0, max(1, reduceGrain/(8*n)), softmaxRows[T]{a, p, slope, head, r0, n})
	return n
}

// softmaxRows makes probabilities of products, in rows of n, of which the first is row r0 of a head.
type softmaxRows[T Float] struct {
	*attention[T]
	p, slope    []T
	head, r0, n int
}

func (s *softmaxRows[T]) Part(_ *Context, lo, hi int) {
	n := s.n
	for i := lo; i < hi; i++ {
		row := s.p[i*n : (i+1)*n]
		x, rest := row[:s.seen(s.r0+i)], row[s.seen(s.r0+i):]
		clear(rest)
		if s.Softcap > 0 {
			Scale(x, x, T(1/s.Softcap))
			Tanh(x, x)
			if s.slope != nil {
				to := s.slope[i*n : (i+1)*n]
				clear(to[len(x):])
				for j, t := range x {
					to[j] = 1 - t*t
				}
			}
			Scale(x, x, T(s.Softcap))
		}
		s.hide(x, s.head, s.r0+i)
		top := maxOf(x)
		if math.IsInf(float64(top), -1) {
			clear(x)
			continue
		}
		Shift(x, x, -top)
		Exp(x, x)
		Scale(x, x, 1/sum(x))
	}
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
