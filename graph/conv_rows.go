package graph

import (
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// Convolutions as one product of matrices over the whole batch, for runtimes that are faster at that: images are rows of channels, pixel by
// pixel; a Gather of such rows puts what a filter covers side by side.

// maxPatches is how many elements of one image's patches are worth being written down: more leave the caches.
const maxPatches = 1 << 18

// rowsOf is images x [N C ...] as [N pixels C].
func rowsOf(x *Value) *Value {
	perm := []int{0}
	for i := 2; i < x.Rank(); i++ {
		perm = append(perm, i)
	}
	s := x.Shape()
	return x.Transpose(append(perm, 1)...).Reshape(s[0], s[2:].Size(), s[1])
}

// imagesOf is images of the shape s whose pixels' channels are rows: the inverse of rowsOf.
func imagesOf(rows *Value, s Shape) *Value {
	n, channels, pixels := s[0], s[1], s[2:]
	perm := []int{0, len(pixels) + 1}
	for i := range pixels {
		perm = append(perm, i+1)
	}
	return rows.Reshape(slices.Concat(Shape{n}, pixels, Shape{channels})...).Transpose(perm...)
}

// pickRows is the rows, [N pixels C], at the given pixels of each image; what is no pixel is a row of zeros.
func pickRows(rows *Value, pixels []int64) *Value {
	n, inOrder := int64(rows.Shape()[1]), true
	for i, p := range pixels {
		inOrder = inOrder && p == int64(i)
	}
	if inOrder && len(pixels) == int(n) {
		return rows
	}
	if slices.Contains(pixels, outside) {
		rows = rows.Pad([]int{0, 0, 0}, []int{0, 1, 0}, 0)
		for i, p := range pixels {
			if p == outside {
				pixels[i] = n
			}
		}
	}
	return rows.Gather(rows.fn.Const(tensor.Of(pixels, len(pixels))), 1)
}

// outside is no pixel.
const outside = -1

// pixelAt is the pixel at the given places along axes of the given sizes.
func pixelAt(at, sizes []int) int64 {
	flat := 0
	for i, p := range at {
		if p < 0 || p >= sizes[i] {
			return outside
		}
		flat = flat*sizes[i] + p
	}
	return int64(flat)
}

// each calls do with all places along axes of the given sizes, in order.
func each(sizes []int, do func(at []int)) {
	at := make([]int, len(sizes))
	for range dims(sizes).Size() {
		do(slices.Clone(at))
		for i := len(at) - 1; i >= 0; i-- {
			if at[i]++; at[i] < sizes[i] {
				break
			}
			at[i] = 0
		}
	}
}

// lengths are the sizes s, which are numbers.
func lengths(s Shape) []int {
	out := make([]int, len(s))
	for i, d := range s {
		out[i] = int(d)
	}
	return out
}

// patchRows is what filters of shape w cover in the images x: [N·places taps·channels].
func (o Conv) patchRows(x *Value, w, places Shape) *Value {
	var pixels []int64
	in, kernel := lengths(x.Shape()[2:]), lengths(w[2:])
	each(lengths(places), func(place []int) {
		each(kernel, func(tap []int) {
			for i, p := range place {
				tap[i] = p*o.Strides[i] + tap[i]*o.Dilations[i] - o.Pads[i]
			}
			pixels = append(pixels, pixelAt(tap, in))
		})
	})
	n := x.Shape()[0]
	return pickRows(rowsOf(x), pixels).Reshape(n.Times(places.Size()), w[2:].Size().Times(w[1]))
}

// byRows reports whether a convolution of x to places with filters of shape w is worth being a product of rows.
func (o Conv) byRows(x *Value, w, places Shape) bool {
	return o.Groups == 1 && x.Shape()[1:].Static() && places.Size()*w[1:].Size() <= maxPatches
}

// LowerFast is a product of patches and filters.
func (o Conv) LowerFast(n *Node) []*Value {
	x, w, y := n.Args[0], n.Args[1], n.Results[0]
	s, places := w.Shape(), y.Shape()[2:]
	if !o.byRows(x, s, places) {
		return nil
	}
	filters := pickRows(tapsOf(w), byTap(s)).Reshape(s[1:].Size(), s[0])
	return []*Value{imagesOf(o.patchRows(x, s, places).MatMul(filters), y.Shape())}
}

// LowerFast is a product of the patches and the gradient.
func (o ConvWeight) LowerFast(n *Node) []*Value {
	x, g, s := n.Args[0], n.Args[1], o.Shape
	places := g.Shape()[2:]
	if !o.Conv.byRows(x, s, places) {
		return nil
	}
	g = rowsOf(g).Reshape(g.Shape()[0].Times(places.Size()), s[0])
	w := o.Conv.patchRows(x, s, places).Gemm(g, nil, Gemm{Alpha: 1, Beta: 1, TransA: true})
	return []*Value{pickRows(w.Reshape(1, s[1:].Size(), s[0]), inverse(byTap(s))).Reshape(s[1:].Size(), s[0]).T().Reshape(s...)}
}

// tapsOf is filters w [O C ...] as [1 C·taps O]: what is transposed is one matrix, which runtimes are fast at.
func tapsOf(w *Value) *Value {
	s := w.Shape()
	return w.Reshape(s[0], s[1:].Size()).T().Reshape(1, s[1:].Size(), s[0])
}

// byTap are the rows of tapsOf, channel by channel, in the order of patchRows, tap by tap.
func byTap(w Shape) []int64 {
	var order []int64
	taps := w[2:].Size()
	for tap := range taps {
		for c := range w[1] {
			order = append(order, int64(c*taps+tap))
		}
	}
	return order
}

// inverse is the order that undoes order.
func inverse(order []int64) []int64 {
	out := make([]int64, len(order))
	for i, p := range order {
		out[p] = int64(i)
	}
	return out
}

// LowerFast is, with strides of 1, a convolution with the filters turned round. With strides that divide the filters, each pixel of the
// result has as many taps of x as any other: a product of patches and filters makes them, the pixels of one stride side by side, and a
// Gather puts them into their places.
func (o ConvTranspose) LowerFast(n *Node) []*Value {
	x, w, y := n.Args[0], n.Args[1], n.Results[0]
	s, in, sizes := w.Shape(), x.Shape()[2:], y.Shape()[2:]
	if o.Groups > 1 || !x.Shape()[1:].Static() || !sizes.Static() {
		return nil
	}
	conv := Conv{Dilations: o.Dilations, Groups: 1}.normal(len(in))
	if slices.Max(o.Strides) == 1 {
		perm, turned := []int{1, 0}, []int{}
		for i, k := range s[2:] {
			perm, turned = append(perm, 2+i), append(turned, 2+i)
			before := (int(k)-1)*o.Dilations[i] - o.Pads[i]
			conv.Pads[i], conv.Pads[len(in)+i] = before, int(sizes[i]-in[i])+(int(k)-1)*o.Dilations[i]-before
		}
		if slices.Min(conv.Pads) < 0 {
			return nil
		}
		return []*Value{x.Conv(w.Transpose(perm...).Flip(turned...), conv)}
	}
	taps, grid := make(Shape, len(in)), make(Shape, len(in))
	for i, k := range s[2:] {
		if o.Dilations[i] != 1 || int(k)%o.Strides[i] != 0 {
			return nil
		}
		taps[i] = k / Dim(o.Strides[i])
		grid[i] = in[i] + taps[i] - 1
	}
	if grid.Size()*taps.Size()*s[0] > maxPatches {
		return nil
	}
	// Place u of the grid makes the pixels u·stride to (u+1)·stride − 1, from x at u, u − 1, ... by every stride-th of the filter's taps.
	var patches, pixels []int64
	each(lengths(grid), func(u []int) {
		each(lengths(taps), func(tap []int) {
			for i := range tap {
				tap[i] = u[i] - tap[i]
			}
			patches = append(patches, pixelAt(tap, lengths(in)))
		})
	})
	each(lengths(sizes), func(at []int) {
		u, phase := make([]int, len(at)), make([]int, len(at))
		for i, p := range at {
			u[i], phase[i] = (p+o.Pads[i])/o.Strides[i], (p+o.Pads[i])%o.Strides[i]
		}
		pixels = append(pixels, pixelAt(slices.Concat(u, phase), slices.Concat(lengths(grid), o.Strides)))
	})
	batch, phases := x.Shape()[0], dims(o.Strides).Size()
	rows := pickRows(rowsOf(x), patches).Reshape(batch.Times(grid.Size()), taps.Size().Times(s[0]))
	made := rows.Gemm(o.phased(w, taps), nil, Gemm{Alpha: 1, Beta: 1, TransB: true}).Reshape(batch, grid.Size().Times(phases), s[1])
	return []*Value{imagesOf(pickRows(made, pixels), y.Shape())}
}

// phased is the filters w as a matrix: the rows are the pixels of one stride and their channels, the columns taps of x and its channels.
func (o ConvTranspose) phased(w *Value, taps Shape) *Value {
	s := w.Shape()
	var order []int64
	each(o.Strides, func(phase []int) {
		for out := range int64(s[1]) {
			each(lengths(taps), func(tap []int) {
				for i := range tap {
					tap[i] = tap[i]*o.Strides[i] + phase[i]
				}
				order = append(order, out*int64(s[2:].Size())+pixelAt(tap, lengths(s[2:])))
			})
		}
	})
	return pickRows(tapsOf(w), order).Reshape(dims(o.Strides).Size().Times(s[1]), taps.Size().Times(s[0]))
}
