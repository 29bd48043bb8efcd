package graph

import (
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var resizeOps = []Sampled{Resize{}}

// Resize repeats each row and column of images [N C H W] Scale times: nearest-neighbour interpolation. ONNX: Resize, mode
// nearest, asymmetric coordinates.
type Resize struct{ Scale int }

// Upsample is the images v with each row and column repeated scale times.
func (v *Value) Upsample(scale int) *Value { return Apply(Resize{scale}, v) }

// Takes is images.
func (Resize) Takes() []Arg { return oneFloat }

// Infer multiplies height and width.
func (o Resize) Infer(in *Infer) ([]Type, error) {
	if o.Scale < 1 || o.Scale > 1<<20 {
		return nil, Mistakef("pooling makes images smaller", "the scale is %d, want a whole number from 1 to 1048576", o.Scale)
	}
	if _, _, err := spatial(in.Args[0]); err != nil {
		return nil, err
	}
	s := slices.Clone(in.Args[0].Shape())
	s[2], s[3] = s[2].Times(Dim(o.Scale)), s[3].Times(Dim(o.Scale))
	return in.One(Type{in.Args[0].DType(), s}, nil)
}

// VJP adds up the copies of each pixel.
func (o Resize) VJP(n *Node, gs []*Value) []*Value {
	g := gs[0]
	k := [2]int{o.Scale, o.Scale}
	return []*Value{g.AveragePool(AveragePool{Kernel: k, Strides: k}).Scale(float64(o.Scale * o.Scale))}
}

// Run copies.
func (o Resize) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return floats(c, o, out, in, resizeFloats[float32], resizeFloats[float64])
}

func resizeFloats[T kernel.Float](c *kernel.Context, o Resize, out, in []*tensor.Tensor) error {
	kernel.Upsample(c, tensor.Data[T](out[0]), tensor.Data[T](in[0]), in[0].Dim(3), o.Scale)
	return nil
}

// Emit adds a Resize node.
func (o Resize) Emit(e Emitter, n *Node, in []string) []string {
	k := float32(o.Scale)
	return []string{e.Node("Resize", []string{in[0], "", e.Const(tensor.Of([]float32{1, 1, k, k}, 4))},
		Attr{"mode", "nearest"}, Attr{"coordinate_transformation_mode", "asymmetric"}, Attr{"nearest_mode", "floor"})}
}

// Samples covers scales 1 to 3.
func (Resize) Samples() []Sample {
	return []Sample{
		{Op: Resize{1}, In: []SampleInput{{Shape: []int{1, 1, 2, 2}}}},
		{Op: Resize{2}, In: []SampleInput{{Shape: []int{2, 2, 1, 3}}}},
		{Op: Resize{3}, In: []SampleInput{{Shape: []int{1, 1, 2, 1}}}},
	}
}
