package kernel

import "slices"

// A patch is the part of a batch's results that is one matrix product: some whole images, or some rows of one image.
type patch struct{ n0, n1, y0, y1 int }

func (p patch) single() bool { return p.n1-p.n0 == 1 }

// An unfolding turns a convolution into matrix products (im2col, Chellapilla et al. 2006). It says how the batch is cut
// into patches: small images go several at a time, so that the filters, which every product reads anew, are worth reading;
// large ones go in bands of rows, so that the unfolded matrix stays in the cache.
type unfolding struct {
	ConvShape
	images int // in each patch
	rows   int // of each image
	bands  int // of each image

	// A strided convolution reads every Strides-th pixel: it is an unstrided one over the image's phases, the
	// h×w images of the pixels whose coordinates have equal remainders.
	phases int
	h, w   int
	taps   []tap
}

// A tap is one element of a filter: pixel (y, x) of the result reads pixel (y+dy, x+dx) of a phase.
type tap struct {
	phase          int
	dy, dx         int
	y0, y1, x0, x1 int // the pixels of the result whose input is inside the image
}

const (
	patchColumns  = 128       // enough to be worth reading the filters
	patchElements = 256 << 10 // of an unfolded matrix
)

// unfold plans the products of s, with patches for at least the given number of goroutines where it can.
func (s ConvShape) unfold(goroutines int) *unfolding {
	u := &unfolding{ConvShape: s, images: 1, rows: s.OH, phases: s.Strides[0] * s.Strides[1],
		h: (s.H + s.Strides[0] - 1) / s.Strides[0], w: (s.W + s.Strides[1] - 1) / s.Strides[1]}
	columns := max(patchColumns, patchElements/(s.C/s.Groups*s.KH*s.KW))
	each := (s.N*s.OH + goroutines - 1) / max(goroutines, 1) // rows for each goroutine
	if size := s.OH * s.OW; size < patchColumns {
		u.images = max(1, min(s.N, columns/size, each/s.OH))
	} else {
		u.rows = max(1, min(s.OH, columns/s.OW, each))
	}
	u.bands = (s.OH + u.rows - 1) / u.rows
	for ky := range s.KH {
		for kx := range s.KW {
			dy, py := floorDiv(ky*s.Dilations[0]-s.Pads[0], s.Strides[0])
			dx, px := floorDiv(kx*s.Dilations[1]-s.Pads[1], s.Strides[1])
			t := tap{phase: py*s.Strides[1] + px, dy: dy, dx: dx}
			t.y0, t.y1 = clampRange(-dy, u.h-dy, 0, s.OH)
			t.x0, t.x1 = clampRange(-dx, u.w-dx, 0, s.OW)
			u.taps = append(u.taps, t)
		}
	}
	return u
}

// floorDiv is ⌊a/b⌋ and the remainder, which is not negative, for b > 0.
func floorDiv(a, b int) (q, r int) {
	q, r = a/b, a%b
	if r < 0 {
		q, r = q-1, r+b
	}
	return q, r
}

// clampRange is the part of [lo, hi) inside [from, to).
func clampRange(lo, hi, from, to int) (int, int) {
	lo = min(max(lo, from), to)
	return lo, min(max(hi, lo), to)
}

// patches is the number of patches; those of one image follow one another.
func (u *unfolding) patches() int { return (u.N + u.images - 1) / u.images * u.bands }

func (u *unfolding) patch(i int) patch {
	n, y := i/u.bands*u.images, i%u.bands*u.rows
	return patch{n, min(n+u.images, u.N), y, min(y+u.rows, u.OH)}
}

// cols is the number of result pixels in p, in each channel: the columns of its matrices.
func (u *unfolding) cols(p patch) int { return (p.n1 - p.n0) * (p.y1 - p.y0) * u.OW }

// scratch is the memory that a goroutine needs: an unfolded matrix, a matrix of the results of several images, the phases
// of an image.
func (u *unfolding) scratch() int {
	rows := u.C / u.Groups * u.KH * u.KW
	if u.images > 1 {
		rows += u.O / u.Groups
	}
	return rows*u.images*u.rows*u.OW + u.phaseSize()
}

func (u *unfolding) phaseSize() int {
	if u.phases == 1 {
		return 0
	}
	return u.phases * u.h * u.w
}

// pointwise reports whether the image is its own unfolding: a 1×1 filter at every pixel.
func (u *unfolding) pointwise() bool {
	return u.KH == 1 && u.KW == 1 && u.phases == 1 && u.Pads == [4]int{} && u.OH == u.H && u.OW == u.W
}

// pixel is where the first pixel of p stands in y, in a channel.
func (u *unfolding) pixel(p patch, channel int) int {
	return (p.n0*u.O+channel)*u.OH*u.OW + p.y0*u.OW
}

// source is where the first pixel of p stands in x, in a channel, if the convolution is pointwise.
func (u *unfolding) source(p patch, channel int) int {
	return (p.n0*u.C+channel)*u.H*u.W + p.y0*u.W
}

// pixels calls do for each stretch of n elements that is at i in a matrix [channels o0 to o1, pixels of p], and at j in y.
func (u *unfolding) pixels(p patch, o0, o1 int, do func(i, j, n int)) {
	n, i := (p.y1-p.y0)*u.OW, 0
	for o := o0; o < o1; o++ {
		for img := p.n0; img < p.n1; img++ {
			do(i, u.pixel(patch{n0: img, y0: p.y0}, o), n)
			i += n
		}
	}
}

// results is the matrix [channels o0 to o1, pixels of p] of y, and the distance of its rows: a part of y itself, or a copy
// in buf.
func results[T Float](u *unfolding, p patch, y []T, o0, o1 int, buf []T) (m []T, ld int) {
	if p.single() {
		return y[u.pixel(p, o0):], u.OH * u.OW
	}
	u.pixels(p, o0, o1, func(i, j, n int) { copy(buf[i:i+n], y[j:j+n]) })
	return buf, u.cols(p)
}

// columns is the unfolded matrix of channels c0 to c1 of x, and the distance of its rows: row (c, ky, kx) holds, for each
// pixel of p, the input that filter element (ky, kx) of channel c reads there. It is a part of x itself, or in buf.
func columns[T Float](u *unfolding, p patch, x []T, c0, c1 int, buf []T) (col []T, ld int) {
	if u.pointwise() && p.single() {
		return x[u.source(p, c0):], u.H * u.W
	}
	n, size := (p.y1-p.y0)*u.OW, u.H*u.W
	ld = u.cols(p)
	phases := buf[len(buf)-u.phaseSize():]
	for c := c0; c < c1; c++ {
		for img := p.n0; img < p.n1; img++ {
			from := x[(img*u.C+c)*size : (img*u.C+c+1)*size]
			if u.phases > 1 {
				split(u, p, from, phases)
				from = phases
			}
			for i, t := range u.taps {
				at := ((c-c0)*len(u.taps)+i)*ld + (img-p.n0)*n
				read(u, t, p, from[t.phase*u.h*u.w:][:u.h*u.w], buf[at:at+n])
			}
		}
	}
	return buf, ld
}

// fold is the adjoint of columns: it adds the matrix at the start of buf, which it spoils, to channels c0 to c1 of x.
func fold[T Float](u *unfolding, p patch, x []T, c0, c1 int, buf []T) {
	n, size, ld := (p.y1-p.y0)*u.OW, u.H*u.W, u.cols(p)
	phases := buf[len(buf)-u.phaseSize():]
	for c := c0; c < c1; c++ {
		for img := p.n0; img < p.n1; img++ {
			plane := x[(img*u.C+c)*size : (img*u.C+c+1)*size]
			to := plane
			if u.phases > 1 {
				clear(phases)
				to = phases
			}
			for i, t := range u.taps {
				at := ((c-c0)*len(u.taps)+i)*ld + (img-p.n0)*n
				add(u, t, p, to[t.phase*u.h*u.w:][:u.h*u.w], buf[at:at+n])
			}
			if u.phases > 1 {
				merge(u, p, plane, phases)
			}
		}
	}
}

// reads are the rows of each phase that the pixels of p read.
func (u *unfolding) reads(p patch) (r0, r1 int) {
	byRow := func(a, b tap) int { return a.dy - b.dy }
	return clampRange(p.y0+slices.MinFunc(u.taps, byRow).dy, p.y1+slices.MaxFunc(u.taps, byRow).dy, 0, u.h)
}

// split writes the phases of a plane, as far as p reads them. Where a phase is smaller than others it is filled with zeros.
func split[T Float](u *unfolding, p patch, plane, phases []T) {
	r0, r1 := u.reads(p)
	u.phaseRows(r0, r1, func(row, from, n int) {
		out := phases[row : row+u.w]
		clear(out[n:])
		if n == 0 {
			return
		}
		src, st := plane[from:], u.Strides[1]
		for i := range out[:n] {
			out[i] = src[i*st]
		}
	})
}

// merge is the adjoint of split.
func merge[T Float](u *unfolding, p patch, plane, phases []T) {
	r0, r1 := u.reads(p)
	u.phaseRows(r0, r1, func(row, from, n int) {
		if n == 0 {
			return
		}
		dst, st := plane[from:], u.Strides[1]
		for i, v := range phases[row : row+n] {
			dst[i*st] += v
		}
	})
}

// phaseRows calls do for each of the rows r0 to r1 of each phase: row is where it starts, from where its first pixel is in
// the image, n how many of its pixels are in the image.
func (u *unfolding) phaseRows(r0, r1 int, do func(row, from, n int)) {
	for py := range u.Strides[0] {
		for px := range u.Strides[1] {
			n := max(0, (u.W-px+u.Strides[1]-1)/u.Strides[1])
			for r := r0; r < r1; r++ {
				row := ((py*u.Strides[1]+px)*u.h + r) * u.w
				if y := r*u.Strides[0] + py; y < u.H {
					do(row, y*u.W+px, n)
				} else {
					do(row, 0, 0)
				}
			}
		}
	}
}

// read writes to out what the tap reads of its phase for the pixels of p.
func read[T Float](u *unfolding, t tap, p patch, phase, out []T) {
	y0, y1 := clampRange(t.y0, t.y1, p.y0, p.y1)
	if y0 == y1 || t.x0 == t.x1 {
		clear(out)
		return
	}
	clear(out[:(y0-p.y0)*u.OW])
	clear(out[(y1-p.y0)*u.OW:])
	out = out[(y0-p.y0)*u.OW : (y1-p.y0)*u.OW]
	from := (y0+t.dy)*u.w + t.dx
	if u.OW == u.w { // the rows follow one another as in the phase: only the margins are wrong
		skip := max(0, -from)
		copy(out[skip:], phase[from+skip:])
		clearMargins(u, t, out)
		return
	}
	for i := 0; i < len(out); i += u.OW {
		row := out[i : i+u.OW]
		clear(row[:t.x0])
		copy(row[t.x0:t.x1], phase[from+t.x0:])
		clear(row[t.x1:])
		from += u.w
	}
}

// add is the adjoint of read. It clears the margins of in.
func add[T Float](u *unfolding, t tap, p patch, phase, in []T) {
	y0, y1 := clampRange(t.y0, t.y1, p.y0, p.y1)
	if y0 == y1 || t.x0 == t.x1 {
		return
	}
	in = in[(y0-p.y0)*u.OW : (y1-p.y0)*u.OW]
	from := (y0+t.dy)*u.w + t.dx
	if u.OW == u.w {
		clearMargins(u, t, in)
		skip := max(0, -from)
		n := min(len(in), len(phase)-from) - skip
		dst := phase[from+skip:][:n]
		Add(dst, dst, in[skip:][:n])
		return
	}
	for i := 0; i < len(in); i += u.OW {
		row := in[i+t.x0 : i+t.x1]
		dst := phase[from+t.x0:][:len(row)]
		Add(dst, dst, row)
		from += u.w
	}
}

// clearMargins clears, in whole rows of results, the pixels whose input is outside the image.
func clearMargins[T Float](u *unfolding, t tap, rows []T) {
	for x := range t.x0 {
		for i := x; i < len(rows); i += u.OW {
			rows[i] = 0
		}
	}
	for x := t.x1; x < u.OW; x++ {
		for i := x; i < len(rows); i += u.OW {
			rows[i] = 0
		}
	}
}
