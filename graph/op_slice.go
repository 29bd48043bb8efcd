package graph

import (
	"fmt"
	"math"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var sliceOps = []Op{Slice{}, Concat{}, Part{}, Pad{}}

// Slice takes the elements Start, Start+Step, ... before End along one axis. ONNX: Slice.
type Slice struct {
	Axis             int
	Start, End, Step int
}

// Slice is v's elements start to end-1 along axis; negative positions count from the end.
func (v *Value) Slice(axis, start, end int) *Value { return v.SliceStep(axis, start, end, 1) }

// SliceStep is v's elements start, start+step, ... before end along an axis; positions count from the end when negative. The
// axis must have a known size: [Value.Split] and [Value.Pad] cut symbolic ones.
func (v *Value) SliceStep(along, start, end, step int) *Value {
	o := Slice{along, start, end, step}
	if v.OK() {
		if k, err := axis(along, v.Rank()); err == nil {
			o.Axis = k
			if n := v.Shape()[k]; !n.Symbolic() {
				if o.Start < 0 {
					o.Start += int(n)
				}
				if o.End < 0 {
					o.End += int(n)
				}
			}
		}
	}
	return Apply(o, v)
}

// maxParts is how many parts Split makes at most.
const maxParts = 1 << 16

// Split cuts v along an axis into n equal parts. A symbolic axis must be a multiple of n for every size: 2*batch, say.
func (v *Value) Split(along, n int) []*Value {
	out := make([]*Value, min(max(n, 1), maxParts))
	fill(out, v)
	if !v.OK() {
		return out
	}
	var width Dim
	k, err := axis(along, v.Rank())
	switch {
	case err != nil:
	case n < 1 || n > maxParts:
		err = fmt.Errorf("into %d parts", n)
	default:
		var ok bool
		if width, ok = v.Shape()[k].divide(Dim(n)); !ok {
			err = fmt.Errorf("axis %d has %v elements, which %d equal parts do not divide", along, v.Shape()[k], n)
		}
	}
	if err != nil {
		v.fn.Mistake(v.fn.Pos(), "Split: "+err.Error(), "Slice cuts parts of any size", v)
		fill(out, v.fn.Poison())
		return out
	}
	switch {
	case n == 1:
	case !width.Symbolic():
		for p := range out {
			out[p] = v.Slice(k, p*int(width), (p+1)*int(width))
		}
	default: // the parts as an axis of its own, whose size is known
		s := slices.Clone(v.Shape())
		s[k] = width
		parts := v.Reshape(slices.Insert(slices.Clone(s), k, Dim(n))...)
		for p := range out {
			out[p] = parts.Slice(k, p, p+1).Reshape(s...)
		}
	}
	return out
}

// count is the number of elements taken.
func (o Slice) count() int {
	if o.End <= o.Start {
		return 0
	}
	return (o.End-o.Start-1)/o.Step + 1
}

// normalize makes a step beyond the only element taken a step to the end: readers of files add it up.
func (o Slice) normalize(in []*Value) Op {
	o.Axis = normalAxis(o.Axis, in[0])
	if o.Step >= 1 && o.Start >= 0 && o.End >= o.Start {
		o.Step = min(o.Step, max(o.End-o.Start, 1))
	}
	return o
}

// Infer checks the bounds.
func (o Slice) Infer(in []*Value) (Type, error) {
	x := in[0]
	k, err := axis(o.Axis, x.Rank())
	if err != nil {
		return Type{}, err
	}
	n := x.Shape()[k]
	if n.Symbolic() {
		return Type{}, Mistakef("Split cuts it into equal parts; Pad with negative amounts drops elements at its ends", "axis %d is the symbol %v: its bounds are not known", o.Axis, n)
	}
	if o.Step < 1 {
		return Type{}, Mistakef("a step is 1 or more: the order of elements stays", "elements %d to %d in steps of %d", o.Start, o.End, o.Step)
	}
	if o.Start < 0 || o.End < o.Start || o.End > int(n) {
		return Type{}, Mistakef(fmt.Sprintf("positions run from 0 to %v, or from -%v counting from the end", n, n),
			"elements %d to %d in steps of %d of an axis of size %v", o.Start, o.End, o.Step, n)
	}
	s := slices.Clone(x.Shape())
	s[k] = Dim(o.count())
	return Type{x.DType(), s}, nil
}

// VJP puts g back among zeros.
func (o Slice) VJP(y, g *Value) []*Value {
	x := y.Args[0]
	k, _ := axis(o.Axis, x.Rank())
	n := int(x.Shape()[k])
	before, after := make([]int, x.Rank()), make([]int, x.Rank())
	if o.Step > 1 && o.count() > 1 && g.OK() { // a zero for each element stepped over
		s := slices.Insert(slices.Clone(g.Shape()), k+1, 1)
		b, a := make([]int, len(s)), make([]int, len(s))
		a[k+1] = o.Step - 1
		g = g.Reshape(s...).Pad(b, a, 0)
		s = slices.Clone(x.Shape())
		s[k] = Dim(o.count() * o.Step)
		g = g.Reshape(s...)
		if over := o.Start + o.count()*o.Step - n; over > 0 {
			g = g.Slice(k, 0, o.count()*o.Step-over)
		}
	}
	before[k] = o.Start
	after[k] = n - o.Start - int(g.Dim(k))
	return []*Value{g.Pad(before, after, 0)}
}

// Eval copies.
func (o Slice) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	k, err := axis(o.Axis, in[0].Rank())
	if err != nil {
		return err
	}
	from := kernel.Contiguous(in[0].Shape())
	from.Base = o.Start * from.Strides[k]
	from.Strides[k] *= o.Step
	return copyOp(c, out.Shape(), out, kernel.Contiguous(out.Shape()), in[0], from)
}

// ONNX adds a Slice node.
func (o Slice) ONNX(e Emitter, y *Value, in []string) string {
	one := func(i int) string { return e.Const(tensor.Of([]int64{int64(i)}, 1)) }
	return e.Node("Slice", []string{in[0], one(o.Start), one(o.End), one(o.Axis), one(o.Step)})
}

// Samples covers places, steps and empty results.
func (Slice) Samples() []Sample {
	var out []Sample
	for _, s := range []struct {
		shape []int
		o     Slice
	}{
		{[]int{5}, Slice{0, 1, 4, 1}}, {[]int{5}, Slice{0, 0, 5, 2}}, {[]int{6}, Slice{0, 1, 6, 3}}, {[]int{6}, Slice{0, 1, 6, 4}}, {[]int{2, 4}, Slice{1, 0, 4, 1}},
		{[]int{3, 4}, Slice{0, 2, 3, 1}}, {[]int{2, 5, 2}, Slice{1, 1, 5, 2}}, {[]int{1, 2, 2, 3, 2}, Slice{3, 0, 2, 1}},
		{[]int{5}, Slice{0, 2, 5, math.MaxInt}}, {[]int{2, 3}, Slice{-1, 1, 3, 1}},
	} {
		out = append(out, Sample{Op: s.o, In: []SampleInput{{Shape: s.shape}}})
	}
	return append(out, Sample{Op: Slice{0, 1, 3, 1}, In: []SampleInput{{DType: I64, Shape: []int{4}}}})
}

// Concat joins values along an axis. ONNX: Concat.
type Concat struct{ Axis int }

// Join is vs joined along axis, which is counted from the end when negative; the other axes must agree. ONNX: Concat.
func Join(axis int, vs ...*Value) *Value { return Apply(Concat{axis}, vs...) }

func (o Concat) normalize(in []*Value) Op {
	o.Axis = normalAxis(o.Axis, in[0])
	return o
}

// Infer adds the sizes along the axis.
func (o Concat) Infer(in []*Value) (Type, error) {
	x := in[0]
	k, err := axis(o.Axis, x.Rank())
	if err != nil {
		return Type{}, err
	}
	s := slices.Clone(x.Shape())
	for i, v := range in[1:] {
		if v.DType() != x.DType() {
			return Type{}, Mistakef("give all one dtype, with .Cast", "argument 0 is %v, argument %d is %v", x.DType(), i+1, v.DType())
		}
		if v.Rank() != x.Rank() {
			return Type{}, Mistakef("add an axis with .Unsqueeze", "argument 0 has %d axes, argument %d has %d", x.Rank(), i+1, v.Rank())
		}
		for j, d := range v.Shape() {
			if j != k && d != s[j] {
				return Type{}, Mistakef("only the axis along which values are joined may differ", "axis %d is %v in argument 0, %v in argument %d", j, s[j], d, i+1)
			}
		}
		s[k] = s[k].Plus(v.Shape()[k])
	}
	return Type{x.DType(), s}, nil
}

// VJP slices g.
func (o Concat) VJP(y, g *Value) []*Value {
	k, _ := axis(o.Axis, y.Rank())
	out := make([]*Value, len(y.Args))
	at := 0
	for i, a := range y.Args {
		if len(y.Args) == 1 {
			out[i] = g
			break
		}
		if g.OK() && y.Shape()[k].Symbolic() {
			out[i] = Apply(Part{k, i}, slices.Concat([]*Value{g}, y.Args)...)
			continue
		}
		n := int(a.Shape()[k])
		out[i] = g.Slice(k, at, at+n)
		at += n
	}
	return out
}

// Eval copies each part to its place.
func (o Concat) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	k, err := axis(o.Axis, out.Rank())
	if err != nil {
		return err
	}
	to := kernel.Contiguous(out.Shape())
	for _, x := range in {
		if err := copyOp(c, x.Shape(), out, to, x, kernel.Contiguous(x.Shape())); err != nil {
			return err
		}
		to.Base += x.Dim(k) * to.Strides[k]
	}
	return nil
}

// ONNX adds a Concat node.
func (o Concat) ONNX(e Emitter, y *Value, in []string) string {
	return e.Node("Concat", in, Attr{"axis", o.Axis})
}

// Samples covers one to three parts.
func (Concat) Samples() []Sample {
	return []Sample{
		{Op: Concat{0}, In: []SampleInput{{Shape: []int{3}}}},
		{Op: Concat{0}, In: []SampleInput{{Shape: []int{2}}, {Shape: []int{3}}}},
		{Op: Concat{-1}, In: []SampleInput{{Shape: []int{2, 1}}, {Shape: []int{2, 3}}, {Shape: []int{2, 2}}}},
		{Op: Concat{1}, In: []SampleInput{{Shape: []int{2, 1, 3}}, {Shape: []int{2, 2, 3}}}},
		{Op: Concat{2}, In: []SampleInput{{Shape: []int{1, 2, 1, 1, 2}}, {Shape: []int{1, 2, 2, 1, 2}}}},
		{Op: Concat{0}, In: []SampleInput{{DType: I64, Shape: []int{2}}, {DType: I64, Shape: []int{1}}}},
	}
}

// Part takes from its first argument what argument Index of a Concat of the others put there: the gradient of Concat along a
// symbolic axis. ONNX: Slice.
type Part struct{ Axis, Index int }

func (o Part) normalize(in []*Value) Op {
	o.Axis = normalAxis(o.Axis, in[0])
	return o
}

// Infer checks that the first argument is of the Concat's type.
func (o Part) Infer(in []*Value) (Type, error) {
	if o.Index < 0 || o.Index >= len(in)-1 {
		return Type{}, Mistakef("the first argument is the whole, the others are its parts", "part %d of %d", o.Index, len(in)-1)
	}
	whole, err := Concat{o.Axis}.Infer(in[1:])
	if err != nil {
		return Type{}, err
	}
	if !whole.Shape.Equal(in[0].Shape()) {
		return Type{}, Mistakef("the first argument is the whole, the others are its parts", "the parts make up the shape %v, the whole is %v", whole.Shape, in[0].Type)
	}
	return Type{in[0].DType(), in[1+o.Index].Shape()}, nil
}

// VJP puts g among zeros in the place of the other parts.
func (o Part) VJP(y, g *Value) []*Value {
	out := make([]*Value, len(y.Args))
	parts := make([]*Value, len(y.Args)-1)
	for i, a := range y.Args[1:] {
		if parts[i] = g; i != o.Index {
			parts[i] = y.fn.Full(y.DType(), 0, a.Shape()...)
		}
	}
	out[0] = Join(o.Axis, parts...)
	return out
}

// Eval copies.
func (o Part) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	k, err := axis(o.Axis, out.Rank())
	if err != nil {
		return err
	}
	from := kernel.Contiguous(in[0].Shape())
	for _, x := range in[1 : 1+o.Index] {
		from.Base += x.Dim(k) * from.Strides[k]
	}
	return copyOp(c, out.Shape(), out, kernel.Contiguous(out.Shape()), in[0], from)
}

// ONNX adds a Slice node with bounds from the shapes of the parts.
func (o Part) ONNX(e Emitter, y *Value, in []string) string {
	k, err := axis(o.Axis, y.Rank())
	if err != nil {
		return e.Fail(y, "%v", err)
	}
	start := Dim(0)
	for _, a := range y.Args[1 : 1+o.Index] {
		start = start.Plus(a.Shape()[k])
	}
	return e.Node("Slice", []string{in[0], e.Shape(Shape{start}), e.Shape(Shape{start.Plus(y.Shape()[k])}), e.Const(tensor.Of([]int64{int64(k)}, 1))})
}

// Samples covers the first, a middle and the last part.
func (Part) Samples() []Sample {
	in := func(shapes ...[]int) (out []SampleInput) {
		for _, s := range shapes {
			out = append(out, SampleInput{Shape: s})
		}
		return out
	}
	return []Sample{
		{Op: Part{0, 0}, In: in([]int{5}, []int{2}, []int{3})},
		{Op: Part{1, 1}, In: in([]int{2, 6}, []int{2, 1}, []int{2, 3}, []int{2, 2})},
		{Op: Part{-1, 2}, In: in([]int{1, 2, 1, 2, 4}, []int{1, 2, 1, 2, 1}, []int{1, 2, 1, 2, 1}, []int{1, 2, 1, 2, 2})},
		{Op: Part{0, 0}, In: in([]int{3, 2}, []int{3, 2})},
	}
}

// Pad puts elements equal to Value before and after each axis; a negative amount drops elements there. ONNX: Pad, mode
// constant, or Slice where nothing is added.
type Pad struct {
	Before, After []int
	Value         float64 `inf:"ok"`
}

// Pad is v with before[i] and after[i] elements of the given value around axis i; a negative amount drops elements.
func (v *Value) Pad(before, after []int, value float64) *Value {
	return Apply(Pad{before, after, value}, v)
}

// Infer widens or narrows the axes.
func (o Pad) Infer(in []*Value) (Type, error) {
	x := in[0]
	if len(o.Before) != x.Rank() || len(o.After) != x.Rank() {
		return Type{}, Mistakef("give one amount before and one after each axis", "%d and %d amounts for the %d axes of %v", len(o.Before), len(o.After), x.Rank(), x.Type)
	}
	if d := x.DType(); !d.Float() && d != I64 {
		return Type{}, Mistakef("cast it first, with .Cast(graph.F32)", "needs f32, f64 or i64, has %v", x.Type)
	}
	s := slices.Clone(x.Shape())
	for i := range s {
		b, a := o.Before[i], o.After[i]
		if max(b, a) > math.MaxInt32 || min(b, a) < -math.MaxInt32 {
			return Type{}, Mistakef("amounts are small numbers", "amounts %d and %d at axis %d", b, a, i)
		}
		left, ok := s[i].minus(max(-b, 0) + max(-a, 0))
		if !ok {
			return Type{}, Mistakef("an axis that may be shorter at run time cannot be cut", "axis %d of %v is not known to have %d elements to drop", i, x.Type, max(-b, 0)+max(-a, 0))
		}
		s[i] = left.Plus(Dim(max(b, 0) + max(a, 0)))
	}
	return Type{x.DType(), s}, holds(x.DType(), o.Value)
}

// VJP drops from g what was added, and adds zeros where something was dropped.
func (o Pad) VJP(y, g *Value) []*Value {
	before, after := make([]int, len(o.Before)), make([]int, len(o.After))
	for i := range before {
		before[i], after[i] = -o.Before[i], -o.After[i]
	}
	return []*Value{g.Pad(before, after, 0)}
}

// Eval fills and copies.
func (o Pad) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	if o.adds() {
		if err := (Full{Value: o.Value}).Eval(c, out, nil); err != nil {
			return err
		}
	}
	kept := slices.Clone(in[0].Shape())
	to, from := kernel.Contiguous(out.Shape()), kernel.Contiguous(kept)
	for i := range kept {
		b, a := o.Before[i], o.After[i]
		kept[i] += min(b, 0) + min(a, 0)
		to.Base += max(b, 0) * to.Strides[i]
		from.Base += max(-b, 0) * from.Strides[i]
	}
	return copyOp(c, kept, out, to, in[0], from)
}

// adds reports whether some amount is positive.
func (o Pad) adds() bool {
	positive := func(n int) bool { return n > 0 }
	return slices.ContainsFunc(o.Before, positive) || slices.ContainsFunc(o.After, positive)
}

// ONNX adds a Pad node, or a Slice node.
func (o Pad) ONNX(e Emitter, y *Value, in []string) string {
	if len(o.Before) == 0 {
		return e.Node("Identity", in)
	}
	if !o.adds() {
		starts, ends := make([]int64, len(o.Before)), make([]int64, len(o.Before))
		for i := range starts {
			starts[i], ends[i] = int64(-o.Before[i]), int64(o.After[i]) // negative ends count from the end
			if ends[i] == 0 {
				ends[i] = math.MaxInt64
			}
		}
		return e.Node("Slice", []string{in[0], e.Const(tensor.Of(starts, len(starts))), e.Const(tensor.Of(ends, len(ends)))})
	}
	amounts := make([]int64, 0, 2*len(o.Before))
	for _, n := range slices.Concat(o.Before, o.After) {
		amounts = append(amounts, int64(n))
	}
	return e.Node("Pad", []string{in[0], e.Const(tensor.Of(amounts, len(amounts))), number(e, y, o.Value)})
}

// Samples covers ranks 0 to 5, and amounts of both signs.
func (Pad) Samples() []Sample {
	return []Sample{
		{Op: Pad{[]int{1}, []int{2}, 0}, In: []SampleInput{{Shape: []int{3}}}},
		{Op: Pad{[]int{0, 1}, []int{1, 0}, 1.5}, In: []SampleInput{{Shape: []int{2, 3}}}},
		{Op: Pad{[]int{0, 0, 1, 1}, []int{0, 0, 0, 2}, 0}, In: []SampleInput{{Shape: []int{1, 2, 2, 2}}}},
		{Op: Pad{[]int{1, 0, 0, 0, 0}, []int{0, 0, 0, 0, 1}, -1}, In: []SampleInput{{Shape: []int{1, 2, 1, 2, 2}}}},
		{Op: Pad{[]int{1}, []int{0}, 7}, In: []SampleInput{{DType: I64, Shape: []int{2}}}},
		{Op: Pad{}, In: []SampleInput{{Shape: []int{}}}},
		{Op: Pad{[]int{-1, 0}, []int{-2, -1}, 0}, In: []SampleInput{{Shape: []int{5, 3}}}},
		{Op: Pad{[]int{-2, 1}, []int{1, -1}, .5}, In: []SampleInput{{Shape: []int{4, 3}}}},
		{Op: Pad{[]int{-1}, []int{3}, -1}, In: []SampleInput{{Shape: []int{2}}}},
	}
}
