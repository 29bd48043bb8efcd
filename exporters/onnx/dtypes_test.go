package onnx

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestStoredDTypes writes constants and casts of every dtype at the first opset that has it, refuses the opset before, and reads what it
// wrote.
func TestStoredDTypes(t *testing.T) {
	for _, dt := range tensor.DTypes() {
		f := graph.NewFunc("stored", false)
		x := tensor.New(dt, 5)
		for i := range x.Len() {
			if dt == graph.String {
				tensor.Data[string](x)[i] = strings.Repeat("é", i)
			} else {
				x.SetInt(i, int64(i))
			}
		}
		f.Output("c", f.Const(x))
		if dt != graph.String {
			f.Output("y", f.Input("x", graph.F32, 3).Cast(dt).Cast(graph.F32))
		}
		opset := max(dt.Opset(), MinOpset)
		if opset > MinOpset {
			var b bytes.Buffer
			_, err := Export(&b, f, Tensors{}, Options{Opset: min(opset-1, MaxOpset)})
			if err == nil || !strings.Contains(err.Error(), dt.String()+" is in ONNX from opset") {
				t.Errorf("%v at opset %d: %v", dt, opset-1, err)
			}
		}
		if opset > MaxOpset {
			continue
		}
		m, _, _ := export(t, f, Tensors{}, Options{Opset: opset})
		i := slices.IndexFunc(m.Graph.Initializers, func(c *wire.Tensor) bool { return c.Type == wire.DataType(dt.ONNX()) && len(c.Dims) == 1 })
		if i < 0 {
			t.Errorf("%v: no initializer", dt)
			continue
		}
		got, err := hostTensor(m.Graph.Initializers[i])
		if err != nil || got.DType() != dt || got.Len() != x.Len() {
			t.Errorf("%v: the initializer is %v, %v", dt, got, err)
			continue
		}
		for k := range x.Len() {
			if got.Text(k) != x.Text(k) {
				t.Errorf("%v: element %d is %s, want %s", dt, k, got.Text(k), x.Text(k))
			}
		}
	}
}

// TestCarried casts around operators that lack a dtype, and only around these.
func TestCarried(t *testing.T) {
	for _, c := range []struct {
		dtype graph.DType
		opset int
		build func(x *graph.Value) *graph.Value
		want  string // the operators, in order
	}{
		{graph.I8, 17, func(x *graph.Value) *graph.Value { return x.Sum(0) }, "Cast ReduceSum Cast"},
		{graph.I32, 17, func(x *graph.Value) *graph.Value { return x.Sum(0) }, "ReduceSum"},
		{graph.U8, 17, func(x *graph.Value) *graph.Value { return x.MatMul(x.T()) }, "Transpose Cast Cast MatMul Cast"},
		{graph.BF16, 17, func(x *graph.Value) *graph.Value { return x.Add(x).Sin() }, "Add Cast Sin Cast"},
		{graph.F16, 17, func(x *graph.Value) *graph.Value { return x.Add(x).Sin() }, "Add Sin"},
		{graph.F8E5M2, 19, func(x *graph.Value) *graph.Value { return graph.Join(0, x, x) }, "Cast Concat Cast"},
	} {
		f := graph.NewFunc("carried", false)
		f.Output("y", c.build(f.Input("x", c.dtype, 2, 3)))
		m, _, _ := export(t, f, Tensors{}, Options{Opset: c.opset})
		var ops []string
		for _, n := range m.Graph.Nodes {
			ops = append(ops, n.OpType)
		}
		if got := strings.Join(ops, " "); got != c.want {
			t.Errorf("%v at opset %d: %s, want %s", c.dtype, c.opset, got, c.want)
		}
	}
}
