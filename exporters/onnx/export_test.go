package onnx

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// custom is an op as a user may write one, with the ONNX form of the test.
type custom struct {
	Name  string
	Type  graph.Type
	Write func(e graph.Emitter, y *graph.Value, in []string) string `text:"-"`
}

func (o custom) Takes() []graph.Arg {
	return []graph.Arg{{Name: "x", DTypes: graph.Any, Variadic: true}}
}
func (o custom) Infer(*graph.Infer) ([]graph.Type, error) { return []graph.Type{o.Type}, nil }
func (o custom) Emit(e graph.Emitter, n *graph.Node, in []string) []string {
	return []string{o.Write(e, n.Results[0], in)}
}
func (o custom) Run(*kernel.Context, []*tensor.Tensor, []*tensor.Tensor) error {
	return errors.New("not computed")
}

// node is an op that is the ONNX operator opType.
func node(opType string, t graph.DType, dims ...graph.Dim) custom {
	return custom{opType, graph.Type{DType: t, Shape: dims}, func(e graph.Emitter, y *graph.Value, in []string) string {
		return e.Node(opType, in)
	}}
}

// reshape is Reshape to dims.
func reshape(dims ...graph.Dim) custom {
	return custom{"reshape", graph.Type{DType: graph.F32, Shape: dims}, func(e graph.Emitter, y *graph.Value, in []string) string {
		return e.Node("Reshape", []string{in[0], e.Shape(dims)})
	}}
}

var batch, seq = graph.Sym("batch"), graph.Sym("seq")

// dense is y = x·w + b, with names and scopes like a layer's.
func dense() (*graph.Func, Tensors) {
	f := graph.NewFunc("encode", false)
	x := f.Input("x", graph.F32, batch, 3)
	y := f.In("enc.fc", func() *graph.Value {
		w, b := f.Param("enc.fc.weight", nil, 3, 2), f.Param("enc.fc.bias", nil, 2)
		return f.Apply(node("Add", graph.F32, batch, 2), f.Apply(node("MatMul", graph.F32, batch, 2), x, w), b)
	})
	f.Output("h", y)
	return f, Tensors{
		"enc.fc.weight": tensor.Of([]float32{1, 2, 3, 4, 5, 6}, 3, 2),
		"enc.fc.bias":   tensor.Of([]float32{-1, 1}, 2),
	}
}

// denseDigest is the SHA-256 of the weights of dense, as another program computes it:
//
//	python3 -c 'import struct, hashlib; print(hashlib.sha256(b"\"enc.fc.weight\" 1 [3 2]\n" + struct.pack("<6f",
//	1, 2, 3, 4, 5, 6) + b"\"enc.fc.bias\" 1 [2]\n" + struct.pack("<2f", -1, 1)).hexdigest())'
const denseDigest = "5b7d4171e7a082cc7e1b9d97563c7036f928ecd1a4d3c6a7795525ed4f8ea890"

func export(t testing.TB, f *graph.Func, w Weights, o Options) (*wire.Model, *Report, []byte) {
	t.Helper()
	var b bytes.Buffer
	r, err := Export(&b, f, w, o)
	if err != nil {
		t.Fatal(err)
	}
	m, err := wire.Decode(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	checkGraph(t, m)
	return m, r, b.Bytes()
}

// checkGraph holds a file to the rules of ONNX graphs: names defined once and before use, node names that differ.
func checkGraph(t testing.TB, m *wire.Model) {
	t.Helper()
	defined, nodes := map[string]bool{"": true}, map[string]bool{}
	define := func(name string) {
		if defined[name] {
			t.Errorf("%q is defined twice", name)
		}
		defined[name] = true
	}
	for _, v := range m.Graph.Inputs {
		define(v.Name)
	}
	for _, x := range m.Graph.Initializers {
		if !slices.ContainsFunc(m.Graph.Inputs, func(v *wire.ValueInfo) bool { return v.Name == x.Name }) {
			define(x.Name)
		}
	}
	for _, n := range m.Graph.Nodes {
		if nodes[n.Name] {
			t.Errorf("two nodes are called %q", n.Name)
		}
		nodes[n.Name] = true
		for _, s := range n.Inputs {
			if !defined[s] {
				t.Errorf("node %q reads %q, which is not defined before it", n.Name, s)
			}
		}
		for _, s := range n.Outputs {
			define(s)
		}
	}
	for _, v := range m.Graph.Outputs {
		if !defined[v.Name] {
			t.Errorf("output %q is not defined", v.Name)
		}
	}
}

// nodeText is the nodes of m as lines "y = Op(a, b)".
func nodeText(m *wire.Model) string {
	var b strings.Builder
	for _, n := range m.Graph.Nodes {
		fmt.Fprintf(&b, "%s = %s(%s)\n", strings.Join(n.Outputs, ", "), n.OpType, strings.Join(n.Inputs, ", "))
	}
	return b.String()
}

func TestExport(t *testing.T) {
	f, w := dense()
	m, r, data := export(t, f, w, Options{ProducerVersion: "v1", Doc: "d", Version: 2, Metadata: map[string]string{"loss": "0.5", "epochs": "3"}})
	if m.IRVersion != 8 || m.ProducerName != "sardonyx" || m.ProducerVersion != "v1" || m.Doc != "d" || m.Version != 2 ||
		!slices.Equal(m.Opsets, []wire.Opset{{Version: 17}}) || m.Graph.Name != "encode" {
		t.Errorf("header: %+v", m)
	}
	if want := []wire.Entry{{Key: "epochs", Value: "3"}, {Key: "loss", Value: "0.5"}, {Key: metaWeights, Value: denseDigest}}; !slices.Equal(m.Metadata, want) {
		t.Errorf("metadata is %v, want %v", m.Metadata, want)
	}
	want := "enc.fc.MatMul_3 = MatMul(x, enc.fc.weight)\nh = Add(enc.fc.MatMul_3, enc.fc.bias)\n"
	if got := nodeText(m); got != want {
		t.Errorf("nodes:\n%swant:\n%s", got, want)
	}
	if n := m.Graph.Nodes[1]; n.Name != "enc.fc.Add_4" || !strings.HasPrefix(n.Doc, "export_test.go:") {
		t.Errorf("node name %q, doc %q", n.Name, n.Doc)
	}
	in := m.Graph.Inputs
	if len(in) != 1 || in[0].Name != "x" || typeText(in[0].Type) != "f32[batch 3]" {
		t.Errorf("inputs %+v", in)
	}
	if out := m.Graph.Outputs; len(out) != 1 || out[0].Name != "h" || typeText(out[0].Type) != "f32[batch 2]" {
		t.Errorf("outputs %+v", out)
	}
	v, err := m.Graph.Initializers[0].Values()
	if err != nil || m.Graph.Initializers[0].Name != "enc.fc.weight" || !slices.Equal(v.([]float32), []float32{1, 2, 3, 4, 5, 6}) {
		t.Errorf("first initializer %q: %v, %v", m.Graph.Initializers[0].Name, v, err)
	}
	if r.Bytes != int64(len(data)) || r.Tensors != 2 || r.Params != 8 || r.Opset != 17 || r.IR != 8 ||
		!slices.Equal(r.Nodes, []OpCount{{"Add", 1}, {"MatMul", 1}}) || len(r.Inputs) != 1 || len(r.Outputs) != 1 {
		t.Errorf("report %+v", r)
	}
	f2, w2 := dense()
	if _, _, again := export(t, f2, w2, Options{ProducerVersion: "v1", Doc: "d", Version: 2, Metadata: map[string]string{"epochs": "3", "loss": "0.5"}}); !bytes.Equal(again, data) {
		t.Error("the same program gives other bytes")
	}
	if _, _, bare := export(t, f, w, Options{NoPositions: true}); bytes.Contains(bare, []byte("export_test.go")) {
		t.Error("NoPositions leaves a position")
	}
}

func TestOpsets(t *testing.T) {
	f, w := dense()
	for opset, ir := range map[int]int64{17: 8, 18: 8, 19: 9, 20: 9, 21: 10, 22: 10, 23: 11, 24: 12} {
		if m, _, _ := export(t, f, w, Options{Opset: opset}); m.Opsets[0].Version != int64(opset) || m.IRVersion != ir {
			t.Errorf("opset %d: wrote opset %d, IR %d", opset, m.Opsets[0].Version, m.IRVersion)
		}
	}
}

func TestOutputs(t *testing.T) {
	f := graph.NewFunc("f", false)
	x := f.Input("x", graph.F32, 2)
	w := f.Param("w", nil, 2)
	y := f.Apply(node("Relu", graph.F32, 2), x)
	unused := f.Param("unused", nil, 2)
	f.Apply(node("Neg", graph.F32, 2), unused)
	c := f.Const(tensor.Of([]float32{4, 5}, 2))
	f.Output("in", x)
	f.Output("param", w)
	f.Output("y", y)
	f.Output("y2", y)
	f.Output("z", f.Apply(node("Neg", graph.F32, 2), y))
	f.Output("c", c)
	m, r, _ := export(t, f, Tensors{"w": tensor.New(graph.F32, 2)}, Options{})
	got := nodeText(m)
	for _, want := range []string{"in = Identity(x)\n", "param = Identity(w)\n", "y = Relu(x)\n", "y2 = Identity(y)\n", "z = Neg(y)\n", "c = Identity(const_0)\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if r.Tensors != 1 || len(m.Graph.Nodes) != 6 {
		t.Errorf("%d tensors stored; nodes:\n%s", r.Tensors, got)
	}
}

func TestConstants(t *testing.T) {
	f := graph.NewFunc("f", false)
	x := f.Input("const_0", graph.F32, 2) // the exporter must find another name
	twice := custom{"twice", graph.Type{DType: graph.F32, Shape: graph.Shape{1, 2}}, func(e graph.Emitter, y *graph.Value, in []string) string {
		a := e.Const(tensor.Of([]float32{1, 2}, 2))
		b := e.Const(tensor.Of([]float32{1, 2}, 2))
		c := e.Const(tensor.Of([]float32{1, 2}, 1, 2))
		d := e.Const(tensor.Of([]tensor.Float16{1, 2}, 2))
		g := e.Const(tensor.Of([]tensor.BFloat16{1, 2}, 2))
		e.Const(tensor.Scalar(float32(9))) // not used
		f32 := graph.Attr{Name: "to", Value: graph.ONNXType(graph.F32)}
		return e.Node("Sum", []string{in[0], a, b, c, e.Node("Cast", []string{d}, f32), e.Node("Cast", []string{g}, f32)})
	}}
	f.Output("y", f.Apply(twice, x))
	m, _, _ := export(t, f, Tensors{}, Options{})
	halves := [2]string{m.Graph.Nodes[0].Inputs[0], m.Graph.Nodes[1].Inputs[0]}
	if in := m.Graph.Nodes[2].Inputs; in[1] != in[2] || in[1] == in[3] || halves[0] == halves[1] || in[1] == "const_0" || len(m.Graph.Initializers) != 4 {
		t.Errorf("inputs %v, %d initializers", in, len(m.Graph.Initializers))
	}
}

func TestAttributes(t *testing.T) {
	f := graph.NewFunc("f", false)
	x := f.Input("x", graph.F32, 2)
	attrs := []graph.Attr{{Name: "i", Value: -3}, {Name: "is", Value: []int{1, 2}}, {Name: "f", Value: .5}, {Name: "fs", Value: []float64{1, 2}},
		{Name: "s", Value: "same"}, {Name: "t", Value: tensor.Of([]int64{7}, 1)}}
	op := custom{"op", x.Type, func(e graph.Emitter, y *graph.Value, in []string) string {
		if e.Opset() != 18 {
			t.Errorf("Opset is %d", e.Opset())
		}
		out := e.Nodes("Op", 2, append(in, ""), attrs...)
		return out[1]
	}}
	f.Output("y", f.Apply(op, x))
	_, m, err := assemble(f, nil, Options{Opset: 18}, false) // ONNX has no such operator, so it cannot be exported
	if err != nil {
		t.Fatal(err)
	}
	n := m.Graph.Nodes[0]
	if !slices.Equal(n.Inputs, []string{"x", ""}) || len(n.Outputs) != 2 || n.Outputs[1] != "y" {
		t.Errorf("node %+v", n)
	}
	got := ""
	for _, a := range n.Attributes {
		v := a.Value
		if x, ok := v.(*wire.Tensor); ok {
			v, _ = x.Values()
		}
		got += fmt.Sprintf("%s %T %v; ", a.Name, v, v)
	}
	if want := "i int64 -3; is []int64 [1 2]; f float32 0.5; fs []float32 [1 2]; s string same; t []int64 [7]; "; got != want {
		t.Errorf("attributes %s\nwant %s", got, want)
	}
}

func TestShapes(t *testing.T) {
	tests := []struct {
		name string
		in   graph.Shape
		op   custom
		want string
	}{
		{"static", graph.Shape{2, 3}, reshape(6), "y = Reshape(x, [6])"},
		{"no elements", graph.Shape{2, 0}, reshape(0, 5), "y = Reshape(x, [0 5]) allowzero"},
		{"copied", graph.Shape{batch, 6}, reshape(batch, 2, 3), "y = Reshape(x, [0 2 3])"},
		{"two copied", graph.Shape{batch, seq, 6}, reshape(batch, seq, 2, 3), "y = Reshape(x, [0 0 2 3])"},
		{"worked out", graph.Shape{batch, 6}, reshape(2, batch, 3), "y = Reshape(x, [2 -1 3])"},
		{"product", graph.Shape{batch, seq, 6}, reshape(batch.Times(seq), 6), "y = Reshape(x, [-1 6])"},
		{"copied and worked out", graph.Shape{batch, 2, seq}, reshape(batch, seq, 2),
			"a = Shape(x) 0:1; b = Shape(x) 2:3; c = Concat(a, b, [2]); y = Reshape(x, c) allowzero"}, // of no batch, what is left is not known
		{"two unknown", graph.Shape{6, batch, seq}, reshape(batch, seq, 6),
			"a = Shape(x) 1:2; b = Shape(x) 2:3; c = Concat(a, b, [6]); y = Reshape(x, c) allowzero"},
		{"expand", graph.Shape{batch, 1}, expand(batch, 5), "a = Shape(x) 0:1; b = Concat(a, [5]); y = Expand(x, b)"},
		{"expand static", graph.Shape{1}, expand(5), "y = Expand(x, [5])"},
		{"sum", graph.Shape{seq, 1, 1}, expand(seq, seq.Plus(1), seq.Times(seq).Times(2)),
			"a = Shape(x) 0:1; b = Add(a, [1]); c = Mul([2], a); d = Mul(c, a); e = Concat(a, b, d); y = Expand(x, e)"},
		{"an input's own product", graph.Shape{1, batch.Times(4)}, expand(batch.Times(4), batch.Times(4)), "a = Shape(x) 1:2; b = Concat(a, a); y = Expand(x, b)"},
		{"rounded down", graph.Shape{seq, 1}, expand(seq.Div(2), seq.Minus(1).Div(2).Plus(1)),
			"a = Shape(x) 0:1; b = Div(a, [2]); c = Add(a, [1]); d = Div(c, [2]); e = Sub(d, [1]); f = Add(e, [1]); g = Concat(b, f); y = Expand(x, g)"},
		{"remainder and limits", graph.Shape{seq, 1}, expand(seq.Mod(4), seq.Min(9), seq.Minus(1).Max(0)),
			"a = Shape(x) 0:1; b = Mod(a, [4]); c = Min([9], a); d = Sub(a, [1]); e = Max([0], d); f = Concat(b, c, e); y = Expand(x, f)"},
		{"only a dimension", graph.Shape{batch}, expand(batch), "a = Shape(x) 0:1; y = Expand(x, a)"},
	}
	for _, tt := range tests {
		f := graph.NewFunc("f", false)
		f.Output("y", f.Apply(tt.op, f.Input("x", graph.F32, tt.in...)))
		m, _, _ := export(t, f, nil, Options{})
		if got := shapeText(m); got != tt.want {
			t.Errorf("%s: got  %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

func expand(dims ...graph.Dim) custom {
	return custom{"expand", graph.Type{DType: graph.F32, Shape: dims}, func(e graph.Emitter, y *graph.Value, in []string) string {
		return e.Node("Expand", []string{in[0], e.Shape(dims)})
	}}
}

// shapeText is m's nodes in one line, intermediate values as letters and constants by contents.
func shapeText(m *wire.Model) string {
	name := map[string]string{"x": "x", "y": "y"}
	for _, x := range m.Graph.Initializers {
		v, _ := x.Values()
		name[x.Name] = fmt.Sprint(v)
	}
	var lines []string
	for i, n := range m.Graph.Nodes {
		if n.Outputs[0] != "y" {
			name[n.Outputs[0]] = string(rune('a' + i))
		}
		var in []string
		for _, s := range n.Inputs {
			in = append(in, name[s])
		}
		s := fmt.Sprintf("%s = %s(%s)", name[n.Outputs[0]], n.OpType, strings.Join(in, ", "))
		switch {
		case n.OpType == "Shape":
			s += fmt.Sprintf(" %v:%v", n.Attributes[0].Value, n.Attributes[1].Value)
		case len(n.Attributes) > 0 && n.Attributes[0].Name == "allowzero":
			s += " allowzero"
		}
		lines = append(lines, s)
	}
	return strings.Join(lines, "; ")
}

// TestDimsShared: a dimension is computed once for all values that need it.
func TestDimsShared(t *testing.T) {
	f := graph.NewFunc("f", false)
	x := f.Input("x", graph.F32, batch, 1)
	f.Output("a", f.Apply(expand(batch, 5), x))
	f.Output("b", f.Apply(expand(batch, 7), x))
	m, _, _ := export(t, f, nil, Options{})
	if n := countNodes(m.Graph); !slices.Contains(n, OpCount{"Shape", 1}) {
		t.Errorf("nodes %v, want one Shape", n)
	}
}

func TestErrors(t *testing.T) {
	fails := func(emit func(e graph.Emitter, y *graph.Value, in []string) string) func() *graph.Func {
		return func() *graph.Func {
			f := graph.NewFunc("f", false)
			f.Output("y", f.Apply(custom{"op", graph.Type{}, emit}, f.Input("x", graph.F32, 2)))
			return f
		}
	}
	tests := []struct {
		name  string
		build func() *graph.Func
		o     Options
		want  []string
	}{
		{"opset too low", func() *graph.Func { f, _ := dense(); return f }, Options{Opset: 16}, []string{"opset 16", "17 to 24"}},
		{"opset too high", func() *graph.Func { f, _ := dense(); return f }, Options{Opset: 25}, []string{"opset 25"}},
		{"external", func() *graph.Func { f, _ := dense(); return f }, Options{External: true}, []string{"use ExportFile"}},
		{"no outputs", func() *graph.Func { return graph.NewFunc("f", false) }, Options{}, []string{"no outputs"}},
		{"training", func() *graph.Func { return graph.NewFunc("f", true) }, Options{}, []string{"training step", "Options.Training"}},
		{"weights missing", func() *graph.Func { f, _ := dense(); return f }, Options{}, []string{`parameter "enc.fc.weight": there is no tensor`, `"enc.fc.bias"`}},
		{"metadata", func() *graph.Func { f, _ := dense(); return f }, Options{Metadata: map[string]string{"sardonyx.x": ""}}, []string{"the exporter's own"}},
		{"unsupported, both reported", func() *graph.Func {
			f := graph.NewFunc("f", false)
			x := f.Input("x", graph.F32, 2)
			bad := custom{"bad", x.Type, func(e graph.Emitter, y *graph.Value, in []string) string { return e.Fail(y, "no %s", "way") }}
			f.Output("y", f.In("enc.a", func() *graph.Value { return f.Apply(bad, x) }))
			f.Output("z", f.Apply(bad, x))
			return f
		}, Options{}, []string{"export_test.go:", "enc.a: custom: no ONNX form at opset 17: no way", "\nexport_test.go"}},
		{"panic", fails(func(e graph.Emitter, y *graph.Value, in []string) string { panic("ouch") }), Options{}, []string{"panic in its Emit method: ouch"}},
		{"unknown input", fails(func(e graph.Emitter, y *graph.Value, in []string) string {
			return e.Node("Neg", []string{"nowhere"})
		}), Options{}, []string{`input 0 of its Neg node is "nowhere"`}},
		{"unknown result", fails(func(e graph.Emitter, y *graph.Value, in []string) string { return "" }), Options{}, []string{`returned ""`}},
		{"attribute", fails(func(e graph.Emitter, y *graph.Value, in []string) string {
			return e.Node("Neg", in, graph.Attr{Name: "a", Value: true})
		}), Options{}, []string{"a bool is no attribute"}},
		{"dimension of no input", func() *graph.Func {
			f := graph.NewFunc("f", false)
			f.Output("y", f.Apply(expand(seq), f.Input("x", graph.F32, 1)))
			return f
		}, Options{}, []string{`size of "seq"`, "no input has it"}},
		{"input named like a parameter", func() *graph.Func {
			f := graph.NewFunc("f", false)
			f.Output("y", f.Apply(node("Add", graph.F32, 2), f.Input("w", graph.F32, 2), f.Param("w", nil, 2)))
			return f
		}, Options{}, []string{`Param: "w" is already the name of an input`}},
		{"output named like an input", func() *graph.Func {
			f := graph.NewFunc("f", false)
			f.Output("x", f.Apply(node("Neg", graph.F32, 2), f.Input("x", graph.F32, 2)))
			return f
		}, Options{}, []string{`Output: "x" is already the name of an input`}},
		{"random ops of one stream that differ", func() *graph.Func {
			f := graph.NewFunc("f", false)
			x := f.RandomNormal(graph.F32, 2)
			f.Output("y", x.Add(f.Apply(graph.RandomUniform{Type: x.Type}, f.Lookup(graph.RandomState))))
			return f
		}, Options{}, []string{"two random ops of stream 0 draw different numbers: f32[2] normal, and f32[2] uniform", "export_test.go:"}},
		{"mistakes in the graph", func() *graph.Func {
			f := graph.NewFunc("f", false)
			f.Input("", graph.F32)
			return f
		}, Options{}, []string{"the name is empty"}},
	}
	for _, tt := range tests {
		var b bytes.Buffer
		_, err := Export(&b, tt.build(), Tensors{}, tt.o)
		if err == nil || b.Len() != 0 {
			t.Errorf("%s: error %v, %d bytes written", tt.name, err, b.Len())
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: no %q in: %v", tt.name, want, err)
			}
		}
	}
	f, w := dense()
	w["enc.fc.bias"] = tensor.New(graph.F32, 3)
	if _, err := Export(&bytes.Buffer{}, f, w, Options{}); err == nil || !strings.Contains(err.Error(), "the weights are f32[3], the model wants f32[2]") {
		t.Errorf("weights of another shape: %v", err)
	}
	var diags graph.Diags
	f = fails(func(e graph.Emitter, y *graph.Value, in []string) string { return e.Fail(y, "no") })()
	if _, err := Export(&bytes.Buffer{}, f, w, Options{}); !errors.As(err, &diags) || len(diags) != 1 {
		t.Errorf("errors.As finds %v in %v", diags, err)
	}
}

func TestTraining(t *testing.T) {
	f := graph.NewFunc("step", true)
	x := f.Input("x", graph.F32, batch, 2)
	w := f.Param("w", nil, 2)
	n := f.Buffer("count", graph.I64, nil)
	f.Output("loss", f.Apply(custom{"sum", graph.Type{DType: graph.F32}, func(e graph.Emitter, y *graph.Value, in []string) string {
		return e.Node("ReduceSum", in, graph.Attr{Name: "keepdims", Value: 0})
	}}, x))
	f.Update(w, f.Apply(node("Sub", graph.F32, 2), w, w))
	f.Update(n, n)
	weights := Tensors{"w": tensor.Of([]float32{1, 2}, 2), "count": tensor.Scalar(int64(3))}
	m, r, _ := export(t, f, weights, Options{Training: true})
	var in, out []string
	for _, v := range m.Graph.Inputs {
		in = append(in, v.Name+" "+typeText(v.Type))
	}
	for _, v := range m.Graph.Outputs {
		out = append(out, v.Name+" "+typeText(v.Type))
	}
	if want := []string{"x f32[batch 2]", "w f32[2]", "count i64[]"}; !slices.Equal(in, want) {
		t.Errorf("inputs %q, want %q", in, want)
	}
	if want := []string{"loss f32[]", "w.next f32[2]", "count.next i64[]"}; !slices.Equal(out, want) {
		t.Errorf("outputs %q, want %q", out, want)
	}
	if want := []State{{"w", "w.next"}, {"count", "count.next"}}; len(m.Graph.Initializers) != 0 || len(r.Inputs) != 3 || len(r.Outputs) != 3 || !slices.Equal(r.State, want) {
		t.Errorf("%d initializers, report %+v", len(m.Graph.Initializers), r) // a default would let a run without the state pass
	}
	if m, _, _ = export(t, f, nil, Options{Training: true}); len(m.Graph.Initializers) != 0 || len(m.Graph.Inputs) != 3 {
		t.Errorf("without weights: %d initializers, %d inputs", len(m.Graph.Initializers), len(m.Graph.Inputs))
	}
}

// TestNodeNames has an operator whose name ends as those of second nodes do.
func TestNodeNames(t *testing.T) {
	e := newEmitter(graph.NewFunc("f", false), Options{})
	var got []string
	for _, n := range []struct {
		opType string
		value  int
	}{{"A_3", 2}, {"A", 3}, {"A", 3}, {"A", 3}, {"B", 3}} {
		e.cur = &graph.Value{Node: &graph.Node{}, ID: n.value}
		got = append(got, e.nodeName(n.opType))
	}
	want := []string{"A_3_2", "A_3", "A_3_3", "A_3_4", "B_3"}
	if !slices.Equal(got, want) {
		t.Errorf("the nodes are called %q, want %q", got, want)
	}
}
