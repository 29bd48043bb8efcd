package graph_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestDimArithmetic checks the arithmetic that works, and that Go's own on a symbol never gives a dimension.
func TestDimArithmetic(t *testing.T) {
	a, b := graph.Sym("a"), graph.Sym("b")
	bind := graph.Binding{"a": 3, "b": 5}
	for _, c := range []struct {
		d    graph.Dim
		text string
		want int
	}{
		{a, "a", 3}, {a.Times(4), "4*a", 12}, {a.Times(b), "a*b", 15}, {b.Times(a), "a*b", 15}, {a.Plus(1), "a+1", 4},
		{a.Plus(b).Times(a), "a*a+a*b", 24}, {a.Plus(-0), "a", 3}, {graph.Dim(4).Times(3), "12", 12}, {a.Times(0), "0", 0},
		{graph.Shape{a, 2, b}.Size(), "2*a*b", 30}, {a.Plus(a), "2*a", 6},
		{a.Minus(1), "a-1", 2}, {b.Minus(3).Div(2).Plus(1), "(b-1)/2", 2}, {b.Div(a), "b/a", 1}, {b.Mod(2), "b%2", 1}, {a.Min(b), "min(a,b)", 3},
		{a.Max(4), "max(4,a)", 4}, {a.Times(4).Div(4), "a", 3}, {a.Mod(1), "0", 0}, {graph.Dim(7).Div(2), "3", 3}, {graph.Dim(3).Minus(3), "0", 0},
		{a.Minus(3).Plus(1), "a-2", 1}, {graph.Dim(7).Minus(a), "7-a", 4},
	} {
		if got, err := c.d.Eval(bind); c.d.String() != c.text || got != c.want || err != nil {
			t.Errorf("%v = %v, %v; want %s = %d", c.d, got, err, c.text, c.want)
		}
	}
	if _, err := a.Eval(graph.Binding{}); err == nil {
		t.Error("an unbound symbol has a size")
	}
	for _, d := range []graph.Dim{graph.Sym(""), graph.Sym("a b"), graph.Sym("1x"), -1, -7, a - b, b - a, a + b, 1 - a, a / 2} {
		if d.Valid() {
			t.Errorf("%d is a dimension", int64(d))
		}
	}
	const large = graph.Dim(1 << 40)
	for _, d := range []graph.Dim{large.Times(large), large.Times(2), a.Times(large).Times(large), a.Times(large).Times(b).Times(large), graph.Sym("").Times(0), a.Plus(-1),
		graph.Dim(2).Minus(3), graph.Dim(2).Minus(a).Minus(3), a.Div(0), a.Mod(0), graph.Dim(1).Div(0), a.Div(graph.Sym("")), a.Min(-1)} {
		if d.Valid() || (d + 1).Valid() || (d - 1).Valid() {
			t.Errorf("%d is a dimension, or beside one", int64(d))
		}
	}
	if n, err := a.Times(a).Eval(graph.Binding{"a": math.MaxInt}); err == nil {
		t.Errorf("a size that overflows is %d", n)
	}
	for d, want := range map[graph.Dim]string{a.Minus(4): "the size a-4 is -1 with a=3", a.Div(b.Minus(5)): "a/(b-5) has no value"} {
		if n, err := d.Eval(bind); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v is %d, %v; want %q", d, n, err, want)
		}
	}
	if n, err := a.Eval(graph.Binding{"a": -1}); err == nil {
		t.Errorf("a negative size is %d", n)
	}
	for k := graph.Dim(2); k < 20000; k++ {
		for _, d := range []graph.Dim{a * k, a + k, a - k, b * k, b % k} {
			if d.Valid() && !(d >= 0 && d < k) { // a remainder cannot be told from a size
				t.Fatalf("arithmetic with %d gives %d, a dimension", k, int64(d))
			}
		}
	}
}

// TestDimAlgebra draws sums of products of symbols: sizes must follow Go's arithmetic, equal ones be equal Dims however they
// were made, and what a Reshape leaves for -1 be the quotient.
func TestDimAlgebra(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	names := []string{"a", "b", "c"}
	draw := func() graph.Dim {
		sum := graph.Dim(r.IntN(3))
		for range 1 + r.IntN(2) {
			p := graph.Dim(1 + r.IntN(3))
			for range r.IntN(3) {
				p = p.Times(graph.Sym(names[r.IntN(len(names))]))
			}
			sum = sum.Plus(p)
		}
		return sum
	}
	bind := graph.Binding{"a": 2, "b": 3, "c": 5}
	size := func(d graph.Dim) int {
		n, err := d.Eval(bind)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for range 2000 {
		x, y, z := draw(), draw(), draw()
		if got := x.Times(y).Plus(z); size(got) != size(x)*size(y)+size(z) {
			t.Fatalf("(%v)·(%v) + %v = %v", x, y, z, got)
		}
		if x.Times(y) != y.Times(x) || x.Times(y.Plus(z)) != x.Times(z).Plus(x.Times(y)) {
			t.Fatalf("with %v, %v and %v: %v is not %v", x, y, z, x.Times(y.Plus(z)), x.Times(z).Plus(x.Times(y)))
		}
		f := graph.NewFunc("f", false)
		if rest := f.Input("x", graph.F32, x.Times(y)).Reshape(y, -1); len(f.Diags) > 0 || rest.Dim(1) != x {
			t.Fatalf("%v reshaped to [%v -1]: %v, %v", x.Times(y), y, rest.Type, f.Diags)
		}
		if rest := f.Input("y", graph.F32, x.Times(y).Plus(1)).Reshape(y, -1); rest.OK() && size(rest.Dim(1))*size(y) != size(x)*size(y)+1 {
			t.Fatalf("%v reshaped to [%v -1] is %v", x.Times(y).Plus(1), y, rest.Type)
		}
	}
}

// TestSymbol tells a symbol by itself from numbers and from what is made of symbols.
func TestSymbol(t *testing.T) {
	a, b := graph.Sym("a"), graph.Sym("b")
	for d, want := range map[graph.Dim]bool{
		a: true, b: true, 4: false, a.Times(4): false, a.Plus(1): false, a.Times(a): false, a.Plus(b): false, a.Times(b): false,
	} {
		if name, ok := d.Symbol(); ok != want || ok && name != d.String() {
			t.Errorf("%v: %q, %v", d, name, ok)
		}
	}
}

// TestBindAll binds the symbols of inputs, those inside products, and the sizes that only draws have.
func TestBindAll(t *testing.T) {
	f := graph.NewFunc("f", false)
	f.Input("x", graph.F32, graph.Sym("a"), graph.Sym("b").Times(4), 3)
	f.Output("y", f.RandomNormal(graph.F32, graph.Sym("n")))
	f.BindSizes()
	if got := f.BindAll(7).String(); len(f.Diags) > 0 || got != "a=7 b=7 n=7" {
		t.Errorf("%s, with the mistakes %v", got, f.Diags)
	}
}

// TestPadAtRunTime cuts a symbolic axis: a run in which it is too short names the op and the size.
func TestPadAtRunTime(t *testing.T) {
	f := graph.NewFunc("f", false)
	x := f.Input("x", graph.F32, graph.Sym("n"))
	f.Output("y", x.Pad([]int{-2}, []int{-1}, 0))
	f.Output("z", x.Pad([]int{-2}, []int{4}, 0))
	if len(f.Diags) > 0 {
		t.Fatal(f.Diags)
	}
	for n, want := range map[int]string{3: "", 5: "", 2: "Pad: shape [n-3]: the size n-3 is -1 with n=2"} {
		_, err := graph.Evaluate(newContext(1), f, map[string]*tensor.Tensor{"x": tensor.New(graph.F32, n)})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%d elements: %v, want %q", n, err, want)
		}
	}
}
