package nn

import "github.com/sardonyx-ml/sardonyx/graph"

// Checkpoint applies modules one after another, as a [Sequential] does, and its layers have the same names. What the modules compute is
// not kept for the backward pass, but computed again there, from the argument: less memory for about a third more time; see
// [graph.Func.Checkpoint]. Gradients are the same to the bit, and so is what layers draw; running statistics move once.
type Checkpoint []Module

// Apply runs x through the modules.
func (c Checkpoint) Apply(x *graph.Value) *graph.Value {
	if x == nil {
		panic(graph.Mistakef(graph.NilHint, "Checkpoint: it is applied to a nil value"))
	}
	return x.Func().Checkpoint(func() *graph.Value { return Sequential(c).Apply(x) })
}
