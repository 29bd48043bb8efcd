package nn

import (
	"fmt"

	"github.com/sardonyx-ml/sardonyx/graph"
)

// Residual adds to its argument what the modules make of it, one after another: x + f(x) (He et al. 2016, eq. 1). The layer at
// index i is named by that index, as in a Sequential.
type Residual []Module

// Apply adds f(x) to x; they must have one shape.
func (r Residual) Apply(x *graph.Value) *graph.Value {
	y := Sequential(r).Apply(x)
	if !y.OK() {
		return y
	}
	if !y.Shape().Equal(x.Shape()) {
		return mistake(x, fmt.Sprintf("Residual: x is %v, and what is added %v", x.Type, y.Type), "the last module gives back the shape of x; where it cannot, add by hand, with a projection of x")
	}
	return x.Add(y)
}

// Repeat is a Sequential of n modules that make gives, one for each index from 0: the blocks of a deep network.
func Repeat(n int, make func(i int) Module) Sequential {
	var s Sequential
	for i := range n {
		s = append(s, make(i))
	}
	return s
}
