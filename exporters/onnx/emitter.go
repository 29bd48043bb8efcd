package onnx

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// An emitter is the graph.Emitter that ops write their nodes to.
type emitter struct {
	opset     int
	positions bool
	f         *graph.Func
	late      graph.Late // of f
	diags     graph.Diags

	nodes  []*wire.Node
	consts []*wire.Tensor
	byKey  map[[sha256.Size]byte]string // contents of a constant to its name

	names  []string          // of values, by ID
	taken  map[string]string // every name in the file, and what has it
	made   map[string]bool   // results of nodes
	rename map[string]string // results of nodes that are outputs of the model
	used   map[string]bool   // names that outputs need, once finished
	shapes map[string]graph.Shape

	pending map[string]graph.Shape // shape tensors asked for and not yet needed
	dims    map[string]string      // dimensions already computed, by their text

	cur       *graph.Value   // being written
	nodeNames map[string]int // of each name that is taken, the last number that was added to it
}

func newEmitter(f *graph.Func, o Options) *emitter {
	e := &emitter{
		opset: o.Opset, positions: !o.NoPositions, f: f, late: f.Late(),
		byKey: map[[sha256.Size]byte]string{},
		names: make([]string, len(f.Values)), taken: map[string]string{},
		made: map[string]bool{}, rename: map[string]string{}, shapes: map[string]graph.Shape{},
		pending: map[string]graph.Shape{}, dims: map[string]string{}, nodeNames: map[string]int{},
	}
	for _, in := range f.Inputs { // a size may be read by what stands before it
		e.names[in.ID] = in.Name
	}
	return e
}

// reserve claims name for what, or says who has it.
func (e *emitter) reserve(name, what string) (other string, ok bool) {
	if other, taken := e.taken[name]; taken {
		return other, false
	}
	e.taken[name] = what
	return "", true
}

// unique claims name, or name with a number added.
func (e *emitter) unique(name string) string {
	for i, try := 1, name; ; i++ {
		if _, ok := e.reserve(try, "an intermediate value"); ok {
			return try
		}
		try = fmt.Sprintf("%s.%d", name, i)
	}
}

// node writes the nodes of n.
func (e *emitter) node(n *graph.Node) {
	e.cur = n.Results[0]
	in := make([]string, len(n.Args))
	for i, a := range n.Args {
		if a != nil {
			in[i] = e.names[a.ID]
		}
	}
	names := e.write(n, in)
	if len(names) != len(n.Results) {
		names = slices.Repeat([]string{e.Fail(e.cur, "its Emit method returned %d names for %d results", len(names), len(n.Results))}, len(n.Results))
	}
	for i, v := range n.Results {
		name := e.resolve(names[i])
		if _, ok := e.taken[name]; !ok {
			e.Fail(v, "its Emit method returned %q, which is no name in the graph", name)
		}
		e.names[v.ID] = name
		e.shapes[name] = v.Shape()
	}
}

// write adds n by its form, or lets the op write it; a panic in that is the op's failure, not ours.
func (e *emitter) write(n *graph.Node, in []string) (names []string) {
	defer func() {
		if r := recover(); r != nil {
			names = slices.Repeat([]string{e.Fail(e.cur, "panic in its Emit method: %v", r)}, len(n.Results))
		}
	}()
	if form := n.Form(e.opset); form != nil {
		if refused := refuses(n, e.opset); refused != 0 {
			return slices.Repeat([]string{e.Fail(e.cur, "ONNX's %s takes no %v at opset %d: cast it first", form.Operator, refused, e.opset)}, len(n.Results))
		}
		return e.form(form, n, in)
	}
	if o, ok := n.Op.(graph.Emittable); ok {
		return o.Emit(e, n, in)
	}
	if since := graph.Since(n.Op); since > e.opset {
		return slices.Repeat([]string{e.Fail(e.cur, "it is an ONNX operator from opset %d on, and this is opset %d", since, e.opset)}, len(n.Results))
	}
	return slices.Repeat([]string{e.Fail(e.cur, "it is no ONNX operator, is not made of smaller ops, and writes no nodes itself")}, len(n.Results))
}

// output gives v the name of an output: the result of a node takes the name; anything else is copied to it.
func (e *emitter) output(name string, v *graph.Value) {
	from := e.names[v.ID]
	if e.made[from] && e.rename[from] == "" {
		e.rename[from] = name
		return
	}
	e.cur = v
	e.rename[e.Node("Identity", []string{from})] = name
}

// finish puts nodes and constants into g under their final names, without those that no output needs.
func (e *emitter) finish(g *wire.Graph) {
	e.used = map[string]bool{}
	g.Nodes = e.live(e.nodes, g.Outputs, e.used)
	for _, t := range e.consts {
		if e.used[t.Name] {
			g.Initializers = append(g.Initializers, t)
		}
	}
}

// live are the nodes that outputs need, under their final names. needed gets the names that are read, in the graphs inside nodes too.
func (e *emitter) live(nodes []*wire.Node, outputs []*wire.ValueInfo, needed map[string]bool) []*wire.Node {
	final := func(list []string) {
		for i, s := range list {
			if to, ok := e.rename[s]; ok {
				list[i] = to
			}
		}
	}
	for _, o := range outputs {
		needed[o.Name] = true
	}
	var out []*wire.Node
	for _, n := range slices.Backward(nodes) {
		final(n.Inputs)
		final(n.Outputs)
		if !slices.ContainsFunc(n.Outputs, func(s string) bool { return needed[s] }) {
			continue
		}
		out = append(out, n)
		for _, s := range n.Inputs {
			needed[s] = true
		}
		for _, a := range n.Attributes {
			if g, ok := a.Value.(*wire.Graph); ok {
				g.Nodes = e.live(g.Nodes, g.Outputs, needed)
			}
		}
	}
	slices.Reverse(out)
	return out
}

// Opset is the ai.onnx version of the file.
func (e *emitter) Opset() int { return e.opset }

// Node adds a node with one output.
func (e *emitter) Node(opType string, in []string, attrs ...graph.Attr) string {
	return e.Nodes(opType, 1, in, attrs...)[0]
}

// Nodes adds a node with n outputs.
func (e *emitter) Nodes(opType string, n int, in []string, attrs ...graph.Attr) []string {
	if opType == "Reshape" && len(in) == 2 {
		in, attrs = e.reshape(in, attrs)
	}
	node := &wire.Node{OpType: opType, Inputs: make([]string, len(in))}
	for i, s := range in {
		s = e.resolve(s) // may itself add nodes, which must stand before this one
		if _, ok := e.taken[s]; !ok && s != "" {
			e.Fail(e.cur, "input %d of its %s node is %q, which is no name in the graph", i, opType, s)
		}
		node.Inputs[i] = s
	}
	node.Name = e.nodeName(opType)
	if e.positions && e.cur.Pos.File != "" {
		node.Doc = e.cur.Pos.Base()
	}
	for _, a := range attrs {
		v, err := attrValue(a.Value)
		if err != nil {
			e.Fail(e.cur, "attribute %q of its %s node: %v", a.Name, opType, err)
			continue
		}
		node.Attributes = append(node.Attributes, &wire.Attribute{Name: a.Name, Value: v})
	}
	for i := range n {
		name := node.Name
		if n > 1 {
			name = fmt.Sprintf("%s.out%d", name, i)
		}
		name = e.unique(name)
		e.made[name] = true
		node.Outputs = append(node.Outputs, name)
	}
	e.nodes = append(e.nodes, node)
	return node.Outputs
}

// nodeName is the layer's path, the operator and the value's number: dec.up.0.Conv_12, and dec.up.0.Mul_12_2 for the
// second node of that name. No two nodes have one name: onnxruntime refuses that.
func (e *emitter) nodeName(opType string) string {
	scope := e.cur.Scope
	if scope != "" {
		scope += "."
	}
	base := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("._-/", r):
			return r
		}
		return '_'
	}, scope+opType+"_"+strconv.Itoa(e.cur.ID))
	name := base
	for e.nodeNames[name] > 0 {
		e.nodeNames[base]++
		name = base + "_" + strconv.Itoa(e.nodeNames[base])
	}
	e.nodeNames[name] = 1
	return name
}

func attrValue(v any) (any, error) {
	switch v := v.(type) {
	case int:
		return int64(v), nil
	case []int:
		return ints(v), nil
	case float64:
		return float32(v), nil
	case []float64:
		out := make([]float32, len(v))
		for i, x := range v {
			out[i] = float32(x)
		}
		return out, nil
	case string:
		return v, nil
	case *tensor.Tensor:
		return wireTensor("", v), nil
	case *wire.Graph: // of Body
		return v, nil
	}
	return nil, fmt.Errorf("a %T is no attribute; use int, []int, float64, []float64, string, *tensor.Tensor or what Body returns", v)
}

func ints(v []int) []int64 {
	out := make([]int64, len(v))
	for i, x := range v {
		out[i] = int64(x)
	}
	return out
}

// Const returns the name of an initializer with t's contents; equal contents share one.
func (e *emitter) Const(t *tensor.Tensor) string {
	h := sha256.New()
	fmt.Fprintln(h, t)
	w := wireTensor("", t)
	t.Encode(h) // a hash takes every write
	key := [sha256.Size]byte(h.Sum(nil))
	name, ok := e.byKey[key]
	if !ok {
		name = e.unique(fmt.Sprintf("const_%d", len(e.byKey)))
		w.Name = name
		e.byKey[key] = name
		e.consts = append(e.consts, w)
	}
	return name
}

// Fail records that y has no ONNX form.
func (e *emitter) Fail(y *graph.Value, format string, args ...any) string {
	e.diags = append(e.diags, &graph.Diag{Pos: y.Pos, Scope: y.Scope, Args: y.Args,
		Msg: fmt.Sprintf("%s: no ONNX form at opset %d: %s", graph.OpName(y.Op), e.opset, fmt.Sprintf(format, args...))})
	return e.unique("failed")
}
