package kernel

import "slices"

// A ConvShape is the geometry of a 2-D convolution: x [N C H W], w [O C/Groups KH KW], y [N O OH OW].
type ConvShape struct {
	N, C, H, W int
	O, KH, KW  int
	OH, OW     int
	Strides    [2]int // rows, columns
	Pads       [4]int // top, left, bottom, right
	Dilations  [2]int
	Groups     int
}

// ConvForward is y = x ∗ w.
func ConvForward[T Float](c *Context, s ConvShape, y, x, w []T) {
	if g := gatherer[T](c, s); s.gathers(g, s.O/s.Groups) {
		gatherForward(c, g, s, any(y).([]float32), any(x).([]float32), any(w).([]float32))
		return
	}
	convolve(c, s, y, x, w, false)
}

// convolve is ConvForward, with w or with the filters that mirror makes of w.
func convolve[T Float](c *Context, s ConvShape, y, x, w []T, mirrored bool) {
	if len(y) == 0 || len(w) == 0 {
		clear(y)
		return
	}
	o, in := s.O/s.Groups, s.C/s.Groups
	k := in * s.KH * s.KW
	u := s.unfold(c.Threads)
	items, extra := u.patches()*s.Groups, 0
	if mirrored {
		extra = len(w)
	}
	scratch := Scratch[T](c, extra+workers(c, items)*u.scratch())
	if mirrored {
		mirror(s, scratch[:extra], w)
		w = scratch[:extra]
	}
	share(c, items, scratch[extra:], func(item int, buf []T) {
		p, g := u.patch(item/s.Groups), item%s.Groups
		n := u.cols(p)
		col, ld := columns(u, p, x, g*in, (g+1)*in, buf)
		filters := w[g*o*k : (g+1)*o*k]
		if p.lanes() == 1 {
			gemm(c.BLAS, false, false, o, n, k, 1, filters, k, col, ld, 0, y[u.pixel(p, g*o):], s.OH*s.OW)
			return
		}
		m := buf[k*n : (k+o)*n]
		gemm(c.BLAS, false, false, o, n, k, 1, filters, k, col, ld, 0, m, n)
		deliver(u, p, y, g*o, (g+1)*o, m)
	})
}

// adjoint is the convolution from y to x that the adjoint in x is when there are no strides, with the filters mirrored;
// ok says that it is, and cheaper than folding: its unfolded matrix is not much larger.
func (s ConvShape) adjoint() (a ConvShape, ok bool) {
	a = s
	a.C, a.H, a.W, a.O, a.OH, a.OW = s.O, s.OH, s.OW, s.C, s.H, s.W
	for i := range a.Pads {
		a.Pads[i] = ([]int{s.KH, s.KW}[i%2]-1)*s.Dilations[i%2] - s.Pads[i]
	}
	return a, s.Strides == [2]int{1, 1} && s.KH*s.KW > 1 && slices.Min(a.Pads[:]) >= 0 && s.O <= 4*s.C
}

// mirror makes the filters of the adjoint a from those of the convolution: channels change places, rows and columns turn.
func mirror[T Float](a ConvShape, out, w []T) {
	c, o, size := a.O/a.Groups, a.C/a.Groups, a.KH*a.KW // of the convolution
	for i := range a.C * c {
		g, from := i/c/o, w[i*size:(i+1)*size]
		at := ((g*c+i%c)*o + i/c%o) * size
		for k, v := range from {
			out[at+size-1-k] = v
		}
	}
}

// ConvInput is the adjoint of ConvForward in x, the transposed convolution: from w and dy it makes dx.
func ConvInput[T Float](c *Context, s ConvShape, dx, w, dy []T) {
	if len(dy) == 0 || len(w) == 0 {
		clear(dx)
		return
	}
	if g := gatherer[T](c, s); s.gathers(g, s.C/s.Groups) {
		gatherInput(c, g, s, any(dx).([]float32), any(w).([]float32), any(dy).([]float32))
		return
	}
	if a, ok := s.adjoint(); ok {
		convolve(c, a, dx, dy, w, true)
		return
	}
	o, in := s.O/s.Groups, s.C/s.Groups
	k := in * s.KH * s.KW
	u := s.unfold(1) // the bands of an image overlap in dx: one goroutine adds them all, in one order however many there are
	blocks := u.patches() / u.bands
	parts := min(in, ceilDiv(c.Threads, blocks*s.Groups))
	items := blocks * s.Groups * parts
	scratch := Scratch[T](c, len(w)+workers(c, items)*u.scratch())
	filters := scratch[:len(w)]
	for g := range s.Groups {
		Transpose(k, o, filters[g*o*k:], o, w[g*o*k:], k)
	}
	share(c, items, scratch[len(w):], func(item int, buf []T) {
		block, g, part := item/(s.Groups*parts), item/parts%s.Groups, item%parts
		c0, c1 := part*in/parts, (part+1)*in/parts
		filters := filters[g*o*k+c0*s.KH*s.KW*o:]
		for b := range u.bands {
			p := u.patch(block*u.bands + b)
			n := u.cols(p)
			m, ld := results(u, p, dy, g*o, (g+1)*o, buf[k*n:])
			if u.pointwise() && p.lanes() == 1 {
				gemm(c.BLAS, false, false, c1-c0, n, o, 1, filters, o, m, ld, 0, dx[u.source(p, g*in+c0):], s.H*s.W)
				continue
			}
			if b == 0 {
				for img := p.n0; img < p.n1; img++ {
					clear(dx[(img*s.C+g*in+c0)*s.H*s.W : (img*s.C+g*in+c1)*s.H*s.W])
				}
			}
			gemm(c.BLAS, false, false, (c1-c0)*s.KH*s.KW, n, o, 1, filters, o, m, ld, 0, buf, n)
			fold(u, p, dx, g*in+c0, g*in+c1, buf)
		}
	})
}

// ConvWeight is the adjoint of ConvForward in w: from x and dy it makes dw. Goroutines share dw, not the batch, so the
// images are added up in one order however many there are. What they add up has the filters as columns: the unfolded matrix is
// then the operand that a product reads where it lies.
func ConvWeight[T Float](c *Context, s ConvShape, dw, x, dy []T) {
	if len(dy) == 0 || len(dw) == 0 {
		clear(dw)
		return
	}
	if g := gatherer[T](c, s); s.gathersWeight(g) {
		gatherWeight(c, g, s, any(dw).([]float32), any(x).([]float32), any(dy).([]float32))
		return
	}
	o, in, size := s.O/s.Groups, s.C/s.Groups, s.KH*s.KW
	k := in * size
	u := s.unfold(1)
	each := ceilDiv(c.Threads, s.Groups) // goroutines for each group: first by channels, then by filters
	parts := min(in, each)
	filters := min(o, ceilDiv(each, parts))
	items := s.Groups * parts * filters
	sum := ceilDiv(in, parts) * size * ceilDiv(o, filters)
	share(c, items, Scratch[T](c, workers(c, items)*(sum+u.scratch())), func(item int, buf []T) {
		g, part, filter := item/(parts*filters), item/filters%parts, item%filters
		c0, c1 := part*in/parts, (part+1)*in/parts
		o0, o1 := g*o+filter*o/filters, g*o+(filter+1)*o/filters
		rows, cols := (c1-c0)*size, o1-o0
		sum, buf := buf[:rows*cols], buf[rows*cols:]
		beta := T(0)
		for i := range u.patches() {
			p := u.patch(i)
			n := u.cols(p)
			col, ld := columns(u, p, x, g*in+c0, g*in+c1, buf)
			m, ldm := results(u, p, dy, o0, o1, buf[k*n:])
			gemm(c.BLAS, false, true, rows, cols, n, 1, col, ld, m, ldm, beta, sum, cols)
			beta = 1
		}
		Transpose(cols, rows, dw[o0*k+c0*size:], k, sum, cols)
	})
}

// workers is the number of goroutines that share n items.
func workers(c *Context, n int) int { return min(max(c.Threads, 1), n) }

// share runs do for each of n items, with an equal part of scratch for each of the goroutines.
func share[T Float](c *Context, n int, scratch []T, do func(item int, buf []T)) {
	shareItems(c, n, scratch, eachItem[T](do))
}

// eachItem is items by a function.
type eachItem[T Float] func(i int, buf []T)

func (do eachItem[T]) item(_ *Context, i int, buf []T) { do(i, buf) }

// items are done one after the other by each of some goroutines, in memory and with a context of one thread that it has to itself.
type items[T Float] interface {
	item(own *Context, i int, buf []T)
}

// shareItems is share of items that take no memory.
func shareItems[T Float](c *Context, n int, scratch []T, do items[T]) {
	count := workers(c, n)
	Cut(c, count, 1, sharing[T]{do, n, count, scratch})
}

// sharing is the task of shareItems.
type sharing[T Float] struct {
	items[T]
	n, count int
	scratch  []T
}

func (s *sharing[T]) Part(own *Context, lo, hi int) {
	size := len(s.scratch) / s.count
	for w := lo; w < hi; w++ {
		for i := w * s.n / s.count; i < (w+1)*s.n/s.count; i++ {
			s.item(own, i, s.scratch[w*size:(w+1)*size])
		}
	}
}

// ceilDiv is ⌈a/b⌉ for positive numbers.
func ceilDiv(a, b int) int { return (a + b - 1) / b }
