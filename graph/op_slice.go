package graph

import (
	"fmt"
	"math"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var sliceOps = []Op{Slice{}, Concat{}, Pad{}}

// Slice takes the elements Start, Start+Step, ... before End along one axis. ONNX: Slice.
type Slice struct {
	Axis             int
	Start, End, Step int
}

// Slice is v's elements start to end-1 along axis; negative positions count from the end.
func (v *Value) Slice(axis, start, end int) *Value { return v.SliceStep(axis, start, end, 1) }

// SliceStep is v's elements start, start+step, ... before end along axis; positions count from the end when negative. A
// symbolic axis can be sliced whole only.
func (v *Value) SliceStep(i, start, end, step int) *Value {
	o := Slice{i, start, end, step}
	if v.OK() {
		if k, err := axis(i, v.Rank()); err == nil {
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

// Split cuts v along axis into n equal parts.
func (v *Value) Split(i, n int) []*Value {
	out := make([]*Value, max(n, 1))
	fill(out, v)
	if !v.OK() {
		return out
	}
	k, err := axis(i, v.Rank())
	if err == nil {
		d := v.Shape()[k]
		switch {
		case n < 1:
			err = fmt.Errorf("into %d parts", n)
		case d.Symbolic() && n > 1:
			err = fmt.Errorf("axis %d is the symbol %v: its size must be known", i, d)
		case !d.Symbolic() && int(d)%n != 0:
			err = fmt.Errorf("axis %d has %v elements, which %d equal parts do not divide", i, d, n)
		}
	}
	if err != nil {
		v.fn.Mistake(v.fn.Pos(), "Split: "+err.Error(), "Slice cuts parts of any size", v)
		fill(out, v.fn.Poison())
		return out
	}
	if n > 1 {
		w := int(v.Shape()[k]) / n
		for p := range out {
			out[p] = v.Slice(k, p*w, (p+1)*w)
		}
	}
	return out
}

// count is the number of elements taken.
func (o Slice) count() int { return max(0, (o.End-o.Start+o.Step-1)/o.Step) }

// Infer checks the bounds.
func (o Slice) Infer(in []*Value) (Type, error) {
	x := in[0]
	k, err := axis(o.Axis, x.Rank())
	if err != nil {
		return Type{}, err
	}
	n := x.Shape()[k]
	if n.Symbolic() {
		return Type{}, Mistakef("slice an axis of known size, or give the part its own input", "axis %d is the symbol %v: its bounds are not known", o.Axis, n)
	}
	if o.Step < 1 || o.Start < 0 || o.End < o.Start || o.End > int(n) {
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
	if o.Step > 1 { // a zero for each element stepped over
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
	} {
		out = append(out, Sample{Op: s.o, In: []SampleInput{{Shape: s.shape}}})
	}
	return append(out, Sample{Op: Slice{0, 1, 3, 1}, In: []SampleInput{{DType: I64, Shape: []int{4}}}})
}

// Concat joins values along an axis. ONNX: Concat.
type Concat struct{ Axis int }

// Join is vs joined along axis, which is counted from the end when negative; the other axes must agree. ONNX: Concat.
func Join(axis int, vs ...*Value) *Value { return Apply(Concat{axis}, vs...) }

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

// Pad puts elements equal to Value before and after each axis. ONNX: Pad, mode constant.
type Pad struct {
	Before, After []int
	Value         float64
}

// Pad is v with before[i] and after[i] elements of the given value around axis i.
func (v *Value) Pad(before, after []int, value float64) *Value {
	return Apply(Pad{slices.Clone(before), slices.Clone(after), value}, v)
}

// Infer widens the axes.
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
		if o.Before[i] < 0 || o.After[i] < 0 || o.Before[i] > math.MaxInt32 || o.After[i] > math.MaxInt32 {
			return Type{}, Mistakef("Slice makes an axis shorter", "amounts %d and %d at axis %d", o.Before[i], o.After[i], i)
		}
		s[i] = s[i].Plus(Dim(o.Before[i])).Plus(Dim(o.After[i]))
	}
	return Type{x.DType(), s}, nil
}

// VJP slices g.
func (o Pad) VJP(y, g *Value) []*Value {
	for i, d := range y.Args[0].Shape() {
		if o.Before[i] > 0 || o.After[i] > 0 {
			if d.Symbolic() {
				y.fn.Mistake(y.Pos, fmt.Sprintf("Pad: the gradient needs the size of axis %d, which is the symbol %v", i, d), "pad axes of known size", y)
				return []*Value{y.fn.Poison()}
			}
			g = g.Slice(i, o.Before[i], o.Before[i]+int(d))
		}
	}
	return []*Value{g}
}

// Eval fills and copies.
func (o Pad) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	if err := (Full{Value: o.Value}).Eval(c, out, nil); err != nil {
		return err
	}
	to := kernel.Contiguous(out.Shape())
	for i, b := range o.Before {
		to.Base += b * to.Strides[i]
	}
	return copyOp(c, in[0].Shape(), out, to, in[0], kernel.Contiguous(in[0].Shape()))
}

// ONNX adds a Pad node.
func (o Pad) ONNX(e Emitter, y *Value, in []string) string {
	if len(o.Before) == 0 {
		return e.Node("Identity", in)
	}
	amounts := make([]int64, 0, 2*len(o.Before))
	for _, n := range slices.Concat(o.Before, o.After) {
		amounts = append(amounts, int64(n))
	}
	return e.Node("Pad", []string{in[0], e.Const(tensor.Of(amounts, len(amounts))), number(e, y, o.Value)})
}

// Samples covers ranks 1 to 5.
func (Pad) Samples() []Sample {
	return []Sample{
		{Op: Pad{[]int{1}, []int{2}, 0}, In: []SampleInput{{Shape: []int{3}}}},
		{Op: Pad{[]int{0, 1}, []int{1, 0}, 1.5}, In: []SampleInput{{Shape: []int{2, 3}}}},
		{Op: Pad{[]int{0, 0, 1, 1}, []int{0, 0, 0, 2}, 0}, In: []SampleInput{{Shape: []int{1, 2, 2, 2}}}},
		{Op: Pad{[]int{1, 0, 0, 0, 0}, []int{0, 0, 0, 0, 1}, -1}, In: []SampleInput{{Shape: []int{1, 2, 1, 2, 2}}}},
		{Op: Pad{[]int{1}, []int{0}, 7}, In: []SampleInput{{DType: I64, Shape: []int{2}}}},
	}
}
