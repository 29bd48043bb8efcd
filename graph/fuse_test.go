package graph_test

import (
	"fmt"
	"math"
	"math/rand/v2"
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
	for _, v := range g.Values {
		squares += strings.Count(graph.OpText(v.Op), "Square")
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
// op takes, and wants the same bits on any number of goroutines.
func TestFuseRandom(t *testing.T) {
	fused := 0
	for seed := range uint64(40) {
		f, in := randomElementwise(rand.New(rand.NewPCG(seed, 1)), []graph.DType{graph.F32, graph.F64}[seed%2])
		g := graph.Fuse(f)
		if err := g.Verify(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for _, v := range g.Values {
			if _, ok := v.Op.(graph.Fused); ok {
				fused++
			}
		}
		want := evaluate(t, newContext(1), f, in)
		for _, threads := range []int{1, 2, 5} {
			got := evaluate(t, cutContext(threads), g, in)
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
	if fused < 40 {
		t.Errorf("only %d fused ops", fused)
	}
}

// randomElementwise is a Func of 25 elementwise ops on 10 inputs, with values for the inputs.
func randomElementwise(r *rand.Rand, dtype graph.DType) (*graph.Func, map[string]*tensor.Tensor) {
	f := graph.NewFunc("f", false)
	rows, cols := []int{1, 7, 40, 1100}[r.IntN(4)], []int{1, 3, 8, 300}[r.IntN(4)]
	shapes := [][]int{{rows, cols}, {cols}, {rows, 1}, {}, {1}, {1, cols}}
	in := map[string]*tensor.Tensor{}
	var values []*graph.Value
	for i := range 10 {
		x := tensor.New(dtype, shapes[r.IntN(len(shapes))]...)
		for k := range x.Len() {
			x.Set(k, r.NormFloat64())
		}
		var dims []graph.Dim
		for _, n := range x.Shape() {
			dims = append(dims, graph.Dim(n))
		}
		name := fmt.Sprint("x", i)
		in[name] = x
		values = append(values, f.Input(name, dtype, dims...))
	}
	pick := func() *graph.Value {
		if r.IntN(2) == 0 {
			return values[len(values)-1-r.IntN(4)] // a late one, so that trees grow deep
		}
		return values[r.IntN(len(values))]
	}
	ops := []func(a, b *graph.Value) *graph.Value{
		(*graph.Value).Add, (*graph.Value).Sub, (*graph.Value).Mul, (*graph.Value).Div, (*graph.Value).Max,
		func(a, b *graph.Value) *graph.Value { return a.Lerp(b, .3) },
		func(a, _ *graph.Value) *graph.Value { return a.Sigmoid() },
		func(a, _ *graph.Value) *graph.Value { return a.Exp() },
		func(a, _ *graph.Value) *graph.Value { return a.ReLU() },
		func(a, _ *graph.Value) *graph.Value { return a.Scale(.7) },
	}
	for range 25 {
		values = append(values, ops[r.IntN(len(ops))](pick(), pick()))
	}
	for i := range 3 {
		f.Output(fmt.Sprint("y", i), values[len(values)-1-2*i])
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
