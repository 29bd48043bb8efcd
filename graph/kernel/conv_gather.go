package kernel

import (
	"slices"

	"gonum.org/v1/gonum/blas"
)

// A Gatherer is a BLAS that multiplies float32 matrices of which the left one lies scattered, and the right one is packed before, for
// many products. A convolution is then products with the image where it lies, and none is unfolded (implicit GEMM, Chetlur et al. 2014).
type Gatherer interface {
	// Scolumns is how many columns a packed matrix of n has, and a result: a whole number of vectors.
	Scolumns(n int) int
	// Spack writes op(b), k rows of n columns, to the rows from at on of a packed matrix, which has depth rows of Scolumns(n).
	Spack(packed []float32, depth, at int, t blas.Transpose, k, n int, b []float32, ldb int)
	// Sgather is c = a·b, or is added to c: element (i, l) of a is x[rows[i]+cols[l]], and b, of n columns, is packed. Rows of c have
	// Scolumns(n) elements; those beyond n are spoiled.
	Sgather(n int, x []float32, rows, cols []int, packed []float32, add bool, c []float32, ldc int)
}

const (
	gatherDepth    = 256       // elements of a filter, or pixels of a filter's gradient, that are one sum, as in other products
	gatherElements = 128 << 10 // of images and results of a patch, so that both stay in the cache, if a row of pixels needs no more
	gatherPixels   = 2048      // of a patch
	gatherChannels = 256       // that are copied at a time: sums end where copies do
	weightChannels = 64        // the same, where a gradient's pixels are one sum
)

// gatherer is the BLAS of c, if it gathers elements of T, and s has something to unfold.
func gatherer[T Float](c *Context, s ConvShape) Gatherer {
	g, ok := c.BLAS.(Gatherer)
	if _, single := any(T(0)).(float32); !ok || !single || s.pointwise() {
		return nil
	}
	return g
}

// gathers reports whether gathering takes less time than unfolding, by measurement, for products with packed filters of n columns: it does
// where these fill two vectors or more, but for an eighth, where filters have half as many elements as there are filters, so that there is
// more to unfold than results to transpose, and where three times as many pixels use what is packed as there are filters.
func (s ConvShape) gathers(g Gatherer, n int) bool {
	o := s.O / s.Groups
	return g != nil && n >= 2*g.Scolumns(1) && 8*g.Scolumns(n) <= 9*n && 2*s.C/s.Groups*s.KH*s.KW >= o && s.N*s.OH*s.OW >= 3*o
}

// gathersWeight is gathers for the gradient of the filters, for which the same is packed and transposed either way.
func (s ConvShape) gathersWeight(g Gatherer) bool {
	return g != nil && s.O/s.Groups >= 8 && s.C/s.Groups*s.KH*s.KW >= 16
}

// A place is a row and a column.
type place struct{ y, x int }

// A source is images as gathered products read them: at each pixel of a grid, elements of a window, in each channel. The window of pixel
// (y, x) begins at row y·step.y − before.y and column x·step.x − before.x. A patch is copied with the zeros around it, if it has any.
type source struct {
	n, all, h, w               int // images, their channels, of which a group's are read, and a channel's plane
	channels                   int // that are read at a time
	grid, step, before, window place

	images, rows, bands int   // of a patch, as in an unfolding
	inside              bool  // the windows are inside the images: nothing is copied
	plane               place // of a channel, copied or not
	pixels              []int // where the windows of a patch begin
}

// cut makes patches of at most most pixels, with so many elements of results each, which so many goroutines share evenly, if they can.
func (s *source) cut(goroutines, most, results int) {
	most = min(most, ceilDiv(s.n*s.grid.y*s.grid.x, goroutines))
	high := func(rows int) int { return (rows-1)*s.step.y + s.window.y }
	wide := (s.grid.x-1)*s.step.x + s.window.x
	fits := func(images, rows int) bool {
		pixels := images * rows * s.grid.x
		return pixels <= most && images*s.channels*high(rows)*wide+pixels*results <= gatherElements
	}
	for s.rows = s.grid.y; s.rows > 1 && !fits(1, s.rows); {
		s.rows = ceilDiv(s.rows, 2)
	}
	s.bands = ceilDiv(s.grid.y, s.rows)
	for s.images = 1; s.bands == 1 && s.images < s.n && fits(s.images+1, s.rows); {
		s.images++
	}
	for images := s.images; images > s.images/2; images-- {
		if ceilDiv(s.n, images)%goroutines == 0 {
			s.images = images
			break
		}
	}
	s.plane = place{high(s.rows), wide}
	if s.inside = s.before.y <= 0 && s.before.x <= 0 && high(s.grid.y)-s.before.y <= s.h && wide-s.before.x <= s.w; s.inside {
		s.plane = place{s.h, s.w}
	}
	s.pixels = make([]int, 0, s.images*s.rows*s.grid.x)
	for i := range s.images {
		for y := range s.rows {
			for x := range s.grid.x {
				s.pixels = append(s.pixels, i*s.image()+y*s.step.y*s.plane.x+x*s.step.x)
			}
		}
	}
}

// image is how far the images of a patch are from one another.
func (s *source) image() int {
	if s.inside {
		return s.all * s.h * s.w
	}
	return s.channels * s.plane.y * s.plane.x
}

// size is the memory that a patch is copied to.
func (s *source) size() int {
	if s.inside {
		return 0
	}
	return s.images * s.image()
}

func (s *source) patches() int { return ceilDiv(s.n, s.images) * s.bands }

func (s *source) patch(i int) patch {
	n, y := i/s.bands*s.images, i%s.bands*s.rows
	return patch{n, min(n+s.images, s.n), y, min(y+s.rows, s.grid.y)}
}

// starts is where the windows of p begin in what read gives.
func (s *source) starts(p patch) []int { return s.pixels[:p.lanes()*(p.y1-p.y0)*s.grid.x] }

// elements is where in a window the elements of a filter lie, channel by channel.
func (s *source) elements(filter []place) []int {
	out := make([]int, 0, s.channels*len(filter))
	for c := range s.channels {
		for _, e := range filter {
			out = append(out, (c*s.plane.y+e.y)*s.plane.x+e.x)
		}
	}
	return out
}

// read is what the windows of p read of n channels of x from the given one on: a part of x, or in buf.
func (s *source) read(p patch, x []float32, channel, n int, buf []float32) []float32 {
	first := p.y0*s.step.y - s.before.y // row
	if s.inside {
		return x[((p.n0*s.all+channel)*s.h+first)*s.w-s.before.x:]
	}
	rows, wide := (p.y1-p.y0-1)*s.step.y+s.window.y, s.plane.x
	y0, y1 := clampRange(-first, s.h-first, 0, rows)
	x0, x1 := clampRange(s.before.x, s.before.x+s.w, 0, wide)
	for i := range p.lanes() {
		for c := range n {
			out := buf[i*s.image()+c*s.plane.y*wide:][:rows*wide]
			from := x[((p.n0+i)*s.all+channel+c)*s.h*s.w:][:s.h*s.w]
			clear(out[:y0*wide])
			clear(out[y1*wide:])
			for y := y0; y < y1; y++ {
				row, at := out[y*wide:][:wide], (first+y)*s.w+x0-s.before.x
				for j := range row[:x0] {
					row[j] = 0
				}
				if x0 < x1 {
					copy(row[x0:x1], from[at:])
				}
				for j := x1; j < wide; j++ {
					row[j] = 0
				}
			}
		}
	}
	return buf
}

// images is the source of s's images.
func (s ConvShape) images(channels int) *source {
	return &source{n: s.N, all: s.C, h: s.H, w: s.W, channels: min(channels, s.C/s.Groups),
		grid: place{s.OH, s.OW}, step: place{s.Strides[0], s.Strides[1]}, before: place{s.Pads[0], s.Pads[1]},
		window: place{(s.KH-1)*s.Dilations[0] + 1, (s.KW-1)*s.Dilations[1] + 1}}
}

// filter is the places of a filter's elements.
func (s ConvShape) filter() []place {
	var out []place
	for y := range s.KH {
		for x := range s.KW {
			out = append(out, place{y * s.Dilations[0], x * s.Dilations[1]})
		}
	}
	return out
}

// gather adds to c, or writes if channel is 0, the product of the windows at pixels with packed filters of n columns, from the channel on
// that x begins with; they have so many elements a channel, which lie where elements says.
func gather(g Gatherer, n int, x []float32, pixels []int, channel, size int, elements []int, packed []float32, c []float32, ldc int) {
	first := channel * size
	for l := 0; l < len(elements); l += gatherDepth {
		cols := elements[l:min(l+gatherDepth, len(elements))]
		g.Sgather(n, x, pixels, cols, packed[(first+l)*g.Scolumns(n):], first+l > 0, c, ldc)
	}
}

// gatherForward is ConvForward.
func gatherForward(c *Context, g Gatherer, s ConvShape, y, x, w []float32) {
	o, in, size := s.O/s.Groups, s.C/s.Groups, s.KH*s.KW
	k, columns := in*size, g.Scolumns(o)
	src := s.images(gatherChannels)
	src.cut(max(c.Threads, 1), gatherPixels, columns)
	elements := src.elements(s.filter())
	items, filters := src.patches()*s.Groups, s.Groups*k*columns
	scratch := Scratch[float32](c, filters+workers(c, items)*(src.size()+len(src.pixels)*columns))
	packed := scratch[:filters]
	blocks := ceilDiv(k, gatherDepth)
	c.Parallel(s.Groups*blocks, 1, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			group, l := i/blocks, i%blocks*gatherDepth
			depth := min(gatherDepth, k-l)
			g.Spack(packed[(group*k+l)*columns:], depth, 0, blas.Trans, depth, o, w[group*o*k+l:], k)
		}
	})
	share(c, items, scratch[filters:], func(item int, buf []float32) {
		p, group := src.patch(item/s.Groups), item%s.Groups
		out := buf[src.size():]
		for ch := 0; ch < in; ch += src.channels {
			n := min(src.channels, in-ch)
			gather(g, o, src.read(p, x, group*in+ch, n, buf), src.starts(p), ch, size, elements[:n*size], packed[group*k*columns:], out, columns)
		}
		each := (p.y1 - p.y0) * s.OW
		for i := range p.lanes() {
			Transpose(o, each, y[((p.n0+i)*s.O+group*o)*s.OH*s.OW+p.y0*s.OW:], s.OH*s.OW, out[i*each*columns:], columns)
		}
	})
}

// A phase is the pixels of an image whose coordinates have equal remainders by the strides. The same elements of a filter meet them all:
// their gradient is an unstrided convolution of the result's.
type phase struct {
	taps     []int // the elements that meet them, turned
	elements []int // where these lie in a window of the result
	rows     int   // of packed filters, before its own
}

// phases are those of the images, with the result's gradient as they read it, in patches for so many goroutines.
func (s ConvShape) phases(goroutines, columns int) (*source, []phase) {
	u := s.unfold(1)
	lo, hi := place{u.taps[0].dy, u.taps[0].dx}, place{u.taps[0].dy, u.taps[0].dx}
	for _, t := range u.taps {
		lo, hi = place{min(lo.y, t.dy), min(lo.x, t.dx)}, place{max(hi.y, t.dy), max(hi.x, t.dx)}
	}
	src := &source{n: s.N, all: s.O, h: s.OH, w: s.OW, channels: min(gatherChannels, s.O/s.Groups),
		grid: place{u.h, u.w}, step: place{1, 1}, before: hi, window: place{hi.y - lo.y + 1, hi.x - lo.x + 1}}
	src.cut(max(goroutines, 1), gatherPixels, u.phases*columns)
	phases, rows := make([]phase, u.phases), 0
	for i := range phases {
		var filter []place
		for k, t := range slices.Backward(u.taps) {
			if t.phase == i {
				phases[i].taps, filter = append(phases[i].taps, k), append(filter, place{hi.y - t.dy, hi.x - t.dx})
			}
		}
		phases[i].elements, phases[i].rows = src.elements(filter), rows
		rows += s.O / s.Groups * len(filter)
	}
	return src, phases
}

// packPhases packs the filters w of the groups' channels i for each phase, by way of buf.
func packPhases(g Gatherer, s ConvShape, phases []phase, packed, w []float32, i int, buf []float32) {
	o, in, size := s.O/s.Groups, s.C/s.Groups, s.KH*s.KW
	columns := g.Scolumns(in)
	Transpose(size, in, buf, in, w[i*in*size:], size)
	for _, ph := range phases {
		for t, tap := range ph.taps {
			l := i%o*len(ph.taps) + t
			block := l / gatherDepth * gatherDepth
			depth := min(gatherDepth, o*len(ph.taps)-block)
			g.Spack(packed[(i/o*o*size+ph.rows+block)*columns:], depth, l-block, blas.NoTrans, 1, in, buf[tap*in:], in)
		}
	}
}

// gatherInput is ConvInput.
func gatherInput(c *Context, g Gatherer, s ConvShape, dx, w, dy []float32) {
	o, in, size := s.O/s.Groups, s.C/s.Groups, s.KH*s.KW
	columns := g.Scolumns(in)
	src, phases := s.phases(c.Threads, columns)
	items, filters := src.patches()*s.Groups, s.O*size*columns
	each := max(src.size()+len(src.pixels)*len(phases)*columns, in*size)
	scratch := Scratch[float32](c, filters+workers(c, items)*each)
	packed := scratch[:filters]
	packers := workers(c, items)
	share(c, packers, scratch[filters:], func(part int, buf []float32) {
		for i := part * s.O / packers; i < (part+1)*s.O/packers; i++ {
			packPhases(g, s, phases, packed, w, i, buf)
		}
	})
	sy, sx := s.Strides[0], s.Strides[1]
	share(c, items, scratch[filters:], func(item int, buf []float32) {
		p, group := src.patch(item/s.Groups), item%s.Groups
		pixels, out := src.starts(p), buf[src.size():]
		// A row of phases after the other; in it, the pixels of the phases in turn, as they stand side by side in dx.
		of := func(i int) []float32 { return out[(i/sx*len(pixels)*sx+i%sx)*columns:] }
		for ch := 0; ch < o; ch += src.channels {
			n := min(src.channels, o-ch)
			data := src.read(p, dy, group*o+ch, n, buf)
			for i, ph := range phases {
				size := len(ph.taps)
				gather(g, in, data, pixels, ch, size, ph.elements[:n*size], packed[(group*o*s.KH*s.KW+ph.rows)*columns:], of(i), sx*columns)
			}
		}
		for i, ph := range phases {
			for j := 0; j < len(pixels) && len(ph.taps) == 0; j++ {
				clear(of(i)[j*sx*columns:][:columns])
			}
		}
		rows := p.y1 - p.y0
		for i := range p.lanes() {
			for y := p.y0 * sy; y < min(p.y1*sy, s.H); y++ {
				from := (y%sy*p.lanes()+i)*rows + y/sy - p.y0
				Transpose(in, s.W, dx[(((p.n0+i)*s.C+group*in)*s.H+y)*s.W:], s.H*s.W, out[from*src.grid.x*sx*columns:], columns)
			}
		}
	})
}

// gatherWeight is ConvWeight, with the same cuts. The images are the left operand once more: its rows are a filter's elements, and its
// columns pixels, of which a patch is one sum.
func gatherWeight(c *Context, g Gatherer, s ConvShape, dw, x, dy []float32) {
	o, in, size := s.O/s.Groups, s.C/s.Groups, s.KH*s.KW
	k := in * size
	src := s.images(weightChannels)
	src.cut(1, gatherDepth, 0) // however many goroutines there are: a patch is a sum
	elements := src.elements(s.filter())
	each := ceilDiv(c.Threads, s.Groups) // goroutines for each group: first by channels, then by filters
	parts := min(in, ceilDiv(ceilDiv(in, src.channels), each)*each)
	filters := min(o, ceilDiv(each, parts))
	items := s.Groups * parts * filters
	columns := g.Scolumns(ceilDiv(o, filters))
	sums := ceilDiv(in, parts) * size * columns
	scratch := Scratch[float32](c, workers(c, items)*(src.size()+sums+len(src.pixels)*columns))
	share(c, items, scratch, func(item int, buf []float32) {
		group, part, filter := item/(parts*filters), item/filters%parts, item%filters
		c0, c1 := part*in/parts, (part+1)*in/parts
		o0, o1 := group*o+filter*o/filters, group*o+(filter+1)*o/filters
		n := o1 - o0
		columns := g.Scolumns(n)
		sum, packed := buf[src.size():][:sums], buf[src.size()+sums:]
		for i := range src.patches() {
			p := src.patch(i)
			pixels, each := src.starts(p), (p.y1-p.y0)*s.OW
			for j := range p.lanes() {
				g.Spack(packed, len(pixels), j*each, blas.Trans, each, n, dy[((p.n0+j)*s.O+o0)*s.OH*s.OW+p.y0*s.OW:], s.OH*s.OW)
			}
			data := src.read(p, x, group*in+c0, c1-c0, buf)
			g.Sgather(n, data, elements[:(c1-c0)*size], pixels, packed, i > 0, sum, columns)
		}
		Transpose(n, (c1-c0)*size, dw[o0*k+c0*size:], k, sum, columns)
	})
}
