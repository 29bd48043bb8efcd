package kernel

// A patch is the part of a batch's results that is one matrix product: some whole images, or some rows of one image.
type patch struct{ n0, n1, y0, y1 int }

func (p patch) single() bool { return p.n1-p.n0 == 1 }

// cols is the number of result pixels in p, in each channel: the columns of its matrices.
func (s ConvShape) cols(p patch) int { return (p.n1 - p.n0) * (p.y1 - p.y0) * s.OW }

// A cutting is how a batch is cut into patches. Small images go several at a time, so that the filters, which every
// product reads anew, are worth reading; large ones go in bands of rows, so that the unfolded matrix stays in the cache.
type cutting struct {
	s      ConvShape
	images int // in each patch
	rows   int // of each image
	bands  int // of each image
}

const (
	patchColumns  = 128       // enough to be worth reading the filters
	patchElements = 128 << 10 // of an unfolded matrix
)

// cut plans patches whose unfolded matrices have k rows; where it can, at least one for each of some goroutines.
func (s ConvShape) cut(k, goroutines int) cutting {
	goroutines = max(goroutines, 1)
	columns := max(patchColumns, patchElements/k)
	each := (s.N*s.OH + goroutines - 1) / goroutines // rows for each goroutine
	c := cutting{s: s, images: 1, rows: s.OH}
	if size := s.OH * s.OW; size < patchColumns {
		c.images = max(1, min(s.N, columns/size, each/s.OH))
	} else {
		c.rows = max(1, min(s.OH, columns/s.OW, each))
	}
	c.bands = (s.OH + c.rows - 1) / c.rows
	return c
}

func (c cutting) len() int { return (c.s.N + c.images - 1) / c.images * c.bands }

// cols is the most columns that a patch has.
func (c cutting) cols() int { return c.images * c.rows * c.s.OW }

// patch is the i-th patch; those of one image follow one another.
func (c cutting) patch(i int) patch {
	n, y := i/c.bands*c.images, i%c.bands*c.rows
	return patch{n, min(n+c.images, c.s.N), y, min(y+c.rows, c.s.OH)}
}

// pointwise reports whether the image is its own unfolding: a 1×1 filter at every pixel.
func (s ConvShape) pointwise() bool {
	return s.KH == 1 && s.KW == 1 && s.Strides == [2]int{1, 1} && s.Pads == [4]int{} && s.OH == s.H && s.OW == s.W
}

// pixel is where the first pixel of p stands in y, in a channel.
func (s ConvShape) pixel(p patch, channel int) int {
	return (p.n0*s.O+channel)*s.OH*s.OW + p.y0*s.OW
}

// source is where the first pixel of p stands in x, in a channel, if s is pointwise.
func (s ConvShape) source(p patch, channel int) int {
	return (p.n0*s.C+channel)*s.H*s.W + p.y0*s.W
}

// pixels calls do for each stretch of n elements that is at i in a matrix [channels o0 to o1, pixels of p], and at j in y.
func (s ConvShape) pixels(p patch, o0, o1 int, do func(i, j, n int)) {
	n, i := (p.y1-p.y0)*s.OW, 0
	for o := o0; o < o1; o++ {
		for img := p.n0; img < p.n1; img++ {
			do(i, s.pixel(patch{n0: img, y0: p.y0}, o), n)
			i += n
		}
	}
}

// results is the matrix [channels o0 to o1, pixels of p] of y, and the distance of its rows: a part of y itself, or a copy
// in scratch.
func results[T Float](s ConvShape, p patch, y []T, o0, o1 int, scratch []T) (m []T, ld int) {
	if p.single() {
		return y[s.pixel(p, o0):], s.OH * s.OW
	}
	s.pixels(p, o0, o1, func(i, j, n int) { copy(scratch[i:i+n], y[j:j+n]) })
	return scratch, s.cols(p)
}

// columns is the unfolded matrix of channels c0 to c1 of x, and the distance of its rows: row (c, ky, kx) holds, for each
// pixel of p, the input that filter element (ky, kx) of channel c reads there (Chellapilla et al. 2006). It is a part of x
// itself, or in scratch.
func columns[T Float](s ConvShape, p patch, x []T, c0, c1 int, scratch []T) (col []T, ld int) {
	if s.pointwise() && p.single() {
		return x[s.source(p, c0):], s.H * s.W
	}
	at, n := 0, (p.y1-p.y0)*s.OW
	s.taps(c0, c1, func(c int, t tap) {
		for img := p.n0; img < p.n1; img++ {
			plane := x[(img*s.C+c)*s.H*s.W : (img*s.C+c+1)*s.H*s.W]
			unfold(t, p.y0, p.y1, plane, take(scratch, &at, n))
		}
	})
	return scratch, s.cols(p)
}

// fold is the adjoint of columns: it adds the matrix, which it spoils, to channels c0 to c1 of x; first clears them before.
func fold[T Float](s ConvShape, p patch, x []T, c0, c1 int, col []T, first bool) {
	size := s.H * s.W
	if first {
		for img := p.n0; img < p.n1; img++ {
			clear(x[(img*s.C+c0)*size : (img*s.C+c1)*size])
		}
	}
	at, n := 0, (p.y1-p.y0)*s.OW
	s.taps(c0, c1, func(c int, t tap) {
		for img := p.n0; img < p.n1; img++ {
			refold(t, p.y0, p.y1, x[(img*s.C+c)*size:(img*s.C+c+1)*size], take(col, &at, n))
		}
	})
}

// take is the next n elements of m, from at on.
func take[T any](m []T, at *int, n int) []T {
	*at += n
	return m[*at-n : *at]
}

// A tap is one element of a filter: the pixel (y, x) of a result reads the input pixel (y·stride + dy, x·stride + dx).
type tap struct {
	h, w, ow int
	sy, sx   int
	dy, dx   int
	lo, hi   int // the columns of the result whose input is inside the image
}

// taps calls do for each filter element of channels c0 to c1.
func (s ConvShape) taps(c0, c1 int, do func(c int, t tap)) {
	for c := c0; c < c1; c++ {
		for ky := range s.KH {
			for kx := range s.KW {
				t := tap{h: s.H, w: s.W, ow: s.OW, sy: s.Strides[0], sx: s.Strides[1],
					dy: ky*s.Dilations[0] - s.Pads[0], dx: kx*s.Dilations[1] - s.Pads[1]}
				t.lo = min(s.OW, max(0, ceilDiv(-t.dx, t.sx)))
				t.hi = max(t.lo, min(s.OW, ceilDiv(s.W-t.dx, t.sx)))
				do(c, t)
			}
		}
	}
}

// ceilDiv is ⌈a/b⌉ for b > 0.
func ceilDiv(a, b int) int {
	if a <= 0 {
		return a / b
	}
	return (a + b - 1) / b
}

// shifted reports whether a row of results is a row of inputs, moved: then a whole plane can be moved at once, and only
// its margins are wrong.
func (t tap) shifted() bool { return t.sx == 1 && t.sy == 1 && t.ow == t.w }

// inside are the rows of results from y0 to y1 whose input is inside the image.
func (t tap) inside(y0, y1 int) (int, int) {
	lo := min(y1, max(y0, ceilDiv(-t.dy, t.sy)))
	return lo, max(lo, min(y1, ceilDiv(t.h-t.dy, t.sy)))
}

// unfold writes to out what the tap reads of plane for the rows y0 to y1 of the result.
func unfold[T Float](t tap, y0, y1 int, plane, out []T) {
	lo, hi := t.inside(y0, y1)
	if lo == hi || t.lo == t.hi {
		clear(out)
		return
	}
	clear(out[:(lo-y0)*t.ow])
	clear(out[(hi-y0)*t.ow:])
	out = out[(lo-y0)*t.ow : (hi-y0)*t.ow]
	if t.shifted() {
		from := (lo+t.dy)*t.w + t.dx
		skip := max(0, -from)
		copy(out[skip:], plane[from+skip:])
		clearMargins(t, out)
		return
	}
	for y := lo; y < hi; y++ {
		row := out[(y-lo)*t.ow : (y-lo+1)*t.ow]
		src := plane[(y*t.sy+t.dy)*t.w : (y*t.sy+t.dy+1)*t.w]
		clear(row[:t.lo])
		clear(row[t.hi:])
		row, src = row[t.lo:t.hi], src[t.lo*t.sx+t.dx:]
		if t.sx == 1 {
			copy(row, src)
			continue
		}
		k := 0
		for i := range row {
			row[i] = src[k]
			k += t.sx
		}
	}
}

// refold adds in, what the tap read for the rows y0 to y1 of the result, to plane. It clears in's margins.
func refold[T Float](t tap, y0, y1 int, plane, in []T) {
	lo, hi := t.inside(y0, y1)
	if lo == hi || t.lo == t.hi {
		return
	}
	in = in[(lo-y0)*t.ow : (hi-y0)*t.ow]
	if t.shifted() {
		clearMargins(t, in)
		from := (lo+t.dy)*t.w + t.dx
		skip := max(0, -from)
		in = in[skip:]
		dst := plane[from+skip : min(len(plane), from+skip+len(in))]
		Add(dst, dst, in[:len(dst)])
		return
	}
	for y := lo; y < hi; y++ {
		row := in[(y-lo)*t.ow+t.lo : (y-lo)*t.ow+t.hi]
		dst := plane[(y*t.sy+t.dy)*t.w : (y*t.sy+t.dy+1)*t.w][t.lo*t.sx+t.dx:]
		if t.sx == 1 {
			dst = dst[:len(row)]
			Add(dst, dst, row)
			continue
		}
		k := 0
		for _, v := range row {
			dst[k] += v
			k += t.sx
		}
	}
}

// clearMargins clears, in whole rows of results, the columns whose input is outside the image.
func clearMargins[T Float](t tap, rows []T) {
	for i := 0; i < len(rows); i += t.ow {
		row := rows[i : i+t.ow]
		for x := range t.lo {
			row[x] = 0
		}
		for x := t.hi; x < len(row); x++ {
			row[x] = 0
		}
	}
}
