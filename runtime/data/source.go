package data

import (
	"fmt"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// FromTensor returns the source whose examples are the rows of x, delivered as they are stored. x must have an axis for
// the examples, and is not copied: it must not change afterwards.
func FromTensor(x *tensor.Tensor) (Source, error) { return newRows(x, x.DType()) }

// FromPixels returns the source of a u8 tensor of pixels, kept as bytes and delivered as f32 in [0, 1]: v/255.
func FromPixels(x *tensor.Tensor) (Source, error) {
	if x.DType() != tensor.U8 {
		return nil, fmt.Errorf("pixels must be u8, not %v", x)
	}
	return newRows(x, tensor.F32)
}

// FromLabels returns the source of a rank-1 u8, i32 or i64 tensor of class numbers, delivered as i64.
func FromLabels(x *tensor.Tensor) (Source, error) {
	if !x.DType().Integer() || x.Rank() != 1 {
		return nil, fmt.Errorf("labels must be one integer for each example, not %v", x)
	}
	return newRows(x, tensor.I64)
}

// rows is a Source over the first axis of a tensor.
type rows struct {
	x     *tensor.Tensor
	dtype tensor.DType
	size  int // elements in one example
}

func newRows(x *tensor.Tensor, dtype tensor.DType) (Source, error) {
	if x.Rank() == 0 {
		return nil, fmt.Errorf("%v has no axis for the examples", x)
	}
	size, err := tensor.Count(x.Shape()[1:])
	if err != nil {
		return nil, err
	}
	return &rows{x: x, dtype: dtype, size: size}, nil
}

func (r *rows) Len() int            { return r.x.Dim(0) }
func (r *rows) DType() tensor.DType { return r.dtype }
func (r *rows) Shape() []int        { return r.x.Shape()[1:] }

// pixelValue[v] is v/255.
var pixelValue = func() (t [256]float32) {
	for v := range t {
		t[v] = float32(v) / 255
	}
	return t
}()

func (r *rows) Gather(dst *tensor.Tensor, at []int) error {
	switch src := r.x.Raw().(type) {
	case []uint8:
		switch r.dtype {
		case tensor.F32:
			convertRows(tensor.Data[float32](dst), src, at, r.size, func(v uint8) float32 { return pixelValue[v] })
		case tensor.I64:
			convertRows(tensor.Data[int64](dst), src, at, r.size, func(v uint8) int64 { return int64(v) })
		default:
			copyRows(tensor.Data[uint8](dst), src, at, r.size)
		}
	case []int32:
		if r.dtype == tensor.I64 {
			convertRows(tensor.Data[int64](dst), src, at, r.size, func(v int32) int64 { return int64(v) })
		} else {
			copyRows(tensor.Data[int32](dst), src, at, r.size)
		}
	case []int64:
		copyRows(tensor.Data[int64](dst), src, at, r.size)
	case []float32:
		copyRows(tensor.Data[float32](dst), src, at, r.size)
	case []float64:
		copyRows(tensor.Data[float64](dst), src, at, r.size)
	case []uint16:
		copyRows(tensor.Data[uint16](dst), src, at, r.size)
	case []bool:
		copyRows(tensor.Data[bool](dst), src, at, r.size)
	default:
		return fmt.Errorf("a source over %v cannot be read", r.x)
	}
	return nil
}

func copyRows[T tensor.Element](dst, src []T, at []int, size int) {
	for i, row := range at {
		copy(dst[i*size:(i+1)*size], src[row*size:(row+1)*size])
	}
}

func convertRows[D, S tensor.Element](dst []D, src []S, at []int, size int, conv func(S) D) {
	for i, row := range at {
		d, s := dst[i*size:(i+1)*size], src[row*size:(row+1)*size]
		for j, v := range s {
			d[j] = conv(v)
		}
	}
}
