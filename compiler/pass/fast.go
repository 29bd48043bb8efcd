package pass

import (
	"math"

	"github.com/sardonyx-ml/sardonyx/graph"
)

// fast are the passes that make a Func one that runtimes compute fast on a CPU, after those of [Table]. Each op in the form that it has for
// that, moves of rows, which ops in that form begin and end with, done once for several of them, and less done where pooling leaves little.
var fast = []Pass{
	{Name: "elements", Doc: "do less to each element: behind pooling, by its sign, in a cross-entropy", Run: simplify(&elementRules), Tolerance: 1e-6},
	{Name: "forms", Doc: "give ops the forms that are fast on a CPU", Run: graph.LowerFast, Tolerance: 1e-4},
	{Name: "simplify", Doc: "drop operations that change nothing, fold transposes into matrix products", Run: simplify(&rules), Tolerance: 1e-6},
	{Name: "cse", Doc: "compute equal values once", Run: cse},
	{Name: "products", Doc: "scale matrix products while they are made", Run: scaleProducts, Tolerance: 1e-6},
	{Name: "moves", Doc: "add before elements are moved, not after", Run: simplify(&moveRules), Tolerance: 1e-6},
	{Name: "sweep", Doc: "drop what the rewrites left unused", Run: graph.Prune},
}

// RunFast applies the passes that make f fast on a CPU in other runtimes. Our own engine has kernels for what f is made of before.
func RunFast(f *graph.Func) (*graph.Func, error) { return run(fast, f, nil) }

var elementRules = []rule{
	on("what is pooled by its largest elements is made positive afterwards", func(m match, o graph.MaxPoolND) *graph.Value {
		if x, ok := under[graph.ReLU](m.args[0]); ok {
			return m.out.Apply(o, x).ReLU()
		}
		return nil
	}),
	on("where nothing in a window is positive, its gradient is dropped before it is put into its place", func(m match, o graph.Mul) *graph.Value {
		for i, scatter := range m.args {
			pool, isPool := scatter.Op.(graph.MaxPoolScatter)
			x, ok := under[graph.Step](m.args[1-i])
			if !isPool || !ok {
				continue
			}
			if y, ok := under[graph.ReLU](scatter.Args[0]); ok && y == x {
				return m.out.Apply(pool, x, scatter.Args[1].Mul(m.out.Apply(pool.Pool, x).Step()))
			}
		}
		return nil
	}),
	on("of a cross-entropy by logits, what both sides have is computed once", func(m match, _ graph.Add) *graph.Value {
		t, x, ok := bothSides[graph.Softplus](m.args[0], m.args[1], nil)
		if !ok || !m.same(x) || !m.same(t) {
			return nil
		}
		return x.ReLU().Sub(t.Mul(x)).Add(graph.SoftplusTail(x)) // nothing cancels where t is 0 or 1
	}),
	on("the gradient of a cross-entropy by logits is what they are above the targets", func(m match, _ graph.Add) *graph.Value {
		missed, ok := under[graph.Neg](m.args[1])
		if !ok {
			return nil
		}
		var g *graph.Value
		t, x, ok := bothSides[graph.Sigmoid](missed, m.args[0], &g)
		if !ok || !m.same(x) || !m.same(t) {
			return nil
		}
		return g.Mul(x.Sigmoid().Sub(t))
	}),
	on("one of two numbers, by the sign, is a large multiple that is clipped", func(m match, o graph.Shift) *graph.Value {
		scale, ok := m.args[0].Op.(graph.Scale)
		if !ok || m.v.DType() != graph.F32 || !(o.By >= 0 && scale.By > 0) {
			return nil
		}
		if x, ok := under[graph.Step](m.args[0].Args[0]); ok {
			return x.Scale(math.MaxFloat32).Clip(o.By, o.By+scale.By)
		}
		return nil
	}),
}

// bothSides are t and x if missed is t·op(−x), and raised (1−t)·op(x). If g is not nil, t and 1−t have a factor in common before them, which
// it gets.
func bothSides[T graph.Op](missed, raised *graph.Value, g **graph.Value) (t, x *graph.Value, ok bool) {
	part := func(v *graph.Value) (weight, arg, factor *graph.Value) {
		if _, ok := v.Op.(graph.Mul); !ok {
			return nil, nil, nil
		}
		if arg, ok = under[T](v.Args[1]); !ok {
			return nil, nil, nil
		}
		if weight = v.Args[0]; g == nil {
			return weight, arg, nil
		}
		if _, ok := weight.Op.(graph.Mul); !ok {
			return nil, nil, nil
		}
		return weight.Args[1], arg, weight.Args[0]
	}
	t, minus, before := part(missed)
	rest, x, factor := part(raised)
	if t == nil || rest == nil || before != factor {
		return nil, nil, false
	}
	one, isShift := rest.Op.(graph.Shift)
	if !isShift || one.By != 1 {
		return nil, nil, false
	}
	if of, ok := under[graph.Neg](rest.Args[0]); !ok || of != t {
		return nil, nil, false
	}
	if of, ok := under[graph.Neg](minus); !ok || of != x {
		return nil, nil, false
	}
	if g != nil {
		*g = factor
	}
	return t, x, true
}

var moveRules = []rule{
	on("a sum of moved elements is their sum, moved", func(m match, _ graph.Add) *graph.Value { return moved(m.out, m.args[0], m.args[1]) }),
}

// moved is a + b, if both are made by moving elements in one way: added before that. Else it is nil.
func moved(out *graph.Func, a, b *graph.Value) *graph.Value {
	op, ok := graph.Identity(a.Op)
	other, also := graph.Identity(b.Op)
	if !ok || !also || op != other || len(a.Args) == 0 || !a.Args[0].Type.Equal(b.Args[0].Type) {
		return nil
	}
	sum := func() *graph.Value {
		x, y := a.Args[0], b.Args[0]
		if v := moved(out, x, y); v != nil {
			return v
		}
		return x.Add(y)
	}
	switch a.Op.(type) {
	case graph.Reshape, graph.Transpose:
		return out.Apply(a.Op, sum())
	case graph.Gather:
		if a.Args[1] == b.Args[1] {
			return out.Apply(a.Op, sum(), a.Args[1])
		}
	}
	return nil
}
