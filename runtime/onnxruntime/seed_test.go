package onnxruntime_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler/pass"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
)

// seeds have bits in both words of the key, and the sign.
var seeds = []int64{0, 1, 7, 1 << 32, -1, math.MinInt64, 0x0123456789abcdef}

// TestSeed draws by a seed in the file what our kernels draw: uniform numbers to the bit, normal ones up to the runtime's functions.
func TestSeed(t *testing.T) {
	requireLibrary(t)
	n := graph.Sym("n")
	for _, dims := range [][]graph.Dim{{}, {1}, {2}, {3}, {4}, {5}, {2, 3}, {1030}, {2, 1, 2, 1, 3}, {n}, {n, 4}, {3, n, n}, {0, 2}, {70000 * 4}} {
		for _, dtype := range []graph.DType{graph.F32, graph.F64} {
			f := graph.NewFunc("draw", false)
			f.Output("normal", f.RandomNormal(dtype, dims...))
			f.Output("uniform", f.RandomUniform(dtype, dims...))
			f.BindSizes()
			seeded, err := pass.SeedRandom(f)
			if err != nil {
				t.Fatal(err)
			}
			s := openSeeded(t, f, nil, onnx.Options{})
			for k, seed := range seeds {
				in := map[string]*tensor.Tensor{pass.SeedInput: tensor.Scalar(seed)}
				if seeded.BindAll(1)["n"] == 1 {
					in["n"] = tensor.Scalar(int64(k))
				}
				got, err := s.Run(context.Background(), in)
				if err != nil {
					t.Fatal(err)
				}
				in[graph.RandomState] = tensor.Of([]int64{seed, 1}, 2)
				all, err := graph.Evaluate(kernel.NewContext(nil, 2), f, in)
				if err != nil {
					t.Fatal(err)
				}
				tol := map[graph.DType]float64{graph.F32: 1e-6, graph.F64: 1e-14}[dtype]
				if err := agree(got["normal"], all[f.Outputs[0].Value.ID], tol); err != nil {
					t.Errorf("%v%v, seed %d, normal: %v", dtype, dims, seed, err)
				}
				if err := agree(got["uniform"], all[f.Outputs[1].Value.ID], 0); err != nil {
					t.Errorf("%v%v, seed %d, uniform: %v", dtype, dims, seed, err)
				}
			}
			s.Close()
		}
	}
}

// openSeeded opens f as a file that draws by a seed.
func openSeeded(t *testing.T, f *graph.Func, weights onnx.Tensors, o onnx.Options) *onnxruntime.Session {
	t.Helper()
	o.Random = onnx.RandomSeed
	var file bytes.Buffer
	if _, err := onnx.Export(&file, f, weights, o); err != nil {
		t.Fatal(err)
	}
	s, err := onnxruntime.OpenBytes(file.Bytes(), onnxruntime.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSeedOpsets draws at each opset that can, and is refused at others.
func TestSeedOpsets(t *testing.T) {
	requireLibrary(t)
	f := graph.NewFunc("draw", false)
	f.Output("y", f.RandomNormal(graph.F32, 9))
	var first *tensor.Tensor
	for opset := onnx.MinOpset; opset <= onnx.MaxOpset; opset++ {
		if opset < onnx.SeedOpset {
			if _, err := onnx.Export(&bytes.Buffer{}, f, nil, onnx.Options{Random: onnx.RandomSeed, Opset: opset}); err == nil {
				t.Errorf("opset %d has no operators for it", opset)
			}
			continue
		}
		s := openSeeded(t, f, nil, onnx.Options{Opset: opset})
		out, err := s.Run(context.Background(), map[string]*tensor.Tensor{pass.SeedInput: tensor.Scalar(int64(3))})
		s.Close()
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = out["y"]
		} else if fmt.Sprint(out["y"].Float64s()) != fmt.Sprint(first.Float64s()) {
			t.Errorf("opset %d draws %v, the oldest %v", opset, out["y"].Float64s(), first.Float64s())
		}
	}
}

// BenchmarkSeed draws latents and images by a seed, and has them as inputs.
func BenchmarkSeed(b *testing.B) {
	requireLibrary(b)
	for _, dims := range [][]graph.Dim{{100, 20}, {64, 3, 64, 64}} {
		f := graph.NewFunc("draw", false)
		f.Output("y", f.RandomNormal(graph.F32, dims...))
		var file bytes.Buffer
		if _, err := onnx.Export(&file, f, onnx.Tensors{}, onnx.Options{Random: onnx.RandomSeed}); err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprint(dims), func(b *testing.B) {
			s, err := onnxruntime.OpenBytes(file.Bytes(), onnxruntime.Options{Threads: 1})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			for b.Loop() {
				if _, err := s.Run(context.Background(), map[string]*tensor.Tensor{pass.SeedInput: tensor.Scalar(int64(b.N))}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestCategorical draws classes in the file as our kernels do, with the noise as inputs and by a seed.
func TestCategorical(t *testing.T) {
	requireLibrary(t)
	f := graph.NewFunc("draw", false)
	x := f.Input("x", graph.F32, graph.Sym("batch"), 5)
	f.Output("class", x.Categorical(.8))
	f.Output("soft", x.GumbelSoftmax(.5))
	f.Output("hard", x.GumbelOneHot(.5))
	pure, noise := pass.HoistRandom(f)
	logits := tensor.New(graph.F32, 9, 5)
	for i := range logits.Len() {
		logits.Set(i, math.Sin(float64(i)))
	}
	in := map[string]*tensor.Tensor{"x": logits, graph.RandomState: tensor.Of([]int64{5, 1}, 2)}
	want, err := graph.Evaluate(kernel.NewContext(nil, 1), f, in)
	if err != nil {
		t.Fatal(err)
	}
	check := func(name string, got map[string]*tensor.Tensor) {
		for _, o := range f.Outputs {
			if err := agree(got[o.Name], want[o.Value.ID], 1e-5); err != nil {
				t.Errorf("%s, %q: %v", name, o.Name, err)
			}
		}
	}
	delete(in, graph.RandomState)
	in[pass.SeedInput] = tensor.Scalar(int64(5))
	s := openSeeded(t, f, nil, onnx.Options{})
	defer s.Close()
	got, err := s.Run(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	check("by a seed", got)
	delete(in, pass.SeedInput)
	for _, n := range noise {
		u := tensor.New(graph.F32, 9, 5)
		kernel.Uniform(kernel.NewContext(nil, 1), kernel.Draw{Seed: 5, Step: 1, Stream: n.Stream}, tensor.Data[float32](u))
		in[n.Input] = u
	}
	check("noise as inputs", run(t, pure, onnx.Options{}, in))
}
