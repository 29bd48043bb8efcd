package onnxtest

import (
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// lateOperators have outputs whose sizes the contents of their inputs decide.
var lateOperators = map[string]operator{
	"NonZero": func(c *call) []*tensor.Tensor {
		x := c.input(0)
		var found [][]int
		each(x.Shape(), func(i []int) {
			if look(x, i) != 0 {
				found = append(found, slices.Clone(i))
			}
		})
		return one(build(tensor.I64, []int{x.Rank(), len(found)}, func(i []int) float64 { return float64(found[i[1]][i[0]]) }))
	},
	"Compress": func(c *call) []*tensor.Tensor {
		x, condition := c.input(0), c.input(1)
		k := 0
		if c.attributed("axis") {
			k = c.axis(c.int("axis", 0), x.Rank())
		} else {
			x = x.Reshape(x.Len())
		}
		if condition.DType() != tensor.Bool || condition.Rank() != 1 || condition.Len() > x.Dim(k) {
			c.fail("the condition is %v, for %v", condition, x)
		}
		var places []int
		for i := range condition.Len() {
			if condition.At(i) != 0 {
				places = append(places, i)
			}
		}
		return chosen(x, k, places)
	},
	"Unique": func(c *call) []*tensor.Tensor {
		x := c.input(0)
		must(c, "sorted", int64(1))
		k := 0
		if c.attributed("axis") {
			k = c.axis(c.int("axis", 0), x.Rank())
		} else {
			x = x.Reshape(x.Len())
		}
		parts := make([][]float64, x.Dim(k))
		each(x.Shape(), func(i []int) { parts[i[k]] = append(parts[i[k]], rank(x, i)) })
		var first []int
		for i, p := range parts {
			if !slices.ContainsFunc(first, func(j int) bool { return slices.Equal(parts[j], p) }) {
				first = append(first, i)
			}
		}
		slices.SortFunc(first, func(a, b int) int { return slices.Compare(parts[a], parts[b]) })
		inverse, counts := make([]int, len(parts)), make([]int, len(first))
		for i, p := range parts {
			inverse[i] = slices.IndexFunc(first, func(j int) bool { return slices.Equal(parts[j], p) })
			counts[inverse[i]]++
		}
		return append(chosen(x, k, first), list(first), list(inverse), list(counts))
	},
}

// attributed reports whether the node has an attribute.
func (c *call) attributed(name string) bool {
	for _, a := range c.Attributes {
		if a.Name == name {
			return true
		}
	}
	return false
}

// chosen is the slices of x along axis k at some places.
func chosen(x *tensor.Tensor, k int, places []int) []*tensor.Tensor {
	shape := slices.Clone(x.Shape())
	shape[k] = len(places)
	return arrange(x.DType(), shape, func(i []int) place {
		from := slices.Clone(i)
		from[k] = places[i[k]]
		return find(x, from)
	})
}

// rank is a number for the element of x that look finds by which elements are in their order: of strings, where it is among all.
func rank(x *tensor.Tensor, index []int) float64 {
	texts, ok := x.Raw().([]string)
	if !ok {
		return look(x, index)
	}
	return float64(slices.Index(slices.Sorted(slices.Values(texts)), texts[find(x, index).at]))
}
