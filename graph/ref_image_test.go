package graph_test

import (
	"math"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var imageRefs = map[string]reference{
	"Conv": func(op graph.Op, in []*tensor.Tensor) []float64 {
		o, x, w := op.(graph.Conv), in[0], in[1]
		size := []int{x.Dim(0), w.Dim(0)}
		for i := range x.Rank() - 2 {
			size = append(size, windows(i, x.Dim(2+i), (w.Dim(2+i)-1)*entry(o.Dilations, i, 1)+1, o.Strides, o.Pads))
		}
		y := tensor.New(tensor.F64, size...)
		convLoop(o, x.Shape(), w.Shape(), y.Shape(), func(xi, wi, yi int) { y.Set(yi, y.At(yi)+x.At(xi)*w.At(wi)) })
		return y.Float64s()
	},
	"ConvTranspose": func(op graph.Op, in []*tensor.Tensor) []float64 {
		o, y, w := op.(graph.ConvTranspose), in[0], in[1]
		c := graph.Conv{Strides: o.Strides, Pads: o.Pads, Dilations: o.Dilations, Groups: o.Groups}
		size := []int{y.Dim(0), w.Dim(1) * max(o.Groups, 1)}
		for i := range y.Rank() - 2 {
			if o.Sizes != nil {
				size = append(size, int(o.Sizes[i]))
				continue
			}
			size = append(size, (y.Dim(2+i)-1)*entry(o.Strides, i, 1)+(w.Dim(2+i)-1)*entry(o.Dilations, i, 1)+1+
				entry(o.OutputPadding, i, 0)-entry(o.Pads, i, 0)-entry(o.Pads, y.Rank()-2+i, 0))
		}
		x := tensor.New(tensor.F64, size...)
		convLoop(c, x.Shape(), w.Shape(), y.Shape(), func(xi, wi, yi int) { x.Set(xi, x.At(xi)+y.At(yi)*w.At(wi)) })
		return x.Float64s()
	},
	"ConvWeight": func(op graph.Op, in []*tensor.Tensor) []float64 {
		o := op.(graph.ConvWeight)
		shape, _ := o.Shape.Eval(nil)
		w := tensor.New(tensor.F64, shape...)
		convLoop(o.Conv, in[0].Shape(), shape, in[1].Shape(), func(xi, wi, yi int) { w.Set(wi, w.At(wi)+in[0].At(xi)*in[1].At(yi)) })
		return w.Float64s()
	},
	"MaxPoolND": func(op graph.Op, in []*tensor.Tensor) []float64 {
		o := op.(graph.MaxPoolND)
		var out []float64
		poolLoop(o.Kernel, o.Strides, o.Pads, in[0].Shape(), func(window []int) { out = append(out, in[0].At(largest(in[0], window))) })
		return out
	},
	"MaxPoolScatter": func(op graph.Op, in []*tensor.Tensor) []float64 {
		o := op.(graph.MaxPoolScatter).Pool
		out, at := make([]float64, in[0].Len()), 0
		poolLoop(o.Kernel, o.Strides, o.Pads, in[0].Shape(), func(window []int) {
			out[largest(in[0], window)] += in[1].At(at)
			at++
		})
		return out
	},
	"MaxPoolGather": func(op graph.Op, in []*tensor.Tensor) []float64 {
		o := op.(graph.MaxPoolGather).Pool
		var out []float64
		poolLoop(o.Kernel, o.Strides, o.Pads, in[0].Shape(), func(window []int) { out = append(out, in[1].At(largest(in[0], window))) })
		return out
	},
	"AveragePoolND": func(op graph.Op, in []*tensor.Tensor) []float64 {
		o := op.(graph.AveragePoolND)
		var out []float64
		poolLoop(o.Kernel, o.Strides, o.Pads, in[0].Shape(), func(window []int) {
			sum := 0.0
			for _, i := range window {
				sum += in[0].At(i)
			}
			out = append(out, sum/float64(counted(o, window)))
		})
		return out
	},
	"AveragePoolSpread": func(op graph.Op, in []*tensor.Tensor) []float64 {
		o := op.(graph.AveragePoolSpread)
		shape, _ := o.Shape.Eval(nil)
		n, _ := tensor.Count(shape)
		out, at := make([]float64, n), 0
		poolLoop(o.Pool.Kernel, o.Pool.Strides, o.Pool.Pads, shape, func(window []int) {
			for _, i := range window {
				out[i] += in[0].At(at) / float64(counted(o.Pool, window))
			}
			at++
		})
		return out
	},
	"GlobalAveragePool": func(_ graph.Op, in []*tensor.Tensor) []float64 {
		n, _ := tensor.Count(in[0].Shape()[2:])
		out := make([]float64, in[0].Len()/n)
		for i := range in[0].Len() {
			out[i/n] += in[0].At(i) / float64(n)
		}
		return out
	},
	"Resize": func(op graph.Op, in []*tensor.Tensor) []float64 {
		o, x := op.(graph.Resize), in[0]
		size, at := slices.Clone(x.Shape()), make([][]float64, x.Rank())
		for k := 2; k < x.Rank(); k++ {
			at[k] = resized(o, k-2, x.Dim(k))
			size[k] = len(at[k])
		}
		var out []float64
		odometer(size, func(i []int) { // all corners around a place, each by how near it is
			sum := 0.0
			odometer(slices.Repeat([]int{2}, x.Rank()-2), func(corner []int) {
				from, share := slices.Clone(i), 1.0
				for k := 2; k < x.Rank(); k++ {
					below := int(at[k][i[k]])
					part := at[k][i[k]] - float64(below)
					if corner[k-2] == 0 {
						part = 1 - part
					}
					from[k] = min(below+corner[k-2], x.Dim(k)-1)
					share *= part
				}
				sum += share * x.At(offset(x.Shape(), from))
			})
			out = append(out, sum)
		})
		return out
	},
	"ResizePlaces": func(op graph.Op, in []*tensor.Tensor) []float64 {
		o, n := op.(graph.ResizePlaces), in[0].Dim(op.(graph.ResizePlaces).Axis)
		var below, above, part []float64
		for _, at := range resized(o.Resize, 0, n) {
			below, above, part = append(below, math.Floor(at)), append(above, math.Min(math.Floor(at)+1, float64(n-1))), append(part, at-math.Floor(at))
		}
		return slices.Concat(below, above, part)
	},
	"LayerNorm": func(op graph.Op, in []*tensor.Tensor) []float64 {
		n := in[0].Dim(-1)
		out := in[0].Float64s()
		for r := 0; r < len(out); r += n {
			row := out[r : r+n]
			mean, variance := 0.0, 0.0
			for _, x := range row {
				mean += x / float64(n)
			}
			for _, x := range row {
				variance += (x - mean) * (x - mean) / float64(n)
			}
			for i := range row {
				row[i] = (row[i] - mean) / math.Sqrt(variance+op.(graph.LayerNorm).Eps)
				if len(in) > 1 && in[1] != nil {
					row[i] *= in[1].At(i)
				}
				if len(in) > 2 {
					row[i] += in[2].At(i)
				}
			}
		}
		return out
	},
	"LayerNormGrad": func(op graph.Op, in []*tensor.Tensor) []float64 {
		// Row by row the product of u with the whole Jacobian ∂x̂ᵢ/∂xⱼ = (δᵢⱼ − 1/n − x̂ᵢ·x̂ⱼ/n)/σ.
		n := in[0].Dim(-1)
		x, u := in[0].Float64s(), in[1].Float64s()
		out := make([]float64, len(x))
		for r := 0; r < len(x); r += n {
			mean, variance := 0.0, 0.0
			for _, v := range x[r : r+n] {
				mean += v / float64(n)
			}
			for _, v := range x[r : r+n] {
				variance += (v - mean) * (v - mean) / float64(n)
			}
			sigma := math.Sqrt(variance + op.(graph.LayerNormGrad).Eps)
			for j := range n {
				for i := range n {
					d := -1/float64(n) - (x[r+i]-mean)*(x[r+j]-mean)/(sigma*sigma*float64(n))
					if i == j {
						d++
					}
					out[r+j] += u[r+i] * d / sigma
				}
			}
		}
		return out
	},
	"BatchNorm": func(op graph.Op, in []*tensor.Tensor) []float64 {
		out, at := in[0].Float64s(), 0
		odometer(in[0].Shape(), func(index []int) {
			c := index[1]
			out[at] = in[1].At(c)*(out[at]-in[3].At(c))/math.Sqrt(in[4].At(c)+op.(graph.BatchNorm).Eps) + in[2].At(c)
			at++
		})
		return out
	},
}

// resized are the places in an axis of n that the pixels of the resized one come from, as ONNX's specification has it.
func resized(o graph.Resize, axis, n int) []float64 {
	scale := float64(o.Scale) / float64(max(o.Divisor, 1))
	size := math.Floor(float64(n) * scale)
	if o.Sizes != nil {
		size = float64(o.Sizes[axis])
		scale = size / float64(n)
	}
	var out []float64
	for i := 0.0; i < size; i++ {
		at := i / scale
		switch {
		case o.Mode != "linear":
			at = math.Floor(at + 1e-9)
		case o.Coordinates == "align_corners" && size == 1:
			at = 0
		case o.Coordinates == "align_corners":
			at = i * float64(n-1) / (size - 1)
		case o.Coordinates != "asymmetric":
			at = (i+.5)/scale - .5
		}
		out = append(out, math.Max(0, math.Min(at, float64(n-1))))
	}
	return out
}

// entry is number i of a list, or what a list that says nothing means.
func entry(list []int, i, none int) int {
	if i >= len(list) {
		return none
	}
	return max(list[i], none)
}

// windows is how many windows that cover span pixels there are along an axis of n.
func windows(axis, n, span int, strides, pads []int) int {
	return (n+entry(pads, axis, 0)+entry(pads, len(pads)/2+axis, 0)-span)/entry(strides, axis, 1) + 1
}

// convLoop calls do for every product that a convolution sums: the positions in x, w and y.
func convLoop(o graph.Conv, x, w, y []int, do func(xi, wi, yi int)) {
	groups := max(o.Groups, 1)
	odometer(y, func(p []int) {
		odometer(w[1:], func(q []int) {
			from := []int{p[0], p[1]/(w[0]/groups)*w[1] + q[0]}
			for i := range x[2:] {
				from = append(from, p[2+i]*entry(o.Strides, i, 1)+q[1+i]*entry(o.Dilations, i, 1)-entry(o.Pads, i, 0))
			}
			if inside(x, from) {
				do(offset(x, from), offset(w, append([]int{p[1]}, q...)), offset(y, p))
			}
		})
	})
}

func inside(shape, at []int) bool {
	for i, n := range shape {
		if at[i] < 0 || at[i] >= n {
			return false
		}
	}
	return true
}

// poolLoop calls do with the positions in each window, window by window in the order of the results.
func poolLoop(kernel, strides, pads, x []int, do func(window []int)) {
	out := slices.Clone(x[:2])
	for i, k := range kernel {
		out = append(out, windows(i, x[2+i], k, strides, pads))
	}
	odometer(out, func(p []int) {
		var window []int
		odometer(kernel, func(k []int) {
			from := []int{p[0], p[1]}
			for i := range kernel {
				from = append(from, p[2+i]*entry(strides, i, 1)+k[i]-entry(pads, i, 0))
			}
			if inside(x, from) {
				window = append(window, offset(x, from))
			}
		})
		do(window)
	})
}

func largest(x *tensor.Tensor, window []int) int {
	best := window[0]
	for _, i := range window {
		if x.At(i) > x.At(best) {
			best = i
		}
	}
	return best
}

func counted(o graph.AveragePoolND, window []int) int {
	if o.CountPad {
		n, _ := tensor.Count(o.Kernel)
		return n
	}
	return len(window)
}
