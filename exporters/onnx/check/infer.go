package check

import (
	"fmt"
	"slices"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
)

// A nodeContext is one node while it is looked at.
type nodeContext struct {
	c      *checker
	scope  *scope
	node   *wire.Node
	index  int
	where  place
	schema *schema

	in     []*value // nil for one that is left out or not defined
	out    []typ
	bodies map[*wire.Graph][]typ // those looked at, with the types of their outputs
}

func (x *nodeContext) fail(format string, args ...any) { x.c.error(x.where, format, args...) }

// resolve finds the inputs. later has what the nodes of the graph define.
func (x *nodeContext) resolve(later map[string]*value) {
	x.in = make([]*value, len(x.node.Inputs))
	x.out = make([]typ, len(x.node.Outputs))
	for i, name := range x.node.Inputs {
		if name == "" {
			continue
		}
		v := x.scope.find(name)
		if v == nil {
			if l := later[name]; l == nil {
				x.fail("input %d %q: nothing has that name", i, name)
			} else if l.node == x.index {
				x.fail("input %d %q is its own output", i, name)
			} else {
				x.fail("input %d %q is made only later, by %s", i, name, l.where)
			}
			if l := later[name]; l != nil {
				l.used = true
			}
			continue
		}
		v.used = true
		x.in[i] = v
	}
}

// infer holds the node to its schema, and finds the types of its outputs.
func (x *nodeContext) infer() {
	c, n := x.c, x.node
	defer x.subgraphs()
	switch {
	case n.OpType == "":
		x.fail("it has no operator")
		return
	case len(n.Outputs) == 0:
		x.fail("it has no outputs")
		return
	}
	domain := n.Domain
	if domain == "ai.onnx" {
		domain = ""
	}
	if !c.domains[domain] {
		x.fail("the domain %q is not imported", opName(domain, "opset"))
		return
	}
	for _, f := range c.model.Functions {
		if f.Domain == n.Domain && f.Name == n.OpType {
			return // said to be unjudged already
		}
	}
	if domain != "" {
		c.unjudged(fmt.Sprintf("operator %s", opName(domain, n.OpType)), "operators of the domain %s are not known", domain)
		return
	}
	if c.opset == 0 {
		return // said to be unjudged already
	}
	s, first := findSchema(n.OpType, c.opset)
	switch {
	case s == nil && first > 0:
		x.fail("the operator came with opset %d; the file imports %d", first, c.opset)
		return
	case s == nil:
		x.fail("ai.onnx has no such operator at opset %d", c.opset)
		return
	case s.deprecated:
		x.fail("the operator was removed with opset %d; the file imports %d", s.since, c.opset)
		return
	}
	x.schema = s
	if !x.conform() {
		return
	}
	x.types()
	if rule := rules[n.OpType]; rule != nil && (len(x.in) == 0 || slices.ContainsFunc(x.in, func(v *value) bool { return v != nil })) {
		rule(x)
	}
}

// A rule sets the shapes of a node's outputs, and reports what contradicts itself. The node fits its schema.
type rule func(x *nodeContext)

// input is what is known of input i; of one that is left out, nothing.
func (x *nodeContext) input(i int) typ {
	if i < len(x.in) && x.in[i] != nil {
		return x.in[i].typ
	}
	return typ{}
}

// has reports whether input i is given.
func (x *nodeContext) has(i int) bool { return i < len(x.node.Inputs) && x.node.Inputs[i] != "" }

// name is the name of input i, for messages.
func (x *nodeContext) name(i int) string { return fmt.Sprintf("%q %v", x.node.Inputs[i], x.input(i)) }

func (x *nodeContext) attribute(name string) any {
	for _, a := range x.node.Attributes {
		if a.Name == name {
			return a.Value
		}
	}
	return nil
}

func (x *nodeContext) int(name string, def int64) int64 {
	if v, ok := x.attribute(name).(int64); ok {
		return v
	}
	return def
}

func (x *nodeContext) str(name, def string) string {
	if v, ok := x.attribute(name).(string); ok {
		return v
	}
	return def
}

// ints is a list of n integers: the attribute's, or def n times. ok is false, after a message, if it has another length.
func (x *nodeContext) ints(name string, n int, def int64) (list []int64, ok bool) {
	v, given := x.attribute(name).([]int64)
	if !given {
		return slices.Repeat([]int64{def}, n), true
	}
	if len(v) != n {
		x.fail("attribute %q has %s; want %d", name, count(len(v), "number"), n)
		return nil, false
	}
	return v, true
}

// axis is the attribute axis within a rank; ok is false, after a message, if it is outside.
func (x *nodeContext) axis(def int64, rank int) (int, bool) {
	return x.within("axis", x.int("axis", def), rank)
}

// within is axis a of a rank, counted from the end when negative.
func (x *nodeContext) within(what string, a int64, rank int) (int, bool) {
	k := a
	if k < 0 {
		k += int64(rank)
	}
	if k < 0 || k >= int64(rank) {
		x.fail("%s %d is outside of rank %d", what, a, rank)
		return 0, false
	}
	return int(k), true
}

// axes are the axes that an attribute or, from an opset on, an input lists. given is false where neither does; ok is false
// where they are not known, or, after a message, wrong.
func (x *nodeContext) axes(input, rank int) (axes []int, given, ok bool) {
	list, given := x.attribute("axes").([]int64)
	if x.has(input) {
		given = true
		content := x.input(input).content
		if content == nil {
			return nil, true, false
		}
		for _, d := range content {
			n, ok := d.num()
			if !ok {
				return nil, true, false
			}
			list = append(list, n)
		}
	}
	for _, a := range list {
		k, ok := x.within("axis", a, rank)
		if !ok {
			return nil, true, false
		}
		if slices.Contains(axes, k) {
			x.fail("axis %d is listed twice", a)
			return nil, true, false
		}
		axes = append(axes, k)
	}
	return axes, given, true
}

// set gives output i a shape.
func (x *nodeContext) set(i int, shape []dim) {
	if i < len(x.out) {
		if shape == nil {
			shape = []dim{}
		}
		x.out[i].shape = shape
	}
}

// elem gives output i an element type.
func (x *nodeContext) elem(i int, t wire.DataType) {
	if i < len(x.out) {
		x.out[i].elem = t
	}
}

// rank reports whether the rank of input i is known and n at least; less is a fault.
func (x *nodeContext) rank(i, n int) bool {
	s := x.input(i).shape
	if s != nil && len(s) < n {
		x.fail("input %d %s has rank %d; want at least %d", i, x.name(i), len(s), n)
	}
	return s != nil && len(s) >= n
}

// exactRank reports whether the rank of input i is known and n; another is a fault.
func (x *nodeContext) exactRank(i, n int) bool {
	s := x.input(i).shape
	if s != nil && len(s) != n {
		x.fail("input %d %s has rank %d; want %d", i, x.name(i), len(s), n)
	}
	return s != nil && len(s) == n
}

// unknowns is n unknown sizes.
func unknowns(n int) []dim { return slices.Repeat([]dim{unknown}, n) }

// sized is the product of sizes.
func sized(shape []dim) dim {
	numbers, symbols := number(1), number(1)
	for _, d := range shape {
		if d.sum == nil {
			numbers = numbers.times(d)
		} else {
			symbols = symbols.times(d)
		}
	}
	return numbers.times(symbols)
}

// better is the one of two equal sizes that says more: a number, then a sum.
func better(a, b dim) dim {
	if a.sum == nil || !b.known() {
		return a
	}
	if b.sum == nil || !a.known() {
		return b
	}
	return a
}

// broadcast is the shape of a and b broadcast; ok is false if they cannot be. A nil shape is unknown.
func broadcast(a, b []dim) (out []dim, ok bool) {
	if a == nil || b == nil {
		return nil, true
	}
	if len(a) < len(b) {
		a, b = b, a
	}
	out = slices.Clone(a)
	for i, d := range b {
		k := len(a) - len(b) + i
		switch e := a[k]; {
		case same(d, e), d.isNum(1):
		case e.isNum(1):
			out[k] = d
		case d.sum == nil && e.sum == nil:
			return nil, false
		case d.sum == nil: // e is 1 or d
			out[k] = d
		case e.sum == nil:
		default:
			out[k] = unknown
		}
	}
	return out, true
}

// broadcastAll is the shape of all inputs broadcast, nil if it is not known or, after a message, there is none.
func (x *nodeContext) broadcastAll() []dim {
	var all []dim
	for i := range x.in {
		s := x.input(i).shape
		if i == 0 {
			all = s
			continue
		}
		out, ok := broadcast(all, s)
		if !ok {
			x.fail("%s does not broadcast with %v, the shape of what stands before it", x.name(i), all)
			return nil
		}
		all = out
	}
	return all
}
