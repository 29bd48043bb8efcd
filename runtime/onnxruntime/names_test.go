package onnxruntime_test

import (
	"bytes"
	"testing"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
)

// TestOneValueManyOutputs loads and runs files in which outputs are of one value, or of none that a node makes.
func TestOneValueManyOutputs(t *testing.T) {
	requireLibrary(t)
	weights := onnx.Tensors{"w": tensor.Of([]float32{3, 4}, 2), "u": tensor.Of([]float32{5, 6}, 2)}
	many := func(of func(f *graph.Func, x *graph.Value) *graph.Value) func(f *graph.Func, x *graph.Value) {
		return func(f *graph.Func, x *graph.Value) {
			v := of(f, x)
			for _, name := range []string{"a", "b", "c"} {
				f.Output(name, v)
			}
		}
	}
	for _, c := range []struct {
		name     string
		training bool
		random   onnx.Random
		build    func(f *graph.Func, x *graph.Value)
	}{
		{"an input", false, 0, many(func(f *graph.Func, x *graph.Value) *graph.Value { return x })},
		{"a result", false, 0, many(func(f *graph.Func, x *graph.Value) *graph.Value { return x.Neg() })},
		{"a result that is read too", false, 0, func(f *graph.Func, x *graph.Value) {
			many(func(f *graph.Func, x *graph.Value) *graph.Value { return x.Neg() })(f, x)
			f.Output("d", f.Outputs[0].Value.Exp())
		}},
		{"a parameter", false, 0, many(func(f *graph.Func, x *graph.Value) *graph.Value { return f.Param("w", nil, 2) })},
		{"a constant", false, 0, many(func(f *graph.Func, x *graph.Value) *graph.Value { return f.Const(tensor.Of([]float32{1, 2}, 2)) })},
		{"random numbers from outside", false, onnx.RandomInputs, many(func(f *graph.Func, x *graph.Value) *graph.Value { return f.RandomNormal(graph.F32, 2) })},
		{"random numbers from inside", false, onnx.RandomNative, many(func(f *graph.Func, x *graph.Value) *graph.Value { return f.RandomNormal(graph.F32, 2) })},
		{"all of these", false, 0, func(f *graph.Func, x *graph.Value) {
			for i, v := range []*graph.Value{x, f.Param("w", nil, 2), f.Const(tensor.Of([]float32{1, 2}, 2)), x.Neg()} {
				for k := range 3 {
					f.Output(string(rune('a'+i))+string(rune('a'+k)), v)
				}
			}
		}},
		{"new state", true, 0, func(f *graph.Func, x *graph.Value) {
			w, u := f.Param("w", nil, 2), f.Param("u", nil, 2)
			f.Output("loss", w)
			f.Output("new", w.Neg())
			f.Update(w, f.Outputs[1].Value)
			f.Update(u, f.Outputs[1].Value)
		}},
		{"state that stays, and changes places", true, 0, func(f *graph.Func, x *graph.Value) {
			w, u := f.Param("w", nil, 2), f.Param("u", nil, 2)
			f.Output("loss", x)
			f.Update(w, u)
			f.Update(u, w)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := graph.NewFunc("f", c.training)
			x := f.Input("x", graph.F32, 2)
			c.build(f, x)
			var b bytes.Buffer
			if _, err := onnx.Export(&b, f, weights, onnx.Options{Training: c.training, Random: c.random}); err != nil {
				t.Fatal(err)
			}
			s, err := onnxruntime.OpenBytes(b.Bytes(), onnxruntime.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			in := map[string]*tensor.Tensor{}
			for _, i := range s.Inputs() {
				in[i.Name] = tensor.Of([]float32{1, 2}, 2)
			}
			got, err := s.Run(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(f.Outputs)+len(f.Updates) {
				t.Errorf("%d outputs, want %d and %d", len(got), len(f.Outputs), len(f.Updates))
			}
		})
	}
}
