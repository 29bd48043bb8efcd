package onnxruntime_test

import (
	"math"
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

// TestSlices has onnxruntime take elements along axes whose sizes only a run tells.
func TestSlices(t *testing.T) {
	var inputs []map[string]*tensor.Tensor
	for _, b := range onnxtest.SlicesSizes {
		x := tensor.New(graph.F32, b[:]...)
		for i := range x.Len() {
			x.Set(i, float64(i+1)/8)
		}
		inputs = append(inputs, map[string]*tensor.Tensor{"x": x})
	}
	compareRuns(t, onnxtest.Slices(), inputs)
}

// TestLate has onnxruntime compute values whose sizes only a run tells.
func TestLate(t *testing.T) { compareRuns(t, onnxtest.Late(), onnxtest.LateInputs()) }

// compareRuns runs f at the oldest and newest opset, and compares with our kernels.
func compareRuns(t *testing.T, f *graph.Func, inputs []map[string]*tensor.Tensor) {
	t.Helper()
	requireLibrary(t)
	close := func(a, b float64) bool { return math.Abs(a-b) <= 1e-4*max(1, math.Abs(b)) }
	for _, opset := range []int{onnx.MinOpset, onnx.MaxOpset} {
		for i, in := range inputs {
			want, err := onnx.Evaluate(f, nil, in)
			if err != nil {
				t.Fatal(err)
			}
			for name, got := range run(t, f, onnx.Options{Opset: opset}, in) {
				if w := want[name]; !slices.Equal(got.Shape(), w.Shape()) || !slices.EqualFunc(got.Float64s(), w.Float64s(), close) {
					t.Errorf("opset %d, input %d: %q is %v %v, want %v %v", opset, i, name, got, got.Float64s(), w, w.Float64s())
				}
			}
		}
	}
}
