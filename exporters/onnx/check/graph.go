package check

import (
	"fmt"
	"slices"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
)

// A checker is one look at one model.
type checker struct {
	model    *wire.Model
	options  Options
	report   *Report
	opset    int // of ai.onnx; 0 where it is not one that schemasText has
	domains  map[string]bool
	said     map[string]bool // what was said to be unjudged
	sizes    map[string]bool // see symbols
	external []extent
}

// unjudged says once that what cannot be judged.
func (c *checker) unjudged(what, format string, args ...any) {
	if !c.said[what] {
		c.said[what] = true
		c.report.add(Unjudged, place{kind: what, index: -1}, format, args...)
	}
}

func (c *checker) error(where place, format string, args ...any) {
	c.report.add(Error, where, format, args...)
}

// A place is what a finding is about; its text is made when there is one.
type place struct {
	in    string // the place of the graph, if it is not the outermost
	kind  string // node, input, initializer
	index int    // -1 if there is only one
	name  string
	op    string // of a node
	part  string // of a node: an attribute, or an output's name
}

var wholeModel = place{kind: "model", index: -1}

// String is the place in words: node 3 "dec.Conv_12" (Conv).
func (p place) String() string {
	s := p.in + p.kind
	if p.index >= 0 {
		s = fmt.Sprintf("%s %d", s, p.index)
	}
	if p.name != "" || p.kind != "node" && p.index >= 0 {
		s = fmt.Sprintf("%s %q", s, p.name)
	}
	if p.op != "" {
		s = fmt.Sprintf("%s (%s)", s, p.op)
	}
	if p.part != "" {
		s += ", " + p.part
	}
	return s
}

func nodePlace(in string, i int, n *wire.Node) place {
	return place{in: in, kind: "node", index: i, name: n.Name, op: opName(n.Domain, n.OpType)}
}

// A scope is the names of a graph inside those of the graphs around it.
type scope struct {
	outer  *scope
	values map[string]*value
}

func (s *scope) find(name string) *value {
	for ; s != nil; s = s.outer {
		if v := s.values[name]; v != nil {
			return v
		}
	}
	return nil
}

func (c *checker) check() {
	m := c.model
	c.versions()
	for _, f := range m.Functions {
		c.unjudged(fmt.Sprintf("function %q", opName(f.Domain, f.Name)), "the body of a function in the file is not looked at")
	}
	s := c.graph(m.Graph, nil, "")
	c.overlaps()
	c.report.Types = make(map[string]*wire.TensorType, len(s.values))
	for name, v := range s.values {
		c.report.Types[name] = v.typ.wire()
	}
}

// opName is an operator's name with its domain, unless that is ai.onnx.
func opName(domain, name string) string {
	if domain == "" || domain == "ai.onnx" {
		return name
	}
	return domain + "." + name
}

// knownIR is the newest version of the file format that this package was written for.
const knownIR = 14

// leastIR is the version of the file format that came with each opset of ai.onnx, from 13 on.
var leastIR = [maxOpset - minOpset + 1]int64{7, 7, 8, 8, 8, 8, 9, 9, 10, 10, 10, 10, 11, 13, 13, 14}

func (c *checker) versions() {
	m := c.model
	where := wholeModel
	switch {
	case m.IRVersion < 1:
		c.error(where, "ir_version is %d; want 1 or more", m.IRVersion)
	case m.IRVersion > knownIR:
		c.unjudged("model", "ir_version %d is newer than %d, the newest that this checker knows", m.IRVersion, knownIR)
	}
	if m.IRVersion >= 3 && len(m.Opsets) == 0 {
		c.error(where, "no opset is imported; ir_version %d wants opset_import", m.IRVersion)
	}
	c.domains = map[string]bool{}
	for _, o := range m.Opsets {
		domain := o.Domain
		if domain == "ai.onnx" {
			domain = ""
		}
		name := opName(domain, "opset")
		if c.domains[domain] {
			c.error(where, "%s is imported twice", name)
			continue
		}
		c.domains[domain] = true
		switch {
		case o.Version < 1:
			c.error(where, "%s %d is imported; want 1 or more", name, o.Version)
		case domain != "":
		case o.Version < minOpset || o.Version > maxOpset:
			c.unjudged(fmt.Sprintf("opset %d", o.Version), "operators are known from opset %d to %d", minOpset, maxOpset)
		default:
			c.opset = int(o.Version)
			if least := leastIR[c.opset-minOpset]; m.IRVersion >= 1 && m.IRVersion < least {
				c.report.add(Warning, where, "opset %d came with ir_version %d; the file says %d", c.opset, least, m.IRVersion)
			}
		}
	}
	if m.IRVersion < 3 && len(m.Opsets) == 0 {
		c.domains[""] = true
		c.unjudged("opset 1", "operators are known from opset %d to %d", minOpset, maxOpset)
	}
}

// graph checks g, which stands in outer; in names it in messages, "" for the outermost.
func (c *checker) graph(g *wire.Graph, outer *scope, in string) *scope {
	s := &scope{outer, make(map[string]*value, len(g.Initializers)+len(g.Nodes)+len(g.Inputs))}
	c.inputs(g, s, in)
	later := c.definitions(g, s, in)
	nodeNames := make(map[string]int, len(g.Nodes))
	declared := make(map[string]*wire.ValueInfo, len(g.Values))
	for i, v := range g.Values {
		where := place{in: in, kind: "value_info", index: i, name: v.Name}
		switch {
		case declared[v.Name] != nil:
			c.error(where, "it is declared twice")
		case later[v.Name] == nil && s.values[v.Name] == nil:
			c.report.add(Warning, where, "nothing has that name")
		}
		c.valueInfo(where, v)
		declared[v.Name] = v
	}
	outputs := make(map[string]*wire.ValueInfo, len(g.Outputs))
	for _, v := range g.Outputs {
		outputs[v.Name] = v
	}
	for i, n := range g.Nodes {
		x := &nodeContext{c: c, scope: s, node: n, index: i, where: nodePlace(in, i, n)}
		if old, ok := nodeNames[n.Name]; ok && n.Name != "" {
			x.fail("node %d has the same name; some runtimes refuse that", old)
		}
		nodeNames[n.Name] = i
		x.resolve(later)
		x.infer()
		for k, name := range n.Outputs {
			v := later[name]
			if name == "" || v == nil || v.node != i || s.values[name] != nil {
				continue
			}
			if v.ambiguous {
				s.values[name] = v
				continue
			}
			v.typ = x.out[k]
			if v.huge() && !slices.ContainsFunc(x.in, func(in *value) bool { return in != nil && in.huge() }) {
				x.fail("output %q is %v: %s", name, v.typ, tooLarge)
			}
			for _, d := range []*wire.ValueInfo{declared[name], outputs[name]} {
				if d != nil {
					where := x.where
					where.part = "output \"" + name + "\""
					c.declared(where, d, &v.typ)
				}
			}
			s.values[name] = v
		}
	}
	c.outputs(g, s, in)
	c.unused(g, s, in)
	return s
}

// inputs puts the initializers and inputs of g into s.
func (c *checker) inputs(g *wire.Graph, s *scope, in string) {
	initializer := func(t *wire.Tensor, where place) *value {
		switch {
		case t.Name == "":
			c.error(where, "it has no name")
			return nil
		case s.values[t.Name] != nil:
			c.error(where, "there are two initializers of that name")
			return nil
		}
		v := &value{where: where, node: -1}
		s.values[t.Name] = v
		return v
	}
	for i, t := range g.Initializers {
		where := place{in: in, kind: "initializer", index: i, name: t.Name}
		c.tensor(where, t)
		if v := initializer(t, where); v != nil {
			v.typ = typ{elem: t.Type, shape: numbers(t.Dims), stored: t}
			v.content = content(t)
		}
	}
	for i, t := range g.Sparse {
		if v := initializer(t, place{in: in, kind: "sparse initializer", index: i, name: t.Name}); v != nil {
			v.elem = t.Type
		}
	}
	inputs := make(map[string]bool, len(g.Inputs))
	for i, p := range g.Inputs {
		where := place{in: in, kind: "input", index: i, name: p.Name}
		c.valueInfo(where, p)
		switch {
		case p.Name == "":
			c.error(where, "it has no name")
			continue
		case inputs[p.Name]:
			c.error(where, "there are two inputs of that name")
			continue
		}
		inputs[p.Name] = true
		t := typeOf(p.Type)
		if v := s.values[p.Name]; v != nil { // its default
			def := v.typ
			def.content, def.stored = nil, nil
			c.declared(where, p, &def)
			t.content, t.stored, v.typ, v.where, v.used = nil, nil, t, where, true
			if c.model.IRVersion < 4 { // all initializers are inputs, and nobody overrides them
				i := slices.IndexFunc(g.Initializers, func(t *wire.Tensor) bool { return t.Name == p.Name })
				if i >= 0 {
					v.typ = typ{elem: t.elem, shape: t.shape, content: content(g.Initializers[i]), stored: g.Initializers[i]}
				}
			}
			continue
		}
		if s.outer.find(p.Name) != nil {
			c.error(where, "it has the name of a value of a graph around it")
		}
		s.values[p.Name] = &value{typ: t, where: where, node: -1, used: true}
	}
	if c.model.IRVersion >= 1 && c.model.IRVersion < 4 && s.outer == nil {
		for i, t := range g.Initializers {
			if !inputs[t.Name] {
				c.error(place{kind: "initializer", index: i, name: t.Name}, "ir_version %d wants each initializer to be an input too", c.model.IRVersion)
			}
		}
	}
}

// definitions finds what the nodes of g define, each name once.
func (c *checker) definitions(g *wire.Graph, s *scope, in string) map[string]*value {
	later := make(map[string]*value, len(g.Nodes))
	for i, n := range g.Nodes {
		for k, name := range n.Outputs {
			if name == "" {
				continue
			}
			where := nodePlace(in, i, n)
			old := s.values[name]
			if old == nil {
				old = later[name]
			}
			if old != nil {
				c.error(where, "output %d %q is defined before, by %s", k, name, old.where)
				old.ambiguous, old.typ = true, typ{}
				continue
			}
			if s.outer.find(name) != nil {
				c.error(where, "output %d %q has the name of a value of a graph around it", k, name)
			}
			later[name] = &value{where: where, node: i}
		}
	}
	return later
}

func (c *checker) outputs(g *wire.Graph, s *scope, in string) {
	if len(g.Outputs) == 0 {
		c.error(place{in: in, kind: "graph", index: -1}, "it has no outputs")
	}
	seen := map[string]bool{}
	for i, p := range g.Outputs {
		where := place{in: in, kind: "output", index: i, name: p.Name}
		c.valueInfo(where, p)
		if seen[p.Name] {
			c.error(where, "there are two outputs of that name")
			continue
		}
		seen[p.Name] = true
		v := s.find(p.Name)
		if v == nil {
			c.error(where, "no node, input or initializer gives it")
			continue
		}
		v.used = true
		if v.node < 0 && s.values[p.Name] != nil { // nodes' results were compared where they are made
			t := v.typ
			c.declared(where, p, &t)
		}
	}
}

func (c *checker) unused(g *wire.Graph, s *scope, in string) {
	for _, t := range g.Initializers {
		if v := s.values[t.Name]; v != nil && !v.used {
			v.used = true
			c.report.add(Warning, v.where, "nothing reads it")
		}
	}
	for i, n := range g.Nodes {
		read := slices.ContainsFunc(n.Outputs, func(name string) bool { return s.values[name] != nil && s.values[name].used })
		if !read && len(n.Outputs) > 0 {
			c.report.add(Warning, nodePlace(in, i, n), "nothing reads its outputs")
		}
	}
}

// valueInfo looks at what a file declares of a value, by itself.
func (c *checker) valueInfo(where place, v *wire.ValueInfo) {
	if v.Type == nil {
		return
	}
	if v.Type.Elem <= wire.Undefined || v.Type.Elem > lastElem {
		c.error(where, "its element type is %d, which is none", v.Type.Elem)
	}
	for i, d := range v.Type.Shape {
		if d.Unknown && d.Value < 0 {
			c.error(where, "axis %d is declared %d; a size is 0 or more, and an unknown one is left out or has a name", i, d.Value)
		}
	}
	if t := typeOf(v.Type); t.huge() {
		c.error(where, "is declared %v: %s", t, tooLarge)
	}
}

// subgraphs checks the graphs in the attributes of a node, but for those that its rule has looked at.
func (x *nodeContext) subgraphs() {
	for _, a := range x.node.Attributes {
		switch v := a.Value.(type) {
		case *wire.Graph:
			x.subgraph(v, a.Name, nil)
		case []*wire.Graph:
			for i, g := range v {
				x.subgraph(g, fmt.Sprintf("%s %d", a.Name, i), nil)
			}
		}
	}
}

// subgraph checks the graph g in the attribute called name, once, and returns what is known of its outputs. The node gives its inputs
// the types given, as far as they are known.
func (x *nodeContext) subgraph(g *wire.Graph, name string, given []typ) []typ {
	if out, ok := x.bodies[g]; ok {
		return out
	}
	where := x.where.String() + ", " + name + ": "
	for i, p := range g.Inputs {
		if i < len(given) && p.Type != nil {
			t := given[i]
			x.c.declared(place{in: where, kind: "input", index: i, name: p.Name}, p, &t)
		}
	}
	s := x.c.graph(g, x.scope, where)
	out := make([]typ, len(g.Outputs))
	for i, p := range g.Outputs {
		if v := s.find(p.Name); v != nil {
			out[i] = v.typ
			out[i].content, out[i].stored = nil, nil
		}
	}
	if x.bodies == nil {
		x.bodies = map[*wire.Graph][]typ{}
	}
	x.bodies[g] = out
	return out
}
