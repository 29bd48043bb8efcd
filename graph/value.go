package graph

import (
	"fmt"
	"slices"
)

// A Value is one result in a Func. Values form a directed acyclic graph through Args; IDs rise from arguments to results.
// Its methods are the ops.
type Value struct {
	ID    int
	Op    Op
	Args  []*Value
	Type  Type
	Name  string // of an input, parameter or output; "" otherwise
	Scope string // the layer that made it, a dotted path: "dec.up.0"
	Pos   Pos    // the user's line that made it; of a gradient, the line of the value it differentiates

	fn  *Func
	bad bool // poisoned: a mistake was already reported
}

// Apply adds the result of op over args to the Func that the arguments belong to. It is how ops are written, the house's
// and a user's own; op methods such as x.Tanh() call it. A mistake becomes a Diag and the result is poison.
func Apply(op Op, args ...*Value) *Value {
	for _, a := range args {
		if a != nil {
			return a.fn.Apply(op, args...)
		}
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

// Apply adds the result of op over args to f; see [Apply]. f keeps a copy of op and its attributes.
func (f *Func) Apply(op Op, args ...*Value) *Value { return f.apply(own(op), args) }

// Copy adds the result of v's op over args to f, which has v from another Func: what a rewrite does with a value that stays.
func (f *Func) Copy(v *Value, args ...*Value) *Value { return f.apply(v.Op, args) }

func (f *Func) apply(op Op, args []*Value) *Value {
	if f.applied++; f.applied > maxApplied {
		panic(&Mistake{fmt.Sprintf("%q has more than %d ops", f.Name, maxApplied), "a loop or a recursion in the model does not end"})
	}
	v := &Value{ID: len(f.Values), Op: op, Args: slices.Clone(args), fn: f, Scope: f.scope, Pos: f.at}
	if v.Pos == (Pos{}) {
		v.Pos = Caller()
	}
	for i, a := range args {
		switch {
		case a == nil:
			return f.poison(v, &Mistake{Msg: fmt.Sprintf("argument %d is nil", i), Hint: NilHint})
		case a.fn != f:
			return f.poison(v, &Mistake{
				Msg:  fmt.Sprintf("argument %d belongs to %q, not to %q", i, a.fn.Name, f.Name),
				Hint: "a value lives in the Func or Step that made it: make it again here, from the same layers"})
		case a.bad:
			v.bad = true
			return v
		}
	}
	t, err := op.Infer(args)
	if err == nil && t.DType > Bool {
		err = Mistakef("graph.F32 is the usual choice", "%v is no dtype", t.DType)
	}
	if err == nil {
		err = t.Shape.check()
	}
	if err == nil {
		err = numbers(op, t.DType)
	}
	if err != nil {
		return f.poison(v, err)
	}
	if n, ok := op.(normalizer); ok {
		v.Op = n.normalize(args)
	}
	v.Type = t
	f.Values = append(f.Values, v)
	return v
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

// poison records the mistake err about v and returns v poisoned.
func (f *Func) poison(v *Value, err error) *Value {
	d := &Diag{Pos: v.Pos, Scope: v.Scope, Msg: OpName(v.Op) + ": " + err.Error(), Args: slices.Clone(v.Args)}
	if m, ok := err.(*Mistake); ok {
		d.Hint = m.Hint
	}
	f.Report(d)
	v.bad = true
	return v
}

// Func is the Func that v belongs to.
func (v *Value) Func() *Func { return v.fn }

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
func (f *Func) Poison() *Value { return &Value{ID: -1, fn: f, bad: true, Pos: f.Pos(), Scope: f.scope} }

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
	if len(list) == 0 {
		out := make([]int, rank)
		for i := range out {
			out[i] = i
		}
		return out, nil
	}
	out := make([]int, 0, len(list))
	for _, a := range list {
		k, err := axis(a, rank)
		if err != nil {
			return nil, err
		}
		out = append(out, k)
	}
	slices.Sort(out)
	if len(slices.Compact(slices.Clone(out))) != len(list) {
		return nil, Mistakef("axes counted from the end, such as -1, may name one that is there already", "axes %v name one axis twice", list)
	}
	return out, nil
}
