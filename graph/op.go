package graph

import (
	"reflect"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// An Op is one operation: a Go type whose fields are the attributes and whose methods are all that is known of it.
// A Func keeps its own copy of an op; ops of one type with equal attributes are one op ([Identity]).
//
// What an op can do besides, the interfaces below say. It has a [Kernel], or is a [Composite] of smaller ops that have one; gradients
// flow through it if it is [Differentiable], or a Composite of ops that are; and in an ONNX file it is one node, by a [Form], or the
// smaller ops of a Composite, or what an [Emittable] op writes.
type Op interface {
	// Takes declares the arguments: what is checked before Infer is asked.
	Takes() []Arg
	// Infer returns the types of the results, or the mistake in the arguments. It never sees poisoned arguments.
	Infer(in *Infer) ([]Type, error)
}

// A Differentiable op has a vector-Jacobian product.
type Differentiable interface {
	// VJP returns, for each argument of n, the vector-Jacobian product with the gradients g of n's results, built from ops so that
	// it can be differentiated again. The gradient of a result that nothing depends on is nil. A nil entry, or a nil slice, means
	// that no gradient flows.
	VJP(n *Node, g []*Value) []*Value
}

// A Kernel is an op that computes.
type Kernel interface {
	// Run computes the results out, whose dtypes and shapes are those inferred under the run's binding. An absent argument is nil.
	Run(c *kernel.Context, out, in []*tensor.Tensor) error
}

// A Composite op means what smaller ops do together: from them it has its kernel, its gradient and its ONNX form, where it does not
// say them itself.
type Composite interface {
	// Lower returns n's results, made of smaller ops over n's arguments.
	Lower(n *Node) []*Value
}

// A Sampled op has samples for the tests, which run on them everything that the op can do.
type Sampled interface {
	Op
	Samples() []Sample
}

// OpName is the op's type name, such as MatMul.
func OpName(op Op) string {
	if op == nil {
		return "nothing"
	}
	t := reflect.TypeOf(op)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Name()
}
