package graph_test

import (
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestArgumentsAreCopied changes the slices that were given to ops: the Func must stay as it was traced.
func TestArgumentsAreCopied(t *testing.T) {
	f := graph.NewFunc("f", false)
	dims, axes := []graph.Dim{batch, 2, 3}, []int{1}
	perm, amounts := []int{2, 1, 0}, []int{0, 1, 0}
	x := f.Input("x", graph.F32, dims...)
	parts := []*graph.Value{x, x.Neg()}
	graph.Join(1, parts...)
	x.Reshape(dims...)
	x.Expand(dims...)
	f.Full(graph.F32, 1, dims[1:]...)
	f.Param("p", nil, dims[1:]...)
	f.Buffer("b", graph.F32, nil, dims[1:]...)
	f.RandomNormal(graph.F32, dims...)
	f.RandomUniform(graph.F32, dims...)
	x.Sum(axes...)
	x.SumKeep(axes...)
	x.Mean(axes...)
	x.MeanKeep(axes...)
	x.ReduceMax(axes...)
	x.ReduceMaxKeep(axes...)
	x.ReduceMin(axes...)
	x.ReduceMinKeep(axes...)
	x.Squeeze()
	x.Unsqueeze(axes...)
	f.Input("y", graph.F32, batch, graph.Sym("seq")).Size(axes...)
	x.Transpose(perm...)
	x.Pad(amounts, amounts, 0)
	if len(f.Diags) > 0 {
		t.Fatal(f.Diags)
	}
	before := f.String()
	for i := range dims {
		dims[i], perm[i], amounts[i] = 7, 0, 9
	}
	axes[0], parts[0] = 0, parts[1]
	if after := f.String(); after != before {
		t.Errorf("the Func was\n%s\nand is\n%s", before, after)
	}
	if err := f.Verify(); err != nil {
		t.Error(err)
	}
}

// TestEvaluateMistakes gives inputs and state that do not fit: each must be named.
func TestEvaluateMistakes(t *testing.T) {
	f := graph.NewFunc("f", false)
	x := f.Input("x", graph.F32, batch, 3)
	z := f.Input("z", graph.F32, batch.Times(2))
	x.Mul(f.Param("w", nil, 3)).Sum(1).Add(z.Split(0, 2)[0])
	if len(f.Diags) > 0 {
		t.Fatal(f.Diags)
	}
	good := func() map[string]*tensor.Tensor {
		return map[string]*tensor.Tensor{"x": tensor.New(graph.F32, 2, 3), "z": tensor.New(graph.F32, 4), "w": tensor.New(graph.F32, 3)}
	}
	if _, err := graph.Evaluate(newContext(1), f, good()); err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]struct {
		name string
		x    *tensor.Tensor
	}{
		`f: input "x" is missing: it is f32[batch 3]`: {"x", nil},
		`f: input "x" is f64[2 3], want f32[batch 3]`: {"x", tensor.New(graph.F64, 2, 3)},
		`f: input "x" is f32[6], want f32[batch 3]`:   {"x", tensor.New(graph.F32, 6)},
		`f: input "x" is f32[2 4], want f32[batch 3]`: {"x", tensor.New(graph.F32, 2, 4)},
		`f: input "z" is f32[5], want f32[2*batch]`:   {"z", tensor.New(graph.F32, 5)},
		`f: no tensor for "w"`:                        {"w", nil},
		`f: "w" is f32[4], want f32[3]`:               {"w", tensor.New(graph.F32, 4)},
		`f: "w" is i64[3], want f32[3]`:               {"w", tensor.New(graph.I64, 3)},
	} {
		in := good()
		in[c.name] = c.x
		if _, err := graph.Evaluate(newContext(1), f, in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	g := graph.NewFunc("g", false)
	g.Input("x", graph.F32, batch.Times(2), 3).Neg()
	if _, err := graph.Evaluate(newContext(1), g, good()); err == nil || !strings.Contains(err.Error(), `some input must have it as an axis of its own`) {
		t.Errorf("an unbound symbol: %v", err)
	}
}
