package kernel

import "slices"

// A patch is the part of a batch's results that is one matrix product: some rows of some images. Its columns are pixels, each
// of as many lanes as there are images: what is copied for a filter element is then long, even where rows are short.
type patch struct{ n0, n1, y0, y1 int }

func (p patch) lanes() int { return p.n1 - p.n0 }

// An unfolding turns a convolution into matrix products (im2col, Chellapilla et al. 2006). It says how the batch is cut
// into patches: images with short rows go several at a time, and all in bands of rows, so that the unfolded matrix stays in the
// cache.
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
	patchElements = 256 << 10 // of an unfolded matrix, if that many are patchColumns or a row
	maxLanes      = 16        // a cache line of float32
	longRow       = 24        // that is worth copying alone
)

// unfold plans the products of s, with patches for at least the given number of goroutines where it can.
func (s ConvShape) unfold(goroutines int) *unfolding {
	u := &unfolding{ConvShape: s, images: 1, phases: s.Strides[0] * s.Strides[1],
		h: (s.H + s.Strides[0] - 1) / s.Strides[0], w: (s.W + s.Strides[1] - 1) / s.Strides[1], taps: make([]tap, 0, s.KH*s.KW)}
	columns := max(patchColumns, patchElements/(s.C/s.Groups*s.KH*s.KW))
	lanes := min(s.N, maxLanes)
	if s.OW < longRow && !(u.pointwise() && s.OH*s.OW >= patchColumns) && s.H*s.W*lanes <= patchElements {
		u.images = lanes
	}
	each := (s.N*s.OH + goroutines - 1) / max(goroutines, 1) // rows for each goroutine
	u.rows = max(1, min(s.OH, columns/(s.OW*u.images), each/u.images))
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

// scratch is the memory that a goroutine needs: an unfolded matrix, a matrix of results and one of gradients of the filters, an
// image of each lane, and once more by lanes, and their phases.
func (u *unfolding) scratch() int {
	k, o := u.C/u.Groups*u.KH*u.KW, u.O/u.Groups
	size := k * u.images * u.rows * u.OW
	if u.images > 1 {
		size += o * u.images * u.rows * u.OW
	}
	return size + 2*u.planeSize() + u.phaseSize()
}

// planeSize is the size of an image of each lane, if there are several.
func (u *unfolding) planeSize() int {
	if u.images == 1 {
		return 0
	}
	return u.images * u.H * u.W
}

func (u *unfolding) phaseSize() int {
	if u.phases == 1 {
		return 0
	}
	return u.images * u.phases * u.h * u.w
}

// planes are the ends of a goroutine's scratch: by lanes, by images, and phases.
func planes[T Float](u *unfolding, buf []T) (lanes, images, phases []T) {
	n, m := u.planeSize(), u.phaseSize()
	buf = buf[len(buf)-2*n-m:]
	return buf[:n], buf[n : 2*n], buf[2*n:]
}

// pointwise reports whether the image is its own unfolding: a 1×1 filter at every pixel.
func (s ConvShape) pointwise() bool {
	return s.KH == 1 && s.KW == 1 && s.Strides == [2]int{1, 1} && s.Pads == [4]int{} && s.OH == s.H && s.OW == s.W
}

// pixel is where the first pixel of p stands in y, in a channel.
func (u *unfolding) pixel(p patch, channel int) int {
	return (p.n0*u.O+channel)*u.OH*u.OW + p.y0*u.OW
}

// source is where the first pixel of p stands in x, in a channel, if the convolution is pointwise.
func (u *unfolding) source(p patch, channel int) int {
	return (p.n0*u.C+channel)*u.H*u.W + p.y0*u.W
}

// results is the matrix [channels o0 to o1, columns of p] of y, and the distance of its rows: a part of y itself, or a copy
// in buf.
func results[T Float](u *unfolding, p patch, y []T, o0, o1 int, buf []T) (m []T, ld int) {
	if p.lanes() == 1 {
		return y[u.pixel(p, o0):], u.OH * u.OW
	}
	n := (p.y1 - p.y0) * u.OW
	ld = u.cols(p)
	for o := o0; o < o1; o++ {
		Transpose(n, p.lanes(), buf[(o-o0)*ld:], p.lanes(), y[u.pixel(p, o):], u.O*u.OH*u.OW)
	}
	return buf, ld
}

// deliver is the way back: it copies the matrix m of results to y.
func deliver[T Float](u *unfolding, p patch, y []T, o0, o1 int, m []T) {
	n, ld := (p.y1-p.y0)*u.OW, u.cols(p)
	for o := o0; o < o1; o++ {
		Transpose(p.lanes(), n, y[u.pixel(p, o):], u.O*u.OH*u.OW, m[(o-o0)*ld:], p.lanes())
	}
}

// columns is the unfolded matrix of channels c0 to c1 of x, and the distance of its rows: row (c, ky, kx) holds, for each
// pixel of p, the input that filter element (ky, kx) of channel c reads there. It is a part of x itself, or in buf.
func columns[T Float](u *unfolding, p patch, x []T, c0, c1 int, buf []T) (col []T, ld int) {
	if u.pointwise() && p.lanes() == 1 {
		return x[u.source(p, c0):], u.H * u.W
	}
	size, lanes := u.H*u.W, p.lanes()
	ld = u.cols(p)
	byLane, _, phases := planes(u, buf)
	r0, r1 := u.reads(p)
	y0, y1 := min(r0*u.Strides[0], u.H), min(r1*u.Strides[0], u.H)
	for c := c0; c < c1; c++ {
		at := (p.n0*u.C + c) * size
		from := x[at : at+size]
		if lanes > 1 {
			Transpose((y1-y0)*u.W, lanes, byLane[y0*u.W*lanes:], lanes, x[at+y0*u.W:], u.C*size)
			from = byLane
		}
		if u.phases > 1 {
			split(u, r0, r1, lanes, from, phases)
			from = phases
		}
		for i, t := range u.taps {
			at := ((c-c0)*len(u.taps) + i) * ld
			read(u, t, p, from[t.phase*u.h*u.w*lanes:][:u.h*u.w*lanes], buf[at:at+ld])
		}
	}
	return buf, ld
}

// fold is the adjoint of columns: it adds the matrix at the start of buf, which it spoils, to channels c0 to c1 of x.
func fold[T Float](u *unfolding, p patch, x []T, c0, c1 int, buf []T) {
	size, lanes, ld := u.H*u.W, p.lanes(), u.cols(p)
	byLane, byImage, phases := planes(u, buf)
	r0, r1 := u.reads(p)
	y0, y1 := min(r0*u.Strides[0], u.H), min(r1*u.Strides[0], u.H)
	for c := c0; c < c1; c++ {
		at := (p.n0*u.C + c) * size
		plane := x[at : at+size]
		if lanes > 1 {
			plane = byLane[:size*lanes]
		}
		to := plane
		if u.phases > 1 {
			to = phases
		}
		if u.phases > 1 || lanes > 1 {
			for phase := range u.phases {
				clear(to[(phase*u.h+r0)*u.w*lanes : (phase*u.h+r1)*u.w*lanes])
			}
		}
		for i, t := range u.taps {
			at := ((c-c0)*len(u.taps) + i) * ld
			add(u, t, p, to[t.phase*u.h*u.w*lanes:][:u.h*u.w*lanes], buf[at:at+ld])
		}
		if u.phases > 1 {
			merge(u, r0, r1, lanes, plane, phases)
		}
		if lanes > 1 {
			n := (y1 - y0) * u.W
			Transpose(lanes, n, byImage, n, plane[y0*u.W*lanes:], lanes)
			for i := range lanes {
				out := x[at+i*u.C*size+y0*u.W:][:n]
				Add(out, out, byImage[i*n:(i+1)*n])
			}
		}
	}
}

// reads are the rows of each phase that the pixels of p read.
func (u *unfolding) reads(p patch) (r0, r1 int) {
	byRow := func(a, b tap) int { return a.dy - b.dy }
	return clampRange(p.y0+slices.MinFunc(u.taps, byRow).dy, p.y1+slices.MaxFunc(u.taps, byRow).dy, 0, u.h)
}

// split writes rows r0 to r1 of the phases of a plane. Where a phase is smaller than others it is filled with zeros.
func split[T Float](u *unfolding, r0, r1, lanes int, plane, phases []T) {
	st := u.Strides[1]
	u.phaseRows(r0, r1, func(row, from, n int) {
		out := phases[row*lanes : (row+u.w)*lanes]
		clear(out[n*lanes:])
		if n == 0 {
			return
		}
		src := plane[from*lanes:]
		if lanes == 1 {
			for i := range out[:n] {
				out[i] = src[i*st]
			}
			return
		}
		for i := range n {
			copyLanes(out[i*lanes:], src[i*st*lanes:], lanes)
		}
	})
}

// merge is the adjoint of split: it adds to the plane of an image, and writes to one by lanes.
func merge[T Float](u *unfolding, r0, r1, lanes int, plane, phases []T) {
	st := u.Strides[1]
	u.phaseRows(r0, r1, func(row, from, n int) {
		if n == 0 {
			return
		}
		dst, in := plane[from*lanes:], phases[row*lanes:(row+n)*lanes]
		if lanes == 1 {
			for i, v := range in {
				dst[i*st] += v
			}
			return
		}
		for i := range n {
			copyLanes(dst[i*st*lanes:], in[i*lanes:], lanes)
		}
	})
}

// copyLanes copies a pixel.
func copyLanes[T Float](dst, src []T, lanes int) {
	if lanes == maxLanes {
		*(*[maxLanes]T)(dst) = *(*[maxLanes]T)(src)
		return
	}
	copy(dst[:lanes], src)
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

// read writes to out what the tap reads of its phase for the columns of p.
func read[T Float](u *unfolding, t tap, p patch, phase, out []T) {
	lanes := p.lanes()
	width, w := u.OW*lanes, u.w*lanes
	y0, y1 := clampRange(t.y0, t.y1, p.y0, p.y1)
	if y0 == y1 || t.x0 == t.x1 {
		clear(out)
		return
	}
	clear(out[:(y0-p.y0)*width])
	clear(out[(y1-p.y0)*width:])
	out = out[(y0-p.y0)*width : (y1-p.y0)*width]
	from := (y0+t.dy)*w + t.dx*lanes
	if width == w { // the rows follow one another as in the phase: only the margins are wrong
		skip := max(0, -from)
		copy(out[skip:], phase[from+skip:])
		clearMargins(t.x0*lanes, t.x1*lanes, width, out)
		return
	}
	x0, x1 := t.x0*lanes, t.x1*lanes
	for i := 0; i < len(out); i += width {
		row := out[i : i+width]
		clear(row[:x0])
		copy(row[x0:x1], phase[from+x0:])
		clear(row[x1:])
		from += w
	}
}

// add is the adjoint of read. It clears the margins of in.
func add[T Float](u *unfolding, t tap, p patch, phase, in []T) {
	lanes := p.lanes()
	width, w := u.OW*lanes, u.w*lanes
	y0, y1 := clampRange(t.y0, t.y1, p.y0, p.y1)
	if y0 == y1 || t.x0 == t.x1 {
		return
	}
	in = in[(y0-p.y0)*width : (y1-p.y0)*width]
	from := (y0+t.dy)*w + t.dx*lanes
	if width == w {
		clearMargins(t.x0*lanes, t.x1*lanes, width, in)
		skip := max(0, -from)
		n := min(len(in), len(phase)-from) - skip
		dst := phase[from+skip:][:n]
		Add(dst, dst, in[skip:][:n])
		return
	}
	x0, x1 := t.x0*lanes, t.x1*lanes
	for i := 0; i < len(in); i += width {
		row := in[i+x0 : i+x1]
		dst := phase[from+x0:][:len(row)]
		Add(dst, dst, row)
		from += w
	}
}

// clearMargins clears, in whole rows of results, what is before x0 and from x1 on: the pixels whose input is outside the image.
func clearMargins[T Float](x0, x1, width int, rows []T) {
	if x0 == 0 && x1 == width {
		return
	}
	for i := 0; i < len(rows); i += width {
		row := rows[i : i+width]
		for x := range row[:x0] {
			row[x] = 0
		}
		for x := x1; x < width; x++ {
			row[x] = 0
		}
	}
}
