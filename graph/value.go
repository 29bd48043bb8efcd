package graph

import (
	"fmt"
	"slices"
)

// A Node is one application of an op in a Func: what it was applied to, and what came of it.
type Node struct {
	Op      Op
	Args    []*Value // an optional argument that is left out is nil
	Bodies  []*Func  // what the op runs, such as a loop's body; what they take from outside is among Args
	Results []*Value
	Scope   string // the layer that made it, a dotted path: "dec.up.0"
	Pos     Pos    // the user's line that made it; of a gradient, the line of the value it differentiates

	fn    *Func
	fresh []Dim // the sizes of results that only a run tells

	segment *segment // the innermost Checkpoint that made it

	// The memory of a single result: most nodes have one, and are made as one piece.
	only Value
	list [1]*Value
}

// A Value is one result of a Node in a Func, and has what the node has: v.Op made it, from v.Args. Values form a directed acyclic
// graph; IDs rise from arguments to results, and from the first result of a node to the last. Its methods are the ops.
type Value struct {
	*Node
	ID    int
	Index int // which of the node's results it is
	Type  Type
	Name  string // of an input, parameter or output; "" otherwise

	bad bool // poisoned: a mistake was already reported
}

// Apply adds the result of op over args to the Func that the arguments belong to. It is how ops are written, the house's
// and a user's own; op methods such as x.Tanh() call it. A mistake becomes a Diag and the result is poison. An op with several results
// gives its first; see [ApplyNode].
func Apply(op Op, args ...*Value) *Value { return funcOf(op, args).Apply(op, args...) }

// ApplyNode is [Apply] for an op with several results, or with bodies.
func ApplyNode(op Op, bodies []*Func, args ...*Value) *Node {
	return funcOf(op, args).ApplyNode(op, bodies, args...)
}

// funcOf is the Func that op over args is applied in.
func funcOf(op Op, args []*Value) *Func {
	var f *Func // the innermost, if one is a body inside another
	for _, a := range args {
		if a != nil && (f == nil || a.fn.within(f)) {
			f = a.fn
		}
	}
	if f != nil {
		return f
	}
	// No Func to report it to: the compiler reports a panic with its line.
	if len(args) == 0 {
		panic(&Mistake{OpName(op) + ": there is no argument", "give it at least one value"})
	}
	panic(&Mistake{OpName(op) + ": every argument is nil", NilHint})
}

// NilHint is the hint of every mistake about a value that is nil.
const NilHint = "a *graph.Value was declared but never assigned, or a function returned nil"

// maxApplied is how many ops a Func may be asked for: far above any model's, and soon reached by a loop or a recursion
// without end.
const maxApplied = 1 << 17

// Apply adds the result of op over args to f; see [Apply]. f keeps a copy of op and its attributes. A product of f32 is computed as
// f.Products says.
func (f *Func) Apply(op Op, args ...*Value) *Value {
	if y := f.product(op, args); y != nil {
		return y
	}
	return f.ApplyNode(op, nil, args...).Result(0)
}

// ApplyNode adds op over args to f; see [ApplyNode].
func (f *Func) ApplyNode(op Op, bodies []*Func, args ...*Value) *Node {
	f = f.current()
	return f.add(&Node{Op: own(op), Bodies: bodies, Args: slices.Clone(args)})
}

// Copy adds n's op over args to f, which has n from another Func: what a rewrite does with a node that stays.
func (f *Func) Copy(n *Node, args ...*Value) *Node {
	return f.add(&Node{Op: n.Op, Bodies: n.Bodies, Args: args, fresh: n.fresh})
}

// add infers n's results and puts it into f.
func (f *Func) add(n *Node) *Node {
	if f.applied++; f.applied > maxApplied {
		panic(&Mistake{fmt.Sprintf("%q has more than %d ops", f.Name, maxApplied), "a loop or a recursion in the model does not end"})
	}
	for len(n.Args) > 0 && n.Args[len(n.Args)-1] == nil && optional(n.Op, len(n.Args)-1) { // left out is left out
		n.Args = n.Args[:len(n.Args)-1]
	}
	n.fn, n.Scope, n.Pos = f, f.scope, f.at
	if n.Pos == (Pos{}) {
		n.Pos = Caller()
	}
	if f.body != nil && f.body.done {
		return f.poison(n, &Mistake{Msg: "it is of a value that was made in the body of an op and is not there outside", Hint: "return the value from the body: what goes out are its results"})
	}
	for i, a := range n.Args {
		switch {
		case a == nil:
			if !optional(n.Op, i) {
				return f.poison(n, &Mistake{Msg: fmt.Sprintf("argument %d is nil", i), Hint: NilHint})
			}
		case a.fn != f && f.within(a.fn):
			if a.bad {
				return n
			}
			n.Args[i] = f.here(a)
		case a.fn != f:
			return f.poison(n, &Mistake{
				Msg:  fmt.Sprintf("argument %d belongs to %q, not to %q", i, a.fn.Name, f.Name),
				Hint: "a value lives in the Func or Step that made it: make it again here, from the same layers"})
		case a.bad:
			return n
		}
	}
	types, err := n.infer()
	if err != nil {
		return f.poison(n, err)
	}
	if o, ok := n.Op.(normalizer); ok && ours(n.Op) {
		n.Op = o.normalize(n.Args)
	}
	f.put(n, types)
	return n
}

// infer are the types of n's results, or the mistake in it. The types hold until the next inference.
func (n *Node) infer() ([]Type, error) {
	if err := checkArgs(n.Op.Takes(), n.Args); err != nil {
		return nil, err
	}
	in := n.fn.infer // used again and again; an inference within this one makes its own
	if n.fn.infer = nil; in == nil {
		in = new(Infer)
	}
	*in = Infer{Args: n.Args, Bodies: n.Bodies, fn: n.fn, known: n.fresh}
	types, err := n.Op.Infer(in)
	n.fn.infer = in
	if err != nil {
		return nil, err
	}
	for _, t := range types {
		if !t.DType.Valid() {
			return nil, Mistakef("graph.F32 is the usual choice", "%v is no dtype", t.DType)
		}
		if err := t.Shape.check(); err != nil {
			return nil, err
		}
		if err := numbers(n.Op, t.DType); err != nil {
			return nil, err
		}
	}
	n.fresh = in.fresh
	return types, nil
}

// put appends n to f, with a result of each type.
func (f *Func) put(n *Node, types []Type) {
	n.Results = n.list[:]
	if n.list[0] = &n.only; len(types) != 1 {
		n.Results = make([]*Value, len(types))
	}
	for i, t := range types {
		v := n.Results[i]
		if v == nil {
			v = new(Value)
		}
		*v = Value{Node: n, ID: len(f.Values), Index: i, Type: t}
		n.Results[i] = v
		f.Values = append(f.Values, v)
	}
	f.Nodes = append(f.Nodes, n)
	f.segment.add(n)
}

// Arg is the argument i of n, nil if it was left out.
func (n *Node) Arg(i int) *Value { return argument(n.Args, i) }

// argument is argument i of list, nil if it was left out.
func argument[T any](list []*T, i int) *T {
	if i < len(list) {
		return list[i]
	}
	return nil
}

// Result is the result i of n; of a node that is a mistake, or over one, it is poison.
func (n *Node) Result(i int) *Value {
	if i >= 0 && i < len(n.Results) {
		return n.Results[i]
	}
	return &Value{Node: n, ID: -1, Index: i, bad: true}
}

// first are the first count results of n, as [Node.Result] has them.
func (n *Node) first(count int) []*Value {
	out := make([]*Value, count)
	for i := range out {
		out[i] = n.Result(i)
	}
	return out
}

// A normalizer is an op that can say one thing in several ways, such as an axis from the start or from the end. A Func holds
// the one that normalize returns, so that equal ops have equal attributes.
type normalizer interface {
	normalize(in []*Value) Op
}

// normalAxis is the axis i of v, which inference found to be there, from the start.
func normalAxis(i int, v *Value) int {
	k, _ := axis(i, v.Rank())
	return k
}

// normalAxes are axes of v, which inference found to be there, sorted and from the start; all of them are none.
func normalAxes(list []int, v *Value) []int {
	ax, _ := axes(list, v.Rank())
	if len(ax) == v.Rank() {
		return nil
	}
	return ax
}

// poison records the mistake err about n, which has no results then.
func (f *Func) poison(n *Node, err error) *Node {
	d := &Diag{Pos: n.Pos, Scope: n.Scope, Msg: OpName(n.Op) + ": " + err.Error(), Args: slices.Clone(n.Args)}
	if m, ok := err.(*Mistake); ok {
		d.Hint = m.Hint
	}
	f.Report(d)
	return n
}

// Func is the Func that n belongs to.
func (n *Node) Func() *Func { return n.fn }

// OK reports whether v is free of mistakes. Model code need not ask: ops over a poisoned value are silent.
func (v *Value) OK() bool { return v != nil && !v.bad }

// DType is the type of v's elements.
func (v *Value) DType() DType { return v.Type.DType }

// Shape is v's shape. The caller must not change it.
func (v *Value) Shape() Shape { return v.Type.Shape }

// Rank is the number of v's axes.
func (v *Value) Rank() int { return len(v.Type.Shape) }

// Dim is the size of axis i, counted from the end when negative. An axis that v does not have is a mistake; on a poisoned
// value the result is a placeholder, so that model code never has to ask.
func (v *Value) Dim(i int) Dim {
	k := i
	if k < 0 {
		k += v.Rank()
	}
	if v.bad {
		return 1
	}
	if k < 0 || k >= v.Rank() {
		v.fn.Mistake(v.fn.Pos(), fmt.Sprintf("Dim: axis %d of %v", i, v.Type), fmt.Sprintf("%v has %d axes", v.Type, v.Rank()), v)
		v.bad = true // everything computed from it would be wrong too
		return 1
	}
	return v.Type.Shape[k]
}

// Poison returns a value that silences every op over it; helpers return it after reporting a mistake themselves.
func (f *Func) Poison() *Value {
	return (&Node{fn: f, Pos: f.Pos(), Scope: f.scope}).Result(0)
}

// axis normalises axis i of a value with the given rank.
func axis(i, rank int) (int, error) {
	k := i
	if k < 0 {
		k += rank
	}
	if k < 0 || k >= rank {
		return 0, Mistakef("axes count from 0, or from -1 at the end", "axis %d is outside a value with %d axes", i, rank)
	}
	return k, nil
}

// axes normalises a set of axes: none means all of them; sorted, distinct.
func axes(list []int, rank int) ([]int, error) {
	return appendAxes(make([]int, 0, max(rank, len(list))), list, rank)
}

// appendAxes appends them to out, which is empty.
func appendAxes(out, list []int, rank int) ([]int, error) {
	if len(list) == 0 {
		for i := range rank {
			out = append(out, i)
		}
		return out, nil
	}
	for _, a := range list {
		k, err := axis(a, rank)
		if err != nil {
			return nil, err
		}
		out = append(out, k)
	}
	slices.Sort(out)
	for i := 1; i < len(out); i++ {
		if out[i] == out[i-1] {
			return nil, Mistakef("axes counted from the end, such as -1, may name one that is there already", "axes %v name one axis twice", list)
		}
	}
	return out, nil
}
