package graph

import (
	"fmt"
	"slices"
)

// sameFloat is the inference of a unary op over floats: the argument's type.
func sameFloat(in []*Value) (Type, error) {
	if err := wantFloat(in[0]); err != nil {
		return Type{}, err
	}
	return in[0].Type, nil
}

func wantFloat(v *Value) error {
	if !v.DType().Float() {
		return Mistakef("cast it first, with .Cast(graph.F32)", "needs f32 or f64, has %v", v.Type)
	}
	return nil
}

// sameNumber is the inference of a unary op over floats and i64.
func sameNumber(in []*Value) (Type, error) {
	if d := in[0].DType(); !d.Float() && d != I64 {
		return Type{}, Mistakef("cast it first, with .Cast(graph.F32)", "needs f32, f64 or i64, has %v", in[0].Type)
	}
	return in[0].Type, nil
}

// inferBinary is the inference of a broadcasting op over two values of one dtype.
func inferBinary(in []*Value) (Type, error) {
	a, b := in[0], in[1]
	if a.DType() != b.DType() {
		return Type{}, Mistakef(fmt.Sprintf("give both one dtype, with .Cast(graph.%s) for one", dtypeConst(a.DType())),
			"the arguments are %v and %v", a.DType(), b.DType())
	}
	if d := a.DType(); !d.Float() && d != I64 {
		return Type{}, Mistakef("cast both first, with .Cast(graph.F32)", "needs f32, f64 or i64, has %v", d)
	}
	s, err := broadcast(a.Shape(), b.Shape())
	return Type{a.DType(), s}, err
}

// dtypeConst is the name of the Go constant for t.
func dtypeConst(t DType) string {
	return [...]string{F32: "F32", F64: "F64", F16: "F16", BF16: "BF16", I64: "I64", I32: "I32", U8: "U8", Bool: "Bool"}[t]
}

// scalarLike is a constant of v's dtype with no axes, for VJPs.
func scalarLike(v *Value, c float64) *Value { return v.fn.Full(v.DType(), c) }

// without drops the given sorted axes from a shape.
func without(s Shape, drop []int) Shape {
	out := Shape{}
	for i, d := range s {
		if !slices.Contains(drop, i) {
			out = append(out, d)
		}
	}
	return out
}

// withOnes makes the given axes of a shape 1.
func withOnes(s Shape, ones []int) Shape {
	out := slices.Clone(s)
	for _, i := range ones {
		out[i] = 1
	}
	return out
}
