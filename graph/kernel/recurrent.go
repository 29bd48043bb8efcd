package kernel

// A Recurrence is the sizes of an LSTM or a GRU that goes over sequences [seq batch in] in one direction, and the order of their places.
// Its weights are ONNX's: w [gates·hidden in] and r [gates·hidden hidden], and biases [gates·hidden] that nil leaves out.
type Recurrence struct {
	Seq, Batch, In, Hidden int

	Lengths []int64 // how many of the first places each example has; nil is all
	Reverse bool    // from the last place of each example to the first
	Stride  int     // from one place to the next in results, which may have those of another direction between
}

// place is the place of step k.
func (s Recurrence) place(k int) int {
	if s.Reverse {
		return s.Seq - 1 - k
	}
	return k
}

// live reports whether example b has the place t.
func (s Recurrence) live(t, b int) bool { return s.Lengths == nil || int64(t) < s.Lengths[b] }

// each calls do for ranges of the examples. These know nothing of each other, so a goroutine takes its own through all places without
// waiting for others.
func (s Recurrence) each(c *Context, gates int, do func(lo, hi int)) {
	c.Parallel(s.Batch, gemmGrain/(s.Seq*gates*s.Hidden*s.Hidden+1), do)
}

// inputs is x·wᵀ plus the bias, what all places bring to so many gates: one product.
func inputs[T Float](c *Context, s Recurrence, gates int, out, x, w, bias []T) {
	n := gates * s.Hidden
	beta := T(0)
	if bias != nil {
		beta = 1
		for i := range s.Seq * s.Batch {
			copy(row(out, i, n), bias)
		}
	}
	Gemm(c, false, true, s.Seq*s.Batch, n, s.In, 1, x, s.In, w, s.In, beta, out, n)
}

// inputsBack is dw = dgᵀ·x and dx = dg·w, or dx + dg·w where more is set, from the gradients dg of what inputs gives.
func inputsBack[T Float](c *Context, s Recurrence, gates int, dx []T, more bool, dw, dg, x, w []T) {
	var beta T
	if more {
		beta = 1
	}
	n, places := gates*s.Hidden, s.Seq*s.Batch
	Gemm(c, true, false, n, s.In, places, 1, dg, n, x, s.In, 0, dw, s.In)
	Gemm(c, false, false, places, s.In, n, 1, dg, n, w, s.In, beta, dx, s.In)
}

// before are the states h [seq batch hidden] that each step began with: first start, or zeros if that is nil, then what the step before
// gave, which is y where it is live.
func before[T Float](s Recurrence, h, start, y []T) {
	n := s.Hidden
	for k := range s.Seq {
		t, last := s.place(k), s.place(k-1)
		for b := range s.Batch {
			switch to := row(h, t*s.Batch+b, n); {
			case k > 0 && s.live(last, b):
				copy(to, y[last*s.Stride+b*n:])
			case k > 0:
				copy(to, row(h, last*s.Batch+b, n))
			default:
				begin(to, start, b*n)
			}
		}
	}
}

// begin makes to what from, which nil makes zeros, has from at on.
func begin[T Float](to, from []T, at int) {
	if from == nil {
		clear(to)
		return
	}
	copy(to, from[at:])
}

// row is row i of a matrix of n columns.
func row[T Float](m []T, i, n int) []T { return m[i*n : (i+1)*n : (i+1)*n] }

// cut takes n elements from the beginning of buf.
func cut[T Float](buf *[]T, n int) []T {
	part := (*buf)[:n:n]
	*buf = (*buf)[n:]
	return part
}

// sums is a + b, elementwise; nil is zeros.
func sums[T Float](a, b []T) []T {
	if a == nil || b == nil {
		return append(a, b...)
	}
	out := make([]T, len(a))
	Add(out, a, b)
	return out
}
