package graph

import (
	"fmt"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// If runs one of two bodies. Arguments: a bool scalar that says which, and what the first, then what the second takes from outside.
// Results: the body's. ONNX: If.
type If struct {
	Then int // how many arguments the first body takes
}

// If is what then makes where the scalar cond is true, and what otherwise makes elsewhere: values of the same types. They may use values
// from outside; only the one that is chosen runs. Gradients flow to what is used from outside.
func (f *Func) If(cond *Value, then, otherwise func() []*Value) []*Value {
	f = f.current()
	if cond == nil {
		f.Mistake(f.Pos(), "If: the condition is nil", NilHint)
		cond = f.Poison()
	}
	bodies, args, ok := make([]*Func, 2), []*Value{cond}, true
	counts, taken := [2]int{}, [2]int{}
	for i, trace := range []func() []*Value{then, otherwise} {
		b := f.inner()
		var values []*Value
		f.trace(b, func() { values = trace() })
		ok = b.results("If", values) && b.close("If", nil) && ok
		b.body.done = true
		bodies[i], counts[i], taken[i] = b, len(values), len(b.body.captured)
		args = append(args, b.body.captured...)
	}
	if counts[0] != counts[1] {
		f.Mistake(f.Pos(), fmt.Sprintf("If: one body returns %d values, the other %d", counts[0], counts[1]), "return as many from both, of the same types", cond)
		ok = false
	}
	if !ok || !cond.OK() {
		return f.poisons(max(counts[0], counts[1]))
	}
	return f.add(&Node{Op: If{Then: taken[0]}, Bodies: bodies, Args: args}).first(counts[0])
}

// Takes is a condition, and what the bodies take.
func (If) Takes() []Arg { return []Arg{{Name: "condition", DTypes: Bools}, anyArgs} }

// Infer holds the bodies to the arguments and to one another.
func (o If) Infer(in *Infer) ([]Type, error) {
	if c := in.Args[0]; c.Rank() != 0 {
		return nil, Mistakef("it decides for all; for each element there is cond.Where(a, b)", "the condition is %v, want bool[]", c.Type)
	}
	if len(in.Bodies) != 2 || o.Then < 0 || o.Then >= len(in.Args) {
		return nil, Mistakef("f.If(cond, then, otherwise) makes it", "it has %d bodies, and %d arguments of which the first takes %d", len(in.Bodies), len(in.Args), o.Then)
	}
	var gives [2][]Type
	for i, args := range [][]*Value{in.Args[1 : 1+o.Then], in.Args[1+o.Then:]} {
		var takes []Type
		if takes, gives[i] = in.Bodies[i].types(); len(takes) != len(args) {
			return nil, Mistakef("f.If(cond, then, otherwise) makes it", "body %d takes %d values, and there are %d", i, len(takes), len(args))
		}
		for k, a := range args {
			if !a.Type.Equal(takes[k]) {
				return nil, Mistakef("a body is traced for the types of its arguments", "an argument is %v, for %v in the body", a.Type, takes[k])
			}
		}
	}
	if len(gives[0]) == 0 || len(gives[0]) != len(gives[1]) {
		return nil, Mistakef("return the same number of values from both, one or more", "one body returns %d values, the other %d", len(gives[0]), len(gives[1]))
	}
	for i, t := range gives[0] {
		if !t.Equal(gives[1][i]) {
			return nil, Mistakef("what comes of it has one type, whatever the condition: cast or reshape one of them", "result %d is %v in one body, %v in the other", i, t, gives[1][i])
		}
	}
	return gives[0], nil
}

// VJP chooses as the op does: in each body are the gradients of what it took, and zeros for what the other took.
func (o If) VJP(n *Node, g []*Value) []*Value {
	f := n.fn
	args := n.Args[1:]
	var backs [2]*Func
	var grads [2][]*Value // by argument
	for i, inside := range n.Bodies {
		b := f.inner()
		lo, hi := 0, o.Then
		if i == 1 {
			lo, hi = o.Then, len(args)
		}
		here := make([]*Value, hi-lo)
		for k := range here {
			here[k] = b.here(args[lo+k])
		}
		sums := gradients{}
		results := b.inline(inside, here)
		nodes := b.Nodes[:len(b.Nodes):len(b.Nodes)]
		for k, y := range results {
			if g[k] == nil || !y.DType().Float() {
				continue
			}
			sums.add(y, b.here(g[k]))
		}
		b.backward(nodes, here, sums)
		grads[i] = make([]*Value, len(args))
		for k, a := range here {
			if a.DType().Float() {
				grads[i][lo+k] = sums[a]
			}
		}
		backs[i] = b
	}
	out, at := make([]*Value, 1+len(args)), []int{}
	var list [2][]*Value
	for k, a := range args {
		if grads[0][k] == nil && grads[1][k] == nil {
			continue
		}
		at = append(at, 1+k)
		for i, b := range backs {
			gk := grads[i][k]
			if gk == nil {
				gk = b.Full(a.DType(), 0, a.Shape()...)
			}
			list[i] = append(list[i], gk)
		}
	}
	if len(at) == 0 {
		return nil
	}
	all := []*Value{n.Args[0]}
	for i, b := range backs {
		if !b.results("If", list[i]) || !b.close("If", nil) {
			return f.poisons(len(out))
		}
		all = append(all, b.body.captured...)
	}
	back := f.add(&Node{Op: If{Then: len(backs[0].body.captured)}, Bodies: backs[:], Args: all})
	for i, k := range at {
		out[k] = back.Result(i)
	}
	return out
}

// RunBodies runs the body that is chosen.
func (o If) RunBodies(c *kernel.Context, bodies []*Func, out, in []*tensor.Tensor) error {
	body, args := bodies[1], in[1+o.Then:]
	if in[0].At(0) != 0 {
		body, args = bodies[0], in[1:1+o.Then]
	}
	r, err := newBodyRun(c, body, nil, args)
	if err != nil {
		return err
	}
	if err := r.run(); err != nil {
		return err
	}
	for i, t := range r.out {
		out[i].CopyFrom(t)
	}
	return nil
}

func (If) own() int { return 0 }

// Forms is If.
func (If) Forms() []Form {
	return []Form{{Operator: "If", Bodies: []string{"then_branch", "else_branch"}}}
}

// Samples covers both choices, what one body takes and what both do, and other types than floats.
func (If) Samples() []Sample {
	var out []Sample
	for _, chosen := range []float64{0, 1} {
		cond := SampleInput{DType: Bool, Lo: chosen, Hi: chosen, Shape: []int{}}
		out = append(out,
			// x·w, or sin(x)
			Sample{Op: If{Then: 2}, In: []SampleInput{cond, {Shape: []int{2, 3}}, {Shape: []int{3}}}, Make: func(f *Func, a []*Value) *Node {
				return f.If(a[0], func() []*Value { return []*Value{a[1].Mul(a[2])} }, func() []*Value { return []*Value{a[1].Sin()} })[0].Node
			}},
			// x and 1, or x² and i
			Sample{Op: If{Then: 1}, In: []SampleInput{cond, {Shape: []int{2}}, {DType: I64, Shape: []int{3}}}, Make: func(f *Func, a []*Value) *Node {
				return f.If(a[0],
					func() []*Value { return []*Value{a[1], f.Full(I64, 1, a[2].Shape()...)} },
					func() []*Value { return []*Value{a[1].Square(), a[2]} })[0].Node
			}},
			// a choice in a choice, which is the other one: 0, x, or x·w
			Sample{Op: If{Then: 3}, In: []SampleInput{cond, {DType: Bool, Shape: []int{}, Lo: 1 - chosen, Hi: 1 - chosen}, {Shape: []int{2}}, {Shape: []int{2}}}, Make: func(f *Func, a []*Value) *Node {
				return f.If(a[0],
					func() []*Value {
						return f.If(a[1], func() []*Value { return []*Value{a[2]} }, func() []*Value { return []*Value{a[2].Mul(a[3])} })
					},
					func() []*Value { return []*Value{f.Full(a[2].DType(), 0, a[2].Shape()...)} })[0].Node
			}})
	}
	return out
}
