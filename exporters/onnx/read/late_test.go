package read

import (
	"slices"
	"testing"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/onnxtest"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestLateSizes reads files whose values have sizes that only a run tells, and slices between symbols.
func TestLateSizes(t *testing.T) {
	var some []map[string]*tensor.Tensor
	for _, b := range onnxtest.SlicesSizes {
		x := tensor.New(graph.F32, b[:]...)
		for i := range x.Len() {
			x.Set(i, float64(i+1)/8)
		}
		some = append(some, map[string]*tensor.Tensor{"x": x})
	}
	forward := func(f *graph.Func) *graph.Func { // ScatterElements, which gradients are made of, is not read
		f.Outputs = slices.DeleteFunc(f.Outputs, func(o graph.Output) bool { return o.Name == "gradient" || o.Name == "second" })
		return graph.Prune(f)
	}
	for name, c := range map[string]struct {
		f      *graph.Func
		inputs []map[string]*tensor.Tensor
	}{"slices": {forward(onnxtest.Slices()), some}, "late": {forward(onnxtest.Late()), onnxtest.LateInputs()}} {
		m, err := reread(c.f, nil, onnx.MinOpset)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for i, in := range c.inputs {
			want, err := onnx.Evaluate(c.f, nil, in)
			if err != nil {
				t.Fatal(err)
			}
			got, err := onnx.Evaluate(m.Func, m.Weights, in)
			if err == nil {
				err = same(got, want, 1e-4, 1e-7)
			}
			if err != nil {
				t.Errorf("%s, input %d: %v", name, i, err)
			}
		}
	}
}
