package compiler

import (
	"fmt"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph"
)

// OK is the output of a Step that says whether its loss and all new state are finite: a bool, a scalar. Where it is false an engine
// leaves the state as it is. What else the step reports may be NaN or Inf.
const OK = "ok"

// reserve reports an input, output or state of a Step that has the name of its guard.
func (e *entry) reserve() {
	hint := fmt.Sprintf("%q is the step's own output that says whether it is finite: rename this one", OK)
	for _, v := range slices.Concat(e.f.Inputs, e.f.Params) {
		if v.Name == OK {
			e.f.Mistake(v.Pos, fmt.Sprintf("Step %q: an input or a state is called %q", e.name, OK), hint)
		}
	}
	for _, o := range e.f.Outputs {
		if o.Name == OK {
			e.f.Mistake(o.Pos, fmt.Sprintf("Step %q: an output is called %q", e.name, OK), hint)
		}
	}
}

// guarded is f, a Step after the passes, with its output [OK]. It is no part of what the model says: the Step as traced lacks it.
func (e *entry) guarded(f *graph.Func) (*graph.Func, error) {
	g := copied(f)
	var state []*graph.Value
	for _, u := range g.Updates {
		if graph.Floats.Has(u.Value.DType()) {
			state = append(state, u.Value)
		}
	}
	g.At(e.pos, "", func() { g.Output(OK, output(g, Loss).AllFinite(state...)) })
	if len(g.Diags) > 0 {
		return nil, fmt.Errorf("guarding %q: %w", f.Name, g.Diags)
	}
	return g, g.Verify()
}

// Guarded is the Step f, with its output [OK], in which a new state is the old one where that is false: the guard in the graph, for an
// exported file, in place of an engine that looks at the output. Of a Func without that output it is f itself.
func Guarded(f *graph.Func) *graph.Func {
	ok := output(f, OK)
	if ok == nil || ok.DType() != graph.Bool || ok.Rank() != 0 {
		return f
	}
	g := copied(f)
	ok = output(g, OK)
	for i, u := range g.Updates {
		g.At(u.Pos, "", func() { g.Updates[i].Value = ok.Where(u.Value, g.Lookup(u.Name)) })
	}
	return g
}

// copied is a copy of f, to be changed.
func copied(f *graph.Func) *graph.Func {
	return graph.Rewrite(f, func(*graph.Func, *graph.Node, []*graph.Value) []*graph.Value { return nil })
}

// output is the output of f called name, or nil.
func output(f *graph.Func, name string) *graph.Value {
	for _, o := range f.Outputs {
		if o.Name == name {
			return o.Value
		}
	}
	return nil
}
