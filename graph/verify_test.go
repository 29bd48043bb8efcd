package graph_test

import (
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph"
)

// TestVerify breaks a Func in every way that a rewrite might: Verify must name the value.
func TestVerify(t *testing.T) {
	build := func() (*graph.Func, []*graph.Value) {
		f := graph.NewFunc("f", true)
		x := f.Input("x", graph.F32, batch, 3)
		w := f.Param("w", nil, 3)
		y := x.Mul(w)
		f.Output("y", y)
		f.Update(w, w.Neg())
		return f, f.Values
	}
	if f, _ := build(); f.Verify() != nil || len(f.Diags) > 0 {
		t.Fatalf("unbroken: %v", f.Verify())
	}
	_, others := build()
	for name, c := range map[string]struct {
		spoil func(f *graph.Func, v []*graph.Value)
		want  string
	}{
		"order":             {func(f *graph.Func, v []*graph.Value) { v[1], v[2] = v[2], v[1] }, "result 0 of node 1, Param, stands elsewhere than at v1"},
		"poison":            {func(f *graph.Func, v []*graph.Value) { v[2] = f.Poison() }, "result 0 of node 2, Mul, stands elsewhere than at v2"},
		"a later argument":  {func(f *graph.Func, v []*graph.Value) { v[2].Args[0] = v[3] }, "argument 0 is not an earlier value"},
		"a foreign one":     {func(f *graph.Func, v []*graph.Value) { v[2].Args[1] = others[1] }, "argument 1 is not an earlier value"},
		"a nil one":         {func(f *graph.Func, v []*graph.Value) { v[2].Args = []*graph.Value{v[0], nil} }, "argument 1 is not an earlier value"},
		"a nil value":       {func(f *graph.Func, v []*graph.Value) { v[3] = nil }, "result 0 of node 3, Neg, stands elsewhere than at v3"},
		"a nil node":        {func(f *graph.Func, v []*graph.Value) { f.Nodes[1] = nil }, "node 1 is nil"},
		"no results":        {func(f *graph.Func, v []*graph.Value) { f.Nodes[3].Results = nil }, "node 3 is nil, or belongs elsewhere, or has no results"},
		"a missing node":    {func(f *graph.Func, v []*graph.Value) { f.Nodes = f.Nodes[:3] }, "there are 4 values, and 3 results of nodes"},
		"a wrong result":    {func(f *graph.Func, v []*graph.Value) { v[2].Index = 1 }, "result 0 of node 2, Mul, stands elsewhere than at v2"},
		"too many results":  {func(f *graph.Func, v []*graph.Value) { f.Nodes[3].Results = append(f.Nodes[3].Results, v[3]) }, "result 1 of node 3, Neg"},
		"shape":             {func(f *graph.Func, v []*graph.Value) { v[2].Type.Shape = graph.Shape{3, batch} }, "v2 = Mul v0 v1 : f32[3 batch]: inference says f32[batch 3]"},
		"dtype":             {func(f *graph.Func, v []*graph.Value) { v[2].Type.DType = graph.F64 }, "inference says f32[batch 3]"},
		"op":                {func(f *graph.Func, v []*graph.Value) { v[2].Op = graph.MatMul{} }, "v2 = MatMul v0 v1"},
		"an output":         {func(f *graph.Func, v []*graph.Value) { f.Outputs[0].Value = others[2] }, `output "y" is foreign`},
		"two outputs":       {func(f *graph.Func, v []*graph.Value) { f.Outputs = append(f.Outputs, f.Outputs[0]) }, `output "y" is foreign or named twice`},
		"an input":          {func(f *graph.Func, v []*graph.Value) { f.Inputs[0] = others[0] }, `input or parameter "x" is foreign`},
		"two parameters":    {func(f *graph.Func, v []*graph.Value) { f.Params = append(f.Params, v[1]) }, `input or parameter "w" is foreign or named twice`},
		"an update":         {func(f *graph.Func, v []*graph.Value) { f.Updates[0].Value = v[2] }, `update of "w" is foreign, double, or of another type`},
		"an unknown update": {func(f *graph.Func, v []*graph.Value) { f.Updates[0].Name = "u" }, `update of "u"`},
		"two updates":       {func(f *graph.Func, v []*graph.Value) { f.Updates = append(f.Updates, f.Updates[0]) }, `update of "w"`},
	} {
		t.Run(name, func(t *testing.T) {
			f, v := build()
			c.spoil(f, v)
			if err := f.Verify(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// wrongVJP is an op whose gradient is that of another shape, or of too many arguments.
type wrongVJP struct {
	Softsign
	Extra bool
}

func (o wrongVJP) VJP(_ *graph.Node, g []*graph.Value) []*graph.Value {
	if o.Extra {
		return []*graph.Value{g[0], g[0]}
	}
	return []*graph.Value{g[0].Sum(0)}
}

// TestWrongVJP must be a mistake at the op's line, not a wrong gradient.
func TestWrongVJP(t *testing.T) {
	for want, op := range map[string]graph.Op{
		"wrongVJP: the VJP gives argument 0, f32[2 3], the gradient f32[3]": wrongVJP{},
		"wrongVJP: the VJP has 2 gradients for 1 arguments":                 wrongVJP{Extra: true},
	} {
		f := graph.NewFunc("f", false)
		x := f.Input("x", graph.F32, 2, 3)
		graph.Grad(graph.Apply(op, x.Tanh()), x)
		if len(f.Diags) != 1 || f.Diags[0].Msg != want || f.Diags[0].Hint == "" || !strings.HasSuffix(f.Diags[0].Pos.File, "verify_test.go") {
			t.Errorf("got %v, want %q", f.Diags, want)
		}
	}
}

// TestSharedValue checks that the gradients of all uses of a value add up.
func TestSharedValue(t *testing.T) {
	in := graph.Sample{In: []graph.SampleInput{{Shape: []int{2, 3}}}}.Inputs(graph.F64)
	f := graph.NewFunc("f", false)
	x := f.Input("in0", graph.F64, 2, 3)
	y := x.Mul(x).Add(x.Tanh()).MatMul(x.T()).Sum()
	g := graph.Grad(y, x)[0]
	c := newContext(1)
	out := evaluate(t, c, f, byName(in))
	differences(t, "gradient", c, f, byName(in), in[0], out[g.ID], y, 0)
}
