package graph

import (
	"fmt"
	"math"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var leafOps = []Sampled{Input{}, Param{}, Const{}, Full{}, Sizes{}, Size{}, Detach{}}

// Input is a value that the caller gives. ONNX: a graph input.
type Input struct {
	Name string
	Type Type
	Size bool // the number is the size of the symbol of this name; see [Func.BindSizes]
}

// Takes is nothing.
func (Input) Takes() []Arg { return nil }

// Infer returns the declared type.
func (o Input) Infer(in *Infer) ([]Type, error) {
	if o.Name == "" {
		return nil, Mistakef("the name is the one in the ONNX file and in calls", "the name is empty")
	}
	return in.One(o.Type, nil)
}

// Emit returns the input's name: the exporter declares it.
func (o Input) Emit(e Emitter, n *Node, in []string) []string { return []string{o.Name} }

// Samples returns none: there is nothing to compute.
func (Input) Samples() []Sample { return nil }

// Param is a piece of state: a trainable parameter, or a buffer. ONNX: an initializer.
type Param struct {
	Name      string
	Type      Type
	Init      Initializer `text:"-"`
	Trainable bool
}

// Takes is nothing.
func (Param) Takes() []Arg { return nil }

// Infer returns the declared type; a symbolic dimension is a mistake.
func (o Param) Infer(in *Infer) ([]Type, error) {
	if o.Name == "" {
		return nil, Mistakef("layers name their parameters by the fields that lead to them", "the name is empty")
	}
	if err := o.Type.Shape.check(); err != nil {
		return nil, err
	}
	if !o.Type.Shape.Static() {
		return nil, Mistakef("state has a fixed size; take the width from a numeric axis, or flatten the axes that are numbers",
			"%q cannot have the shape %v: %v is symbolic", o.Name, o.Type.Shape, o.Type.Shape[slices.IndexFunc(o.Type.Shape, Dim.Symbolic)])
	}
	return in.One(o.Type, numbers(o.Init, o.Type.DType))
}

// Emit returns the parameter's name: the exporter writes its contents.
func (o Param) Emit(e Emitter, n *Node, in []string) []string { return []string{o.Name} }

// Samples returns none: there is nothing to compute.
func (Param) Samples() []Sample { return nil }

// Const is a tensor known when the model is defined. ONNX: an initializer.
type Const struct {
	Value *tensor.Tensor // the Func's own copy; it must not be changed
}

// Const is a copy of t as a value.
func (f *Func) Const(t *tensor.Tensor) *Value { return f.Apply(Const{Value: t}) }

// Takes is nothing.
func (Const) Takes() []Arg { return nil }

// Infer returns the tensor's type.
func (o Const) Infer(in *Infer) ([]Type, error) {
	if o.Value == nil {
		return nil, Mistakef("make one with tensor.Of or tensor.New", "the tensor is nil")
	}
	s := make(Shape, o.Value.Rank())
	for i, d := range o.Value.Shape() {
		s[i] = Dim(d)
	}
	return in.One(Type{o.Value.DType(), s}, nil)
}

// Run copies the tensor.
func (o Const) Run(_ *kernel.Context, out, _ []*tensor.Tensor) error {
	out[0].CopyFrom(o.Value)
	return nil
}

// Emit adds an initializer.
func (o Const) Emit(e Emitter, n *Node, in []string) []string { return []string{e.Const(o.Value)} }

// Samples covers ranks 0 and 2.
func (Const) Samples() []Sample {
	a, b := tensor.Of([]float32{1, 2, 3, 4, 5, 6}, 2, 3), tensor.Scalar(int64(7))
	return []Sample{{Op: Const{Value: a}}, {Op: Const{Value: b}}}
}

// Full is a tensor of one number. ONNX: ConstantOfShape, or an initializer for a scalar.
type Full struct {
	Type  Type
	Value float64 `inf:"ok"`
}

// Full is a tensor with every element equal to value, which the dtype must hold: for an i64 of 2⁵³ and more see [Func.FullInt].
// An infinity is allowed, as in masks.
func (f *Func) Full(t DType, value float64, dims ...Dim) *Value {
	return f.Apply(Full{Type: Type{t, dims}, Value: value})
}

// FullInt is a tensor with every element equal to value, exactly. ONNX: as Full, or an initializer and Expand.
func (f *Func) FullInt(t DType, value int64, dims ...Dim) *Value {
	if (t == I64 || t == U64 && value >= 0) && holds(t, float64(value)) != nil {
		x := tensor.New(t)
		x.SetInt(0, value)
		return f.Const(x).Expand(dims...)
	}
	return f.Full(t, float64(value), dims...)
}

// holds says why a value of dtype t cannot be v, or nothing. NaN is refused for every dtype.
func holds(t DType, v float64) error {
	if t == String {
		return Mistakef("Const takes a tensor of strings", "%v is no %v", v, t)
	}
	lo, hi, whole := integerRange(t)
	if whole {
		if v != math.Trunc(v) { // NaN too
			return Mistakef("take graph.F32, or a whole number", "%v is no %v", v, t)
		}
		if v < lo || v > hi {
			hint := fmt.Sprintf("a number from %.0f to %.0f", lo, hi)
			if t.Bits() == 64 {
				hint += "; Func.FullInt takes any int64"
			}
			return Mistakef(hint, "%v is no %v that is known exactly", v, t)
		}
		return nil
	}
	return numeric(t, v, true)
}

// integerRange is the least and the largest of the integers of dtype t, or of 64 bits those up to which a float64 has all; whole is false
// for other dtypes.
func integerRange(t DType) (lo, hi float64, whole bool) {
	bits := t.Bits()
	switch {
	case t == Bool:
		return 0, 1, true
	case t == U4 || t == U2 || t.Unsigned():
		hi = math.Ldexp(1, bits) - 1
	case t == I4 || t == I2 || t.Integer():
		lo, hi = -math.Ldexp(1, bits-1), math.Ldexp(1, bits-1)-1
	default:
		return 0, 0, false
	}
	return max(lo, -(1<<53 - 1)), min(hi, 1<<53-1), true
}

// Takes is nothing.
func (Full) Takes() []Arg { return nil }

// Infer returns the declared type; a number that the dtype cannot hold is a mistake.
func (o Full) Infer(in *Infer) ([]Type, error) { return in.One(o.Type, holds(o.Type.DType, o.Value)) }

func (o Full) normalize([]*Value) Op {
	if len(o.Type.Shape) == 0 {
		o.Type.Shape = nil
	}
	return o
}

// Run fills out.
func (o Full) Run(c *kernel.Context, out, _ []*tensor.Tensor) error {
	switch d := out[0].Raw().(type) {
	case []float32:
		fill(d, float32(o.Value))
	case []float64:
		fill(d, o.Value)
	default:
		for i := range out[0].Len() {
			out[0].Set(i, o.Value)
		}
	}
	return nil
}

func fill[T any](d []T, v T) {
	for i := range d {
		d[i] = v
	}
}

// Forms is ConstantOfShape, but for a scalar.
func (Full) Forms() []Form {
	return []Form{{Operator: "ConstantOfShape", Rank: 1, Fields: []Field{{Name: "Type.Shape", Input: 0}, {Attribute: "value", Name: "Value", Tensor: true}}}}
}

// Lower is a constant, and an Expand of it.
func (o Full) Lower(n *Node) []*Value {
	s := tensor.New(o.Type.DType)
	s.Set(0, o.Value)
	c := n.fn.Const(s)
	if len(o.Type.Shape) > 0 {
		c = c.Expand(o.Type.Shape...)
	}
	return []*Value{c}
}

// Samples covers the dtypes and ranks.
func (Full) Samples() []Sample {
	return []Sample{
		{Op: Full{Type: Type{F32, Shape{2, 3}}, Value: 1.5}},
		{Op: Full{Type: Type{F32, Shape{}}, Value: -1}},
		{Op: Full{Type: Type{I64, Shape{4}}, Value: 3}},
		{Op: Full{Type: Type{Bool, Shape{2, 2}}, Value: 1}},
	}
}

// Sizes is the sizes of the argument's axes, as i64[rank]. ONNX: Shape.
type Sizes struct{}

// ShapeVector is the sizes of v's axes as numbers of the graph, i64[rank]. [Value.Dim] is one that shapes are made of.
func (v *Value) ShapeVector() *Value { return Apply(Sizes{}, v) }

// Takes is a value of any dtype.
func (Sizes) Takes() []Arg { return oneAny }

// Infer returns a vector of as many elements as the argument has axes.
func (Sizes) Infer(in *Infer) ([]Type, error) {
	return in.One(Type{I64, Shape{Dim(in.Args[0].Rank())}}, nil)
}

// Run tells the sizes.
func (Sizes) Run(_ *kernel.Context, out, in []*tensor.Tensor) error {
	for i, n := range in[0].Shape() {
		out[0].SetInt(i, int64(n))
	}
	return nil
}

// Forms is Shape.
func (Sizes) Forms() []Form { return form("Shape") }

// Samples covers ranks 0 to 4.
func (Sizes) Samples() []Sample {
	var out []Sample
	for _, s := range [][]int{{}, {3}, {2, 3, 4}, {2, 0, 1, 5}} {
		out = append(out, Sample{Op: Sizes{}, In: []SampleInput{{Shape: s}}})
	}
	return append(out, Sample{Op: Sizes{}, In: []SampleInput{{DType: Bool, Shape: []int{2, 2}}}})
}

// Size is the number of elements along some axes, as a scalar of the argument's dtype: what a mean divides by when an
// axis is symbolic. ONNX: Shape, Gather, Mul, Cast.
type Size struct {
	Axes []int
}

// Size is the product of the sizes of v's axes, as a scalar of v's dtype; no axes means all of them.
func (v *Value) Size(list ...int) *Value {
	if v.OK() {
		if ax, err := axes(list, v.Rank()); err == nil {
			n := Dim(1)
			for _, a := range ax {
				n = n.Times(v.Shape()[a])
			}
			if !n.Symbolic() {
				return v.fn.FullInt(v.DType(), int64(n))
			}
			list = ax
		}
	}
	return Apply(Size{Axes: list}, v)
}

func (o Size) normalize(in []*Value) Op {
	o.Axes = normalAxes(o.Axes, in[0])
	return o
}

// Takes is a value of any dtype.
func (Size) Takes() []Arg { return oneNumber }

// Infer returns a scalar of the argument's dtype.
func (o Size) Infer(in *Infer) ([]Type, error) {
	if _, err := axes(o.Axes, in.Args[0].Rank()); err != nil {
		return nil, err
	}
	return in.One(Type{in.Args[0].DType(), Shape{}}, nil)
}

// Run multiplies the dimensions.
func (o Size) Run(_ *kernel.Context, out, in []*tensor.Tensor) error {
	list, err := axes(o.Axes, in[0].Rank())
	if err != nil {
		return err
	}
	n := 1
	for _, a := range list {
		n *= in[0].Dim(a)
	}
	out[0].SetInt(0, int64(n))
	return nil
}

// Lower is the product of the argument's sizes along the axes.
func (o Size) Lower(n *Node) []*Value {
	x := n.Args[0]
	list, err := axes(o.Axes, x.Rank())
	if err != nil { // inference found them to be there
		return []*Value{x.fn.Poison()}
	}
	sizes, size := x.ShapeVector(), x.fn.FullInt(I64, 1)
	for i, a := range list {
		one := sizes.Gather(x.fn.FullInt(I64, int64(a)), 0)
		if size = size.Mul(one); i == 0 {
			size = one
		}
	}
	return []*Value{size.Cast(x.DType())}
}

// Samples covers some and all axes.
func (Size) Samples() []Sample {
	in := []SampleInput{{Shape: []int{2, 3, 4}}}
	return []Sample{{Op: Size{}, In: in}, {Op: Size{Axes: []int{0, 2}}, In: in}}
}

// Detach is the identity through which no gradient flows. ONNX: Identity.
type Detach struct{}

// Detach is v as a constant to gradients: the fake images in a critic's loss, for one.
func (v *Value) Detach() *Value { return Apply(Detach{}, v) }

// Takes is a value of any dtype.
func (Detach) Takes() []Arg { return oneAny }

// Infer returns the argument's type.
func (Detach) Infer(in *Infer) ([]Type, error) { return in.Same(0) }

// Run copies.
func (Detach) Run(_ *kernel.Context, out, in []*tensor.Tensor) error {
	out[0].CopyFrom(in[0])
	return nil
}

// Forms is Identity.
func (Detach) Forms() []Form { return form("Identity") }

// Samples covers one shape.
func (Detach) Samples() []Sample {
	return []Sample{{Op: Detach{}, In: []SampleInput{{Shape: []int{2, 3}}}}}
}
