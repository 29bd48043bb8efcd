package pass

import (
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler/initializer"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// fastCases are small Funcs of images x f32[batch 2 4 4], and ops that are in what RunFast makes of them, and are not.
var fastCases = []struct {
	name        string
	build       func(f *graph.Func, x value) value
	has, hasNot []string
	rule        *rule
}{
	{name: "convolution", build: func(f *graph.Func, x value) value {
		return x.Conv2D(f.Param("w", initializer.Ones{}, 3, 2, 3, 3), graph.Conv2D{Pads: [4]int{1, 1, 1, 1}})
	}, has: []string{"Gather", "MatMul"}, hasNot: []string{"Conv"}},
	{name: "pooling of what is positive", build: func(f *graph.Func, x value) value {
		y := x.Shift(-.5)
		return y.ReLU().MaxPool(graph.MaxPool{Kernel: [2]int{2, 2}, Strides: [2]int{2, 2}})
	}, has: []string{"Max", "ReLU"}, hasNot: []string{"MaxPoolND"}, rule: &elementRules[0]},
	{name: "gradient of pooling of what is positive", build: func(f *graph.Func, x value) value {
		y := x.Shift(-.5)
		return graph.Grad(y.ReLU().MaxPool(graph.MaxPool{Kernel: [2]int{2, 2}, Strides: [2]int{2, 2}}).Exp().Sum(), y)[0]
	}, has: []string{"Equal"}, hasNot: []string{"MaxPoolScatter", "Step"}, rule: &elementRules[1]},
	{name: "gradient of a leaky unit", build: func(f *graph.Func, x value) value {
		y := x.Shift(-.5)
		return graph.Grad(y.LeakyReLU(.2).Square().Sum(), y)[0]
	}, has: []string{"Clip"}, hasNot: []string{"Step"}, rule: &elementRules[4]},
	{name: "cross-entropy", build: func(f *graph.Func, x value) value {
		t := f.Input("t", graph.F32, batch, 2, 4, 4)
		y := x.Shift(-.5).Scale(20)
		return t.Mul(y.Neg().Softplus()).Add(t.Neg().Shift(1).Mul(y.Softplus()))
	}, has: []string{"Log"}, hasNot: []string{"Softplus"}, rule: &elementRules[2]},
	{name: "weights of two targets", build: func(f *graph.Func, x value) value {
		t, u := f.Input("t", graph.F32, batch, 2, 4, 4), f.Input("u", graph.F32, batch, 2, 4, 4)
		return t.Mul(x.Neg().Softplus()).Add(u.Neg().Shift(1).Mul(x.Softplus()))
	}},
	{name: "gradient of a cross-entropy", build: func(f *graph.Func, x value) value {
		t := f.Input("t", graph.F32, batch, 2, 4, 4)
		y := x.Shift(-.5).Scale(20)
		loss := t.Mul(y.Neg().Softplus()).Add(t.Neg().Shift(1).Mul(y.Softplus()))
		return graph.Grad(loss.Square().Sum(), y)[0]
	}, has: []string{"Sigmoid"}, rule: &elementRules[3]},
	{name: "channels in two orders", build: func(f *graph.Func, x value) value {
		order, other := f.Const(tensor.Of([]int64{1, 0}, 2)), f.Const(tensor.Of([]int64{0, 0}, 2))
		return x.Gather(order, 1).Add(x.Exp().Gather(other, 1))
	}},
	{name: "gradient of filters that are used twice", build: func(f *graph.Func, x value) value {
		w := f.Param("w", initializer.Ones{}, 3, 2, 3, 3)
		y := x.Conv2D(w, graph.Conv2D{}).Square().Sum().Add(x.Exp().Conv2D(w, graph.Conv2D{}).Square().Sum())
		return graph.Grad(y, w)[0]
	}, hasNot: []string{"ConvWeight"}, rule: &moveRules[0]},
}

// TestFast looks at what each case becomes, checks each pass on it at two sizes of the batch, and that each rule applies in its case.
func TestFast(t *testing.T) {
	used := map[*rule]bool{}
	for _, c := range fastCases {
		t.Run(c.name, func(t *testing.T) {
			f := graph.NewFunc("f", true)
			f.Output("y", c.build(f, f.Input("x", graph.F32, batch, 2, 4, 4)))
			if len(f.Diags) > 0 {
				t.Fatal(f.Diags)
			}
			for _, n := range []int{1, 3} {
				if err := CheckFast(context, f, graph.Binding{"batch": n}, 3); err != nil {
					t.Error(err)
				}
			}
			if c.rule != nil {
				used[c.rule] = true
				plain, applies := *c.rule, false
				c.rule.apply = func(m match) *graph.Value {
					y := plain.apply(m)
					applies = applies || y != nil
					return y
				}
				defer func() { *c.rule = plain }()
				defer func() {
					if !applies {
						t.Errorf("%q does not apply", plain.doc)
					}
				}()
			}
			g, err := RunFast(f)
			if err != nil {
				t.Fatal(err)
			}
			var ops []string
			for _, n := range g.Nodes {
				ops = append(ops, graph.OpName(n.Op))
			}
			for _, op := range c.has {
				if !slices.Contains(ops, op) {
					t.Errorf("no %s in %s", op, strings.Join(ops, " "))
				}
			}
			for _, op := range c.hasNot {
				if slices.Contains(ops, op) {
					t.Errorf("%s in %s", op, strings.Join(ops, " "))
				}
			}
		})
	}
	for _, table := range [][]rule{elementRules, moveRules} {
		for i := range table {
			if !used[&table[i]] {
				t.Errorf("%q has no case", table[i].doc)
			}
		}
	}
}
