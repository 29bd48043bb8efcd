package graph_test

import (
	"math"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var imageRefs = map[string]reference{
	"Conv2D": func(op graph.Op, in []*tensor.Tensor) []float64 {
		o, x, w := op.(graph.Conv2D), in[0], in[1]
		y := tensor.New(tensor.F64, x.Dim(0), w.Dim(0), convSize(o, 0, x, w), convSize(o, 1, x, w))
		convLoop(o, x.Shape(), w.Shape(), y.Shape(), func(xi, wi, yi int) { y.Set(yi, y.At(yi)+x.At(xi)*w.At(wi)) })
		return y.Float64s()
	},
	"ConvTranspose2D": func(op graph.Op, in []*tensor.Tensor) []float64 {
		o, y, w := op.(graph.ConvTranspose2D), in[0], in[1]
		c := graph.Conv2D{Strides: o.Strides, Pads: o.Pads, Dilations: o.Dilations, Groups: o.Groups}
		size := func(i int) int {
			return (y.Dim(2+i)-1)*max(o.Strides[i], 1) + (w.Dim(2+i)-1)*max(o.Dilations[i], 1) + 1 + o.OutputPadding[i] - o.Pads[i] - o.Pads[i+2]
		}
		x := tensor.New(tensor.F64, y.Dim(0), w.Dim(1)*max(o.Groups, 1), size(0), size(1))
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
	"MaxPool": func(op graph.Op, in []*tensor.Tensor) []float64 {
		o := op.(graph.MaxPool)
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
	"AveragePool": func(op graph.Op, in []*tensor.Tensor) []float64 {
		o := op.(graph.AveragePool)
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
		n := in[0].Dim(2) * in[0].Dim(3)
		out := make([]float64, in[0].Len()/n)
		for i := range in[0].Len() {
			out[i/n] += in[0].At(i) / float64(n)
		}
		return out
	},
	"Resize": func(op graph.Op, in []*tensor.Tensor) []float64 {
		k, s := op.(graph.Resize).Scale, in[0].Shape()
		return pull(in[0], []int{s[0], s[1], s[2] * k, s[3] * k}, func(i []int) []int { return []int{i[0], i[1], i[2] / k, i[3] / k} })
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

func convSize(o graph.Conv2D, i int, x, w *tensor.Tensor) int {
	return (x.Dim(2+i)+o.Pads[i]+o.Pads[i+2]-(w.Dim(2+i)-1)*max(o.Dilations[i], 1)-1)/max(o.Strides[i], 1) + 1
}

// convLoop calls do for every product that a convolution sums: the positions in x, w and y.
func convLoop(o graph.Conv2D, x, w, y []int, do func(xi, wi, yi int)) {
	groups := max(o.Groups, 1)
	odometer(y, func(p []int) {
		odometer(w[1:], func(q []int) {
			group := p[1] / (w[0] / groups)
			iy := p[2]*max(o.Strides[0], 1) + q[1]*max(o.Dilations[0], 1) - o.Pads[0]
			ix := p[3]*max(o.Strides[1], 1) + q[2]*max(o.Dilations[1], 1) - o.Pads[1]
			if iy >= 0 && iy < x[2] && ix >= 0 && ix < x[3] {
				do(offset(x, []int{p[0], group*w[1] + q[0], iy, ix}), offset(w, []int{p[1], q[0], q[1], q[2]}), offset(y, p))
			}
		})
	})
}

// poolLoop calls do with the positions in each window, window by window in the order of the results.
func poolLoop(kernel, strides [2]int, pads [4]int, x []int, do func(window []int)) {
	out := []int{x[0], x[1], 0, 0}
	for i := range 2 {
		out[2+i] = (x[2+i]+pads[i]+pads[i+2]-kernel[i])/max(strides[i], 1) + 1
	}
	odometer(out, func(p []int) {
		var window []int
		odometer(kernel[:], func(k []int) {
			iy, ix := p[2]*max(strides[0], 1)+k[0]-pads[0], p[3]*max(strides[1], 1)+k[1]-pads[1]
			if iy >= 0 && iy < x[2] && ix >= 0 && ix < x[3] {
				window = append(window, offset(x, []int{p[0], p[1], iy, ix}))
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

func counted(o graph.AveragePool, window []int) int {
	if o.CountPad {
		return o.Kernel[0] * o.Kernel[1]
	}
	return len(window)
}
