package onnxruntime

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// needLibrary skips a test where models cannot be run.
func needLibrary(t testing.TB) {
	t.Helper()
	if !Available() {
		t.Skip("this test binary was built without cgo")
	}
	if _, err := Find(""); errors.Is(err, ErrNotFound) {
		t.Skip("the native library is missing: run ", installCommand)
	} else if err != nil {
		t.Fatal(err)
	}
}

// A graphDef is a model to build.
type graphDef struct {
	in, out []*wire.ValueInfo
	nodes   []*wire.Node
	weights []*wire.Tensor
	opset   int64 // 17 if 0
}

// vi is an input or output; a dimension is an int, a string for a symbol, or nil for unknown.
func vi(name string, elem wire.DataType, dims ...any) *wire.ValueInfo {
	shape := make([]wire.Dim, len(dims))
	for i, d := range dims {
		switch d := d.(type) {
		case int:
			shape[i].Value = int64(d)
		case string:
			shape[i].Param = d
		default:
			shape[i].Unknown = true
		}
	}
	return &wire.ValueInfo{Name: name, Type: &wire.TensorType{Elem: elem, Shape: shape}}
}

// unranked is an output whose rank is not stated.
func unranked(name string, elem wire.DataType) *wire.ValueInfo {
	return &wire.ValueInfo{Name: name, Type: &wire.TensorType{Elem: elem}}
}

// nd is a node: its operator, "a b" inputs, "y" outputs, and name, value pairs of attributes.
func nd(op, in, out string, attrs ...any) *wire.Node {
	n := &wire.Node{OpType: op, Name: op + "_" + out, Inputs: strings.Fields(in), Outputs: strings.Fields(out)}
	for i := 0; i < len(attrs); i += 2 {
		n.Attributes = append(n.Attributes, &wire.Attribute{Name: attrs[i].(string), Value: attrs[i+1]})
	}
	return n
}

func (g graphDef) encode(t testing.TB) []byte {
	t.Helper()
	opset := g.opset
	if opset == 0 {
		opset = 17
	}
	var buf bytes.Buffer
	m := &wire.Model{IRVersion: 8, Opsets: []wire.Opset{{Version: opset}},
		Graph: &wire.Graph{Name: "test", Nodes: g.nodes, Inputs: g.in, Outputs: g.out, Initializers: g.weights}}
	if err := m.Encode(&buf); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// linear is y = x·w + b with w 2×3, over a batch of any size.
func linear() graphDef {
	return graphDef{
		in:    []*wire.ValueInfo{vi("x", wire.Float, "batch", 2)},
		out:   []*wire.ValueInfo{vi("y", wire.Float, "batch", 3)},
		nodes: []*wire.Node{nd("MatMul", "x w", "xw"), nd("Add", "xw b", "y")},
		weights: []*wire.Tensor{
			{Name: "w", Type: wire.Float, Dims: []int64{2, 3}, Data: []float32{1, 2, 3, 4, 5, 6}},
			{Name: "b", Type: wire.Float, Dims: []int64{3}, Data: []float32{.5, 0, -1}}},
	}
}

func openTest(t testing.TB, g graphDef) *Session {
	t.Helper()
	needLibrary(t)
	s, err := OpenBytes(g.encode(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func writeTemp(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// same holds got to want in dtype, shape and every element.
func same(t testing.TB, name string, got, want *tensor.Tensor) {
	t.Helper()
	if got == nil {
		t.Errorf("%s: no such output", name)
		return
	}
	if got.DType() != want.DType() || !slices.Equal(got.Shape(), want.Shape()) || !slices.Equal(texts(got), texts(want)) {
		t.Errorf("%s = %v %v, want %v %v", name, got, texts(got), want, texts(want))
	}
}

// texts are the elements of x as digits tell them.
func texts(x *tensor.Tensor) []string {
	out := make([]string, x.Len())
	for i := range out {
		out[i] = x.Text(i)
	}
	return out
}

// wantError holds err to one line that has all the words.
func wantError(t testing.TB, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one with %q", words)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q has more than one line", err)
	}
}
