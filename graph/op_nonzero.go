package graph

import (
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var freshOps = []Sampled{NonZero{}, Compress{}, Unique{}}

// NonZero finds the elements that are not zero, or that are true: their places, as i64, a row for each axis and a column for each such
// element, in row-major order. How many there are only a run tells. ONNX: NonZero.
type NonZero struct{}

// NonZero are the places of v's elements that are not zero, i64[rank k], in row-major order, where k is a size that only a run tells.
// What is chosen by one mask has one such size: see [Value.Compress].
func (v *Value) NonZero() *Value { return Apply(NonZero{}, v) }

// Takes is a value of any dtype that has a zero.
func (NonZero) Takes() []Arg { return []Arg{{Name: "x", DTypes: Any &^ (1 << String)}} }

// Infer makes a row for each axis.
func (NonZero) Infer(in *Infer) ([]Type, error) {
	x := in.Args[0]
	if x.Rank() == 0 {
		return nil, Mistakef("Reshape(1) gives it one", "it is %v, which has no axis", x.Type)
	}
	return in.One(Type{I64, Shape{Dim(x.Rank()), in.FreshOf("nonzero", 0)}}, nil)
}

// Sizes counts.
func (NonZero) Sizes(_ *kernel.Context, in []*tensor.Tensor) ([]int, error) {
	n := 0
	eachNonZero(in[0], func(int) { n++ })
	return []int{n}, nil
}

// Run lists the places.
func (NonZero) Run(_ *kernel.Context, out, in []*tensor.Tensor) error {
	shape, places := in[0].Shape(), tensor.Data[int64](out[0])
	count, column := out[0].Dim(1), 0
	eachNonZero(in[0], func(at int) {
		for axis, n := range slices.Backward(shape) {
			places[axis*count+column] = int64(at % n)
			at /= n
		}
		column++
	})
	return nil
}

// eachNonZero calls do with the place of each element of x that is not zero.
func eachNonZero(x *tensor.Tensor, do func(at int)) {
	switch d := x.Raw().(type) {
	case []bool:
		nonZeros(d, do)
	case []float32:
		nonZeros(d, do)
	case []float64:
		nonZeros(d, do)
	case []int64:
		nonZeros(d, do)
	default:
		for i := range x.Len() {
			if x.At(i) != 0 {
				do(i)
			}
		}
	}
}

func nonZeros[T comparable](d []T, do func(at int)) {
	var zero T
	for i, v := range d {
		if v != zero {
			do(i)
		}
	}
}

// Forms is NonZero.
func (NonZero) Forms() []Form { return form("NonZero") }

// Samples covers ranks, dtypes, and no such elements.
func (NonZero) Samples() []Sample {
	return []Sample{
		{Op: NonZero{}, In: []SampleInput{{DType: Bool, Shape: []int{7}, Lo: 0, Hi: 2}}},
		{Op: NonZero{}, In: []SampleInput{{DType: I64, Shape: []int{2, 3}, Lo: -1, Hi: 2}}},
		{Op: NonZero{}, In: []SampleInput{{DType: Bool, Shape: []int{1, 2, 3, 1, 2}, Lo: 0, Hi: 2}}},
		{Op: NonZero{}, In: []SampleInput{{DType: I64, Shape: []int{4}, Lo: 0, Hi: .5}}},
		{Op: NonZero{}, In: []SampleInput{{DType: F32, Shape: []int{2, 2}}}},
	}
}

// Compress takes the slices along an axis at which a mask is true. How many there are only a run tells. ONNX: Compress.
type Compress struct{ Axis int }

// Compress is v's slices along the axis at which mask, bool[n] of the axis' size, is true. How many there are is a size that only a run
// tells, the same for all that is chosen by one mask. Gradients flow to what was taken.
func (v *Value) Compress(mask *Value, axis int) *Value { return Apply(Compress{axis}, v, mask) }

// MaskedSelect is the elements at which mask, a bool of v's shape, is true, along one axis, in row-major order; see [Value.Compress].
func (v *Value) MaskedSelect(mask *Value) *Value {
	if !v.OK() || !mask.OK() {
		return Apply(Compress{}, v, mask)
	}
	if !mask.Shape().Equal(v.Shape()) {
		v.fn.Mistake(v.fn.Pos(), "MaskedSelect: the mask is "+mask.Type.String()+", for "+v.Type.String(), "give the mask the shape, with .Expand", v, mask)
		return v.fn.Poison()
	}
	return v.Reshape(v.Shape().Size()).Compress(mask.Reshape(v.Shape().Size()), 0)
}

func (o Compress) normalize(in []*Value) Op {
	o.Axis = normalAxis(o.Axis, in[0])
	return o
}

var compressArgs = []Arg{{Name: "x", DTypes: Any}, {Name: "mask", DTypes: Bools}}

// Takes is a value and a mask.
func (Compress) Takes() []Arg { return compressArgs }

// Infer gives the axis a size of its own.
func (o Compress) Infer(in *Infer) ([]Type, error) {
	x, mask := in.Args[0], in.Args[1]
	k, err := axis(o.Axis, x.Rank())
	if err != nil {
		return nil, err
	}
	if !mask.Shape().Equal(Shape{x.Shape()[k]}) {
		return nil, Mistakef("it says for each place along the axis whether to take it", "the mask is %v, for axis %d of %v: want bool[%v]", mask.Type, k, x.Type, x.Shape()[k])
	}
	s := slices.Clone(x.Shape())
	s[k] = in.FreshOf("nonzero", 1)
	return in.One(Type{x.DType(), s}, nil)
}

// Sizes counts.
func (Compress) Sizes(c *kernel.Context, in []*tensor.Tensor) ([]int, error) {
	return NonZero{}.Sizes(c, in[1:])
}

// VJP puts g's slices where they were: at the places of the mask, which are as many.
func (o Compress) VJP(n *Node, g []*Value) []*Value {
	places := n.fn.add(&Node{Op: NonZero{}, Args: []*Value{n.Args[1]}, fresh: n.fresh}).Result(0)
	if !places.OK() {
		return []*Value{places, nil}
	}
	return []*Value{Apply(ScatterAdd{Axis: o.Axis, Shape: n.Args[0].Shape()}, g[0], places.Reshape(n.fresh[0])), nil}
}

// Run copies.
func (o Compress) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	var places []int
	eachNonZero(in[1], func(at int) { places = append(places, at) })
	return take(c, out[0], in[0], o.Axis, places)
}

// take copies the slices of x along an axis at the given places.
func take(c *kernel.Context, out, x *tensor.Tensor, along int, places []int) error {
	k, err := axis(along, x.Rank())
	if err != nil {
		return err
	}
	one := slices.Clone(x.Shape())
	one[k] = 1
	from, to := kernel.Contiguous(x.Shape()), kernel.Contiguous(out.Shape())
	for i, place := range places {
		from.Base, to.Base = place*from.Strides[k], i*to.Strides[k]
		if err := copyOp(c, one, out, to, x, from); err != nil {
			return err
		}
	}
	return nil
}

// Forms is Compress.
func (Compress) Forms() []Form { return form("Compress", Field{Attribute: "axis", Name: "Axis"}) }

// Samples covers the places of the axis, all and none.
func (Compress) Samples() []Sample {
	mask := func(n int) SampleInput { return SampleInput{DType: Bool, Shape: []int{n}, Lo: 0, Hi: 2} }
	return []Sample{
		{Op: Compress{0}, In: []SampleInput{{Shape: []int{6}}, mask(6)}},
		{Op: Compress{0}, In: []SampleInput{{Shape: []int{4, 2}}, mask(4)}},
		{Op: Compress{1}, In: []SampleInput{{Shape: []int{2, 5, 3}}, mask(5)}},
		{Op: Compress{-1}, In: []SampleInput{{Shape: []int{1, 2, 1, 2, 4}}, mask(4)}},
		{Op: Compress{0}, In: []SampleInput{{Shape: []int{3}}, {DType: Bool, Shape: []int{3}, Lo: 1, Hi: 1}}},
		{Op: Compress{0}, In: []SampleInput{{Shape: []int{3, 2}}, {DType: Bool, Shape: []int{3}, Lo: 0, Hi: 0.5}}},
		{Op: Compress{0}, In: []SampleInput{{DType: I64, Shape: []int{5}, Lo: -9, Hi: 9}, mask(5)}},
	}
}
