package graph

import (
	"fmt"
	"slices"
)

// Grad returns the gradients of the sum of y's elements with respect to each of xs, as values of the same Func: they can
// be used in a loss, exported, and differentiated again. An x that y does not depend on has a zero gradient; [Reaches]
// tells.
//
// It is reverse accumulation over the graph: each op's VJP adds the values that carry the gradient to its arguments.
func Grad(y *Value, xs ...*Value) []*Value {
	if y == nil {
		panic(&Mistake{"Grad: of a nil value", NilHint}) // no Func to report it to
	}
	f := y.fn
	for _, x := range xs {
		if x.OK() && x.fn.within(f) { // y may be from outside the body that x is of
			f = x.fn
		}
	}
	var out []*Value
	f.outside(func() { out = f.grad(y, xs) })
	return out
}

// grad is Grad in f, which y and xs belong to or are outside of.
func (f *Func) grad(y *Value, xs []*Value) []*Value {
	if y.OK() {
		y = f.here(y)
	}
	xs = slices.Clone(xs)
	out := make([]*Value, len(xs))
	poison := !y.OK()
	for i, x := range xs {
		if x.OK() && f.within(x.fn) { // what a body takes from outside
			x = f.here(x)
			xs[i] = x
		}
		if x == nil {
			f.Mistake(f.Pos(), fmt.Sprintf("Grad: value %d to differentiate by is nil", i), NilHint, y)
		}
		poison = poison || !x.OK()
		if x.OK() && x.fn != f {
			f.Mistake(f.Pos(), fmt.Sprintf("Grad: with respect to a value of %q in %q", x.fn.Name, f.Name), "a value lives in the Func or Step that made it", x)
			poison = true
		}
		poison = poison || !f.kept(x)
	}
	for i, v := range append([]*Value{y}, xs...) {
		if !poison && !v.DType().Float() {
			what := "of"
			if i > 0 {
				what = "with respect to"
			}
			f.Mistake(f.Pos(), fmt.Sprintf("Grad: %s %v", what, v.Type), "only f32 and f64 have gradients", v)
			poison = true
		}
	}
	if poison {
		for i := range out {
			out[i] = f.Poison()
		}
		return out
	}
	grads := gradients{y: f.Full(y.DType(), 1, y.Shape()...)}
	f.backward(f.Nodes, xs, grads)
	for i, x := range xs {
		if x.ID <= y.ID {
			out[i] = grads[x]
		}
		if out[i] == nil {
			out[i] = f.Full(x.DType(), 0, x.Shape()...)
		}
	}
	return out
}

const vjpHint = "a VJP returns one gradient, or nil, for each argument, of that argument's type"

// gradients are those of values, as far as they have been added up.
type gradients map[*Value]*Value

// add adds g to the gradient of v.
func (gs gradients) add(v, g *Value) {
	if old := gs[v]; old != nil {
		g = old.Add(g)
	}
	gs[v] = g
}

// backward goes through nodes of f from the last to the first and adds to grads, which has those of some results, the gradients of
// the values from which a path leads to one of xs.
func (f *Func) backward(nodes []*Node, xs []*Value, grads gradients) {
	onPath := dependents(f, nodes, xs)
	again := replay{f: f, xs: xs, again: map[*segment]map[*Value]*Value{}}
	for i := len(nodes) - 1; i >= 0; i-- {
		n := nodes[i]
		if len(n.Args) == 0 {
			continue
		}
		gs := make([]*Value, len(n.Results))
		any, poison := (*Value)(nil), (*Value)(nil)
		for k, v := range n.Results {
			if g := grads[v]; g != nil && onPath[v.ID] {
				gs[k], any = g, g
				if !g.OK() {
					poison = g
				}
			}
		}
		switch {
		case any == nil:
			continue
		case poison != nil: // a VJP above was a mistake: its poison goes on to all arguments
			for _, a := range n.Args {
				if a != nil {
					grads[a] = poison
				}
			}
			continue
		}
		f.At(n.Pos, n.Scope, func() {
			back := vjp(again.node(n, any), gs)
			if len(back) > len(n.Args) {
				f.Mistake(n.Pos, fmt.Sprintf("%s: the VJP has %d gradients for %d arguments", OpName(n.Op), len(back), len(n.Args)), vjpHint, n.Results[0])
				back = nil
			}
			for k, ga := range back {
				a := n.Args[k]
				if a == nil || ga == nil || !onPath[a.ID] {
					continue
				}
				if ga.OK() && !ga.Type.Equal(a.Type) {
					f.Mistake(n.Pos, fmt.Sprintf("%s: the VJP gives argument %d, %v, the gradient %v", OpName(n.Op), k, a.Type, ga.Type), vjpHint, a, ga)
					ga = f.Poison()
				}
				grads.add(a, ga)
			}
		})
	}
}

// vjp is the vector-Jacobian product of n's op or, if it is a Composite that says none, of the smaller ops that it is.
func vjp(n *Node, g []*Value) []*Value {
	switch o := n.Op.(type) {
	case Differentiable:
		return o.VJP(n, g)
	case Composite:
		return vjpOfLowered(n, o, g)
	}
	return nil
}

// vjpOfLowered is the vector-Jacobian product of the smaller ops that n is.
func vjpOfLowered(n *Node, o Composite, g []*Value) []*Value {
	first := len(n.fn.Nodes)
	ys := o.Lower(n)
	grads := gradients{}
	for i, y := range ys { // two results may be one value
		if g[i] != nil && y.DType().Float() {
			grads.add(y, g[i])
		}
	}
	n.fn.backward(n.fn.Nodes[first:len(n.fn.Nodes):len(n.fn.Nodes)], n.Args, grads)
	out := make([]*Value, len(n.Args))
	for k, a := range n.Args {
		if slices.Index(n.Args, a) == k { // of a value that is two arguments, the first place has it all
			out[k] = grads[a]
		}
	}
	return out
}

// gradientOf is what the op of n, a gradient with a kernel of its own, is made of: the vector-Jacobian product of the smaller ops that
// o is over args, with the gradients g of o's results. Each argument has its own, also where two are one value.
func gradientOf(n *Node, o Composite, args, g []*Value) []*Value {
	args = slices.Clone(args)
	for k, a := range args {
		if a != nil && slices.Index(args, a) < k {
			args[k] = Apply(Reshape{a.Shape()}, a)
		}
	}
	out := vjpOfLowered(&Node{Op: o.(Op), Args: args, Scope: n.Scope, Pos: n.Pos, fn: n.fn}, o, g)
	for k, a := range args {
		if a != nil && out[k] == nil {
			out[k] = n.fn.Full(a.DType(), 0, a.Shape()...)
		}
	}
	return out
}

// dependents marks, by ID, the results of nodes that a gradient must flow through to reach one of xs, and xs.
func dependents(f *Func, nodes []*Node, xs []*Value) []bool {
	mark := make([]bool, len(f.Values))
	for _, x := range xs {
		if x != nil {
			mark[x.ID] = true
		}
	}
	for _, n := range nodes {
		for _, a := range n.Args {
			if a != nil && mark[a.ID] {
				for _, v := range n.Results {
					mark[v.ID] = true
				}
				break
			}
		}
	}
	return mark
}

// Reaches reports, for each of xs, whether a gradient flows from y to it.
func Reaches(y *Value, xs ...*Value) []bool {
	out := make([]bool, len(xs))
	if !y.OK() {
		return out
	}
	f := y.fn
	flows := make([]bool, len(f.Values))
	flows[y.ID] = true
	for i := len(f.Nodes) - 1; i >= 0; i-- {
		n := f.Nodes[i]
		if !n.live(flows) {
			continue
		}
		var passes []bool
		for k, a := range n.Args {
			if a == nil || flows[a.ID] || !a.DType().Float() {
				continue
			}
			if passes == nil {
				passes = passesGradient(n)
			}
			flows[a.ID] = passes[k]
		}
	}
	for i, x := range xs {
		out[i] = x.OK() && x.ID <= y.ID && flows[x.ID]
	}
	return out
}

// passesGradient reports for which arguments n's op has a VJP, by building it in a scratch Func.
func passesGradient(n *Node) []bool {
	s := NewFunc("", false)
	s.at = n.Pos
	args := make([]*Value, len(n.Args))
	for i, a := range n.Args {
		if a != nil {
			args[i] = s.Apply(Input{Name: fmt.Sprint(i), Type: a.Type})
		}
	}
	out := make([]bool, len(n.Args))
	c := s.Copy(n, args...)
	if len(c.Results) == 0 {
		return out
	}
	gs := make([]*Value, len(c.Results))
	for i, v := range c.Results {
		if v.DType().Float() {
			gs[i] = s.Apply(Input{Name: fmt.Sprint("g", i), Type: v.Type})
		}
	}
	for k, g := range vjp(c, gs) {
		if k < len(out) { // Grad reports a VJP that is too long
			out[k] = g != nil
		}
	}
	return out
}

// sumTo undoes broadcasting: it sums g over the axes that were added or stretched to reach its shape from s.
func sumTo(g *Value, s Shape) *Value {
	if !g.OK() || g.Shape().Equal(s) {
		return g
	}
	lead := g.Rank() - len(s)
	var sum, kept []int
	for i, d := range g.Shape() {
		switch {
		case i < lead:
			sum = append(sum, i)
		case s[i-lead] == 1 && d != 1:
			kept = append(kept, i)
		}
	}
	if len(kept) > 0 || len(sum) > 0 {
		g = Apply(Sum{Axes: append(sum, kept...), KeepDims: true}, g)
	}
	return g.Reshape(s...)
}
