package check

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
)

// schemasText has the operators of ai.onnx. A line is
//
//	Conv 11 | X:T W:T B?:T | Y:T | auto_pad:s strides:[i] | T=f16 f32 f64
//
// the name and the opset since which it is so; inputs and outputs with their types, ? for optional, + for one or more of
// one type, * for one or more of any types, 0 behind it for none or more; attributes with their kinds, ! for required; and
// the type variables. @3 stands for a list of types at the top. testdata/schemas.py makes it.
//
//go:embed schemas.txt
var schemasText string

// The opsets of ai.onnx whose operators schemasText has.
const (
	minOpset = 13
	maxOpset = 28
)

// A schema is one version of an operator.
type schema struct {
	name       string
	since      int
	deprecated bool
	inputs     []port
	outputs    []port
	attributes []attribute
}

// A port is an input or output; the last one may be variadic.
type port struct {
	name     string
	variable string   // T; "" if the type is fixed
	types    []string // allowed
	optional bool
	variadic bool
	mixed    bool // of a variadic: types may differ
	none     bool // of a variadic: there may be none
}

type attribute struct {
	name, kind string // kinds are i f s t g type sparse, in brackets for lists
	required   bool
}

// values are the texts that the specification allows for an attribute. They are not in the definitions that schemasText is
// made from; an operator's name before the attribute's, where it is its own.
var values = map[string][]string{
	"auto_pad":                              {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"},
	"Pad.mode":                              {"constant", "reflect", "edge", "wrap"},
	"Resize.mode":                           {"nearest", "linear", "cubic"},
	"Resize.nearest_mode":                   {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"},
	"Resize.coordinate_transformation_mode": {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize"},
	"Resize.keep_aspect_ratio_policy":       {"stretch", "not_larger", "not_smaller"},
	"ScatterElements.reduction":             {"none", "add", "mul", "max", "min"},
	"ScatterND.reduction":                   {"none", "add", "mul", "max", "min"},
	"Gelu.approximate":                      {"none", "tanh"},
	"DepthToSpace.mode":                     {"DCR", "CRD"},
	"BitShift.direction":                    {"LEFT", "RIGHT"},
}

// flags are attributes that are 0 or 1.
var flags = []string{"keepdims", "transA", "transB", "ceil_mode", "count_include_pad", "allowzero", "select_last_index",
	"noop_with_empty_axes", "training_mode", "exclude_outside", "exclusive", "reverse", "upper"}

// schemaTable is schemasText by name, its lines as they stand: most files need few of them.
var schemaTable = sync.OnceValues(func() (lines, lists map[string][]string) { return parseTable(schemasText) })

func parseTable(text string) (lines, lists map[string][]string) {
	lines, lists = map[string][]string{}, map[string][]string{}
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.HasPrefix(name, "@") {
			lists[name] = strings.Fields(rest)
		} else {
			lines[name] = append(lines[name], rest)
		}
	}
	return lines, lists
}

type opsetOp struct {
	name  string
	opset int
}

var schemaCache sync.Map // opsetOp to *schema

// findSchema is the operator called name at opset. If there is none, first is the opset that it came with, 0 if it never came.
func findSchema(name string, opset int) (s *schema, first int) {
	if s, ok := schemaCache.Load(opsetOp{name, opset}); ok {
		return s.(*schema), 0
	}
	lines, lists := schemaTable()
	best, line := 0, ""
	for _, l := range lines[name] {
		n, rest, _ := strings.Cut(l, " ")
		since, _ := strconv.Atoi(n)
		if first == 0 || since < first {
			first = since
		}
		if since <= opset && since > best {
			best, line = since, rest
		}
	}
	if best == 0 {
		return nil, first
	}
	s = parseSchema(name, best, line, lists)
	schemaCache.Store(opsetOp{name, opset}, s)
	return s, 0
}

func parseSchema(name string, since int, line string, lists map[string][]string) *schema {
	s := &schema{name: name, since: since}
	parts := strings.Split(line, "|")
	if len(parts) < 5 {
		s.deprecated = true
		return s
	}
	types := map[string][]string{}
	for t := range strings.SplitSeq(parts[4], ";") {
		v, list, _ := strings.Cut(strings.TrimSpace(t), "=")
		if types[v] = lists[list]; types[v] == nil {
			types[v] = strings.Fields(list)
		}
	}
	ports := func(text string) (out []port) {
		for _, f := range strings.Fields(text) {
			name, typ, _ := strings.Cut(f, ":")
			p := port{name: name}
			if i := strings.IndexAny(name, "?*+"); i > 0 {
				mark := name[i:]
				p.name, p.optional, p.mixed, p.none = name[:i], mark == "?", mark[0] == '*', strings.HasSuffix(mark, "0")
				p.variadic = !p.optional
			}
			if list, ok := types[typ]; ok {
				p.variable, p.types = typ, list
			} else {
				p.types = []string{typ}
			}
			out = append(out, p)
		}
		return out
	}
	s.inputs, s.outputs = ports(parts[1]), ports(parts[2])
	for _, f := range strings.Fields(parts[3]) {
		name, kind, _ := strings.Cut(f, ":")
		s.attributes = append(s.attributes, attribute{strings.TrimSuffix(name, "!"), kind, strings.HasSuffix(name, "!")})
	}
	return s
}

// arity is the least and largest number of ports that a node may list; -1 is any number.
func arity(ports []port) (least, most int) {
	for i, p := range ports {
		switch {
		case p.variadic:
			if !p.none {
				least = i + 1
			}
			return least, -1
		case !p.optional:
			least = i + 1
		}
	}
	return least, len(ports)
}

// at is the port of the i-th name that a node lists.
func at(ports []port, i int) port { return ports[min(i, len(ports)-1)] }

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// kindOf is the kind of an attribute's value, "" if it was not decoded.
func kindOf(v any) string {
	switch v.(type) {
	case float32:
		return "f"
	case int64:
		return "i"
	case string:
		return "s"
	case *wire.Tensor:
		return "t"
	case *wire.Graph:
		return "g"
	case []float32:
		return "[f]"
	case []int64:
		return "[i]"
	case []string:
		return "[s]"
	case []*wire.Tensor:
		return "[t]"
	case []*wire.Graph:
		return "[g]"
	}
	return ""
}

var kindNames = map[string]string{"f": "a float", "i": "an integer", "s": "a string", "t": "a tensor", "g": "a graph", "type": "a type",
	"sparse": "a sparse tensor", "[f]": "floats", "[i]": "integers", "[s]": "strings", "[t]": "tensors", "[g]": "graphs"}

// conform holds a node to the schema of its operator, types apart. It reports whether shapes can be inferred.
func (x *nodeContext) conform() bool {
	s, n := x.schema, x.node
	before := x.c.report.errors
	x.arity("input", len(n.Inputs), s.inputs)
	x.arity("output", len(n.Outputs), s.outputs)
	for i, in := range n.Inputs {
		if in == "" && i < len(s.inputs) && !s.inputs[i].optional {
			x.fail("input %d (%s) is left out, and is not optional", i, s.inputs[i].name)
		}
	}
	for k, a := range n.Attributes {
		if slices.ContainsFunc(n.Attributes[:k], func(o *wire.Attribute) bool { return o.Name == a.Name }) {
			x.fail("attribute %q is given twice", a.Name)
			continue
		}
		i := slices.IndexFunc(s.attributes, func(want attribute) bool { return want.name == a.Name })
		if i < 0 {
			x.fail("there is no attribute %q at opset %d", a.Name, x.c.opset)
			continue
		}
		want, got := s.attributes[i].kind, kindOf(a.Value)
		switch {
		case got == want:
			x.value(a)
		case got == "" && (want == "type" || strings.Contains(want, "sparse")): // not decoded
		case got == "":
			x.fail("attribute %q has no value; want %s", a.Name, kindNames[want])
		default:
			x.fail("attribute %q is %s; want %s", a.Name, kindNames[got], kindNames[want])
		}
	}
	for _, a := range s.attributes {
		if a.required && !slices.ContainsFunc(n.Attributes, func(o *wire.Attribute) bool { return o.Name == a.name }) {
			x.fail("attribute %q is missing", a.name)
		}
	}
	return x.c.report.errors == before
}

func (x *nodeContext) arity(what string, n int, ports []port) {
	least, most := arity(ports)
	switch {
	case n < least:
		x.fail("has %s; want at least %d", count(n, what), least)
	case most >= 0 && n > most:
		x.fail("has %s; want at most %d", count(n, what), most)
	}
}

// value holds an attribute to the values that the specification allows.
func (x *nodeContext) value(a *wire.Attribute) {
	switch v := a.Value.(type) {
	case string:
		allowed := values[x.node.OpType+"."+a.Name]
		if allowed == nil {
			allowed = values[a.Name]
		}
		if allowed != nil && !slices.Contains(allowed, v) {
			x.fail("attribute %q is %q; want one of %s", a.Name, v, strings.Join(allowed, ", "))
		}
	case int64:
		if slices.Contains(flags, a.Name) && v != 0 && v != 1 {
			x.fail("attribute %q is %d; want 0 or 1", a.Name, v)
		}
	case *wire.Tensor:
		where := x.where
		where.part = fmt.Sprintf("attribute %q", a.Name)
		x.c.tensor(where, v)
	}
}

// types holds the element types of inputs to the schema, and gives those of outputs that follow from it.
func (x *nodeContext) types() {
	type binding struct {
		variable string
		elem     wire.DataType
		by       string // the input
	}
	var bound []binding
	find := func(variable string) *binding {
		for i := range bound {
			if bound[i].variable == variable {
				return &bound[i]
			}
		}
		return nil
	}
	for i, in := range x.in {
		if in == nil || in.elem == wire.Undefined || len(x.schema.inputs) == 0 {
			continue
		}
		p := at(x.schema.inputs, i)
		if !slices.Contains(p.types, in.elem.String()) {
			x.fail("input %d (%s) %q is %v; want one of %s", i, p.name, x.node.Inputs[i], in.elem, strings.Join(p.types, ", "))
			continue
		}
		if p.variable == "" || p.mixed {
			continue
		}
		if b := find(p.variable); b == nil {
			bound = append(bound, binding{p.variable, in.elem, x.node.Inputs[i]})
		} else if b.elem != in.elem {
			x.fail("input %d (%s) %q is %v, and %q is %v; they must be of one type", i, p.name, x.node.Inputs[i], in.elem, b.by, b.elem)
		}
	}
	for i := range x.out {
		p := at(x.schema.outputs, i)
		if b := find(p.variable); b != nil && !p.mixed {
			x.out[i].elem = b.elem
		} else if len(p.types) == 1 {
			x.out[i].elem = elems[p.types[0]]
		}
	}
}

// elems are the element types by their names.
var elems = func() map[string]wire.DataType {
	m := map[string]wire.DataType{}
	for t := wire.Float; t <= lastElem; t++ {
		m[t.String()] = t
	}
	return m
}()

// lastElem is the element type of the highest number, f6e3m2.
const lastElem wire.DataType = 28

// Takes reports whether input i of the operator of ai.onnx called name may be of type t at the opset, as far as is known.
func Takes(name string, opset, i int, t wire.DataType) bool {
	s, _ := findSchema(name, opset)
	return s == nil || len(s.inputs) == 0 || slices.Contains(at(s.inputs, i).types, t.String())
}

// Gives reports whether output i of the operator of ai.onnx called name may be of type t at the opset, as far as is known.
func Gives(name string, opset, i int, t wire.DataType) bool {
	s, _ := findSchema(name, opset)
	return s == nil || len(s.outputs) == 0 || slices.Contains(at(s.outputs, i).types, t.String())
}
