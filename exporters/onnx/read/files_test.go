package read

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/onnxtest"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// file is a model of nodes as others write them, from inputs called x, y, ... of the given types to the output out of the rank given.
func file(opset int64, inputs []*wire.ValueInfo, rank int, elem wire.DataType, stored []*wire.Tensor, nodes ...*wire.Node) *wire.Model {
	shape := make([]wire.Dim, rank)
	for i := range shape {
		shape[i] = wire.Dim{Unknown: true}
	}
	return &wire.Model{IRVersion: 8, Opsets: []wire.Opset{{Version: opset}}, Graph: &wire.Graph{Name: "g", Inputs: inputs, Nodes: nodes, Initializers: stored,
		Outputs: []*wire.ValueInfo{{Name: "out", Type: &wire.TensorType{Elem: elem, Shape: shape}}}}}
}

func input(name string, elem wire.DataType, dims ...any) *wire.ValueInfo {
	v := &wire.ValueInfo{Name: name, Type: &wire.TensorType{Elem: elem, Shape: []wire.Dim{}}}
	for _, d := range dims {
		switch d := d.(type) {
		case int:
			v.Type.Shape = append(v.Type.Shape, wire.Dim{Value: int64(d)})
		case string:
			v.Type.Shape = append(v.Type.Shape, wire.Dim{Param: d})
		}
	}
	return v
}

func ints(name string, v ...int64) *wire.Tensor {
	return &wire.Tensor{Name: name, Type: wire.Int64, Dims: []int64{int64(len(v))}, Data: v}
}

// n is a node: its operator, its inputs and outputs in words, and pairs of attributes.
func n(operator, in, out string, attributes ...any) *wire.Node {
	node := &wire.Node{OpType: operator, Name: operator, Outputs: strings.Fields(out)}
	for _, s := range strings.Fields(in) {
		node.Inputs = append(node.Inputs, strings.Trim(s, "_"))
	}
	for i := 0; i < len(attributes); i += 2 {
		node.Attributes = append(node.Attributes, &wire.Attribute{Name: attributes[i].(string), Value: attributes[i+1]})
	}
	return node
}

// TestDefaults reads nodes that leave out what is the default, count from the end, or say padding by a word: what others' exporters
// write. The evaluator of the specification says what is right.
func TestDefaults(t *testing.T) {
	x, image := input("x", wire.Float, 2, 3, 4), input("x", wire.Float, 1, 2, 5, 6)
	w := &wire.Tensor{Name: "w", Type: wire.Float, Dims: []int64{2, 2, 2, 3}, Data: slices.Repeat([]float32{.5, -1, 2, .25, 1, 3}, 4)}
	for _, m := range []*wire.Model{
		file(17, []*wire.ValueInfo{x}, 3, wire.Float, nil, n("LeakyRelu", "x", "out")),
		file(17, []*wire.ValueInfo{x}, 3, wire.Float, nil, n("Elu", "x", "out")),
		file(17, []*wire.ValueInfo{x}, 3, wire.Float, nil, n("Softmax", "x", "out")),
		file(17, []*wire.ValueInfo{x}, 3, wire.Float, nil, n("Transpose", "x", "out")),
		file(17, []*wire.ValueInfo{x}, 3, wire.Float, nil, n("ReduceMean", "x", "out")),
		file(17, []*wire.ValueInfo{x}, 3, wire.Float, nil, n("ReduceMax", "x", "out", "axes", []int64{-2})),
		file(18, []*wire.ValueInfo{x}, 3, wire.Float, []*wire.Tensor{ints("a", -2)}, n("ReduceMax", "x a", "out")),
		file(17, []*wire.ValueInfo{x}, 3, wire.Int64, nil, n("ArgMax", "x", "out")),
		file(17, []*wire.ValueInfo{x}, 2, wire.Int64, nil, n("ArgMax", "x", "out", "axis", int64(-1), "keepdims", int64(0))),
		file(17, []*wire.ValueInfo{x}, 3, wire.Float, []*wire.Tensor{ints("s", 0, -1, 2)}, n("Reshape", "x s", "out")),
		file(17, []*wire.ValueInfo{x}, 3, wire.Float, []*wire.Tensor{ints("s", 3, 1)}, n("Expand", "x s", "out")),
		file(17, []*wire.ValueInfo{x}, 3, wire.Float, []*wire.Tensor{ints("a", -3, 0), ints("b", 1000, -1), ints("c", 2, 0)}, n("Slice", "x a b c", "out")),
		file(17, []*wire.ValueInfo{x}, 3, wire.Float, []*wire.Tensor{ints("a", -1), ints("b", -1000), ints("c", -1), ints("d", -2)}, n("Slice", "x a b c d", "out")),
		file(17, []*wire.ValueInfo{x}, 3, wire.Float, nil, n("Identity", "x", "y"), n("Clip", "y", "out")),
		file(17, []*wire.ValueInfo{image}, 4, wire.Float, []*wire.Tensor{w}, n("Conv", "x w", "out", "auto_pad", "SAME_UPPER", "strides", []int64{2, 2})),
		file(17, []*wire.ValueInfo{image}, 4, wire.Float, []*wire.Tensor{w}, n("Conv", "x w", "out", "auto_pad", "SAME_LOWER")),
		file(17, []*wire.ValueInfo{image}, 4, wire.Float, nil, n("MaxPool", "x", "out", "kernel_shape", []int64{2, 3}, "auto_pad", "SAME_UPPER", "strides", []int64{2, 2})),
	} {
		what := m.Graph.Nodes[len(m.Graph.Nodes)-1].OpType
		r := rand.New(rand.NewPCG(5, 6))
		in := map[string]*tensor.Tensor{}
		for _, v := range m.Graph.Inputs {
			var shape []int
			for _, d := range v.Type.Shape {
				shape = append(shape, int(d.Value))
			}
			x := tensor.New(graph.F32, shape...)
			for i := range x.Len() {
				x.Set(i, 4*r.Float64()-2)
			}
			in[v.Name] = x
		}
		read, err := Graph(m, Options{})
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		got, err := onnx.Evaluate(read.Func, read.Weights, in)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		want, err := onnxtest.Evaluate(explicit(m), in)
		if err == nil {
			err = same(got, want, 1e-5, 1e-7)
		}
		if err != nil {
			t.Errorf("%s %v: %v", what, m.Graph.Nodes[0].Attributes, err)
		}
	}
}

// TestMod reads what is left of a division with both signs, of integers and of floats.
func TestMod(t *testing.T) {
	for _, c := range []struct {
		opset int64
		elem  wire.DataType
		fmod  int64
		want  []float64 // nil: it is refused
	}{
		{17, wire.Int64, 0, []float64{2, -2, -1, 0}}, {17, wire.Int64, 1, []float64{-1, 1, -1, 0}},
		{17, wire.Float, 0, nil}, {17, wire.Float, 1, []float64{-1, 1, -1, 0}}, {28, wire.Float, 0, []float64{2, -2, -1, 0}},
	} {
		m, err := Graph(file(c.opset, []*wire.ValueInfo{input("a", c.elem, 4), input("b", c.elem, 4)}, 1, c.elem, nil, n("Mod", "a b", "out", "fmod", c.fmod)), Options{})
		if err != nil || c.want == nil {
			if c.want != nil || err == nil || !strings.Contains(err.Error(), "its fmod is 1") {
				t.Errorf("%+v: %v", c, err)
			}
			continue
		}
		dt := m.Func.Inputs[0].DType()
		in := map[string]*tensor.Tensor{"a": tensor.Of([]int64{-7, 7, -7, 6}, 4).Cast(dt), "b": tensor.Of([]int64{3, -3, -3, 3}, 4).Cast(dt)}
		out, err := onnx.Evaluate(m.Func, m.Weights, in)
		if err != nil {
			t.Fatal(err)
		}
		if got := out["out"].Float64s(); !slices.Equal(got, c.want) {
			t.Errorf("%+v: it computes %v", c, got)
		}
	}
}

// explicit is m with the pads that SAME stands for, which the evaluator does not know: those of windows of 2×3 over 5×6 pixels.
func explicit(m *wire.Model) *wire.Model {
	for _, node := range m.Graph.Nodes {
		stride := slices.ContainsFunc(node.Attributes, func(a *wire.Attribute) bool { return a.Name == "strides" })
		for _, a := range node.Attributes {
			if a.Name == "auto_pad" {
				pads := []int64{0, 0, 1, 1} // strides of 2: 6 rows and 7 columns
				if !stride {
					pads = []int64{1, 1, 0, 1} // 6 rows and 8 columns, the odd row above
				}
				a.Name, a.Value = "pads", pads
			}
		}
	}
	return m
}

// TestSizes reads a file that computes shapes, as exporters of other frameworks write them: the axes of the results are known.
func TestSizes(t *testing.T) {
	m := file(17, []*wire.ValueInfo{input("x", wire.Float, "batch", "time steps", 6)}, 3, wire.Float,
		[]*wire.Tensor{ints("zero", 0), ints("one", 1), ints("two", 2), ints("three", 3), ints("minus", -1)},
		n("Shape", "x", "s"), n("Gather", "s zero", "b"), n("Slice", "s one two", "t"), n("Mul", "t two", "t2"), n("Div", "t2 two", "t1"),
		n("Concat", "b t1 three minus", "to", "axis", int64(0)), n("Reshape", "x to", "y"), n("ReduceSum", "y minus", "out", "keepdims", int64(0)))
	read, err := Graph(m, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := read.Func.Outputs[0].Value.Type.String(), "f32[batch axis_time_20steps 3]"; got != want {
		t.Errorf("the output is %s, want %s", got, want)
	}
	x := tensor.Of([]float32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 1, 2, 6)
	out, err := onnx.Evaluate(read.Func, read.Weights, map[string]*tensor.Tensor{"x": x})
	if err != nil {
		t.Fatal(err)
	}
	if got := out["out"].Float64s(); !slices.Equal(got, []float64{3, 7, 11, 15, 19, 23}) {
		t.Errorf("it computes %v", got)
	}
}

// TestSizesOfParts takes the first half of an axis, rounded down, which the file computes by a division.
func TestSizesOfParts(t *testing.T) {
	m := file(17, []*wire.ValueInfo{input("x", wire.Float, "n", 2)}, 2, wire.Float,
		[]*wire.Tensor{ints("zero", 0), ints("one", 1), ints("two", 2)},
		n("Shape", "x", "s"), n("Gather", "s zero", "n"), n("Div", "n two", "half"), n("Slice", "x zero half zero", "out"))
	read, err := Graph(m, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := read.Func.Outputs[0].Value.Type.String(), "f32[n/2 2]"; got != want {
		t.Errorf("the output is %s, want %s", got, want)
	}
	out, err := onnx.Evaluate(read.Func, read.Weights, map[string]*tensor.Tensor{"x": tensor.Of([]float32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 5, 2)})
	if err != nil || !slices.Equal(out["out"].Float64s(), []float64{1, 2, 3, 4}) {
		t.Errorf("it computes %v, %v", out["out"], err)
	}
}

// TestRefused has files that are not read, and what is said of them.
func TestRefused(t *testing.T) {
	x := []*wire.ValueInfo{input("x", wire.Float, 2, 3)}
	for want, m := range map[string]*wire.Model{
		`node 0 "Det" (Det): there is no op for the operator Det`: file(17, []*wire.ValueInfo{input("x", wire.Float, 3, 3)}, 0, wire.Float, nil, n("Det", "x", "out")),
		`opset 12`: file(12, x, 2, wire.Float, nil, n("Relu", "x", "out")),
		`its attribute "training_mode" is 1`: file(17, []*wire.ValueInfo{input("x", wire.Float, 2, 3), input("v", wire.Float, 3)}, 2, wire.Float, nil,
			n("BatchNormalization", "x v v v v", "out", "epsilon", float32(.5), "training_mode", int64(1))),
		`its input 1, "k", must be known before the run`: file(17, []*wire.ValueInfo{input("x", wire.Float, 2, 3), input("k", wire.Int64, 1)}, 2, wire.Float, nil, n("TopK", "x k", "out i")),
		`is a shape that only a run tells`:               file(17, []*wire.ValueInfo{input("x", wire.Float, 2, 3), input("s", wire.Int64, 2)}, 2, wire.Float, nil, n("Reshape", "x s", "out")),
		`its attribute "ceil_mode" is not known`: file(17, []*wire.ValueInfo{input("x", wire.Float, 1, 1, 2, 2)}, 4, wire.Float, nil,
			n("MaxPool", "x", "out", "kernel_shape", []int64{1, 1}, "ceil_mode", int64(1))),
		`its input 1, "r", is not known here`: file(17, []*wire.ValueInfo{input("x", wire.Float, 1, 1, 2, 2)}, 4, wire.Float,
			[]*wire.Tensor{{Name: "r", Type: wire.Float, Dims: []int64{8}, Data: make([]float32, 8)}, {Name: "s", Type: wire.Float, Dims: []int64{4}, Data: []float32{1, 1, 2, 2}}},
			n("Resize", "x r s", "out", "coordinate_transformation_mode", "asymmetric", "nearest_mode", "floor")),
		`of the domain "com.example"`: custom(file(17, x, 2, wire.Float, nil, n("Relu", "x", "out"))),
		`its output 1`:                file(17, []*wire.ValueInfo{input("x", wire.Float, 1, 1, 2, 2)}, 4, wire.Float, nil, n("MaxPool", "x", "out i", "kernel_shape", []int64{1, 1})),
	} {
		if _, err := Graph(m, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// custom gives m's nodes to another domain.
func custom(m *wire.Model) *wire.Model {
	for _, node := range m.Graph.Nodes {
		node.Domain = "com.example"
	}
	m.Opsets = append(m.Opsets, wire.Opset{Domain: "com.example", Version: 1})
	return m
}
