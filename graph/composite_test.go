package graph_test

import (
	"math"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// polar is an op of another package with two arguments and two results, made of others: r·cos φ and r·sin φ.
type polar struct{}

func (polar) Takes() []graph.Arg {
	return []graph.Arg{{Name: "r", DTypes: graph.Floats, Like: "T"}, {Name: "phi", DTypes: graph.Floats, Like: "T"}}
}

func (polar) Infer(in *graph.Infer) ([]graph.Type, error) {
	return []graph.Type{in.Args[0].Type, in.Args[1].Type}, nil
}

func (polar) Lower(n *graph.Node) []*graph.Value {
	r, phi := n.Args[0], n.Args[1]
	return []*graph.Value{r.Mul(phi.Cos()), r.Mul(phi.Sin())}
}

// TestCompositeResults holds values and gradients of an op of two results, of both, of one, and to each argument, to those of what it
// is made of.
func TestCompositeResults(t *testing.T) {
	const r, phi = 1.5, .7
	for name, c := range map[string]struct {
		loss   func(x, y *graph.Value) *graph.Value
		dr, dp float64
	}{
		"both":   {func(x, y *graph.Value) *graph.Value { return x.Add(y.Scale(2)) }, math.Cos(phi) + 2*math.Sin(phi), r * (2*math.Cos(phi) - math.Sin(phi))},
		"first":  {func(x, y *graph.Value) *graph.Value { return x }, math.Cos(phi), -r * math.Sin(phi)},
		"second": {func(x, y *graph.Value) *graph.Value { return y }, math.Sin(phi), r * math.Cos(phi)},
		"square": {func(x, y *graph.Value) *graph.Value { return x.Square().Add(y.Square()) }, 2 * r, 0},
	} {
		f := graph.NewFunc("f", false)
		a, b := f.Input("in0", graph.F64), f.Input("in1", graph.F64)
		n := graph.ApplyNode(polar{}, nil, a, b)
		grads := graph.Grad(c.loss(n.Result(0), n.Result(1)), a, b)
		if len(f.Diags) > 0 || f.Verify() != nil {
			t.Fatal(f.Diags, f.Verify())
		}
		out := evaluate(t, newContext(1), f, map[string]*tensor.Tensor{"in0": tensor.Scalar(r), "in1": tensor.Scalar(phi)})
		if x, y := out[n.Results[0].ID].At(0), out[n.Results[1].ID].At(0); !near(x, r*math.Cos(phi), 1e-12) || !near(y, r*math.Sin(phi), 1e-12) {
			t.Errorf("%s: the results are %v and %v", name, x, y)
		}
		if dr, dp := out[grads[0].ID].At(0), out[grads[1].ID].At(0); !near(dr, c.dr, 1e-12) || !near(dp, c.dp, 1e-12) {
			t.Errorf("%s: the gradients are %v and %v, want %v and %v", name, dr, dp, c.dr, c.dp)
		}
	}
}

// TestCompositeOfDependents applies a composite to a value and to what is computed from it: the gradient through one argument must not
// be counted again through the other.
func TestCompositeOfDependents(t *testing.T) {
	f := graph.NewFunc("f", false)
	x := f.Input("in0", graph.F64)
	y := graph.Apply(polar{}, x, x.Square()) // x·cos x²
	g := graph.Grad(y, x)[0]
	out := evaluate(t, newContext(1), f, map[string]*tensor.Tensor{"in0": tensor.Scalar(.8)})
	if got, want := out[g.ID].At(0), math.Cos(.64)-2*.64*math.Sin(.64); !near(got, want, 1e-12) {
		t.Errorf("the gradient is %v, want %v", got, want)
	}
}

// same is made of its argument itself, and endless of itself.
type (
	same    struct{ polar }
	endless struct{ polar }
)

func (same) Lower(n *graph.Node) []*graph.Value { return []*graph.Value{n.Args[1], n.Args[0]} }

func (endless) Lower(n *graph.Node) []*graph.Value {
	return graph.ApplyNode(endless{}, nil, n.Args[0], n.Args[1]).Results
}

// TestCompositeTwice applies a composite to one value as both arguments, and one whose results are one value: each gradient counts once
// for each use.
func TestCompositeTwice(t *testing.T) {
	f := graph.NewFunc("f", false)
	x := f.Input("in0", graph.F64)
	g := graph.Grad(graph.Apply(polar{}, x, x), x)[0] // of x·cos x
	n := graph.ApplyNode(doubled{}, nil, x, x.Square())
	h := graph.Grad(n.Result(0).Scale(2).Add(n.Result(1).Scale(3)), x)[0] // of 5·x³
	out := evaluate(t, newContext(1), f, map[string]*tensor.Tensor{"in0": tensor.Scalar(.8)})
	if got, want := out[g.ID].At(0), math.Cos(.8)-.8*math.Sin(.8); !near(got, want, 1e-12) {
		t.Errorf("the gradient of x·cos x is %v, want %v", got, want)
	}
	if got, want := out[h.ID].At(0), 15*.8*.8; !near(got, want, 1e-12) {
		t.Errorf("the gradient of 5·x³ is %v, want %v", got, want)
	}
}

// doubled gives the product of its arguments as both results.
type doubled struct{ polar }

func (doubled) Lower(n *graph.Node) []*graph.Value {
	y := n.Args[0].Mul(n.Args[1])
	return []*graph.Value{y, y}
}

// TestCompositeOfNothing lowers an op to its own arguments, and one to itself, which must be a mistake.
func TestCompositeOfNothing(t *testing.T) {
	none := func(n *graph.Node) bool { return false }
	f := graph.NewFunc("f", false)
	a, b := f.Input("in0", graph.F64), f.Input("in1", graph.F64)
	n := graph.ApplyNode(same{}, nil, a, b)
	grads := graph.Grad(n.Result(0).Mul(n.Result(1)).Mul(n.Result(1)), a, b) // b·a²
	f.Output("da", grads[0])
	f.Output("db", grads[1])
	g := graph.Lower(f, none)
	if err := g.Verify(); err != nil || len(g.Diags) > 0 {
		t.Fatal(err, g.Diags)
	}
	out := evaluate(t, newContext(1), g, map[string]*tensor.Tensor{"in0": tensor.Scalar(3.), "in1": tensor.Scalar(5.)})
	if da, db := out[g.Outputs[0].Value.ID].At(0), out[g.Outputs[1].Value.ID].At(0); da != 30 || db != 9 {
		t.Errorf("the gradients are %v and %v, want 30 and 9", da, db)
	}
	f = graph.NewFunc("f", false)
	f.Output("y", graph.Apply(endless{}, f.Input("in0", graph.F64), f.Input("in1", graph.F64)))
	if g := graph.Lower(f, none); len(g.Diags) != 1 || !strings.Contains(g.Diags[0].Msg, "does not end") {
		t.Errorf("an op that is made of itself: %v", g.Diags)
	}
}

// TestLogSumExp holds values that would overflow, and its gradient, which is the softmax.
func TestLogSumExp(t *testing.T) {
	f := graph.NewFunc("f", false)
	x := f.Input("x", graph.F64, 2, 3)
	y := x.LogSumExp(-1)
	g := graph.Grad(y.Sum(), x)[0]
	if len(f.Diags) > 0 || !y.Shape().Equal(graph.Shape{2}) {
		t.Fatal(f.Diags, y.Type)
	}
	out := evaluate(t, newContext(1), f, map[string]*tensor.Tensor{"x": tensor.Of([]float64{1000, 1000 + math.Ln2, 1000, -3, -1e9, -3}, 2, 3)})
	for i, want := range []float64{1000 + 2*math.Ln2, -3 + math.Ln2} {
		if got := out[y.ID].At(i); !near(got, want, 1e-12) {
			t.Errorf("row %d: %v, want %v", i, got, want)
		}
	}
	for i, want := range []float64{.25, .5, .25, .5, 0, .5} {
		if got := out[g.ID].At(i); !near(got, want, 1e-12) {
			t.Errorf("element %d of the gradient is %v, want %v", i, got, want)
		}
	}
}
