package kernel

// A PoolShape is the geometry of pooling: Volumes images of D×H×W become OD×OH×OW, each pixel from a window of Kernel. No window
// lies in the padding alone. Flat images have one plane.
type PoolShape struct {
	Volumes, D, H, W int
	OD, OH, OW       int
	Kernel, Strides  [3]int // planes, rows, columns
	Pads             [6]int // in front, at the top, left, behind, at the bottom, right
}

// poolGrain is the number of window elements worth a goroutine.
const poolGrain = 16 << 10

// stretchSize is the most results that are computed together.
const stretchSize = 64

// A stretch is a part of a row of results: n of them, the first at position at and in column ox. Their windows have rows y0
// to y1 of planes z0 to z1 of the image that starts at position image.
type stretch struct {
	at, n, ox             int
	image, z0, z1, y0, y1 int
}

// stretches calls do for all results, a stretch at a time.
func (s PoolShape) stretches(c *Context, do func(st stretch)) {
	work := s.OD * s.OH * s.OW * s.Kernel[0] * s.Kernel[1] * s.Kernel[2]
	c.Parallel(s.Volumes, max(1, poolGrain/max(1, work)), func(lo, hi int) {
		for v := lo; v < hi; v++ {
			for oz := range s.OD {
				z0, z1 := s.within(0, oz, s.D)
				for oy := range s.OH {
					y0, y1 := s.within(1, oy, s.H)
					row := ((v*s.OD+oz)*s.OH + oy) * s.OW
					for ox := 0; ox < s.OW; ox += stretchSize {
						do(stretch{at: row + ox, n: min(stretchSize, s.OW-ox), ox: ox, image: v * s.D * s.H * s.W, z0: z0, z1: z1, y0: y0, y1: y1})
					}
				}
			}
		}
	})
}

// within is the part inside the image, of n planes or rows, of the windows of result o along an axis.
func (s *PoolShape) within(axis, o, n int) (from, to int) {
	from = o*s.Strides[axis] - s.Pads[axis]
	return clampRange(from, from+s.Kernel[axis], 0, n)
}

// row is the position of row y of plane z in an image.
func (s *PoolShape) row(z, y int) int { return (z*s.H + y) * s.W }

// inside reports whether the first column of every window of the stretch is in the image, so that the first tap has them all.
func (s *PoolShape) inside(st stretch) bool {
	x := st.ox*s.Strides[2] - s.Pads[2]
	return x >= 0 && x+(st.n-1)*s.Strides[2] < s.W
}

// taps calls do for each window element, in order: for the results lo to hi of the stretch it is in the image, for the first
// of them at position from, for the others a column stride further each.
func (s *PoolShape) taps(st stretch, do func(lo, hi, from int)) {
	for z := st.z0; z < st.z1; z++ {
		for y := st.y0; y < st.y1; y++ {
			for kx := range s.Kernel[2] {
				x := st.ox*s.Strides[2] - s.Pads[2] + kx // of the first result
				lo, hi := 0, st.n
				if x < 0 {
					lo = ceilDiv(-x, s.Strides[2])
				}
				if x+(hi-1)*s.Strides[2] >= s.W {
					hi = ceilDiv(max(0, s.W-x), s.Strides[2])
				}
				if lo < hi {
					do(lo, hi, st.image+s.row(z, y)+x+lo*s.Strides[2])
				}
			}
		}
	}
}

// fours are the two rows of elements of a stretch whose windows are fours side by side, the usual case: rows and columns by 2 in
// steps of 2, all inside one plane. They are nil if they are not.
func fours[T Float](s *PoolShape, st stretch, x []T) (r0, r1 []T) {
	x0 := 2*st.ox - s.Pads[2]
	if s.Kernel != [3]int{1, 2, 2} || s.Strides[1] != 2 || s.Strides[2] != 2 || st.z1-st.z0 != 1 || st.y1-st.y0 != 2 || x0 < 0 || x0+2*st.n > s.W {
		return nil, nil
	}
	at := st.image + s.row(st.z0, st.y0) + x0
	return x[at : at+2*st.n], x[at+s.W : at+s.W+2*st.n]
}

// maxFours is the largest element of each window of fours.
func maxFours[T Float](out, r0, r1 []T) {
	if y, ok := any(out).([]float32); ok && loops.maxFours != nil && len(y) > 0 {
		loops.maxFours(&y[0], &any(r0).([]float32)[0], &any(r1).([]float32)[0], len(y))
		return
	}
	for i := range out {
		a, b := (*[2]T)(r0[2*i:]), (*[2]T)(r1[2*i:])
		out[i] = max(max(a[0], a[1]), max(b[0], b[1]))
	}
}

// scatterFours adds the elements of g to zeros where the largest of each window is, in rows d0 and d1, which no other window has.
func scatterFours[T Float](d0, d1, r0, r1, g []T) {
	if y, ok := any(g).([]float32); ok && loops.scatterFours != nil && len(y) > 0 {
		single := func(x []T) *float32 { return &any(x).([]float32)[0] }
		loops.scatterFours(single(d0), single(d1), single(r0), single(r1), &y[0], len(y))
		return
	}
	for i, v := range g {
		a, b := (*[2]T)(r0[2*i:]), (*[2]T)(r1[2*i:])
		best, at := a[0], 0
		for k, x := range [3]T{a[1], b[0], b[1]} {
			if x > best {
				best, at = x, k+1
			}
		}
		if at < 2 {
			d0[2*i+at] += v
		} else {
			d1[2*i+at-2] += v
		}
	}
}

// MaxPool takes the largest element of each window, or NaN if one is NaN.
func MaxPool[T Float](c *Context, s PoolShape, y, x []T) {
	step := s.Strides[2]
	s.stretches(c, func(st stretch) {
		out := y[st.at : st.at+st.n]
		if r0, r1 := fours(&s, st, x); r0 != nil {
			maxFours(out, r0, r1)
			return
		}
		inside := s.inside(st)
		if !inside {
			for i := range out {
				out[i] = T(inf(-1))
			}
		}
		s.taps(st, func(lo, hi, from int) {
			row, in := out[lo:hi], x[from:]
			if inside { // the first element of each window
				inside = false
				for i := range row {
					row[i] = in[i*step]
				}
				return
			}
			for i := range row {
				row[i] = max(row[i], in[i*step])
			}
		})
	})
}

// largest finds where the largest element of each window of a stretch is, the first of equals.
func largest[T Float](s *PoolShape, st stretch, x []T, places []int) {
	row, x0 := st.image+s.row(st.z0, st.y0), st.ox*s.Strides[2]-s.Pads[2]
	for i := range places {
		places[i] = row + max(0, x0)
		x0 += s.Strides[2]
	}
	inside := s.inside(st)
	s.taps(st, func(lo, hi, from int) {
		if inside { // the first element of each window is already there
			inside = false
			return
		}
		row := places[lo:hi]
		for i, best := range row {
			// Written so that it compiles to a conditional move: which element is largest cannot be predicted.
			if x[from] > x[best] {
				best = from
			}
			row[i] = best
			from += s.Strides[2]
		}
	})
}

// MaxPoolScatter is the adjoint of MaxPool at x: it adds each element of g to where the window's largest element of x is,
// the first of equals.
func MaxPoolScatter[T Float](c *Context, s PoolShape, dx, x, g []T) {
	clear(dx)
	s.stretches(c, func(st stretch) {
		if r0, r1 := fours(&s, st, x); r0 != nil {
			d0, d1 := fours(&s, st, dx)
			scatterFours(d0, d1, r0, r1, g[st.at:st.at+st.n])
			return
		}
		var buf [stretchSize]int
		places := buf[:st.n]
		largest(&s, st, x, places)
		for i, p := range places {
			dx[p] += g[st.at+i]
		}
	})
}

// MaxPoolGather is the adjoint of MaxPoolScatter: it takes from v what stands where the window's largest element of x is.
func MaxPoolGather[T Float](c *Context, s PoolShape, y, x, v []T) {
	s.stretches(c, func(st stretch) {
		var buf [stretchSize]int
		places := buf[:st.n]
		largest(&s, st, x, places)
		for i, p := range places {
			y[st.at+i] = v[p]
		}
	})
}

// shares are what the averages over the windows of a stretch multiply sums by: one over the windows' size, or over the size
// of their part inside the image.
func shares[T Float](s *PoolShape, st stretch, countPad bool, out []T) {
	if countPad || s.Pads == [6]int{} {
		for i := range out {
			out[i] = 1 / T(s.Kernel[0]*s.Kernel[1]*s.Kernel[2])
		}
		return
	}
	rows := (st.z1 - st.z0) * (st.y1 - st.y0)
	x := st.ox*s.Strides[2] - s.Pads[2]
	for i := range out {
		out[i] = 1 / T(rows*(min(x+s.Kernel[2], s.W)-max(x, 0)))
		x += s.Strides[2]
	}
}

// AveragePool takes the mean of each window; countPad counts padding as zeros, otherwise it is left out.
func AveragePool[T Float](c *Context, s PoolShape, countPad bool, y, x []T) {
	step := s.Strides[2]
	s.stretches(c, func(st stretch) {
		out := y[st.at : st.at+st.n]
		clear(out)
		s.taps(st, func(lo, hi, from int) {
			row, in := out[lo:hi], x[from:]
			for i := range row {
				row[i] += in[i*step]
			}
		})
		var buf [stretchSize]T
		parts := buf[:st.n]
		shares(&s, st, countPad, parts)
		Mul(out, out, parts)
	})
}

// AveragePoolSpread is the adjoint of AveragePool: it spreads each element of g over its window.
func AveragePoolSpread[T Float](c *Context, s PoolShape, countPad bool, dx, g []T) {
	clear(dx)
	step := s.Strides[2]
	s.stretches(c, func(st stretch) {
		var buf [stretchSize]T
		parts := buf[:st.n]
		shares(&s, st, countPad, parts)
		Mul(parts, parts, g[st.at:st.at+st.n])
		s.taps(st, func(lo, hi, from int) {
			out := dx[from:]
			for i, v := range parts[lo:hi] {
				out[i*step] += v
			}
		})
	})
}
