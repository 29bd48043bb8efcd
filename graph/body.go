package graph

import (
	"fmt"
	"slices"
)

// This file has how a Func inside another is traced: the body of an op such as Scan. A value of a Func around it that is used in a body
// is captured: it becomes an input of the body and an argument of the node. Parameters are asked of the outermost Func, and captured.

// A body is what a Func that is traced inside another has besides.
type body struct {
	outer *Func
	done  bool   // it is traced: nothing is added any more
	runs  []Dim  // an axis for as many times as a run of its node runs it, none for at most once
	what  string // of an op that runs it an unknown number of times, its name; "" otherwise

	inputs   map[*Value]*Value // of what is captured, by the value outside
	captured []*Value          // by the order of their inputs, outside
	ports    []*Value          // the inputs that they are
	drawn    []*Value          // random numbers for each run, outside
	draws    []*Value          // the inputs that they are
}

// current is the body that is traced inside f now, or f: what is applied in a model goes there.
func (f *Func) current() *Func {
	for f.tracing != nil {
		f = f.tracing
	}
	return f
}

// trace runs do, in which b is traced.
func (f *Func) trace(b *Func, do func()) {
	f.tracing = b
	defer func() { f.tracing = nil }()
	do()
}

// outside runs do, in which what is applied to f goes to f, whatever is traced inside it.
func (f *Func) outside(do func()) {
	b := f.tracing
	f.tracing = nil
	defer func() { f.tracing = b }()
	do()
}

// inner is an empty Func for a body inside f that each run of its node runs so many times.
func (f *Func) inner(runs ...Dim) *Func {
	b := NewFunc(f.Name, f.Training)
	if f.fresh == nil {
		f.fresh = map[string]int{}
	}
	f.fresh[""]++
	b.inside = fmt.Sprintf("%s_b%d", f.inside, f.fresh[""])
	b.body = &body{outer: f, runs: runs, inputs: map[*Value]*Value{}}
	b.scope, b.at = f.scope, f.at
	return b
}

// within reports whether f is g, or a body inside it.
func (f *Func) within(g *Func) bool {
	for ; f != g; f = f.body.outer {
		if f.body == nil {
			return false
		}
	}
	return true
}

// port adds an input of type t to the body f.
func (f *Func) port(t Type) *Value {
	return f.input(Input{Name: fmt.Sprint(len(f.Inputs)), Type: Type{t.DType, slices.Clone(t.Shape)}})
}

// here is v in f, which v belongs to or to a Func around it.
func (f *Func) here(v *Value) *Value {
	if v.fn == f || v.bad {
		return v
	}
	b := f.body
	if in := b.inputs[v]; in != nil {
		return in
	}
	outside := b.outer.here(v)
	f.At(v.Pos, v.Scope, func() { b.inputs[v] = f.port(v.Type) })
	b.captured, b.ports = append(b.captured, outside), append(b.ports, b.inputs[v])
	return b.inputs[v]
}

// draw is what do draws of the shape dims. In a body these are numbers of their own for each of its runs: they are drawn outside, all at
// once, and handed in one after another.
func (f *Func) draw(dims []Dim, do func(f *Func, dims []Dim) *Value) *Value {
	f = f.current()
	b := f.body
	switch {
	case b == nil:
		return do(f, dims)
	case f.Late().any(dims):
		f.Mistake(f.Pos(), "random numbers are drawn in a body, as many as only a run of it tells", "draw as many as there can be, and take those that are wanted with Compress or Gather")
		return f.Poison()
	case b.what != "":
		f.Mistake(f.Pos(), fmt.Sprintf("random numbers are drawn in the body of a %s, and how many times it runs is not known", b.what),
			"draw in a Scan or Repeat, or outside, and take the row of the iteration with .Gather")
		return f.Poison()
	}
	var all *Value
	b.outer.outside(func() {
		b.outer.At(f.Pos(), f.scope, func() { all = b.outer.draw(slices.Concat(b.runs, dims), do) })
	})
	if !all.OK() || len(b.runs) == 0 {
		return f.here(all)
	}
	v := f.port(Type{all.DType(), slices.Clone(dims)})
	b.drawn, b.draws = append(b.drawn, all), append(b.draws, v)
	return v
}

// results makes values the outputs of the body f, and reports whether they can be; what says whose they are.
func (f *Func) results(what string, values []*Value) bool {
	ok, late := true, f.Late()
	for i, v := range values {
		switch {
		case v == nil:
			f.Mistake(f.Pos(), fmt.Sprintf("%s: result %d of the body is nil", what, i), NilHint)
			ok = false
			continue
		case v.bad:
			ok = false
			continue
		case !f.within(v.fn):
			f.Mistake(f.Pos(), fmt.Sprintf("%s: result %d of the body belongs to another body, or to another Func", what, i), "a value lives in the Func that made it, and in the bodies inside it", v)
			ok = false
			continue
		}
		if v = f.here(v); late.Value(v) {
			f.Mistake(f.Pos(), fmt.Sprintf("%s: result %d of the body is %v, and only a run of the body tells how large that is", what, i, v.Type), "make it a value of known size in the body: reduce it, or put it among zeros by ScatterAdd", v)
			ok = false
			continue
		}
		f.Outputs = append(f.Outputs, Output{fmt.Sprint(len(f.Outputs)), v, f.Pos()})
	}
	return ok
}

// close ends the tracing of the body f. Its inputs are then own, which it has already, what is drawn, and what is captured; the
// arguments for the last two are in drawn and captured. It reports false after a mistake.
func (f *Func) close(what string, own []*Value) bool {
	ok := f.sizes(what)
	b := f.body
	b.done = true
	f.Inputs = slices.Concat(own, b.draws, b.ports)
	nodes := make([]*Node, 0, len(f.Nodes))
	for _, v := range f.Inputs {
		nodes = append(nodes, v.Node)
	}
	for _, n := range f.Nodes {
		if _, input := n.Op.(Input); !input {
			nodes = append(nodes, n)
		}
	}
	f.Nodes, f.Values = nodes, f.Values[:0]
	for _, n := range nodes {
		for _, v := range n.Results {
			v.ID = len(f.Values)
			f.Values = append(f.Values, v)
		}
	}
	return ok
}

// sizes captures, for each symbol in f that none of its inputs has as an axis of its own, a value outside that has.
func (f *Func) sizes(what string) bool {
	bound := map[string]bool{}
	for name := range f.Late() {
		bound[name] = true
	}
	bind := func(v *Value) {
		for _, d := range v.Shape() {
			if s, ok := d.Symbol(); ok {
				bound[s] = true
			}
		}
	}
	for _, in := range f.Inputs {
		bind(in)
	}
	for _, v := range f.Values[:len(f.Values):len(f.Values)] {
		for _, d := range slices.Concat(v.Shape(), sizes(v.Op)) {
			for _, s := range d.Symbols() {
				if bound[s] {
					continue
				}
				from := f.body.outer.withAxis(Sym(s))
				if from == nil {
					f.Mistake(v.Pos, fmt.Sprintf("%s: the size %s is needed in the body, and no value outside has it as an axis", what, s), "use a value in the body that has the axis", v)
					return false
				}
				bind(f.here(from))
			}
		}
	}
	return true
}

// withAxis is the first value of f, or of a Func around it, that has d as an axis; nil if none has.
func (f *Func) withAxis(d Dim) *Value {
	for _, v := range f.Values {
		if slices.Contains(v.Shape(), d) {
			return v
		}
	}
	if f.body != nil {
		return f.body.outer.withAxis(d)
	}
	return nil
}

// inline adds what body computes from args, its inputs', to f, and returns its results.
func (f *Func) inline(body *Func, args []*Value) []*Value {
	to := make([]*Value, len(body.Values))
	for i, in := range body.Inputs {
		to[in.ID] = f.here(args[i])
	}
	for _, n := range body.Nodes {
		if _, ok := n.Op.(Input); ok {
			continue
		}
		list := make([]*Value, len(n.Args))
		for k, a := range n.Args {
			if a != nil {
				list[k] = to[a.ID]
			}
		}
		for i, v := range f.copy(n, list) {
			to[n.Results[i].ID] = v
		}
	}
	out := make([]*Value, len(body.Outputs))
	for i, o := range body.Outputs {
		out[i] = to[o.Value.ID]
	}
	return out
}

// InBodies returns a copy of f in which do has made each body of its nodes anew, with the same inputs and outputs; f itself if it has
// none.
func InBodies(f *Func, do func(body *Func) *Func) *Func {
	if !slices.ContainsFunc(f.Nodes, func(n *Node) bool { return len(n.Bodies) > 0 }) {
		return f
	}
	return Rewrite(f, func(out *Func, n *Node, args []*Value) []*Value {
		if len(n.Bodies) == 0 {
			return nil
		}
		bodies := make([]*Func, len(n.Bodies))
		for i, b := range n.Bodies {
			bodies[i] = do(b)
			out.Diags = append(out.Diags, bodies[i].Diags...)
		}
		return out.add(&Node{Op: n.Op, Args: args, Bodies: bodies, fresh: n.fresh}).Results
	})
}

// types are those of the arguments that the body takes and of its results: what inference compares.
func (f *Func) types() (in, out []Type) {
	for _, v := range f.Inputs {
		in = append(in, v.Type)
	}
	for _, o := range f.Outputs {
		out = append(out, o.Value.Type)
	}
	return in, out
}

// anyArgs takes whatever values a body does.
var anyArgs = Arg{Name: "values", DTypes: Any, Variadic: true}

// poisons are n values that are mistakes.
func (f *Func) poisons(n int) []*Value {
	out := make([]*Value, n)
	for i := range out {
		out[i] = f.Poison()
	}
	return out
}
