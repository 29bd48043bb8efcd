package wire

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// addModel is y = x + w over f32[n 2].
func addModel() *Model {
	f := func(name string) *ValueInfo {
		return &ValueInfo{Name: name, Type: &TensorType{Elem: Float, Shape: []Dim{{Param: "n"}, {Value: 2}}}}
	}
	return &Model{
		IRVersion: 8, ProducerName: "p", Opsets: []Opset{{Version: 17}},
		Graph: &Graph{
			Name:         "g",
			Nodes:        []*Node{{Inputs: []string{"x", "w"}, Outputs: []string{"y"}, OpType: "Add"}},
			Initializers: []*Tensor{{Name: "w", Type: Float, Dims: []int64{2}, Data: []float32{1, -2}}},
			Inputs:       []*ValueInfo{f("x")},
			Outputs:      []*ValueInfo{f("y")},
		},
	}
}

// fullModel uses every message and field that can be written, except subgraphs.
func fullModel() *Model {
	m := addModel()
	m.ProducerVersion, m.Domain, m.Version, m.Doc = "1.2", "org.example", 3, "a model"
	m.Opsets = append(m.Opsets, Opset{"org.example", 1})
	m.Metadata = []Entry{{"a", "1"}, {"b", ""}}
	g := m.Graph
	g.Doc = "a graph"
	tensors := []*Tensor{
		{Type: Float, Dims: []int64{}, Data: []float32{3}},
		{Type: Double, Dims: []int64{2}, Data: []float64{math.Pi, math.Inf(-1)}},
		{Type: Int64, Dims: []int64{1, 2}, Data: []int64{-1, math.MaxInt64}},
		{Type: Int32, Dims: []int64{2}, Data: []int32{-5, 7}},
		{Type: Uint8, Dims: []int64{3}, Data: []uint8{0, 128, 255}},
		{Type: Int8, Dims: []int64{2}, Data: []int8{-128, 127}},
		{Type: Uint16, Dims: []int64{2}, Data: []uint16{1, 65535}},
		{Type: Int16, Dims: []int64{2}, Data: []int16{-2, 2}},
		{Type: Uint32, Dims: []int64{1}, Data: []uint32{math.MaxUint32}},
		{Type: Uint64, Dims: []int64{1}, Data: []uint64{math.MaxUint64}},
		{Type: Bool, Dims: []int64{4}, Data: []bool{true, false, false, true}},
		{Type: Float16, Dims: []int64{2}, Data: []uint16{0x3c00, 0x7c00}},
		{Type: BFloat16, Dims: []int64{1}, Data: []uint16{0x3f80}},
		{Type: Float, Dims: []int64{0, 4}, Data: []float32{}},
	}
	for i, t := range tensors {
		t.Name = "t" + string(rune('a'+i))
	}
	tensors[0].Doc = "a scalar"
	g.Initializers = append(g.Initializers, tensors...)
	g.Nodes = append(g.Nodes,
		&Node{Inputs: []string{"y", "", "ta"}, Outputs: []string{"c"}, Name: "m.clip", OpType: "Clip", Doc: "x.go:1"},
		&Node{Inputs: []string{"c"}, Outputs: []string{"d"}, Name: "odd", OpType: "Odd", Domain: "org.example", Attributes: []*Attribute{
			{Name: "f", Value: float32(0)}, {Name: "i", Value: int64(-3)}, {Name: "s", Value: "\xff", Doc: "bytes"},
			{Name: "t", Value: &Tensor{Type: Int64, Dims: []int64{1}, Data: []int64{9}}},
			{Name: "fs", Value: []float32{1, 2}}, {Name: "is", Value: []int64{-1, 0, 300}}, {Name: "ss", Value: []string{"", "b"}},
		}})
	g.Outputs = append(g.Outputs, &ValueInfo{Name: "d", Type: &TensorType{Elem: Float}, Doc: "no shape", Denotation: "IMAGE"})
	g.Values = []*ValueInfo{{Name: "c", Type: &TensorType{Elem: Float, Shape: []Dim{{Unknown: true}, {Value: 2}}}}}
	return m
}

func encode(t testing.TB, m *Model) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := m.Encode(&b); err != nil {
		t.Fatal(err)
	}
	if n, err := m.Size(); err != nil || n != int64(b.Len()) {
		t.Fatalf("Size is %d, %v; Encode wrote %d bytes", n, err, b.Len())
	}
	return b.Bytes()
}

// TestGolden holds the encoding to bytes taken apart by hand: field<<3|wire type, length, contents.
func TestGolden(t *testing.T) {
	value := func(name string) string { // ValueInfoProto: name, type{tensor{elem_type 1, shape{dim{param n}, dim{value 2}}}}
		return "0a01" + name + "120f" + "0a0d" + "0801" + "1209" + "0a03" + "12016e" + "0a02" + "0802"
	}
	node := "0a01" + "78" + "0a01" + "77" + "1201" + "79" + "2203" + "416464"
	tensor := "0802" + "1001" + "4201" + "77" + "4a08" + "0000803f" + "000000c0"
	graph := "0a" + size(node) + node + "1201" + "67" + "2a" + size(tensor) + tensor +
		"5a" + size(value("78")) + value("78") + "62" + size(value("79")) + value("79")
	want := "0808" + "1201" + "70" + "3a" + size(graph) + graph + "4202" + "1011"
	if got := hex.EncodeToString(encode(t, addModel())); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func size(hexed string) string { return hex.EncodeToString([]byte{byte(len(hexed) / 2)}) }

// plain replaces what Decode cannot give back literally: payloads become Data, nil lists and empty ones agree.
func plain(t *testing.T, m *Model) {
	fix := func(x *Tensor) {
		v, err := x.Values()
		if err != nil {
			t.Fatal(err)
		}
		x.Data, x.stored = v, stored{}
		if x.Dims == nil {
			x.Dims = []int64{}
		}
	}
	for _, x := range m.Graph.Initializers {
		fix(x)
	}
	for _, n := range m.Graph.Nodes {
		for _, a := range n.Attributes {
			if x, ok := a.Value.(*Tensor); ok {
				fix(x)
			}
		}
	}
}

func TestRoundTrip(t *testing.T) {
	for name, m := range map[string]*Model{"add": addModel(), "full": fullModel()} {
		data := encode(t, m)
		got, err := Decode(data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if again := encode(t, got); !bytes.Equal(again, data) {
			t.Errorf("%s: a decoded model encodes to other bytes", name)
		}
		plain(t, got)
		if !reflect.DeepEqual(got, m) {
			t.Errorf("%s: got %+v\nwant %+v", name, got.Graph, m.Graph)
		}
		if again := encode(t, m); !bytes.Equal(again, data) {
			t.Errorf("%s: a second encoding differs", name)
		}
	}
}

func TestSubgraphs(t *testing.T) {
	m := addModel()
	inner := addModel().Graph
	m.Graph.Nodes = append(m.Graph.Nodes, &Node{OpType: "If", Inputs: []string{"y"}, Outputs: []string{"z"}, Attributes: []*Attribute{
		{Name: "then_branch", Value: inner}, {Name: "gs", Value: []*Graph{inner, inner}}, {Name: "ts", Value: []*Tensor{inner.Initializers[0]}}}})
	got, err := Decode(encode(t, m))
	if err != nil {
		t.Fatal(err)
	}
	a := got.Graph.Nodes[1].Attributes
	if g, ok := a[0].Value.(*Graph); !ok || g.Nodes[0].OpType != "Add" {
		t.Errorf("then_branch is %#v", a[0].Value)
	}
	if g, ok := a[1].Value.([]*Graph); !ok || len(g) != 2 || len(g[1].Inputs) != 1 {
		t.Errorf("gs is %#v", a[1].Value)
	}
	if x, ok := a[2].Value.([]*Tensor); !ok || len(x) != 1 || x[0].Name != "w" {
		t.Errorf("ts is %#v", a[2].Value)
	}
	for range maxDepth + 1 {
		inner = &Graph{Nodes: []*Node{{OpType: "If", Attributes: []*Attribute{{Name: "b", Value: inner}}}}}
	}
	m.Graph = inner
	if _, err := Decode(encode(t, m)); err == nil || !strings.Contains(err.Error(), "nested more than") {
		t.Errorf("deep nesting: %v", err)
	}
}

// TestExternalEverywhere: wherever a tensor stands whose payload is in another file, the model lists it.
func TestExternalEverywhere(t *testing.T) {
	var x encoder
	var buf bytes.Buffer
	x.w = bufio.NewWriter(&buf)
	x.tensor(&Tensor{Name: "w", Type: Float, Dims: []int64{2}, External: []Entry{{"location", "f"}}})
	if err := x.w.Flush(); err != nil {
		t.Fatal(err)
	}
	in := func(body []byte, fields ...protowire.Number) []byte { // the innermost field first
		for _, f := range fields {
			body = protowire.AppendBytes(protowire.AppendTag(nil, f, protowire.BytesType), body)
		}
		return body
	}
	for name, path := range map[string][]protowire.Number{
		"initializer":        {5, 7},
		"attribute":          {5, 5, 1, 7},
		"attributes":         {10, 5, 1, 7},
		"subgraph":           {5, 6, 5, 1, 7},
		"subgraphs":          {5, 11, 5, 1, 7},
		"sparse initializer": {1, 15, 7},
		"sparse indices":     {2, 15, 7},
		"sparse attribute":   {1, 22, 5, 1, 7},
		"sparse attributes":  {1, 23, 5, 1, 7},
		"function":           {5, 5, 7, 25},
		"function default":   {5, 11, 25},
		"training":           {5, 2, 20},
		"initialization":     {5, 1, 20},
	} {
		m, err := Decode(append(encode(t, addModel()), in(buf.Bytes(), path...)...))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if len(m.External) != 1 || m.External[0].Name != "w" {
			t.Errorf("%s: %d external tensors, want w", name, len(m.External))
		}
	}
	if m, err := Decode(encode(t, addModel())); err != nil || len(m.External) != 0 {
		t.Errorf("a model without: %v, %v", m.External, err)
	}
}

func TestEncodeErrors(t *testing.T) {
	tests := []struct {
		name, want string
		change     func(m *Model)
	}{
		{"no graph", "no graph", func(m *Model) { m.Graph = nil }},
		{"text", "not UTF-8", func(m *Model) { m.Graph.Nodes[0].Name = "\xff" }},
		{"attribute", "cannot be a int", func(m *Model) { m.Graph.Nodes[0].Attributes = []*Attribute{{Name: "a", Value: 1}} }},
		{"go type", "cannot be written from a []float64", func(m *Model) { m.Graph.Initializers[0].Data = []float64{1, 2} }},
		{"no data", "cannot be written from a <nil>", func(m *Model) { m.Graph.Initializers[0].Data = nil }},
		{"length", "has 2 elements, the data 1", func(m *Model) { m.Graph.Initializers[0].Data = []float32{1} }},
		{"negative", "negative", func(m *Model) { m.Graph.Initializers[0].Dims = []int64{-2} }},
	}
	for _, tt := range tests {
		m := addModel()
		tt.change(m)
		var b bytes.Buffer
		if err := m.Encode(&b); err == nil || !strings.Contains(err.Error(), tt.want) || b.Len() != 0 {
			t.Errorf("%s: got %v after %d bytes, want an error with %q", tt.name, err, b.Len(), tt.want)
		}
	}
}

func TestTooLarge(t *testing.T) {
	m := addModel()
	one := make([]float32, 1<<20)
	for range 513 { // the same 4 MiB again and again
		m.Graph.Initializers = append(m.Graph.Initializers, &Tensor{Name: "big", Type: Float, Dims: []int64{1 << 20}, Data: one})
	}
	var b bytes.Buffer
	if err := m.Encode(&b); !errors.Is(err, ErrTooLarge) || b.Len() != 0 {
		t.Errorf("got %v after %d bytes, want ErrTooLarge", err, b.Len())
	}
	for _, x := range m.Graph.Initializers {
		x.External = []Entry{{"location", "weights.data"}}
	}
	got, err := Decode(encode(t, m))
	if err != nil {
		t.Fatal(err)
	}
	x := got.Graph.Initializers[1]
	if _, err := x.Values(); !errors.Is(err, ErrExternal) || len(x.External) != 1 {
		t.Errorf("Values of an external tensor: %v; External %v", err, x.External)
	}
}

// TestBigEndian writes as a machine of the other byte order would: each element comes out turned round.
func TestBigEndian(t *testing.T) {
	native := littleEndian
	defer func() { littleEndian = native }()
	long := make([]float64, 10000) // several pieces
	for i := range long {
		long[i] = float64(i) * 1.1
	}
	for _, x := range append(slices.Clone(fullModel().Graph.Initializers), &Tensor{Name: "long", Type: Double, Dims: []int64{10000}, Data: long}) {
		var written [2]bytes.Buffer
		for i, little := range []bool{true, false} {
			littleEndian = little
			if err := x.WriteRaw(&written[i]); err != nil {
				t.Fatal(err)
			}
		}
		got, size := written[1].Bytes(), int(x.Type.bits()/8)
		for i := 0; i < len(got); i += size {
			slices.Reverse(got[i : i+size])
		}
		if !bytes.Equal(got, written[0].Bytes()) {
			t.Errorf("%s, %v: the elements are not turned round", x.Name, x.Type)
		}
	}
}

// TestStreaming holds writing to its promise: no second copy of the weights.
func TestStreaming(t *testing.T) {
	m := addModel()
	m.Graph.Initializers[0].Dims, m.Graph.Initializers[0].Data = []int64{4 << 20}, make([]float32, 4<<20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := m.Encode(discard{}); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("writing 16 MiB of weights allocates %d bytes", n)
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// TestReference lets the reference implementation check models and write them again: the same bytes must come out.
func TestReference(t *testing.T) {
	python := "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import onnx").Run(); err != nil {
		t.Skip("needs python3 with the onnx package (Debian: python3-onnx)")
	}
	const script = `
import sys, onnx
from onnx import checker, numpy_helper
for path in sys.argv[1:]:
    data = open(path, "rb").read()
    m = onnx.load_from_string(data)
    if "full" not in path:
        checker.check_model(m, full_check=True)
    for t in m.graph.initializer:
        print(t.name, t.data_type, list(t.dims), numpy_helper.to_array(t).ravel().tolist())
    assert m.SerializeToString(deterministic=True) == data, path + ": other bytes"
`
	dir := t.TempDir()
	args := []string{"-c", script}
	for name, m := range map[string]*Model{"add": addModel(), "full": fullModel()} {
		path := filepath.Join(dir, name+".onnx")
		if err := os.WriteFile(path, encode(t, m), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	out, err := exec.Command(python, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"w 1 [2] [1.0, -2.0]", "tb 11 [2] [3.141592653589793, -inf]", "tk 9 [4] [True, False, False, True]", "tl 10 [2] [1.0, inf]"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the reference did not read %q:\n%s", want, out)
		}
	}
}

// TestRelocate moves external data wherever it stands in a model, and nothing else.
func TestRelocate(t *testing.T) {
	external := func(location string) *Tensor {
		return &Tensor{Name: "w", Type: Float, Dims: []int64{2}, External: []Entry{{Key: "location", Value: location}, {Key: "offset", Value: "location"}}}
	}
	build := func(place func(string) string) []byte {
		m := fullModel()
		inner := &Graph{Initializers: []*Tensor{external(place("inner"))}}
		m.Graph.Initializers = append(m.Graph.Initializers, external(place("outer")), external(place("a")))
		m.Graph.Nodes = append(m.Graph.Nodes, &Node{OpType: "If", Attributes: []*Attribute{{Name: "g", Value: inner}, {Name: "gs", Value: []*Graph{inner}},
			{Name: "t", Value: external(place("constant"))}, {Name: "ts", Value: []*Tensor{external(place("list"))}}}})
		return encode(t, m)
	}
	place := func(location string) string {
		return location + " in a folder with a long name, longer than a length of one byte can say, and longer than that still: so it goes on"
	}
	got, err := Relocate(build(func(s string) string { return s }), place)
	if err != nil || !bytes.Equal(got, build(place)) {
		t.Errorf("%v\n%q\nwant\n%q", err, got, build(place))
	}
	same := build(func(s string) string { return s })
	if got, err := Relocate(same, func(s string) string { return s }); err != nil || !bytes.Equal(got, same) {
		t.Errorf("a model whose data stays was changed: %v", err)
	}
}
