package graph_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestFuse fuses a Func with trees, values of several uses and broadcasts, and wants fewer values and the same bits.
func TestFuse(t *testing.T) {
	const n = 3000 // more than a block
	f := graph.NewFunc("f", false)
	a, b := f.Input("a", graph.F32, n, 2), f.Input("b", graph.F32, 2)
	s := f.Input("s", graph.F32)
	x := a.Add(b).ReLU()                                           // a row broadcast inside a tree
	twice := a.Square().Scale(.5)                                  // used twice: stays a value
	y := x.Mul(s).Sub(twice.Shift(1).Sqrt()).Div(b.Exp().Shift(1)) // b's tree has another shape
	f.Output("y", y)
	f.Output("z", twice.Neg().Tanh().Sum(0).Sigmoid())
	f.Output("wide", a.Add(b).Add(s).Mul(x).Mul(twice).Add(y).Lerp(a, .3).Max(b))
	g := graph.Fuse(f)
	if err := g.Verify(); err != nil {
		t.Fatal(err)
	}
	fused := 0
	for _, v := range g.Values {
		if _, ok := v.Op.(graph.Fused); ok {
			fused++
		}
	}
	squares := 0 // of twice, which two values use: it is computed once
	for _, n := range g.Nodes {
		squares += strings.Count(graph.OpText(n.Op), "Square")
	}
	if squares != 1 {
		t.Errorf("a value of two users is computed %d times", squares)
	}
	if fused < 4 || len(g.Values) >= len(f.Values)-6 {
		t.Errorf("%d fused ops in %d values, from %d", fused, len(g.Values), len(f.Values))
	}
	in := map[string]*tensor.Tensor{}
	for _, v := range f.Inputs {
		shape, _ := v.Shape().Eval(nil)
		in[v.Name] = graph.Sample{In: []graph.SampleInput{{Shape: shape}}}.Inputs(graph.F32)[0]
	}
	for _, threads := range []int{1, 3} {
		want, got := evaluate(t, newContext(threads), f, in), evaluate(t, cutContext(threads), g, in)
		for k, o := range f.Outputs {
			w, h := want[o.Value.ID], got[g.Outputs[k].Value.ID]
			for i := range w.Len() {
				if w.At(i) != h.At(i) {
					t.Fatalf("%s[%d] is %v fused, %v before", o.Name, i, h.At(i), w.At(i))
				}
			}
		}
	}
}

// TestFuseRandom fuses random graphs over operands that broadcast in every way, with more arguments in a tree than a fused
// op takes, sums and what must be finite, and wants the same bits on any number of goroutines, and of the ops that fused ones are made of.
func TestFuseRandom(t *testing.T) {
	var fused, results, looked int
	kinds := map[string]int{} // of steps and of reductions
	for seed := range uint64(120) {
		f, in := randomElementwise(rand.New(rand.NewPCG(seed, 1)), []graph.DType{graph.F32, graph.F64}[seed%2])
		g := graph.Fuse(f)
		if err := g.Verify(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for _, n := range g.Nodes {
			if o, ok := n.Op.(graph.Fused); ok {
				fused, results, looked = fused+1, results+len(o.Results), looked+len(o.Finite)
				for _, s := range o.Steps {
					kinds[graph.OpName(s.Op)]++
				}
				for _, r := range o.Reductions {
					kinds["of "+graph.OpName(r.Op)]++
					if sum, ok := r.Op.(graph.Sum); ok {
						kinds[fmt.Sprint("of Sum ", sum.Axes)]++
					}
				}
			}
		}
		apart := graph.Lower(g, func(n *graph.Node) bool { _, ok := n.Op.(graph.Fused); return !ok })
		want := evaluate(t, newContext(1), f, in)
		for _, threads := range []int{1, 2, 5, 0} {
			c := cutContext(threads)
			if threads == 0 {
				c, g = newContext(1), apart
			}
			got := evaluate(t, c, g, in)
			for k, o := range f.Outputs {
				w, h := want[o.Value.ID], got[g.Outputs[k].Value.ID]
				for i := range w.Len() {
					if a, b := h.At(i), w.At(i); math.Float64bits(a) != math.Float64bits(b) && (a == a || b == b) {
						t.Fatalf("seed %d, %d threads: %s[%d] is %v fused, %v before:\n%v", seed, threads, o.Name, i, a, b, g)
					}
				}
			}
		}
	}
	if fused < 120 || results < 240 || looked < 30 {
		t.Errorf("only %d fused ops, %d results, %d looked at", fused, results, looked)
	}
	for _, kind := range []string{"Less", "LessEqual", "Greater", "GreaterEqual", "Equal", "Not", "And", "Or", "Where", "Cast", "Dropout", "RandomUniform",
		"RandomNormal", "of ReduceMax", "of Sum", "of Sum [0]", "of Sum [1]", "of Sum [0 2]"} {
		if kinds[kind] < 3 {
			t.Errorf("only %d %s", kinds[kind], kind)
		}
	}
}

// TestFuseAllTrue wants what several fused ops say of finite elements to be put together by one op, which sees each.
func TestFuseAllTrue(t *testing.T) {
	f := graph.NewFunc("f", false)
	x, y, z := f.Input("x", graph.F32, 3), f.Input("y", graph.F32, 4), f.Input("z", graph.F32, 5)
	f.Output("ok", x.Square().Neg().AllFinite(y.Square().Neg(), z.Square().Neg()))
	h := graph.Fuse(f)
	if n := h.Nodes[len(h.Nodes)-1]; len(h.Nodes) != 7 || graph.OpName(n.Op) != "AllTrue" || len(n.Args) != 3 {
		t.Fatalf("want three fused ops and one for all:\n%v", h)
	}
	lowered := graph.Lower(h, func(n *graph.Node) bool { return graph.OpName(n.Op) != "AllTrue" })
	for bad := range 8 {
		in := map[string]*tensor.Tensor{}
		for i, name := range []string{"x", "y", "z"} {
			in[name] = tensor.New(graph.F32, 3+i)
			if bad>>i&1 == 1 {
				in[name].Set(i, 1e30)
			}
		}
		for _, f := range []*graph.Func{h, lowered} {
			if ok := evaluate(t, cutContext(2), f, in)[f.Outputs[0].Value.ID]; ok.At(0) != 1 != (bad != 0) {
				t.Errorf("%03b are not finite: %v", bad, ok)
			}
		}
	}
}

// TestFuseAdam wants an update of Adam, the sum that the gradient's norm is made of and the word on the new state to be one op, which sees each
// element that is not finite.
func TestFuseAdam(t *testing.T) {
	const n = 2500
	f := graph.NewFunc("f", false)
	in := map[string]*tensor.Tensor{"rate": tensor.Scalar(float32(.1)), "eps": tensor.Scalar(float32(1e-8))}
	input := func(name string) *graph.Value {
		in[name] = graph.Sample{In: []graph.SampleInput{{Shape: []int{n}, Lo: .1, Hi: 1}}}.Inputs(graph.F32)[0]
		return f.Input(name, graph.F32, n)
	}
	p, m, v, g := input("p"), input("m"), input("v"), input("g")
	square := g.Square()
	m2, v2 := m.Lerp(g, .1), v.Lerp(square, .001)
	p2 := p.Sub(m2.Mul(f.Input("rate", graph.F32)).Div(v2.Sqrt().Add(f.Input("eps", graph.F32))))
	for name, x := range map[string]*graph.Value{"m": m2, "v": v2, "p": p2, "norm": square.Sum(), "ok": p2.AllFinite(m2, v2)} {
		f.Output(name, x)
	}
	h := graph.Fuse(f)
	if last := h.Nodes[len(h.Nodes)-1]; len(h.Nodes) != 7 || len(last.Results) != 5 {
		t.Fatalf("want one op with five results:\n%v", h)
	}
	ok := func() bool {
		out := evaluate(t, cutContext(2), h, in)
		for _, o := range h.Outputs {
			if o.Name == "ok" {
				return out[o.Value.ID].At(0) != 0
			}
		}
		return false
	}
	if !ok() {
		t.Error("all is finite")
	}
	for _, name := range []string{"p", "m", "v", "g"} {
		for _, at := range []int{0, 1023, 1024, n - 1} {
			old := in[name].At(at)
			if in[name].Set(at, math.Inf(1)); ok() {
				t.Errorf("element %d of %s is infinite", at, name)
			}
			in[name].Set(at, old)
		}
	}
}

// randomElementwise is a Func of 30 ops that go element by element on 12 inputs that broadcast, with values for the inputs, sums over axes
// and words on what is finite.
func randomElementwise(r *rand.Rand, dtype graph.DType) (*graph.Func, map[string]*tensor.Tensor) {
	f := graph.NewFunc("f", true)
	full := [][]int{{1100, 3}, {40, 300}, {7, 8}, {1, 1}, {300, 17}, {3, 1030}, {2, 5, 3, 3}, {3, 4, 20, 15}, {1, 6, 70}, {150, 1, 2}, {2, 3000}, {5, 2, 900}}[r.IntN(12)]
	in := map[string]*tensor.Tensor{}
	var values, flags []*graph.Value
	for i := range 12 {
		shape := slices.Clone(full)
		if i > 2 {
			shape = shape[r.IntN(len(full)+1):]
			for k := range shape {
				if r.IntN(3) == 0 {
					shape[k] = 1
				}
			}
		}
		t := dtype
		if i%4 == 2 {
			t = graph.Bool
		}
		x := tensor.New(t, shape...)
		for k := range x.Len() {
			if x.Set(k, r.NormFloat64()); t == graph.Bool {
				x.Set(k, float64(r.IntN(2)))
			} else if r.IntN(9) == 0 {
				x.Set(k, []float64{0, math.Copysign(0, -1), 1}[r.IntN(3)])
			}
		}
		var dims []graph.Dim
		for _, n := range x.Shape() {
			dims = append(dims, graph.Dim(n))
		}
		name := fmt.Sprint("x", i)
		in[name] = x
		if v := f.Input(name, t, dims...); t == graph.Bool {
			flags = append(flags, v)
		} else {
			values = append(values, v)
		}
	}
	late := func(list []*graph.Value) *graph.Value {
		if r.IntN(2) == 0 {
			return list[len(list)-1-r.IntN(min(4, len(list)))] // so that chains grow long
		}
		return list[r.IntN(len(list))]
	}
	pick, flag := func() *graph.Value { return late(values) }, func() *graph.Value { return late(flags) }
	ops := []func(a, b *graph.Value) *graph.Value{
		(*graph.Value).Add, (*graph.Value).Sub, (*graph.Value).Mul, (*graph.Value).Div, (*graph.Value).Max,
		func(a, b *graph.Value) *graph.Value { return a.Lerp(b, .3) },
		func(a, _ *graph.Value) *graph.Value { return a.Sigmoid() },
		func(a, _ *graph.Value) *graph.Value { return a.Exp() },
		func(a, _ *graph.Value) *graph.Value { return a.ReLU() },
		func(a, _ *graph.Value) *graph.Value { return a.LeakyReLU(.2).Mul(a.Step()) },
		func(a, _ *graph.Value) *graph.Value { return a.Scale(.7) },
		func(a, _ *graph.Value) *graph.Value { return a.Sub(a.MeanKeep()) }, // a is needed before the difference
		func(a, b *graph.Value) *graph.Value { return flag().Where(a, b) },
		func(a, b *graph.Value) *graph.Value { return flag().Where(a, a.Scalar(0)) },
		func(a, b *graph.Value) *graph.Value { return flag().Cast(dtype).Mul(a) },
		func(a, _ *graph.Value) *graph.Value { return a.Dropout(.4) },
		func(a, _ *graph.Value) *graph.Value { return a.UniformLike().Add(a) },
		func(a, _ *graph.Value) *graph.Value { return a.Add(a.NormalLike()) },
	}
	tests := []func(a, b *graph.Value) *graph.Value{
		(*graph.Value).Less, (*graph.Value).LessEqual, (*graph.Value).Greater, (*graph.Value).GreaterEqual, (*graph.Value).Equal,
		func(a, _ *graph.Value) *graph.Value { return a.Cast(graph.Bool) },
		func(_, _ *graph.Value) *graph.Value { return flag().And(flag()) },
		func(_, _ *graph.Value) *graph.Value { return flag().Or(flag()) },
		func(_, _ *graph.Value) *graph.Value { return flag().Not() },
		func(a, b *graph.Value) *graph.Value { return a.Less(b).And(a.Greater(a.Scalar(-1))) },
	}
	for range 30 {
		values = append(values, ops[r.IntN(len(ops))](pick(), pick()))
		if r.IntN(3) == 0 {
			flags = append(flags, tests[r.IntN(len(tests))](pick(), pick()))
		}
	}
	for i := range 3 {
		f.Output(fmt.Sprint("y", i), values[len(values)-1-2*i])
	}
	f.Output("flags", flags[len(flags)-1])
	sums := 0
	sum := func(v *graph.Value) {
		f.Output(fmt.Sprint("sum", sums), v)
		sums++
	}
	for range 4 {
		sum(pick().Sum())
		sum(pick().ReduceMax())
	}
	for _, v := range values[len(values)-6:] {
		switch n := v.Rank(); r.IntN(4) {
		case 0:
			if n > 0 {
				sum(v.SumKeep(0))
			}
		case 1:
			if n > 0 {
				sum(v.Sum(-1))
				sum(v.Square().SumKeep(-1))
			}
		case 2:
			if n > 2 {
				sum(v.Sum(0, -1))
			}
		case 3:
			if n > 1 {
				sum(v.Scale(2).Sum(0))
				sum(v.SumKeep(0))
			}
		}
	}
	f.Output("finite", pick().AllFinite(pick(), pick()))
	if len(f.Diags) > 0 {
		panic(f.Diags)
	}
	for _, v := range f.Params { // the random state
		x := tensor.New(graph.I64, 2)
		x.Set(0, 5)
		x.Set(1, 7)
		in[v.Name] = x
	}
	return f, in
}

// TestFuseText sees that the text form of a fused op, its identity, names the ops.
func TestFuseText(t *testing.T) {
	text := func(build func(x *graph.Value) *graph.Value) string {
		f := graph.NewFunc("f", false)
		f.Output("y", build(f.Input("x", graph.F32, 4)))
		return graph.OpText(graph.Fuse(f).Outputs[0].Value.Op)
	}
	got := text(func(x *graph.Value) *graph.Value { return x.Square().Scale(2).Add(x) })
	if want := "Fused{Steps:[Square[0] Scale{By:2}[-1] Add[-2 0]]}"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if other := text(func(x *graph.Value) *graph.Value { return x.Exp().Scale(2).Add(x) }); other == got {
		t.Errorf("two ops are both %s", got)
	}
}

// TestFuseGradient differentiates a fused op, against the gradient of what it is made of.
func TestFuseGradient(t *testing.T) {
	build := func(fuse bool) []float64 {
		f := graph.NewFunc("f", false)
		x := f.Input("x", graph.F64, 4)
		f.Output("y", x.Square().Shift(1).Sqrt().Mul(x.Exp()))
		if fuse {
			f = graph.Fuse(f)
			if _, ok := f.Outputs[0].Value.Op.(graph.Fused); !ok {
				t.Fatal("nothing was fused")
			}
		}
		g := graph.Grad(f.Outputs[0].Value, f.Inputs[0])[0]
		if len(f.Diags) > 0 {
			t.Fatal(f.Diags)
		}
		in := map[string]*tensor.Tensor{"x": tensor.Of([]float64{-1, .2, 0, 2}, 4)}
		return evaluate(t, newContext(1), f, in)[g.ID].Float64s()
	}
	got, want := build(true), build(false)
	for i := range want {
		if !near(got[i], want[i], 1e-12) {
			t.Errorf("gradient %d is %v fused, %v before", i, got[i], want[i])
		}
	}
}
