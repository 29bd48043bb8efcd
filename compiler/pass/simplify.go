package pass

import (
	"math"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph"
)

// simplify drops operations that change nothing, such as a product with the ones that gradients start from, and folds
// transposes into the matrix products that read them.
func simplify(f *graph.Func) *graph.Func {
	return graph.Rewrite(f, func(out *graph.Func, v *graph.Value, args []*graph.Value) *graph.Value {
		if len(args) == 0 {
			return nil
		}
		x := args[0]
		same := func(y *graph.Value) bool { return y.DType() == v.DType() && y.Shape().Equal(v.Shape()) }
		switch o := v.Op.(type) {
		case graph.Reshape:
			if same(x) {
				return x
			}
			if _, ok := x.Op.(graph.Reshape); ok {
				return out.Apply(o, x.Args[0])
			}
		case graph.Expand, graph.Cast:
			if same(x) {
				return x
			}
		case graph.Scale:
			if o.By == 1 {
				return x
			}
			if in, ok := x.Op.(graph.Scale); ok && ordinary(o.By) && ordinary(in.By) && ordinary(o.By*in.By) {
				return out.Apply(graph.Scale{By: o.By * in.By}, x.Args[0])
			}
			if in, ok := x.Op.(graph.Full); ok && v.DType().Float() && ordinary(o.By) && ordinary(in.Value) && ordinary(in.Value*o.By) {
				return out.Full(v.DType(), in.Value*o.By, v.Shape()...)
			}
		case graph.Shift:
			if o.By == 0 {
				return x
			}
		case graph.Mul:
			if y := product(v, args[0], args[1], same); y != nil {
				return y
			}
			return unexpand(out, v, args)
		case graph.Sub, graph.Div:
			return unexpand(out, v, args)
		case graph.Add:
			for i, y := range args {
				if isFull(y, 0) && same(args[1-i]) {
					return args[1-i]
				}
			}
			return unexpand(out, v, args)
		case graph.Sum:
			if same(x) && v.DType().Float() { // over axes of size 1, or none
				return x
			}
		case graph.Transpose:
			return transpose(out, o, x)
		case graph.MatMul:
			return matmul(out, args[0], args[1])
		case graph.Gemm:
			return gemm(out, o, args)
		}
		return nil
	})
}

// ordinary reports whether c is 0 or far from what f32 rounds to 0 or infinity, so that factors may be joined.
func ordinary(c float64) bool {
	size := math.Abs(c)
	return c == 0 || size > 1e-30 && size < 1e30
}

// unexpand drops an Expand of one argument where the op broadcasts to the same shape by itself.
func unexpand(out *graph.Func, v *graph.Value, args []*graph.Value) *graph.Value {
	for i, x := range args {
		if _, ok := x.Op.(graph.Expand); ok && args[1-i].Shape().Equal(v.Shape()) {
			small := []*graph.Value{args[0], args[1]}
			small[i] = x.Args[0]
			return out.Apply(v.Op, small...)
		}
	}
	return nil
}

func isFull(v *graph.Value, value float64) bool {
	o, ok := v.Op.(graph.Full)
	return ok && o.Value == value
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

// product is x·y where one of them is a constant: the other, scaled.
func product(v, x, y *graph.Value, same func(*graph.Value) bool) *graph.Value {
	if !v.DType().Float() {
		return nil
	}
	for _, p := range [][2]*graph.Value{{x, y}, {y, x}} {
		if c, ok := constant(p[0]); ok && same(p[1]) {
			if c == 1 {
				return p[1]
			}
			return p[1].Scale(c)
		}
	}
	return nil
}

func transpose(out *graph.Func, o graph.Transpose, x *graph.Value) *graph.Value {
	perm := o.Perm
	if in, ok := x.Op.(graph.Transpose); ok { // compose
		both := make([]int, len(perm))
		for i, k := range perm {
			both[i] = in.Perm[k]
		}
		perm, x = both, x.Args[0]
	}
	for i, k := range perm {
		if i != k {
			return out.Apply(graph.Transpose{Perm: perm}, x)
		}
	}
	return x
}

// untranspose returns the matrix under a rank-2 transpose, and whether there was one.
func untranspose(v *graph.Value) (*graph.Value, bool) {
	if o, ok := v.Op.(graph.Transpose); ok && slices.Equal(o.Perm, []int{1, 0}) {
		return v.Args[0], true
	}
	return v, false
}

// matmul turns a product with a transposed matrix into a Gemm, which reads it in place.
func matmul(out *graph.Func, a, b *graph.Value) *graph.Value {
	if a.Rank() != 2 || b.Rank() != 2 {
		return nil
	}
	x, ta := untranspose(a)
	y, tb := untranspose(b)
	if !ta && !tb {
		return nil
	}
	return out.Apply(graph.Gemm{Alpha: 1, Beta: 1, TransA: ta, TransB: tb}, x, y)
}

// gemm folds transposes of a Gemm's factors into its flags.
func gemm(out *graph.Func, o graph.Gemm, args []*graph.Value) *graph.Value {
	x, ta := untranspose(args[0])
	y, tb := untranspose(args[1])
	if !ta && !tb {
		return nil
	}
	o.TransA, o.TransB = o.TransA != ta, o.TransB != tb
	return out.Apply(o, append([]*graph.Value{x, y}, args[2:]...)...)
}
