package graph

import "slices"

// Pooling by windows that do not overlap, over rows of channels as in conv_rows.go: each place in the window is a Gather of rows, and all
// else goes element by element.

// apart reports whether the windows of a pooling of x neither overlap nor leave the image, and are worth a few nodes for each of their
// elements.
func (w window) apart(x *Value) bool {
	for i, k := range w.kernel {
		if w.strides[i] < k {
			return false
		}
	}
	taps := dims(w.kernel).Size()
	return slices.Max(w.pads) == 0 && taps > 1 && taps <= maxTile*maxTile && x.Shape()[1:].Static()
}

// tapPixels is, for each element of the window, its pixel at each of the windows' places.
func (w window) tapPixels(in, places Shape) [][]int64 {
	var taps [][]int64
	each(w.kernel, func(tap []int) {
		var pixels []int64
		each(lengths(places), func(at []int) {
			for i := range at {
				at[i] = at[i]*w.strides[i] + tap[i]
			}
			pixels = append(pixels, pixelAt(at, lengths(in)))
		})
		taps = append(taps, pixels)
	})
	return taps
}

// tapRows are the rows of x that tapPixels says.
func (w window) tapRows(x *Value, places Shape) []*Value {
	var taps []*Value
	rows := rowsOf(x)
	for _, pixels := range w.tapPixels(x.Shape()[2:], places) {
		taps = append(taps, pickRows(rows, pixels))
	}
	return taps
}

// LowerFast is the largest of the elements of windows that do not overlap.
func (o MaxPoolND) LowerFast(n *Node) []*Value {
	x, y := n.Args[0], n.Results[0]
	if !o.window().apart(x) {
		return nil
	}
	return []*Value{imagesOf(largest(o.window().tapRows(x, y.Shape()[2:])), y.Shape())}
}

// largest is the largest of each element of vs.
func largest(vs []*Value) *Value {
	top := vs[0]
	for _, v := range vs[1:] {
		top = top.Max(v)
	}
	return top
}

// LowerFast gives each g to the first element of its window that is the largest.
func (o MaxPoolScatter) LowerFast(n *Node) []*Value {
	x, g, y := n.Args[0], n.Args[1], n.Results[0]
	w := o.Pool.window()
	if !w.apart(x) {
		return nil
	}
	in, places := x.Shape()[2:], g.Shape()[2:]
	taps := w.tapRows(x, places)
	top, rest, last := largest(taps), rowsOf(g), len(taps)-1
	parts := make([]*Value, len(taps))
	for i, tap := range taps[:last] {
		parts[i] = rest.Mul(tap.Equal(top).Cast(g.DType()))
		rest = rest.Sub(parts[i])
	}
	parts[last] = rest
	from := slices.Repeat([]int64{outside}, int(in.Size()))
	for i, pixel := range slices.Concat(w.tapPixels(in, places)...) {
		from[pixel] = int64(i)
	}
	return []*Value{imagesOf(pickRows(Join(1, parts...), from), y.Shape())}
}
