package onnxtest

import (
	"fmt"
	"math"

	"github.com/sardonyx-ml/sardonyx/graph"
)

// Slices is a Func of its input x [a b] that takes elements along axes whose sizes are symbols: between numbers, from the end, between
// symbols, in steps of both signs; and the gradients through all that. It takes a from 2 on.
func Slices() *graph.Func {
	a, b := graph.Sym("a"), graph.Sym("b")
	f := graph.NewFunc("slices", false)
	x := f.Input("x", graph.F32, a, b)
	list := []*graph.Value{
		x.Slice(0, 1, math.MaxInt), x.Slice(0, 0, -1), x.Slice(0, -2, math.MaxInt), x.Slice(0, 1, 2), x.SliceStep(0, 0, math.MaxInt, 2), x.SliceStep(0, 1, -1, 3),
		x.SliceStep(0, -1, 0, -1), x.SliceStep(0, -1, math.MinInt, -2), x.SliceStep(0, 1, math.MinInt, -1), x.SliceStep(0, -1, 1, -3), x.Flip(), x.Flip(1),
		x.SliceDims(0, 0, b, 1), x.SliceDims(1, a, b, 1), x.SliceDims(1, 2, 5, 1), x.SliceDims(1, b.Div(2), b, 2), x.SliceDims(1, a.Div(2), b, -1), x.SliceDims(1, 0, a.Min(b), -2),
		x.SliceDims(0, a.Minus(1), a, 1), x.SliceDims(0, a.Minus(2), a.Minus(1), 1),
	}
	list = append(list, x.Chunk(0, 2)...)
	list = append(list, x.SplitSizes(1, b.Div(2), b.Minus(b.Div(2)))...)
	list = append(list, graph.Join(1, x, x).SplitSizes(1, b.Div(3), b, b.Minus(b.Div(3)))[1:]...)
	loss := f.Full(graph.F32, 0)
	for i, y := range list {
		f.Output(fmt.Sprint("y", i), y)
		loss = loss.Add(y.Square().Sum().Scale(1 + .1*float64(i)))
	}
	f.Output("gradient", graph.Grad(loss, x)[0])
	return f
}

// SlicesSizes are sizes of x for [Slices].
var SlicesSizes = [][2]int{{2, 2}, {2, 5}, {3, 0}, {7, 3}, {8, 8}, {5, 1}}
