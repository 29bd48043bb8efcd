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

// columns is the size of the matrix that one image and group unfold to: (C/Groups·KH·KW) × (OH·OW).
func (s ConvShape) columns() (rows, cols int) { return s.C / s.Groups * s.KH * s.KW, s.OH * s.OW }

// pointwise reports whether the image is its own unfolding: a 1×1 filter at every pixel.
func (s ConvShape) pointwise() bool {
	return s.KH == 1 && s.KW == 1 && s.Strides == [2]int{1, 1} && s.Pads == [4]int{}
}

// span is the range of output columns for which filter column kx reads inside a row, and the first input column read.
func (s ConvShape) span(kx int) (lo, hi, from int) {
	off := kx*s.Dilations[1] - s.Pads[1]
	st := s.Strides[1]
	if off < 0 {
		lo = (-off + st - 1) / st
	}
	hi = s.OW
	if last := s.W - 1 - off; last < 0 {
		hi = 0
	} else {
		hi = min(hi, last/st+1)
	}
	lo = min(lo, s.OW)
	return lo, max(lo, hi), lo*st + off
}

// unfold writes the columns of one image's group: row (c, ky, kx) holds, for each output pixel, the input that filter
// element (ky, kx) of channel c reads there (Chellapilla et al. 2006).
func unfold[T Float](s ConvShape, x, col []T) {
	at := 0
	for c := range s.C / s.Groups {
		plane := x[c*s.H*s.W : (c+1)*s.H*s.W]
		for ky := range s.KH {
			for kx := range s.KW {
				lo, hi, from := s.span(kx)
				for oy := range s.OH {
					row := col[at : at+s.OW]
					at += s.OW
					iy := oy*s.Strides[0] + ky*s.Dilations[0] - s.Pads[0]
					if iy < 0 || iy >= s.H || lo == hi {
						clear(row)
						continue
					}
					clear(row[:lo])
					clear(row[hi:])
					src := plane[iy*s.W : (iy+1)*s.W]
					if s.Strides[1] == 1 {
						copy(row[lo:hi], src[from:])
						continue
					}
					for i, k := lo, from; i < hi; i, k = i+1, k+s.Strides[1] {
						row[i] = src[k]
					}
				}
			}
		}
	}
}

// fold is the adjoint of unfold: it adds the columns back to the image's group.
func fold[T Float](s ConvShape, col, x []T) {
	clear(x)
	at := 0
	for c := range s.C / s.Groups {
		plane := x[c*s.H*s.W : (c+1)*s.H*s.W]
		for ky := range s.KH {
			for kx := range s.KW {
				lo, hi, from := s.span(kx)
				for oy := range s.OH {
					row := col[at : at+s.OW]
					at += s.OW
					iy := oy*s.Strides[0] + ky*s.Dilations[0] - s.Pads[0]
					if iy < 0 || iy >= s.H || lo == hi {
						continue
					}
					dst := plane[iy*s.W : (iy+1)*s.W]
					if s.Strides[1] == 1 {
						d := dst[from : from+hi-lo]
						Add(d, d, row[lo:hi])
						continue
					}
					for i, k := lo, from; i < hi; i, k = i+1, k+s.Strides[1] {
						dst[k] += row[i]
					}
				}
			}
		}
	}
}

// images runs do for each image, on one goroutine each at a time, with a scratch matrix of the unfolding's size.
func images[T Float](c *Context, s ConvShape, do func(b BLAS, n int, col []T)) {
	rows, cols := s.columns()
	size := rows * cols
	if s.pointwise() {
		size = 0
	}
	workers := max(1, min(c.Threads, s.N))
	scratch := Scratch[T](c, workers*size)
	c.Parallel(workers, 1, func(lo, hi int) {
		for w := lo; w < hi; w++ {
			for n := w * s.N / workers; n < (w+1)*s.N/workers; n++ {
				do(c.BLAS, n, scratch[w*size:(w+1)*size])
			}
		}
	})
}

// ConvForward is y = x ∗ w.
func ConvForward[T Float](c *Context, s ConvShape, y, x, w []T) {
	rows, cols := s.columns()
	o, in := s.O/s.Groups, s.C/s.Groups*s.H*s.W
	if len(y) == 0 {
		return
	}
	images(c, s, func(b BLAS, n int, col []T) {
		for g := range s.Groups {
			src := x[(n*s.Groups+g)*in : (n*s.Groups+g+1)*in]
			if s.pointwise() {
				col = src
			} else {
				unfold(s, src, col)
			}
			gemm(b, false, false, o, cols, rows, 1, w[g*o*rows:(g+1)*o*rows], rows, col, cols, 0, y[(n*s.Groups+g)*o*cols:(n*s.Groups+g+1)*o*cols], cols)
		}
	})
}

// ConvInput is the adjoint of ConvForward in x, the transposed convolution: from w and dy it makes dx.
func ConvInput[T Float](c *Context, s ConvShape, dx, w, dy []T) {
	rows, cols := s.columns()
	o, in := s.O/s.Groups, s.C/s.Groups*s.H*s.W
	if len(dy) == 0 {
		clear(dx)
		return
	}
	images(c, s, func(b BLAS, n int, col []T) {
		for g := range s.Groups {
			dst := dx[(n*s.Groups+g)*in : (n*s.Groups+g+1)*in]
			if s.pointwise() {
				col = dst
			}
			gemm(b, true, false, rows, cols, o, 1, w[g*o*rows:(g+1)*o*rows], rows, dy[(n*s.Groups+g)*o*cols:(n*s.Groups+g+1)*o*cols], cols, 0, col, cols)
			if !s.pointwise() {
				fold(s, col, dst)
			}
		}
	})
}

// ConvWeight is the adjoint of ConvForward in w: from x and dy it makes dw. Images are added up in parts of fixed size, so
// that the sum does not depend on the number of goroutines.
func ConvWeight[T Float](c *Context, s ConvShape, dw, x, dy []T) {
	const parts = 8
	rows, cols := s.columns()
	o, in := s.O/s.Groups, s.C/s.Groups*s.H*s.W
	if len(dy) == 0 {
		clear(dw)
		return
	}
	size := rows * cols
	n := min(parts, s.N)
	scratch := Scratch[T](c, n*(len(dw)+size))
	sums, cols2 := scratch[:n*len(dw)], scratch[n*len(dw):]
	c.Parallel(n, 1, func(lo, hi int) {
		for p := lo; p < hi; p++ {
			sum := sums[p*len(dw) : (p+1)*len(dw)]
			beta := T(0)
			for i := p * s.N / n; i < (p+1)*s.N/n; i++ {
				for g := range s.Groups {
					col := cols2[p*size : (p+1)*size]
					src := x[(i*s.Groups+g)*in : (i*s.Groups+g+1)*in]
					if s.pointwise() {
						col = src
					} else {
						unfold(s, src, col)
					}
					gemm(c.BLAS, false, true, o, rows, cols, 1, dy[(i*s.Groups+g)*o*cols:(i*s.Groups+g+1)*o*cols], cols, col, cols, beta, sum[g*o*rows:(g+1)*o*rows], rows)
				}
				beta = 1
			}
		}
	})
	copy(dw, sums[:len(dw)])
	for p := 1; p < n; p++ {
		Add(dw, dw, sums[p*len(dw):(p+1)*len(dw)])
	}
}
