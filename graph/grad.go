package graph

import "fmt"

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
	out := make([]*Value, len(xs))
	poison := !y.OK()
	for i, x := range xs {
		if x == nil {
			f.Mistake(f.Pos(), fmt.Sprintf("Grad: value %d to differentiate by is nil", i), NilHint, y)
		}
		poison = poison || !x.OK()
		if x.OK() && x.fn != f {
			f.Mistake(f.Pos(), fmt.Sprintf("Grad: with respect to a value of %q in %q", x.fn.Name, f.Name), "a value lives in the Func or Step that made it", x)
			poison = true
		}
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
	onPath := dependents(f, xs)
	grads := make([]*Value, y.ID+1)
	grads[y.ID] = f.Full(y.DType(), 1, y.Shape()...)
	for id := y.ID; id >= 0; id-- {
		v, g := f.Values[id], grads[id]
		if g == nil || !onPath[id] || len(v.Args) == 0 {
			continue
		}
		if !g.OK() { // a VJP above was a mistake: its poison goes on to all arguments
			for _, a := range v.Args {
				grads[a.ID] = g
			}
			continue
		}
		f.As(v, func() {
			gs := v.Op.VJP(v, g)
			if len(gs) > len(v.Args) {
				f.Mistake(v.Pos, fmt.Sprintf("%s: the VJP has %d gradients for %d arguments", OpName(v.Op), len(gs), len(v.Args)), vjpHint, v)
				gs = nil
			}
			for k, ga := range gs {
				a := v.Args[k]
				if ga == nil || !onPath[a.ID] {
					continue
				}
				if ga.OK() && (ga.DType() != a.DType() || !ga.Shape().Equal(a.Shape())) {
					f.Mistake(v.Pos, fmt.Sprintf("%s: the VJP gives argument %d, %v, the gradient %v", OpName(v.Op), k, a.Type, ga.Type), vjpHint, a, ga)
					ga = f.Poison()
				}
				if old := grads[a.ID]; old != nil {
					ga = old.Add(ga)
				}
				grads[a.ID] = ga
			}
		})
	}
	for i, x := range xs {
		if x.ID <= y.ID {
			out[i] = grads[x.ID]
		}
		if out[i] == nil {
			out[i] = f.Full(x.DType(), 0, x.Shape()...)
		}
	}
	return out
}

const vjpHint = "a VJP returns one gradient, or nil, for each argument, of that argument's type"

// dependents marks, by ID, the values that a gradient must flow through to reach one of xs.
func dependents(f *Func, xs []*Value) []bool {
	mark := make([]bool, len(f.Values))
	for _, x := range xs {
		mark[x.ID] = true
	}
	for _, v := range f.Values {
		for _, a := range v.Args {
			mark[v.ID] = mark[v.ID] || mark[a.ID]
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
	for id := y.ID; id >= 0; id-- {
		v := f.Values[id]
		if !flows[id] {
			continue
		}
		var passes []bool
		for k, a := range v.Args {
			if flows[a.ID] || !a.DType().Float() {
				continue
			}
			if passes == nil {
				passes = passesGradient(v)
			}
			flows[a.ID] = passes[k]
		}
	}
	for i, x := range xs {
		out[i] = x.OK() && x.ID <= y.ID && flows[x.ID]
	}
	return out
}

// passesGradient reports for which arguments v's op has a VJP, by building it in a scratch Func.
func passesGradient(v *Value) []bool {
	s := NewFunc("", false)
	s.at = v.Pos
	args := make([]*Value, len(v.Args))
	for i, a := range v.Args {
		args[i] = s.Apply(Input{Name: fmt.Sprint(i), Type: a.Type})
	}
	out := make([]bool, len(v.Args))
	y := s.Apply(v.Op, args...)
	if !y.OK() {
		return out
	}
	for k, g := range v.Op.VJP(y, s.Apply(Input{Name: "g", Type: y.Type})) {
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
