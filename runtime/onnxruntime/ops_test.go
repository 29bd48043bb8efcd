package onnxruntime_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"testing"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
)

// requireLibrary skips where the native library is not installed.
func requireLibrary(t testing.TB) {
	t.Helper()
	if !onnxruntime.Available() {
		t.Skip("this binary was built without cgo")
	}
	if _, err := onnxruntime.Find(""); err != nil {
		t.Skipf("needs onnxruntime: %v", err)
	}
}

// TestOps exports each sample of each op, at the oldest and newest opset, and compares onnxruntime with our kernel.
func TestOps(t *testing.T) {
	requireLibrary(t)
	c := kernel.NewContext(gonum.Implementation{}, 1)
	for _, op := range graph.All() {
		name := graph.OpName(op)
		switch op.(type) {
		case graph.Input, graph.Param: // no computation
			continue
		case graph.RandomNormal, graph.RandomUniform, graph.Dropout: // TestRandom
			continue
		}
		for i, s := range op.Samples() {
			for _, opset := range []int{onnx.MinOpset, onnx.MaxOpset} {
				t.Run(fmt.Sprintf("%s/%d/opset%d", name, i, opset), func(t *testing.T) { checkOp(t, c, s, opset) })
			}
		}
	}
}

func checkOp(t *testing.T, c *kernel.Context, s graph.Sample, opset int) {
	t.Helper()
	f := graph.NewFunc("op", false)
	in := map[string]*tensor.Tensor{}
	var args []*graph.Value
	for k, x := range s.Inputs(graph.F32) {
		dims := make([]graph.Dim, x.Rank())
		for i, d := range x.Shape() {
			dims[i] = graph.Dim(d)
		}
		name := fmt.Sprint("in", k)
		in[name] = x
		args = append(args, f.Input(name, x.DType(), dims...))
	}
	y := f.Apply(s.Op, args...)
	f.Output("y", y)
	if y.DType() == graph.F64 && f32Only(s.Op) {
		return
	}
	want, err := graph.Evaluate(c, f, in)
	if err != nil {
		t.Fatal(err)
	}
	got := run(t, f, onnx.Options{Opset: opset}, in)["y"]
	if got == nil || got.DType() != y.DType() || fmt.Sprint(got.Shape()) != fmt.Sprint(want[y.ID].Shape()) {
		t.Fatalf("%s: onnxruntime gives %v, we %v", graph.OpText(s.Op), got, want[y.ID])
	}
	for i := range got.Len() {
		g, w := got.At(i), want[y.ID].At(i)
		if g != w && math.Abs(g-w) > 1e-5*max(1, math.Abs(w)) {
			t.Fatalf("%s: element %d is %v in onnxruntime, %v in ours", graph.OpText(s.Op), i, g, w)
		}
	}
}

// f32Only are ops without a double kernel in onnxruntime's CPU provider.
func f32Only(op graph.Op) bool {
	switch op.(type) {
	case graph.ELU, graph.Erf, graph.GELU, graph.LeakyReLU:
		return true
	}
	return false
}

// run exports f and runs it in onnxruntime.
func run(t *testing.T, f *graph.Func, o onnx.Options, in map[string]*tensor.Tensor) map[string]*tensor.Tensor {
	t.Helper()
	var file bytes.Buffer
	if _, err := onnx.Export(&file, f, onnx.Tensors{}, o); err != nil {
		t.Fatal(err)
	}
	s, err := onnxruntime.OpenBytes(file.Bytes(), onnxruntime.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	out, err := s.Run(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestRandom exports random ops as the runtime's own nodes and checks the moments of what they draw; a dropout must keep
// its share of the elements, scaled.
func TestRandom(t *testing.T) {
	requireLibrary(t)
	const n = 1 << 16
	for _, c := range []struct {
		name           string
		build          func(f *graph.Func) *graph.Value
		mean, variance float64
	}{
		{"normal", func(f *graph.Func) *graph.Value { return f.RandomNormal(graph.F32, n) }, 0, 1},
		{"uniform", func(f *graph.Func) *graph.Value { return f.RandomUniform(graph.F32, n) }, .5, 1. / 12},
		{"dropout", func(f *graph.Func) *graph.Value { return f.Full(graph.F32, 1, n).Dropout(.2) }, 1, .25},
	} {
		f := graph.NewFunc(c.name, c.name == "dropout")
		f.Output("y", c.build(f))
		f.Updates = nil // only the draw
		var file bytes.Buffer
		state := onnx.Tensors{graph.RandomState: tensor.Of([]int64{1, 0}, 2)}
		if _, err := onnx.Export(&file, f, state, onnx.Options{Random: onnx.RandomNative, Training: f.Training}); err != nil {
			t.Fatal(err)
		}
		s, err := onnxruntime.OpenBytes(file.Bytes(), onnxruntime.Options{Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		out, err := s.Run(context.Background(), nil)
		s.Close()
		if err != nil {
			t.Fatal(err)
		}
		sum, square := 0.0, 0.0
		for _, v := range out["y"].Float64s() {
			sum += v
			square += v * v
		}
		mean := sum / n
		variance := square/n - mean*mean
		if math.Abs(mean-c.mean) > 5*math.Sqrt(c.variance/n) || math.Abs(variance-c.variance) > .03*c.variance {
			t.Errorf("%s: mean %v and variance %v, want %v and %v", c.name, mean, variance, c.mean, c.variance)
		}
	}
}
