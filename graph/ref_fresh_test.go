package graph_test

import (
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var freshRefs = map[string]reference{
	"NonZero": func(_ graph.Op, in []*tensor.Tensor) []float64 {
		rows := make([][]float64, in[0].Rank())
		odometer(in[0].Shape(), func(index []int) {
			if in[0].At(offset(in[0].Shape(), index)) != 0 {
				for axis, i := range index {
					rows[axis] = append(rows[axis], float64(i))
				}
			}
		})
		return slices.Concat(rows...)
	},
	"Compress": func(op graph.Op, in []*tensor.Tensor) []float64 {
		axis := op.(graph.Compress).Axis
		if axis < 0 {
			axis += in[0].Rank()
		}
		var out []float64
		odometer(in[0].Shape(), func(index []int) {
			if in[1].At(index[axis]) != 0 {
				out = append(out, in[0].At(offset(in[0].Shape(), index)))
			}
		})
		return out
	},
	"Unique": uniqueRef,
}

// uniqueRef looks for the least slice that is more than the last, again and again.
func uniqueRef(op graph.Op, in []*tensor.Tensor) []float64 {
	o, x := op.(graph.Unique), in[0]
	if !o.Along {
		x = x.Reshape(x.Len())
	}
	axis := o.Axis
	if axis < 0 {
		axis += x.Rank()
	}
	parts := make([][]float64, x.Dim(axis))
	odometer(x.Shape(), func(index []int) {
		parts[index[axis]] = append(parts[index[axis]], x.At(offset(x.Shape(), index)))
	})
	var found [][]float64
	var first, counts []float64
	inverse := make([]float64, len(parts))
	for {
		least := -1
		for i, p := range parts {
			if (len(found) == 0 || slices.Compare(p, found[len(found)-1]) > 0) && (least < 0 || slices.Compare(p, parts[least]) < 0) {
				least = i
			}
		}
		if least < 0 {
			break
		}
		n := 0.
		for i, p := range parts {
			if slices.Equal(p, parts[least]) {
				inverse[i] = float64(len(found))
				n++
			}
		}
		found, first, counts = append(found, parts[least]), append(first, float64(least)), append(counts, n)
	}
	shape := slices.Clone(x.Shape())
	shape[axis] = len(found)
	at := make([]int, len(found))
	var values []float64
	odometer(shape, func(index []int) {
		k := index[axis]
		values = append(values, found[k][at[k]])
		at[k]++
	})
	return slices.Concat(values, first, inverse, counts)
}
