package graph

import (
	"slices"
)

// A window is how a filter or a pool goes over the axes of images behind batch and channels, one to three of them.
type window struct {
	kernel, strides, dilations []int // a number for each axis
	pads                       []int // before each axis, then behind each
}

// normal is w for n axes with all lists full: no strides and dilations, and 0 in them, are 1; no pads are 0.
func (w window) normal(n int) window {
	orOnes := func(list []int) []int {
		if len(list) == 0 {
			return slices.Repeat([]int{1}, n)
		}
		out := slices.Clone(list)
		for i := range out {
			out[i] = max(out[i], 1)
		}
		return out
	}
	w.strides, w.dilations = orOnes(w.strides), orOnes(w.dilations)
	if len(w.pads) == 0 {
		w.pads = make([]int, 2*n)
	}
	return w
}

// check says which list of w does not do for n axes.
func (w window) check(n int) error {
	for _, l := range []struct {
		name string
		list []int
		each int
	}{{"strides", w.strides, 1}, {"dilations", w.dilations, 1}, {"pads", w.pads, 2}} {
		if len(l.list) != 0 && len(l.list) != n*l.each {
			return Mistakef("strides and dilations have a number for each axis behind batch and channels, pads one before each and then one behind each; none are 1, and 0",
				"the %s %v are for %d axes, the images have %d", l.name, l.list, len(l.list)/l.each, n)
		}
	}
	return notNegative(w.kernel, w.strides, w.dilations, w.pads)
}

// notNegative checks a window's numbers.
func notNegative(lists ...[]int) error {
	for _, l := range lists {
		for _, n := range l {
			if n < 0 || n > 1<<20 {
				return Mistakef("each is a whole number from 0 to 1048576", "a window, stride, padding, dilation or group count is %d", n)
			}
		}
	}
	return nil
}

// pixelAxes is the number of axes of images x behind batch and channels.
func pixelAxes(x *Value) (int, error) {
	n := x.Rank() - 2
	if n < 1 || n > 3 {
		return 0, Mistakef("Reshape gives a flat image its axes", "needs [batch channels height width], or one or three axes of pixels, has %v", x.Type)
	}
	if c := x.Shape()[1]; c.Symbolic() {
		return 0, Mistakef("the batch and the pixels may be symbolic", "channels must be a number: %v has %v", x.Type, c)
	}
	return n, nil
}

// span is how many pixels the window covers along axis i.
func (w window) span(i int) int { return (w.kernel[i]-1)*w.dilations[i] + 1 }

// room is how far the window can move along axis i of n pixels; it is no dimension if it does not fit.
func (w window) room(i int, n Dim) Dim {
	return n.Plus(Dim(w.pads[i] + w.pads[len(w.strides)+i])).Minus(Dim(w.span(i)))
}

// size is how many windows there are along axis i of n pixels, 0 if none fits.
func (w window) size(i int, n Dim) Dim {
	room := w.room(i, n)
	if !room.Valid() {
		return 0
	}
	return room.Div(Dim(w.strides[i])).Plus(1)
}

// sizes is size along all axes of pixels.
func (w window) sizes(pixels Shape) Shape {
	out := make(Shape, len(pixels))
	for i, n := range pixels {
		out[i] = w.size(i, n)
	}
	return out
}

// three is list with ones or zeros in front, for the kernels, which go over three axes: fewer are the last ones.
func three(list []int, fill int) (out [3]int) {
	for i := range out {
		if k := i - 3 + len(list); k >= 0 {
			out[i] = list[k]
		} else {
			out[i] = fill
		}
	}
	return out
}

// sixPads is three for the pads before and behind.
func sixPads(pads []int) [6]int {
	before, behind := three(pads[:len(pads)/2], 0), three(pads[len(pads)/2:], 0)
	return [6]int(slices.Concat(before[:], behind[:]))
}
