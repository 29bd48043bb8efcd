package graph

import (
	"fmt"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var assertOps = []Sampled{Assert{}}

// Assert is x if a condition holds at each of its elements; where it does not, the run ends with an error that says Msg and
// names the first such element. Arguments: x, and the condition, a bool of x's shape. ONNX: Where, Gather, Sub: an index out of range
// where the condition does not hold, for which onnxruntime's CPU provider ends the run too.
type Assert struct{ Msg string }

// Assert is v; a run in which ok, of v's shape, is false anywhere ends with an error that says msg and the first such element.
func (v *Value) Assert(ok *Value, msg string) *Value { return Apply(Assert{msg}, v, ok) }

// InRange is the indices v, as i64, with those below 0 or from n on refused by an [Assert]: labels and tokens are not counted
// from the end, as Gather's indices may be.
func (v *Value) InRange(n int, msg string) *Value {
	if !v.OK() {
		return v
	}
	i := v.Cast(I64)
	return i.Assert(i.GreaterEqual(v.fn.FullInt(I64, 0)).And(i.Less(v.fn.FullInt(I64, int64(n)))), msg)
}

var assertArgs = []Arg{{Name: "x", DTypes: Numbers}, {Name: "condition", DTypes: Bools}}

// Takes is x and the condition.
func (Assert) Takes() []Arg { return assertArgs }

// Infer checks the condition.
func (o Assert) Infer(in *Infer) ([]Type, error) {
	x, ok := in.Args[0], in.Args[1]
	if !ok.Shape().Equal(x.Shape()) {
		return nil, Mistakef("comparisons such as v.Greater(w) make conditions", "the condition is %v, want bool%v", ok.Type, x.Shape())
	}
	if o.Msg == "" {
		return nil, Mistakef("say what must hold: it is the error of the run", "there is no message")
	}
	return in.Same(0)
}

// VJP is g.
func (Assert) VJP(_ *Node, g []*Value) []*Value { return []*Value{g[0], nil} }

// Run copies, or fails.
func (o Assert) Run(_ *kernel.Context, out, in []*tensor.Tensor) error {
	for i, ok := range tensor.Data[bool](in[1]) {
		if ok {
			continue
		}
		what := "it"
		if shape := out[0].Shape(); len(shape) > 0 {
			at := make([]int, len(shape))
			for k, rest := len(shape)-1, i; k >= 0; k-- {
				at[k], rest = rest%shape[k], rest/shape[k]
			}
			what = fmt.Sprintf("element %v", at)
		}
		if out[0].DType().Integer() {
			return fmt.Errorf("%s: %s is %d", o.Msg, what, in[0].Int(i))
		}
		return fmt.Errorf("%s: %s is %v", o.Msg, what, in[0].At(i))
	}
	out[0].CopyFrom(in[0])
	return nil
}

// Lower takes 0 from x, out of a list of one that is asked for its second element where the condition does not hold.
func (o Assert) Lower(n *Node) []*Value {
	x, t := n.Args[0], n.Args[0].DType()
	bad := n.Args[1].Where(x.fn.FullInt(I64, 0), x.fn.FullInt(I64, 1))
	if t == I32 { // is not subtracted
		x = x.Cast(I64)
	}
	zero := x.fn.Full(x.DType(), 0, 1).Gather(bad, 0)
	return []*Value{x.Sub(zero).Cast(t)}
}

// Samples covers ranks and dtypes, with conditions that hold.
func (Assert) Samples() []Sample {
	var out []Sample
	for _, s := range [][]int{{}, {3}, {2, 1, 3}} {
		for _, t := range []DType{F32, I64, I32} {
			out = append(out, Sample{Op: Assert{"it must hold"}, In: []SampleInput{{DType: t, Shape: s}, {DType: Bool, Shape: s, Lo: 1, Hi: 1}}})
		}
	}
	return out
}
