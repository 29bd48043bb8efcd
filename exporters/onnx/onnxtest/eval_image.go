package onnxtest

import (
	"math"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var imageOperators = map[string]operator{
	"Conv":               conv,
	"ConvTranspose":      convTranspose,
	"MaxPool":            maxPool,
	"AveragePool":        averagePool,
	"GlobalAveragePool":  globalAveragePool,
	"Resize":             resize,
	"LayerNormalization": layerNormalization,
	"BatchNormalization": batchNormalization,
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

// A window is what the two kinds of convolution and pooling have in common, on images [N C H W].
type window struct {
	kernel, strides, dilations, pads []int // rows and columns; pads top, left, bottom, right
}

// window reads the attributes. The kernel is that of weights, where there are some.
func (c *call) window(weights *tensor.Tensor) window {
	must(c, "auto_pad", "NOTSET")
	var w window
	if weights != nil {
		w.kernel = c.ints("kernel_shape", weights.Dim(2), weights.Dim(3))
	} else {
		w.kernel = c.ints("kernel_shape")
	}
	w.strides, w.pads = c.ints("strides", 1, 1), c.ints("pads", 0, 0, 0, 0)
	w.dilations = []int{1, 1}
	if weights != nil || c.OpType == "MaxPool" || c.opset >= 19 {
		w.dilations = c.ints("dilations", 1, 1)
	}
	if len(w.kernel) != 2 || len(w.strides) != 2 || len(w.dilations) != 2 || len(w.pads) != 4 || c.input(0).Rank() != 4 {
		c.fail("only images are known here")
	}
	return w
}

// size is how many windows fit along an axis, 0 for rows, of n pixels.
func (w window) size(axis, n int) int {
	return (n+w.pads[axis]+w.pads[axis+2]-(w.kernel[axis]-1)*w.dilations[axis]-1)/w.strides[axis] + 1
}

// at is the pixel that element k of window o reads along an axis of n pixels; ok says that it is inside.
func (w window) at(axis, o, k, n int) (pixel int, ok bool) {
	pixel = o*w.strides[axis] + k*w.dilations[axis] - w.pads[axis]
	return pixel, pixel >= 0 && pixel < n
}

// elements calls do for each element of the window (oy, ox) inside an image of h×w pixels.
func (w window) elements(oy, ox, h, width int, do func(ky, kx, y, x int)) {
	for ky := range w.kernel[0] {
		for kx := range w.kernel[1] {
			y, inside := w.at(0, oy, ky, h)
			x, within := w.at(1, ox, kx, width)
			if inside && within {
				do(ky, kx, y, x)
			}
		}
	}
}

func conv(c *call) []*tensor.Tensor {
	x, weights := c.input(0), c.input(1)
	c.same(c.in...)
	w, groups := c.window(weights), c.int("group", 1)
	if x.Dim(1) != weights.Dim(1)*groups || weights.Dim(0)%groups != 0 {
		c.fail("%v in %d groups", c.in, groups)
	}
	shape := []int{x.Dim(0), weights.Dim(0), w.size(0, x.Dim(2)), w.size(1, x.Dim(3))}
	return one(build(x.DType(), shape, func(i []int) float64 {
		sum := 0.0
		if c.has(2) {
			sum = c.in[2].At(i[1])
		}
		group := i[1] / (weights.Dim(0) / groups)
		for channel := range weights.Dim(1) {
			w.elements(i[2], i[3], x.Dim(2), x.Dim(3), func(ky, kx, y, xx int) {
				sum += look(weights, []int{i[1], channel, ky, kx}) * look(x, []int{i[0], group*weights.Dim(1) + channel, y, xx})
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
	extra := c.ints("output_padding", 0, 0)
	if x.Dim(1) != weights.Dim(0) || x.Dim(1)%groups != 0 {
		c.fail("%v in %d groups", c.in, groups)
	}
	shape := []int{x.Dim(0), weights.Dim(1) * groups, 0, 0}
	for k := range 2 {
		shape[2+k] = w.strides[k]*(x.Dim(2+k)-1) + extra[k] + (w.kernel[k]-1)*w.dilations[k] + 1 - w.pads[k] - w.pads[k+2]
	}
	n, _ := tensor.Count(shape)
	sums := make([]float64, n)
	each(x.Shape(), func(i []int) {
		group := i[1] / (x.Dim(1) / groups)
		v := look(x, i)
		for filter := range weights.Dim(1) {
			w.elements(i[2], i[3], shape[2], shape[3], func(ky, kx, y, xx int) {
				sums[position(shape, []int{i[0], group*weights.Dim(1) + filter, y, xx})] += v * look(weights, []int{i[1], filter, ky, kx})
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
	shape := []int{x.Dim(0), x.Dim(1), w.size(0, x.Dim(2)), w.size(1, x.Dim(3))}
	places := tensor.New(tensor.I64, shape...)
	top := build(x.DType(), shape, func(i []int) float64 {
		best := math.Inf(-1)
		w.elements(i[2], i[3], x.Dim(2), x.Dim(3), func(_, _, y, xx int) {
			p := position(x.Shape(), []int{i[0], i[1], y, xx})
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
	shape := []int{x.Dim(0), x.Dim(1), w.size(0, x.Dim(2)), w.size(1, x.Dim(3))}
	return one(build(x.DType(), shape, func(i []int) float64 {
		sum, n := 0.0, 0
		w.elements(i[2], i[3], x.Dim(2), x.Dim(3), func(_, _, y, xx int) {
			sum += look(x, []int{i[0], i[1], y, xx})
			n++
		})
		if countPad {
			n = w.kernel[0] * w.kernel[1]
		}
		return sum / float64(n)
	}))
}

func globalAveragePool(c *call) []*tensor.Tensor {
	x := c.input(0)
	return one(build(x.DType(), []int{x.Dim(0), x.Dim(1), 1, 1}, func(i []int) float64 {
		sum := 0.0
		each(x.Shape()[2:], func(p []int) { sum += look(x, []int{i[0], i[1], p[0], p[1]}) })
		return sum / float64(x.Dim(2)*x.Dim(3))
	}))
}

// resize takes the nearest pixel below, in coordinates that scale from the first pixel.
func resize(c *call) []*tensor.Tensor {
	x, scales := c.input(0), c.input(2)
	if attribute(c, "mode", "nearest") != "nearest" || attribute(c, "coordinate_transformation_mode", "half_pixel") != "asymmetric" ||
		attribute(c, "nearest_mode", "round_prefer_floor") != "floor" || c.has(3) {
		c.fail("only the nearest pixel below is known here")
	}
	shape := make([]int, x.Rank())
	for k := range shape {
		shape[k] = int(math.Floor(float64(x.Dim(k)) * scales.At(k)))
	}
	return one(build(x.DType(), shape, func(i []int) float64 {
		from := make([]int, len(i))
		for k := range i {
			from[k] = int(math.Floor(float64(i[k]) / scales.At(k)))
		}
		return look(x, from)
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
