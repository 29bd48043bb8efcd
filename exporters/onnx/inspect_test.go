package onnx

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

func vector() Vector {
	return Vector{
		Inputs:  map[string]*tensor.Tensor{"x": tensor.Of([]float32{1, 0, float32(math.Inf(1))}, 1, 3)},
		Outputs: map[string]*tensor.Tensor{"h": tensor.Of([]float32{0, 3}, 1, 2)},
		ATol:    1e-6, RTol: 1e-5,
	}
}

func TestInspect(t *testing.T) {
	f, w := dense()
	path := filepath.Join(t.TempDir(), "m.onnx")
	r, err := ExportFile(path, f, w, Options{ProducerVersion: "v1", Doc: "d", Metadata: map[string]string{"epochs": "3"}, Vectors: []Vector{vector(), vector()}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := Inspect(path)
	if err != nil {
		t.Fatal(err)
	}
	want := &Summary{
		Bytes: r.Bytes, IR: 8, Opsets: []wire.Opset{{Version: 17}}, Producer: "sardonyx v1", Doc: "d", Graph: "encode",
		Inputs:  []Value{{Name: "x", Type: "f32[batch 3]", Dims: []int64{-1, 3}}},
		Outputs: []Value{{Name: "h", Type: "f32[batch 2]", Dims: []int64{-1, 2}}},
		Initializers: []Initializer{
			{Name: "enc.fc.weight", Type: "f32[3 2]", Len: 6, Bytes: 24}, {Name: "enc.fc.bias", Type: "f32[2]", Len: 2, Bytes: 8}},
		Params: 8, Nodes: []OpCount{{"Add", 1}, {"MatMul", 1}}, NodeCount: 2,
		Metadata: []wire.Entry{{Key: "epochs", Value: "3"}}, Vectors: []Vector{vector(), vector()},
		Weights: denseDigest,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestInspectErrors(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m.onnx")
	if err := os.WriteFile(path, []byte("no model"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{path, dir, filepath.Join(dir, "none.onnx")} {
		if s, err := Inspect(p); err == nil || !strings.Contains(err.Error(), p) {
			t.Errorf("%s: got %v, %v, want an error that names it", p, s, err)
		}
	}
	f, w := dense()
	m, _, _ := export(t, f, w, Options{})
	good, err := json.Marshal(vector())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, old, new, want string }{
		{"nothing", "", "", ""},
		{"a false shape", `"shape":[1,3]`, `"shape":[1099511627776]`, "takes more than 12 bytes"},
		{"outputs by another name", `"outputs"`, `"output"`, `output" is unknown`},
		{"inputs by another name", `"inputs"`, `"input"`, `input" is unknown`},
		{"a tolerance by another name", `"atol"`, `"tola"`, `"tola" is unknown`},
		{"no tolerance", `"atol":0.000001,`, ``, `"atol" is missing`},
		{"a tolerance for anything", `"rtol":`, `"rtol":1`, "which nothing is held to"},
		{"a shape by another name", `"shape"`, `"sharp"`, `sharp" is unknown`},
		{"no shape", `"shape":[1,3],`, ``, `shape" is missing`},
		{"another input", `"x"`, `"y"`, `it has no input "x"`},
		{"another output", `"h"`, `"g"`, `the model has no output "g"`},
		{"an end that is missing", `}}`, ``, "unexpected end"},
		{"no vector", string(good), `{}`, `" is missing`},
		{"null", string(good), `null`, "is null"},
	} {
		value := strings.Replace(string(good), tt.old, tt.new, 1)
		if tt.name != "nothing" && value == string(good) {
			t.Fatalf("%s: no %s in %s", tt.name, tt.old, good)
		}
		m.Metadata = []wire.Entry{{Key: metaVector + "000", Value: value}}
		var b bytes.Buffer
		if err := m.Encode(&b); err != nil {
			t.Fatal(err)
		}
		_, err := Read(bytes.NewReader(b.Bytes()), int64(b.Len()))
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "sardonyx.vector.")) {
			t.Errorf("%s: %v, want an error with %q", tt.name, err, tt.want)
		}
	}
}

func TestVectorJSON(t *testing.T) {
	v := vector()
	v.Inputs["b"] = tensor.Of([]bool{true, false}, 2)
	v.Inputs["h"] = tensor.Of([]tensor.BFloat16{1, 2}, 1, 2)
	v.Outputs["i"] = tensor.Scalar(int64(-1))
	v.Outputs["e"] = tensor.New(tensor.U8, 0, 3)
	a, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var got Vector
	if err := json.Unmarshal(a, &got); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(got)
	if err != nil || !bytes.Equal(a, b) {
		t.Errorf("%v\n%s\n%s", err, a, b)
	}
	if x := got.Inputs["h"]; x.DType() != tensor.BF16 || !slices.Equal(x.Shape(), []int{1, 2}) || x.Raw().([]tensor.BFloat16)[1] != 2 {
		t.Errorf("bf16 came back as %v %v", x, x.Raw())
	}
	if err := json.Unmarshal([]byte(`{"inputs":{"x":{"type":"f33","shape":[]}}}`), &got); err == nil {
		t.Error("type f33 was accepted")
	}
}

func TestVectorErrors(t *testing.T) {
	for _, tt := range []struct {
		change func(v Vector)
		want   string
	}{
		{func(v Vector) { delete(v.Inputs, "x") }, `input "x"`},
		{func(v Vector) { v.Inputs["x"] = tensor.New(tensor.F64, 1, 3) }, "f64[1 3], the model wants f32[batch 3]"},
		{func(v Vector) { v.Outputs["q"] = tensor.New(tensor.F32) }, `no output "q"`},
		{func(v Vector) { delete(v.Outputs, "h") }, "no outputs"},
		{func(v Vector) { v.Outputs["h"] = nil }, `tensor "h" is nil`},
	} {
		f, w := dense()
		v := vector()
		tt.change(v)
		if _, err := Export(&bytes.Buffer{}, f, w, Options{Vectors: []Vector{v}}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %q", err, tt.want)
		}
	}
}

// FuzzRead reads damaged files with test vectors and noise.
func FuzzRead(f *testing.F) {
	d, w := dense()
	var b bytes.Buffer
	if _, err := Export(&b, d, w, Options{Metadata: map[string]string{"epochs": "3"}, Vectors: []Vector{vector()}}); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	b.Reset()
	weights := Tensors{"w": tensor.New(tensor.F32, 5), graph.RandomState: tensor.New(tensor.I64, 2)}
	if _, err := Export(&b, noisy(), weights, Options{Training: true}); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Read(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		for _, v := range s.Vectors {
			if _, err := json.Marshal(v); err != nil {
				t.Errorf("a vector that was read cannot be written: %v", err)
			}
		}
	})
}

// FuzzVector reads damaged test vectors.
func FuzzVector(f *testing.F) {
	b, err := json.Marshal(vector())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"inputs":{"x":{"type":"bf16","shape":[0,4611686018427387904],"data":""}},"outputs":{"y":{"type":"bool","shape":[1],"data":"Ag=="}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var v Vector
		if json.Unmarshal(data, &v) == nil {
			if _, err := json.Marshal(v); err != nil {
				t.Errorf("a vector that was read cannot be written: %v", err)
			}
		}
	})
}
