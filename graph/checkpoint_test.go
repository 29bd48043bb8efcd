package graph_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// mark is Func.Checkpoint, or nothing.
type mark func(f *graph.Func, do func() *graph.Value) *graph.Value

func unmarked(_ *graph.Func, do func() *graph.Value) *graph.Value { return do() }

// TestCheckpoint takes gradients with marks and without: they must be the same to the bit, and there must be as many more ops as are
// computed again. Gradients of gradients are sums in another order.
func TestCheckpoint(t *testing.T) {
	type value = *graph.Value
	tanhs := func(n int) func(x value) value {
		return func(x value) value {
			for range n {
				x = x.Tanh()
			}
			return x
		}
	}
	// A case makes y of x [2 3], w [3 3] and the draws of f, and what the gradient is taken by.
	for _, c := range []struct {
		name string
		make func(f *graph.Func, m mark, x, w value) (y value, by []value)
		op   string // that is counted
		more int    // of it, with marks
		// The gradient is one of a gradient.
		second bool
	}{
		{"a chain", func(f *graph.Func, m mark, x, w value) (value, []value) {
			return m(f, func() value { return tanhs(4)(x) }), []value{x}
		}, "Tanh", 4, false},
		{"two chains", func(f *graph.Func, m mark, x, w value) (value, []value) {
			y := m(f, func() value { return tanhs(3)(x) })
			return m(f, func() value { return tanhs(2)(y.Mul(x)) }), []value{x, w}
		}, "Tanh", 5, false},
		{"one in another", func(f *graph.Func, m mark, x, w value) (value, []value) {
			return m(f, func() value {
				y := tanhs(1)(x.MatMul(w))
				return tanhs(1)(m(f, func() value { return tanhs(3)(y) }))
			}), []value{x, w}
		}, "Tanh", 2 + 2*3, false},
		{"three deep", func(f *graph.Func, m mark, x, w value) (value, []value) {
			return m(f, func() value { return m(f, func() value { return m(f, func() value { return tanhs(1)(x) }) }) }), []value{x}
		}, "Tanh", 1, false},
		{"what no gradient reaches", func(f *graph.Func, m mark, x, w value) (value, []value) {
			return m(f, func() value { return tanhs(3)(x).Detach() }).Mul(x), []value{x}
		}, "Tanh", 0, false},
		{"values that leave by other ways", func(f *graph.Func, m mark, x, w value) (value, []value) {
			var h value
			y := m(f, func() value { h = x.Exp(); return h.Tanh() })
			return y.Mul(h).Add(h.Square()), []value{x}
		}, "Exp", 1, false},
		{"an argument inside and outside", func(f *graph.Func, m mark, x, w value) (value, []value) {
			h := x.Sigmoid()
			return m(f, func() value { return h.Mul(x.Tanh()).MatMul(w) }).Mul(h), []value{x, w}
		}, "Tanh", 1, false},
		{"of parameters alone", func(f *graph.Func, m mark, x, w value) (value, []value) {
			return m(f, func() value { return x.MatMul(w.Tanh()) }), []value{x, w}
		}, "Tanh", 1, false},
		{"of constants alone", func(f *graph.Func, m mark, x, w value) (value, []value) {
			return m(f, func() value { return x.Mul(f.Full(graph.F64, .5, 3).Tanh()) }), []value{x}
		}, "Tanh", 0, false},
		{"noise", func(f *graph.Func, m mark, x, w value) (value, []value) {
			return m(f, func() value { return x.Mul(x.NormalLike()).Add(x.UniformLike().Mul(x)) }), []value{x, w}
		}, "RandomNormal", 1, false},
		{"dropout", func(f *graph.Func, m mark, x, w value) (value, []value) {
			return m(f, func() value { return x.Tanh().Dropout(.5).Tanh() }), []value{x, w}
		}, "Dropout", 2 - 1, false}, // the gradient's is there in any case
		{"two results of a node", func(f *graph.Func, m mark, x, w value) (value, []value) {
			return m(f, func() value {
				parts := x.Tanh().Chunk(1, 3)
				return parts[0].Mul(parts[2]).Tanh()
			}), []value{x}
		}, "Split", 1, false},
		{"a body", func(f *graph.Func, m mark, x, w value) (value, []value) {
			return m(f, func() value {
				_, ys := f.Scan(nil, []value{x}, func(_, in []value) (next, ys []value) {
					return nil, []value{m(f, func() value { return in[0].Tanh().Mul(w.Sum(0)).Mul(in[0].UniformLike()) })}
				})
				return ys[0].Tanh()
			}), []value{x, w}
		}, "RandomUniform", 1, false},
		{"a size that a run tells", func(f *graph.Func, m mark, x, w value) (value, []value) {
			return m(f, func() value {
				rows := x.Tanh().Compress(x.Sum(1).Greater(f.Full(graph.F64, -100)), 0)
				return rows.Tanh().Sum(0)
			}), []value{x}
		}, "Tanh", 2, false},
		{"a gradient taken inside", func(f *graph.Func, m mark, x, w value) (value, []value) {
			return m(f, func() value {
				h := m(f, func() value { return x.MatMul(w).Tanh() })
				return graph.Grad(h.Square().Sum(), x)[0].Tanh()
			}), []value{x, w}
		}, "", 0, true},
		{"by a value inside", func(f *graph.Func, m mark, x, w value) (value, []value) {
			var h value
			y := m(f, func() value { h = x.MatMul(w).Tanh(); return tanhs(2)(h.Exp()) })
			return y, []value{h, x, w}
		}, "Exp", 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			firsts, count, results := 0, [2]int{}, [2][]float64{}
			for i, m := range []mark{unmarked, (*graph.Func).Checkpoint} {
				f := graph.NewFunc("f", true)
				x, w := f.Input("x", graph.F64, 2, 3), f.ParamIn(graph.F64, "w", nil, 3, 3)
				y, by := c.make(f, m, x, w)
				first := graph.Grad(y.Square().Sum(), by...)
				count[i] = applied(graph.Extract(f, first...), c.op)
				sum := f.Full(graph.F64, 0)
				for _, g := range first {
					sum = sum.Add(g.Square().Sum())
				}
				second := graph.Grad(sum, by...)
				if len(f.Diags) > 0 {
					t.Fatal(f.Diags)
				}
				if err := f.Verify(); err != nil {
					t.Fatal(err)
				}
				in := map[string]*tensor.Tensor{
					"x": tensor.Of([]float64{.1, -.4, .7, 1.1, .3, -.9}, 2, 3), "w": tensor.Of([]float64{.2, .5, -.1, .8, -.3, .4, .9, .6, -.7}, 3, 3),
					graph.RandomState: tensor.Of([]int64{5, 7}, 2),
				}
				all := evaluate(t, newContext(1), f, in)
				for _, v := range first {
					results[i] = append(results[i], all[v.ID].Float64s()...)
				}
				if firsts = len(results[i]); c.second {
					firsts = 0
				}
				for _, v := range second {
					results[i] = append(results[i], all[v.ID].Float64s()...)
				}
			}
			for i, want := range results[0] {
				got := results[1][i]
				if math.IsNaN(want) || math.IsInf(want, 0) || i < firsts && got != want || !near(got, want, 1e-13) {
					t.Errorf("element %d is %v, without marks %v", i, got, want)
				}
			}
			if got := count[1] - count[0]; got != c.more {
				t.Errorf("there are %d %s more, want %d", got, c.op, c.more)
			}
		})
	}
}

// applied is how many nodes of f are of the op.
func applied(f *graph.Func, op string) (n int) {
	for _, m := range f.Nodes {
		if graph.OpName(m.Op) == op {
			n++
		}
	}
	return n
}

// TestCheckpointOrder sees that what is computed again waits for the gradient, and is not computed with what is outside.
func TestCheckpointOrder(t *testing.T) {
	type value = *graph.Value
	for _, c := range []struct {
		name string
		make func(f *graph.Func, x value) value
		want []string
	}{
		// Forward the first alone is needed; then the second's gradient, of whose Tanh and Exp one each is its own, and the first's.
		{"one after another", func(f *graph.Func, x value) value {
			a := f.Checkpoint(func() value { return x.Tanh().Exp() })
			return f.Checkpoint(func() value { return a.Exp().Tanh().Square() })
		}, []string{"Tanh", "Exp", "Barrier", "Exp", "Tanh", "Barrier", "Tanh", "Exp"}},
		// Forward nothing is; the inner one is computed from what the outer one is computed again.
		{"one in another", func(f *graph.Func, x value) value {
			return f.Checkpoint(func() value {
				a := x.Exp()
				return f.Checkpoint(func() value { return a.Tanh().Square() })
			})
		}, []string{"Barrier", "Exp", "Barrier", "Tanh"}},
		// What a gradient is taken of inside is there still.
		{"a gradient inside", func(f *graph.Func, x value) value {
			return f.Checkpoint(func() value { return graph.Grad(x.Tanh().Sum(), x)[0] })
		}, []string{"Barrier", "Tanh"}},
	} {
		f := graph.NewFunc("f", true)
		x := f.Input("x", graph.F32, 3)
		g := graph.Grad(c.make(f, x).Sum(), x)
		var ops []string
		for _, n := range graph.Extract(f, g...).Nodes {
			switch name := graph.OpName(n.Op); name {
			case "Tanh", "Exp", "Barrier":
				ops = append(ops, name)
			}
		}
		if !slices.Equal(ops, c.want) {
			t.Errorf("%s: the ops are %v, want %v", c.name, ops, c.want)
		}
	}
}

// TestCheckpointMistake takes a gradient by a value that an earlier one depends on by a copy of it.
func TestCheckpointMistake(t *testing.T) {
	f := graph.NewFunc("f", true)
	x := f.Input("x", graph.F64, 3)
	var h *graph.Value
	y := f.Checkpoint(func() *graph.Value { h = x.Tanh(); return h.Square() })
	g := graph.Grad(y.Sum(), x)[0]
	if graph.Grad(g.Sum(), x)[0].OK(); len(f.Diags) > 0 {
		t.Fatal(f.Diags)
	}
	if graph.Grad(g.Sum(), h)[0].OK() || len(f.Diags) != 1 {
		t.Fatalf("want one mistake: %v", f.Diags)
	}
	if d := f.Diags[0]; !strings.Contains(d.Msg, "a value inside a Checkpoint, of which a gradient was taken before") || !strings.Contains(d.Hint, "outside the Checkpoint") {
		t.Error(d)
	}
}

// TestCheckpointEnds sees that a mark ends with what it is around, also where that panics.
func TestCheckpointEnds(t *testing.T) {
	f := graph.NewFunc("f", true)
	x := f.Input("x", graph.F64, 3)
	func() {
		defer func() { recover() }()
		f.Checkpoint(func() *graph.Value { panic("a model's own") })
	}()
	y := x.Exp().Square()
	if n := applied(graph.Extract(f, graph.Grad(y.Sum(), x)...), "Exp"); n != 1 {
		t.Errorf("Exp is computed %d times", n)
	}
}
