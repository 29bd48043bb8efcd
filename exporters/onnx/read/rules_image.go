package read

import (
	"math"
	"slices"
	"strings"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// with is the node with other attributes and so many inputs, for rows that know no defaults.
func (c *call) with(inputs int, attributes map[string]any) *call {
	n := *c.Node
	n.Inputs, n.Attributes = n.Inputs[:min(inputs, len(n.Inputs))], nil
	for _, a := range c.Attributes {
		if v, ok := attributes[a.Name]; !ok {
			n.Attributes = append(n.Attributes, a)
		} else if v != nil {
			n.Attributes = append(n.Attributes, &wire.Attribute{Name: a.Name, Value: v})
		}
	}
	for name, v := range attributes {
		if v != nil && !slices.ContainsFunc(c.Attributes, func(a *wire.Attribute) bool { return a.Name == name }) {
			n.Attributes = append(n.Attributes, &wire.Attribute{Name: name, Value: v})
		}
	}
	for _, a := range c.Attributes {
		c.read[a.Name] = true
	}
	return c.r.call(&n)
}

// padding is what auto_pad says of the pads for windows over x, nil if it says nothing. The sizes must be numbers.
func (c *call) padding(x *graph.Value, window []int) []int64 {
	mode := attribute(c, "auto_pad", "NOTSET")
	if mode == "NOTSET" {
		return nil
	}
	n := len(window)
	pads := make([]int64, 2*n)
	if mode == "VALID" {
		return pads
	}
	strides, dilations := c.ints("strides"), c.ints("dilations")
	for i, k := range window {
		size, stride, dilation := x.Dim(2+i), 1, 1
		if i < len(strides) {
			stride = strides[i]
		}
		if i < len(dilations) {
			dilation = dilations[i]
		}
		if size.Symbolic() || size < 1 || stride < 1 {
			fail("auto_pad %s depends on axis %d of %v: give pads", mode, 2+i, x.Type)
		}
		last := (int(size)-1)/stride*stride + (k-1)*dilation + 1 // the end of the last window
		total := int64(max(0, last-int(size)))
		pads[i], pads[n+i] = total/2, total-total/2
		if mode == "SAME_LOWER" {
			pads[i], pads[n+i] = pads[n+i], pads[i]
		}
	}
	return pads
}

// conv adds a bias to the convolution.
func conv(c *call) []*graph.Value {
	x, w := c.arg(0), c.arg(1)
	change := map[string]any{"auto_pad": nil}
	if c.OpType == "ConvTranspose" {
		if attribute(c, "auto_pad", "NOTSET") != "NOTSET" || len(c.ints("output_shape")) > 0 {
			fail("auto_pad and output_shape are not known here: give pads and output_padding")
		}
	} else if w.OK() && w.Rank() > 2 && w.Shape().Static() && x.Rank() == w.Rank() {
		var window []int
		for _, d := range w.Shape()[2:] {
			window = append(window, int(d))
		}
		if pads := c.padding(x, window); pads != nil {
			change["pads"] = pads
		}
	}
	y := c.with(2, change).row()[0]
	if c.has(2) {
		dims := slices.Repeat(graph.Shape{1}, y.Rank())
		dims[1] = -1
		y = y.Add(c.arg(2).Reshape(dims...))
	}
	return one(y)
}

// pool leaves out what is the default.
func pool(c *call) []*graph.Value {
	x, change := c.arg(0), map[string]any{"auto_pad": nil}
	for _, name := range []string{"ceil_mode", "storage_order"} {
		if c.int(name, 0) == 0 {
			change[name] = nil
		}
	}
	if !slices.ContainsFunc(c.ints("dilations"), func(d int) bool { return d != 1 }) {
		change["dilations"] = nil
	}
	if window := c.ints("kernel_shape"); x.Rank() == len(window)+2 {
		if pads := c.padding(x, window); pads != nil {
			change["pads"] = pads
		}
	}
	return c.with(1, change).row()
}

func globalMaxPool(c *call) []*graph.Value {
	x := c.arg(0)
	var axes []int
	for i := 2; i < x.Rank(); i++ {
		axes = append(axes, i)
	}
	return one(x.ReduceMaxKeep(axes...))
}

// resize goes by one factor for all axes but the first two, or to sizes. Pixels repeated a whole number of times are the same ones
// whether the coordinates are those of pixels' edges or of their centres.
func resize(c *call) []*graph.Value {
	x, o := c.arg(0), graph.Resize{Mode: attribute(c, "mode", graph.Nearest), Coordinates: attribute(c, "coordinate_transformation_mode", graph.HalfPixel)}
	rounding := attribute(c, "nearest_mode", "round_prefer_floor")
	if c.has(3) {
		s := c.shape(3)
		if len(s) != x.Rank() || len(s) < 3 || !s[:2].Equal(x.Shape()[:2]) {
			fail("its sizes are %v, for %v", s, x.Type)
		}
		o.Sizes = s[2:]
	} else {
		scales := c.known(2)
		if scales == nil || scales.Len() != x.Rank() || x.Rank() < 3 || scales.At(0) != 1 || scales.At(1) != 1 {
			fail("its scales are %v, for %v", scales, x.Type)
		}
		factor := scales.At(2)
		for i := range scales.Float64s()[2:] {
			if scales.At(2+i) != factor {
				fail("its scales are %v; one for all axes behind batch and channels is known here", scales.Float64s())
			}
		}
		for o.Divisor = 1; o.Divisor < 1<<10 && factor != math.Trunc(factor); factor *= 2 {
			o.Divisor *= 2
		}
		if factor < 1 || factor != math.Trunc(factor) || factor > 1<<20 {
			fail("its scale is %v, which is no whole number over a power of two", scales.At(2))
		}
		o.Scale = int(factor)
	}
	if o.Mode == graph.Nearest {
		centred := o.Coordinates == graph.HalfPixel && o.Divisor == 1 && strings.HasPrefix(rounding, "round_prefer_")
		if !centred && (o.Coordinates != graph.Asymmetric || rounding != "floor") {
			fail("it takes the nearest pixel by %q and %q; by %q and \"floor\" is known here", o.Coordinates, rounding, graph.Asymmetric)
		}
		o.Coordinates = ""
	}
	return one(x.Resize(o))
}
