package graph

import (
	"fmt"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var bodyOps = []Sampled{Scan{}, If{}, Loop{}}

// Scan runs its body once for each element along the first axis of the scanned arguments, which may be a symbol: from states and the
// elements it makes the next states and elements of results. Arguments: the states, the scanned values, and what the body takes from
// outside. Results: the last states, and the elements of the further results along a first axis. ONNX: Scan.
type Scan struct {
	States, Scanned int  // how many of the arguments
	Reverse         bool // from the last element to the first; the results' elements stand where the arguments' do
}

// Scan runs body over the elements of xs along their first axis, whose size they have in common: for each it gets the states and the
// elements, and returns the states for the next, of the same types, and the elements of further results. What comes of it is the last
// states, and the elements along a new first axis. body may use values from outside and ask layers for parameters; it makes no inputs
// and updates nothing. Random numbers in it are others for each element: they are drawn outside, for all of them. Gradients flow to
// states, xs and what is used from outside.
func (f *Func) Scan(states, xs []*Value, body func(states, xs []*Value) (next, ys []*Value)) (final, ys []*Value) {
	return f.scan("Scan", false, states, xs, body)
}

// ScanReverse is a [Func.Scan] from the last element to the first. The elements of ys stand where those of xs do.
func (f *Func) ScanReverse(states, xs []*Value, body func(states, xs []*Value) (next, ys []*Value)) (final, ys []*Value) {
	return f.scan("ScanReverse", true, states, xs, body)
}

// Repeat is a [Func.Scan] that runs body n times, which may be a symbol, with the number of the iteration, an i64 scalar from 0 on.
func (f *Func) Repeat(n Dim, states []*Value, body func(i *Value, states []*Value) (next, ys []*Value)) (final, ys []*Value) {
	return f.scan("Repeat", false, states, []*Value{f.Arange(n)}, func(states, xs []*Value) (next, ys []*Value) {
		return body(xs[0], states)
	})
}

// scan is Scan, called what in mistakes.
func (f *Func) scan(what string, reverse bool, states, xs []*Value, body func(states, xs []*Value) (next, ys []*Value)) (final, ys []*Value) {
	f = f.current()
	var length Dim
	good := true
	refuse := func(hint, format string, args ...any) {
		f.Mistake(f.Pos(), what+": "+fmt.Sprintf(format, args...), hint)
		good = false
	}
	for i, v := range slices.Concat(states, xs) {
		switch {
		case v == nil:
			refuse(NilHint, "value %d is nil", i)
		case !v.OK():
			good = false
		case !f.within(v.fn):
			refuse("a value lives in the Func or Step that made it: make it again here, from the same layers", "value %d belongs to %q, not to %q", i, v.fn.Name, f.Name)
		case i >= len(states) && v.Rank() == 0:
			refuse("a value that is the same each time is used in the body as it is", "the scanned value %d is %v, which has no axis", i-len(states), v.Type)
		case i == len(states):
			length = v.Dim(0)
		case i > len(states) && v.Dim(0) != length:
			refuse("they are scanned together, along their first axes", "the scanned value %d is %v, and others have %v elements", i-len(states), v.Type, length)
		}
	}
	if len(xs) == 0 {
		refuse("Repeat runs a body a number of times", "nothing is scanned")
	}
	b := f.inner(length)
	port := func(v *Value, from int) *Value {
		if !good {
			return b.Poison()
		}
		return b.port(Type{v.DType(), v.Shape()[from:]})
	}
	s, x := make([]*Value, len(states)), make([]*Value, len(xs))
	for i, v := range states {
		s[i] = port(v, 0)
	}
	for i, v := range xs {
		x[i] = port(v, 1)
	}
	own := slices.Concat(s, x)
	var next, each []*Value
	f.trace(b, func() { next, each = body(slices.Clone(s), x) })
	if len(next) != len(states) {
		refuse("return the next states in the order of the states", "the body returns %d states of %d", len(next), len(states))
	}
	kept := slices.Clone(each)
	if good && f.Training { // the gradient needs them
		for _, v := range s {
			if !slices.Contains(each, v) {
				kept = append(kept, v)
			}
		}
	}
	if !b.results(what, next) || !b.results(what, kept) || !b.close(what, own) || !good {
		b.body.done = true
		return f.poisons(len(states)), f.poisons(len(each))
	}
	n := f.add(&Node{
		Op:     Scan{States: len(states), Scanned: len(xs) + len(b.body.drawn), Reverse: reverse},
		Bodies: []*Func{b}, Args: slices.Concat(states, xs, b.body.drawn, b.body.captured)})
	all := n.first(len(states) + len(each))
	return all[:len(states):len(states)], all[len(states):]
}

// Takes is whatever the body takes.
func (Scan) Takes() []Arg { return []Arg{anyArgs} }

// Infer holds the body to the arguments.
func (o Scan) Infer(in *Infer) ([]Type, error) {
	if len(in.Bodies) != 1 {
		return nil, Mistakef("f.Scan(states, xs, body) makes it", "it has %d bodies, not one", len(in.Bodies))
	}
	takes, gives := in.Bodies[0].types()
	if o.Scanned < 1 || o.States < 0 || len(takes) != len(in.Args) || len(in.Args) < o.States+o.Scanned || len(gives) < o.States {
		return nil, Mistakef("f.Scan(states, xs, body) makes it", "the body takes %d values and gives %d, for %d states, %d scanned values and %d arguments",
			len(takes), len(gives), o.States, o.Scanned, len(in.Args))
	}
	if len(gives) == 0 {
		return nil, Mistakef("return a state or a result from the body", "nothing comes of it")
	}
	var length Dim
	for i, a := range in.Args {
		t := a.Type
		if i >= o.States && i < o.States+o.Scanned {
			if a.Rank() == 0 || i > o.States && a.Shape()[0] != length {
				return nil, Mistakef("scanned values have as many elements along their first axis", "the scanned value %d is %v", i-o.States, t)
			}
			length, t.Shape = a.Shape()[0], t.Shape[1:]
		}
		if !t.Equal(takes[i]) {
			return nil, Mistakef("a body is traced for the types of its arguments", "argument %d is %v, for %v in the body", i, t, takes[i])
		}
	}
	for i, t := range gives[:o.States] {
		if !t.Equal(takes[i]) {
			return nil, Mistakef("a state keeps its dtype and shape: cast or reshape what the body returns, or where it begins", "state %d is %v, and the body makes it %v", i, takes[i], t)
		}
	}
	out := slices.Clone(gives)
	for i := o.States; i < len(out); i++ {
		out[i].Shape = slices.Concat(Shape{length}, out[i].Shape)
	}
	return out, nil
}

// VJP is a scan the other way, over the states that the body began with: its states are the gradients of the states and, summed, those of
// what the body takes from outside.
func (o Scan) VJP(n *Node, g []*Value) []*Value {
	f, inside, scanned := n.fn, n.Bodies[0], n.Args[o.States:o.States+o.Scanned]
	b := f.inner(scanned[0].Dim(0))
	var states, xs, from []*Value // of the new scan: the inputs of the first two in the body are from
	scan := func(v *Value) *Value {
		xs = append(xs, v)
		return b.port(Type{v.DType(), v.Shape()[1:]})
	}
	state := func(v *Value) *Value {
		states, from = append(states, v), append(from, b.port(v.Type))
		return from[len(from)-1]
	}
	var elements, args []*Value
	for _, v := range o.begun(n) {
		args = append(args, scan(v))
	}
	for _, v := range scanned {
		args = append(args, scan(v))
	}
	elements = append(elements, args...)
	for _, v := range n.Args[o.States+o.Scanned:] {
		args = append(args, b.here(v))
	}
	grads := gradients{}
	results := b.inline(inside, args)
	nodes := b.Nodes[:len(b.Nodes):len(b.Nodes)]
	for i, y := range results {
		switch {
		case !y.DType().Float():
		case i < o.States && g[i] != nil:
			grads.add(y, state(g[i]))
		case i < o.States:
			grads.add(y, state(f.Full(y.DType(), 0, y.Shape()...)))
		case g[i] != nil:
			e := scan(g[i])
			elements = append(elements, e)
			grads.add(y, e)
		}
	}
	b.backward(nodes, args, grads)
	var next, ys []*Value
	out := make([]func(results []*Value) *Value, len(n.Args)) // of the new scan's results
	for k, a := range args {
		ga := grads[a]
		switch {
		case !a.DType().Float():
		case k < o.States:
			if ga == nil {
				ga = b.Full(a.DType(), 0, a.Shape()...)
			}
			i := len(next)
			next, out[k] = append(next, ga), func(r []*Value) *Value { return r[i] }
		case ga == nil:
		case k < o.States+o.Scanned:
			i := len(ys)
			ys, out[k] = append(ys, ga), func(r []*Value) *Value { return r[len(states)+i] }
		default:
			i := len(next)
			next, out[k] = append(next, state(f.Full(a.DType(), 0, a.Shape()...)).Add(ga)), func(r []*Value) *Value { return r[i] }
		}
	}
	if !b.results("Scan", slices.Concat(next, ys)) || !b.close("Scan", slices.Concat(from, elements)) {
		return f.poisons(len(n.Args))
	}
	back := f.add(&Node{
		Op: Scan{States: len(states), Scanned: len(xs), Reverse: !o.Reverse}, Bodies: []*Func{b}, Args: slices.Concat(states, xs, b.body.captured)})
	if len(back.Results) == 0 { // nothing flows, or a mistake, which is recorded
		return nil
	}
	grad := make([]*Value, len(n.Args))
	for k, result := range out {
		if result != nil {
			grad[k] = result(back.Results)
		}
	}
	return grad
}

// begun are the states that each run of n's body began with, along a first axis. A body in a training step has them among its
// results; otherwise they are computed again.
func (o Scan) begun(n *Node) []*Value {
	inside := n.Bodies[0]
	find := func(n *Node, i int) *Value {
		for k := o.States; k < len(n.Results); k++ {
			if b := n.Bodies[0]; b.Outputs[k].Value == b.Inputs[i] {
				return n.Results[k]
			}
		}
		return nil
	}
	more := *inside
	more.Outputs = slices.Clone(inside.Outputs)
	for i := range o.States {
		if find(n, i) == nil {
			more.Outputs = append(more.Outputs, Output{fmt.Sprint(len(more.Outputs)), inside.Inputs[i], n.Pos})
		}
	}
	if len(more.Outputs) > len(inside.Outputs) {
		n = n.fn.add(&Node{Op: o, Bodies: []*Func{Prune(&more)}, Args: n.Args})
	}
	out := make([]*Value, o.States)
	for i := range out {
		out[i] = find(n, i)
	}
	return out
}

// RunBodies runs the body for each element.
func (o Scan) RunBodies(c *kernel.Context, bodies []*Func, out, in []*tensor.Tensor) error {
	states, scanned, captured := in[:o.States], in[o.States:o.States+o.Scanned], in[o.States+o.Scanned:]
	length := scanned[0].Dim(0)
	if length == 0 {
		for i, t := range states {
			out[i].CopyFrom(t)
		}
		return nil
	}
	own := slices.Clone(states)
	for _, t := range scanned {
		own = append(own, row(t, 0))
	}
	r, err := newBodyRun(c, bodies[0], own, captured)
	if err != nil {
		return err
	}
	for i, t := range states {
		r.in[i].CopyFrom(t)
	}
	for k := range length {
		at := k
		if o.Reverse {
			at = length - 1 - k
		}
		for i, t := range scanned {
			r.in[o.States+i].CopyFrom(row(t, at))
		}
		if err := r.run(); err != nil {
			return err
		}
		for i, t := range r.out[o.States:] {
			row(out[o.States+i], at).CopyFrom(t)
		}
		r.next(r.out[:o.States], r.in[:o.States])
	}
	for i := range states {
		out[i].CopyFrom(r.in[i])
	}
	return nil
}

func (o Scan) own() int { return o.States + o.Scanned }

// Forms is Scan.
func (o Scan) Forms() []Form {
	return []Form{{Operator: "Scan", Bodies: []string{"body"}, Fields: []Field{
		{Attribute: "num_scan_inputs", Name: "Scanned"},
		{Attribute: "scan_input_directions", Name: "Reverse", Times: func(*Node) int { return o.Scanned }},
		{Attribute: "scan_output_directions", Name: "Reverse", Times: func(n *Node) int { return len(n.Results) - o.States }},
	}}}
}

// Samples covers states and results of each number, captured values, both directions, other types than floats, and a scan in a scan.
func (Scan) Samples() []Sample {
	x := func(shape ...int) SampleInput { return SampleInput{Shape: shape} }
	return []Sample{
		// a running sum, weighed: s' = w·s + x, y = s'·x
		{Op: Scan{States: 1, Scanned: 1}, In: []SampleInput{x(3), x(4, 3), x(3)}, Make: func(f *Func, a []*Value) *Node {
			final, _ := f.Scan(a[:1], a[1:2], func(s, x []*Value) (next, ys []*Value) {
				n := a[2].Mul(s[0]).Add(x[0])
				return []*Value{n}, []*Value{n.Mul(x[0])}
			})
			return final[0].Node
		}},
		// the other way, with tanh: s' = tanh(w·s + x), y = s
		{Op: Scan{States: 1, Scanned: 1, Reverse: true}, In: []SampleInput{x(2), x(5, 2), x(2)}, Make: func(f *Func, a []*Value) *Node {
			final, _ := f.ScanReverse(a[:1], a[1:2], func(s, x []*Value) (next, ys []*Value) {
				return []*Value{a[2].Mul(s[0]).Add(x[0]).Tanh()}, s
			})
			return final[0].Node
		}},
		// no state: y = x·z + w
		{Op: Scan{Scanned: 2}, In: []SampleInput{x(3, 2), x(3, 2), x(2)}, Make: func(f *Func, a []*Value) *Node {
			_, ys := f.Scan(nil, a[:2], func(_, x []*Value) (next, ys []*Value) {
				return nil, []*Value{x[0].Mul(x[1]).Add(a[2])}
			})
			return ys[0].Node
		}},
		// no results, two states of which one counts: s' = s·w + sin(i), i' = i + 1
		{Op: Scan{States: 2, Scanned: 1}, In: []SampleInput{x(2, 2), {DType: I64, Shape: []int{}, Lo: 0, Hi: 3}, {DType: I64, Shape: []int{3}}, x(2)}, Make: func(f *Func, a []*Value) *Node {
			final, _ := f.Scan(a[:2], a[2:3], func(s, x []*Value) (next, ys []*Value) {
				return []*Value{s[0].Mul(a[3]).Add(s[1].Cast(s[0].DType()).Sin()), s[1].Add(f.Const(tensor.Scalar(int64(1))))}, nil
			})
			return final[0].Node
		}},
		// a scan in a scan: s' = s + Σ w·x² over the elements of x
		{Op: Scan{States: 1, Scanned: 3}, In: []SampleInput{x(), x(2, 3), x(2), x(2), x()}, Make: func(f *Func, a []*Value) *Node {
			final, _ := f.Scan(a[:1], a[1:4], func(s, x []*Value) (next, ys []*Value) {
				inner, _ := f.Scan(s, x[:1], func(s, x []*Value) (next, ys []*Value) {
					return []*Value{s[0].Add(a[4].Mul(x[0].Square()))}, nil
				})
				return inner, []*Value{inner[0].Mul(x[1]).Add(x[2])}
			})
			return final[0].Node
		}},
	}
}
