package graph

// A Fast op has, besides the form that says best what it is, smaller ops that runtimes compute it by faster on a CPU. Training steps are
// written so, where it is worth the nodes; see [LowerFast].
type Fast interface {
	// LowerFast returns n's results, made of smaller ops over n's arguments, or nil where n's own form is as fast.
	LowerFast(n *Node) []*Value
}

// LowerFast returns a copy of f in which what has a form that is faster on a CPU has that form.
func LowerFast(f *Func) *Func {
	for range maxLowered {
		lowered := false
		f = InBodies(f, LowerFast)
		g := Rewrite(f, func(out *Func, n *Node, args []*Value) []*Value {
			o, ok := n.Op.(Fast)
			if !ok {
				return nil
			}
			results := o.LowerFast(&Node{Op: n.Op, Args: args, Bodies: n.Bodies, Results: n.Results, Scope: n.Scope, Pos: n.Pos, fn: out, fresh: n.fresh})
			lowered = lowered || results != nil
			return results
		})
		if f = g; !lowered || len(f.Diags) > 0 {
			break
		}
	}
	return f
}
