package onnxtest

import (
	"math"
	"slices"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var imageOperators = map[string]operator{
	"Conv":                  conv,
	"ConvTranspose":         convTranspose,
	"MaxPool":               maxPool,
	"AveragePool":           averagePool,
	"GlobalAveragePool":     globalAveragePool,
	"Resize":                resize,
	"LayerNormalization":    layerNormalization,
	"BatchNormalization":    batchNormalization,
	"GroupNormalization":    groupNormalization,
	"InstanceNormalization": instanceNormalization,
	"RMSNormalization":      rmsNormalization,
	"Attention":             attention,
}

// attributeTensor is an attribute that is a tensor of one element; 0 in f32 where the node has none.
func attributeTensor(c *call, name string) *tensor.Tensor {
	stored := attribute[*wire.Tensor](c, name, nil)
	if stored == nil {
		return tensor.New(tensor.F32, 1)
	}
	t, err := host(stored)
	if err != nil || t.Len() != 1 {
		c.fail("the attribute %q is %v, %v", name, t, err)
	}
	return t
}

// A window is what the two kinds of convolution and pooling have in common, on images [N C ...].
type window struct {
	kernel, strides, dilations []int // of each axis
	pads                       []int // before each axis, then behind each
}

// window reads the attributes. The kernel is that of weights, where there are some.
func (c *call) window(weights *tensor.Tensor) window {
	must(c, "auto_pad", "NOTSET")
	n := c.input(0).Rank() - 2
	if n < 1 {
		c.fail("%v are no images", c.input(0))
	}
	ones := slices.Repeat([]int{1}, n)
	var w window
	if weights != nil {
		w.kernel = c.ints("kernel_shape", weights.Shape()[2:]...)
	} else {
		w.kernel = c.ints("kernel_shape")
	}
	w.strides, w.pads = c.ints("strides", ones...), c.ints("pads", make([]int, 2*n)...)
	w.dilations = ones
	if weights != nil || c.OpType == "MaxPool" || c.opset >= 19 {
		w.dilations = c.ints("dilations", ones...)
	}
	if len(w.kernel) != n || len(w.strides) != n || len(w.dilations) != n || len(w.pads) != 2*n {
		c.fail("%v are not for %d axes", w, n)
	}
	return w
}

// sizes are how many windows fit along the axes of images.
func (w window) sizes(pixels []int) []int {
	out := make([]int, len(pixels))
	for i, n := range pixels {
		out[i] = (n+w.pads[i]+w.pads[len(pixels)+i]-(w.kernel[i]-1)*w.dilations[i]-1)/w.strides[i] + 1
	}
	return out
}

// elements calls do for each element of the window at o inside an image: where it is in the window, and in the image.
func (w window) elements(o, pixels []int, do func(k, at []int)) {
	each(w.kernel, func(k []int) {
		at := make([]int, len(o))
		for i := range at {
			at[i] = o[i]*w.strides[i] + k[i]*w.dilations[i] - w.pads[i]
			if at[i] < 0 || at[i] >= pixels[i] {
				return
			}
		}
		do(k, at)
	})
}

func conv(c *call) []*tensor.Tensor {
	x, weights := c.input(0), c.input(1)
	c.same(c.in...)
	w, groups := c.window(weights), c.int("group", 1)
	if x.Dim(1) != weights.Dim(1)*groups || weights.Dim(0)%groups != 0 {
		c.fail("%v in %d groups", c.in, groups)
	}
	pixels := x.Shape()[2:]
	shape := append([]int{x.Dim(0), weights.Dim(0)}, w.sizes(pixels)...)
	return one(build(x.DType(), shape, func(i []int) float64 {
		sum := 0.0
		if c.has(2) {
			sum = c.in[2].At(i[1])
		}
		group := i[1] / (weights.Dim(0) / groups)
		for channel := range weights.Dim(1) {
			w.elements(i[2:], pixels, func(k, at []int) {
				sum += look(weights, slices.Concat([]int{i[1], channel}, k)) * look(x, slices.Concat([]int{i[0], group*weights.Dim(1) + channel}, at))
			})
		}
		return sum
	}))
}

// convTranspose adds the filters, weighted by each pixel of x, into the result.
func convTranspose(c *call) []*tensor.Tensor {
	x, weights := c.input(0), c.input(1)
	c.same(c.in...)
	w, groups := c.window(weights), c.int("group", 1)
	axes := x.Rank() - 2
	extra := c.ints("output_padding", make([]int, axes)...)
	if x.Dim(1) != weights.Dim(0) || x.Dim(1)%groups != 0 {
		c.fail("%v in %d groups", c.in, groups)
	}
	shape := []int{x.Dim(0), weights.Dim(1) * groups}
	for k := range axes {
		shape = append(shape, w.strides[k]*(x.Dim(2+k)-1)+extra[k]+(w.kernel[k]-1)*w.dilations[k]+1-w.pads[k]-w.pads[axes+k])
	}
	n, _ := tensor.Count(shape)
	sums := make([]float64, n)
	each(x.Shape(), func(i []int) {
		group := i[1] / (x.Dim(1) / groups)
		v := look(x, i)
		for filter := range weights.Dim(1) {
			w.elements(i[2:], shape[2:], func(k, at []int) {
				to := position(shape, slices.Concat([]int{i[0], group*weights.Dim(1) + filter}, at))
				sums[to] += v * look(weights, slices.Concat([]int{i[1], filter}, k))
			})
		}
	})
	return one(build(x.DType(), shape, func(i []int) float64 {
		sum := sums[position(shape, i)]
		if c.has(2) {
			sum += c.in[2].At(i[1])
		}
		return sum
	}))
}

// maxPool's second result are the places of the largest elements in x, seen as one row; of equals, the first.
func maxPool(c *call) []*tensor.Tensor {
	x := c.input(0)
	w := c.window(nil)
	must(c, "ceil_mode", int64(0))
	must(c, "storage_order", int64(0))
	pixels := x.Shape()[2:]
	shape := append([]int{x.Dim(0), x.Dim(1)}, w.sizes(pixels)...)
	places := tensor.New(tensor.I64, shape...)
	top := build(x.DType(), shape, func(i []int) float64 {
		best := math.Inf(-1)
		w.elements(i[2:], pixels, func(_, at []int) {
			p := position(x.Shape(), slices.Concat(i[:2], at))
			if v := x.At(p); v > best {
				best = v
				places.Set(position(shape, i), float64(p))
			}
		})
		return best
	})
	return []*tensor.Tensor{top, places}
}

func averagePool(c *call) []*tensor.Tensor {
	x := c.input(0)
	w := c.window(nil)
	must(c, "ceil_mode", int64(0))
	countPad := c.int("count_include_pad", 0) != 0
	pixels := x.Shape()[2:]
	shape := append([]int{x.Dim(0), x.Dim(1)}, w.sizes(pixels)...)
	return one(build(x.DType(), shape, func(i []int) float64 {
		sum, n := 0.0, 0
		w.elements(i[2:], pixels, func(_, at []int) {
			sum += look(x, slices.Concat(i[:2], at))
			n++
		})
		if countPad {
			n, _ = tensor.Count(w.kernel)
		}
		return sum / float64(n)
	}))
}

func globalAveragePool(c *call) []*tensor.Tensor {
	x := c.input(0)
	shape := slices.Repeat([]int{1}, x.Rank())
	copy(shape, x.Shape()[:2])
	n, _ := tensor.Count(x.Shape()[2:])
	return one(build(x.DType(), shape, func(i []int) float64 {
		sum := 0.0
		each(x.Shape()[2:], func(p []int) { sum += look(x, slices.Concat(i[:2], p)) })
		return sum / float64(n)
	}))
}

// resize takes the nearest pixel below, in coordinates that scale from the first pixel, or the pixels around a place, each by how near
// it is.
func resize(c *call) []*tensor.Tensor {
	x := c.input(0)
	mode, coordinates := attribute(c, "mode", "nearest"), attribute(c, "coordinate_transformation_mode", "half_pixel")
	switch {
	case mode != "nearest" && mode != "linear":
		c.fail("only the nearest and linear are known here")
	case mode == "nearest" && (coordinates != "asymmetric" || attribute(c, "nearest_mode", "round_prefer_floor") != "floor"):
		c.fail("only the nearest pixel below is known here")
	case c.has(2) == c.has(3):
		c.fail("there are to be scales or sizes")
	}
	shape, scales := make([]int, x.Rank()), make([]float64, x.Rank())
	for k := range shape {
		if c.has(3) {
			shape[k] = int(c.in[3].At(k))
			scales[k] = float64(shape[k]) / float64(x.Dim(k))
		} else {
			scales[k] = c.input(2).At(k)
			shape[k] = int(math.Floor(float64(x.Dim(k)) * scales[k]))
		}
	}
	source := func(k, i int) float64 {
		at := float64(i) / scales[k]
		switch coordinates {
		case "asymmetric":
		case "half_pixel":
			at = (float64(i)+.5)/scales[k] - .5
		case "align_corners":
			if at = 0; shape[k] > 1 {
				at = float64(i*(x.Dim(k)-1)) / float64(shape[k]-1)
			}
		default:
			c.fail("the coordinates %q are not known here", coordinates)
		}
		if mode == "nearest" {
			at = math.Floor(at)
		}
		return math.Max(0, math.Min(at, float64(x.Dim(k)-1)))
	}
	return one(build(x.DType(), shape, func(i []int) float64 {
		sum := 0.0
		each(slices.Repeat([]int{2}, len(i)), func(corner []int) {
			share, from := 1.0, make([]int, len(i))
			for k := range i {
				below, part := math.Modf(source(k, i[k]))
				if corner[k] == 0 {
					part = 1 - part
				}
				share *= part
				from[k] = min(int(below)+corner[k], x.Dim(k)-1)
			}
			sum += share * look(x, from)
		})
		return sum
	}))
}

// layerNormalization has three results: the normalised x, the means, and the inverse standard deviations.
func layerNormalization(c *call) []*tensor.Tensor {
	c.since(17)
	x, scale := c.input(0), c.input(1)
	c.same(c.in...)
	k, epsilon := c.axis(c.int("axis", -1), x.Rank()), c.float("epsilon", 1e-5)
	must(c, "stash_type", int64(1))
	outer := append([]int{}, x.Shape()[:k]...)
	for range x.Rank() - k {
		outer = append(outer, 1)
	}
	rows, _ := tensor.Count(outer)
	n := x.Len() / max(rows, 1)
	y, means, inverse := tensor.New(x.DType(), x.Shape()...), tensor.New(x.DType(), outer...), tensor.New(x.DType(), outer...)
	for r := range rows {
		mean, variance := 0.0, 0.0
		for i := range n {
			mean += x.At(r*n+i) / float64(n)
		}
		for i := range n {
			variance += math.Pow(x.At(r*n+i)-mean, 2) / float64(n)
		}
		deviation := math.Sqrt(variance + epsilon)
		for i := range n {
			v := (x.At(r*n+i) - mean) / deviation * scale.At(i)
			if c.has(2) {
				v += c.in[2].At(i)
			}
			y.Set(r*n+i, v)
		}
		means.Set(r, mean)
		inverse.Set(r, 1/deviation)
	}
	return []*tensor.Tensor{y, means, inverse}
}

// batchNormalization is the inference form: channels are axis 1, with their scale, bias, mean and variance.
func batchNormalization(c *call) []*tensor.Tensor {
	x := c.input(0)
	c.same(c.in...)
	epsilon := c.float("epsilon", 1e-5)
	c.float("momentum", .9) // of training
	must(c, "training_mode", int64(0))
	return one(build(x.DType(), x.Shape(), func(i []int) float64 {
		of := func(k int) float64 { return c.input(k).At(i[1]) }
		return (look(x, i)-of(3))/math.Sqrt(of(4)+epsilon)*of(1) + of(2)
	}))
}
