package onnx_test

import (
	"bytes"
	"errors"
	"fmt"
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

// onnxGoOperators are those that the profile may write: onnx-go has others, which are wrong or of no use.
var onnxGoOperators = strings.Fields("Abs Add Concat Conv Cos Div Exp Floor GlobalAveragePool LeakyRelu Log MatMul Max MaxPool Min Mul Neg Relu Reshape Sigmoid Sign Sin Softmax Sqrt Sub Tanh Transpose")

// TestOnnxGoProfile evaluates the networks' files for onnx-go by the operators' specification: they hold few operators, fixed
// sizes, and compute what the plain files do.
func TestOnnxGoProfile(t *testing.T) {
	progs, err := onnxtest.Networks()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range progs {
		for _, f := range p.Funcs() {
			for _, batch := range []int{1, 2} {
				t.Run(fmt.Sprintf("%s/%s/%d", p.Name(), f.Name, batch), func(t *testing.T) {
					r := rand.New(rand.NewPCG(3, 4))
					draw := func(v *graph.Value, lo, hi float64) *tensor.Tensor {
						shape, err := v.Shape().Eval(graph.Binding{"batch": batch})
						if err != nil {
							t.Fatal(err)
						}
						x := tensor.New(v.DType(), shape...)
						for i := range x.Len() {
							x.Set(i, lo+(hi-lo)*r.Float64())
						}
						return x
					}
					weights, in := onnx.Tensors{}, map[string]*tensor.Tensor{}
					for _, v := range f.Params {
						if weights[v.Name] = draw(v, -.5, .5); strings.HasSuffix(v.Name, "variance") {
							weights[v.Name] = draw(v, .5, 1.5)
						}
					}
					for _, v := range f.Inputs {
						in[v.Name] = draw(v, -2, 2)
					}
					var out [2]map[string]*tensor.Tensor
					for i, profile := range []onnx.Profile{onnx.Plain, onnx.OnnxGo} {
						m := exported(t, f, weights, onnx.Options{Profile: profile, Batch: batch})
						if profile == onnx.OnnxGo {
							checkForOnnxGo(t, m)
						}
						if out[i], err = onnxtest.Evaluate(m, in); err != nil {
							t.Fatal(err)
						}
					}
					for name, want := range out[0] {
						got := out[1][name]
						if got == nil || !slices.Equal(got.Shape(), want.Shape()) {
							t.Fatalf("output %q is %v, want %v", name, got, want)
						}
						for i := range want.Len() {
							if d := got.At(i) - want.At(i); d > 1e-5 || d < -1e-5 {
								t.Fatalf("output %q, element %d: %v, want %v", name, i, got.At(i), want.At(i))
							}
						}
					}
				})
			}
		}
	}
}

func exported(t *testing.T, f *graph.Func, weights onnx.Weights, o onnx.Options) *wire.Model {
	t.Helper()
	var file bytes.Buffer
	if _, err := onnx.Export(&file, f, weights, o); err != nil {
		t.Fatal(err)
	}
	m, err := wire.Decode(file.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func checkForOnnxGo(t *testing.T, m *wire.Model) {
	t.Helper()
	for _, n := range m.Graph.Nodes {
		if !slices.Contains(onnxGoOperators, n.OpType) {
			t.Errorf("node %q is a %s", n.Name, n.OpType)
		}
	}
	for _, v := range slices.Concat(m.Graph.Inputs, m.Graph.Outputs) {
		for _, d := range v.Type.Shape {
			if d.Param != "" || d.Unknown {
				t.Errorf("%q has an axis %+v", v.Name, d)
			}
		}
	}
}

// TestOnnxGoProfileVectors: the vectors in the file are of the fixed batch, and made by the model as it was.
func TestOnnxGoProfileVectors(t *testing.T) {
	f := graph.NewFunc("f", false)
	f.Output("y", f.Input("x", graph.F32, graph.Sym("batch"), 2).MatMul(f.Param("w", nil, 2, 2)).Add(f.Param("b", nil, 2)))
	var file bytes.Buffer
	weights := onnx.Tensors{"w": tensor.Of([]float32{1, 2, 3, 4}, 2, 2), "b": tensor.Of([]float32{5, 6}, 2)}
	if _, err := onnx.Export(&file, f, weights, onnx.Options{Profile: onnx.OnnxGo, Batch: 4}); err != nil {
		t.Fatal(err)
	}
	sum, err := onnx.Read(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if len(sum.Vectors) != 1 || sum.Vectors[0].Inputs["x"].Dim(0) != 4 || sum.Vectors[0].Outputs["y"].Dim(0) != 4 {
		t.Errorf("the vectors are %v", sum.Vectors)
	}
}

// TestOnnxGoProfileErrors are what the profile is not for.
func TestOnnxGoProfileErrors(t *testing.T) {
	batch, seq := graph.Sym("batch"), graph.Sym("seq")
	for _, tt := range []struct {
		name string
		f    func(f *graph.Func)
		o    onnx.Options
		form bool // the error is of the form, not of the options
		want string
	}{
		{"lacking", func(f *graph.Func) { f.Output("y", f.Input("x", graph.F32, batch, 2).Erf()) }, onnx.Options{Profile: onnx.OnnxGo}, true, "Erf: no form for onnx-go"},
		{"a scalar", func(f *graph.Func) { f.Output("y", f.Input("x", graph.F32, batch, 2).Mean()) }, onnx.Options{Profile: onnx.OnnxGo}, true, "f32 of one axis or more"},
		{"a scalar constant", func(f *graph.Func) { f.Input("x", graph.F32, 2); f.Output("y", f.Full(graph.F32, 1)) }, onnx.Options{Profile: onnx.OnnxGo}, true, `the output "y"`},
		{"another symbol", func(f *graph.Func) { f.Output("y", f.Input("x", graph.F32, batch, seq).ReLU()) }, onnx.Options{Profile: onnx.OnnxGo}, true, "only the first axis"},
		{"integers", func(f *graph.Func) { x := f.Input("x", graph.I64, batch); f.Output("y", x.Add(x)) }, onnx.Options{Profile: onnx.OnnxGo}, true, "it takes f32"},
		{"too large a matrix", func(f *graph.Func) { f.Output("y", f.Input("x", graph.F32, batch, 8, 32, 32).Upsample(2)) }, onnx.Options{Profile: onnx.OnnxGo}, true, "as a matrix it would have 8192×32768 elements"},
		{"not linear", func(f *graph.Func) {
			f.Output("y", f.Input("x", graph.F32, batch, 2).Pad([]int{0, 1}, []int{0, 1}, 3))
		}, onnx.Options{Profile: onnx.OnnxGo}, true, "it is not linear"},
		{"a batch", func(f *graph.Func) { f.Output("y", f.Input("x", graph.F32, batch).ReLU()) }, onnx.Options{Profile: onnx.OnnxGo, Batch: -1}, false, "a batch of -1"},
		{"a profile", func(f *graph.Func) { f.Output("y", f.Input("x", graph.F32, batch).ReLU()) }, onnx.Options{Profile: "tract"}, false, `no profile "tract"`},
		{"training", func(f *graph.Func) { f.Output("y", f.Input("x", graph.F32, batch).ReLU()) }, onnx.Options{Profile: onnx.OnnxGo, Training: true}, true, "no training steps"},
	} {
		f := graph.NewFunc(tt.name, false)
		tt.f(f)
		var file bytes.Buffer
		_, err := onnx.Export(&file, f, nil, tt.o)
		if err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, onnx.ErrProfile) != tt.form || file.Len() > 0 {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}
