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

// FromLabels returns the source of a rank-1 tensor of integers, class numbers, delivered as i64.
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
	switch n := r.size * r.x.DType().Size(); {
	case r.x.DType() == tensor.String:
		return fmt.Errorf("a source over %v cannot be read", r.x)
	case r.dtype == r.x.DType():
		to, from := dst.Bytes(), r.x.Bytes()
		for i, row := range at {
			copy(to[i*n:(i+1)*n], from[row*n:(row+1)*n])
		}
	case r.dtype == tensor.F32: // pixels
		to, from := tensor.Data[float32](dst), tensor.Data[uint8](r.x)
		for i, row := range at {
			d := to[i*n : (i+1)*n]
			for j, v := range from[row*n : (row+1)*n] {
				d[j] = pixelValue[v]
			}
		}
	default: // labels
		for i, row := range at {
			dst.SetInt(i, r.x.Int(row))
		}
	}
	return nil
}
