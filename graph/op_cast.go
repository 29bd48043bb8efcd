package graph

import (
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var castOps = []Sampled{Cast{}}

// Cast converts to another dtype; floats become integers by truncation, and anything but zero becomes true. ONNX: Cast. As
// there, what becomes of a float that is beyond the integers' range depends on the machine.
type Cast struct{ To DType }

// Cast is v in dtype t.
func (v *Value) Cast(t DType) *Value { return Apply(Cast{t}, v) }

// in is v in dtype t, itself if it is.
func (v *Value) in(t DType) *Value {
	if !v.OK() || v.DType() == t {
		return v
	}
	return v.Cast(t)
}

// Takes is a value of any dtype but string.
func (Cast) Takes() []Arg { return oneElement }

// Infer changes the dtype.
func (o Cast) Infer(in *Infer) ([]Type, error) {
	switch {
	case !o.To.Valid():
		return nil, Mistakef("the dtypes are graph.F32, graph.I64, ...", "there is no %v", o.To)
	case o.To == String:
		return nil, Mistakef("strings are stored and moved: write them outside of the model", "numbers do not become strings")
	}
	return in.One(Type{o.To, in.Args[0].Shape()}, nil)
}

// VJP casts g back; integers and bools have no gradient.
func (o Cast) VJP(n *Node, gs []*Value) []*Value {
	g := gs[0]
	if x := n.Args[0]; x.DType().Float() && o.To.Float() {
		return []*Value{g.Cast(x.DType())}
	}
	return nil
}

// Run converts.
func (o Cast) Run(_ *kernel.Context, out, in []*tensor.Tensor) error {
	tensor.Convert(out[0].Raw(), in[0].Raw())
	return nil
}

// Forms is Cast.
func (Cast) Forms() []Form {
	return form("Cast", Field{Attribute: "to", Name: "To"}, Field{Attribute: "saturate", Value: 1, Default: 1})
}

// Samples covers all pairs of dtypes.
func (Cast) Samples() []Sample {
	var out []Sample
	for _, from := range []DType{F32, F64, F16, BF16, I64, I32, U8, Bool} {
		in := SampleInput{DType: from, Shape: []int{2, 3}, Lo: -3, Hi: 3}
		if from == U8 {
			in.Lo, in.Hi = 0, 9
		}
		for _, to := range []DType{F32, F64, F16, BF16, I64, I32, U8, Bool} {
			if to == U8 {
				in.Lo, in.Hi = 0, 9
			}
			out = append(out, Sample{Op: Cast{to}, In: []SampleInput{in}})
		}
	}
	return out
}
