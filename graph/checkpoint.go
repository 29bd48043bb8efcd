package graph

import (
	"fmt"
	"slices"
)

// This file has gradient checkpointing (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost"): values that a backward pass
// computes again instead of having them kept for it.
//
// A Func remembers which nodes a Checkpoint has made, for as long as it is traced. Where a gradient reaches one of them, the nodes are
// put into the Func once more, after a [Barrier] over what they take from outside, and the gradient is that of the copies: the same
// ops over the same values, so the same bits, and random numbers of the same stream. The barrier has them wait for the gradient; nodes
// that it does not need are pruned.

// A segment is what a Checkpoint has made.
type segment struct {
	outer *segment // that it is inside, or nil
	nodes []*Node  // in order, with those of segments inside it
	open  bool     // do runs
}

// Checkpoint runs do and returns its result. What do computes is not kept for gradients: where one needs it, it is computed again from
// what do took from outside. This costs time and saves memory; a gradient is the same to the bit. What is used outside, such as the
// result, is kept, and state is updated once. A Checkpoint inside another is computed again each time that the gradient comes to it.
// For gradients of gradients what was computed again is kept. In a body of an op it does nothing: bodies are computed again anyway.
func (f *Func) Checkpoint(do func() *Value) *Value {
	f = f.current()
	s := &segment{outer: f.segment, open: true}
	f.segment = s
	defer func() { f.segment, s.open = s.outer, false }()
	return do()
}

// add puts n, and the segments around s, on record.
func (s *segment) add(n *Node) {
	for n.segment = s; s != nil; s = s.outer {
		s.nodes = append(s.nodes, n)
	}
}

// closed is s, or nil if s or what it is inside is traced still: all around an open segment are open.
func (s *segment) closed() *segment {
	if s == nil || s.open {
		return nil
	}
	return s
}

// A replay computes nodes of segments again, for one backward pass through f.
type replay struct {
	f      *Func
	xs     []*Value // that the pass differentiates by: they are kept, so that its result can be differentiated by them
	again  map[*segment]map[*Value]*Value
	consts []bool // by ID
}

// node is what the gradient of n is taken of: n, or, if it is of a segment, n computed again after g, a gradient of one of its results.
func (r *replay) node(n *Node, g *Value) *Node {
	s := n.segment.closed()
	if s == nil {
		return n
	}
	if v := r.values(s, g)[n.Results[0]]; v != nil {
		return v.Node
	}
	return n
}

// values has what the nodes of s are computed again as, after g.
func (r *replay) values(s *segment, g *Value) map[*Value]*Value {
	if again := r.again[s]; again != nil {
		return again
	}
	var around map[*Value]*Value
	if outer := s.outer.closed(); outer != nil {
		around = r.values(outer, g)
	}
	again, waiting := map[*Value]*Value{}, map[*Value]*Value{}
	after := func(v *Value) *Value {
		if waiting[v] == nil {
			from := v
			if around[v] != nil {
				from = around[v]
			}
			waiting[v] = from.After(g)
		}
		return waiting[v]
	}
	for _, n := range s.nodes {
		if !r.moves(n) || slices.ContainsFunc(n.Results, func(v *Value) bool { return slices.Contains(r.xs, v) }) {
			continue
		}
		args, waits := make([]*Value, len(n.Args)), false
		for k, a := range n.Args {
			switch {
			case a == nil:
			case again[a] != nil:
				args[k], waits = again[a], true
			case isParam(a) || r.constant(a):
				args[k] = a
			default:
				args[k], waits = after(a), true
			}
		}
		for k, a := range n.Args {
			if !waits && a != nil && isParam(a) { // it depends on parameters alone
				args[k] = after(a)
			}
		}
		r.f.At(n.Pos, n.Scope, func() {
			for i, v := range r.f.copy(n, args) {
				again[n.Results[i]] = v
				r.f.replayed(n.Results[i])
			}
		})
	}
	r.again[s] = again
	return again
}

// moves reports whether n is computed again: it is no input, no state and no constant, which are there all the time.
func (r *replay) moves(n *Node) bool {
	v := n.Results[0]
	_, input := v.Op.(Input)
	return !input && !isParam(v) && !r.constant(v)
}

func isParam(v *Value) bool {
	_, ok := v.Op.(Param)
	return ok
}

// constant reports whether v depends on neither inputs nor state.
func (r *replay) constant(v *Value) bool {
	for _, v := range r.f.Values[len(r.consts):] {
		is := !isParam(v)
		if _, input := v.Op.(Input); input {
			is = false
		}
		for _, a := range v.Args {
			is = is && (a == nil || r.consts[a.ID])
		}
		r.consts = append(r.consts, is)
	}
	return r.consts[v.ID]
}

// replayed remembers that a gradient depends on v by another value, which is equal.
func (f *Func) replayed(v *Value) {
	if f.twice == nil {
		f.twice = map[*Value]bool{}
	}
	f.twice[v] = true
}

// kept reports whether f's gradients can be differentiated by x: not if they depend on it by its copies.
func (f *Func) kept(x *Value) bool {
	if !f.twice[x] {
		return true
	}
	f.Mistake(f.Pos(), fmt.Sprintf("Grad: with respect to a value inside a Checkpoint, of which a gradient was taken before"+
		" that computes the value again: %s", x.Text()), "make the value outside the Checkpoint, or give it to the first Grad too", x)
	return false
}
