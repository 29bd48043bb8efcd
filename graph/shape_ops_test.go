package graph_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var batch, seq = graph.Sym("batch"), graph.Sym("seq")

// TestShapeMistakes checks that wrong arguments of the shape and index ops are reported with what to do, and that none panics.
func TestShapeMistakes(t *testing.T) {
	type value = *graph.Value
	for _, c := range []struct {
		name  string
		build func(x, s, i value) any // of x f32[2 3 4], s f32[batch 6], i i64[5]
		want  string
		hint  string
	}{
		{"reshape size", func(x, s, i value) any { return x.Reshape(5, 5) }, "Reshape: [2 3 4] has 24 elements, [5 5] has 25", "-1"},
		{"reshape two rests", func(x, s, i value) any { return x.Reshape(-1, -1) }, "which [-1 -1] does not divide", "-1 may stand for one axis"},
		{"reshape rest", func(x, s, i value) any { return x.Reshape(7, -1) }, "f32[2 3 4] has 24 elements, which [7 -1] does not divide", ""},
		{"reshape rest of nothing", func(x, s, i value) any { return x.Reshape(0, -1) }, "which [0 -1] does not divide", ""},
		{"reshape symbol", func(x, s, i value) any { return s.Reshape(4, -1) }, "f32[batch 6] has 6*batch elements, which [4 -1] does not divide", ""},
		{"reshape arithmetic", func(x, s, i value) any { return s.Reshape(batch*2, 3) }, "is not a dimension", "batch.Times"},
		{"transpose", func(x, s, i value) any { return x.Transpose(0, 2) }, "[0 2] is no permutation of the 3 axes of f32[2 3 4]", "once"},
		{"transpose twice", func(x, s, i value) any { return x.Transpose(0, 2, 2) }, "is no permutation", ""},
		{"transpose below", func(x, s, i value) any { return x.Transpose(0, 1, -1) }, "is no permutation", "from 0"},
		{"T of a vector", func(x, s, i value) any { return i.T() }, "T: needs a matrix, has i64[5]", ""},
		{"flatten scalar", func(x, s, i value) any { return x.Sum().Flatten() }, "Flatten: the value is a scalar", ""},
		{"squeeze", func(x, s, i value) any { return x.Squeeze(1) }, "Squeeze: axis 1 has size 3, not 1", "Reshape"},
		{"squeeze axis", func(x, s, i value) any { return x.Squeeze(3) }, "axis 3 is outside a value with 3 axes", ""},
		{"unsqueeze twice", func(x, s, i value) any { return x.Unsqueeze(1, 1) }, "axes [1 1] name one axis twice", ""},
		{"expand", func(x, s, i value) any { return x.Expand(2, 5, 4) }, "f32[2 3 4] does not broadcast to [2 5 4]", "align"},
		{"expand to less", func(x, s, i value) any { return x.Expand(3, 4) }, "does not broadcast", ""},
		{"slice", func(x, s, i value) any { return x.Slice(1, 1, 9) }, "elements 1 to 9 in steps of 1 of an axis of size 3", "from 0 to 3"},
		{"slice backward", func(x, s, i value) any { return x.Slice(1, 2, 1) }, "elements 2 to 1", ""},
		{"slice far below", func(x, s, i value) any { return x.Slice(1, -9, 2) }, "elements -6 to 2", ""},
		{"slice step", func(x, s, i value) any { return x.SliceStep(1, 0, 2, 0) }, "in steps of 0", ""},
		{"slice down", func(x, s, i value) any { return x.SliceStep(1, 4, 0, -1) }, "elements 4 down to 1 in steps of -1 of an axis of size 3", "from 0 to 3"},
		{"slice down the wrong way", func(x, s, i value) any { return x.SliceStep(1, 0, 2, -1) }, "elements 0 down to 3", ""},
		{"slice symbol the wrong way", func(x, s, i value) any { return s.Slice(0, -1, -2) }, "elements batch-1 to batch-2 in steps of 1 of an axis of size batch", ""},
		{"slice symbol past the end", func(x, s, i value) any { return graph.Apply(graph.Slice{Axis: 0, End: batch.Plus(1), Step: 1}, s) }, "elements 0 to batch+1", ""},
		{"slice by no size", func(x, s, i value) any { return s.SliceDims(0, 0, batch*2, 1) }, "elements", ""},
		{"flip twice", func(x, s, i value) any { return x.Flip(1, -2) }, "Flip: axes [1 -2] name one axis twice", "once"},
		{"split", func(x, s, i value) any { return x.Split(1, 2)[1] }, "Split: axis 1 has 3 elements, which 2 equal parts do not divide", "SplitSizes"},
		{"split into other sizes", func(x, s, i value) any { return x.SplitSizes(2, 1, 2)[1] }, "the parts have 3 elements, axis 2 of f32[2 3 4] has 4", "what is left"},
		{"split of a symbol into others", func(x, s, i value) any { return s.SplitSizes(0, batch, seq)[1] }, "the parts have batch+seq elements, axis 0 of f32[batch 6] has batch", ""},
		{"split into no size", func(x, s, i value) any { return s.SplitSizes(0, batch*2, 1)[0] }, "part 0 is not a dimension", "Minus"},
		{"split into nothing", func(x, s, i value) any { return graph.Apply(graph.Split{}, x) }, "into 0 parts", ""},
		{"chunks", func(x, s, i value) any { return i.Chunk(0, 4)[3] }, "Chunk: axis 0 has 5 elements, and 3 parts of 2 are more than that", "fewer"},
		{"no chunks", func(x, s, i value) any { return i.Chunk(0, 0)[0] }, "into 0 parts", ""},
		{"split none", func(x, s, i value) any { return x.Split(1, 0)[0] }, "into 0 parts", ""},
		{"split symbol", func(x, s, i value) any { return s.Split(0, 2)[1] }, "axis 0 has batch elements, which 2 equal parts do not divide", ""},
		{"concat rank", func(x, s, i value) any { return graph.Join(0, x, s) }, "argument 0 has 3 axes, argument 1 has 2", "Unsqueeze"},
		{"concat shape", func(x, s, i value) any { return graph.Join(0, s, s.T()) }, "axis 1 is 6 in argument 0, batch in argument 1", ""},
		{"concat dtype", func(x, s, i value) any { return graph.Join(0, i, i.Cast(graph.F32)) }, "argument 0 is i64, argument 1 is f32", "Cast"},
		{"concat axis", func(x, s, i value) any { return graph.Join(3, x, x) }, "axis 3 is outside", ""},
		{"pad amounts", func(x, s, i value) any { return x.Pad([]int{1}, []int{1}, 0) }, "1 and 1 amounts for the 3 axes", "one amount"},
		{"pad too far", func(x, s, i value) any { return i.Pad([]int{-3}, []int{-3}, 0) }, "axis 0 of i64[5] has no 6 elements to drop", ""},
		{"pad huge", func(x, s, i value) any { return i.Pad([]int{math.MaxInt}, []int{math.MinInt}, 0) }, "amounts", ""},
		{"gather index", func(x, s, i value) any { return x.Gather(x, 0) }, "the indices are f32[2 3 4]", "Cast(graph.I64)"},
		{"gather axis", func(x, s, i value) any { return x.Gather(i, 3) }, "axis 3 is outside", ""},
		{"gather dtype", func(x, s, i value) any { return x.Gather(x, 0) }, "the indices are f32", ""},
		{"one-hot depth", func(x, s, i value) any { return i.OneHot(0, graph.F32) }, "depth 0", "classes"},
		{"one-hot dtype", func(x, s, i value) any { return i.OneHot(3, graph.I64) }, "dtype i64", ""},
		{"argmax axis", func(x, s, i value) any { return x.ArgMax(3) }, "axis 3 is outside", ""},
		{"argmax dtype", func(x, s, i value) any { return x.Greater(x).ArgMax(0) }, "needs a number", ""},
		{"cast", func(x, s, i value) any { return x.Cast(graph.DType(77)) }, "there is no dtype(77)", "graph.F32"},
		{"dropout", func(x, s, i value) any { return x.Dropout(1) }, "the probability 1 is outside [0, 1)", ""},
		{"dropout NaN", func(x, s, i value) any { return x.Dropout(math.NaN()) }, "outside [0, 1)", ""},
		{"dropout dtype", func(x, s, i value) any { return i.Dropout(.5) }, "needs a float", ""},
		{"random dtype", func(x, s, i value) any { return i.NormalLike() }, "random numbers are f32 or f64, not i64", ""},
		{"nil index", func(x, s, i value) any { return x.Gather(nil, 0) }, "argument 1 is nil", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, training := range []bool{false, true} {
				f := graph.NewFunc("f", training)
				y := c.build(f.Input("x", graph.F32, 2, 3, 4), f.Input("s", graph.F32, batch, 6), f.Input("i", graph.I64, 5)).(value)
				if y.OK() || len(f.Diags) != 1 {
					t.Fatalf("the result is %v and the diagnostics are %v, want one", y.Type, f.Diags)
				}
				d := f.Diags[0]
				if !strings.Contains(d.Msg, c.want) || !strings.Contains(d.Hint, c.hint) {
					t.Errorf("got %q with the hint %q, want %q with %q", d.Msg, d.Hint, c.want, c.hint)
				}
				y.Reshape(2).T().Flatten().Squeeze(0).Unsqueeze(0).Expand(3).Slice(0, 0, 1).Split(0, 2)[1].Pad(nil, nil, 0).OneHot(3, graph.F32).Dropout(.5).NormalLike()
				if len(f.Diags) != 1 {
					t.Errorf("the mistake is reported again: %v", f.Diags[1:])
				}
			}
		})
	}
}

// TestShapesSymbolic checks the shapes that ops infer on symbolic axes.
func TestShapesSymbolic(t *testing.T) {
	f := graph.NewFunc("f", false)
	x := f.Input("x", graph.F32, batch, seq, 12)
	token := f.Input("token", graph.F32, batch, 1, 12)
	long := graph.Join(1, token, x)
	for _, c := range []struct {
		name string
		got  *graph.Value
		want graph.Shape
	}{
		{"rest", x.Reshape(batch, -1), graph.Shape{batch, seq.Times(12)}},
		{"symbolic rest", x.Reshape(-1, 12), graph.Shape{batch.Times(seq), 12}},
		{"split heads", x.Reshape(batch, seq, 3, -1), graph.Shape{batch, seq, 3, 4}},
		{"rest by a symbol", x.Reshape(seq, -1, 6), graph.Shape{seq, batch.Times(2), 6}},
		{"join", long, graph.Shape{batch, seq.Plus(1), 12}},
		{"heads of a sum", long.Reshape(batch, seq.Plus(1), -1, 4), graph.Shape{batch, seq.Plus(1), 3, 4}},
		{"rest that is a sum", long.Reshape(batch, -1, 12), graph.Shape{batch, seq.Plus(1), 12}},
		{"rest that is a product of sums", long.Reshape(-1, 12), graph.Shape{batch.Times(seq.Plus(1)), 12}},
		{"drop what was joined", long.Pad([]int{0, -1, 0}, []int{0, 0, 0}, 0), graph.Shape{batch, seq, 12}},
		{"pad and crop", x.Pad([]int{0, 2, 0}, []int{0, 1, -4}, 0), graph.Shape{batch, seq.Plus(3), 8}},
		{"flatten", x.Flatten(), graph.Shape{batch, seq.Times(12)}},
		{"transpose", x.T(), graph.Shape{batch, 12, seq}},
		{"unsqueeze", x.Unsqueeze(-1, 0), graph.Shape{1, batch, seq, 12, 1}},
		{"squeeze", token.Squeeze(), graph.Shape{batch, 12}},
		{"expand", token.Expand(batch, seq, 12), graph.Shape{batch, seq, 12}},
		{"split", graph.Join(0, x, x).Split(0, 2)[1], graph.Shape{batch, seq, 12}},
		{"split into sizes", x.SplitSizes(1, seq.Div(2), seq.Minus(seq.Div(2)))[1], graph.Shape{batch, seq.Minus(seq.Div(2)), 12}},
		{"split of a sum", long.SplitSizes(1, 1, seq)[1], graph.Shape{batch, seq, 12}},
		{"chunks", x.Chunk(2, 5)[4], graph.Shape{batch, seq, 0}},
		{"chunks of a symbol", x.Chunk(1, 3)[0], graph.Shape{batch, seq.Plus(2).Div(3), 12}},
		{"last chunk of a symbol", x.Chunk(1, 3)[2], graph.Shape{batch, seq.Minus(seq.Plus(2).Div(3).Times(2)), 12}},
		{"chunks that divide", graph.Join(0, x, x).Chunk(0, 2)[1], graph.Shape{batch, seq, 12}},
		{"empty", x.Slice(2, 3, 3).Reshape(-1, 2), graph.Shape{0, 2}},
		{"slice from the end", x.SliceStep(-1, -5, -1, 3), graph.Shape{batch, seq, 2}},
		{"slice a symbol", x.Slice(1, 1, math.MaxInt), graph.Shape{batch, seq.Minus(1), 12}},
		{"slice a symbol from the end", x.Slice(1, 0, -1), graph.Shape{batch, seq.Minus(1), 12}},
		{"slice a symbol by another", x.SliceDims(1, 0, batch, 1), graph.Shape{batch, seq.Min(batch), 12}},
		{"slice a number by a symbol", x.SliceDims(2, 0, seq, 2), graph.Shape{batch, seq, seq.Min(12).Plus(1).Div(2)}},
		{"slice from a symbol on", x.SliceDims(1, batch, seq, 1), graph.Shape{batch, seq.Max(seq.Min(batch)).Minus(seq.Min(batch)), 12}},
		{"flip", x.Flip(), graph.Shape{batch, seq, 12}},
		{"huge step", x.SliceStep(2, 0, 12, math.MaxInt), graph.Shape{batch, seq, 1}},
		{"gather", x.Gather(f.Input("i", graph.I64, seq, 2), -1), graph.Shape{batch, seq, seq, 2}},
	} {
		if !c.got.OK() || !c.got.Shape().Equal(c.want) {
			t.Errorf("%s: the shape is %v, want %v (%v)", c.name, c.got.Shape(), c.want, f.Diags)
		}
	}
}

// TestGradientSymbolic differentiates twice through ops on symbolic axes, and compares with the same Func traced with
// numbers.
func TestGradientSymbolic(t *testing.T) {
	build := func(batch, seq graph.Dim) (*graph.Func, []*graph.Value) {
		f := graph.NewFunc("f", false)
		a, b := f.Input("a", graph.F64, batch, seq, 4), f.Input("b", graph.F64, batch, 1, 4)
		both := graph.Join(0, a, a.Square())
		halves := both.Split(0, 2)
		long := graph.Join(1, b, halves[0].Mul(halves[1]), b.Square(), a)
		cut := long.Pad([]int{0, -1, 1}, []int{1, 0, -2}, .5).Mul(long.Pad([]int{0, -1, 0}, []int{1, 0, -1}, 2))
		y := cut.Mul(cut).Transpose(1, 0, 2).Reshape(-1, 3).T().Exp()
		grads := graph.Grad(y, a, b)
		again := graph.Grad(grads[0].Square().Sum().Add(grads[1].Mul(b).Sum()), a, b)
		return f, append(grads, again...)
	}
	state := tensor.Of([]int64{1, 0}, 2)
	draw := func(dims ...graph.Dim) *tensor.Tensor {
		f := graph.NewFunc("draw", false)
		y := f.RandomUniform(graph.F64, dims...)
		out := evaluate(t, newContext(1), f, map[string]*tensor.Tensor{graph.RandomState: state})
		return out[y.ID]
	}
	in := map[string]*tensor.Tensor{"a": draw(2, 3, 4), "b": draw(2, 1, 4)}
	var want [][]float64
	for i, dims := range [][2]graph.Dim{{2, 3}, {batch, seq}} {
		f, values := build(dims[0], dims[1])
		if len(f.Diags) > 0 {
			t.Fatal(f.Diags)
		}
		if err := f.Verify(); err != nil {
			t.Fatal(err)
		}
		out := evaluate(t, newContext(1), f, in)
		for k, v := range values {
			got := out[v.ID].Float64s()
			if i == 0 {
				want = append(want, got)
				continue
			}
			for j := range got {
				if !near(got[j], want[k][j], 1e-12) {
					t.Fatalf("gradient %d, element %d: %v with symbols, %v with numbers", k, j, got[j], want[k][j])
				}
			}
		}
	}
}

// TestPoisonedGradient checks that no VJP of the family panics on a gradient that carries a mistake.
func TestPoisonedGradient(t *testing.T) {
	for _, op := range graph.All() {
		if shapeRefs[graph.OpName(op)] == nil {
			continue
		}
		for _, s := range op.Samples() {
			d, ok := s.Op.(graph.Differentiable)
			if !ok {
				continue
			}
			f, _, ys, _ := trace(t, s, graph.F32)
			func() {
				defer func() {
					if r := recover(); r != nil {
						t.Errorf("%s: %v", graph.OpText(s.Op), r)
					}
				}()
				g := make([]*graph.Value, len(ys))
				for i := range g {
					g[i] = f.Poison()
				}
				d.VJP(ys[0].Node, g)
			}()
		}
	}
}

// TestDropoutMask checks that about a share P is dropped, that the rest is scaled, and that the gradient has the same mask.
func TestDropoutMask(t *testing.T) {
	const n = 1 << 14
	for _, p := range []float64{0, .1, .5, 1 - 0x1p-30} {
		f := graph.NewFunc("f", true)
		x := f.Input("x", graph.F32, n)
		y := x.Dropout(p)
		g := graph.Grad(y.Sum(), x)[0]
		ones := tensor.New(graph.F32, n)
		for i := range n {
			ones.Set(i, 1)
		}
		out := evaluate(t, newContext(2), f, map[string]*tensor.Tensor{"x": ones, graph.RandomState: tensor.Of([]int64{3, 4}, 2)})
		dropped := 0
		for i := range n {
			v := out[y.ID].At(i)
			if v == 0 {
				dropped++
			} else if !near(v, 1/(1-p), 1e-6) {
				t.Fatalf("p = %v: element %d is %v, want %v", p, i, v, 1/(1-p))
			}
			if got := out[g.ID].At(i); got != v {
				t.Fatalf("p = %v: the gradient at %d is %v, the mask %v", p, i, got, v)
			}
		}
		if sd := math.Sqrt(n * p * (1 - p)); math.Abs(float64(dropped)-n*p) > 4*sd+1 {
			t.Errorf("p = %v: %d of %d dropped", p, dropped, n)
		}
		eval := graph.NewFunc("eval", false)
		if x := eval.Input("x", graph.F32, n); x.Dropout(p) != x {
			t.Errorf("p = %v: not the identity outside training", p)
		}
	}
}

// TestRandomStreams checks that two draws of one Func differ, and that f64 draws the numbers of f32.
func TestRandomStreams(t *testing.T) {
	f := graph.NewFunc("f", false)
	a, b, wide := f.RandomNormal(graph.F32, 64), f.RandomNormal(graph.F32, 64), f.RandomNormal(graph.F64, 64)
	wide.Op = graph.RandomNormal{Type: wide.Type, Stream: a.Op.(graph.RandomNormal).Stream}
	out := evaluate(t, newContext(1), f, map[string]*tensor.Tensor{graph.RandomState: tensor.Of([]int64{-1, 9}, 2)})
	same := 0
	for i := range 64 {
		if out[a.ID].At(i) == out[b.ID].At(i) {
			same++
		}
		if x, y := out[a.ID].At(i), out[wide.ID].At(i); !near(x, y, 1e-6) {
			t.Errorf("element %d is %v in f32, %v in f64", i, x, y)
		}
	}
	if same > 0 {
		t.Errorf("two streams share %d of 64 numbers", same)
	}
}

// TestIndexOutside checks that an index outside the table is an error of the run that names it.
func TestIndexOutside(t *testing.T) {
	for _, training := range []bool{false, true} {
		f := graph.NewFunc("f", training)
		x, i := f.Input("x", graph.F32, 3, 2), f.Input("i", graph.I64, 2)
		y := x.Gather(i, 0)
		graph.Grad(y, x)
		_, err := graph.Evaluate(newContext(1), f, map[string]*tensor.Tensor{"x": tensor.New(graph.F32, 3, 2), "i": tensor.Of([]int64{1, 7}, 2)})
		if want := "index 7 at position 1 is outside an axis of size 3"; err == nil || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
