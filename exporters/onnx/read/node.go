package read

import (
	"fmt"
	"slices"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/symbolic"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// A call is a node that is read, with what is known of its inputs; nil stands for one left out.
type call struct {
	*wire.Node
	r    *reader
	in   []*value
	read map[string]bool // the attributes that were looked at
	used []bool          // the inputs that were
}

// call is n, with what its inputs are.
func (r *reader) call(n *wire.Node) *call {
	c := &call{Node: n, r: r, in: make([]*value, len(n.Inputs)), used: make([]bool, len(n.Inputs)), read: map[string]bool{}}
	for i, name := range n.Inputs {
		c.in[i] = r.find(name)
	}
	return c
}

// nodes reads the nodes of g, in order.
func (r *reader) nodes(g *wire.Graph) error {
	values := r.scopes[len(r.scopes)-1].values
	for i, n := range g.Nodes {
		out, err := r.node(n)
		if err != nil {
			return fmt.Errorf("node %d %q (%s): %w", i, n.Name, operator(n), err)
		}
		for k, name := range n.Outputs {
			if name == "" {
				continue
			}
			if k >= len(out) {
				return fmt.Errorf("node %d %q (%s): its output %d, %q, is not computed here", i, n.Name, operator(n), k, name)
			}
			values[name] = out[k]
		}
	}
	return nil
}

// operator is the name of n's operator, with the domain unless that is ai.onnx.
func operator(n *wire.Node) string {
	if n.Domain == "" || n.Domain == "ai.onnx" {
		return n.OpType
	}
	return n.Domain + "." + n.OpType
}

// node reads n. Where its results are known as sizes or elements, what cannot be read may not be needed.
func (r *reader) node(n *wire.Node) ([]*value, error) {
	c := r.call(n)
	for i, name := range n.Inputs {
		if name != "" && c.in[i] == nil {
			return nil, fmt.Errorf("nothing computes its input %q", name)
		}
	}
	if n.OpType == "Identity" && operator(n) == n.OpType {
		return c.in[:1], nil
	}
	out, err := r.convert(c)
	known := c.sizes()
	if known == nil && err == nil {
		for i, t := range r.fold(c) {
			out[i].host = t
		}
		return out, nil
	}
	if known == nil {
		return nil, err
	}
	if err != nil {
		return []*value{{sizes: known, err: err}}, nil
	}
	out[0].sizes = known
	return out, nil
}

// convert reads n into the Func. After an error there is nothing of it in the Func that anything needs.
func (r *reader) convert(c *call) (out []*value, err error) {
	mistakes := len(r.f.Diags)
	defer func() {
		if err == nil {
			err = r.mistake(mistakes)
		}
		r.f.Diags = r.f.Diags[:mistakes]
	}()
	r.at(c.Name, func() {
		err = guard(func() { out = c.results() })
	})
	return out, err
}

// results is what the node computes: by the rule for its operator, or by a row.
func (c *call) results() []*value {
	if operator(c.Node) != c.OpType {
		fail("operators of the domain %q are not read: export the model without them", c.Domain)
	}
	if c.OpType == "Constant" {
		return []*value{{host: c.constant()}}
	}
	var list []*graph.Value
	if rule := rules[c.OpType]; rule != nil {
		list = rule(c)
		c.complete()
	} else {
		list = c.row()
	}
	out := make([]*value, len(list))
	for i, v := range list {
		out[i] = c.r.made(v)
	}
	return out
}

// has reports whether input i is there.
func (c *call) has(i int) bool {
	if i < len(c.in) {
		c.used[i] = true
	}
	return i < len(c.in) && c.in[i] != nil
}

// arg is input i as a value of the Func, nil if it is left out.
func (c *call) arg(i int) *graph.Value {
	if !c.has(i) {
		return nil
	}
	return c.r.materialize(c.in[i])
}

// args are the inputs as values of the Func.
func (c *call) args() []*graph.Value {
	out := make([]*graph.Value, len(c.in))
	for i := range out {
		out[i] = c.arg(i)
	}
	return out
}

// known is input i's elements; nil if it is left out. Elements that only a run tells are a fault.
func (c *call) known(i int) *tensor.Tensor {
	if !c.has(i) {
		return nil
	}
	t := c.r.tensor(c.in[i])
	if t == nil {
		fail("its input %d, %q, must be known before the run: store it in the file", i, c.Inputs[i])
	}
	return t
}

// knownInts is input i as whole numbers; ok is false if it is left out.
func (c *call) knownInts(i int) (list []int, ok bool) {
	t := c.known(i)
	if t == nil {
		return nil, false
	}
	if t.DType() != graph.I64 && t.DType() != graph.I32 || t.Rank() > 1 {
		fail("its input %d is %v, want i64[n]", i, t)
	}
	list = make([]int, t.Len())
	for k := range list {
		list[k] = int(t.Int(k))
	}
	return list, true
}

// shape is input i as a shape, whose sizes may be symbols.
func (c *call) shape(i int) graph.Shape {
	if !c.has(i) {
		fail("its input %d is left out", i)
	}
	s := c.r.sizesOf(c.in[i])
	if s == nil || s.scalar {
		fail("its input %d, %q, is a shape that only a run tells: it must follow from the inputs' axes", i, c.Inputs[i])
	}
	out := graph.Shape{}
	for _, e := range s.list {
		out = append(out, size(e))
	}
	return out
}

// size is e as a Dim; a number may be below 0.
func size(e *symbolic.Expr) graph.Dim {
	if n, ok := e.Number(); ok {
		return graph.Dim(n)
	}
	return graph.DimOf(e)
}

// attribute is the node's attribute called name, or a default.
func attribute[T any](c *call, name string, missing T) T {
	c.read[name] = true
	for _, a := range c.Attributes {
		if a.Name == name {
			v, ok := a.Value.(T)
			if !ok {
				fail("its attribute %q is a %T", name, a.Value)
			}
			return v
		}
	}
	return missing
}

func (c *call) int(name string, missing int) int {
	return int(attribute(c, name, int64(missing)))
}

func (c *call) ints(name string) []int {
	var out []int
	for _, n := range attribute[[]int64](c, name, nil) {
		out = append(out, int(n))
	}
	return out
}

func (c *call) float(name string, missing float64) float64 {
	return float64(attribute(c, name, float32(missing)))
}

// complete refuses what the node has besides the attributes and inputs that were looked at.
func (c *call) complete() {
	for _, a := range c.Attributes {
		if !c.read[a.Name] && !slices.Contains(idle, c.OpType+"."+a.Name) {
			fail("its attribute %q is not known here", a.Name)
		}
	}
	for i, x := range c.in {
		if x != nil && !c.used[i] {
			fail("its input %d, %q, is not known here", i, c.Inputs[i])
		}
	}
}
