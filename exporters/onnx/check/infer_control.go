package check

import (
	"slices"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
)

// This file has the operators whose attributes are graphs.

// body is the graph in the attribute called name, which has ins inputs and outs outputs; nil, after a message, if it has others.
func (x *nodeContext) body(name string, ins, outs int) *wire.Graph {
	g, _ := x.attribute(name).(*wire.Graph)
	if g == nil {
		return nil
	}
	if len(g.Inputs) != ins || len(g.Outputs) != outs {
		x.fail("the graph %q has %s and %s; want %d and %d", name, count(len(g.Inputs), "input"), count(len(g.Outputs), "output"), ins, outs)
		return nil
	}
	return g
}

// both is what a and b have in common, where one value may be of either.
func both(a, b typ) typ {
	out := typ{elem: a.elem}
	if b.elem != a.elem || a.shape == nil || len(a.shape) != len(b.shape) {
		return out
	}
	out.shape = slices.Clone(a.shape)
	for i, d := range b.shape {
		if !same(d, out.shape[i]) {
			out.shape[i] = unknown
		}
	}
	return out
}

// state holds state i, which begins as first and which a body makes next, to one element type, and gives output i its type.
func (x *nodeContext) state(i int, first, next typ) {
	if first.elem != wire.Undefined && next.elem != wire.Undefined && first.elem != next.elem {
		x.fail("state %d begins as %v, and its body makes it %v", i, first, next)
		return
	}
	x.out[i] = both(first, next)
}

func scan(x *nodeContext) {
	scanned := int(x.int("num_scan_inputs", 0))
	states := len(x.in) - scanned
	if scanned < 1 || states < 0 || states > len(x.out) {
		x.fail("num_scan_inputs is %d, of %s and %s", scanned, count(len(x.in), "input"), count(len(x.out), "output"))
		return
	}
	g := x.body("body", len(x.in), len(x.out))
	axes, ok := x.ints("scan_input_axes", scanned, 0)
	outAxes, ok2 := x.ints("scan_output_axes", len(x.out)-states, 0)
	_, ok3 := x.ints("scan_input_directions", scanned, 0)
	_, ok4 := x.ints("scan_output_directions", len(x.out)-states, 0)
	if g == nil || !ok || !ok2 || !ok3 || !ok4 {
		return
	}
	length := unknown
	given := make([]typ, len(x.in))
	for i := range x.in {
		given[i] = x.input(i)
		given[i].content, given[i].stored = nil, nil
		if i < states || given[i].shape == nil {
			continue
		}
		k, ok := x.within("scan_input_axes", axes[i-states], len(given[i].shape))
		if !ok {
			return
		}
		d := given[i].shape[k]
		if differ(d, length) {
			x.fail("input %d %s has %v elements, those before it %v", i, x.name(i), d, length)
			return
		}
		length = better(length, d)
		given[i].shape = slices.Delete(slices.Clone(given[i].shape), k, k+1)
	}
	for i, t := range x.subgraph(g, "body", given) {
		switch {
		case i < states:
			x.state(i, given[i], t)
		case t.shape == nil:
			x.elem(i, t.elem)
		default:
			k, ok := x.within("scan_output_axes", outAxes[i-states], len(t.shape)+1)
			if !ok {
				return
			}
			x.out[i] = typ{elem: t.elem, shape: slices.Insert(slices.Clone(t.shape), k, length)}
		}
	}
}

func loop(x *nodeContext) {
	states := max(len(x.in)-2, 0)
	if states > len(x.out) {
		x.fail("there are %d states, and %s", states, count(len(x.out), "output"))
		return
	}
	g := x.body("body", 2+states, 1+len(x.out))
	if g == nil {
		return
	}
	given := []typ{{elem: wire.Int64}, {elem: wire.Bool}}
	for i := range states {
		given = append(given, x.input(2+i))
		given[2+i].content, given[2+i].stored = nil, nil
	}
	for i, t := range x.subgraph(g, "body", given) {
		switch {
		case i == 0:
			if t.elem != wire.Undefined && t.elem != wire.Bool {
				x.fail("its body's first output, whether to go on, is %v", t)
			}
		case i <= states:
			x.state(i-1, given[1+i], t)
		case t.shape != nil:
			x.out[i-1] = typ{elem: t.elem, shape: slices.Insert(slices.Clone(t.shape), 0, unknown)}
		default:
			x.elem(i-1, t.elem)
		}
	}
}

func choice(x *nodeContext) {
	then, otherwise := x.body("then_branch", 0, len(x.out)), x.body("else_branch", 0, len(x.out))
	if then == nil || otherwise == nil {
		return
	}
	other := x.subgraph(otherwise, "else_branch", nil)
	for i, t := range x.subgraph(then, "then_branch", nil) {
		if t.elem != wire.Undefined && other[i].elem != wire.Undefined && t.elem != other[i].elem {
			x.fail("output %d is %v in one branch, %v in the other", i, t, other[i])
			continue
		}
		x.out[i] = both(t, other[i])
	}
}
