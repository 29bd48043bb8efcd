package graph_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

type values = []*graph.Value

// TestBodyMistakes are wrong uses of bodies: each is one mistake, with a hint and the line, and no panic.
func TestBodyMistakes(t *testing.T) {
	for _, c := range []struct {
		name, want string
		build      func(f *graph.Func, x, s *graph.Value)
	}{
		{"nothing scanned", "Scan: nothing is scanned", func(f *graph.Func, x, s *graph.Value) {
			f.Scan(values{s}, nil, func(s, _ []*graph.Value) (next, ys []*graph.Value) { return s, nil })
		}},
		{"no axis", "the scanned value 0 is f32[], which has no axis", func(f *graph.Func, x, s *graph.Value) {
			f.Scan(values{s}, values{x.Sum()}, func(s, _ []*graph.Value) (next, ys []*graph.Value) { return s, nil })
		}},
		{"two lengths", "the scanned value 1 is f32[3], and others have 4 elements", func(f *graph.Func, x, s *graph.Value) {
			f.Scan(values{s}, values{x, s}, func(s, _ []*graph.Value) (next, ys []*graph.Value) { return s, nil })
		}},
		{"a nil value", "Scan: value 0 is nil", func(f *graph.Func, x, s *graph.Value) {
			f.Scan(values{nil}, values{x}, func(s, _ []*graph.Value) (next, ys []*graph.Value) { return s, nil })
		}},
		{"a nil result", "Scan: result 0 of the body is nil", func(f *graph.Func, x, s *graph.Value) {
			f.Scan(values{s}, values{x}, func(s, _ []*graph.Value) (next, ys []*graph.Value) { return values{nil}, nil })
		}},
		{"a state too few", "the body returns 0 states of 1", func(f *graph.Func, x, s *graph.Value) {
			f.Scan(values{s}, values{x}, func(_, x []*graph.Value) (next, ys []*graph.Value) { return nil, x })
		}},
		{"a state that grows", "state 0 is f32[3], and the body makes it f32[6]", func(f *graph.Func, x, s *graph.Value) {
			f.Scan(values{s}, values{x}, func(s, x []*graph.Value) (next, ys []*graph.Value) {
				return values{graph.Join(0, s[0], x[0])}, nil
			})
		}},
		{"nothing comes of it", "nothing comes of it", func(f *graph.Func, x, s *graph.Value) {
			f.Scan(nil, values{x}, func(_, _ []*graph.Value) (next, ys []*graph.Value) { return nil, nil })
		}},
		{"a mistake in the body", "MatMul: ", func(f *graph.Func, x, s *graph.Value) {
			final, ys := f.Scan(values{s}, values{x}, func(s, x []*graph.Value) (next, ys []*graph.Value) { return s, values{x[0].MatMul(x[0])} })
			final[0].Add(ys[0])
		}},
		{"a value that leaks", "Tanh: it is of a value that was made in the body", func(f *graph.Func, x, s *graph.Value) {
			var leak *graph.Value
			f.Scan(values{s}, values{x}, func(s, x []*graph.Value) (next, ys []*graph.Value) { leak = x[0].Exp(); return s, nil })
			leak.Tanh()
		}},
		{"an output that leaks", `Output "y": the value belongs to`, func(f *graph.Func, x, s *graph.Value) {
			var leak *graph.Value
			f.Repeat(3, values{s}, func(i *graph.Value, s []*graph.Value) (next, ys []*graph.Value) { leak = i; return s, nil })
			f.Output("y", leak)
		}},
		{"a value of another body", "result 0 of the body belongs to another body", func(f *graph.Func, x, s *graph.Value) {
			var leak *graph.Value
			f.Repeat(3, values{s}, func(i *graph.Value, s []*graph.Value) (next, ys []*graph.Value) { leak = i; return s, nil })
			f.Repeat(3, values{s}, func(_ *graph.Value, s []*graph.Value) (next, ys []*graph.Value) { return s, values{leak} })
		}},
		{"an input", `Input "z": it is declared in the body`, func(f *graph.Func, x, s *graph.Value) {
			f.Repeat(3, values{s}, func(_ *graph.Value, s []*graph.Value) (next, ys []*graph.Value) {
				return values{s[0].Add(f.Input("z", graph.F32, 3))}, nil
			})
		}},
		{"an output", `Output "z": it is named in the body`, func(f *graph.Func, x, s *graph.Value) {
			f.Repeat(3, values{s}, func(_ *graph.Value, s []*graph.Value) (next, ys []*graph.Value) { f.Output("z", s[0]); return s, nil })
		}},
		{"an update", `Update of "b": it is in the body`, func(f *graph.Func, x, s *graph.Value) {
			f.Repeat(3, values{s}, func(_ *graph.Value, s []*graph.Value) (next, ys []*graph.Value) {
				b := f.Buffer("b", graph.F32, nil, 3)
				f.Update(b, b.Add(s[0]))
				return s, nil
			})
		}},
		{"random numbers in a loop", "random numbers are drawn in the body of a Loop", func(f *graph.Func, x, s *graph.Value) {
			f.Loop(3, values{s}, func(_ *graph.Value, s []*graph.Value) (*graph.Value, []*graph.Value) {
				n := s[0].Add(s[0].NormalLike())
				return n.Sum().Less(n.Scalar(1)), values{n}
			})
		}},
		{"the random state", "Random: it is asked for in the body", func(f *graph.Func, x, s *graph.Value) {
			f.Repeat(3, values{s}, func(_ *graph.Value, s []*graph.Value) (next, ys []*graph.Value) {
				state, _ := f.Random()
				return s, values{state}
			})
		}},
		{"a loop of no iteration", "it runs at most 0 times", func(f *graph.Func, x, s *graph.Value) {
			f.Loop(0, values{s}, func(i *graph.Value, s []*graph.Value) (*graph.Value, []*graph.Value) { return i.Less(i), s })
		}},
		{"a loop that goes on by a vector", "what says whether to go on is bool[3], want bool[]", func(f *graph.Func, x, s *graph.Value) {
			f.Loop(9, values{s}, func(_ *graph.Value, s []*graph.Value) (*graph.Value, []*graph.Value) { return s[0].Less(s[0]), s })
		}},
		{"a condition with axes", "the condition is bool[3], want bool[]", func(f *graph.Func, x, s *graph.Value) {
			f.If(s.Less(s), func() []*graph.Value { return values{s} }, func() []*graph.Value { return values{s} })
		}},
		{"branches of two types", "result 0 is f32[3] in one body, f32[4 3] in the other", func(f *graph.Func, x, s *graph.Value) {
			f.If(s.Sum().Less(x.Sum()), func() []*graph.Value { return values{s} }, func() []*graph.Value { return values{x} })
		}},
		{"branches of two lengths", "one body returns 1 values, the other 2", func(f *graph.Func, x, s *graph.Value) {
			f.If(s.Sum().Less(x.Sum()), func() []*graph.Value { return values{s} }, func() []*graph.Value { return values{s, x} })
		}},
		{"a size that nothing has", "the size lonely is needed in the body", func(f *graph.Func, x, s *graph.Value) {
			f.Repeat(3, values{s}, func(_ *graph.Value, s []*graph.Value) (next, ys []*graph.Value) {
				return s, values{f.Full(graph.F32, 1, graph.Sym("lonely"))}
			})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := graph.NewFunc("f", false)
			c.build(f, f.Input("x", graph.F32, 4, 3), f.Input("s", graph.F32, 3))
			if len(f.Diags) != 1 || !strings.Contains(f.Diags[0].Msg, c.want) || f.Diags[0].Hint == "" || !strings.Contains(f.Diags[0].Pos.File, "body_test.go") {
				t.Errorf("want one mistake, %q, have %v", c.want, f.Diags)
			}
		})
	}
}

// TestScanOrder holds scans to what plain loops give where states change places, go on as they are, or there is nothing to scan.
func TestScanOrder(t *testing.T) {
	for _, length := range []int{0, 1, 5} {
		f := graph.NewFunc("f", false)
		n := graph.Sym("n")
		x, a := f.Input("x", graph.F64, n), f.Input("a", graph.F64)
		// Fibonacci's numbers, and the states of each step; a third state goes on as it is
		final, ys := f.Scan(values{a.Shift(1), a, a.Scale(7)}, values{x}, func(s, x []*graph.Value) (next, ys []*graph.Value) {
			return values{s[0].Add(s[1]), s[0], s[2]}, values{s[1], x[0].Mul(s[2]), s[1]}
		})
		list := slices.Concat(final, ys)
		in := map[string]*tensor.Tensor{"x": tensor.New(graph.F64, length), "a": tensor.Scalar(1.)}
		var want [][]float64
		s, t0, fs, xs := 1., 2., []float64{}, []float64{}
		for i := range length {
			in["x"].Set(i, float64(i+2))
			fs, xs = append(fs, s), append(xs, 7*float64(i+2))
			s, t0 = t0, s+t0
		}
		want = append(want, []float64{t0}, []float64{s}, []float64{7}, fs, xs, fs)
		if len(f.Diags) > 0 {
			t.Fatal(f.Diags)
		}
		if err := f.Verify(); err != nil {
			t.Fatal(err)
		}
		all := evaluate(t, newContext(1), f, in)
		for i, v := range list {
			if got := all[v.ID].Float64s(); !slices.Equal(got, want[i]) {
				t.Errorf("%d elements: result %d is %v, want %v", length, i, got, want[i])
			}
		}
	}
}

// TestBodyDraws draws in bodies: others in each iteration, as those that are drawn outside at once; in a choice as outside.
func TestBodyDraws(t *testing.T) {
	f := graph.NewFunc("f", true)
	s := f.Input("s", graph.F32, 3)
	draws := func(f *graph.Func, rows graph.Dim) values {
		_, ys := f.Repeat(rows, values{s}, func(_ *graph.Value, s []*graph.Value) (next, ys []*graph.Value) {
			_, inner := f.Repeat(2, nil, func(*graph.Value, []*graph.Value) (next, ys []*graph.Value) {
				return nil, values{f.RandomUniform(graph.F32, 2)}
			})
			return s, values{s[0].NormalLike(), inner[0], f.Full(graph.F32, 1, 50).Dropout(.5)}
		})
		return append(ys[:3], f.If(s.Sum().Less(s.Scalar(1e9)), func() []*graph.Value { return values{s.NormalLike()} }, func() []*graph.Value { return values{s} })...)
	}
	got := draws(f, 4)
	plain := graph.NewFunc("f", true)
	uniform := plain.RandomUniform(graph.F32, 4, 2, 2) // the streams are in the order of the draws
	want := values{plain.RandomNormal(graph.F32, 4, 3), uniform, plain.RandomUniform(graph.F32, 4, 50), plain.RandomNormal(graph.F32, 3)}
	if len(f.Diags) > 0 {
		t.Fatal(f.Diags)
	}
	if err := f.Verify(); err != nil {
		t.Fatal(err)
	}
	state := tensor.Of([]int64{5, 9}, 2)
	all := evaluate(t, newContext(1), f, map[string]*tensor.Tensor{"s": tensor.New(graph.F32, 3), graph.RandomState: state})
	outside := evaluate(t, newContext(1), plain, map[string]*tensor.Tensor{graph.RandomState: state})
	for i, v := range got {
		g, w := all[v.ID], outside[want[i].ID]
		if !slices.Equal(g.Shape(), w.Shape()) {
			t.Fatalf("draw %d is %v, want %v", i, g, w)
		}
		for k := range w.Len() {
			e := w.At(k)
			if i == 2 { // dropped
				if e < .5 {
					e = 0
				} else {
					e = 2
				}
			}
			if g.At(k) != e {
				t.Fatalf("draw %d, element %d is %v, drawn outside %v", i, k, g.At(k), e)
			}
		}
	}
}

// TestBodyGradient takes a gradient inside a body, by a value of it and by one from outside, and differentiates what comes of it: a few
// steps down the gradient of (w·s − 1)², whose end's derivative by w finite differences know.
func TestBodyGradient(t *testing.T) {
	f := graph.NewFunc("f", false)
	s, w := f.Input("s", graph.F64, 2), f.Input("w", graph.F64, 2)
	final, ys := f.Repeat(3, values{s}, func(_ *graph.Value, s []*graph.Value) (next, ys []*graph.Value) {
		loss := w.Mul(s[0]).Shift(-1).Square().Sum()
		g := graph.Grad(loss, s[0], w)
		return values{s[0].Sub(g[0].Scale(.1)).Mish()}, values{g[1]}
	})
	y := final[0].Sum().Add(ys[0].Square().Sum())
	grads := graph.Grad(y, s, w)
	if len(f.Diags) > 0 {
		t.Fatal(f.Diags)
	}
	if err := f.Verify(); err != nil {
		t.Fatal(err)
	}
	in := map[string]*tensor.Tensor{"s": tensor.Of([]float64{.3, -.8}, 2), "w": tensor.Of([]float64{1.2, .7}, 2)}
	all := evaluate(t, newContext(1), f, in)
	x, state := [2]float64{1.2, .7}, [2]float64{.3, -.8}
	if got, want := all[ys[0].ID].At(0), 2*(x[0]*state[0]-1)*state[0]; !near(got, want, 1e-12) {
		t.Errorf("the first gradient by w is %v, want %v", got, want)
	}
	for i, name := range []string{"s", "w"} {
		differences(t, name, newContext(1), f, in, in[name], all[grads[i].ID], y, i)
	}
}

// TestBodyParams asks for parameters in a body: they are those of the Func, and the same where it asks again.
func TestBodyParams(t *testing.T) {
	f := graph.NewFunc("f", true)
	s := f.Input("s", graph.F32, 2)
	inside := f.Param("w", nil, 2)
	final, _ := f.Repeat(2, values{s}, func(_ *graph.Value, s []*graph.Value) (next, ys []*graph.Value) {
		return values{s[0].Mul(s[0].Func().Param("w", nil, 2)).Add(f.Param("b", nil, 2))}, nil
	})
	if len(f.Params) != 2 || f.Param("w", nil, 2) != inside || f.Lookup("b") == nil {
		t.Errorf("the parameters are %v", f.Params)
	}
	if !slices.Equal(graph.Reaches(final[0], inside, f.Lookup("b"), s), []bool{true, true, true}) {
		t.Error("no gradient flows to parameters that a body uses")
	}
	if len(f.Diags) > 0 {
		t.Fatal(f.Diags)
	}
}

// TestBodyIdentity tells Funcs by their bodies alone, prints them, and copies them.
func TestBodyIdentity(t *testing.T) {
	build := func(by float64) *graph.Func {
		f := graph.NewFunc("f", false)
		final, _ := f.Repeat(2, values{f.Input("s", graph.F32, 2)}, func(_ *graph.Value, s []*graph.Value) (next, ys []*graph.Value) {
			return values{s[0].Scale(by).Mish()}, nil
		})
		f.Output("y", final[0])
		return f
	}
	identity := func(f *graph.Func) string {
		var b bytes.Buffer
		if err := f.WriteIdentity(&b); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	if identity(build(2)) != identity(build(2)) || identity(build(2)) == identity(build(3)) {
		t.Error("Funcs are not told by their bodies")
	}
	f := build(2)
	if text := f.String(); !strings.Contains(text, "      v2 = Scale{By:2} v0 : f32[2]") {
		t.Errorf("the text lacks the body:\n%s", text)
	}
	if identity(graph.Prune(f)) != identity(f) {
		t.Error("a copy has another body")
	}
	lowered := graph.Lower(f, func(n *graph.Node) bool { return graph.OpName(n.Op) != "Mish" })
	if text := lowered.String(); strings.Contains(text, "Mish") || !strings.Contains(text, "Softplus") || !strings.Contains(f.String(), "Mish") {
		t.Errorf("the body is not lowered, or not a copy:\n%s", text)
	}
	in := map[string]*tensor.Tensor{"s": tensor.Of([]float32{.3, -2}, 2)}
	want := evaluate(t, newContext(1), f, in)[f.Outputs[0].Value.ID]
	for _, g := range []*graph.Func{lowered, graph.Fuse(lowered), graph.Prune(f)} {
		if err := g.Verify(); err != nil {
			t.Fatal(err)
		}
		if got := evaluate(t, newContext(1), g, in)[g.Outputs[0].Value.ID]; fmt.Sprint(got.Float64s()) != fmt.Sprint(want.Float64s()) && !near(got.At(0), want.At(0), 1e-6) {
			t.Errorf("the copy gives %v, want %v", got.Float64s(), want.Float64s())
		}
	}
}
