package gorgonia

import (
	"fmt"
	"reflect"

	"github.com/chewxy/hm"
	G "gorgonia.org/gorgonia"
	gt "gorgonia.org/tensor"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// A buffer is where a value is. State moves between buffers: a step swaps their tensors.
type buffer struct {
	*tensor.Tensor
	value *value
	mem   []byte // of a value whose size is known late, the piece of the pool that it has
}

func newBuffer(t *tensor.Tensor) *buffer {
	b := new(buffer)
	b.hold(t)
	return b
}

// hold puts b's value into t.
func (b *buffer) hold(t *tensor.Tensor) {
	if b.Tensor = t; b.value == nil {
		b.value = &value{b, shapeOf(t), gt.Dtype{Type: reflect.TypeOf(t.Raw()).Elem()}}
	}
}

// shapeOf is t's shape to gorgonia, to which rank 0 is no tensor.
func shapeOf(t *tensor.Tensor) gt.Shape {
	if t.Rank() == 0 {
		return gt.Shape{1}
	}
	return gt.Shape(t.Shape()).Clone()
}

// A value is the gorgonia.Value of a buffer: whatever tensor that has. So gorgonia is told of it once, and its own tensors are not
// needed. Shape and type stay; those of a value whose size only a run tells are of what stands for it.
type value struct {
	buf   *buffer
	shape gt.Shape
	dtype gt.Dtype
}

var _ G.Value = (*value)(nil)

func (v *value) Shape() gt.Shape  { return v.shape }
func (v *value) Size() int        { return v.buf.Len() }
func (v *value) Data() any        { return v.buf.Raw() }
func (v *value) Dtype() gt.Dtype  { return v.dtype }
func (v *value) MemSize() uintptr { return uintptr(v.buf.Len()) * v.dtype.Size() }
func (v *value) Uintptr() uintptr { return reflect.ValueOf(v.buf.Raw()).Pointer() }

// Type is the type of v's node.
func (v *value) Type() hm.Type { return G.TensorType{Dims: v.shape.Dims(), Of: v.dtype} }

// Format writes the tensor.
func (v *value) Format(s fmt.State, verb rune) {
	fmt.Fprintf(s, fmt.FormatString(s, verb), v.buf.Tensor)
}
