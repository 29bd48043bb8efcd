package graph_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestFreshMistakes are wrong uses of sizes that only a run tells: each is one mistake, and no panic.
func TestFreshMistakes(t *testing.T) {
	for _, c := range []struct {
		name, want, hint string
		build            func(f *graph.Func, x, mask *graph.Value) // of f32[batch 3] and bool[batch]
	}{
		{"sum of two sizes", "shapes [nonzero_1 3] and [nonzero_2 3] do not broadcast: nonzero_1 against nonzero_2", "align", func(f *graph.Func, x, mask *graph.Value) {
			x.Compress(mask, 0).Add(x.Compress(mask.Not(), 0))
		}},
		{"sum with the axis it was taken from", "nonzero_1 against batch", "", func(f *graph.Func, x, mask *graph.Value) { x.Compress(mask, 0).Add(x) }},
		{"parameter of such a size", `"w" cannot have the shape [nonzero_1]`, "", func(f *graph.Func, x, mask *graph.Value) {
			x.Compress(mask, 0).Sum(1).Mul(f.Param("w", nil, x.Compress(mask, 0).Dim(0)))
		}},
		{"input of such a size", `Input "y": a size of f32[nonzero_1] is known only in a run`, "another name", func(f *graph.Func, x, mask *graph.Value) {
			f.Input("y", graph.F32, x.Compress(mask, 0).Dim(0))
		}},
		{"input of its name", `Input "y": a size of f32[2*nonzero_1] is known only in a run`, "", func(f *graph.Func, x, mask *graph.Value) {
			x.Compress(mask, 0)
			f.Input("y", graph.F32, graph.Sym("nonzero_1").Times(2))
		}},
		{"mask of another size", "the mask is bool[batch], for axis 1 of f32[batch 3]: want bool[3]", "each place", func(f *graph.Func, x, mask *graph.Value) { x.Compress(mask, 1) }},
		{"mask that is none", "Compress: the mask is f32[batch 3], want bool", "compare", func(f *graph.Func, x, mask *graph.Value) { x.Compress(x, 0) }},
		{"mask of rows for elements", "MaskedSelect: the mask is bool[batch], for f32[batch 3]", "Expand", func(f *graph.Func, x, mask *graph.Value) { x.MaskedSelect(mask) }},
		{"places of a scalar", "it is f32[], which has no axis", "Reshape(1)", func(f *graph.Func, x, mask *graph.Value) { x.Sum().NonZero() }},
		{"unique along no axis", "axis 2 is outside", "", func(f *graph.Func, x, mask *graph.Value) { x.UniqueAlong(2) }},
		{"state of a scan", "state 0 is f32[nonzero_1 3], and the body makes it f32[nonzero_2 3]", "keeps", func(f *graph.Func, x, mask *graph.Value) {
			begin, other := x.Compress(mask, 0), x.Compress(mask.Not(), 0)
			f.Repeat(3, values{begin}, func(_ *graph.Value, s []*graph.Value) (next, ys []*graph.Value) { return values{other}, nil })
		}},
		{"result of a scan", "result 0 of the body is f32[nonzero_b1_1], and only a run of the body tells how large that is", "reduce it", func(f *graph.Func, x, mask *graph.Value) {
			f.Scan(nil, values{x}, func(_, x []*graph.Value) (next, ys []*graph.Value) {
				return nil, values{x[0].MaskedSelect(x[0].Greater(x[0].Scalar(0)))}
			})
		}},
		{"result of a choice", "result 0 of the body is i64[1 nonzero_b1_1]", "", func(f *graph.Func, x, mask *graph.Value) {
			find := func() []*graph.Value { return values{mask.NonZero()} }
			f.If(x.Sum().Greater(x.Scalar(0)), find, func() []*graph.Value { return values{f.Full(graph.I64, 0, 1, 0)} })
		}},
		{"random numbers in a body", "as many as only a run of it tells", "as many as there can be", func(f *graph.Func, x, mask *graph.Value) {
			f.Scan(nil, values{x}, func(_, x []*graph.Value) (next, ys []*graph.Value) {
				return nil, values{x[0].MaskedSelect(x[0].Greater(x[0].Scalar(0))).NormalLike().Sum()}
			})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := graph.NewFunc("f", false)
			x := f.Input("x", graph.F32, batch, 3)
			c.build(f, x, f.Input("mask", graph.Bool, batch))
			if len(f.Diags) != 1 || !strings.Contains(f.Diags[0].Msg, c.want) || !strings.Contains(f.Diags[0].Hint, c.hint) {
				t.Errorf("got %v, want %q with the hint %q", f.Diags, c.want, c.hint)
			}
		})
	}
}

// TestFreshSizes holds which sizes are one, and which are not, through copies of a Func.
func TestFreshSizes(t *testing.T) {
	f := graph.NewFunc("f", false)
	f.Input("taken", graph.F32, graph.Sym("nonzero_1"))
	x := f.Input("x", graph.F32, batch)
	a, b := x.Greater(x.Scalar(0)).NonZero(), x.Greater(x.Scalar(0)).NonZero()
	if a.Dim(1) == b.Dim(1) || a.Dim(1).String() != "nonzero_2" {
		t.Errorf("the sizes are %v and %v", a.Dim(1), b.Dim(1))
	}
	if again := x.Compress(b.Args[0], 0); again.Dim(0) != b.Dim(1) {
		t.Errorf("by one mask, the sizes are %v and %v", again.Dim(0), b.Dim(1))
	}
	f.Output("a", f.Full(graph.F32, 1, a.Dim(1)).Sum())             // of its size alone
	f.Output("b", b.Reshape(b.Dim(1)).Unsqueeze(1).Cast(graph.F32)) // of its elements
	g := graph.Prune(f)
	if err := g.Verify(); err != nil {
		t.Fatal(err)
	}
	in := map[string]*tensor.Tensor{"x": tensor.Of([]float32{1, -1, 2, 3}, 4), "taken": tensor.New(graph.F32, 9)}
	for _, f := range []*graph.Func{f, g, graph.Fuse(g)} {
		all := evaluate(t, newContext(1), f, in)
		if n, y := all[f.Outputs[0].Value.ID].At(0), all[f.Outputs[1].Value.ID]; n != 3 || !slices.Equal(y.Float64s(), []float64{0, 2, 3}) {
			t.Errorf("there are %v, at %v", n, y.Float64s())
		}
	}
	i := slices.Index(g.Nodes, g.Late()["nonzero_2"])
	k := slices.IndexFunc(g.Nodes, func(n *graph.Node) bool { return graph.OpName(n.Op) == "Full" && n.Results[0].Rank() == 1 })
	n := g.Nodes[k] // to before the size is told
	g.Nodes = slices.Insert(slices.Delete(g.Nodes, k, k+1), i, n)
	g.Values = g.Values[:0]
	for _, n := range g.Nodes {
		n.Results[0].ID = len(g.Values)
		g.Values = append(g.Values, n.Results[0])
	}
	if err := g.Verify(); err == nil || !strings.Contains(err.Error(), "it has a size that only v5 = NonZero") {
		t.Errorf("a size that is used before it is told: %v", err)
	}
}

// TestFreshIdentity traces a Func twice: what tells it from others is the same, whatever was traced before.
func TestFreshIdentity(t *testing.T) {
	identity := func(mask bool) string {
		f := graph.NewFunc("f", false)
		x := f.Input("x", graph.F32, batch)
		y := x.NonZero()
		if mask {
			y = x.Greater(x.Scalar(0)).NonZero()
		}
		f.Output("y", y.Sum())
		var b bytes.Buffer
		if err := f.WriteIdentity(&b); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	if identity(false) != identity(false) || identity(true) == identity(false) {
		t.Error("Funcs with sizes that only a run tells are not told from others")
	}
}

// evens is an op of another package, made of others, that takes the elements that are even; two sizes are told of it.
type evens struct{ told int }

func (evens) Takes() []graph.Arg { return []graph.Arg{{Name: "x", DTypes: 1 << graph.I64}} }

func (o evens) Infer(in *graph.Infer) ([]graph.Type, error) {
	return []graph.Type{{DType: graph.I64, Shape: graph.Shape{in.Fresh("even")}}}, nil
}

func (evens) Lower(n *graph.Node) []*graph.Value {
	x, f := n.Args[0], n.Func()
	two := f.Full(graph.I64, 2)
	half := x.Cast(graph.F64).Scale(.5).Floor().Cast(graph.I64)
	return []*graph.Value{x.Compress(half.Mul(two).GreaterEqual(x), 0)}
}

// liar tells a size too many.
type liar struct{ evens }

func (liar) Sizes(*kernel.Context, []*tensor.Tensor) ([]int, error) { return []int{1, 2}, nil }

// TestFreshComposite runs an op with such a size that is made of others, and one that tells it wrong.
func TestFreshComposite(t *testing.T) {
	f := graph.NewFunc("f", false)
	x := f.Input("x", graph.I64, batch)
	y := graph.Apply(evens{}, x)
	f.Output("y", y.Add(f.Arange(y.Dim(0))))
	in := map[string]*tensor.Tensor{"x": tensor.Of([]int64{4, 3, -2, 7, 0}, 5)}
	all := evaluate(t, newContext(1), f, in)
	if got := all[f.Outputs[0].Value.ID].Float64s(); !slices.Equal(got, []float64{4, -1, 2}) {
		t.Errorf("the result is %v", got)
	}
	f = graph.NewFunc("f", false)
	graph.Apply(liar{}, f.Input("x", graph.I64, batch))
	if _, err := graph.Evaluate(newContext(1), f, in); err == nil || !strings.Contains(err.Error(), "it tells 2 sizes of 1") {
		t.Errorf("an op that tells a size too many: %v", err)
	}
}

// TestLateBodies runs bodies in which sizes differ from one iteration to the next, inside one another, and captures values with such sizes.
func TestLateBodies(t *testing.T) {
	f := graph.NewFunc("f", false)
	x := f.Input("x", graph.F64, 4, 3)
	zero := x.Scalar(0)
	kept := x.Compress(x.Sum(1).Greater(zero), 0) // [kept 3]
	_, ys := f.Scan(nil, values{x}, func(_, row []*graph.Value) (next, ys []*graph.Value) {
		some := row[0].MaskedSelect(row[0].Greater(zero)) // [nonzero_b1_1]
		inner, _ := f.Scan(values{zero}, values{some}, func(s, e []*graph.Value) (next, ys []*graph.Value) {
			return values{s[0].Add(e[0].Mul(kept.MaskedSelect(kept.Greater(e[0].Expand(kept.Shape()...))).Sum()))}, nil
		})
		return nil, inner
	})
	y := ys[0].Sum()
	g := graph.Grad(y, x)[0]
	if len(f.Diags) > 0 {
		t.Fatal(f.Diags)
	}
	if err := f.Verify(); err != nil {
		t.Fatal(err)
	}
	in := map[string]*tensor.Tensor{"x": tensor.Of([]float64{.1, .5, -.3, -1, -2, -3, .7, .2, .9, -.4, .6, .8}, 4, 3)}
	plain := func() float64 {
		at := func(i, j int) float64 { return in["x"].At(3*i + j) }
		total := 0.
		for i := range 4 {
			for j := range 3 {
				if e := at(i, j); e > 0 {
					for k := range 4 {
						if at(k, 0)+at(k, 1)+at(k, 2) <= 0 {
							continue
						}
						for l := range 3 {
							if at(k, l) > e {
								total += e * at(k, l)
							}
						}
					}
				}
			}
		}
		return total
	}
	all := evaluate(t, newContext(1), f, in)
	if got := all[y.ID].At(0); !near(got, plain(), 1e-12) {
		t.Errorf("the sum is %v, want %v", got, plain())
	}
	for i := range 12 {
		const h = 1e-6
		old := in["x"].At(i)
		in["x"].Set(i, old+h)
		hi := plain()
		in["x"].Set(i, old-h)
		lo := plain()
		in["x"].Set(i, old)
		if got, want := all[g.ID].At(i), (hi-lo)/(2*h); !near(got, want, 1e-6) {
			t.Errorf("the gradient at %d is %v, finite differences say %v", i, got, want)
		}
	}
}
