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
