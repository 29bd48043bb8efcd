package nn

import (
	"fmt"

	"github.com/sardonyx-ml/sardonyx/graph"
)

// Sequential applies modules one after another. The layer at index i is named by that index: net.0.weight. Without modules it
// is the identity, and so the type for what a model may lack, such as the projection of a residual block's shortcut.
type Sequential []Module

// Apply runs x through the modules.
func (s Sequential) Apply(x *graph.Value) *graph.Value {
	for i, m := range s {
		if x == nil {
			panic(graph.Mistakef("a module must return a value", "Sequential: module %d is applied to a nil value", i))
		}
		if !x.OK() {
			return x
		}
		if f, ok := m.(Func); m == nil || ok && f == nil {
			return mistake(x, fmt.Sprintf("Sequential: module %d is nil", i), "remove it, or put a layer there")
		}
		x = m.Apply(x)
	}
	return x
}

// Func is a function as a Module.
type Func func(x *graph.Value) *graph.Value

// Apply calls the function.
func (f Func) Apply(x *graph.Value) *graph.Value { return f(x) }

// The ops that models put between layers, for Sequential.
var (
	ReLU    = Func((*graph.Value).ReLU)
	GELU    = Func((*graph.Value).GELU)
	SiLU    = Func((*graph.Value).SiLU)
	Tanh    = Func((*graph.Value).Tanh)
	Sigmoid = Func((*graph.Value).Sigmoid)
	Flatten = Func((*graph.Value).Flatten)
)

// LeakyReLU is x where it is above 0, else alpha·x, for Sequential.
func LeakyReLU(alpha float64) Func {
	return func(x *graph.Value) *graph.Value { return x.LeakyReLU(alpha) }
}

// Reshape gives each example the shape dims, for Sequential: x [batch ...] becomes [batch dims...].
func Reshape[D int | graph.Dim](dims ...D) Func {
	return func(x *graph.Value) *graph.Value {
		all := []graph.Dim{x.Dim(0)}
		for _, d := range dims {
			all = append(all, graph.Dim(d))
		}
		return x.Reshape(all...)
	}
}

// If is a Sequential of the modules if yes, else an empty one, which does nothing: what a chain has only sometimes.
//
//	append(nn.Sequential{conv, nn.ReLU}, nn.If(p > 0, &nn.Dropout{P: p})...)
func If(yes bool, modules ...Module) Sequential {
	if !yes {
		return nil
	}
	return modules
}
