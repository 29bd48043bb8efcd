package onnxruntime_test

import (
	"slices"
	"testing"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/onnxtest"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestSizes has onnxruntime compute sizes of every kind, at the oldest and newest opset.
func TestSizes(t *testing.T) {
	requireLibrary(t)
	f, shapes := onnxtest.Sizes()
	for _, opset := range []int{onnx.MinOpset, onnx.MaxOpset} {
		for _, b := range [][2]int{{1, 1}, {2, 5}, {7, 3}, {8, 8}, {5, 0}} {
			out := run(t, f, onnx.Options{Opset: opset}, map[string]*tensor.Tensor{"x": tensor.New(graph.F32, b[:]...)})
			for name, s := range shapes {
				want, err := s.Eval(graph.Binding{"a": b[0], "b": b[1]})
				if err != nil {
					t.Fatal(err)
				}
				if got := out[name].Shape(); !slices.Equal(got, want) {
					t.Errorf("opset %d, %v: %v is %v, want %v", opset, b, s, got, want)
				}
			}
		}
	}
}
