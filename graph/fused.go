package graph

import (
	"fmt"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// A FusedStep is one op of a Fused: its arguments are numbered, the Fused's own first, then the results of earlier steps.
type FusedStep struct {
	Op    Op
	Args  []int
	Scope string `text:"-"` // the layer that made it
	Pos   Pos    `text:"-"` // and the user's line
}

// String is the op and its arguments, Scale{By:2}[-1]: the part of the step in the text form.
func (s FusedStep) String() string { return fmt.Sprintf("%s%v", OpText(s.Op), s.Args) }

// A FusedReduction is a sum, or the largest element, of a step, which is numbered as arguments are.
type FusedReduction struct {
	Op   Op
	Step int
}

// String is the op and its argument, Sum{Axes:[0]}[-1]: the part of the reduction in the text form.
func (r FusedReduction) String() string { return fmt.Sprintf("%s[%d]", OpText(r.Op), r.Step) }

// Fused computes ops of one shape, whose floats are of one type, a block of elements at a time. An argument numbered −1−k is the result of
// step k. Its results are those of the steps that Results numbers, in order; then those of Reductions, all over the same axes; then, if there
// are any in Finite, a bool, whether all elements of those are finite. If it has none of these, the last step is the result.
type Fused struct {
	Steps      []FusedStep
	Results    []int
	Reductions []FusedReduction
	Finite     []int
	kernels    *kernels `text:"-"`
}

// last reports whether result i of a Fused is written by its last step.
func (o Fused) last(i int) bool {
	return o.Results == nil && o.Reductions == nil || i < len(o.Results) && o.Results[i] == -len(o.Steps)
}

// Takes is any number of values: floats, bools and random states.
func (Fused) Takes() []Arg {
	return []Arg{{Name: "x", DTypes: Floats | Bools | 1<<I64, Variadic: true}}
}

// Infer infers step by step.
func (o Fused) Infer(in *Infer) ([]Type, error) {
	results := make([]*Value, len(o.Steps))
	for k, s := range o.Steps {
		args, err := o.args(s, in.Args, results)
		if err != nil {
			return nil, fmt.Errorf("step %d: %w", k, err)
		}
		n := &Node{Op: s.Op, Args: args, fn: in.fn}
		types, err := n.infer()
		if err != nil {
			return nil, fmt.Errorf("step %d: %w", k, err)
		}
		results[k] = &Value{Node: n, Type: types[0]}
	}
	if o.Results == nil && o.Reductions == nil {
		return []Type{results[len(results)-1].Type}, nil
	}
	var types []Type
	for _, k := range o.Results {
		types = append(types, results[-1-k].Type)
	}
	for _, r := range o.Reductions {
		n := &Node{Op: r.Op, Args: []*Value{results[-1-r.Step]}, fn: in.fn}
		reduced, err := n.infer()
		if err != nil {
			return nil, fmt.Errorf("%v: %w", r, err)
		}
		types = append(types, reduced...)
	}
	if o.Finite != nil {
		types = append(types, Type{DType: Bool})
	}
	return types, nil
}

// args are the arguments of step s: some of in, and results so far.
func (o Fused) args(s FusedStep, in, results []*Value) ([]*Value, error) {
	args := make([]*Value, len(s.Args))
	for i, a := range s.Args {
		switch {
		case a >= 0 && a < len(in):
			args[i] = in[a]
		case a < 0 && -1-a < len(results):
			args[i] = results[-1-a]
		}
		if args[i] == nil {
			return nil, fmt.Errorf("there is no argument %d", a)
		}
	}
	return args, nil
}

// Lower is the ops as they were.
func (o Fused) Lower(n *Node) []*Value {
	results := make([]*Value, len(o.Steps))
	for k, s := range o.Steps {
		args, err := o.args(s, n.Args, results)
		if err != nil {
			n.fn.Mistake(n.Pos, "Fused: "+err.Error(), "only Fuse makes these")
			return []*Value{n.fn.Poison()}
		}
		results[k] = n.fn.Apply(s.Op, args...)
	}
	if o.Results == nil && o.Reductions == nil {
		return results[len(results)-1:]
	}
	numbered := func(steps []int) (list []*Value) {
		for _, k := range steps {
			list = append(list, results[-1-k])
		}
		return list
	}
	list := numbered(o.Results)
	for _, r := range o.Reductions {
		list = append(list, n.fn.Apply(r.Op, results[-1-r.Step]))
	}
	if looked := numbered(o.Finite); looked != nil {
		list = append(list, looked[0].AllFinite(looked[1:]...))
	}
	return list
}

// AllTrue is whether all of its arguments are true: bools, scalars. It is for engines: [Fuse] makes it of what Fused ops say of finite
// elements, and it has no ONNX form.
type AllTrue struct{}

// Takes is any number of bools.
func (AllTrue) Takes() []Arg { return []Arg{{Name: "x", DTypes: Bools, Variadic: true}} }

// Infer returns a bool scalar.
func (AllTrue) Infer(in *Infer) ([]Type, error) { return in.One(Type{DType: Bool}, nil) }

// Run looks at each.
func (AllTrue) Run(_ *kernel.Context, out, in []*tensor.Tensor) error {
	all := true
	for _, x := range in {
		all = all && tensor.Data[bool](x)[0]
	}
	tensor.Data[bool](out[0])[0] = all
	return nil
}

// Lower is And of them.
func (AllTrue) Lower(n *Node) []*Value {
	all := n.Args[0]
	for _, x := range n.Args[1:] {
		all = all.And(x)
	}
	return []*Value{all}
}
