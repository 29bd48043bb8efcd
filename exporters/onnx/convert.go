package onnx

import (
	"bytes"
	"fmt"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// wireTensor is t as a message; it shares t's elements, but where a file packs them.
func wireTensor(name string, t *tensor.Tensor) *wire.Tensor {
	dims := make([]int64, t.Rank())
	for i, d := range t.Shape() {
		dims[i] = int64(d)
	}
	w := &wire.Tensor{Name: name, Type: wire.DataType(t.DType().ONNX()), Dims: dims, Data: t.Raw()}
	switch bits := t.DType().Bits(); {
	case bits > 0 && bits < 8:
		var b bytes.Buffer
		t.Encode(&b) // a buffer takes every write
		w.Data = b.Bytes()
	case t.DType().Float() && bits == 16:
		w.Data = t.Units()
	case t.DType() == tensor.F8E4M3FN || t.DType() == tensor.F8E5M2:
		w.Data = t.Units()
	}
	return w
}

func tensorType(t graph.Type) *wire.TensorType {
	out := &wire.TensorType{Elem: wire.DataType(t.DType.ONNX()), Shape: []wire.Dim{}}
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
	dtype, ok := tensor.OfONNX(int(t.Type))
	switch bits := dtype.Bits(); {
	case !ok:
	case bits > 0 && bits < 8:
		x := tensor.New(dtype, shape...)
		return x, x.Decode(bytes.NewReader(data.([]byte)))
	default:
		if x, ok := tensor.OfRaw(dtype, data, shape...); ok {
			return x, nil
		}
	}
	return nil, fmt.Errorf("tensor %q: elements of type %v are not supported", t.Name, t.Type)
}
