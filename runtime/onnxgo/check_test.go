package onnxgo

import (
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestCheck has a small model for each thing that onnx-go does not do right. The check refuses it with its reason; and without
// the check onnx-go gives an error, or numbers that are not those wanted: where one day it does not, the reason is gone.
func TestCheck(t *testing.T) {
	m := tensor.Of([]float32{1, -2, 3, 4}, 2, 2)
	x := tensor.Of([]float32{1, 2, 3, 4, 5, 6}, 2, 3)
	image := tensor.Of([]float32{1, 2, 3, 4, 5, 6, 7, 8, 9}, 1, 1, 3, 3)
	filter := &wire.Tensor{Name: "w", Type: wire.Float, Dims: []int64{1, 1, 2, 2}, Data: []float32{1, 2, 3, 4}}
	in := func(name string, x *tensor.Tensor) *wire.ValueInfo {
		var dims []int64
		for _, d := range x.Shape() {
			dims = append(dims, int64(d))
		}
		return floats(name, dims...)
	}
	sized := func(name string, dims ...int64) []*wire.ValueInfo { return []*wire.ValueInfo{floats(name, dims...)} }
	kernel := []any{"kernel_shape", []int64{2, 2}}
	dynamic := floats("x", 2, 3)
	dynamic.Type.Shape[0] = wire.Dim{Param: "batch"}
	dynamicOut := &wire.ValueInfo{Name: "y", Type: dynamic.Type}
	for _, tt := range []struct {
		name    string
		graph   *wire.Graph // its inputs and outputs are made from the tensors below, where it has none
		inputs  []*tensor.Tensor
		outputs []*tensor.Tensor // what is right; nil where that is not looked at
		want    string
	}{
		{"an operator that it lacks", &wire.Graph{Nodes: []*wire.Node{nd("Erf", "x", "y")}}, []*tensor.Tensor{x}, []*tensor.Tensor{x},
			`node "y/Erf" (Erf): onnx-go lacks the operator`},
		{"softmax over three axes", &wire.Graph{Nodes: []*wire.Node{nd("Softmax", "x", "y", "axis", int64(1))}},
			[]*tensor.Tensor{tensor.Of([]float32{0, 0, 0, 0}, 1, 2, 2)}, []*tensor.Tensor{tensor.Of([]float32{.5, .5, .5, .5}, 1, 2, 2)}, "opsets below 13"},
		{"asymmetric pads", &wire.Graph{Initializers: []*wire.Tensor{filter},
			Nodes: []*wire.Node{nd("Conv", "x w", "y", append(kernel, "pads", []int64{0, 0, 1, 1})...)}}, []*tensor.Tensor{image},
			[]*tensor.Tensor{tensor.Of([]float32{37, 47, 21, 67, 77, 33, 23, 26, 9}, 1, 1, 3, 3)}, "mistakes the order of pads"},
		{"an output that feeds a node", &wire.Graph{Nodes: []*wire.Node{nd("Relu", "x", "y"), nd("Neg", "y", "z")}, Outputs: []*wire.ValueInfo{floats("y", 2, 2), floats("z", 2, 2)}},
			[]*tensor.Tensor{m}, []*tensor.Tensor{tensor.Of([]float32{1, 0, 3, 4}, 2, 2), tensor.Of([]float32{-1, 0, -3, -4}, 2, 2)}, `the output "y" also feeds a node`},
		{"an output that is an input", &wire.Graph{Nodes: []*wire.Node{nd("Relu", "x", "z")}, Outputs: []*wire.ValueInfo{floats("x", 2, 2), floats("z", 2, 2)}},
			[]*tensor.Tensor{m}, []*tensor.Tensor{m, tensor.Of([]float32{1, 0, 3, 4}, 2, 2)}, `the output "x"`},
		{"flatten from the back", &wire.Graph{Nodes: []*wire.Node{nd("Flatten", "x", "y", "axis", int64(-1))}}, []*tensor.Tensor{tensor.New(tensor.F32, 2, 2, 3)},
			[]*tensor.Tensor{tensor.New(tensor.F32, 4, 3)}, "counts axes from the front"},
		{"concat from the back", &wire.Graph{Nodes: []*wire.Node{nd("Concat", "x z", "y", "axis", int64(-1))}}, []*tensor.Tensor{x, x}, []*tensor.Tensor{tensor.New(tensor.F32, 2, 6)}, "counts axes from the front"},
		{"reshape to what is left", &wire.Graph{Initializers: []*wire.Tensor{i64s("s", 12, -1)}, Nodes: []*wire.Node{nd("Reshape", "x s", "y")}},
			[]*tensor.Tensor{tensor.New(tensor.F32, 2, 3, 4)}, []*tensor.Tensor{tensor.New(tensor.F32, 12, 2)}, "does not have all sizes"},
		{"one input twice", &wire.Graph{Nodes: []*wire.Node{nd("Mul", "x x", "y")}}, []*tensor.Tensor{m}, []*tensor.Tensor{m}, "two of its inputs"},
		{"a batch of no fixed size", &wire.Graph{Inputs: []*wire.ValueInfo{dynamic}, Nodes: []*wire.Node{nd("Neg", "x", "y")}, Outputs: []*wire.ValueInfo{dynamicOut}}, nil, nil, "a fixed batch too"},
		{"a row as long as a column", &wire.Graph{Nodes: []*wire.Node{nd("Add", "x z", "y")}}, []*tensor.Tensor{m, tensor.Of([]float32{1, 2}, 2)}, []*tensor.Tensor{tensor.Of([]float32{2, 0, 4, 6}, 2, 2)}, "by its size"},
		{"a channel's number, with a batch axis", &wire.Graph{Nodes: []*wire.Node{nd("Add", "x z", "y")}}, []*tensor.Tensor{tensor.New(tensor.F32, 2, 3, 2, 2), tensor.New(tensor.F32, 1, 3, 1, 1)},
			[]*tensor.Tensor{tensor.New(tensor.F32, 2, 3, 2, 2)}, "does not broadcast"},
		{"Gemm without an addend", &wire.Graph{Nodes: []*wire.Node{nd("Gemm", "x z", "y")}}, []*tensor.Tensor{m, m.Clone()}, []*tensor.Tensor{m}, "it has 2 inputs: onnx-go wants 3"},
		{"groups", &wire.Graph{Initializers: []*wire.Tensor{{Name: "w", Type: wire.Float, Dims: []int64{2, 1, 1, 1}, Data: []float32{1, 2}}},
			Nodes: []*wire.Node{nd("Conv", "x w", "y", "group", int64(2), "kernel_shape", []int64{1, 1})}}, []*tensor.Tensor{tensor.New(tensor.F32, 1, 2, 2, 2)}, []*tensor.Tensor{tensor.New(tensor.F32, 1, 2, 2, 2)}, "no groups"},
		{"filters of unsaid size", &wire.Graph{Initializers: []*wire.Tensor{filter}, Nodes: []*wire.Node{nd("Conv", "x w", "y")}}, []*tensor.Tensor{image}, []*tensor.Tensor{tensor.New(tensor.F32, 1, 1, 2, 2)}, "the attribute kernel_shape"},
		{"matrices in rows", &wire.Graph{Nodes: []*wire.Node{nd("MatMul", "x z", "y")}}, []*tensor.Tensor{tensor.New(tensor.F32, 1, 2, 2), m}, []*tensor.Tensor{tensor.New(tensor.F32, 1, 2, 2)}, "multiplies matrices only"},
		{"what LeakyRelu overwrites", &wire.Graph{Nodes: []*wire.Node{nd("LeakyRelu", "x", "h", "alpha", float32(.5)), nd("Add", "h x", "y")}}, []*tensor.Tensor{m}, []*tensor.Tensor{tensor.Of([]float32{2, -3, 6, 8}, 2, 2)}, "it overwrites its input"},
		{"equal nodes", &wire.Graph{Nodes: []*wire.Node{nd("Tanh", "x", "h"), nd("Tanh", "x", "y"), nd("Neg", "h", "z")}, Outputs: []*wire.ValueInfo{floats("y", 2, 2), floats("z", 2, 2)}}, []*tensor.Tensor{tensor.New(tensor.F32, 2, 2)}, nil, "takes them for one"},
		{"a view and its original", &wire.Graph{Initializers: []*wire.Tensor{i64s("s", 4, 1)}, Nodes: []*wire.Node{nd("Neg", "x", "h"), nd("Reshape", "h s", "y"), nd("Exp", "h", "e")},
			Outputs: []*wire.ValueInfo{floats("y", 4, 1), floats("e", 2, 2)}}, []*tensor.Tensor{m}, nil, "the output is the same memory"},
		{"minus minus", &wire.Graph{Nodes: []*wire.Node{nd("Neg", "x", "h"), nd("Neg", "h", "y"), nd("Exp", "x", "e")}, Outputs: []*wire.ValueInfo{floats("y", 2, 2), floats("e", 2, 2)}}, []*tensor.Tensor{m}, nil, "puts something else in the place of Neg"},
		{"integers", &wire.Graph{Inputs: []*wire.ValueInfo{{Name: "x", Type: &wire.TensorType{Elem: wire.Int64, Shape: []wire.Dim{{Value: 2}}}}}, Nodes: []*wire.Node{nd("Neg", "x", "y")},
			Outputs: []*wire.ValueInfo{{Name: "y", Type: &wire.TensorType{Elem: wire.Int64, Shape: []wire.Dim{{Value: 2}}}}}}, nil, nil, "only f32 is known to be right"},
		{"huge sizes", &wire.Graph{Inputs: sized("x", 1<<36), Nodes: []*wire.Node{nd("Neg", "x", "y")}, Outputs: sized("y", 1<<36)}, nil, nil, "MiB"},
		{"huge intermediate values", product(1 << 18), nil, nil, "MiB"},
		{"a faulty file", &wire.Graph{Nodes: []*wire.Node{nd("Neg", "nothing", "y")}}, []*tensor.Tensor{x}, []*tensor.Tensor{x}, "the file is faulty"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := tt.graph
			for i, x := range tt.inputs {
				if len(g.Inputs) <= i {
					g.Inputs = append(g.Inputs, in([]string{"x", "z"}[i], x))
				}
			}
			if g.Outputs == nil {
				g.Outputs = []*wire.ValueInfo{in("y", tt.outputs[0])}
			}
			data := encode(g)
			if _, err := OpenBytes(data, roomy); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("the check says %v, want %q", err, tt.want)
			}
			if tt.outputs == nil {
				return
			}
			got, err := runChild(t.Context(), data, tt.inputs, len(tt.outputs), 1<<20, roomy)
			if err != nil {
				t.Log("without the check:", err)
				return
			}
			for i, want := range tt.outputs {
				if err := agree(got[i], want, 1e-6); err != nil {
					t.Log("without the check:", err)
					return
				}
			}
			t.Error("without the check onnx-go is right")
		})
	}
}
