package pass

import (
	"math"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph"
)

// A rule is one way to simplify a value. apply returns the value that takes m's place, of m's dtype and shape, or nil if the rule does
// not apply. Each must leave less to do, or the same in a form that fewer rules apply to.
type rule struct {
	doc   string
	apply func(m match) *graph.Value
}

// on is a rule for values of one kind of op.
func on[T graph.Op](doc string, apply func(m match, o T) *graph.Value) rule {
	return rule{doc, func(m match) *graph.Value {
		if o, ok := m.v.Op.(T); ok {
			return apply(m, o)
		}
		return nil
	}}
}

// rules are tried in this order. Multiplications are those of floats: with integers they may overflow on the way.
var rules = []rule{
	on("a Reshape to the same shape is its argument", same[graph.Reshape]),
	on("an Expand to the same shape is its argument", same[graph.Expand]),
	on("a Slice of a whole axis is its argument", func(m match, o graph.Slice) *graph.Value {
		return keep(o.Step > 0 && m.same(m.args[0]), m.args[0])
	}),
	on("a Cast to the same dtype is its argument", same[graph.Cast]),
	on("a Sum over axes of size 1, which stay, or over none is its argument", func(m match, o graph.Sum) *graph.Value {
		if !m.v.DType().Float() {
			return nil
		}
		return same(m, o)
	}),
	on("a Reshape of a Reshape is one of the first argument", func(m match, o graph.Reshape) *graph.Value {
		if in, ok := under[graph.Reshape](m.args[0]); ok {
			return m.out.Apply(o, in)
		}
		return nil
	}),

	on("a Neg does not show in an Abs", func(m match, o graph.Abs) *graph.Value {
		if x, ok := under[graph.Neg](m.args[0]); ok {
			return m.out.Apply(o, x)
		}
		return nil
	}),

	on("a Scale by 1 is its argument", func(m match, o graph.Scale) *graph.Value { return keep(o.By == 1, m.args[0]) }),
	on("a Shift by 0 is its argument", func(m match, o graph.Shift) *graph.Value { return keep(o.By == 0, m.args[0]) }),
	on("a Scale of a Scale is one by the product", func(m match, o graph.Scale) *graph.Value {
		in, ok := m.args[0].Op.(graph.Scale)
		if !ok || !ordinary(o.By) || !ordinary(in.By) || !ordinary(o.By*in.By) {
			return nil
		}
		return m.out.Apply(graph.Scale{By: o.By * in.By}, m.args[0].Args[0])
	}),
	on("a Scale of a Full is a Full of the product", func(m match, o graph.Scale) *graph.Value {
		in, ok := m.args[0].Op.(graph.Full)
		if !ok || !m.v.DType().Float() || !ordinary(o.By) || !ordinary(in.Value) || !ordinary(in.Value*o.By) {
			return nil
		}
		return m.out.Full(m.v.DType(), in.Value*o.By, m.v.Shape()...)
	}),
	on("a product with a constant is a Scale", func(m match, o graph.Mul) *graph.Value {
		for i, x := range m.args {
			if c, ok := constant(x); ok && m.v.DType().Float() && m.same(m.args[1-i]) {
				return m.out.Apply(graph.Scale{By: c}, m.args[1-i])
			}
		}
		return nil
	}),
	on("a sum with zeros is the other argument", func(m match, o graph.Add) *graph.Value {
		for i, x := range m.args {
			if in, ok := x.Op.(graph.Full); ok && in.Value == 0 && m.same(m.args[1-i]) {
				return m.args[1-i]
			}
		}
		return nil
	}),

	on("a sum broadcasts by itself", broadcast[graph.Add]),
	on("a difference broadcasts by itself", broadcast[graph.Sub]),
	on("a product broadcasts by itself", broadcast[graph.Mul]),
	on("a quotient broadcasts by itself", broadcast[graph.Div]),

	on("a Transpose that moves no axis is its argument", func(m match, o graph.Transpose) *graph.Value {
		return keep(slices.IsSorted(o.Perm), m.args[0])
	}),
	on("a Transpose of a Transpose is one", func(m match, o graph.Transpose) *graph.Value {
		in, ok := m.args[0].Op.(graph.Transpose)
		if !ok {
			return nil
		}
		both := make([]int, len(o.Perm))
		for i, k := range o.Perm {
			both[i] = in.Perm[k]
		}
		return m.out.Apply(graph.Transpose{Perm: both}, m.args[0].Args[0])
	}),
	on("a product of matrices with a transposed one is a Gemm", func(m match, o graph.MatMul) *graph.Value {
		if m.args[0].Rank() != 2 || m.args[1].Rank() != 2 {
			return nil
		}
		return untranspose(m, graph.Gemm{Alpha: 1, Beta: 1})
	}),
	on("a Gemm reads a transposed matrix in place", untranspose),
}

// keep is x if the condition holds.
func keep(holds bool, x *graph.Value) *graph.Value {
	if holds {
		return x
	}
	return nil
}

// same is m's argument if m changes neither its dtype nor its shape.
func same[T graph.Op](m match, _ T) *graph.Value { return keep(m.same(m.args[0]), m.args[0]) }

// under is the argument of x, if x's op is a T of one.
func under[T graph.Op](x *graph.Value) (*graph.Value, bool) {
	if _, ok := x.Op.(T); ok {
		return x.Args[0], true
	}
	return nil, false
}

// broadcast drops an Expand of one argument where the op broadcasts to the same shape by itself.
func broadcast[T graph.Op](m match, o T) *graph.Value {
	for i, x := range m.args {
		if small, ok := under[graph.Expand](x); ok && m.args[1-i].Shape().Equal(m.v.Shape()) {
			args := slices.Clone(m.args)
			args[i] = small
			return m.out.Apply(o, args...)
		}
	}
	return nil
}

// ordinary reports whether c is 0 or far from what f32 rounds to 0 or infinity, so that factors may be joined.
func ordinary(c float64) bool {
	size := math.Abs(c)
	return c == 0 || size > 1e-30 && size < 1e30
}

// constant is the finite number that every element of v is, if v is a Full, or one that was broadcast or reshaped.
func constant(v *graph.Value) (float64, bool) {
	switch o := v.Op.(type) {
	case graph.Full:
		return o.Value, !math.IsInf(o.Value, 0)
	case graph.Expand, graph.Reshape:
		return constant(v.Args[0])
	}
	return 0, false
}

// untranspose is the Gemm o of m's arguments, with transposes of its factors turned into its flags; nil if there is none.
func untranspose(m match, o graph.Gemm) *graph.Value {
	args, found := slices.Clone(m.args), false
	for i, transposed := range []*bool{&o.TransA, &o.TransB} {
		if x, ok := under[graph.Transpose](args[i]); ok { // of a matrix, so it swaps its axes: one that does not is gone
			args[i], *transposed, found = x, !*transposed, true
		}
	}
	if !found {
		return nil
	}
	return m.out.Apply(o, args...)
}
