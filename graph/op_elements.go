package graph

import (
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var elementOps = []Sampled{GatherElements{}, ScatterElements{}}

// GatherElements takes, for each of the indices, the element of x at that index along Axis, and at the index's own place along the other
// axes. Indices below 0 count from the end. ONNX: GatherElements.
type GatherElements struct{ Axis int }

// GatherElements is v's elements at indices along axis: element [i j k] of the result, along axis 1, is element [i indices[i j k] k] of v.
func (v *Value) GatherElements(indices *Value, axis int) *Value {
	return Apply(GatherElements{axis}, v, indices)
}

func (o GatherElements) normalize(in []*Value) Op {
	o.Axis = normalAxis(o.Axis, in[0])
	return o
}

var gatherElementsArgs = []Arg{{Name: "x", DTypes: Floats}, {Name: "indices", DTypes: Indices}}

// Takes is x and the indices.
func (GatherElements) Takes() []Arg { return gatherElementsArgs }

// Infer gives the indices' shape.
func (o GatherElements) Infer(in *Infer) ([]Type, error) {
	x, at := in.Args[0], in.Args[1]
	return in.One(Type{x.DType(), at.Shape()}, placed(x, at, o.Axis))
}

// placed says how the indices at are no places in x along an axis.
func placed(x, at *Value, along int) error {
	k, err := axis(along, x.Rank())
	if err != nil {
		return err
	}
	fits := at.Rank() == x.Rank()
	for i := 0; fits && i < x.Rank(); i++ {
		n, d := x.Shape()[i], at.Shape()[i]
		fits = i == k || d == n || !n.Symbolic() && !d.Symbolic() && d < n
	}
	if !fits {
		return Mistakef("only the axis along which they point may be longer than that of the value", "the indices are %v, for %v along axis %d", at.Type, x.Type, along)
	}
	return nil
}

// VJP adds g's elements at their places.
func (o GatherElements) VJP(n *Node, g []*Value) []*Value {
	x := n.Args[0]
	zeros := x.fn.Full(x.DType(), 0, x.Shape()...)
	return []*Value{zeros.ScatterElements(n.Args[1], g[0], o.Axis, true), nil}
}

// Run copies.
func (o GatherElements) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return floats(c, o, out, in, gatherElementsFloats[float32], gatherElementsFloats[float64])
}

func gatherElementsFloats[T kernel.Float](_ *kernel.Context, o GatherElements, out, in []*tensor.Tensor) error {
	y, x := tensor.Data[T](out[0]), tensor.Data[T](in[0])
	return kernel.Elements(in[0].Shape(), in[1].Shape(), o.Axis, tensor.Data[int64](in[1]), func(at, i int) { y[i] = x[at] })
}

// Forms is GatherElements.
func (GatherElements) Forms() []Form {
	return form("GatherElements", Field{Attribute: "axis", Name: "Axis"})
}

// Samples covers the places of the axis, shorter and longer indices, and ones below 0.
func (GatherElements) Samples() []Sample {
	var out []Sample
	for _, s := range elementSamples {
		out = append(out, Sample{Op: GatherElements{s.axis}, In: []SampleInput{{Shape: s.x}, {DType: I64, Shape: s.index, Lo: -2, Hi: 2}}})
	}
	return append(out, Sample{Op: GatherElements{0}, In: []SampleInput{{Shape: []int{3}}, {DType: I32, Shape: []int{4}, Lo: 0, Hi: 3}}})
}

var elementSamples = []struct {
	x, index []int
	axis     int
}{
	{[]int{4}, []int{6}, 0}, {[]int{2, 3}, []int{2, 2}, 1}, {[]int{3, 2}, []int{5, 2}, 0}, {[]int{2, 2, 3}, []int{2, 3, 3}, -2}, {[]int{3, 3, 2}, []int{3, 2, 4}, 2},
}

// ScatterElements is x with elements in the places that indices point at along Axis, as [GatherElements] takes them: added to what is
// there, or in its stead; of several for one place the last counts. Arguments: x, the indices, and the elements, of the indices' shape.
// ONNX: ScatterElements.
type ScatterElements struct {
	Axis      int
	Reduction string // "add" or "none"
}

// ScatterElements is v with the given elements at indices along axis, added to those there or in their stead; see [Value.GatherElements].
func (v *Value) ScatterElements(indices, elements *Value, axis int, add bool) *Value {
	o := ScatterElements{axis, "none"}
	if add {
		o.Reduction = "add"
	}
	return Apply(o, v, indices, elements)
}

func (o ScatterElements) normalize(in []*Value) Op {
	o.Axis = normalAxis(o.Axis, in[0])
	return o
}

var scatterElementsArgs = []Arg{{Name: "x", DTypes: Floats, Like: "T"}, {Name: "indices", DTypes: Indices}, {Name: "elements", DTypes: Floats, Like: "T"}}

// Takes is x, the indices and the elements.
func (ScatterElements) Takes() []Arg { return scatterElementsArgs }

// Infer checks the indices and the elements.
func (o ScatterElements) Infer(in *Infer) ([]Type, error) {
	x, at, elements := in.Args[0], in.Args[1], in.Args[2]
	if o.Reduction != "add" && o.Reduction != "none" {
		return nil, Mistakef(`"add" adds, "none" replaces`, "the reduction is %q", o.Reduction)
	}
	if !at.Shape().Equal(elements.Shape()) {
		return nil, Mistakef("each element has an index", "the indices are %v, the elements %v", at.Type, elements.Type)
	}
	return in.One(x.Type, placed(x, at, o.Axis))
}

// VJP takes g's elements from their places; where elements replace, none flows to what was there.
func (o ScatterElements) VJP(n *Node, g []*Value) []*Value {
	x, at := g[0], n.Args[1]
	if o.Reduction == "none" {
		x = x.ScatterElements(at, x.fn.Full(x.DType(), 0, at.Shape()...), o.Axis, false)
	}
	return []*Value{x, nil, g[0].GatherElements(at, o.Axis)}
}

// Run copies x, and puts the elements in, in their order.
func (o ScatterElements) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return floats(c, o, out, in, scatterElementsFloats[float32], scatterElementsFloats[float64])
}

func scatterElementsFloats[T kernel.Float](_ *kernel.Context, o ScatterElements, out, in []*tensor.Tensor) error {
	y, elements := tensor.Data[T](out[0]), tensor.Data[T](in[2])
	out[0].CopyFrom(in[0])
	put := func(at, i int) { y[at] = elements[i] }
	if o.Reduction == "add" {
		put = func(at, i int) { y[at] += elements[i] }
	}
	return kernel.Elements(in[0].Shape(), in[1].Shape(), o.Axis, tensor.Data[int64](in[1]), put)
}

// Forms is ScatterElements.
func (ScatterElements) Forms() []Form {
	return form("ScatterElements", Field{Attribute: "axis", Name: "Axis"}, Field{Attribute: "reduction", Name: "Reduction", Default: "none"})
}

// Samples covers what GatherElements' do. Where elements replace, no two are for one place: the gradient would be that of the last alone.
func (ScatterElements) Samples() []Sample {
	var out []Sample
	for _, s := range elementSamples {
		out = append(out, Sample{Op: ScatterElements{s.axis, "add"}, In: []SampleInput{{Shape: s.x}, {DType: I64, Shape: s.index, Lo: -2, Hi: 2}, {Shape: s.index}}})
	}
	for _, s := range []struct{ x, index []int }{{[]int{3}, []int{1}}, {[]int{2, 3}, []int{2, 1}}} {
		out = append(out, Sample{Op: ScatterElements{len(s.x) - 1, "none"}, In: []SampleInput{{Shape: s.x}, {DType: I64, Shape: s.index, Lo: -2, Hi: 2}, {Shape: s.index}}})
	}
	return out
}
