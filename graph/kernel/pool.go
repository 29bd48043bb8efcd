package kernel

// A PoolShape is the geometry of pooling: Planes images of H×W become OH×OW, each pixel from a window of KH×KW.
type PoolShape struct {
	Planes, H, W int
	OH, OW       int
	Kernel       [2]int
	Strides      [2]int
	Pads         [4]int // top, left, bottom, right
}

// window is the part of the plane that output pixel (oy, ox) sees.
func (s PoolShape) window(oy, ox int) (y0, y1, x0, x1 int) {
	y0, x0 = oy*s.Strides[0]-s.Pads[0], ox*s.Strides[1]-s.Pads[1]
	return max(y0, 0), min(y0+s.Kernel[0], s.H), max(x0, 0), min(x0+s.Kernel[1], s.W)
}

// poolGrain is the number of window elements worth a goroutine.
const poolGrain = 16 << 10

// windows calls do for each output pixel of each plane: plane is the offset of its first input pixel, at that of the output.
func (s PoolShape) windows(c *Context, do func(plane, at, y0, y1, x0, x1 int)) {
	work := s.OH * s.OW * s.Kernel[0] * s.Kernel[1]
	c.Parallel(s.Planes, max(1, poolGrain/max(1, work)), func(lo, hi int) {
		for p := lo; p < hi; p++ {
			at := p * s.OH * s.OW
			for oy := range s.OH {
				for ox := range s.OW {
					y0, y1, x0, x1 := s.window(oy, ox)
					do(p*s.H*s.W, at, y0, y1, x0, x1)
					at++
				}
			}
		}
	})
}

// argmax is the position of the window's largest element, the first of equals; a NaN is larger than any number.
func argmax[T Float](s PoolShape, x []T, plane, y0, y1, x0, x1 int) int {
	best := plane + y0*s.W + x0
	top := x[best]
	for y := y0; y < y1; y++ {
		row := plane + y*s.W
		for i := row + x0; i < row+x1; i++ {
			if v := x[i]; v > top || v != v && top == top {
				top, best = v, i
			}
		}
	}
	return best
}

// MaxPool takes the largest element of each window.
func MaxPool[T Float](c *Context, s PoolShape, y, x []T) {
	s.windows(c, func(plane, at, y0, y1, x0, x1 int) { y[at] = x[argmax(s, x, plane, y0, y1, x0, x1)] })
}

// MaxPoolScatter is the adjoint of MaxPool at x: it adds each element of g to where the window's largest element of x is.
func MaxPoolScatter[T Float](c *Context, s PoolShape, dx, x, g []T) {
	clear(dx)
	s.windows(c, func(plane, at, y0, y1, x0, x1 int) { dx[argmax(s, x, plane, y0, y1, x0, x1)] += g[at] })
}

// MaxPoolGather is the adjoint of MaxPoolScatter: it takes from v what stands where the window's largest element of x is.
func MaxPoolGather[T Float](c *Context, s PoolShape, y, x, v []T) {
	s.windows(c, func(plane, at, y0, y1, x0, x1 int) { y[at] = v[argmax(s, x, plane, y0, y1, x0, x1)] })
}

// share is what an average divides by: the window's size, or only its part inside the plane.
func (s PoolShape) share(countPad bool, y0, y1, x0, x1 int) int {
	if countPad {
		return s.Kernel[0] * s.Kernel[1]
	}
	return (y1 - y0) * (x1 - x0)
}

// AveragePool takes the mean of each window; countPad counts padding as zeros, otherwise it is left out.
func AveragePool[T Float](c *Context, s PoolShape, countPad bool, y, x []T) {
	s.windows(c, func(plane, at, y0, y1, x0, x1 int) {
		var sum T
		for r := y0; r < y1; r++ {
			for _, v := range x[plane+r*s.W+x0 : plane+r*s.W+x1] {
				sum += v
			}
		}
		y[at] = sum / T(s.share(countPad, y0, y1, x0, x1))
	})
}

// AveragePoolSpread is the adjoint of AveragePool: it spreads each element of g over its window.
func AveragePoolSpread[T Float](c *Context, s PoolShape, countPad bool, dx, g []T) {
	clear(dx)
	s.windows(c, func(plane, at, y0, y1, x0, x1 int) {
		v := g[at] / T(s.share(countPad, y0, y1, x0, x1))
		for r := y0; r < y1; r++ {
			row := dx[plane+r*s.W+x0 : plane+r*s.W+x1]
			for i := range row {
				row[i] += v
			}
		}
	})
}
