package pass

import (
	"math"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler/initializer"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// TestScaleProducts has products of x f32[batch 3] and itself, transposed, that are read in several ways: each product's Alpha, and how many
// Scales are left of those of matrices. Numbers stay the same.
func TestScaleProducts(t *testing.T) {
	for _, c := range []struct {
		name   string
		build  func(f *graph.Func, g value)
		alpha  float64
		scales int
	}{
		{"moments", func(f *graph.Func, g value) {
			m, v := f.Param("m", initializer.Ones{}, 3, 3), f.Param("v", initializer.Ones{}, 3, 3)
			f.Output("m2", m.Lerp(g, .1))
			f.Output("v2", v.Lerp(g.Square(), .03))
			f.Output("norm", g.Square().Sum().Sqrt())
		}, .2, 3},
		{"another factor", func(f *graph.Func, g value) {
			f.Output("a", g.Scale(-.5))
			f.Output("b", g.Scale(3).Exp())
		}, -1, 1},
		{"moved", func(f *graph.Func, g value) {
			f.Output("a", g.Reshape(9).Scale(.5))
			f.Output("b", g.T().Square().Scale(4))
			f.Output("sums", g.Reshape(9).Sum(0).Add(g.Sum()))
		}, 1, 1},
		{"an output", func(f *graph.Func, g value) {
			f.Output("a", g.Scale(.5))
			f.Output("b", g)
		}, 2, 1},
		{"read as it is", func(f *graph.Func, g value) { f.Output("a", g.Scale(.5).Add(g)) }, 2, 1},
		{"a square read as it is", func(f *graph.Func, g value) {
			f.Output("a", g.Scale(.5))
			f.Output("b", g.Square().Exp())
		}, 2, 1},
		{"only squared", func(f *graph.Func, g value) { f.Output("a", g.Square().Scale(.5)) }, 2, 1},
		{"a factor far from 1", func(f *graph.Func, g value) {
			f.Output("a", g.Scale(1e-6))
			f.Output("b", g.Square().Sum())
		}, 2, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := graph.NewFunc("f", true)
			x := f.Input("x", graph.F32, batch, 3)
			c.build(f, graph.Apply(graph.Gemm{Alpha: 2, Beta: 1, TransA: true}, x, x))
			if len(f.Diags) > 0 {
				t.Fatal(f.Diags)
			}
			if err := CheckFast(context, f, graph.Binding{"batch": 5}, 3); err != nil {
				t.Error(err)
			}
			g, err := RunFast(f)
			if err != nil {
				t.Fatal(err)
			}
			scales, alpha := 0, 0.
			for _, n := range g.Nodes {
				switch o := n.Op.(type) {
				case graph.Gemm:
					alpha = o.Alpha
				case graph.Scale:
					if n.Results[0].Rank() > 0 {
						scales++
					}
				}
			}
			if math.Abs(alpha-c.alpha) > 1e-12 || scales != c.scales {
				t.Errorf("the product has Alpha %v and %d scales are left, want %v and %d:\n%v", alpha, scales, c.alpha, c.scales, g)
			}
		})
	}
}
