package graph

import (
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var compareOps = []Sampled{Equal{}, Less{}, LessEqual{}, Greater{}, GreaterEqual{}, Not{}, And{}, Or{}, Where{}}

// comparison holds a comparison's kernels.
type comparison struct {
	f32 func(out []bool, a, b []float32)
	f64 func(out []bool, a, b []float64)
	i64 func(out []bool, a, b []int64)
	u64 func(out []bool, a, b []uint64)
}

// eval compares by the arguments' dtype.
func (k comparison) eval(c *kernel.Context, op Op, out *tensor.Tensor, in []*tensor.Tensor) error {
	switch in[0].DType() {
	case F32:
		compare(c, k.f32, out, in)
	case F64:
		compare(c, k.f64, out, in)
	case I64:
		compare(c, k.i64, out, in)
	case U64:
		compare(c, k.u64, out, in)
	default:
		return noKernel(op, in[0])
	}
	return nil
}

// compare runs a kernel of two arguments of one type and a result of type bool.
func compare[T tensor.Element](c *kernel.Context, f func(out []bool, a, b []T), out *tensor.Tensor, in []*tensor.Tensor) {
	kernel.Map2(c, f, tensor.Data[bool](out), out.Shape(),
		[][]T{tensor.Data[T](in[0]), tensor.Data[T](in[1])}, [][]int{in[0].Shape(), in[1].Shape()}, grain)
}

// compareSamples covers the broadcasts in floats, with equal elements among small integers.
func compareSamples(op Op) []Sample {
	out := binarySamples(op, SampleInput{}, SampleInput{})
	return append(out, Sample{Op: op, In: []SampleInput{{DType: I64, Shape: []int{3, 4}}, {DType: I64, Shape: []int{4}}}})
}

// Equal is x = y, with broadcasting. ONNX: Equal.
type Equal struct{ comparing }

// Equal is true where v is equal to w.
func (v *Value) Equal(w *Value) *Value { return Apply(Equal{}, v, w) }

// Run compares.
func (o Equal) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return comparison{kernel.Equal[float32], kernel.Equal[float64], kernel.Equal[int64], kernel.Equal[uint64]}.eval(c, o, out[0], in)
}

// Forms is Equal.
func (Equal) Forms() []Form { return form("Equal") }

// Samples covers the broadcasts.
func (o Equal) Samples() []Sample { return compareSamples(o) }

// Less is x < y, with broadcasting. ONNX: Less.
type Less struct{ comparing }

// Less is true where v is smaller than w.
func (v *Value) Less(w *Value) *Value { return Apply(Less{}, v, w) }

// Run compares.
func (o Less) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return comparison{kernel.Less[float32], kernel.Less[float64], kernel.Less[int64], kernel.Less[uint64]}.eval(c, o, out[0], in)
}

// Forms is Less.
func (Less) Forms() []Form { return form("Less") }

// Samples covers the broadcasts.
func (o Less) Samples() []Sample { return compareSamples(o) }

// LessEqual is x ≤ y, with broadcasting. ONNX: LessOrEqual.
type LessEqual struct{ comparing }

// LessEqual is true where v is smaller or equal to w.
func (v *Value) LessEqual(w *Value) *Value { return Apply(LessEqual{}, v, w) }

// Run compares.
func (o LessEqual) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return comparison{kernel.LessEqual[float32], kernel.LessEqual[float64], kernel.LessEqual[int64], kernel.LessEqual[uint64]}.eval(c, o, out[0], in)
}

// Forms is LessOrEqual.
func (LessEqual) Forms() []Form { return form("LessOrEqual") }

// Samples covers the broadcasts.
func (o LessEqual) Samples() []Sample { return compareSamples(o) }

// Greater is x > y, with broadcasting. ONNX: Greater.
type Greater struct{ comparing }

// Greater is true where v is larger than w.
func (v *Value) Greater(w *Value) *Value { return Apply(Greater{}, v, w) }

// Run compares.
func (o Greater) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return comparison{kernel.Greater[float32], kernel.Greater[float64], kernel.Greater[int64], kernel.Greater[uint64]}.eval(c, o, out[0], in)
}

// Forms is Greater.
func (Greater) Forms() []Form { return form("Greater") }

// Samples covers the broadcasts.
func (o Greater) Samples() []Sample { return compareSamples(o) }

// GreaterEqual is x ≥ y, with broadcasting. ONNX: GreaterOrEqual.
type GreaterEqual struct{ comparing }

// GreaterEqual is true where v is larger or equal to w.
func (v *Value) GreaterEqual(w *Value) *Value { return Apply(GreaterEqual{}, v, w) }

// Run compares.
func (o GreaterEqual) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return comparison{kernel.GreaterEqual[float32], kernel.GreaterEqual[float64], kernel.GreaterEqual[int64], kernel.GreaterEqual[uint64]}.eval(c, o, out[0], in)
}

// Forms is GreaterOrEqual.
func (GreaterEqual) Forms() []Form { return form("GreaterOrEqual") }

// Samples covers the broadcasts.
func (o GreaterEqual) Samples() []Sample { return compareSamples(o) }

// Not is the negation of a bool. ONNX: Not.
type Not struct{}

// Not is true where v is false.
func (v *Value) Not() *Value { return Apply(Not{}, v) }

// Takes is a bool.
func (Not) Takes() []Arg { return twoBools[:1] }

// Infer returns the argument's type.
func (Not) Infer(in *Infer) ([]Type, error) { return in.Same(0) }

// Run negates.
func (Not) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	y, x := tensor.Data[bool](out[0]), tensor.Data[bool](in[0])
	c.Parallel(len(y), grain, func(lo, hi int) { kernel.Not(y[lo:hi], x[lo:hi]) })
	return nil
}

// Forms is Not.
func (Not) Forms() []Form { return form("Not") }

// Samples covers two ranks.
func (o Not) Samples() []Sample {
	return []Sample{{Op: o, In: []SampleInput{{DType: Bool, Shape: []int{}}}}, {Op: o, In: []SampleInput{{DType: Bool, Shape: []int{2, 5}}}}}
}

func logicSamples(op Op) []Sample {
	return binarySamples(op, SampleInput{DType: Bool}, SampleInput{DType: Bool})
}

// And is the conjunction of two bools, with broadcasting. ONNX: And.
type And struct{ boolPair }

// And is true where v and w are.
func (v *Value) And(w *Value) *Value { return Apply(And{}, v, w) }

// Run computes it.
func (And) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	compare(c, kernel.And, out[0], in)
	return nil
}

// Forms is And.
func (And) Forms() []Form { return form("And") }

// Samples covers the broadcasts.
func (o And) Samples() []Sample { return logicSamples(o) }

// Or is the disjunction of two bools, with broadcasting. ONNX: Or.
type Or struct{ boolPair }

// Or is true where v or w is.
func (v *Value) Or(w *Value) *Value { return Apply(Or{}, v, w) }

// Run computes it.
func (Or) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	compare(c, kernel.Or, out[0], in)
	return nil
}

// Forms is Or.
func (Or) Forms() []Form { return form("Or") }

// Samples covers the broadcasts.
func (o Or) Samples() []Sample { return logicSamples(o) }

// Where is x where a condition holds, else y, with broadcasting of all three. ONNX: Where.
type Where struct{}

// Where is a where v is true, else b; v is bool, and the three shapes broadcast.
func (v *Value) Where(a, b *Value) *Value { return Apply(Where{}, v, a, b) }

var whereArgs = []Arg{{Name: "condition", DTypes: Bools}, {Name: "a", DTypes: Any, Like: "T"}, {Name: "b", DTypes: Any, Like: "T"}}

// Takes is the condition and the two values.
func (Where) Takes() []Arg { return whereArgs }

// Infer broadcasts the shapes.
func (Where) Infer(in *Infer) ([]Type, error) {
	s := in.Args[0].Shape()
	for _, v := range in.Args[1:] {
		var err error
		if s, err = broadcast(s, v.Shape()); err != nil {
			return nil, err
		}
	}
	return []Type{{in.Args[1].DType(), s}}, nil
}

// VJP is (none, g where the condition holds, g where it does not).
func (Where) VJP(n *Node, gs []*Value) []*Value {
	y, g := n.Results[0], gs[0]
	if !y.DType().Float() {
		return nil
	}
	return append([]*Value{nil}, choose(n.Args[0], g, n.Args[1], n.Args[2])...)
}

// Run selects.
func (Where) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	if out[0].DType() == F32 { // which has a vector loop
		where(c, tensor.Data[float32](out[0]), tensor.Data[float32](in[1]), tensor.Data[float32](in[2]), out[0].Shape(), in)
		return nil
	}
	switch y := out[0].Units().(type) {
	case []uint8:
		where(c, y, in[1].Units().([]uint8), in[2].Units().([]uint8), out[0].Shape(), in)
	case []uint16:
		where(c, y, in[1].Units().([]uint16), in[2].Units().([]uint16), out[0].Shape(), in)
	case []uint32:
		where(c, y, in[1].Units().([]uint32), in[2].Units().([]uint32), out[0].Shape(), in)
	case []uint64:
		where(c, y, in[1].Units().([]uint64), in[2].Units().([]uint64), out[0].Shape(), in)
	case []string:
		where(c, y, in[1].Units().([]string), in[2].Units().([]string), out[0].Shape(), in)
	}
	return nil
}

func where[T any](c *kernel.Context, y, a, b []T, shape []int, in []*tensor.Tensor) {
	kernel.MapWhere(c, y, shape, tensor.Data[bool](in[0]), a, b, [][]int{in[1].Shape(), in[2].Shape(), in[0].Shape()}, grain)
}

// Forms is Where.
func (Where) Forms() []Form { return form("Where") }

// Samples covers broadcasts of each argument.
func (o Where) Samples() []Sample {
	var out []Sample
	for _, s := range [][3][]int{{{}, {}, {}}, {{3}, {3}, {3}}, {{2, 3}, {}, {3}}, {{3}, {2, 3}, {2, 1}}, {{}, {2, 2}, {2, 2}}, {{2, 1, 1, 2, 1}, {1, 3, 1, 1, 2}, {1}}} {
		out = append(out, Sample{Op: o, In: []SampleInput{{DType: Bool, Shape: s[0]}, {Shape: s[1]}, {Shape: s[2]}}})
	}
	return append(out, Sample{Op: o, In: []SampleInput{{DType: Bool, Shape: []int{3}}, {DType: I64, Shape: []int{3}}, {DType: I64, Shape: []int{}}}})
}
