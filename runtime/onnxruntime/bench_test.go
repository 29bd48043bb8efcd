package onnxruntime

import (
	"context"
	"testing"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// one is a model of one node over 1×20 floats, so that what a run costs is the way to the node and back.
func one() graphDef {
	return graphDef{in: []*wire.ValueInfo{vi("x", wire.Float, 1, 20)}, out: []*wire.ValueInfo{vi("y", wire.Float, 1, 20)},
		nodes: []*wire.Node{nd("Neg", "x", "y")}}
}

// decoder is a decoder 20-512-784 over a batch of any size.
func decoder() graphDef {
	weight := func(name string, dims ...int64) *wire.Tensor {
		n := int64(1)
		for _, d := range dims {
			n *= d
		}
		data := make([]float32, n)
		for i := range data {
			data[i] = float32(i%7-3) / 100
		}
		return &wire.Tensor{Name: name, Type: wire.Float, Dims: dims, Data: data}
	}
	return graphDef{in: []*wire.ValueInfo{vi("z", wire.Float, "batch", 20)}, out: []*wire.ValueInfo{vi("image", wire.Float, "batch", 784)},
		nodes:   []*wire.Node{nd("Gemm", "z w0 b0", "h"), nd("Relu", "h", "r"), nd("Gemm", "r w1 b1", "l"), nd("Sigmoid", "l", "image")},
		weights: []*wire.Tensor{weight("w0", 20, 512), weight("b0", 512), weight("w1", 512, 784), weight("b1", 784)}}
}

func BenchmarkOneNode(b *testing.B) { benchmarkRuns(b, one(), "x", tensor.New(tensor.F32, 1, 20)) }

func BenchmarkDecoder(b *testing.B) { benchmarkRuns(b, decoder(), "z", tensor.New(tensor.F32, 1, 20)) }

// benchmarkRuns runs a model of one input: with a context that cannot end, with one that can, and with bound tensors.
func benchmarkRuns(b *testing.B, g graphDef, input string, x *tensor.Tensor) {
	s := openTest(b, g)
	in := map[string]*tensor.Tensor{input: x}
	for _, c := range []struct {
		name string
		ctx  context.Context
	}{{"background", context.Background()}, {"cancellable", b.Context()}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Run(c.ctx, in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("bound", func(b *testing.B) {
		bound, err := s.Bind(context.Background(), in, nil)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if err := bound.Run(context.Background()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
