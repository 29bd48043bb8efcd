//go:build cgo

package onnxruntime

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// toValue is a native value over x's elements (a copy of them for rank 0, strings, and elements of less than a byte), which the caller
// destroys.
func toValue(x *tensor.Tensor) (ort.Value, error) {
	switch d := x.Raw().(type) {
	case []float32:
		return typedValue(x, d)
	case []float64:
		return typedValue(x, d)
	case []int64:
		return typedValue(x, d)
	case []int32:
		return typedValue(x, d)
	case []int16:
		return typedValue(x, d)
	case []int8:
		return typedValue(x, d)
	case []uint64:
		return typedValue(x, d)
	case []uint32:
		return typedValue(x, d)
	case []uint16:
		return typedValue(x, d)
	case []uint8:
		return typedValue(x, d)
	case []bool:
		return typedValue(x, d)
	case []string:
		return stringValue(x, d)
	}
	return byteValue(x)
}

func typedValue[T ort.TensorData](x *tensor.Tensor, data []T) (ort.Value, error) {
	if x.Rank() == 0 {
		return orNil(ort.NewScalar(data[0]))
	}
	return orNil(ort.NewTensor(shapeOf(x), data))
}

// orNil keeps a nil pointer of the bindings from becoming a Value that is not nil.
func orNil[V ort.Value](v V, err error) (ort.Value, error) {
	if err != nil {
		return nil, err
	}
	return v, nil
}

// stringValue is a value with copies of texts.
func stringValue(x *tensor.Tensor, texts []string) (ort.Value, error) {
	for _, s := range texts {
		if strings.ContainsRune(s, 0) {
			return nil, fmt.Errorf("the onnxruntime bindings cannot pass a string with a zero byte, as %.40q", s)
		}
	}
	if x.Rank() == 0 {
		return nil, errors.New("the onnxruntime bindings cannot pass a single string: give the input a dimension")
	}
	v, err := ort.NewStringTensor(shapeOf(x))
	if err == nil && len(texts) > 0 {
		if err = v.SetContents(texts); err != nil {
			v.Destroy()
		}
	}
	return orNil(v, err)
}

// byteValue is a value of elements that Go has no type for.
func byteValue(x *tensor.Tensor) (ort.Value, error) {
	if x.Rank() == 0 {
		return nil, fmt.Errorf("the onnxruntime bindings cannot pass a single %v: give the input a dimension", x.DType())
	}
	data := x.Bytes()
	if x.DType().Bits() < 8 {
		var packed bytes.Buffer
		x.Encode(&packed) // a buffer takes every write
		data = packed.Bytes()
	}
	if len(data) == 0 {
		data = make([]byte, 1) // the bindings refuse no bytes, onnxruntime takes more than the shape needs
	}
	return orNil(ort.NewCustomDataTensor(shapeOf(x), data, ort.TensorElementDataType(x.DType().ONNX())))
}

func shapeOf(x *tensor.Tensor) ort.Shape {
	shape := make(ort.Shape, x.Rank())
	for i, d := range x.Shape() {
		shape[i] = int64(d)
	}
	return shape
}

// fromValue is a tensor over the Go memory that the bindings copied an output to; it outlives v.
func fromValue(v ort.Value) (*tensor.Tensor, error) {
	switch v := v.(type) {
	case *ort.Tensor[float32]:
		return wrap(v.GetData(), v.GetShape())
	case *ort.Tensor[float64]:
		return wrap(v.GetData(), v.GetShape())
	case *ort.Tensor[int64]:
		return wrap(v.GetData(), v.GetShape())
	case *ort.Tensor[int32]:
		return wrap(v.GetData(), v.GetShape())
	case *ort.Tensor[int16]:
		return wrap(v.GetData(), v.GetShape())
	case *ort.Tensor[int8]:
		return wrap(v.GetData(), v.GetShape())
	case *ort.Tensor[uint64]:
		return wrap(v.GetData(), v.GetShape())
	case *ort.Tensor[uint32]:
		return wrap(v.GetData(), v.GetShape())
	case *ort.Tensor[uint16]:
		return wrap(v.GetData(), v.GetShape())
	case *ort.Tensor[uint8]:
		return wrap(v.GetData(), v.GetShape())
	case *ort.Tensor[bool]:
		return wrap(v.GetData(), v.GetShape())
	case *ort.Scalar[float32]:
		return tensor.Scalar(v.GetData()), nil
	case *ort.Scalar[float64]:
		return tensor.Scalar(v.GetData()), nil
	case *ort.Scalar[int64]:
		return tensor.Scalar(v.GetData()), nil
	case *ort.Scalar[int32]:
		return tensor.Scalar(v.GetData()), nil
	case *ort.Scalar[int16]:
		return tensor.Scalar(v.GetData()), nil
	case *ort.Scalar[int8]:
		return tensor.Scalar(v.GetData()), nil
	case *ort.Scalar[uint64]:
		return tensor.Scalar(v.GetData()), nil
	case *ort.Scalar[uint32]:
		return tensor.Scalar(v.GetData()), nil
	case *ort.Scalar[uint16]:
		return tensor.Scalar(v.GetData()), nil
	case *ort.Scalar[uint8]:
		return tensor.Scalar(v.GetData()), nil
	case *ort.Scalar[bool]:
		return tensor.Scalar(v.GetData()), nil
	case *ort.StringTensor:
		texts, err := v.GetContents()
		if err != nil {
			return nil, err
		}
		return wrap(texts, v.GetShape())
	}
	return nil, fmt.Errorf("onnxruntime returned a %T of type %v, which tensors here cannot hold", v, ort.TensorElementDataType(v.DataType()))
}

// copyScalar copies the element of a value of rank 0 to x, of its dtype, without allocating.
func copyScalar(x *tensor.Tensor, v ort.Value) error {
	switch v := v.(type) {
	case *ort.Scalar[float32]:
		tensor.Data[float32](x)[0] = v.GetData()
	case *ort.Scalar[float64]:
		tensor.Data[float64](x)[0] = v.GetData()
	case *ort.Scalar[int64]:
		tensor.Data[int64](x)[0] = v.GetData()
	case *ort.Scalar[int32]:
		tensor.Data[int32](x)[0] = v.GetData()
	case *ort.Scalar[int16]:
		tensor.Data[int16](x)[0] = v.GetData()
	case *ort.Scalar[int8]:
		tensor.Data[int8](x)[0] = v.GetData()
	case *ort.Scalar[uint64]:
		tensor.Data[uint64](x)[0] = v.GetData()
	case *ort.Scalar[uint32]:
		tensor.Data[uint32](x)[0] = v.GetData()
	case *ort.Scalar[uint16]:
		tensor.Data[uint16](x)[0] = v.GetData()
	case *ort.Scalar[uint8]:
		tensor.Data[uint8](x)[0] = v.GetData()
	case *ort.Scalar[bool]:
		tensor.Data[bool](x)[0] = v.GetData()
	default:
		return fmt.Errorf("onnxruntime returned a %T for %v", v, x)
	}
	return nil
}

func wrap[T tensor.Element](data []T, dims []int64) (*tensor.Tensor, error) {
	shape := make([]int, len(dims))
	for i, d := range dims {
		shape[i] = int(d)
	}
	if n, err := tensor.Count(shape); err != nil || n != len(data) {
		return nil, fmt.Errorf("onnxruntime returned %d elements in shape %v", len(data), dims)
	}
	return tensor.Of(data, shape...), nil
}

// unflatten makes an output of type t from its elements in a row, f32 for those asBytes, and its shape.
func unflatten(flat, shape *tensor.Tensor, t tensor.DType) (*tensor.Tensor, error) {
	if shape.DType() != tensor.I64 {
		return nil, fmt.Errorf("onnxruntime returned a shape of %v", shape)
	}
	dims := make([]int, shape.Len())
	for i, d := range tensor.Data[int64](shape) {
		dims[i] = int(d)
	}
	if n, err := tensor.Count(dims); err != nil || n != flat.Len() {
		return nil, fmt.Errorf("onnxruntime returned %d elements in shape %v", flat.Len(), dims)
	}
	if asBytes(t) && flat.DType() == tensor.F32 {
		flat = flat.Cast(t) // exact, since these were cast up from t
	}
	return flat.Reshape(dims...), nil
}
