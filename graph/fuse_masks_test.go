package graph_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestFuseMasks wants what chooses by comparisons to be one op, with no bools in memory, and the same bits.
func TestFuseMasks(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for name, make := range map[string]func(x, y *graph.Value) *graph.Value{
		"a ReLU's gradient": func(x, g *graph.Value) *graph.Value { return x.Greater(x.Scalar(0)).Where(g, x.Scalar(0)) },
		"a leaky ReLU":      func(x, _ *graph.Value) *graph.Value { return x.Less(x.Scalar(0)).Where(x.Scale(.2), x) },
		"a mask":            func(x, y *graph.Value) *graph.Value { return y.Greater(x.Scalar(.5)).Cast(x.DType()).Mul(x) },
		"dropout of a mask": func(x, y *graph.Value) *graph.Value {
			return x.UniformLike().Less(x.Scalar(.3)).Not().And(y.Cast(graph.Bool)).Where(x.Scale(1/.7), x.Scalar(0))
		},
		"a clipped loss": func(x, y *graph.Value) *graph.Value {
			d := x.Sub(y)
			near := d.LessEqual(x.Scalar(1)).And(d.GreaterEqual(x.Scalar(-1)))
			return near.Where(d.Square().Scale(.5), d.Abs().Shift(-.5)).Sum()
		},
		"its gradient": func(x, y *graph.Value) *graph.Value {
			d := x.Sub(y)
			return graph.Grad(d.Square().Less(x.Scalar(1)).Where(d.Square().Scale(.5), d.Abs().Shift(-.5)).Sum(), x)[0]
		},
		"a hinge":            func(x, y *graph.Value) *graph.Value { return x.Scalar(1).Sub(x.Mul(y)).ReLU().Sum(-1) },
		"a hinge's gradient": func(x, y *graph.Value) *graph.Value { return graph.Grad(x.Scalar(1).Sub(x.Mul(y)).ReLU().Sum(), x)[0] },
		"dropout":            func(x, y *graph.Value) *graph.Value { return x.Add(y).ReLU().Dropout(.3).Add(x) },
		"a bias's gradient":  func(x, y *graph.Value) *graph.Value { return x.Step().Mul(y).Sum(0) },
	} {
		for _, shape := range [][]int{{3, 1500}, {70, 9}, {1, 8}} {
			f := graph.NewFunc("f", true)
			dims := []graph.Dim{graph.Dim(shape[0]), graph.Dim(shape[1])}
			f.Output("z", make(f.Input("x", graph.F32, dims...), f.Input("y", graph.F32, dims...)))
			g := graph.Fuse(graph.Prune(f))
			fused := 0
			for _, n := range g.Nodes {
				if _, ok := n.Op.(graph.Fused); ok {
					fused++
				}
				for _, v := range n.Results {
					if v.DType() == graph.Bool {
						t.Errorf("%s: bools are in memory:\n%v", name, g)
					}
				}
			}
			if fused != 1 {
				t.Errorf("%s: %d fused ops:\n%v", name, fused, g)
			}
			in := map[string]*tensor.Tensor{}
			for _, v := range append(f.Inputs, f.Params...) {
				x := tensor.New(v.DType(), 2)
				if v.DType() == graph.F32 {
					x = tensor.New(graph.F32, shape...)
				}
				for i := range x.Len() {
					x.Set(i, math.Round(4*r.NormFloat64())/4) // with equal ones
				}
				in[v.Name] = x
			}
			want, got := evaluate(t, newContext(1), f, in), evaluate(t, cutContext(3), g, in)
			sameBits(t, fmt.Sprint(name, shape), got[g.Outputs[0].Value.ID], want[f.Outputs[0].Value.ID])
		}
	}
}

// TestFuseTypes chooses numbers of one type by a comparison of another, and casts from one to the other by bools.
func TestFuseTypes(t *testing.T) {
	f := graph.NewFunc("f", false)
	x, y := f.Input("x", graph.F32, 4), f.Input("y", graph.F64, 4)
	hit := x.Scale(2).Less(x.Scalar(1))
	f.Output("wide", hit.Not().Where(y.Scale(3), y.Square()))
	f.Output("flags", hit.And(y.Shift(1).Greater(y.Scalar(.5))).Cast(graph.F32).Shift(1).Cast(graph.Bool).Cast(graph.F64).Scale(2))
	f.Output("narrow", y.Less(y.Scalar(0)).Where(x.Scale(3), x.Square()))
	g := graph.Fuse(f)
	in := map[string]*tensor.Tensor{"x": tensor.Of([]float32{-1, .3, .7, 2}, 4), "y": tensor.Of([]float64{-1, .1, 1e-9, 3}, 4)}
	want, got := evaluate(t, newContext(1), f, in), evaluate(t, newContext(1), g, in)
	for k, o := range f.Outputs {
		sameBits(t, o.Name, got[g.Outputs[k].Value.ID], want[o.Value.ID])
	}
}
