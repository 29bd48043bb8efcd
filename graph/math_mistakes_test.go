package graph_test

import (
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph"
)

type value = *graph.Value

// TestMathMistakes wants one diagnostic for each misuse of an op, which names what is wrong, and no panic, not even when
// the poisoned result is used and differentiated.
func TestMathMistakes(t *testing.T) {
	for name, c := range map[string]struct {
		build func(x, v, i, b value) value // f32 [2 3], f32 [3], i64 [3], bool [3]
		want  string                       // in the message or its hint
	}{
		"Add of two dtypes":        {func(x, v, i, b value) value { return x.Add(i) }, ".Cast(graph.F32)"},
		"Add of shapes":            {func(x, v, i, b value) value { return x.Add(x.T()) }, "broadcast"},
		"Add of bools":             {func(x, v, i, b value) value { return b.Add(b) }, "needs a number"},
		"Neg without a sign":       {func(x, v, i, b value) value { return i.Cast(graph.U8).Neg() }, "needs a number with a sign"},
		"Exp of integers":          {func(x, v, i, b value) value { return i.Exp() }, "needs a float"},
		"MatMul of a vector":       {func(x, v, i, b value) value { return x.MatMul(v) }, ".Unsqueeze(-1)"},
		"MatMul untransposed":      {func(x, v, i, b value) value { return x.MatMul(x) }, "a.MatMul(b.T())"},
		"MatMul of batches":        {func(x, v, i, b value) value { return x.Expand(4, 2, 3).MatMul(x.T().Expand(5, 3, 2)) }, "broadcast"},
		"Gemm of a vector":         {func(x, v, i, b value) value { return x.Gemm(v, nil, graph.Gemm{Alpha: 1}) }, "two matrices"},
		"Gemm of dtypes":           {func(x, v, i, b value) value { return x.Gemm(x, i, graph.Gemm{Alpha: 1, TransB: true}) }, ".Cast(graph.F32)"},
		"Gemm untransposed":        {func(x, v, i, b value) value { return x.Gemm(x, nil, graph.Gemm{Alpha: 1}) }, "inner dimensions"},
		"Gemm with a large addend": {func(x, v, i, b value) value { return x.Gemm(x, x, graph.Gemm{Alpha: 1, TransB: true}) }, "addend"},
		"Sum beyond the rank":      {func(x, v, i, b value) value { return x.Sum(2) }, "axis"},
		"Sum twice":                {func(x, v, i, b value) value { return x.Sum(1, -1) }, "axis"},
		"Mean of integers":         {func(x, v, i, b value) value { return i.Mean() }, "needs a float"},
		"Softmax beyond the rank":  {func(x, v, i, b value) value { return x.Softmax(-3) }, "axis"},
		"Softmax of a scalar":      {func(x, v, i, b value) value { return x.Sum().LogSoftmax(0) }, "axis"},
		"Clip upside down":         {func(x, v, i, b value) value { return x.Clip(1, 0) }, "lower"},
		"Where of a float":         {func(x, v, i, b value) value { return x.Where(x, x) }, "want bool"},
		"Where of two dtypes":      {func(x, v, i, b value) value { return b.Where(v, i) }, ".Cast(graph.F32)"},
		"Not of a float":           {func(x, v, i, b value) value { return x.Not() }, ".Greater"},
		"And of a float":           {func(x, v, i, b value) value { return b.And(v) }, ".Greater"},
		"Less of bools":            {func(x, v, i, b value) value { return b.Less(b) }, "needs a number"},
	} {
		t.Run(name, func(t *testing.T) {
			f := graph.NewFunc("f", false)
			x, v, i, b := f.Input("x", graph.F32, 2, 3), f.Input("v", graph.F32, 3), f.Input("i", graph.I64, 3), f.Input("b", graph.Bool, 3)
			y := c.build(x, v, i, b)
			if y.OK() {
				t.Fatalf("it gave %v", y.Type)
			}
			graph.Grad(y.Tanh().MatMul(x).Softmax(1).Sum(), x)
			if len(f.Diags) != 1 {
				t.Fatalf("%d diagnostics: %v", len(f.Diags), f.Diags)
			}
			if d := f.Diags[0]; !strings.Contains(d.Msg+" "+d.Hint, c.want) {
				t.Errorf("%q, hint %q: nothing of %q", d.Msg, d.Hint, c.want)
			}
		})
	}
}
