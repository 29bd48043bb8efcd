package pass

import (
	"math"

	"github.com/sardonyx-ml/sardonyx/graph"
)

// fast are the passes that make a Func one that runtimes compute fast on a CPU, after those of [Table]. Each op in the form that it has for
// that, moves of rows, which ops in that form begin and end with, done once for several of them, and less done where pooling leaves little.
var fast = []Pass{
	{Name: "elements", Doc: "do less to each element: behind pooling, and by its sign", Run: simplify(&elementRules)},
	{Name: "forms", Doc: "give ops the forms that are fast on a CPU", Run: graph.LowerFast, Tolerance: 1e-4},
	{Name: "simplify", Doc: "drop operations that change nothing, fold transposes into matrix products", Run: simplify(&rules), Tolerance: 1e-6},
	{Name: "cse", Doc: "compute equal values once", Run: cse},
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
