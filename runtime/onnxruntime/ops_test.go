package onnxruntime_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
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

// TestOps exports each sample of each op in f32 and f64, at the oldest and newest opset, and compares onnxruntime with our
// kernel; on CUDA in f32, at the newest, where what runs in host memory has to be known.
func TestOps(t *testing.T) {
	requireLibrary(t)
	c := kernel.NewContext(gonum.Implementation{}, 1)
	for _, op := range graph.All() {
		switch op.(type) {
		case graph.Input, graph.Param: // no computation
			continue
		case graph.RandomNormal, graph.RandomUniform, graph.Dropout: // TestRandom
			continue
		}
		for i, s := range op.Samples() {
			for _, opset := range []int{max(onnx.MinOpset, graph.Since(op)), onnx.MaxOpset} {
				if tested == onnxruntime.CUDA && opset != onnx.MaxOpset {
					continue
				}
				t.Run(fmt.Sprintf("%s/%d/opset%d", graph.OpName(op), i, opset), func(t *testing.T) { checkOp(t, c, s, graph.F32, opset) })
				if tested == onnxruntime.CUDA || !slices.ContainsFunc(s.In, func(in graph.SampleInput) bool { return in.DType.Float() }) {
					continue // the same again
				}
				t.Run(fmt.Sprintf("%s/%d/opset%d/f64", graph.OpName(op), i, opset), func(t *testing.T) { checkOp(t, c, s, graph.F64, opset) })
			}
		}
	}
}

// tolerance is how far onnxruntime may be from our kernels, for elements up to 1 absolute, above that relative: sums may
// be taken in another order, and functions computed by other polynomials. Attributes such as an epsilon are f32 in ONNX, in
// f64 models too.
var tolerance = map[graph.DType]float64{graph.F32: 2e-6, graph.F64: 1e-8}

func checkOp(t *testing.T, c *kernel.Context, s graph.Sample, float graph.DType, opset int) {
	t.Helper()
	f, n, in := s.Trace(float)
	if float == graph.F64 && f32Only(s.Op, opset) {
		checkRefused(t, f, opset)
		return
	}
	want, err := graph.Evaluate(c, f, in)
	if err != nil {
		t.Fatal(err)
	}
	if tested == onnxruntime.CUDA {
		_, err := onnxruntime.CheckHost(t, s.Op, f)
		skipUnimplemented(t, err)
		if err != nil {
			t.Fatal(err)
		}
	}
	got := run(t, f, onnx.Options{Opset: opset, Device: tested}, in)
	tolerance := far(tolerance[float])
	switch s.Op.(type) {
	case graph.Attention, graph.AttentionGrad: // onnxruntime makes the scale an attribute of a product of its own
		tolerance = max(tolerance, 1e-7)
	}
	for i, y := range n.Results {
		if err := agree(got[fmt.Sprint("y", i)], want[y.ID], tolerance); err != nil {
			t.Fatalf("%s: result %d: %v", graph.OpText(s.Op), i, err)
		}
	}
}

// f32Only are ops without a double kernel in onnxruntime's CPU provider; docs/limits.md lists them.
func f32Only(op graph.Op, opset int) bool {
	switch op := op.(type) {
	case graph.Resize:
		return op.Sizes == nil || op.Mode == graph.Linear // else it is of Gather
	case graph.LeakyReLU: // at 17 it is expanded
		return opset > 17
	case graph.ELU, graph.Erf, graph.GELU, graph.SiLU, graph.Conv, graph.ConvTranspose, graph.ConvWeight,
		graph.AveragePoolND, graph.AveragePoolSpread, graph.GlobalAveragePool, graph.NonZero:
		return true
	}
	return false
}

// checkRefused holds f to being refused for want of a kernel, so that [f32Only] stays true.
func checkRefused(t *testing.T, f *graph.Func, opset int) {
	t.Helper()
	var file bytes.Buffer
	if _, err := onnx.Export(&file, f, onnx.Tensors{}, onnx.Options{Opset: opset}); err != nil {
		t.Fatal(err)
	}
	s, err := onnxruntime.OpenBytes(file.Bytes(), onnxruntime.Options{Threads: 1})
	if err == nil {
		s.Close()
		t.Fatal("onnxruntime has a double kernel for it")
	}
	if !strings.Contains(err.Error(), "Could not find an implementation") && !strings.Contains(err.Error(), "Failed to find kernel") {
		t.Fatal(err)
	}
}

// run exports f and runs it in onnxruntime.
func run(t *testing.T, f *graph.Func, o onnx.Options, in map[string]*tensor.Tensor) map[string]*tensor.Tensor {
	t.Helper()
	var file bytes.Buffer
	if _, err := onnx.Export(&file, f, onnx.Tensors{}, o); err != nil {
		t.Fatal(err)
	}
	s, err := onnxruntime.OpenBytes(file.Bytes(), onTested(onnxruntime.Options{Threads: 1}))
	skipUnimplemented(t, err)
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

// TestTails compares exported functions with their values where these are small, relative to them.
func TestTails(t *testing.T) {
	requireLibrary(t)
	softplus := func(x float64) float64 { return math.Log1p(math.Exp(x)) }
	for _, c := range []struct {
		name string
		f    func(x *graph.Value) *graph.Value
		want func(x float64) float64
		x    []float64
		tol  float64
	}{
		{"Softplus", (*graph.Value).Softplus, softplus, []float64{-12.3392, -17, -30, -80, 0, 1e-6, 20, 100}, 1e-6},
		{"Softplus of large", (*graph.Value).Softplus, func(x float64) float64 { return x }, []float64{1000, 1e30}, 1e-6},
		{"ExpRemainder 1", func(x *graph.Value) *graph.Value { return x.ExpRemainder(1) }, math.Expm1, []float64{1e-12, -1e-6, 1e-6, .1, -.4999, .5, -20, 20}, 2e-6},
		{"ExpRemainder 2", func(x *graph.Value) *graph.Value { return x.ExpRemainder(2) }, func(x float64) float64 {
			if math.Abs(x) < 1e-3 {
				return x*x/2 + x*x*x/6 + x*x*x*x/24
			}
			return math.Expm1(x) - x
		}, []float64{1e-12, -1e-6, 1e-6, .1, -.4999, .5, -20, 20}, 2e-6},
	} {
		for _, dtype := range []graph.DType{graph.F32, graph.F64} {
			f := graph.NewFunc("f", false)
			f.Output("y", c.f(f.Input("x", dtype, graph.Dim(len(c.x)))))
			in := tensor.New(dtype, len(c.x))
			for i, x := range c.x {
				in.Set(i, x)
			}
			got := run(t, f, onnx.Options{}, map[string]*tensor.Tensor{"x": in})["y"]
			for i := range c.x {
				if g, want := got.At(i), c.want(in.At(i)); !(math.Abs(g-want) <= c.tol*math.Abs(want)) {
					t.Errorf("%s(%v) in %v is %v in onnxruntime, want %v", c.name, in.At(i), dtype, g, want)
				}
			}
		}
	}
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
		var in map[string]*tensor.Tensor
		if f.Training {
			in = state
		}
		out, err := s.Run(context.Background(), in)
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
