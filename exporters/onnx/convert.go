package onnx

import (
	"fmt"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// wireTensor is t as a message; it shares t's elements.
func wireTensor(name string, t *tensor.Tensor) *wire.Tensor {
	dims := make([]int64, t.Rank())
	for i, d := range t.Shape() {
		dims[i] = int64(d)
	}
	return &wire.Tensor{Name: name, Type: wire.DataType(graph.ONNXType(t.DType())), Dims: dims, Data: t.Raw()}
}

func tensorType(t graph.Type) *wire.TensorType {
	out := &wire.TensorType{Elem: wire.DataType(graph.ONNXType(t.DType)), Shape: []wire.Dim{}}
	for _, d := range t.Shape {
		if d.Symbolic() {
			out.Shape = append(out.Shape, wire.Dim{Param: d.String()})
		} else {
			out.Shape = append(out.Shape, wire.Dim{Value: int64(d)})
		}
	}
	return out
}

// hostTensor reads t's payload into a tensor.
func hostTensor(t *wire.Tensor) (*tensor.Tensor, error) {
	data, err := t.Values()
	if err != nil {
		return nil, err
	}
	shape := make([]int, len(t.Dims))
	for i, d := range t.Dims {
		shape[i] = int(d)
	}
	for dtype := range tensor.Bool + 1 {
		if wire.DataType(graph.ONNXType(dtype)) == t.Type {
			if x, ok := tensor.OfRaw(dtype, data, shape...); ok {
				return x, nil
			}
		}
	}
	return nil, fmt.Errorf("tensor %q: elements of type %v are not supported", t.Name, t.Type)
}
