package kernel

// A View says how a tensor's elements lie in a slice: where the first is, and how far apart neighbours along each axis are.
// A stride may be 0 (broadcast) or negative (reversed).
type View struct {
	Base    int
	Strides []int
}

// Contiguous is the view of a whole row-major tensor.
func Contiguous(shape []int) View {
	v := View{Strides: make([]int, len(shape))}
	s := 1
	for i := len(shape) - 1; i >= 0; i-- {
		v.Strides[i] = s
		s *= shape[i]
	}
	return v
}

// copyGrain is the number of elements worth a goroutine in a copy.
const copyGrain = 64 << 10

// Copy copies a tensor of the given shape from one view to another. It is the core of Transpose, Slice, Pad, Concat and
// Expand. Distinct elements of the destination must not overlap.
func Copy[E any](c *Context, shape []int, dst []E, to View, src []E, from View) {
	n := 1
	for _, d := range shape {
		n *= d
	}
	if n == 0 {
		return
	}
	dims, to, from := joinAxes(shape, to, from)
	if len(dims) == 0 {
		dst[to.Base] = src[from.Base]
		return
	}
	c.Parallel(dims[0], max(1, copyGrain*dims[0]/n), func(lo, hi int) {
		part := append([]int{hi - lo}, dims[1:]...)
		copyAxes(part, dst, to.Base+lo*to.Strides[0], to.Strides, src, from.Base+lo*from.Strides[0], from.Strides)
	})
}

// joinAxes drops axes of size 1 and joins neighbours that both views walk as one.
func joinAxes(shape []int, to, from View) ([]int, View, View) {
	var dims []int
	t, f := View{Base: to.Base}, View{Base: from.Base}
	for i, d := range shape {
		if d == 1 {
			continue
		}
		if n := len(dims); n > 0 && t.Strides[n-1] == d*to.Strides[i] && f.Strides[n-1] == d*from.Strides[i] {
			dims[n-1] *= d
			t.Strides[n-1], f.Strides[n-1] = to.Strides[i], from.Strides[i]
			continue
		}
		dims = append(dims, d)
		t.Strides, f.Strides = append(t.Strides, to.Strides[i]), append(f.Strides, from.Strides[i])
	}
	return dims, t, f
}

func copyAxes[E any](dims []int, dst []E, d int, to []int, src []E, s int, from []int) {
	n := dims[0]
	if len(dims) > 1 {
		if len(dims) == 2 && to[1] == 1 && from[0] == 1 {
			transpose(dims, dst[d:], to[0], src[s:], from[1])
			return
		}
		for range n {
			copyAxes(dims[1:], dst, d, to[1:], src, s, from[1:])
			d += to[0]
			s += from[0]
		}
		return
	}
	switch {
	case to[0] == 1 && from[0] == 1:
		copy(dst[d:d+n], src[s:s+n])
	case to[0] == 1 && from[0] == 0:
		row, v := dst[d:d+n], src[s]
		for i := range row {
			row[i] = v
		}
	default:
		for range n {
			dst[d] = src[s]
			d += to[0]
			s += from[0]
		}
	}
}

// transpose copies a matrix whose columns are contiguous in src to rows in dst, tile by tile so that both stay in the
// cache. ldd is the distance of dst's rows, lds that of src's columns.
func transpose[E any](dims []int, dst []E, ldd int, src []E, lds int) {
	const tile = 16
	rows, cols := dims[0], dims[1]
	for i := 0; i < rows; i += tile {
		for j := 0; j < cols; j += tile {
			for k := i; k < min(i+tile, rows); k++ {
				for l := j; l < min(j+tile, cols); l++ {
					dst[k*ldd+l] = src[l*lds+k]
				}
			}
		}
	}
}
