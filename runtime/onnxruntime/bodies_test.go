package onnxruntime_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/compiler/pass"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
)

type values = []*graph.Value

// samplers are loops that draw numbers in each iteration, over inputs of a symbolic batch.
var samplers = []struct {
	name  string
	build func(f *graph.Func)
}{
	// Langevin dynamics in the energy of a small net, whose gradient is taken in the loop
	{"langevin", func(f *graph.Func) {
		const steps, rate = 12, .1
		x := f.Input("x", graph.F32, graph.Sym("batch"), 2)
		w, b, u := f.Param("w", nil, 2, 8), f.Param("b", nil, 8), f.Param("u", nil, 8, 1)
		final, ys := f.Repeat(steps, values{x}, func(i *graph.Value, s []*graph.Value) (next, ys []*graph.Value) {
			energy := s[0].MatMul(w).Add(b).Tanh().MatMul(u).Sum().Add(s[0].Square().Sum().Scale(.5))
			cold := i.Less(f.Full(graph.I64, steps-1)).Where(x.Scalar(math.Sqrt(2*rate)), x.Scalar(0)) // the last step is without noise
			s0 := s[0].Sub(graph.Grad(energy, s[0])[0].Scale(rate)).Add(s[0].NormalLike().Mul(cold))
			return values{s0}, values{energy}
		})
		f.Output("sample", final[0])
		f.Output("energies", ys[0])
	}},
	// characters, one after another, each drawn by Gumbel's trick from what a recurrent net says of those before it
	{"autoregressive", func(f *graph.Func) {
		const places, words, units = 9, 5, 6
		first := f.Input("first", graph.I64, graph.Sym("batch"))
		embed, back, out := f.Param("embed", nil, words, units), f.Param("back", nil, units, units), f.Param("out", nil, units, words)
		h := f.Full(graph.F32, 0, graph.Sym("batch"), units)
		_, ys := f.Repeat(places, values{first, h}, func(_ *graph.Value, s []*graph.Value) (next, ys []*graph.Value) {
			h := embed.Gather(s[0], 0).Add(s[1].MatMul(back)).Tanh()
			u := f.RandomUniform(graph.F32, graph.Sym("batch"), words).Shift(1e-6)
			word := h.MatMul(out).Sub(u.Log().Neg().Log()).ArgMax(-1)
			return values{word, h}, values{word}
		})
		f.Output("words", ys[0].T())
	}},
	// a walk until it is far away: a loop that ends by itself, with a choice in it
	{"walk", func(f *graph.Func) {
		x, w := f.Input("x", graph.F32, graph.Sym("batch"), 2), f.Param("w", nil, 2, 2)
		steps := f.RandomNormal(graph.F32, 40, 2)
		final := f.Loop(40, values{x, f.Full(graph.I64, 0)}, func(i *graph.Value, s []*graph.Value) (*graph.Value, []*graph.Value) {
			y := f.If(s[0].ReduceMax().Less(x.Scalar(2)),
				func() []*graph.Value { return values{s[0].Add(steps.Gather(i, 0))} },
				func() []*graph.Value { return values{s[0].MatMul(w).Tanh().Scale(3)} })[0]
			return y.Abs().ReduceMax().Less(x.Scalar(4)), values{y, i}
		})
		f.Output("end", final[0])
		f.Output("last", final[1])
	}},
}

// TestSamplers exports each sampler as one file, whose inputs are the noise of all iterations, and compares onnxruntime with our
// kernels, at two sizes of the batch.
func TestSamplers(t *testing.T) {
	requireLibrary(t)
	for _, sampler := range samplers {
		for _, opset := range []int{onnx.MinOpset, onnx.MaxOpset} {
			t.Run(fmt.Sprint(sampler.name, "/opset", opset), func(t *testing.T) {
				f := graph.NewFunc("sample", false)
				sampler.build(f)
				if len(f.Diags) > 0 {
					t.Fatal(f.Diags)
				}
				r := rand.New(rand.NewPCG(5, 6))
				draw := func(v *graph.Value, b graph.Binding) *tensor.Tensor {
					shape, err := v.Shape().Eval(b)
					if err != nil {
						t.Fatal(err)
					}
					x := tensor.New(v.DType(), shape...)
					for i := range x.Len() {
						switch {
						case v.DType() == graph.I64:
							x.SetInt(i, int64(r.IntN(5)))
						case v.Name == "noise.0" && sampler.name == "autoregressive":
							x.Set(i, r.Float64())
						default:
							x.Set(i, r.NormFloat64())
						}
					}
					return x
				}
				weights := onnx.Tensors{}
				for _, p := range f.Params {
					if p.Name != graph.RandomState {
						weights[p.Name] = draw(p, nil)
					}
				}
				var file bytes.Buffer
				if _, err := onnx.Export(&file, f, weights, onnx.Options{Opset: opset}); err != nil {
					t.Fatal(err)
				}
				s, err := onnxruntime.OpenBytes(file.Bytes(), onnxruntime.Options{Threads: 1})
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				pure, noise := pass.HoistRandom(f)
				if len(noise) != 1 {
					t.Fatalf("the noise is %v, want one input", noise)
				}
				var seeded *onnxruntime.Session
				if opset >= onnx.SeedOpset {
					seeded = openSeeded(t, f, weights, onnx.Options{Opset: opset})
					defer seeded.Close()
				}
				for _, batch := range []int{1, 7} {
					in, all := map[string]*tensor.Tensor{}, map[string]*tensor.Tensor{}
					for _, v := range pure.Inputs {
						in[v.Name] = draw(v, graph.Binding{"batch": batch})
						all[v.Name] = in[v.Name]
					}
					for name, w := range weights {
						all[name] = w
					}
					want, err := graph.Evaluate(kernel.NewContext(gonum.Implementation{}, 1), pure, all)
					if err != nil {
						t.Fatal(err)
					}
					got, err := s.Run(context.Background(), in)
					if err != nil {
						t.Fatal(err)
					}
					for _, o := range pure.Outputs {
						if err := agree(got[o.Name], want[o.Value.ID], 2e-5); err != nil {
							t.Errorf("batch %d: %q: %v", batch, o.Name, err)
						}
					}
					if opset < onnx.SeedOpset {
						continue
					}
					// The same file with its noise drawn inside, by a seed.
					for _, n := range noise {
						delete(in, n.Input)
					}
					all[graph.RandomState] = tensor.Of([]int64{int64(batch), 1}, 2)
					if want, err = graph.Evaluate(kernel.NewContext(gonum.Implementation{}, 1), f, all); err != nil {
						t.Fatal(err)
					}
					in[pass.SeedInput] = tensor.Scalar(int64(batch))
					if got, err = seeded.Run(context.Background(), in); err != nil {
						t.Fatal(err)
					}
					for _, o := range f.Outputs {
						if err := agree(got[o.Name], want[o.Value.ID], 2e-5); err != nil {
							t.Errorf("batch %d: by a seed: %q: %v", batch, o.Name, err)
						}
					}
				}
			})
		}
	}
}
