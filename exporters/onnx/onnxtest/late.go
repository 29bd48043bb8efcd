package onnxtest

import (
	"math/rand/v2"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// Late is a Func of its input x [a b] with values whose sizes only a run tells: rows and elements that are chosen by what they hold, what
// is computed of them, in bodies too, and gradients through all that.
func Late() *graph.Func {
	f := graph.NewFunc("late", false)
	TraceLate(f)
	return f
}

// TraceLate traces [Late] into f.
func TraceLate(f *graph.Func) {
	a, b := graph.Sym("a"), graph.Sym("b")
	x := f.Input("x", graph.F32, a, b)
	zero := f.Full(graph.F32, 0)
	positive := x.Greater(zero)
	kept := x.Compress(x.Sum(1).Greater(zero), 0)
	k := kept.Dim(0)
	elements := x.MaskedSelect(positive)
	values, first, inverse, counts := x.Scale(2).Cast(graph.I64).Unique()
	rows, _, _, often := x.Scale(.5).Cast(graph.I64).Cast(graph.F32).UniqueAlong(0)
	f.Output("kept", kept)
	f.Output("elements", elements)
	f.Output("places", positive.NonZero())
	f.Output("values", values)
	f.Output("first", first)
	f.Output("inverse", inverse)
	f.Output("counts", counts)
	f.Output("rows", rows.Mul(often.Cast(graph.F32).Unsqueeze(1)))
	f.Output("gram", kept.MatMul(kept.T()).Softmax(-1).Sum(0))
	f.Output("full", f.Full(graph.F32, 2, k, 3))
	f.Output("joined", graph.Join(0, kept, x, kept.Flip(0)))
	f.Output("expanded", x.Sum(0).Expand(k, b).Add(kept).Reshape(b, k))
	f.Output("unsqueezed", kept.Unsqueeze(1, -1))
	f.Output("ahead", elements.Gather(f.Arange(elements.Dim(0).Div(2)), 0))
	f.Output("half", kept.SliceDims(0, 0, k.Div(2), 1))
	f.Output("padded", elements.Pad([]int{1}, []int{2}, 7))
	f.Output("table", x.Gather(x.Sum(1).Greater(zero).NonZero().Slice(0, 0, 1).Squeeze(0), 0))
	f.Output("count", f.Full(graph.F32, 1, x.Greater(f.Full(graph.F32, .5)).NonZero().Dim(1)).Sum()) // only its size is used
	_, ys := f.Scan(nil, []*graph.Value{x}, func(_, row []*graph.Value) (next, ys []*graph.Value) {
		some := row[0].MaskedSelect(row[0].Greater(zero))
		return nil, []*graph.Value{some.Square().Sum().Add(some.Expand(k, some.Dim(0)).Sum())}
	})
	sums := ys[0]
	f.Output("sums", sums)
	loss := kept.Square().Sum().Add(elements.Exp().Sum()).Add(kept.MatMul(kept.T()).Sum()).Add(sums.Mul(sums).Sum()).Add(rows.Sum())
	loss = loss.Add(graph.Join(0, kept.Flip(0), x).Tanh().Sum()).Add(x.Mul(kept.Sum(0)).Softmax(-1).Square().Sum())
	g := graph.Grad(loss, x)[0]
	f.Output("gradient", g)
	f.Output("second", graph.Grad(g.Sin().Sum(), x)[0])
}

// LateInputs are inputs of [Late] of which some, all, and no elements are chosen.
func LateInputs() []map[string]*tensor.Tensor {
	r := rand.New(rand.NewPCG(5, 6))
	var out []map[string]*tensor.Tensor
	for _, c := range []struct {
		a, b   int
		lo, hi float64
	}{{5, 4, -1, 1}, {5, 4, .1, 1}, {5, 4, -1, -.1}, {1, 1, .5, 1}, {7, 3, -2, 2}, {5, 4, -2, 1}} {
		x := tensor.New(graph.F32, c.a, c.b)
		for i := range x.Len() {
			x.Set(i, c.lo+(c.hi-c.lo)*r.Float64())
		}
		out = append(out, map[string]*tensor.Tensor{"x": x})
	}
	return out
}
