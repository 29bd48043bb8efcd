package kernel

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
	if len(y) == 0 {
		return
	}
	o, in := s.O/s.Groups, s.C/s.Groups
	k := in * s.KH * s.KW
	u := s.unfold(c.Threads)
	share(c, u.patches()*s.Groups, u.scratch(), func(item int, buf []T) {
		p, g := u.patch(item/s.Groups), item%s.Groups
		n := u.cols(p)
		col, ld := columns(u, p, x, g*in, (g+1)*in, buf)
		filters := w[g*o*k : (g+1)*o*k]
		if p.single() {
			gemm(c.BLAS, false, false, o, n, k, 1, filters, k, col, ld, 0, y[u.pixel(p, g*o):], s.OH*s.OW)
			return
		}
		m := buf[k*n : (k+o)*n]
		gemm(c.BLAS, false, false, o, n, k, 1, filters, k, col, ld, 0, m, n)
		u.pixels(p, g*o, (g+1)*o, func(i, j, n int) { copy(y[j:j+n], m[i:i+n]) })
	})
}

// ConvInput is the adjoint of ConvForward in x, the transposed convolution: from w and dy it makes dx.
func ConvInput[T Float](c *Context, s ConvShape, dx, w, dy []T) {
	if len(dy) == 0 {
		clear(dx)
		return
	}
	o, in := s.O/s.Groups, s.C/s.Groups
	k := in * s.KH * s.KW
	u := s.unfold(min(c.Threads, s.N)) // the bands of an image overlap in dx: one goroutine adds them all
	blocks := u.patches() / u.bands
	parts := min(in, ceilDiv(c.Threads, blocks*s.Groups))
	share(c, blocks*s.Groups*parts, u.scratch(), func(item int, buf []T) {
		block, g, part := item/(s.Groups*parts), item/parts%s.Groups, item%parts
		c0, c1 := part*in/parts, (part+1)*in/parts
		filters := w[g*o*k+c0*s.KH*s.KW:]
		direct := u.pointwise() && u.images == 1
		for b := range u.bands {
			p := u.patch(block*u.bands + b)
			n := u.cols(p)
			m, ld := results(u, p, dy, g*o, (g+1)*o, buf[k*n:])
			if direct {
				gemm(c.BLAS, true, false, c1-c0, n, o, 1, filters, k, m, ld, 0, dx[u.source(p, g*in+c0):], s.H*s.W)
				continue
			}
			if b == 0 {
				for img := p.n0; img < p.n1; img++ {
					clear(dx[(img*s.C+g*in+c0)*s.H*s.W : (img*s.C+g*in+c1)*s.H*s.W])
				}
			}
			gemm(c.BLAS, true, false, (c1-c0)*s.KH*s.KW, n, o, 1, filters, k, m, ld, 0, buf, n)
			fold(u, p, dx, g*in+c0, g*in+c1, buf)
		}
	})
}

// ConvWeight is the adjoint of ConvForward in w: from x and dy it makes dw. Goroutines share dw, not the batch, so the
// images are added up in one order however many there are.
func ConvWeight[T Float](c *Context, s ConvShape, dw, x, dy []T) {
	if len(dy) == 0 {
		clear(dw)
		return
	}
	o, in := s.O/s.Groups, s.C/s.Groups
	k := in * s.KH * s.KW
	u := s.unfold(1)
	each := ceilDiv(c.Threads, s.Groups) // goroutines for each group: first by channels, then by filters
	parts := min(in, each)
	filters := min(o, ceilDiv(each, parts))
	share(c, s.Groups*parts*filters, u.scratch(), func(item int, buf []T) {
		g, part, filter := item/(parts*filters), item/filters%parts, item%filters
		c0, c1 := part*in/parts, (part+1)*in/parts
		o0, o1 := g*o+filter*o/filters, g*o+(filter+1)*o/filters
		beta := T(0)
		for i := range u.patches() {
			p := u.patch(i)
			n := u.cols(p)
			col, ld := columns(u, p, x, g*in+c0, g*in+c1, buf)
			m, ldm := results(u, p, dy, o0, o1, buf[k*n:])
			gemm(c.BLAS, false, true, o1-o0, (c1-c0)*s.KH*s.KW, n, 1, m, ldm, col, ld, beta, dw[o0*k+c0*s.KH*s.KW:], k)
			beta = 1
		}
	})
}

// share runs do for each of n items, with size elements of scratch memory for each goroutine.
func share[T Float](c *Context, n, size int, do func(item int, buf []T)) {
	workers := min(max(c.Threads, 1), n)
	scratch := Scratch[T](c, workers*size)
	c.Parallel(workers, 1, func(lo, hi int) {
		for w := lo; w < hi; w++ {
			for i := w * n / workers; i < (w+1)*n/workers; i++ {
				do(i, scratch[w*size:(w+1)*size])
			}
		}
	})
}

// ceilDiv is ⌈a/b⌉ for positive numbers.
func ceilDiv(a, b int) int { return (a + b - 1) / b }
