package graph

import (
	"fmt"
	"math"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var sliceOps = []Sampled{Slice{}, Concat{}, Part{}, Pad{}}

// Slice takes elements along one axis: those from Start on, in steps of Step, before End. With a negative Step it takes them from the end
// of the same range on: End-1, End-1+Step, ... down to Start. The bounds may be symbols; a run in which they are no positions of the axis
// ends with an error. ONNX: Slice.
type Slice struct {
	Axis       int
	Start, End Dim `identity:"number"`
	Step       int
}

// Slice is v's elements start to end-1 along axis; negative positions count from the end, and math.MaxInt is the end.
func (v *Value) Slice(axis, start, end int) *Value { return v.SliceStep(axis, start, end, 1) }

// SliceStep is v's elements start, start+step, ... before end along an axis. Positions count from the end when negative, and math.MaxInt is
// the end. With a negative step it goes down from start to what is behind end, and math.MinInt as end takes the first element too:
// SliceStep(0, -1, math.MinInt, -1) is [Value.Flip].
func (v *Value) SliceStep(along, start, end, step int) *Value {
	o := Slice{along, Dim(start), Dim(end), step}
	if v.OK() {
		if k, err := axis(along, v.Rank()); err == nil {
			n := v.Shape()[k]
			if step < 0 {
				o = Slice{k, position(end, n).add(1), position(start, n).add(1), step}
				switch {
				case end == math.MinInt:
					o.Start = 0
				case start == math.MaxInt:
					o.End = n
				}
			} else {
				o = Slice{k, position(start, n), position(end, n), step}
			}
		}
	}
	return Apply(o, v)
}

// SliceDims is v's elements start to end-1 along axis, every step-th of them, where start and end may be symbols. A negative step takes
// them from the last to the first. What lies beyond the axis is left out, as in ONNX's Slice.
func (v *Value) SliceDims(along int, start, end Dim, step int) *Value {
	o := Slice{along, start, end, step}
	if v.OK() {
		if k, err := axis(along, v.Rank()); err == nil {
			n := v.Shape()[k]
			o.Axis, o.Start = k, start.Min(n)
			o.End = end.Min(n).Max(o.Start)
		}
	}
	return Apply(o, v)
}

// Flip is v with the order of its elements reversed along the given axes; none means all of them.
func (v *Value) Flip(list ...int) *Value {
	if !v.OK() {
		return v
	}
	ax, err := axes(list, v.Rank())
	if err != nil {
		v.fn.Mistake(v.fn.Pos(), "Flip: "+err.Error(), "name each axis once", v)
		return v.fn.Poison()
	}
	for _, k := range ax {
		v = Apply(Slice{k, 0, v.Shape()[k], -1}, v)
	}
	return v
}

// position is place p of an axis of size n, from the end if it is negative; math.MaxInt is the end.
func position(p int, n Dim) Dim {
	switch {
	case p == math.MaxInt:
		return n
	case p >= 0:
		return Dim(p)
	}
	return n.add(p)
}

// add is d+n, where numbers may be negative: no size, but a position that inference refuses.
func (d Dim) add(n int) Dim {
	switch {
	case !d.Symbolic():
		return d + Dim(n)
	case n < 0:
		return d.Minus(Dim(-n))
	}
	return d.Plus(Dim(n))
}

// maxParts is how many parts Split makes at most.
const maxParts = 1 << 16

// Split cuts v along an axis into n equal parts. A symbolic axis must be a multiple of n for every size: 2*batch, say. See [Value.Chunk] for
// parts of which the last may be smaller, and [Value.SplitSizes] for parts of any sizes.
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
		if width, ok = v.Shape()[k].exactly(Dim(n)); !ok {
			err = fmt.Errorf("axis %d has %v elements, which %d equal parts do not divide", along, v.Shape()[k], n)
		}
	}
	if err != nil {
		v.fn.Mistake(v.fn.Pos(), "Split: "+err.Error(), "Chunk makes the last part smaller; SplitSizes cuts parts of any size", v)
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
func (o Slice) count() Dim {
	n, step := o.End.Minus(o.Start), Dim(max(o.Step, -o.Step))
	switch {
	case step == 1:
		return n
	case !n.Symbolic():
		return (n + step - 1) / step
	}
	return n.Plus(step - 1).Div(step)
}

// normalize makes a step beyond the only element taken a step to the end: readers of files add it up. One element or none has no order.
func (o Slice) normalize(in []*Value) Op {
	o.Axis = normalAxis(o.Axis, in[0])
	if o.Step = min(max(o.Step, -maxStep), maxStep); !o.symbolic() {
		width := int(max(o.End-o.Start, 1))
		o.Step = min(max(o.Step, -width), width)
		if width == 1 {
			o.Step = 1
		}
	}
	return o
}

func (o Slice) symbolic() bool { return o.Start.Symbolic() || o.End.Symbolic() }

// maxStep is beyond any axis.
const maxStep = int(maxDim) - 1

// Takes is a value of any dtype.
func (Slice) Takes() []Arg { return oneAny }

// Infer checks the bounds, as far as they are known.
func (o Slice) Infer(in *Infer) ([]Type, error) {
	x := in.Args[0]
	k, err := axis(o.Axis, x.Rank())
	if err != nil {
		return nil, err
	}
	n := x.Shape()[k]
	if o.Step == 0 {
		return nil, Mistakef("a step of 1 takes each element; a negative one takes them from the end on", "elements %v to %v in steps of 0", o.Start, o.End)
	}
	if !o.Start.Valid() || !o.End.Valid() || o.Start.exceeds(o.End) || o.End.exceeds(n) {
		hint := fmt.Sprintf("positions run from 0 to %v, or from -%v counting from the end", n, n)
		if o.Step < 0 {
			return nil, Mistakef(hint, "elements %v down to %v in steps of %d of an axis of size %v", o.End.add(-1), o.Start, o.Step, n)
		}
		return nil, Mistakef(hint, "elements %v to %v in steps of %d of an axis of size %v", o.Start, o.End, o.Step, n)
	}
	o.Step = min(max(o.Step, -maxStep), maxStep)
	s := slices.Clone(x.Shape())
	s[k] = o.count()
	return in.One(Type{x.DType(), s}, nil)
}

// VJP puts g back among zeros.
func (o Slice) VJP(n *Node, gs []*Value) []*Value {
	g, x := gs[0], n.Args[0]
	k := normalAxis(o.Axis, x)
	size := x.Shape()[k]
	if o.symbolic() || size.Symbolic() || o.Step < 0 {
		return []*Value{o.back(g, k, size)}
	}
	before, after := make([]int, x.Rank()), make([]int, x.Rank())
	if count := int(o.count()); o.Step > 1 && count > 1 && g.OK() { // a zero for each element stepped over
		s := slices.Insert(slices.Clone(g.Shape()), k+1, 1)
		b, a := make([]int, len(s)), make([]int, len(s))
		a[k+1] = o.Step - 1
		g = g.Reshape(s...).Pad(b, a, 0)
		s = slices.Clone(x.Shape())
		s[k] = Dim(count * o.Step)
		g = g.Reshape(s...)
		if over := int(o.Start) + count*o.Step - int(size); over > 0 {
			g = g.Slice(k, 0, count*o.Step-over)
		}
	}
	before[k] = int(o.Start)
	after[k] = int(size-o.Start) - int(g.Dim(k))
	return []*Value{g.Pad(before, after, 0)}
}

// back is g among zeros along axis k of the given size, where sizes may be symbols.
func (o Slice) back(g *Value, k int, size Dim) *Value {
	if !g.OK() {
		return g
	}
	shape := func(n Dim) Shape {
		s := slices.Clone(g.Shape())
		s[k] = n
		return s
	}
	if step := max(o.Step, -o.Step); step > 1 { // to each step's place in the range
		places := g.fn.Arange(g.Dim(k)).Mul(g.fn.FullInt(I64, int64(step)))
		g = Apply(ScatterAdd{k, shape(o.End.Minus(o.Start))}, g, places)
	}
	if o.Step < 0 {
		g = g.Flip(k)
	}
	zeros := func(n Dim) *Value { return g.fn.Full(g.DType(), 0, shape(n)...) }
	return Join(k, zeros(o.Start), g, zeros(size.Minus(o.End)))
}

// Run copies.
func (o Slice) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	k, err := axis(o.Axis, in[0].Rank())
	if err != nil {
		return err
	}
	if err := o.within(in[0].Dim(k)); err != nil {
		return err
	}
	from := kernel.Contiguous(in[0].Shape())
	first := o.Start
	if o.Step < 0 {
		first = o.End - 1
	}
	from.Base = int(first) * from.Strides[k]
	from.Strides[k] *= o.Step
	return copyOp(c, out[0].Shape(), out[0], kernel.Contiguous(out[0].Shape()), in[0], from)
}

// within is what is wrong with the bounds, if they are known, on an axis of n elements.
func (o Slice) within(n int) error {
	if o.Start < 0 || o.End < o.Start || int(o.End) > n {
		return fmt.Errorf("elements %v to %v of an axis of %v", o.Start, o.End, n)
	}
	return nil
}

// Forms is Slice, whose numbers are inputs, where they are known and the order stays.
func (o Slice) Forms() []Form {
	if o.symbolic() || o.Step < 0 {
		return nil
	}
	return form("Slice", Field{Name: "Start", Input: 1, Vector: true}, Field{Name: "End", Input: 2, Vector: true},
		Field{Name: "Axis", Input: 3, Vector: true}, Field{Name: "Step", Input: 4, Vector: true})
}

// Emit adds a Slice node with bounds that are computed in the file, or count from the end. Where elements of a part whose size is not known
// go from its end on, they are a Slice of that part.
func (o Slice) Emit(e Emitter, n *Node, in []string) []string {
	k := normalAxis(o.Axis, n.Args[0])
	size := n.Args[0].Shape()[k]
	number := func(n int) string { return e.Const(tensor.Of([]int64{int64(n)}, 1)) }
	slice := func(x, start, end string, step int) string {
		in := []string{x, start, end, number(k)}
		if step != 1 {
			in = append(in, number(step))
		}
		return e.Node("Slice", in)
	}
	bound := func(d Dim) string {
		if d == size && d.Symbolic() {
			return number(math.MaxInt64)
		}
		if back, ok := d.Expr().Minus(size.Expr()).Number(); ok && back < 0 && d.Symbolic() {
			return number(int(back))
		}
		return e.Shape(Shape{d})
	}
	switch {
	case o.Step > 0:
		return []string{slice(in[0], bound(o.Start), bound(o.End), o.Step)}
	case !o.symbolic() && o.Start == 0:
		return []string{slice(in[0], number(int(o.End)-1), number(math.MinInt64), o.Step)}
	case !o.symbolic():
		return []string{slice(in[0], number(int(o.End)-1), number(int(o.Start)-1), o.Step)}
	}
	part := in[0]
	if o.Start != 0 || o.End != size {
		part = slice(part, bound(o.Start), bound(o.End), 1)
	}
	return []string{slice(part, number(-1), number(math.MinInt64), o.Step)}
}

// Samples covers places, steps of both signs and empty results.
func (Slice) Samples() []Sample {
	var out []Sample
	for _, s := range []struct {
		shape []int
		o     Slice
	}{
		{[]int{5}, Slice{0, 1, 4, 1}}, {[]int{5}, Slice{0, 0, 5, 2}}, {[]int{6}, Slice{0, 1, 6, 3}}, {[]int{6}, Slice{0, 1, 6, 4}}, {[]int{2, 4}, Slice{1, 0, 4, 1}},
		{[]int{3, 4}, Slice{0, 2, 3, 1}}, {[]int{2, 5, 2}, Slice{1, 1, 5, 2}}, {[]int{1, 2, 2, 3, 2}, Slice{3, 0, 2, 1}},
		{[]int{5}, Slice{0, 2, 5, math.MaxInt}}, {[]int{2, 3}, Slice{-1, 1, 3, 1}}, {[]int{5}, Slice{0, 0, 5, -1}}, {[]int{3, 4}, Slice{0, 1, 3, -1}},
		{[]int{7, 2}, Slice{0, 1, 6, -2}}, {[]int{2, 6}, Slice{1, 0, 6, -4}}, {[]int{4}, Slice{0, 1, 4, math.MinInt}}, {[]int{1, 2, 2, 3, 2}, Slice{3, 0, 3, -1}},
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

var concatArgs = []Arg{{Name: "x", DTypes: Any}, {Name: "more", DTypes: Any, Variadic: true}}

// Takes is one or more values of one dtype.
func (Concat) Takes() []Arg { return concatArgs }

// Infer adds the sizes along the axis.
func (o Concat) Infer(in *Infer) ([]Type, error) {
	x := in.Args[0]
	k, err := axis(o.Axis, x.Rank())
	if err != nil {
		return nil, err
	}
	s := slices.Clone(x.Shape())
	for i, v := range in.Args[1:] {
		if v.DType() != x.DType() {
			return nil, Mistakef("give all one dtype, with .Cast", "argument 0 is %v, argument %d is %v", x.DType(), i+1, v.DType())
		}
		if v.Rank() != x.Rank() {
			return nil, Mistakef("add an axis with .Unsqueeze", "argument 0 has %d axes, argument %d has %d", x.Rank(), i+1, v.Rank())
		}
		for j, d := range v.Shape() {
			if j != k && d != s[j] {
				return nil, Mistakef("only the axis along which values are joined may differ", "axis %d is %v in argument 0, %v in argument %d", j, s[j], d, i+1)
			}
		}
		s[k] = s[k].Plus(v.Shape()[k])
	}
	return in.One(Type{x.DType(), s}, nil)
}

// VJP slices g.
func (o Concat) VJP(n *Node, gs []*Value) []*Value {
	y, g := n.Results[0], gs[0]
	k, _ := axis(o.Axis, y.Rank())
	out := make([]*Value, len(n.Args))
	at := 0
	for i, a := range n.Args {
		if len(n.Args) == 1 {
			out[i] = g
			break
		}
		if g.OK() && slices.ContainsFunc(n.Args, func(a *Value) bool { return a.Shape()[k].Symbolic() }) {
			out[i] = Apply(Part{k, i}, slices.Concat([]*Value{g}, n.Args)...)
			continue
		}
		n := int(a.Shape()[k])
		out[i] = g.Slice(k, at, at+n)
		at += n
	}
	return out
}

// Run copies each part to its place.
func (o Concat) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	k, err := axis(o.Axis, out[0].Rank())
	if err != nil {
		return err
	}
	to := kernel.Contiguous(out[0].Shape())
	for _, x := range in {
		if err := copyOp(c, x.Shape(), out[0], to, x, kernel.Contiguous(x.Shape())); err != nil {
			return err
		}
		to.Base += x.Dim(k) * to.Strides[k]
	}
	return nil
}

// Forms is Concat.
func (Concat) Forms() []Form { return form("Concat", Field{Attribute: "axis", Name: "Axis"}) }

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

var partArgs = []Arg{{Name: "whole", DTypes: Any, Like: "T"}, {Name: "parts", DTypes: Any, Like: "T", Variadic: true}}

// Takes is the whole and its parts.
func (Part) Takes() []Arg { return partArgs }

// Infer checks that the first argument is of the Concat's type.
func (o Part) Infer(in *Infer) ([]Type, error) {
	if o.Index < 0 || o.Index >= len(in.Args)-1 {
		return nil, Mistakef("the first argument is the whole, the others are its parts", "part %d of %d", o.Index, len(in.Args)-1)
	}
	whole, err := Concat{o.Axis}.Infer(&Infer{Args: in.Args[1:]})
	if err != nil {
		return nil, err
	}
	if !whole[0].Shape.Equal(in.Args[0].Shape()) {
		return nil, Mistakef("the first argument is the whole, the others are its parts", "the parts make up the shape %v, the whole is %v", whole[0].Shape, in.Args[0].Type)
	}
	return in.One(Type{in.Args[0].DType(), in.Args[1+o.Index].Shape()}, nil)
}

// VJP puts g among zeros in the place of the other parts.
func (o Part) VJP(n *Node, gs []*Value) []*Value {
	y, g := n.Results[0], gs[0]
	out := make([]*Value, len(n.Args))
	parts := make([]*Value, len(n.Args)-1)
	for i, a := range n.Args[1:] {
		if parts[i] = g; i != o.Index {
			parts[i] = n.fn.Full(y.DType(), 0, a.Shape()...)
		}
	}
	out[0] = Join(o.Axis, parts...)
	return out
}

// Run copies.
func (o Part) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	k, err := axis(o.Axis, out[0].Rank())
	if err != nil {
		return err
	}
	from := kernel.Contiguous(in[0].Shape())
	for _, x := range in[1 : 1+o.Index] {
		from.Base += x.Dim(k) * from.Strides[k]
	}
	return copyOp(c, out[0].Shape(), out[0], kernel.Contiguous(out[0].Shape()), in[0], from)
}

// Lower is a Slice with bounds from the shapes of the parts.
func (o Part) Lower(n *Node) []*Value {
	y := n.Results[0]
	k, start := normalAxis(o.Axis, y), Dim(0)
	for _, a := range n.Args[1 : 1+o.Index] {
		start = start.Plus(a.Shape()[k])
	}
	return []*Value{Apply(Slice{k, start, start.Plus(y.Shape()[k]), 1}, n.Args[0])}
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

// Takes is a value of any dtype but string.
func (Pad) Takes() []Arg { return oneElement }

// Infer widens or narrows the axes.
func (o Pad) Infer(in *Infer) ([]Type, error) {
	x := in.Args[0]
	if len(o.Before) != x.Rank() || len(o.After) != x.Rank() {
		return nil, Mistakef("give one amount before and one after each axis", "%d and %d amounts for the %d axes of %v", len(o.Before), len(o.After), x.Rank(), x.Type)
	}
	s := slices.Clone(x.Shape())
	for i := range s {
		b, a := o.Before[i], o.After[i]
		if max(b, a) > math.MaxInt32 || min(b, a) < -math.MaxInt32 {
			return nil, Mistakef("amounts are small numbers", "amounts %d and %d at axis %d", b, a, i)
		}
		left := s[i].Minus(Dim(max(-b, 0) + max(-a, 0)))
		if !left.Valid() {
			return nil, Mistakef("an axis has as many elements as are dropped", "axis %d of %v has no %d elements to drop", i, x.Type, max(-b, 0)+max(-a, 0))
		}
		s[i] = left.Plus(Dim(max(b, 0) + max(a, 0)))
	}
	return in.One(Type{x.DType(), s}, holds(x.DType(), o.Value))
}

// VJP drops from g what was added, and adds zeros where something was dropped.
func (o Pad) VJP(n *Node, gs []*Value) []*Value {
	g := gs[0]
	before, after := make([]int, len(o.Before)), make([]int, len(o.After))
	for i := range before {
		before[i], after[i] = -o.Before[i], -o.After[i]
	}
	return []*Value{g.Pad(before, after, 0)}
}

// Run fills and copies.
func (o Pad) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	if o.adds() {
		if err := (Full{Value: o.Value}).Run(c, out, nil); err != nil {
			return err
		}
	}
	kept := slices.Clone(in[0].Shape())
	to, from := kernel.Contiguous(out[0].Shape()), kernel.Contiguous(kept)
	for i, n := range kept {
		b, a := o.Before[i], o.After[i]
		if kept[i] += min(b, 0) + min(a, 0); kept[i] < 0 {
			return fmt.Errorf("axis %d has %d elements, and %d are to be dropped", i, n, n-kept[i])
		}
		to.Base += max(b, 0) * to.Strides[i]
		from.Base += max(-b, 0) * from.Strides[i]
	}
	return copyOp(c, kept, out[0], to, in[0], from)
}

// adds reports whether some amount is positive.
func (o Pad) adds() bool {
	positive := func(n int) bool { return n > 0 }
	return slices.ContainsFunc(o.Before, positive) || slices.ContainsFunc(o.After, positive)
}

// Forms is Pad, where it adds something.
func (o Pad) Forms() []Form {
	if len(o.Before) > 0 && !o.adds() {
		return nil
	}
	return []Form{{Operator: "Pad", Rank: 1, Fields: []Field{
		{Attribute: "mode", Value: "constant", Default: "constant"}, {Name: "Before+After", Input: 1}, {Name: "Value", Input: 2, Default: 0.}}}}
}

// Lower slices off what is dropped, and joins what is added, along one axis after another.
func (o Pad) Lower(n *Node) []*Value {
	x := n.Args[0]
	for k, before := range o.Before {
		after, end := o.After[k], math.MaxInt
		if after < 0 {
			end = after
		}
		if before < 0 || after < 0 {
			x = x.Slice(k, max(-before, 0), end)
		}
		if before <= 0 && after <= 0 || !x.OK() {
			continue
		}
		some := func(n int) *Value {
			s := slices.Clone(x.Shape())
			s[k] = Dim(max(n, 0))
			return x.fn.Full(x.DType(), o.Value, s...)
		}
		x = Join(k, some(before), x, some(after))
	}
	return []*Value{x}
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
