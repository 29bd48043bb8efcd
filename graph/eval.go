package graph

import (
	"fmt"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// Evaluate computes every value of f, one node after another, each into new tensors. It is the plainest engine there is: the
// one that passes and other engines are checked against. inputs holds the Inputs and Params of f by name. The result is
// indexed by Value.ID.
func Evaluate(c *kernel.Context, f *Func, inputs map[string]*tensor.Tensor) ([]*tensor.Tensor, error) {
	b, err := f.Bind(inputs)
	if err != nil {
		return nil, err
	}
	all := make([]*tensor.Tensor, len(f.Values))
	for _, n := range f.Nodes {
		v := n.Results[0]
		switch o := n.Op.(type) {
		case Input, Param:
			t := inputs[v.Name]
			if t == nil {
				return nil, fmt.Errorf("%s: no tensor for %q", f.Name, v.Name)
			}
			if shape, err := v.Type.Shape.Eval(b); err != nil || t.DType() != v.DType() || !slices.Equal(t.Shape(), shape) {
				return nil, fmt.Errorf("%s: %q is %v, want %v", f.Name, v.Name, t, v.Type)
			}
			all[v.ID] = t
			continue
		case Const:
			all[v.ID] = o.Value.Clone()
			continue
		}
		args := make([]*tensor.Tensor, len(n.Args))
		for k, a := range n.Args {
			if a != nil {
				args[k] = all[a.ID]
			}
		}
		if err := n.Tell(c, b, args); err != nil {
			return nil, err
		}
		out, err := n.buffers(b, all)
		if err != nil {
			return nil, err
		}
		if n, err = n.Bound(b); err != nil {
			return nil, err
		}
		if err := n.Run(c, out, args); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Sizes is v's shape under b, of a size that a tensor may have; an error is a [RunError].
func (v *Value) Sizes(b Binding) ([]int, error) {
	shape, err := v.Type.Shape.Eval(b)
	if err == nil {
		_, err = tensor.Count(shape)
	}
	if err != nil {
		return nil, &RunError{v, err}
	}
	return shape, nil
}

// buffers are new tensors for n's results under b, which all gets too, by the results' IDs.
func (n *Node) buffers(b Binding, all []*tensor.Tensor) ([]*tensor.Tensor, error) {
	out := make([]*tensor.Tensor, len(n.Results))
	for i, v := range n.Results {
		shape, err := v.Sizes(b)
		if err != nil {
			return nil, err
		}
		out[i] = tensor.New(v.DType(), shape...)
		all[v.ID] = out[i]
	}
	return out, nil
}

// Run computes n's results into out from its arguments' tensors, for engines. Symbols among the op's attributes are bound: see
// [Node.Bound]. A failure of the op, or a panic in it, is a [RunError]. [kernel.Context.Observe] sees n.
func (n *Node) Run(c *kernel.Context, out, args []*tensor.Tensor) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
		if _, inside := err.(*RunError); err != nil && !inside { // one in a body names its own value
			err = &RunError{n.Results[0], err}
		}
	}()
	if c.Observe != nil {
		defer c.Observe(n, out, args)()
	}
	out, args, done := n.widen(c, out, args)
	if err := n.compute(c, out, args); err != nil {
		return err
	}
	if done != nil {
		done()
	}
	return nil
}

// compute runs the kernel of n's op.
func (n *Node) compute(c *kernel.Context, out, args []*tensor.Tensor) error {
	switch o := n.Op.(type) {
	case Kernel:
		return o.Run(c, out, args)
	case BodyKernel:
		return o.RunBodies(c, n.Bodies, out, args)
	case elementwise:
		return runElementwise(c, o, out[0], args)
	case Composite:
		return runComposite(c, n, out, args)
	}
	return fmt.Errorf("the op has no kernel, and is not made of smaller ops")
}

// Computes reports whether n's op has a kernel of its own; a [Composite] without one is the smaller ops that it is lowered to.
func Computes(n *Node) bool {
	switch n.Op.(type) {
	case elementwise, Kernel, BodyKernel, Input, Param:
		return true
	}
	return false
}

// runComposite computes n from the smaller ops that it is.
func runComposite(c *kernel.Context, n *Node, out, args []*tensor.Tensor) error {
	results, err := evaluateComposite(c, n, args)
	for i, t := range results {
		if t.DType() == out[i].DType() {
			out[i].CopyFrom(t)
		} else { // it is computed in the wide dtype
			convert(c, out[i], t)
		}
	}
	return err
}

// evaluateComposite computes the results of n from the smaller ops that it is, for the shapes at hand.
func evaluateComposite(c *kernel.Context, n *Node, args []*tensor.Tensor) ([]*tensor.Tensor, error) {
	f := NewFunc(n.fn.Name, n.fn.Training)
	in, values := map[string]*tensor.Tensor{}, make([]*Value, len(args))
	for k, t := range args {
		if t != nil {
			name := fmt.Sprint(k)
			in[name], values[k] = t, f.Input(name, t.DType(), dimsOf(t)...)
		}
	}
	var y []*Value
	f.At(n.Pos, n.Scope, func() {
		m := f.ApplyNode(n.Op, n.Bodies, values...)
		if len(m.Results) == 0 {
			return
		}
		y = n.Op.(Composite).Lower(m)
	})
	if len(f.Diags) > 0 {
		return nil, f.Diags
	}
	f = Extract(f, y...) // without the node itself, which was there for its types
	all, err := Evaluate(c, f, in)
	if err != nil {
		return nil, err
	}
	out := make([]*tensor.Tensor, len(f.Outputs))
	for i, o := range f.Outputs {
		out[i] = all[o.Value.ID]
	}
	return out, nil
}

// dimsOf is t's shape as numbers.
func dimsOf(t *tensor.Tensor) []Dim {
	s := make([]Dim, t.Rank())
	for i, n := range t.Shape() {
		s[i] = Dim(n)
	}
	return s
}

// A RunError is why a value could not be computed in a run.
type RunError struct {
	Value *Value
	Err   error
}

// Error is the entry point, the user's line, the layer, the op, and what is wrong.
func (e *RunError) Error() string {
	v := e.Value
	var where string
	if v.Scope != "" {
		where = v.Scope + ": "
	}
	if _, ok := v.Op.(Assert); !ok { // whose message says who wants what
		where += OpName(v.Op) + ": "
	}
	return fmt.Sprintf("%s: %v: %s%v", v.fn.Name, v.Pos, where, e.Err)
}

// Unwrap is the op's own error.
func (e *RunError) Unwrap() error { return e.Err }
