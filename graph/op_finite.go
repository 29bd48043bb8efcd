package graph

import (
	"math"
	"slices"
	"sync/atomic"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var finiteOps = []Sampled{AllFinite{}}

// AllFinite is whether no element of any argument is NaN or infinite: a bool, a scalar. The arguments may differ in shape and dtype.
// ONNX: ReduceSum of each times 0, which is 0 or NaN, and Equal.
type AllFinite struct{}

// AllFinite is whether no element of v and of others is NaN or infinite, as a scalar.
func (v *Value) AllFinite(others ...*Value) *Value {
	return Apply(AllFinite{}, append([]*Value{v}, others...)...)
}

var finiteArgs = []Arg{{Name: "x", DTypes: Floats}, {Name: "others", DTypes: Floats, Variadic: true}}

// Takes is one float or more.
func (AllFinite) Takes() []Arg { return finiteArgs }

// Infer returns a bool scalar.
func (AllFinite) Infer(in *Infer) ([]Type, error) { return in.One(Type{DType: Bool}, nil) }

// Run looks at the elements of all arguments as at one row of them, so that few large ones and many small ones are cut alike.
func (o AllFinite) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	n := 0
	for _, x := range in {
		if !x.DType().Native() {
			return noKernel(o, x)
		}
		n += x.Len()
	}
	bad := kernel.Borrow[atomic.Bool](c)
	bad.Store(false)
	kernel.Cut(c, n, grain, looking{in, bad})
	tensor.Data[bool](out[0])[0] = !bad.Load()
	kernel.GiveBack(c, bad)
	return nil
}

// looking is the task of AllFinite.
type looking struct {
	in  []*tensor.Tensor
	bad *atomic.Bool
}

func (l *looking) Part(_ *kernel.Context, lo, hi int) {
	for _, x := range l.in {
		if a, b := max(lo, 0), min(hi, x.Len()); a < b && !finite(x, a, b) {
			l.bad.Store(true)
		}
		lo, hi = lo-x.Len(), hi-x.Len()
	}
}

// finite reports whether the elements lo to hi of x are finite.
func finite(x *tensor.Tensor, lo, hi int) bool {
	switch d := x.Raw().(type) {
	case []float32:
		return kernel.Finite(d[lo:hi])
	case []float64:
		return kernel.Finite(d[lo:hi])
	}
	return false
}

// Lower multiplies by 0, which gives NaN where an element is not finite and overflows nowhere, and adds up.
func (AllFinite) Lower(n *Node) []*Value {
	var total *Value
	for _, x := range n.Args {
		sum := x.Scale(0).Sum()
		if total == nil {
			total = sum
		} else {
			total = total.Add(sum.Cast(total.DType()))
		}
	}
	return []*Value{total.Equal(scalarLike(total, 0))}
}

// LowerFast adds up the elements themselves, which is one pass over memory: a sum that is finite is of finite elements. One that is not
// may have overflowed, so then it looks closely.
func (o AllFinite) LowerFast(n *Node) []*Value {
	var total *Value
	for _, x := range n.Args {
		if sum := x.Sum(); total == nil {
			total = sum
		} else if !shown(x, n.Args) {
			total = total.Add(sum.Cast(total.DType()))
		}
	}
	finite := total.Scale(0).Equal(scalarLike(total, 0))
	return n.fn.If(finite, func() []*Value { return []*Value{finite} }, func() []*Value { return o.Lower(n) })
}

// shown reports whether each element of x that is not finite makes one of another value so, and that is looked at: whether x goes into it by
// ops that let such elements through. A moment of an optimizer shows in the parameter.
func shown(x *Value, others []*Value) bool {
	seen := map[*Value]bool{}
	var reached func(y *Value) bool // from y, in the order of arguments
	reached = func(y *Value) bool {
		if y.ID <= x.ID || seen[y] || !y.Shape().Equal(x.Shape()) {
			return y == x
		}
		seen[y] = true
		switch y.Op.(type) {
		case Add, Sub, Mul:
			return reached(y.Args[0]) || reached(y.Args[1])
		case Div, Scale, Shift, Neg:
			return reached(y.Args[0])
		}
		return false
	}
	return slices.ContainsFunc(others, func(y *Value) bool { return y != x && reached(y) })
}

// Samples covers one argument and several, also without elements and of rank 0; elements whose sum would overflow; and NaN and
// infinities in one argument of several.
func (o AllFinite) Samples() []Sample {
	var out []Sample
	plain, large := SampleInput{}, SampleInput{Lo: -3e38, Hi: 3e38}
	for _, s := range []struct {
		shapes [][]int
		in     []SampleInput
	}{
		{[][]int{{}}, []SampleInput{plain}},
		{[][]int{{2, 3}, {}, {5}}, []SampleInput{plain, plain, plain}},
		{[][]int{{0}, {3, 1, 2}}, []SampleInput{plain, plain}},
		{[][]int{{40}, {2, 2}}, []SampleInput{large, large}},
		{[][]int{{3}, {2, 3}, {2}}, []SampleInput{plain, {Lo: math.NaN()}, plain}},
		{[][]int{{4}, {}}, []SampleInput{plain, {Lo: 1e300, Hi: 1e300}}},   // beyond f32: infinite
		{[][]int{{2}, {}}, []SampleInput{{Lo: -1e300, Hi: -1e300}, plain}}, // the same below 0
	} {
		for k, shape := range s.shapes {
			s.in[k].Shape, s.in[k].NoGrad = shape, true
		}
		out = append(out, Sample{Op: o, In: s.in})
	}
	return out
}
