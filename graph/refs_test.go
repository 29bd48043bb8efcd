package graph_test

import (
	"maps"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// A reference computes what an op should give, flat and in float64, by the plainest loops: never with package kernel.
type reference func(op graph.Op, in []*tensor.Tensor) []float64

// allRefs joins the references of the families by op name.
func allRefs() map[string]reference {
	all := map[string]reference{}
	for _, family := range []map[string]reference{
		leafRefs,
		mathRefs,
		shapeRefs,
		imageRefs,
		bodyRefs,
		recurrentRefs,
		attentionRefs,
		normRefs,
		freshRefs,
	} {
		maps.Copy(all, family)
	}
	return all
}

var leafRefs = map[string]reference{
	"Const": func(op graph.Op, in []*tensor.Tensor) []float64 { return op.(graph.Const).Value.Float64s() },
	"Full": func(op graph.Op, in []*tensor.Tensor) []float64 {
		n, _ := op.(graph.Full).Type.Shape.Size().Eval(nil)
		out := make([]float64, n)
		for i := range out {
			out[i] = op.(graph.Full).Value
		}
		return out
	},
	"Arange": func(op graph.Op, in []*tensor.Tensor) []float64 {
		n, _ := op.(graph.Arange).Type.Shape.Size().Eval(nil)
		var out []float64
		for len(out) < n {
			out = append(out, float64(len(out)))
		}
		return out
	},
	"Size": func(op graph.Op, in []*tensor.Tensor) []float64 {
		n, list := 1, op.(graph.Size).Axes
		for i, d := range in[0].Shape() {
			take := list == nil
			for _, a := range list {
				take = take || a == i
			}
			if take {
				n *= d
			}
		}
		return []float64{float64(n)}
	},
	"Sizes": func(_ graph.Op, in []*tensor.Tensor) []float64 {
		out := make([]float64, in[0].Rank())
		for i := range out {
			out[i] = float64(in[0].Dim(i))
		}
		return out
	},
	"Barrier": func(op graph.Op, in []*tensor.Tensor) []float64 { return in[0].Float64s() },
	"Detach":  func(op graph.Op, in []*tensor.Tensor) []float64 { return in[0].Float64s() },
}
