package onnxtest

import (
	"strconv"

	"github.com/sardonyx-ml/sardonyx/graph"
)

// Sizes is a Func whose outputs have the shapes of its second result, by name: sizes of every kind of arithmetic on those of its
// input, x [a b].
func Sizes() (*graph.Func, map[string]graph.Shape) {
	a, b := graph.Sym("a"), graph.Sym("b")
	shapes := map[string]graph.Shape{}
	f := graph.NewFunc("sizes", false)
	x := f.Input("x", graph.F32, a, b)
	for i, d := range []graph.Dim{
		a.Minus(1), a.Plus(7).Minus(b), a.Div(2), a.Minus(1).Div(2).Plus(1), a.Minus(b).Div(3).Plus(4), a.Minus(b).Div(b.Plus(2)).Plus(1), a.Mod(3), a.Minus(b).Mod(4),
		a.Min(b), a.Max(b).Times(2), a.Times(b).Plus(1).Div(a.Plus(1)), a.Minus(a.Mod(2)).Div(2).Plus(b.Div(2).Times(b)), b.Mod(a), a.Max(3).Minus(b.Min(3)),
	} {
		name := "y" + strconv.Itoa(i)
		shapes[name] = graph.Shape{d, 2}
		f.Output(name, x.Sum().Expand(d, 2))
	}
	return f, shapes
}
