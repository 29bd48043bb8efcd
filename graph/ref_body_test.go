package graph_test

import (
	"math"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// bodyRefs compute what the bodies of the samples do, in plain loops.
var bodyRefs = map[string]reference{
	"Scan": func(op graph.Op, in []*tensor.Tensor) []float64 {
		x := make([][]float64, len(in))
		for i, t := range in {
			x[i] = t.Float64s()
		}
		s, ys := slices.Clone(x[0]), []float64{}
		switch o := op.(graph.Scan); {
		case o.Reverse:
			ys = make([]float64, len(x[1]))
			for k := len(x[1]) - len(s); k >= 0; k -= len(s) {
				for i := range s {
					ys[k+i] = s[i]
					s[i] = math.Tanh(x[2][i]*s[i] + x[1][k+i])
				}
			}
		case o.States == 0:
			for k := range x[0] {
				ys = append(ys, x[0][k]*x[1][k]+x[2][k%len(x[2])])
			}
			return ys
		case o.States == 2:
			n := x[1][0]
			for range in[2].Dim(0) {
				for i := range s {
					s[i] = s[i]*x[3][i%len(x[3])] + math.Sin(n)
				}
				n++
			}
			return append(s, n)
		case o.Scanned == 3:
			for k := range in[1].Dim(0) {
				for i := range in[1].Dim(1) {
					e := x[1][k*in[1].Dim(1)+i]
					s[0] += x[4][0] * e * e
				}
				ys = append(ys, s[0]*x[2][k]+x[3][k])
			}
		default:
			for k := 0; k < len(x[1]); k += len(s) {
				for i := range s {
					s[i] = x[2][i]*s[i] + x[1][k+i]
					ys = append(ys, s[i]*x[1][k+i])
				}
			}
		}
		return append(s, ys...)
	},
	"If": func(op graph.Op, in []*tensor.Tensor) []float64 {
		chosen := in[0].At(0) != 0
		var out []float64
		switch o := op.(graph.If); {
		case o.Then == 3:
			for i := range in[2].Len() {
				switch {
				case !chosen:
					out = append(out, 0)
				case in[1].At(0) != 0:
					out = append(out, in[2].At(i))
				default:
					out = append(out, in[2].At(i)*in[3].At(i))
				}
			}
		case o.Then == 2:
			for i, x := range in[1].Float64s() {
				if chosen {
					out = append(out, x*in[2].At(i%in[2].Len()))
				} else {
					out = append(out, math.Sin(x))
				}
			}
		default:
			for _, x := range in[1].Float64s() {
				if !chosen {
					x *= x
				}
				out = append(out, x)
			}
			for _, n := range in[2].Float64s() {
				if chosen {
					n = 1
				}
				out = append(out, n)
			}
		}
		return out
	},
	"Loop": func(op graph.Op, in []*tensor.Tensor) []float64 {
		x, n := in[0].Float64s(), in[1].At(0)
		for i := range op.(graph.Loop).Most {
			sum := 0.
			for k := range x {
				x[k] = 2*x[k] - in[2].At(k)
				sum += x[k]
			}
			n += float64(i)
			if sum >= 50 {
				break
			}
		}
		return append(x, n)
	},
}
