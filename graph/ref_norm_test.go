package graph_test

import (
	"math"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var normRefs = map[string]reference{
	"GroupNorm": func(op graph.Op, in []*tensor.Tensor) []float64 {
		o := op.(graph.GroupNorm)
		return channelNormRef(in, in[0].Dim(1)/o.Groups, o.Eps)
	},
	"InstanceNorm": func(op graph.Op, in []*tensor.Tensor) []float64 {
		return channelNormRef(in, 1, op.(graph.InstanceNorm).Eps)
	},
	"BatchNormTrain": func(op graph.Op, in []*tensor.Tensor) []float64 {
		x, shape := in[0], in[0].Shape()
		mean, variance, _ := channelStatistics(x)
		out := make([]float64, x.Len())
		odometer(shape, func(i []int) {
			at, k := offset(shape, i), i[1]
			out[at] = (x.At(at)-mean[k])/math.Sqrt(variance[k]+op.(graph.BatchNormTrain).Eps)*in[1].At(k) + in[2].At(k)
		})
		return append(append(out, mean...), variance...)
	},
	"BatchNormTrainGrad": func(op graph.Op, in []*tensor.Tensor) []float64 {
		x, g, shape := in[0], in[4], in[0].Shape()
		channels := shape[1]
		dx, dscale, dbias, n := make([]float64, x.Len()), make([]float64, channels), make([]float64, channels), float64(x.Len()/channels)
		hat := func(at, k int) float64 {
			return (x.At(at) - in[2].At(k)) / math.Sqrt(in[3].At(k)+op.(graph.BatchNormTrainGrad).Eps)
		}
		odometer(shape, func(i []int) {
			at, k := offset(shape, i), i[1]
			dscale[k] += g.At(at) * hat(at, k)
			dbias[k] += g.At(at)
		})
		odometer(shape, func(i []int) {
			at, k := offset(shape, i), i[1]
			sigma := math.Sqrt(in[3].At(k) + op.(graph.BatchNormTrainGrad).Eps)
			dx[at] = in[1].At(k) / sigma * (g.At(at) - dbias[k]/n - hat(at, k)*dscale[k]/n)
		})
		return append(append(dx, dscale...), dbias...)
	},
	"RMSNorm": func(op graph.Op, in []*tensor.Tensor) []float64 {
		n, out := in[0].Dim(-1), in[0].Float64s()
		for r := 0; r < len(out); r += n {
			square := 0.0
			for _, x := range out[r : r+n] {
				square += x * x
			}
			for i := range n {
				out[r+i] /= math.Sqrt(square/float64(n) + op.(graph.RMSNorm).Eps)
				if len(in) > 1 {
					out[r+i] *= in[1].At(i)
				}
			}
		}
		return out
	},
}

// channelStatistics are the means and variances of channels, axis 1, and how many elements each has.
func channelStatistics(x *tensor.Tensor) (mean, variance []float64, n float64) {
	shape := x.Shape()
	mean, variance, n = make([]float64, shape[1]), make([]float64, shape[1]), float64(x.Len()/shape[1])
	odometer(shape, func(i []int) { mean[i[1]] += x.At(offset(shape, i)) / n })
	odometer(shape, func(i []int) { variance[i[1]] += math.Pow(x.At(offset(shape, i))-mean[i[1]], 2) / n })
	return mean, variance, n
}

// channelNormRef normalises each group of so many channels, axis 1, of each example.
func channelNormRef(in []*tensor.Tensor, channels int, eps float64) []float64 {
	x := in[0].Float64s()
	out := make([]float64, len(x))
	size := len(x) / in[0].Dim(0) / in[0].Dim(1) // places
	group := channels * size
	for i := range x {
		from := i / group * group
		mean, square := 0.0, 0.0
		for _, v := range x[from : from+group] {
			mean += v / float64(group)
			square += v * v / float64(group)
		}
		out[i] = (x[i] - mean) / math.Sqrt(square-mean*mean+eps)
		if c := i / size % in[0].Dim(1); len(in) > 1 && in[1] != nil {
			out[i] *= in[1].At(c)
		}
		if c := i / size % in[0].Dim(1); len(in) > 2 {
			out[i] += in[2].At(c)
		}
	}
	return out
}
