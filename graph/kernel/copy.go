package kernel

import (
	"slices"
	"unsafe"
)

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
	w := Borrow[copyWalk](c)
	w.join(shape, to, from)
	if len(w.dims) == 0 {
		dst[to.Base] = src[from.Base]
	} else {
		Cut(c, w.dims[0], max(1, copyGrain*w.dims[0]/n), copying[E]{w, dst, to.Base, src, from.Base})
	}
	GiveBack(c, w)
}

// fewAxes is how many axes of a walk take no memory besides it.
const fewAxes = 8

// A copyWalk is how a copy goes through two views: axes and the strides along them.
type copyWalk struct {
	dims, to, from []int
	few            [3][fewAxes]int
}

// copying is the task of Copy; the walk begins at d in dst and at s in src.
type copying[E any] struct {
	*copyWalk
	dst []E
	d   int
	src []E
	s   int
}

func (c *copying[E]) Part(_ *Context, lo, hi int) {
	copyAxes(hi-lo, c.dims, c.dst, c.d+lo*c.to[0], c.to, c.src, c.s+lo*c.from[0], c.from)
}

// join drops axes of size 1, joins neighbours that both views walk as one, and puts the axis along which src is
// contiguous next to the last where dst is contiguous along that: [Transpose] takes the two.
func (w *copyWalk) join(shape []int, to, from View) {
	w.dims, w.to, w.from = w.few[0][:0], w.few[1][:0], w.few[2][:0]
	for i, d := range shape {
		if d == 1 {
			continue
		}
		if n := len(w.dims); n > 0 && w.to[n-1] == d*to.Strides[i] && w.from[n-1] == d*from.Strides[i] {
			w.dims[n-1] *= d
			w.to[n-1], w.from[n-1] = to.Strides[i], from.Strides[i]
			continue
		}
		w.dims, w.to, w.from = append(w.dims, d), append(w.to, to.Strides[i]), append(w.from, from.Strides[i])
	}
	last := len(w.dims) - 1
	if last >= 2 && w.to[last] == 1 && w.from[last] > 1 {
		if k := slices.Index(w.from, 1); k >= 0 {
			for _, list := range [][]int{w.dims, w.to, w.from} {
				v := list[k]
				copy(list[k:], list[k+1:last])
				list[last-1] = v
			}
		}
	}
}

// copyAxes copies n indices of the first of dims, and all of the others.
func copyAxes[E any](n int, dims []int, dst []E, d int, to []int, src []E, s int, from []int) {
	switch {
	case len(dims) == 1:
		copyRow(n, dst, d, to[0], src, s, from[0])
	case len(dims) == 2 && to[0] > 0 && to[1] == 1 && from[0] == 1 && from[1] > 0:
		Transpose(n, dims[1], dst[d:], to[0], src[s:], from[1])
	case len(dims) == 2 && to[1] == 1 && from[1] == 1 && dims[1] < shortRow:
		for range n {
			row := dst[d : d+dims[1]]
			for i, v := range src[s : s+len(row)] {
				row[i] = v
			}
			d += to[0]
			s += from[0]
		}
	default:
		for range n {
			copyAxes(dims[1], dims[1:], dst, d, to[1:], src, s, from[1:])
			d += to[0]
			s += from[0]
		}
	}
}

// shortRow is the length below which a loop is quicker than the built-in copy.
const shortRow = 8

func copyRow[E any](n int, dst []E, d, to int, src []E, s, from int) {
	switch {
	case to == 1 && from == 1:
		copy(dst[d:d+n], src[s:s+n])
	case to == 1 && from == 0:
		row, v := dst[d:d+n], src[s]
		for i := range row {
			row[i] = v
		}
	default:
		for range n {
			dst[d] = src[s]
			d += to
			s += from
		}
	}
}

// Transpose copies a matrix whose columns are contiguous in src to rows in dst. ldd is the distance of dst's rows, lds
// that of src's columns. It takes some rows at a time, so that each cache line is read once and written once, even where a power
// of two as distance maps all of them to a few places in the cache.
func Transpose[E any](rows, cols int, dst []E, ldd int, src []E, lds int) {
	for i := 0; i < rows; i += transposeTile {
		h := min(transposeTile, rows-i)
		j := 0
		if to, from := words(dst), words(src); to != nil && loops.transpose != nil {
			whole := h &^ 3
			for ; j+vectorWidth <= cols && whole > 0; j += vectorWidth {
				_, _ = to[(i+h-1)*ldd+j+vectorWidth-1], from[(j+vectorWidth-1)*lds+i+h-1] // that all are there
				loops.transpose(&to[i*ldd+j], ldd, &from[j*lds+i], lds, whole)
				for k := i + whole; k < i+h; k++ {
					for l := range vectorWidth {
						to[k*ldd+j+l] = from[(j+l)*lds+k]
					}
				}
			}
		}
		for ; j < cols; j += transposeTile {
			transposeInto(h, min(transposeTile, cols-j), dst[i*ldd+j:], ldd, src[j*lds+i:], lds)
		}
	}
}

// words is d as float32s if its elements have that size, else nil: the vector loop moves them as they are.
func words[E any](d []E) []float32 {
	if unsafe.Sizeof(*new(E)) != 4 {
		return nil
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(d))), len(d))
}

const transposeTile = 16

// transposeInto is Transpose of a tile or less, through one on the stack.
func transposeInto[E any](h, w int, dst []E, ldd int, src []E, lds int) {
	const tile = transposeTile
	var buf [tile * tile]E
	for l := range w {
		copy(buf[l*tile:(l+1)*tile], src[l*lds:][:h])
	}
	k := 0
	for ; k+4 <= h; k += 4 {
		at := k * ldd
		r0, r1, r2, r3 := dst[at:][:w], dst[at+ldd:][:w], dst[at+2*ldd:][:w], dst[at+3*ldd:][:w]
		for l := range r0 {
			v := (*[4]E)(buf[l*tile+k:])
			r0[l], r1[l], r2[l], r3[l] = v[0], v[1], v[2], v[3]
		}
	}
	for ; k < h; k++ {
		row := dst[k*ldd:][:w]
		for l := range row {
			row[l] = buf[l*tile+k]
		}
	}
}
