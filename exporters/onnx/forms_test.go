package onnx

import (
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestForms holds the operators that ops become in a file, in order: those that onnxruntime takes together (MatMul with a scale and a
// transposed argument before it, Gelu's five), and nothing that changes nothing.
func TestForms(t *testing.T) {
	batch, seq := graph.Sym("batch"), graph.Sym("seq")
	attention := func(groups int, o graph.Attention) func(f *graph.Func) *graph.Value {
		return func(f *graph.Func) *graph.Value {
			q := f.Input("q", graph.F32, batch, graph.Dim(4), seq, graph.Dim(8))
			k := f.Input("k", graph.F32, batch, graph.Dim(groups), seq, graph.Dim(8))
			return q.Attention(k, f.Input("v", graph.F32, batch, graph.Dim(groups), seq, graph.Dim(8)), nil, o)
		}
	}
	x := func(f *graph.Func) *graph.Value { return f.Input("x", graph.F32, batch, graph.Dim(6)) }
	for _, c := range []struct {
		name  string
		build func(f *graph.Func) *graph.Value
		want  string
	}{
		{"gelu", func(f *graph.Func) *graph.Value { return x(f).GELU() }, "Div Erf Add Mul Mul"},
		{"attention", attention(4, graph.Attention{}), "Mul Transpose MatMul Softmax MatMul"},
		{"attention, causal", attention(4, graph.Attention{Causal: true}),
			"Mul Transpose MatMul Shape Squeeze Range Add Reshape GreaterOrEqual Where Add Softmax MatMul"},
		{"attention, heads that share keys", attention(2, graph.Attention{}),
			"Mul Shape Shape Mul Concat Reshape Transpose MatMul Concat Reshape Softmax Concat Reshape MatMul Concat Reshape"},
		{"lookup of i64", func(f *graph.Func) *graph.Value {
			return f.Param("w", nil, 3, 2).Gather(f.Input("i", graph.I64, batch).InRange(3, "it is one of three"), 0)
		}, "GreaterOrEqual Less And Where ConstantOfShape Gather Sub Gather"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := graph.NewFunc("f", false)
			f.Output("y", c.build(f))
			w := Tensors{}
			for _, p := range f.Params {
				w[p.Name] = tensor.New(p.DType(), 3, 2)
			}
			m, _, _ := export(t, f, w, Options{})
			var got []string
			for _, n := range m.Graph.Nodes {
				got = append(got, n.OpType)
			}
			if got := strings.Join(got, " "); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// TestDevice holds a training step's convolutions to the forms for the device: products of matrices on a CPU, which is where a step runs if
// nothing is said, and one operator each on CUDA and in a function.
func TestDevice(t *testing.T) {
	build := func(training bool) *graph.Func {
		f := graph.NewFunc("f", training)
		x := f.Input("x", graph.F32, graph.Sym("batch"), 2, 6, 6)
		w := f.Param("w", nil, 3, 2, 3, 3)
		y := x.Conv2D(w, graph.Conv2D{Pads: [4]int{1, 1, 1, 1}}).MaxPool(graph.MaxPool{Kernel: [2]int{2, 2}, Strides: [2]int{2, 2}}).Sum()
		f.Output("loss", y)
		if training {
			f.Update(w, w.Sub(graph.Grad(y, w)[0]))
		}
		return f
	}
	weights := Tensors{"w": tensor.New(graph.F32, 3, 2, 3, 3)}
	for _, c := range []struct {
		training bool
		device   string
		convs    int
	}{{true, "", 0}, {true, CPU, 0}, {true, CUDA, 2}, {false, "", 1}, {false, CPU, 0}, {false, CUDA, 1}} {
		_, r, _ := export(t, build(c.training), weights, Options{Training: c.training, Device: c.device})
		got := 0
		for _, n := range r.Nodes {
			if strings.HasPrefix(n.Op, "Conv") {
				got += n.N
			}
		}
		if got != c.convs {
			t.Errorf("training %v, for %q: %d convolutions in %v, want %d", c.training, c.device, got, r.Nodes, c.convs)
		}
	}
	if _, err := Export(&strings.Builder{}, build(false), weights, Options{Device: "tpu"}); err == nil || !strings.Contains(err.Error(), `not "tpu"`) {
		t.Errorf("a device that nothing is made for: %v", err)
	}
}
