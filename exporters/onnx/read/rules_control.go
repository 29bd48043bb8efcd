package read

import (
	"math"
	"slices"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// graph is the attribute called name, which is there.
func (c *call) graph(name string) *wire.Graph {
	g := attribute[*wire.Graph](c, name, nil)
	if g == nil {
		fail("its graph %q is missing", name)
	}
	return g
}

// body reads g, a graph inside the node, over inputs, and returns its outputs. It finds the values around it by their names.
func (c *call) body(g *wire.Graph, inputs []*graph.Value) []*graph.Value {
	r := c.r
	if len(g.Inputs) != len(inputs) {
		fail("its graph %q has %d inputs, want %d", g.Name, len(g.Inputs), len(inputs))
	}
	s := r.enter()
	defer r.leave()
	if err := r.initializers(g); err != nil {
		fail("%v", err)
	}
	for i, in := range g.Inputs {
		s.values[in.Name] = r.made(inputs[i])
	}
	if err := r.nodes(g); err != nil {
		fail("in its graph %q: %v", g.Name, err)
	}
	var out []*graph.Value
	for _, o := range g.Outputs {
		v, err := r.value(o.Name)
		if err != nil {
			fail("in its graph %q: output %q: %v", g.Name, o.Name, err)
		}
		out = append(out, v)
	}
	return out
}

// truth is v as a scalar: some files have a vector of one.
func truth(v *graph.Value) *graph.Value {
	if v.OK() && v.Rank() > 0 {
		return v.Reshape()
	}
	return v
}

// ifElse reads the graph that is chosen alone, if that is known.
func ifElse(c *call) []*graph.Value {
	then, otherwise := c.graph("then_branch"), c.graph("else_branch")
	if c.has(0) {
		if t := c.r.small(c.in[0]); t != nil && t.Len() == 1 {
			if t.At(0) == 0 {
				then = otherwise
			}
			return c.body(then, nil)
		}
	}
	return c.r.f.If(truth(c.arg(0)),
		func() []*graph.Value { return c.body(then, nil) },
		func() []*graph.Value { return c.body(otherwise, nil) })
}

// loop runs at least once, at most a known number of times, and has no results but its states.
func loop(c *call) []*graph.Value {
	g, most := c.graph("body"), math.MaxInt32
	if c.has(0) {
		most = int(max(0, min(c.known(0).Int(0), math.MaxInt32)))
	}
	begins := !c.has(1) || c.known(1).At(0) != 0
	var states []*graph.Value
	for i := 2; i < len(c.in); i++ {
		states = append(states, c.arg(i))
	}
	if n := len(g.Outputs) - 1 - len(states); n > 0 {
		fail("%d of its results have an element for each iteration; its states alone are known here", n)
	}
	if most == 0 || !begins {
		return states
	}
	return c.r.f.Loop(most, states, func(i *graph.Value, states []*graph.Value) (*graph.Value, []*graph.Value) {
		out := c.body(g, slices.Concat([]*graph.Value{i, c.r.f.Const(isTrue())}, states))
		return truth(out[0]), out[1:]
	})
}

func isTrue() *tensor.Tensor { return tensor.Scalar(true) }

// scan goes along first axes, all in one direction.
func scan(c *call) []*graph.Value {
	g, scanned := c.graph("body"), c.int("num_scan_inputs", 0)
	if scanned < 1 || scanned > len(c.in) {
		fail("it scans %d of its %d inputs", scanned, len(c.in))
	}
	states := len(c.in) - scanned
	reverse := -1
	for _, name := range []string{"scan_input_directions", "scan_output_directions"} {
		n := scanned
		if name == "scan_output_directions" {
			n = len(g.Outputs) - states
		}
		list := c.ints(name)
		if list == nil {
			list = make([]int, max(0, n))
		}
		for _, d := range list {
			if reverse >= 0 && d != reverse {
				fail("it goes along some of its inputs and outputs forwards and along others backwards")
			}
			reverse = d
		}
	}
	for _, name := range []string{"scan_input_axes", "scan_output_axes"} {
		if slices.ContainsFunc(c.ints(name), func(a int) bool { return a != 0 }) {
			fail("its %s are not all the first: transpose before and after", name)
		}
	}
	args, over := c.args(), c.r.f.Scan
	if reverse == 1 {
		over = c.r.f.ScanReverse
	}
	if len(g.Outputs) < states {
		fail("its graph has %d outputs for %d states", len(g.Outputs), states)
	}
	last, ys := over(args[:states], args[states:], func(s, x []*graph.Value) (next, ys []*graph.Value) {
		out := c.body(g, slices.Concat(s, x))
		return out[:states], out[states:]
	})
	return slices.Concat(last, ys)
}
