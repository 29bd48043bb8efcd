package graph

import (
	"reflect"
	"strconv"
	"strings"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// A Form says that an op is one node of an ONNX file, as data that is used both ways, by the exporter and by the reader of files: its
// arguments are the operator's inputs in order and its results the outputs, its fields are attributes or inputs that are known when
// the file is written, and its bodies are attributes.
type Form struct {
	Operator     string // of ai.onnx
	Since, Until int    // the opsets at which it holds, the first and the last; 0 is any
	DTypes       DTypes // of the first result; 0 is any
	Rank         int    // the least of the first result
	Args         int    // how many of the first arguments the operator needs, where the op needs fewer
	First        int    // which of the operator's inputs is the first argument: those before it are fields
	Fields       []Field
	Bodies       []string // the attributes that are the node's bodies; what they take from outside is no input
}

// A Field says that an attribute of an ONNX operator, or an input of it that is constant, is a field of an op: an int, []int, float64,
// string or bool, or an array of ints. A DType is ONNX's number for it. A list without elements is left out. A [Shape] is an input that
// the file computes, if it is symbolic, and a [Dim] is one that is a scalar, or a vector of one.
type Field struct {
	Attribute string // or
	Input     int    // which of the operator's inputs: i64 of ints, the first result's dtype of floats
	Vector    bool   // the input is a vector of one number, not a scalar
	Tensor    bool   // the attribute is a tensor of one number, of the first result's dtype
	Name      string // of the field; one of a field that is a struct or a list is behind a dot, as in Type.Shape; lists are joined by +; or
	Value     any    // what the attribute or input always is
	// Default is what the operator takes where the attribute or input is left out; nil is 0, or no elements. An input that is that,
	// and an attribute that always is, are left out.
	Default any
	// Times is how often the field stands in an attribute that is a list; a field that is zero is left out.
	Times func(n *Node) int
}

// Of is the field of op, a struct, that f names; of a list that ends before it, the zero Value. Lists that are joined are a new one.
func (f Field) Of(op reflect.Value) reflect.Value {
	if strings.Contains(f.Name, "+") {
		var all []int
		for name := range strings.SplitSeq(f.Name, "+") {
			all = append(all, op.FieldByName(name).Interface().([]int)...)
		}
		return reflect.ValueOf(all)
	}
	for name := range strings.SplitSeq(f.Name, ".") {
		if i, err := strconv.Atoi(name); err != nil {
			op = op.FieldByName(name)
		} else if i < op.Len() {
			op = op.Index(i)
		} else {
			return reflect.Value{}
		}
	}
	return op
}

// A Mapped op has an ONNX form.
type Mapped interface {
	// Forms are the op's forms. The first that holds is the one.
	Forms() []Form
}

// Form is the form of n at an opset, nil if it has none there.
func (n *Node) Form(opset int) *Form {
	o, ok := n.Op.(Mapped)
	if !ok {
		return nil
	}
	args := 0 // so many of the first are there
	for args < len(n.Args) && n.Args[args] != nil {
		args++
	}
	y := n.Results[0]
	for _, f := range o.Forms() {
		if opset >= f.Since && (f.Until == 0 || opset <= f.Until) && args >= f.Args && y.Rank() >= f.Rank && (f.DTypes == 0 || f.DTypes.Has(y.DType())) {
			return &f
		}
	}
	return nil
}

// form is the only form of an op.
func form(operator string, fields ...Field) []Form {
	return []Form{{Operator: operator, Fields: fields}}
}

// Since is the first opset of ai.onnx that op can be written at: 0, any, but of an op whose forms are all younger, and which neither is
// made of smaller ops nor writes its nodes itself.
func Since(op Op) int {
	m, ok := op.(Mapped)
	_, made := op.(Composite)
	_, writes := op.(Emittable)
	if !ok || made || writes {
		return 0
	}
	forms := m.Forms()
	since := forms[0].Since
	for _, f := range forms {
		since = min(since, f.Since)
	}
	return since
}

// An Emittable op writes its ONNX nodes itself: for an op whose form is neither a node nor made of smaller ops.
type Emittable interface {
	// Emit adds the nodes that compute n's results from the inputs named in, and returns the results' names. The name of an absent
	// argument is "".
	Emit(e Emitter, n *Node, in []string) []string
}

// An Emitter builds an ONNX graph. It is what an op sees of the exporter.
type Emitter interface {
	// Opset is the ai.onnx version of the file.
	Opset() int
	// Node adds a node with one output and returns that output's name. An input may be "" for an absent optional one.
	Node(opType string, in []string, attrs ...Attr) string
	// Nodes adds a node with n outputs and returns their names.
	Nodes(opType string, n int, in []string, attrs ...Attr) []string
	// Const returns the name of an initializer with t's contents; equal contents share one.
	Const(t *tensor.Tensor) string
	// Shape returns the name of a rank-1 i64 tensor with the dimensions s: an initializer if s is static, else computed
	// at run time from the model's inputs.
	Shape(s Shape) string
	// Body is body as the value of an attribute. Its last inputs are the values of the graph around it named in captured; the others
	// are inputs of the graph.
	Body(body *Func, captured []string) any
	// Fail records that y has no ONNX form in this configuration, and why. The name it returns may be used like any other.
	Fail(y *Value, format string, args ...any) string
}

// An Attr is an ONNX attribute: the value is an int, []int, float64, []float64, string, *tensor.Tensor, or what [Emitter.Body] returns.
type Attr struct {
	Name  string
	Value any
}

// ONNXType is the number of dtype t in ONNX's TensorProto.DataType, as Cast's "to" attribute wants it.
func ONNXType(t DType) int {
	return t.ONNX()
}
