package check

import (
	"math"
	"slices"
)

// channels is a normalisation of inputs [N C ...] with vectors [C] as the inputs from 1 to n−1.
func channels(n int) rule {
	return func(x *nodeContext) {
		first(x)
		if !x.rank(0, 2) {
			return
		}
		c := x.input(0).shape[1]
		for i := 1; i < n; i++ {
			if x.exactRank(i, 1) && differ(x.input(i).shape[0], c) {
				x.fail("input %d %s is for %v channels; %s has %v", i, x.name(i), x.input(i).shape[0], x.name(0), c)
			}
		}
	}
}

func batchNorm(x *nodeContext) {
	channels(5)(x)
	for i := 1; i < 3; i++ {
		if s := x.input(i + 2).shape; s != nil {
			x.set(i, s)
		}
	}
}

func layerNorm(x *nodeContext) {
	first(x)
	s := x.input(0).shape
	if s == nil {
		return
	}
	k, ok := x.axis(-1, len(s))
	if !ok {
		return
	}
	for i := 1; i < len(x.in); i++ {
		if p := x.input(i).shape; p != nil {
			if all, ok := broadcast(s[k:], p); !ok || len(all) != len(s)-k {
				x.fail("input %d %s does not broadcast to the normalised axes %v", i, x.name(i), s[k:])
			}
		}
	}
	stat := slices.Clone(s)
	for i := k; i < len(stat); i++ {
		stat[i] = number(1)
	}
	x.set(1, stat)
	x.set(2, stat)
}

// A window is the geometry of a convolution or pooling over some axes.
type window struct {
	kernel                   []dim
	strides, dilations, pads []int64
	autoPad                  string
	ceil                     bool
}

// window reads the attributes for n axes; kernel may be nil, and then the attribute must be there.
func (x *nodeContext) window(n int, kernel []dim) (w window, ok bool) {
	if list, given := x.attribute("kernel_shape").([]int64); given || kernel == nil {
		if len(list) != n {
			x.fail("attribute \"kernel_shape\" has %s; want %d, one for each axis of %s after the first two", count(len(list), "number"), n, x.name(0))
			return w, false
		}
		for i, k := range list {
			if k < 1 {
				x.fail("attribute \"kernel_shape\" is %v; want sizes of 1 or more", list)
				return w, false
			}
			if kernel != nil && differ(kernel[i], number(k)) {
				x.fail("attribute \"kernel_shape\" is %v; the weights %s are of %v", list, x.name(1), kernel)
				return w, false
			}
		}
		kernel = numbers(list)
	}
	w.kernel = kernel
	var a, b, c bool
	w.strides, a = x.ints("strides", n, 1)
	w.dilations, b = x.ints("dilations", n, 1)
	w.pads, c = x.ints("pads", 2*n, 0)
	if !a || !b || !c {
		return w, false
	}
	for _, a := range []struct {
		name string
		list []int64
	}{{"strides", w.strides}, {"dilations", w.dilations}} {
		if slices.ContainsFunc(a.list, func(n int64) bool { return n < 1 || n > 1<<31 }) {
			x.fail("attribute %q is %v; want numbers of 1 or more", a.name, a.list)
			return w, false
		}
	}
	if slices.ContainsFunc(w.pads, func(n int64) bool { return n < 0 || n > 1<<31 }) {
		x.fail("attribute \"pads\" is %v; want numbers of 0 or more", w.pads)
		return w, false
	}
	w.autoPad = x.str("auto_pad", "NOTSET")
	w.ceil = x.int("ceil_mode", 0) != 0
	return w, true
}

// slide is the number of places of the window along axis i of size in.
func (x *nodeContext) slide(w window, i int, in dim) dim {
	stride := number(w.strides[i])
	span := w.kernel[i].minus(number(1)).times(number(w.dilations[i])).plus(number(1))
	pads := number(w.pads[i] + w.pads[len(w.strides)+i])
	switch w.autoPad {
	case "VALID":
		pads = number(0)
	case "SAME_UPPER", "SAME_LOWER":
		if n, ok := in.num(); ok {
			return number((n + w.strides[i] - 1) / w.strides[i])
		}
		return in.plus(number(w.strides[i] - 1)).divided(stride)
	}
	room := in.plus(pads).minus(span)
	n, ok := room.num()
	if !ok {
		if w.ceil && w.strides[i] > 1 {
			return unknown
		}
		return room.divided(stride).plus(number(1))
	}
	if n < 0 {
		x.fail("a window of %v, with dilation, does not fit into %v with padding %v, axis %d of %s", span, in, pads, i+2, x.name(0))
		return unknown
	}
	out := n/stride.n + 1
	if w.ceil && n%stride.n != 0 && out*stride.n < in.n+w.pads[i] { // a window that begins in the padding behind is none
		out++
	}
	return number(out)
}

// filtered are the shapes of a convolution's images and filters, and its groups.
func (x *nodeContext) filtered() (images, filters []dim, group int64, ok bool) {
	if !x.rank(0, 3) || !x.exactRank(1, len(x.input(0).shape)) {
		return nil, nil, 0, false
	}
	group = x.int("group", 1)
	if group < 1 || group > maxDim {
		x.fail("attribute \"group\" is %d; want 1 or more", group)
		return nil, nil, 0, false
	}
	return x.input(0).shape, x.input(1).shape, group, true
}

func conv(x *nodeContext) {
	s, f, group, ok := x.filtered()
	if !ok {
		return
	}
	if want := f[1].times(number(group)); differ(s[1], want) {
		x.fail("%s has %v channels; the weights %s in %d groups are for %v", x.name(0), s[1], x.name(1), group, want)
		return
	}
	if n, ok := f[0].num(); ok && n%group != 0 {
		x.fail("the %d filters of %s cannot be cut into %d groups", n, x.name(1), group)
		return
	}
	x.bias(f[0])
	w, ok := x.window(len(s)-2, f[2:])
	if !ok {
		return
	}
	out := []dim{s[0], f[0]}
	for i, d := range s[2:] {
		out = append(out, x.slide(w, i, d))
	}
	x.set(0, out)
}

// bias holds input 2 to [n].
func (x *nodeContext) bias(n dim) {
	if x.has(2) && x.exactRank(2, 1) && differ(x.input(2).shape[0], n) {
		x.fail("the bias %s is not of the %v filters of %s", x.name(2), n, x.name(1))
	}
}

func convTranspose(x *nodeContext) {
	s, f, group, ok := x.filtered()
	if !ok {
		return
	}
	if differ(s[1], f[0]) {
		x.fail("%s has %v channels; the weights %s are for %v", x.name(0), s[1], x.name(1), f[0])
		return
	}
	filters := f[1].times(number(group))
	x.bias(filters)
	n := len(s) - 2
	w, ok := x.window(n, f[2:])
	if !ok {
		return
	}
	more, ok := x.ints("output_padding", n, 0)
	if !ok {
		return
	}
	out := []dim{s[0], filters}
	if list, given := x.attribute("output_shape").([]int64); given {
		if len(list) != n {
			x.fail("attribute \"output_shape\" has %s; want %d", count(len(list), "number"), n)
			return
		}
		x.set(0, append(out, x.sizes("output_shape", list)...))
		return
	}
	for i, d := range s[2:] {
		stride := number(w.strides[i])
		span := w.kernel[i].minus(number(1)).times(number(w.dilations[i])).plus(number(1))
		pads := number(w.pads[i] + w.pads[n+i])
		switch w.autoPad {
		case "VALID":
			pads = number(0)
		case "SAME_UPPER", "SAME_LOWER":
			out = append(out, d.times(stride))
			continue
		}
		out = append(out, d.minus(number(1)).times(stride).plus(number(more[i])).plus(span).minus(pads))
	}
	for _, d := range out {
		if v, ok := d.num(); ok && v < 0 {
			x.fail("the padding leaves an output of shape %v", out)
			return
		}
	}
	x.set(0, out)
}

func pool(x *nodeContext) {
	if !x.rank(0, 3) {
		return
	}
	s := x.input(0).shape
	w, ok := x.window(len(s)-2, nil)
	if !ok {
		return
	}
	out := []dim{s[0], s[1]}
	for i, d := range s[2:] {
		out = append(out, x.slide(w, i, d))
	}
	x.set(0, out)
	x.set(1, out)
}

func globalPool(x *nodeContext) {
	if !x.rank(0, 2) {
		return
	}
	s := x.input(0).shape
	x.set(0, reduced(s, all(len(s))[2:], true))
}

func resize(x *nodeContext) {
	s := x.input(0).shape
	if s == nil || x.attribute("axes") != nil || x.str("keep_aspect_ratio_policy", "stretch") != "stretch" {
		return
	}
	if x.has(2) == x.has(3) {
		x.fail("it has both scales and sizes, or neither; want one of them")
		return
	}
	out := unknowns(len(s))
	if sizes := x.input(3).content; sizes != nil {
		if len(sizes) != len(s) {
			x.fail("%s has %s; %s has rank %d", x.name(3), count(len(sizes), "size"), x.name(0), len(s))
			return
		}
		out = sizes
	}
	if scales := floats(x.input(2).stored); scales != nil {
		if len(scales) != len(s) {
			x.fail("%s has %s; %s has rank %d", x.name(2), count(len(scales), "scale"), x.name(0), len(s))
			return
		}
		for i, k := range scales {
			if !(k > 0) {
				x.fail("%s has the scale %v; want numbers above 0", x.name(2), k)
				return
			}
			if n, ok := s[i].num(); ok && float64(n)*k < maxDim {
				// 10 times the f32 0.7 is 6 to ONNX's inference, in f64, and 7 to onnxruntime, in f32.
				if exact := int64(float64(n) * k); exact == int64(float32(n)*float32(k)) {
					out[i] = number(exact)
				}
			} else if up, down := fraction(k); down > 0 {
				out[i] = s[i].times(number(up)).divided(number(down))
			}
		}
	}
	x.set(0, out)
}

// fraction is k as one whose divisor is a power of two, 0/0 if there is none of small numbers.
func fraction(k float64) (up, down int64) {
	for down = 1; k != math.Trunc(k); down *= 2 {
		if k *= 2; down > 1<<20 {
			return 0, 0
		}
	}
	if k >= maxDim {
		return 0, 0
	}
	return int64(k), down
}

func depthToSpace(x *nodeContext) {
	x.blocks(func(s []dim, b dim) []dim {
		return []dim{s[0], s[1].over(b.times(b)), s[2].times(b), s[3].times(b)}
	}, func(s []dim, b int64) bool { n, ok := s[1].num(); return ok && n%(b*b) != 0 })
}

func spaceToDepth(x *nodeContext) {
	x.blocks(func(s []dim, b dim) []dim {
		return []dim{s[0], s[1].times(b).times(b), s[2].over(b), s[3].over(b)}
	}, func(s []dim, b int64) bool {
		h, ok := s[2].num()
		w, ok2 := s[3].num()
		return ok && h%b != 0 || ok2 && w%b != 0
	})
}

func (x *nodeContext) blocks(shape func(s []dim, b dim) []dim, odd func(s []dim, b int64) bool) {
	b := x.int("blocksize", 0)
	if b < 1 || b > 1<<20 {
		x.fail("attribute \"blocksize\" is %d; want 1 or more", b)
		return
	}
	if !x.exactRank(0, 4) {
		return
	}
	s := x.input(0).shape
	if odd(s, b) {
		x.fail("%s cannot be cut into blocks of %d", x.name(0), b)
		return
	}
	x.set(0, shape(s, number(b)))
}
