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
	cut := s.cut(k, c.Threads)
	share(c, cut.len()*s.Groups, (k+o)*cut.cols(), func(item int, scratch []T) {
		p, g := cut.patch(item/s.Groups), item%s.Groups
		n := s.cols(p)
		col, ld := columns(s, p, x, g*in, (g+1)*in, scratch)
		filters := w[g*o*k : (g+1)*o*k]
		if p.single() {
			gemm(c.BLAS, false, false, o, n, k, 1, filters, k, col, ld, 0, y[s.pixel(p, g*o):], s.OH*s.OW)
			return
		}
		m := scratch[k*n : (k+o)*n]
		gemm(c.BLAS, false, false, o, n, k, 1, filters, k, col, ld, 0, m, n)
		s.pixels(p, g*o, (g+1)*o, func(i, j, n int) { copy(y[j:j+n], m[i:i+n]) })
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
	cut := s.cut(k, min(c.Threads, s.N)) // the bands of an image overlap in dx: one goroutine adds them all
	blocks := cut.len() / cut.bands
	parts := min(in, (c.Threads+blocks*s.Groups-1)/(blocks*s.Groups))
	share(c, blocks*s.Groups*parts, (k+o)*cut.cols(), func(item int, scratch []T) {
		block, g, part := item/(s.Groups*parts), item/parts%s.Groups, item%parts
		c0, c1 := part*in/parts, (part+1)*in/parts
		k0, rows := c0*s.KH*s.KW, (c1-c0)*s.KH*s.KW
		for b := range cut.bands {
			p := cut.patch(block*cut.bands + b)
			n := s.cols(p)
			m, ldy := results(s, p, dy, g*o, (g+1)*o, scratch[k*n:])
			if s.pointwise() && p.single() {
				gemm(c.BLAS, true, false, rows, n, o, 1, w[g*o*k+k0:], k, m, ldy, 0, dx[s.source(p, g*in+c0):], s.H*s.W)
				continue
			}
			col := scratch[:rows*n]
			gemm(c.BLAS, true, false, rows, n, o, 1, w[g*o*k+k0:], k, m, ldy, 0, col, n)
			fold(s, p, dx, g*in+c0, g*in+c1, col, b == 0)
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
	cut := s.cut(k, 1)
	each := (c.Threads + s.Groups - 1) / s.Groups // goroutines for each group: first by channels, then by filters
	parts := min(in, each)
	filters := min(o, (each+parts-1)/parts)
	share(c, s.Groups*parts*filters, (k+o)*cut.cols(), func(item int, scratch []T) {
		g, part, filter := item/(parts*filters), item/filters%parts, item%filters
		c0, c1 := part*in/parts, (part+1)*in/parts
		o0, o1 := g*o+filter*o/filters, g*o+(filter+1)*o/filters
		beta := T(0)
		for i := range cut.len() {
			p := cut.patch(i)
			n := s.cols(p)
			col, ld := columns(s, p, x, g*in+c0, g*in+c1, scratch)
			m, ldy := results(s, p, dy, o0, o1, scratch[k*n:])
			gemm(c.BLAS, false, true, o1-o0, (c1-c0)*s.KH*s.KW, n, 1, m, ldy, col, ld, beta, dw[o0*k+c0*s.KH*s.KW:], k)
			beta = 1
		}
	})
}

// share runs do for each of n items, with size elements of scratch memory for each goroutine.
func share[T Float](c *Context, n, size int, do func(item int, scratch []T)) {
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
