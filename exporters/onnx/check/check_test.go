package check_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/check"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/onnxtest"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/runtime"
)

// exported is the files of the models' functions by name.
func exported(t testing.TB) map[string][]byte {
	t.Helper()
	progs, err := onnxtest.Programs()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, p := range progs {
		state, err := runtime.NewState(p, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range p.Funcs() {
			var b bytes.Buffer
			if _, err := onnx.Export(&b, f, state, onnx.Options{}); err != nil {
				t.Fatal(err)
			}
			files[f.Name] = b.Bytes()
		}
	}
	return files
}

func decode(t testing.TB, data []byte) *wire.Model {
	t.Helper()
	m, err := wire.DecodeDamaged(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// findings are what is found in a file.
func findings(t testing.TB, data []byte) string {
	t.Helper()
	var lines []string
	for _, f := range check.Model(decode(t, data), check.Options{}).Findings {
		lines = append(lines, f.String())
	}
	return strings.Join(lines, "\n")
}

// node is the first node of an operator.
func node(m *wire.Model, op string) *wire.Node {
	return m.Graph.Nodes[slices.IndexFunc(m.Graph.Nodes, func(n *wire.Node) bool { return n.OpType == op })]
}

func initializer(m *wire.Model, name string) *wire.Tensor {
	return m.Graph.Initializers[slices.IndexFunc(m.Graph.Initializers, func(t *wire.Tensor) bool { return t.Name == name })]
}

// with is n with an attribute set, or taken away if value is nil.
func with(n *wire.Node, name string, value any) {
	n.Attributes = slices.DeleteFunc(n.Attributes, func(a *wire.Attribute) bool { return a.Name == name })
	if value != nil {
		n.Attributes = append(n.Attributes, &wire.Attribute{Name: name, Value: value})
	}
}

func list(name string, values ...int64) *wire.Tensor {
	return &wire.Tensor{Name: name, Type: wire.Int64, Dims: []int64{int64(len(values))}, Data: values}
}

func replace(list []*wire.Tensor, t *wire.Tensor) {
	list[slices.IndexFunc(list, func(o *wire.Tensor) bool { return o.Name == t.Name })] = t
}

// branch adds an If to a model, whose branches negate a value.
func branch(m *wire.Model, reads, makes, name string) {
	graph := func(reads, makes, name string) *wire.Graph {
		return &wire.Graph{Name: name, Nodes: []*wire.Node{{Name: "a", OpType: "Neg", Inputs: []string{reads}, Outputs: []string{makes}}},
			Outputs: []*wire.ValueInfo{{Name: makes}}}
	}
	m.Graph.Inputs = append(m.Graph.Inputs, &wire.ValueInfo{Name: "condition", Type: &wire.TensorType{Elem: wire.Bool, Shape: []wire.Dim{}}})
	m.Graph.Nodes = append(m.Graph.Nodes, &wire.Node{OpType: "If", Inputs: []string{"condition"}, Outputs: []string{"chosen"}, Attributes: []*wire.Attribute{
		{Name: "then_branch", Value: graph(reads, makes, name)}, {Name: "else_branch", Value: graph("x", "otherwise", "else")}}})
	m.Graph.Outputs = append(m.Graph.Outputs, &wire.ValueInfo{Name: "chosen"})
}

// body is the graph of the branch that is taken.
func body(m *wire.Model) *wire.Graph { return node(m, "If").Attributes[0].Value.(*wire.Graph) }

// good is a file that this exporter wrote, kept as it is: classify is a convolutional network, types a graph of elementwise
// operators and shapes.
func good(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name+".onnx"))
	if err != nil {
		t.Fatal(err)
	}
	if found := findings(t, data); found != "" {
		t.Errorf("%s: %s", name, found)
	}
	return data
}

// TestBadFiles breaks a good file in one way, and wants exactly one finding.
func TestBadFiles(t *testing.T) {
	files := map[string][]byte{"classify": good(t, "classify"), "types": good(t, "types")}
	for _, c := range []struct {
		name, file string
		edit       func(m *wire.Model)
		want       string
	}{
		// Order and names.
		{"order", "classify", func(m *wire.Model) { n := m.Graph.Nodes; n[1], n[2] = n[2], n[1] },
			`error: node 1 "LeakyRelu_8" (LeakyRelu): input 0 "enc.1.BatchNormalization_7" is made only later, by node 2 "enc.1.BatchNormalization_7" (BatchNormalization)`},
		{"a node of its own output", "types", func(m *wire.Model) { m.Graph.Nodes[5].Inputs[0] = "Reshape_9" },
			`error: node 5 "Reshape_9" (Reshape): input 0 "Reshape_9" is its own output`},
		{"an undefined name", "types", func(m *wire.Model) { m.Graph.Nodes[0].Inputs[1] = "scales" },
			`error: node 0 "Mul_4" (Mul): input 1 "scales": nothing has that name`},
		{"a name defined twice", "types", func(m *wire.Model) {
			m.Graph.Nodes[2].Outputs[0], m.Graph.Outputs = "scaled", slices.Delete(m.Graph.Outputs, 2, 3)
		}, `error: node 2 "Add_6" (Add): output 0 "scaled" is defined before, by node 0 "Mul_4" (Mul)`},
		{"a node with the name of an initializer", "classify", func(m *wire.Model) {
			n := m.Graph.Nodes
			n[9].Outputs[0] = "class.bias"
			n[10].Inputs[0] = "class.bias"
		},
			`error: node 9 "class.MatMul_19" (MatMul): output 0 "class.bias" is defined before, by initializer 9 "class.bias"`},
		{"a node with the name of an input", "types", func(m *wire.Model) { m.Graph.Nodes[5].Outputs[0] = "n"; m.Graph.Nodes[10].Inputs[0] = "n" },
			`error: node 5 "Reshape_9" (Reshape): output 0 "n" is defined before, by input 3 "n"`},
		{"two initializers of a name", "classify", func(m *wire.Model) { m.Graph.Initializers = append(m.Graph.Initializers, list("const_0", 0, -1)) },
			`error: initializer 11 "const_0": there are two initializers of that name`},
		{"two inputs of a name", "types", func(m *wire.Model) { m.Graph.Inputs = append(m.Graph.Inputs, m.Graph.Inputs[0]) },
			`error: input 4 "x": there are two inputs of that name`},
		{"two outputs of a name", "types", func(m *wire.Model) { m.Graph.Outputs = append(m.Graph.Outputs, m.Graph.Outputs[0]) },
			`error: output 8 "scaled": there are two outputs of that name`},
		{"two nodes of a name", "types", func(m *wire.Model) { m.Graph.Nodes[2].Name = m.Graph.Nodes[0].Name },
			`error: node 2 "Mul_4" (Add): node 0 has the same name; some runtimes refuse that`},
		{"an output that nothing gives", "types", func(m *wire.Model) {
			m.Graph.Outputs[0].Name, m.Graph.Nodes[0].Outputs[0] = "z", "y"
			m.Graph.Outputs[1].Name = "y"
			m.Graph.Nodes[1].Outputs[0] = "mean"
			m.Graph.Nodes = slices.Delete(m.Graph.Nodes, 1, 2)
			m.Graph.Outputs[1].Type = m.Graph.Inputs[0].Type
		},
			`error: output 0 "z": no node, input or initializer gives it`},
		{"an input without a name", "types", func(m *wire.Model) { m.Graph.Inputs = append(m.Graph.Inputs, &wire.ValueInfo{}) },
			`error: input 4 "": it has no name`},
		{"an initializer without a name", "types", func(m *wire.Model) { m.Graph.Initializers = append(m.Graph.Initializers, list("", 1)) },
			`error: initializer 2 "": it has no name`},
		{"no outputs", "classify", func(m *wire.Model) { m.Graph.Nodes, m.Graph.Initializers, m.Graph.Outputs = nil, nil, nil },
			`error: graph: it has no outputs`},
		{"a node without outputs", "types", func(m *wire.Model) {
			m.Graph.Nodes = append(m.Graph.Nodes, &wire.Node{OpType: "Abs", Inputs: []string{"x"}})
		},
			`error: node 13 (Abs): it has no outputs`},
		{"a node without an operator", "types", func(m *wire.Model) { m.Graph.Nodes[0].OpType = "" },
			`error: node 0 "Mul_4": it has no operator`},
		{"a dead node", "types", func(m *wire.Model) {
			m.Graph.Nodes = append(m.Graph.Nodes, &wire.Node{OpType: "Abs", Inputs: []string{"x"}, Outputs: []string{"dead"}})
		},
			`warning: node 13 (Abs): nothing reads its outputs`},
		{"an unused initializer", "types", func(m *wire.Model) { m.Graph.Initializers = append(m.Graph.Initializers, list("unused", 1)) },
			`warning: initializer 2 "unused": nothing reads it`},
		{"a declaration of nothing", "types", func(m *wire.Model) {
			m.Graph.Values = []*wire.ValueInfo{{Name: "nothing", Type: m.Graph.Inputs[0].Type}}
		},
			`warning: value_info 0 "nothing": nothing has that name`},

		// Versions and domains.
		{"no opset", "types", func(m *wire.Model) {
			m.Opsets = nil
			m.Graph.Nodes = nil
			m.Graph.Initializers = nil
			m.Graph.Outputs = []*wire.ValueInfo{m.Graph.Inputs[0]}
		},
			`error: model: no opset is imported; ir_version 8 wants opset_import`},
		{"opset 0", "types", func(m *wire.Model) { m.Opsets[0].Version = 0 },
			`error: model: opset 0 is imported; want 1 or more`},
		{"an opset twice", "types", func(m *wire.Model) { m.Opsets = append(m.Opsets, wire.Opset{Domain: "ai.onnx", Version: 17}) },
			`error: model: opset is imported twice`},
		{"an unknown opset", "types", func(m *wire.Model) { m.Opsets[0].Version = 1000 },
			`unjudged: opset 1000: operators are known from opset 13 to 28`},
		{"IR version 0", "types", func(m *wire.Model) { m.IRVersion = 0 },
			`error: model: ir_version is 0; want 1 or more`},
		{"IR version of the future", "types", func(m *wire.Model) { m.IRVersion = 99 },
			`unjudged: model: ir_version 99 is newer than 14, the newest that this checker knows`},
		{"an IR version older than the opset", "types", func(m *wire.Model) { m.IRVersion = 7 },
			`warning: model: opset 17 came with ir_version 8; the file says 7`},
		{"IR version 3 without initializers as inputs", "types", func(m *wire.Model) {
			m.IRVersion, m.Opsets[0].Version = 3, 13
			m.Graph.Nodes, m.Graph.Outputs = m.Graph.Nodes[12:], m.Graph.Outputs[7:]
			m.Graph.Initializers = m.Graph.Initializers[1:]
		},
			"warning: model: opset 13 came with ir_version 7; the file says 3\nerror: initializer 0 \"const_1\": ir_version 3 wants each initializer to be an input too"},
		{"a domain that is not imported", "types", func(m *wire.Model) { m.Graph.Nodes[4].Domain = "com.example" },
			`error: node 4 "Cast_8" (com.example.Cast): the domain "com.example.opset" is not imported`},
		{"an unknown domain", "types", func(m *wire.Model) {
			m.Graph.Nodes[4].Domain = "com.example"
			m.Opsets = append(m.Opsets, wire.Opset{Domain: "com.example", Version: 1})
		},
			`unjudged: operator com.example.Cast: operators of the domain com.example are not known`},

		// Operators.
		{"an unknown operator", "classify", func(m *wire.Model) { m.Graph.Nodes[9].OpType = "MatMull" },
			`error: node 9 "class.MatMul_19" (MatMull): ai.onnx has no such operator at opset 17`},
		{"an operator of a later opset", "classify", func(m *wire.Model) { n := m.Graph.Nodes[2]; n.OpType, n.Attributes = "Gelu", nil },
			`error: node 2 "LeakyRelu_8" (Gelu): the operator came with opset 20; the file imports 17`},
		{"a removed operator", "classify", func(m *wire.Model) { n := m.Graph.Nodes[2]; n.OpType, n.Attributes = "Upsample", nil },
			`error: node 2 "LeakyRelu_8" (Upsample): the operator was removed with opset 10; the file imports 17`},
		{"an unknown attribute", "classify", func(m *wire.Model) { with(node(m, "Conv"), "stride", []int64{1, 1}) },
			`error: node 0 "enc.0.Conv_2" (Conv): there is no attribute "stride" at opset 17`},
		{"an attribute of a later opset", "types", func(m *wire.Model) { with(node(m, "ReduceMean"), "noop_with_empty_axes", int64(0)) },
			`error: node 1 "ReduceMean_5" (ReduceMean): there is no attribute "noop_with_empty_axes" at opset 17`},
		{"an attribute twice", "classify", func(m *wire.Model) { n := node(m, "Conv"); n.Attributes = append(n.Attributes, n.Attributes[0]) },
			`error: node 0 "enc.0.Conv_2" (Conv): attribute "strides" is given twice`},
		{"an attribute of another kind", "classify", func(m *wire.Model) { with(node(m, "LeakyRelu"), "alpha", int64(1)) },
			`error: node 2 "LeakyRelu_8" (LeakyRelu): attribute "alpha" is an integer; want a float`},
		{"a required attribute", "types", func(m *wire.Model) { with(node(m, "Cast"), "to", nil) },
			`error: node 4 "Cast_8" (Cast): attribute "to" is missing`},
		{"a value that an attribute cannot have", "classify", func(m *wire.Model) { with(node(m, "AveragePool"), "auto_pad", "SAME") },
			`error: node 6 "AveragePool_15" (AveragePool): attribute "auto_pad" is "SAME"; want one of NOTSET, SAME_UPPER, SAME_LOWER, VALID`},
		{"a flag of 2", "types", func(m *wire.Model) { with(node(m, "ReduceMean"), "keepdims", int64(2)) },
			`error: node 1 "ReduceMean_5" (ReduceMean): attribute "keepdims" is 2; want 0 or 1`},
		{"too few inputs", "classify", func(m *wire.Model) {
			n := node(m, "MatMul")
			n.Inputs = n.Inputs[:1]
			m.Graph.Initializers = slices.DeleteFunc(m.Graph.Initializers, func(t *wire.Tensor) bool { return t.Name == "class.weight" })
		},
			`error: node 9 "class.MatMul_19" (MatMul): has 1 input; want at least 2`},
		{"too many inputs", "classify", func(m *wire.Model) { n := node(m, "MatMul"); n.Inputs = append(n.Inputs, "class.bias") },
			`error: node 9 "class.MatMul_19" (MatMul): has 3 inputs; want at most 2`},
		{"too many outputs", "classify", func(m *wire.Model) { n := node(m, "MatMul"); n.Outputs = append(n.Outputs, "more") },
			`error: node 9 "class.MatMul_19" (MatMul): has 2 outputs; want at most 1`},
		{"an input left out", "classify", func(m *wire.Model) {
			node(m, "BatchNormalization").Inputs[3] = ""
			m.Graph.Initializers = slices.DeleteFunc(m.Graph.Initializers, func(t *wire.Tensor) bool { return t.Name == "enc.1.mean" })
		},
			`error: node 1 "enc.1.BatchNormalization_7" (BatchNormalization): input 3 (input_mean) is left out, and is not optional`},
		{"an element type that an operator does not take", "types", func(m *wire.Model) {
			m.Graph.Nodes = append(m.Graph.Nodes, &wire.Node{OpType: "Not", Inputs: []string{"x"}, Outputs: []string{"no"}})
			m.Graph.Outputs = append(m.Graph.Outputs, &wire.ValueInfo{Name: "no"})
		},
			`error: node 13 (Not): input 0 (X) "x" is f64; want one of bool`},
		{"two element types where one is wanted", "types", func(m *wire.Model) {
			m.Graph.Inputs[1].Type.Elem = wire.Float
			m.Graph.Nodes[3].Inputs[1] = "x"
			m.Graph.Outputs[6].Type.Elem = wire.Float
		},
			`error: node 0 "Mul_4" (Mul): input 1 (B) "scale" is f32, and "x" is f64; they must be of one type`},
		{"a cast to no type", "types", func(m *wire.Model) { with(node(m, "Cast"), "to", int64(99)) },
			`error: node 4 "Cast_8" (Cast): attribute "to" is 99, which is no element type`},

		// Declarations against what is inferred.
		{"an output's size", "classify", func(m *wire.Model) { m.Graph.Outputs[0].Type.Shape[1].Value = 6 },
			`error: node 10 "class.Add_21" (Add), output "logits": is declared f32[batch 6], and is f32[batch 5]`},
		{"an output's rank", "classify", func(m *wire.Model) { m.Graph.Outputs[0].Type.Shape = m.Graph.Outputs[0].Type.Shape[:1] },
			`error: node 10 "class.Add_21" (Add), output "logits": is declared f32[batch], and is f32[batch 5]`},
		{"an output's type", "classify", func(m *wire.Model) { m.Graph.Outputs[0].Type.Elem = wire.Double },
			`error: node 10 "class.Add_21" (Add), output "logits": is declared f64[batch 5], and is f32[batch 5]`},
		{"a symbol", "types", func(m *wire.Model) { m.Graph.Outputs[5].Type.Shape[1].Param = "seq*seq" },
			`error: node 10 "Expand_10" (Expand), output "wide": is declared f64[seq seq*seq], and is f64[seq batch*seq]`},
		{"a number for a symbol", "types", func(m *wire.Model) { m.Graph.Outputs[2].Type.Shape[0] = wire.Dim{Value: 3} },
			`error: node 2 "Add_6" (Add), output "sum": is declared i64[3], and is i64[seq]`},
		{"a value in between", "classify", func(m *wire.Model) {
			m.Graph.Values = []*wire.ValueInfo{{Name: "MaxPool_9", Type: &wire.TensorType{Elem: wire.Float, Shape: []wire.Dim{{Param: "batch"}, {Value: 6}, {Value: 4}, {Value: 8}}}}}
		},
			`error: node 3 "MaxPool_9" (MaxPool), output "MaxPool_9": is declared f32[batch 6 4 8], and is f32[batch 6 4 4]`},
		{"a value declared twice", "classify", func(m *wire.Model) { v := &wire.ValueInfo{Name: "MaxPool_9"}; m.Graph.Values = []*wire.ValueInfo{v, v} },
			`error: value_info 1 "MaxPool_9": it is declared twice`},
		{"a default of another shape", "types", func(m *wire.Model) { m.Graph.Initializers = append(m.Graph.Initializers, list("n", 1, 2)) },
			`error: input 3 "n": is declared i64[], and is i64[2]`},
		{"an element type that is none", "types", func(m *wire.Model) {
			m.Graph.Inputs = append(m.Graph.Inputs, &wire.ValueInfo{Name: "odd", Type: &wire.TensorType{Elem: 77}})
		},
			`error: input 4 "odd": its element type is 77, which is none`},
		{"a size of -1", "types", func(m *wire.Model) {
			m.Graph.Inputs = append(m.Graph.Inputs, &wire.ValueInfo{Name: "odd", Type: &wire.TensorType{Elem: 1, Shape: []wire.Dim{{Value: -1}}}})
		},
			`error: input 4 "odd": axis 0 is declared -1; a size is 0 or more, and an unknown one is left out or has a name`},
		{"a size of -3 in between", "classify", func(m *wire.Model) {
			m.Graph.Values = []*wire.ValueInfo{{Name: "MaxPool_9", Type: &wire.TensorType{Elem: wire.Float, Shape: []wire.Dim{{Value: -3}, {Value: 6}, {Value: 4}, {Value: 4}}}}}
		},
			`error: value_info 0 "MaxPool_9": axis 0 is declared -3; a size is 0 or more, and an unknown one is left out or has a name`},
		{"more than can be", "types", func(m *wire.Model) {
			m.Graph.Inputs = append(m.Graph.Inputs, &wire.ValueInfo{Name: "odd", Type: &wire.TensorType{Elem: 1, Shape: []wire.Dim{{Value: 1 << 24}, {Param: "n"}, {Value: 1 << 24}}}})
		},
			`error: input 4 "odd": is declared f32[16777216 n 16777216]: no machine holds as many elements`},
		{"more than can be, computed", "types", func(m *wire.Model) {
			m.Graph.Initializers = append(m.Graph.Initializers, list("sizes", 1<<24, 1<<24))
			m.Graph.Nodes = append(m.Graph.Nodes, &wire.Node{OpType: "ConstantOfShape", Inputs: []string{"sizes"}, Outputs: []string{"zeros"}},
				&wire.Node{OpType: "Abs", Inputs: []string{"zeros"}, Outputs: []string{"odd"}})
			m.Graph.Outputs = append(m.Graph.Outputs, &wire.ValueInfo{Name: "odd"})
		},
			`error: node 13 (ConstantOfShape): output "zeros" is f32[16777216 16777216]: no machine holds as many elements`},

		// Sizes that contradict one another.
		{"a product", "classify", func(m *wire.Model) { initializer(m, "class.weight").Dims = []int64{5, 8} },
			`error: node 9 "class.MatMul_19" (MatMul): "Reshape_17" f32[batch 8] times "class.weight" f32[5 8]: the inner sizes are 8 and 5`},
		{"a broadcast", "classify", func(m *wire.Model) {
			replace(m.Graph.Initializers, &wire.Tensor{Name: "class.bias", Type: wire.Float, Dims: []int64{4}, Data: make([]float32, 4)})
		},
			`error: node 10 "class.Add_21" (Add): "class.bias" f32[4] does not broadcast with [batch 5], the shape of what stands before it`},
		{"channels", "classify", func(m *wire.Model) { m.Graph.Inputs[0].Type.Shape[1].Value = 4 },
			`error: node 0 "enc.0.Conv_2" (Conv): "image" f32[batch 4 8 8] has 4 channels; the weights "enc.0.weight" f32[6 3 3 3] in 1 groups are for 3`},
		{"groups", "classify", func(m *wire.Model) { with(m.Graph.Nodes[4], "group", int64(3)) },
			`error: node 4 "enc.4.Conv_11" (Conv): "MaxPool_9" f32[batch 6 4 4] has 6 channels; the weights "enc.4.weight" f32[8 3 3 3] in 3 groups are for 9`},
		{"pads of a wrong rank", "classify", func(m *wire.Model) { with(node(m, "Conv"), "pads", []int64{1, 1}) },
			`error: node 0 "enc.0.Conv_2" (Conv): attribute "pads" has 2 numbers; want 4`},
		{"a window larger than the image", "classify", func(m *wire.Model) { with(node(m, "MaxPool"), "kernel_shape", []int64{9, 2}) },
			`error: node 3 "MaxPool_9" (MaxPool): a window of 9, with dilation, does not fit into 8 with padding 0, axis 2 of "LeakyRelu_8" f32[batch 6 8 8]`},
		{"a kernel that is not the weights'", "classify", func(m *wire.Model) { with(node(m, "Conv"), "kernel_shape", []int64{5, 5}) },
			`error: node 0 "enc.0.Conv_2" (Conv): attribute "kernel_shape" is [5 5]; the weights "enc.0.weight" f32[6 3 3 3] are of [3 3]`},
		{"a stride of 0", "classify", func(m *wire.Model) { with(node(m, "MaxPool"), "strides", []int64{0, 2}) },
			`error: node 3 "MaxPool_9" (MaxPool): attribute "strides" is [0 2]; want numbers of 1 or more`},
		{"scale of a batch normalisation", "classify", func(m *wire.Model) {
			replace(m.Graph.Initializers, &wire.Tensor{Name: "enc.1.mean", Type: wire.Float, Dims: []int64{4}, Data: make([]float32, 4)})
		},
			`error: node 1 "enc.1.BatchNormalization_7" (BatchNormalization): input 3 "enc.1.mean" f32[4] is for 4 channels; "enc.0.Conv_2" f32[batch 6 8 8] has 6`},
		{"an axis outside", "classify", func(m *wire.Model) { with(node(m, "Softmax"), "axis", int64(2)) },
			`error: node 11 "Softmax_22" (Softmax): axis 2 is outside of rank 2`},
		{"a reshape that does not divide", "types", func(m *wire.Model) {
			replace(m.Graph.Initializers, list("const_0", 5, 0))
			for i := range 2 {
				m.Graph.Inputs[0].Type.Shape[i] = wire.Dim{Value: 3}
			}
			m.Graph.Nodes, m.Graph.Outputs = m.Graph.Nodes[5:6], []*wire.ValueInfo{{Name: "Reshape_9"}}
			m.Graph.Initializers = m.Graph.Initializers[:1]
		},
			`error: node 0 "Reshape_9" (Reshape): "x" f64[3 3] has 9 elements, the shape [5 3] has 15`},
		{"a reshape with two unknowns", "classify", func(m *wire.Model) { replace(m.Graph.Initializers, list("const_0", -1, -1)) },
			`error: node 8 "Reshape_17" (Reshape): the shape [-1 -1] has two axes that are to be inferred`},
		{"lists of different ranks", "types", func(m *wire.Model) { node(m, "Concat").Inputs[0] = "const_1" },
			`error: node 9 "Concat_10" (Concat): axis 0 is outside of rank 0`},
		{"an index outside", "types", func(m *wire.Model) {
			n := m.Graph.Nodes[12]
			n.OpType, n.Inputs = "Gather", []string{"Shape_10", "const_1"}
			replace(m.Graph.Initializers, &wire.Tensor{Name: "const_1", Type: wire.Int64, Dims: []int64{}, Data: []int64{1}})
		},
			`error: node 12 "Identity_11" (Gather): the index 1 is outside of axis 0 of "Shape_10" i64[1]`},

		// Graphs inside of nodes.
		{"a branch that reads what is not there", "types", func(m *wire.Model) { branch(m, "nothing", "inner", "then") },
			`error: node 13 (If), then_branch: node 0 "a" (Neg): input 0 "nothing": nothing has that name`},
		{"a branch that reads what comes later", "types", func(m *wire.Model) {
			branch(m, "scaled", "inner", "then")
			m.Graph.Nodes = append(m.Graph.Nodes[13:], m.Graph.Nodes[:13]...)
		}, `error: node 0 (If), then_branch: node 0 "a" (Neg): input 0 "scaled": nothing has that name`},
		{"a branch that shadows a name", "types", func(m *wire.Model) { branch(m, "x", "sum", "then") },
			`error: node 13 (If), then_branch: node 0 "a" (Neg): output 0 "sum" has the name of a value of a graph around it`},
		{"a branch whose output is not there", "types", func(m *wire.Model) { branch(m, "x", "inner", "then"); body(m).Outputs[0].Name = "other" },
			"error: node 13 (If), then_branch: output 0 \"other\": no node, input or initializer gives it\nwarning: node 13 (If), then_branch: node 0 \"a\" (Neg): nothing reads its outputs"},
		{"a branch with sizes that contradict", "types", func(m *wire.Model) {
			branch(m, "x", "inner", "then")
			body(m).Nodes[0] = &wire.Node{OpType: "Unsqueeze", Inputs: []string{"x", "axes"}, Outputs: []string{"inner"}}
			body(m).Initializers = []*wire.Tensor{list("axes", 7)}
		}, `error: node 13 (If), then_branch: node 0 (Unsqueeze): axis 7 is outside of rank 3`},
		{"a branch that is missing", "types", func(m *wire.Model) { branch(m, "x", "inner", "then"); with(m.Graph.Nodes[13], "else_branch", nil) },
			`error: node 13 (If): attribute "else_branch" is missing`},
		{"a good branch", "types", func(m *wire.Model) { branch(m, "x", "inner", "then") }, ""},
	} {
		m := decode(t, files[c.file])
		c.edit(m)
		var b bytes.Buffer
		if err := m.Encode(&b); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := findings(t, b.Bytes()); got != c.want {
			t.Errorf("%s: found\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
}

// BenchmarkModel looks for faults in a model of 100 layers, as every export does.
func BenchmarkModel(b *testing.B) {
	m := &wire.Model{IRVersion: 8, Opsets: []wire.Opset{{Version: 17}}, Graph: &wire.Graph{Inputs: []*wire.ValueInfo{
		{Name: "x", Type: &wire.TensorType{Elem: wire.Float, Shape: []wire.Dim{{Param: "batch"}, {Value: 64}}}}}}}
	g, x := m.Graph, "x"
	for i := range 100 {
		w, bias := fmt.Sprint("w", i), fmt.Sprint("b", i)
		g.Initializers = append(g.Initializers, &wire.Tensor{Name: w, Type: wire.Float, Dims: []int64{64, 64}, Data: make([]float32, 64*64)},
			&wire.Tensor{Name: bias, Type: wire.Float, Dims: []int64{64}, Data: make([]float32, 64)})
		for _, op := range []string{"MatMul", "Add", "Tanh"} {
			in := []string{x}
			switch op {
			case "MatMul":
				in = append(in, w)
			case "Add":
				in = append(in, bias)
			}
			x = fmt.Sprint(op, i)
			g.Nodes = append(g.Nodes, &wire.Node{Name: x, OpType: op, Inputs: in, Outputs: []string{x}})
		}
	}
	g.Outputs = []*wire.ValueInfo{{Name: x, Type: g.Inputs[0].Type}}
	b.ReportAllocs()
	for b.Loop() {
		if r := check.Model(m, check.Options{}); len(r.Findings) > 0 {
			b.Fatal(r.Findings[0])
		}
	}
}

// TestResize scales by fractions. Where ONNX's inference, in f64, and onnxruntime 1.32, in f32, give different sizes, neither is a fault.
func TestResize(t *testing.T) {
	for _, c := range []struct {
		n        int64
		scale    float32
		declared int64
		want     string // what is found
	}{
		{3, 1.5, 4, ""}, {7, .3, 2, ""}, {10, .1, 1, ""},
		{10, .7, 6, ""}, {10, .7, 7, ""}, {100, .29, 28, ""}, {100, .29, 29, ""},
		{3, 1.5, 5, `output "y": is declared f32[5], and is f32[4]`},
	} {
		m := &wire.Model{IRVersion: 8, Opsets: []wire.Opset{{Version: 18}}, Graph: &wire.Graph{
			Name:         "resize",
			Nodes:        []*wire.Node{{OpType: "Resize", Inputs: []string{"x", "", "scales"}, Outputs: []string{"y"}}},
			Inputs:       []*wire.ValueInfo{{Name: "x", Type: &wire.TensorType{Elem: wire.Float, Shape: []wire.Dim{{Value: c.n}}}}},
			Outputs:      []*wire.ValueInfo{{Name: "y", Type: &wire.TensorType{Elem: wire.Float, Shape: []wire.Dim{{Value: c.declared}}}}},
			Initializers: []*wire.Tensor{{Name: "scales", Type: wire.Float, Dims: []int64{1}, Data: []float32{c.scale}}},
		}}
		err := check.Model(m, check.Options{}).Err()
		if got := fmt.Sprint(err); c.want == "" && err != nil || !strings.Contains(got, c.want) {
			t.Errorf("%d times %v, declared %d: %v; want %q", c.n, c.scale, c.declared, err, c.want)
		}
	}
}
