package graph

import (
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var rangeOps = []Sampled{Arange{}}

// Arange is the whole numbers from 0 on: positions, and what masks compare. ONNX: Range.
type Arange struct {
	Type Type // of rank 1
}

// Arange is 0, 1, ... n−1, i64[n]: the positions of a sequence of n, which may be symbolic.
func (f *Func) Arange(n Dim) *Value { return f.Apply(Arange{Type: Type{I64, Shape{n}}}) }

// Causal is the mask of a sequence of n that may not look ahead, bool[n n]: row i is true up to column i, as torch.tril of ones.
func (f *Func) Causal(n Dim) *Value {
	i := f.Arange(n)
	if !i.OK() {
		return i
	}
	return i.Unsqueeze(1).GreaterEqual(i)
}

// Scalar is the number c as a scalar of v's dtype, for ops that take two values: x.Scalar(1).Sub(x) is 1 − x, x.Pow(x.Scalar(3))
// is x³, and x.Greater(x.Scalar(0)) says where x is positive. See [Value.Scale] for c·x and [Value.Shift] for x + c.
func (v *Value) Scalar(c float64) *Value {
	if !v.OK() {
		return v
	}
	return v.fn.Full(v.DType(), c)
}

// Takes is nothing.
func (Arange) Takes() []Arg { return nil }

// Infer returns the declared type, i64 of one axis.
func (o Arange) Infer(in *Infer) ([]Type, error) {
	if o.Type.DType != I64 || len(o.Type.Shape) != 1 {
		return nil, Mistakef("f.Arange(n), and .Cast for another dtype", "it is %v, want i64[n]", o.Type)
	}
	return in.One(o.Type, nil)
}

// Run counts.
func (Arange) Run(_ *kernel.Context, out, _ []*tensor.Tensor) error {
	d := tensor.Data[int64](out[0])
	for i := range d {
		d[i] = int64(i)
	}
	return nil
}

// Forms is Range.
func (Arange) Forms() []Form {
	return form("Range", Field{Input: 0, Value: 0}, Field{Name: "Type.Shape.0", Input: 1}, Field{Input: 2, Value: 1})
}

// Samples covers none, one and several.
func (Arange) Samples() []Sample {
	var out []Sample
	for _, n := range []Dim{0, 1, 5} {
		out = append(out, Sample{Op: Arange{Type: Type{I64, Shape{n}}}})
	}
	return out
}
