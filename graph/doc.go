// Package graph is the intermediate representation of a model: values, the ops that make them, their shapes and dtypes,
// the source line each came from, and the mistakes found on the way.
//
// A [Func] is one entry point, traced by running the user's Go code once on symbolic values. Every op is a Go type in a
// file op_<family>.go that holds all of the op: its fluent form on [Value], shape inference, gradient, kernel call, ONNX
// form and samples for the tests ([Op] is the contract, [All] the table). [Grad] differentiates a graph into a graph, so
// a gradient is a value like any other and may be differentiated again.
//
// Ops never fail and never panic on a wrong model: a mistake is recorded once as a [Diag] in the Func, the result is
// poisoned, and ops over poison are silent. So one run reports every independent mistake.
package graph
