package graph_test

import (
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph"
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
	for k := graph.Dim(2); k < 20000; k++ {
		for _, d := range []graph.Dim{a * k, a + k, a - k, b * k, b % k} {
			if d.Valid() && !(d >= 0 && d < k) { // a remainder cannot be told from a size
				t.Fatalf("arithmetic with %d gives %d, a dimension", k, int64(d))
			}
		}
	}
}
