package onnxgo

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/racetest"
)

// TestRandomGraphs runs random graphs whose values have several readers, are computed twice, seen in other shapes, and given
// out: there gorgonia overwrites what is still wanted. The plain file of a graph is run right or refused by the check; that
// for onnx-go is run right.
func TestRandomGraphs(t *testing.T) {
	if racetest.Enabled {
		t.Skip("compares numbers: run without the race detector")
	}
	c := kernel.NewContext(gonum.Implementation{}, 1)
	counts := map[string]int{}
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		f, in, text := randomGraph(r)
		if len(f.Outputs) == 0 {
			continue
		}
		want, err := graph.Evaluate(c, f, in)
		if err != nil {
			t.Fatal(err)
		}
		for _, profile := range []onnx.Profile{onnx.Plain, onnx.OnnxGo} {
			var file bytes.Buffer
			if _, err := onnx.Export(&file, f, onnx.Tensors{}, onnx.Options{Profile: profile}); err != nil {
				t.Fatalf("seed %d, profile %q: %s: %v", seed, profile, text, err)
			}
			s, err := OpenBytes(file.Bytes(), roomy)
			if err != nil && profile == onnx.Plain {
				counts["refused"]++
				continue
			}
			var got map[string]*tensor.Tensor
			if err == nil {
				got, err = s.Run(t.Context(), in)
			}
			if err != nil {
				t.Errorf("seed %d, profile %q: %s: %v", seed, profile, text, err)
				continue
			}
			counts["right "+string(profile)]++
			for _, o := range f.Outputs {
				if err := agree(got[o.Name], want[o.Value.ID], 1e-4); err != nil {
					t.Errorf("seed %d, profile %q: %s: output %q: %v", seed, profile, text, o.Name, err)
				}
			}
		}
	}
	t.Log(counts)
	if counts["refused"] < 30 || counts["right "] < 30 || counts["right onnx-go"] < 200 {
		t.Errorf("too few of one kind: %v", counts)
	}
}

// randomGraph is a Func of matrices, inputs for it, and its text.
func randomGraph(r *rand.Rand) (*graph.Func, map[string]*tensor.Tensor, string) {
	f := graph.NewFunc("random", false)
	n, m := 1+r.IntN(3), 2+r.IntN(3)
	random := func(shape ...int) *tensor.Tensor {
		t := tensor.New(graph.F32, shape...)
		for i := range t.Len() {
			t.Set(i, float64(float32(r.Float64()*3-1.5)))
		}
		return t
	}
	in := map[string]*tensor.Tensor{}
	var values []*graph.Value
	for i := range 1 + r.IntN(2) {
		name := fmt.Sprint("x", i)
		in[name] = random(n, m)
		values = append(values, f.Input(name, graph.F32, graph.Dim(n), graph.Dim(m)))
	}
	for range 2 + r.IntN(8) {
		a, b := values[r.IntN(len(values))], values[r.IntN(len(values))]
		rows, columns := int(a.Dim(0)), int(a.Dim(1))
		ways := []func() *graph.Value{
			a.ReLU, a.Sigmoid, a.Tanh, a.Neg, a.Abs, a.Softplus, a.SiLU, a.Square, a.T,
			func() *graph.Value { return a.LeakyReLU([]float64{.1, .2}[r.IntN(2)]) },
			func() *graph.Value { return a.Softmax(-1) }, func() *graph.Value { return a.LogSoftmax(0) },
			func() *graph.Value { return a.Scale(1.5) }, func() *graph.Value { return a.Shift(-.5) },
			func() *graph.Value { return a.Add(f.Const(random(columns))) }, func() *graph.Value { return a.Mul(f.Const(random(rows, 1))) },
			func() *graph.Value { return a.Reshape(a.Dim(1), a.Dim(0)) }, func() *graph.Value { return a.MatMul(f.Const(random(columns, 3))) },
			func() *graph.Value {
				return a.Gemm(f.Const(random(columns, 3)), f.Const(random(3)), graph.Gemm{Alpha: 1, Beta: 1})
			},
		}
		if a.Dim(0) == b.Dim(0) {
			ways = append(ways, func() *graph.Value { return graph.Join(1, a, b) })
		}
		if a.Shape().Equal(b.Shape()) {
			for _, op := range []graph.Op{graph.Add{}, graph.Sub{}, graph.Mul{}, graph.Max{}, graph.Min{}} {
				ways = append(ways, func() *graph.Value { return f.Apply(op, a, b) })
			}
		}
		values = append(values, ways[r.IntN(len(ways))]())
	}
	readers := map[*graph.Value]int{}
	for _, v := range f.Values {
		for _, a := range v.Args {
			readers[a]++
		}
	}
	for _, v := range f.Values[1:] { // what nothing reads, and now and then something that is read
		_, constant := v.Op.(graph.Const)
		if !constant && (readers[v] == 0 || r.IntN(12) == 0) {
			f.Output(fmt.Sprint("y", v.ID), v)
		}
	}
	var text []string
	for _, v := range f.Values {
		text = append(text, v.Text())
	}
	return f, in, strings.Join(text, "; ")
}
