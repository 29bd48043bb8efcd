package graph

import (
	"fmt"
	"maps"
)

// Rewrite returns a copy of f in which visit may replace nodes. It goes through the nodes in order; visit gets the copy under
// construction, the old node and its new arguments, and returns the values that take the place of the node's results, or nil for a
// plain copy. Inputs and parameters are always kept, so the result has the same interface as f. It is the one walk of rewrites: a
// Prune, a Fuse and a lowering are visits.
func Rewrite(f *Func, visit func(out *Func, n *Node, args []*Value) []*Value) *Func {
	return f.rewrite(nil, nil, visit)
}

// Fill returns a copy of f in which a value that fill returns takes the place of an input or a state, which goes; where it returns nil,
// they stay.
func Fill(f *Func, fill func(out *Func, in *Value) *Value) *Func {
	return f.rewrite(nil, fill, func(*Func, *Node, []*Value) []*Value { return nil })
}

// rewrite is Rewrite and Fill over those of f's nodes that have a result marked live, by ID; nil means all.
func (f *Func) rewrite(live []bool, fill func(out *Func, in *Value) *Value, visit func(out *Func, n *Node, args []*Value) []*Value) *Func {
	out := NewFunc(f.Name, f.Training)
	out.fresh, out.inside = maps.Clone(f.fresh), f.inside
	to := make([]*Value, len(f.Values))
	for _, n := range f.Nodes {
		if live != nil && !n.live(live) {
			continue
		}
		args := make([]*Value, len(n.Args))
		for k, a := range n.Args {
			if a != nil {
				args[k] = to[a.ID]
			}
		}
		out.At(n.Pos, n.Scope, func() {
			var results []*Value
			switch n.Op.(type) {
			case Input, Param:
				if fill != nil {
					if v := fill(out, n.Results[0]); v != nil {
						results = []*Value{v}
					}
				}
			default:
				results = visit(out, n, args)
			}
			if results == nil {
				results = out.copy(n, args)
			}
			for i, v := range n.Results {
				if i < len(results) {
					to[v.ID] = results[i]
				} else { // a mistake, which is recorded
					to[v.ID] = out.Poison()
				}
			}
		})
	}
	f.finish(out, to)
	out.Diags = append(out.Diags, f.Diags...)
	return out
}

// live reports whether a result of n is marked.
func (n *Node) live(marks []bool) bool {
	for _, v := range n.Results {
		if marks[v.ID] {
			return true
		}
	}
	return false
}

// copy puts n, of another Func, over args into f. Where the arguments are of the types they were, so are the results.
func (f *Func) copy(n *Node, args []*Value) []*Value {
	for k, a := range args {
		if old := n.Args[k]; a != nil && (!a.OK() || !a.Type.Equal(old.Type)) {
			return f.Copy(n, args...).first(len(n.Results))
		}
	}
	c := &Node{Op: n.Op, Args: args, Bodies: n.Bodies, Scope: n.Scope, Pos: n.Pos, fn: f, fresh: n.fresh}
	types := make([]Type, len(n.Results))
	for i, v := range n.Results {
		types[i] = v.Type
	}
	f.put(c, types)
	for i, v := range c.Results {
		v.Name = n.Results[i].Name
		f.named(v)
	}
	return c.Results
}

// named lists v if it is an input or state of f.
func (f *Func) named(v *Value) {
	switch v.Op.(type) {
	case Input:
		f.Inputs = append(f.Inputs, v)
	case Param:
		f.Params = append(f.Params, v)
		f.byName[v.Name] = v
	}
}

// finish gives a copy of f, whose values by f's IDs are to, f's doc, names, outputs, updates and random state.
func (f *Func) finish(out *Func, to []*Value) {
	out.Doc = f.Doc
	added := out.names
	out.names = maps.Clone(f.names)
	maps.Copy(out.names, added)
	for _, o := range f.Outputs {
		out.Outputs = append(out.Outputs, Output{o.Name, to[o.Value.ID], o.Pos})
	}
	for _, u := range f.Updates {
		out.Updates = append(out.Updates, Update{u.Name, to[u.Value.ID], u.Pos})
	}
	if f.random != nil {
		out.random = to[f.random.ID]
	}
	out.draws = f.draws
}

// Prune returns a copy of f without the nodes that no output and no update needs, also not for a size that they tell. Inputs stay, since
// callers give them, but for one that is the size of what is an axis of another; parameters that nothing uses go.
func Prune(f *Func) *Func {
	axis := map[string]bool{}
	for _, in := range f.Inputs {
		for _, d := range in.Shape() {
			axis[d.String()] = true
		}
	}
	live := make([]bool, len(f.Values))
	for _, o := range f.Outputs {
		live[o.Value.ID] = true
	}
	for _, u := range f.Updates {
		live[u.Value.ID] = true
		live[f.byName[u.Name].ID] = true
	}
	late := f.Late()
	for i := len(f.Nodes) - 1; i >= 0; i-- {
		n := f.Nodes[i]
		if o, ok := n.Op.(Input); ok {
			live[n.Results[0].ID] = !o.Size || !axis[o.Name]
		}
		if n.live(live) {
			for _, a := range n.Args {
				if a != nil {
					live[a.ID] = true
				}
			}
			for _, from := range late.needs(n) {
				live[from.Results[0].ID] = true
			}
		}
	}
	return f.rewrite(live, nil, func(*Func, *Node, []*Value) []*Value { return nil })
}

// Reorder returns a copy of f whose nodes, all of them, stand in another order, in which they can run too. That of inputs among
// themselves, and of parameters, is to stay.
func Reorder(f *Func, nodes []*Node) *Func {
	g := *f
	g.Nodes = nodes
	return g.rewrite(nil, nil, func(*Func, *Node, []*Value) []*Value { return nil })
}

// Extract returns a copy of f that computes the given values of it alone, as outputs called by their places: "0", "1", ... It has f's
// inputs and no updates.
func Extract(f *Func, values ...*Value) *Func {
	g := *f
	g.Outputs, g.Updates = nil, nil
	for i, v := range values {
		g.Outputs = append(g.Outputs, Output{Name: fmt.Sprint(i), Value: v, Pos: v.Pos})
	}
	return Prune(&g)
}

// maxLowered is how many times smaller ops are made of smaller ones: only ops that are made of each other get there.
const maxLowered = 32

// Lower returns a copy of f in which each Composite that keep does not want to stay as it is is made of smaller ops, down to ops that
// are no Composite or stay. It does so in bodies too, also those
// that lowering makes.
func Lower(f *Func, keep func(n *Node) bool) *Func {
	for range maxLowered {
		lowered := false
		f = InBodies(f, func(body *Func) *Func { return Lower(body, keep) })
		g := Rewrite(f, func(out *Func, n *Node, args []*Value) []*Value {
			o, ok := n.Op.(Composite)
			if !ok || keep(n) {
				return nil
			}
			lowered = true
			return o.Lower(&Node{Op: n.Op, Args: args, Bodies: n.Bodies, Results: n.Results, Scope: n.Scope, Pos: n.Pos, fn: out, fresh: n.fresh})
		})
		if !lowered {
			return f
		}
		if f = g; len(f.Diags) > 0 {
			return f
		}
	}
	f.Mistake(f.Pos(), fmt.Sprintf("lowering %q does not end", f.Name), "an op's Lower makes the op itself")
	return f
}
