package onnxgo

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	onnxcheck "github.com/sardonyx-ml/sardonyx/exporters/onnx/check"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// A plan is what the check learned of a model that onnx-go can run.
type plan struct {
	inputs, outputs []Port
}

// outputBytes is the size of all outputs.
func (p *plan) outputBytes() int64 {
	n := int64(0)
	for _, o := range p.outputs {
		n += bytesOf(o.Shape)
	}
	return n
}

// bytesOf is the size of f32 elements.
func bytesOf(shape []int) int64 {
	n := int64(4)
	for _, d := range shape {
		n *= int64(d)
	}
	return n
}

// A checker looks at one model.
type checker struct {
	graph  *wire.Graph
	types  map[string]*wire.TensorType
	stored map[string]*wire.Tensor // initializers
	uses   map[string]int          // how often a node reads a name, or the model gives it as an output
}

// check says why onnx-go cannot run m in so many bytes of memory, or what is needed to do so.
func check(m *wire.Model, memory int64) (*plan, error) {
	report := onnxcheck.Model(m, onnxcheck.Options{})
	if err := report.Err(); err != nil {
		return nil, fmt.Errorf("the file is faulty: %w", err)
	}
	c := &checker{graph: m.Graph, types: report.Types, stored: map[string]*wire.Tensor{}, uses: map[string]int{}}
	p, err := c.model(m)
	if err != nil {
		return nil, err
	}
	if need := c.bytes(); need > memory {
		return nil, fmt.Errorf("its tensors take %d MiB, and it may have %d", need>>20, memory>>20)
	}
	for i, n := range m.Graph.Nodes {
		if err := c.node(n); err != nil {
			return nil, fmt.Errorf("%s: %w", nodeName(i, n), err)
		}
	}
	if err := c.sharing(); err != nil {
		return nil, err
	}
	return p, nil
}

// nodeName is how errors call a node.
func nodeName(i int, n *wire.Node) string {
	if n.Name == "" {
		return fmt.Sprintf("node %d (%s)", i, n.OpType)
	}
	return fmt.Sprintf("node %q (%s)", n.Name, n.OpType)
}

// model checks what is not in the nodes, and finds the types of the inputs and outputs.
func (c *checker) model(m *wire.Model) (*plan, error) {
	g := m.Graph
	if g == nil || len(g.Nodes) == 0 || len(g.Outputs) == 0 {
		return nil, errors.New("it has no nodes or no outputs")
	}
	if len(m.External) > 0 {
		return nil, fmt.Errorf("the weight %q is in another file, which onnx-go does not read", m.External[0].Name)
	}
	for _, t := range g.Initializers {
		c.stored[t.Name] = t
		if t.Type != wire.Float && t.Type != wire.Int64 {
			return nil, fmt.Errorf("the weight %q has elements of type %v: only f32 is known to be right", t.Name, t.Type)
		}
	}
	made := map[string]bool{}
	for _, n := range g.Nodes {
		for _, name := range n.Inputs {
			c.uses[name]++
		}
		for _, name := range n.Outputs {
			made[name] = true
		}
	}
	p := &plan{}
	for _, v := range g.Inputs {
		if c.stored[v.Name] != nil {
			return nil, fmt.Errorf("the input %q has a default: onnx-go mistakes the places of inputs then", v.Name)
		}
		s, err := c.float(v.Name)
		if err != nil {
			return nil, fmt.Errorf("input %w", err)
		}
		p.inputs = append(p.inputs, Port{v.Name, tensor.F32, s})
	}
	for _, v := range g.Outputs {
		switch {
		case !made[v.Name]:
			return nil, fmt.Errorf("the output %q is made by no node: onnx-go gives zeros for it", v.Name)
		case c.uses[v.Name] > 0:
			return nil, fmt.Errorf("the output %q also feeds a node: onnx-go gives zeros for it", v.Name)
		}
		s, err := c.float(v.Name)
		if err != nil {
			return nil, fmt.Errorf("output %w", err)
		}
		p.outputs = append(p.outputs, Port{v.Name, tensor.F32, s})
	}
	for _, v := range g.Outputs {
		c.uses[v.Name]++
	}
	return p, nil
}

// float is the shape of a name that holds f32 of a fixed size, a scalar only if it is stored.
func (c *checker) float(name string) ([]int, error) {
	t := c.types[name]
	if t == nil || t.Shape == nil {
		return nil, fmt.Errorf("%q has a shape that is not known beforehand", name)
	}
	if t.Elem != wire.Float {
		return nil, fmt.Errorf("%q has elements of type %v: only f32 is known to be right", name, t.Elem)
	}
	s := make([]int, len(t.Shape))
	for i, d := range t.Shape {
		switch {
		case d.Unknown || d.Param != "":
			return nil, fmt.Errorf("%q has an axis of no fixed size, and what onnx-go does right depends on all sizes: it needs a fixed batch too (export --profile onnx-go)", name)
		case d.Value < 1 || d.Value > 1<<40:
			return nil, fmt.Errorf("%q has an axis of %d", name, d.Value)
		}
		s[i] = int(d.Value)
	}
	if len(s) == 0 && c.stored[name] == nil {
		return nil, fmt.Errorf("%q is a scalar: onnx-go computes with scalars only as constants", name)
	}
	if _, err := tensor.Count(s); err != nil {
		return nil, fmt.Errorf("%q: %w", name, err)
	}
	return s, nil
}

// bytes is what the model's tensors take at least: onnx-go keeps all that nodes make, and what is declared besides.
func (c *checker) bytes() int64 {
	n := int64(0)
	for _, t := range c.types {
		b := int64(8)
		for _, d := range t.Shape {
			if b < 1<<50 {
				b *= max(d.Value, 1)
			}
		}
		n += min(b, 1<<50)
	}
	return n
}

// A node is a node whose shapes are known.
type node struct {
	*wire.Node
	c   *checker
	in  [][]int // nil for one that is not f32
	out []int
}

func (c *checker) node(n *wire.Node) error {
	if n.Domain != "" && n.Domain != "ai.onnx" {
		return fmt.Errorf("onnx-go knows no operators of %q", n.Domain)
	}
	i := slices.IndexFunc(operators, func(o operator) bool { return slices.Contains(strings.Fields(o.names), n.OpType) })
	if i < 0 {
		return errors.New("onnx-go lacks the operator, or does not compute it right")
	}
	o := operators[i]
	if len(n.Outputs) != 1 || n.Outputs[0] == "" {
		return errors.New("onnx-go gives a node one output")
	}
	if len(n.Inputs) < o.least || len(n.Inputs) > o.most {
		return fmt.Errorf("it has %d inputs: onnx-go wants %s", len(n.Inputs), o.inputs())
	}
	x := node{Node: n, c: c}
	for k, name := range n.Inputs {
		if slices.Index(n.Inputs, name) < k {
			return fmt.Errorf("%q is two of its inputs: onnx-go takes them for one", name)
		}
		if n.OpType == "Reshape" && k == 1 {
			x.in = append(x.in, nil)
			continue
		}
		s, err := c.float(name)
		if err != nil {
			return err
		}
		x.in = append(x.in, s)
	}
	var err error
	if x.out, err = c.float(n.Outputs[0]); err != nil {
		return err
	}
	for _, a := range n.Attributes {
		if !slices.Contains(strings.Fields(o.attrs), a.Name) {
			return fmt.Errorf("onnx-go does not look at its attribute %s", a.Name)
		}
	}
	if o.rule == nil {
		return nil
	}
	return o.rule(x)
}

// attr is the node's attribute called name, or def.
func attr[T any](n node, name string, def T) (T, error) {
	for _, a := range n.Attributes {
		if a.Name == name {
			v, ok := a.Value.(T)
			if !ok {
				return def, fmt.Errorf("its attribute %s is a %T", name, a.Value)
			}
			return v, nil
		}
	}
	return def, nil
}

// sharing refuses models in which gorgonia overwrites a value that is still wanted. It takes nodes that are equal for one
// node, whose memory it uses again after the last reader that it sees; it does not see outputs; and some operators work in
// the memory of their input, or give it another shape.
func (c *checker) sharing() error {
	number := map[string]int{} // a name to the number of what gorgonia computes for it
	first := map[string]string{}
	base := map[string]string{}  // a name to the one whose memory it is
	maker := map[string]string{} // a name to the operator that makes it
	memory := func(name string) string {
		if b, ok := base[name]; ok {
			return b
		}
		return name
	}
	for i, n := range c.graph.Nodes {
		o := operators[slices.IndexFunc(operators, func(o operator) bool { return slices.Contains(strings.Fields(o.names), n.OpType) })]
		in, out := n.Inputs[0], n.Outputs[0]
		for _, name := range n.Inputs {
			if b := memory(name); b != name && c.uses[name] > 1 {
				return fmt.Errorf("%s: %q shares memory", nodeName(i, n), name)
			}
		}
		if o.view {
			if c.uses[in] > 1 {
				return fmt.Errorf("%s: its input %q has other readers too, and the output is the same memory: gorgonia may overwrite it", nodeName(i, n), in)
			}
			base[out] = memory(in)
		}
		if o.overwrites >= 0 && c.uses[n.Inputs[o.overwrites]] > 1 {
			return fmt.Errorf("%s: it overwrites its input %q, which has other readers too", nodeName(i, n), n.Inputs[o.overwrites])
		}
		if other := maker[in]; n.OpType == "Neg" && other == "Neg" || n.OpType == "Log" && other == "Sigmoid" {
			return fmt.Errorf("%s: gorgonia puts something else in the place of %s after %s", nodeName(i, n), n.OpType, other)
		}
		if maker[out] = n.OpType; n.OpType == "Identity" || n.OpType == "Dropout" {
			maker[out] = maker[in]
		}
		key := o.key(n, c.types[out])
		for k, name := range n.Inputs {
			if k > 0 && n.OpType == "BatchNormalization" {
				break // gorgonia does not see the others
			}
			if number[name] == 0 {
				number[name] = len(number) + 1
			}
			key += fmt.Sprint(" ", number[name])
		}
		if other, ok := first[key]; ok {
			return fmt.Errorf("%s: it computes the same as %s, and gorgonia takes them for one", nodeName(i, n), other)
		}
		first[key] = nodeName(i, n)
		number[out] = len(number) + 1
	}
	return nil
}
