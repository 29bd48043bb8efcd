package onnxgo

import (
	"fmt"
	"math/rand/v2"
	"testing"

	onnxcheck "github.com/sardonyx-ml/sardonyx/exporters/onnx/check"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/onnxtest"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/racetest"
)

// TestRight has the forms that the check lets pass and the exporter does not write, or not plainly: onnx-go gives what the
// specification says, as our evaluator of it computes.
func TestRight(t *testing.T) {
	if racetest.Enabled {
		t.Skip("compares numbers: run without the race detector")
	}
	type in = []int
	pads := func(n int64) []int64 { return []int64{n, n, n, n} }
	var cases []struct {
		node   *wire.Node
		shapes [][]int // of the inputs x, a, b, c, d; all but x are stored
	}
	add := func(node *wire.Node, shapes ...[]int) {
		cases = append(cases, struct {
			node   *wire.Node
			shapes [][]int
		}{node, shapes})
	}
	for _, n := range []int{1, 2} {
		image := in{n, 2, 5, 4}
		add(nd("BatchNormalization", "x a b c d", "y", "epsilon", float32(.1)), image, in{2}, in{2}, in{2}, in{2})
		add(nd("BatchNormalization", "x a b c d", "y"), image, in{2}, in{2}, in{2}, in{2})
		for _, filters := range []int{1, 3} {
			for _, stride := range []int64{1, 2} {
				for _, dilation := range []int64{1, 2} {
					for _, pad := range []int64{0, 1, 2} {
						attrs := []any{"kernel_shape", []int64{3, 2}, "strides", []int64{stride, 1}, "dilations", []int64{dilation, 1}, "pads", pads(pad)}
						if pad == 0 && dilation == 2 {
							continue // the filter is as high as the image
						}
						add(nd("Conv", "x a", "y", attrs...), image, in{filters, 2, 3, 2})
						add(nd("Conv", "x a b", "y", attrs...), image, in{filters, 2, 3, 2}, in{filters})
					}
				}
				add(nd("MaxPool", "x", "y", "kernel_shape", []int64{2, 3}, "strides", []int64{stride, 2}), image)
				add(nd("MaxPool", "x", "y", "kernel_shape", []int64{3, 3}, "strides", []int64{stride, 1}, "pads", pads(1)), image)
			}
		}
		add(nd("MaxPool", "x", "y", "kernel_shape", []int64{2, 2}), image)
		for axis := range int64(4) {
			add(nd("Flatten", "x", "y", "axis", axis), image)
			add(nd("Concat", "x a", "y", "axis", axis), image, image)
		}
		add(nd("Flatten", "x", "y"), image)
		add(nd("Identity", "x", "y"), image)
		add(nd("Dropout", "x", "y"), image)
		add(nd("GlobalAveragePool", "x", "y"), image)
		add(nd("LeakyRelu", "x", "y"), image)
		for _, axis := range []int64{-1, 1} {
			add(nd("Softmax", "x", "y", "axis", axis), in{n, 5})
		}
		add(nd("Softmax", "x", "y"), in{n, 1})
		add(nd("Softmax", "x", "y"), in{n, 5})
		add(nd("Softmax", "x", "y", "axis", int64(3)), image)
		for _, c := range []in{{4}, {1, 4}, {n, 4}} {
			add(nd("Gemm", "x a b", "y", "alpha", float32(.5), "beta", float32(2), "transB", int64(1)), in{n, 3}, in{4, 3}, c)
			add(nd("Gemm", "x a b", "y", "transA", int64(1)), in{3, n}, in{3, 4}, c)
		}
		for _, op := range []string{"Add", "Sub", "Mul", "Div", "Max", "Min"} {
			for _, p := range [][2]in{
				{image, {}}, {image, {1}}, {image, {2, 1, 1}}, {image, {2, 5, 4}}, {image, {1, 5, 1}}, {image, {1, 1, 4}}, {image, {1, 1, 1}}, {image, {2, 1, 4}},
				{{n, 3}, {3}}, {{n, 3}, {1}}, {{n, 3}, {1, 3}}, {{n, 3}, {n, 1}}, {{n, 3}, {1, 1}}, {{n, 1}, {1, 3}}, {{n, 4, 3}, {3}}, {{3}, {n, 3}}, {{1}, {n, 2, 4}}, {{1, 1}, {n, 3}}, {{2, 1, 1}, image},
				{{n, 2, 1, 3, 2}, {n, 2, 1, 3, 2}}, {{1}, {}}, {{1}, {1}}, {{1}, {1, 1}},
			} {
				add(nd(op, "x a", "y"), p[0], p[1])
			}
		}
	}
	for i, c := range cases {
		r := rand.New(rand.NewPCG(uint64(i), 9))
		g := &wire.Graph{Nodes: []*wire.Node{c.node}}
		var x *tensor.Tensor
		for k, shape := range c.shapes {
			v := tensor.New(tensor.F32, shape...)
			for j := range v.Len() {
				v.Set(j, .2+r.Float64())
				if k == 0 && r.IntN(2) == 0 {
					v.Set(j, -v.At(j))
				}
			}
			var dims []int64
			for _, d := range shape {
				dims = append(dims, int64(d))
			}
			if k == 0 {
				x = v
				g.Inputs = append(g.Inputs, floats("x", dims...))
				continue
			}
			g.Initializers = append(g.Initializers, &wire.Tensor{Name: []string{"", "a", "b", "c", "d"}[k], Type: wire.Float, Dims: dims, Data: tensor.Data[float32](v)})
		}
		text := fmt.Sprintf("%s %v", c.node.OpType, c.shapes)
		for _, a := range c.node.Attributes {
			text += fmt.Sprintf(" %s=%v", a.Name, a.Value)
		}
		g.Outputs = []*wire.ValueInfo{{Name: "y", Type: &wire.TensorType{Elem: wire.Float}}}
		m, err := wire.Decode(encode(g))
		if err != nil {
			t.Fatal(err)
		}
		m.Graph.Outputs[0].Type.Shape = nil
		g.Outputs[0].Type = onnxcheck.Model(m, onnxcheck.Options{}).Types["y"]
		if m, err = wire.Decode(encode(g)); err != nil {
			t.Fatal(err)
		}
		var want *tensor.Tensor
		switch c.node.OpType {
		case "Flatten", "Identity", "Dropout":
			var shape []int
			for _, d := range g.Outputs[0].Type.Shape {
				shape = append(shape, int(d.Value))
			}
			want = tensor.Of(tensor.Data[float32](x), shape...)
		default:
			out, err := onnxtest.Evaluate(m, map[string]*tensor.Tensor{"x": x})
			if err != nil {
				t.Errorf("%s: %v", text, err)
				continue
			}
			want = out["y"]
		}
		s, err := OpenBytes(encode(g), roomy)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got, err := s.Run(t.Context(), map[string]*tensor.Tensor{"x": x})
		if err == nil {
			err = agree(got["y"], want, 1e-5)
		}
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	t.Log(len(cases), "nodes")
}
