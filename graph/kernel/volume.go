package kernel

// A VolumeShape is the geometry of a convolution over three axes, x [N C D H W], w [O C/Groups KD KH KW], y [N O OD OH OW]: that of its
// planes, and how it goes over them. One over two axes has one plane everywhere.
//
// It is a convolution of planes: those that a plane of y reads lie behind one another as channels, and the filters are for these as they
// lie in memory.
type VolumeShape struct {
	ConvShape
	D, KD, OD             int
	Stride, Pad, Dilation int // in planes; Pad are the planes of zeros in front
}

// planeElements is how many elements of planes are laid out at a time, if not a single plane of y reads more.
const planeElements = 1 << 20

// flat reports whether there is one plane everywhere.
func (s VolumeShape) flat() bool { return s.D == 1 && s.KD == 1 && s.OD == 1 && s.Pad == 0 }

// parts calls do for all planes of y, counted through the batch: for those from first on, as many as the images of p.
func (s VolumeShape) parts(do func(first int, p ConvShape)) {
	n := s.N * s.OD
	each := max(1, planeElements/max(1, s.C*s.KD*s.H*s.W))
	for first := 0; first < n; first += each {
		p := s.ConvShape
		p.N, p.C = min(each, n-first), s.C*s.KD
		do(first, p)
	}
}

// buffers are memory for what the planes of a part read, for their results, and for n elements more.
func buffers[T Float](c *Context, s VolumeShape, n int) (in, out, more []T) {
	parts := 0
	s.parts(func(_ int, p ConvShape) { parts = max(parts, p.N) })
	a, b := parts*s.C*s.KD*s.H*s.W, parts*s.O*s.OH*s.OW
	buf := scratch[T](c, 1, a+b+n)
	return buf[:a], buf[a : a+b], buf[a+b:]
}

// sources calls do for each plane of x that planes of y read: for plane number to of what is laid out, which has size elements, the
// plane of x at from, or at -1 if it is of zeros. Goroutines share the channels.
func (s VolumeShape) sources(c *Context, first int, p ConvShape, do func(to, from, size int)) {
	size := s.H * s.W
	c.Parallel(s.C, max(1, copyGrain/max(1, p.N*s.KD*size)), func(lo, hi int) {
		for ch := lo; ch < hi; ch++ {
			for i := range p.N {
				n, od := (first+i)/s.OD, (first+i)%s.OD
				for k := range s.KD {
					from := -1
					if d := od*s.Stride + k*s.Dilation - s.Pad; d >= 0 && d < s.D {
						from = ((n*s.C+ch)*s.D + d) * size
					}
					do(((i*s.C+ch)*s.KD+k)*size, from, size)
				}
			}
		}
	})
}

// layOut copies what the planes of a part read to in.
func layOut[T Float](c *Context, s VolumeShape, first int, p ConvShape, in, x []T) {
	s.sources(c, first, p, func(to, from, size int) {
		if from < 0 {
			clear(in[to : to+size])
			return
		}
		copy(in[to:to+size], x[from:])
	})
}

// results calls do for each channel of the planes of a part: it lies at plane of what is laid out, and at y of the whole.
func (s VolumeShape) results(first int, p ConvShape, do func(plane, y, size int)) {
	size := s.OH * s.OW
	for i := range p.N {
		n, od := (first+i)/s.OD, (first+i)%s.OD
		for o := range s.O {
			do((i*s.O+o)*size, ((n*s.O+o)*s.OD+od)*size, size)
		}
	}
}

// ConvVolumes is y = x ∗ w.
func ConvVolumes[T Float](c *Context, s VolumeShape, y, x, w []T) {
	if s.flat() {
		ConvForward(c, s.ConvShape, y, x, w)
		return
	}
	in, out, _ := buffers[T](c, s, 0)
	s.parts(func(first int, p ConvShape) {
		layOut(c, s, first, p, in, x)
		ConvForward(c, p, out[:p.N*p.O*p.OH*p.OW], in, w)
		s.results(first, p, func(plane, at, size int) { copy(y[at:at+size], out[plane:]) })
	})
}

// ConvVolumesInput is the adjoint of ConvVolumes in x: from w and dy it makes dx.
func ConvVolumesInput[T Float](c *Context, s VolumeShape, dx, w, dy []T) {
	if s.flat() {
		ConvInput(c, s.ConvShape, dx, w, dy)
		return
	}
	clear(dx)
	in, out, _ := buffers[T](c, s, 0)
	s.parts(func(first int, p ConvShape) {
		s.results(first, p, func(plane, at, size int) { copy(out[plane:plane+size], dy[at:]) })
		ConvInput(c, p, in[:p.N*p.C*p.H*p.W], w, out[:p.N*p.O*p.OH*p.OW])
		s.sources(c, first, p, func(to, from, size int) {
			if from >= 0 {
				Add(dx[from:from+size], dx[from:from+size], in[to:to+size])
			}
		})
	})
}

// ConvVolumesWeight is the adjoint of ConvVolumes in w: from x and dy it makes dw.
func ConvVolumesWeight[T Float](c *Context, s VolumeShape, dw, x, dy []T) {
	if s.flat() {
		ConvWeight(c, s.ConvShape, dw, x, dy)
		return
	}
	clear(dw)
	in, out, part := buffers[T](c, s, len(dw))
	s.parts(func(first int, p ConvShape) {
		layOut(c, s, first, p, in, x)
		s.results(first, p, func(plane, at, size int) { copy(out[plane:plane+size], dy[at:]) })
		ConvWeight(c, p, part, in[:p.N*p.C*p.H*p.W], out[:p.N*p.O*p.OH*p.OW])
		Add(dw, dw, part)
	})
}
