package memory_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/compiler/memory"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestOrder orders random graphs: they must be the same graphs, with the same interface and results, and need no more memory at once.
func TestOrder(t *testing.T) {
	less := 0
	for seed := range uint64(200) {
		f := graph.Fuse(graph.Prune(randomFunc(rand.New(rand.NewPCG(seed, 2)))))
		sizes := graph.Binding{"n": 1 + int(seed)%64}
		g := memory.Order(f, sizes)
		before, after := plan(t, f, sizes), plan(t, g, sizes)
		check(t, g, after)
		if after.Live > before.Live+1<<10 {
			t.Errorf("seed %d: %d bytes are needed at once, %d before", seed, after.Live, before.Live)
		}
		if after.Live < before.Live {
			less++
		}
		if len(f.Nodes) != len(g.Nodes) {
			t.Fatalf("seed %d: there are %d nodes, %d before", seed, len(g.Nodes), len(f.Nodes))
		}
		for i, lists := range [2][2][]*graph.Value{{f.Inputs, g.Inputs}, {f.Params, g.Params}} {
			if !slices.EqualFunc(lists[0], lists[1], func(a, b *graph.Value) bool { return a.Name == b.Name }) {
				t.Errorf("seed %d: the names are others, or in another order: %d", seed, i)
			}
		}
		if a, b := results(t, f), results(t, g); !slices.Equal(a, b) {
			t.Errorf("seed %d: the results are others", seed)
		}
	}
	if less < 20 {
		t.Errorf("only %d graphs need less", less)
	}
}

// results are the elements of all outputs and updates of f.
func results(t *testing.T, f *graph.Func) []string {
	t.Helper()
	r, in := rand.New(rand.NewPCG(3, 4)), map[string]*tensor.Tensor{}
	for _, v := range append(slices.Clone(f.Inputs), f.Params...) {
		shape, err := v.Sizes(graph.Binding{"n": 3})
		if err != nil {
			t.Fatal(err)
		}
		in[v.Name] = tensor.New(v.DType(), shape...)
		for i := range in[v.Name].Len() {
			in[v.Name].Set(i, r.NormFloat64())
		}
	}
	all, err := graph.Evaluate(kernel.NewContext(gonum.Implementation{}, 1), f, in)
	if err != nil {
		t.Fatal(err)
	}
	var out []string // NaN is like itself then
	for _, o := range f.Outputs {
		out = append(out, fmt.Sprint(o.Name, all[o.Value.ID].Float64s()))
	}
	for _, u := range f.Updates {
		out = append(out, fmt.Sprint(u.Name, all[u.Value.ID].Float64s()))
	}
	return out
}

// TestOrderUpdates is a step of several layers: as traced, all gradients are there when the first is read; in order, one at a time is, and
// the values that gradients are taken of. With a norm of all, that clips them, they stay.
func TestOrderUpdates(t *testing.T) {
	const layers, width = 10, 100
	const weight = 4 * width * width
	for _, clip := range []bool{false, true} {
		f := graph.NewFunc("step", true)
		x := f.Input("x", graph.F32, 1, width)
		var weights []*graph.Value
		for i := range layers {
			weights = append(weights, f.Param(fmt.Sprint("w", i), nil, width, width))
			x = x.MatMul(weights[i]).Tanh()
		}
		grads := graph.Grad(x.Sum(), weights...)
		scale := f.Full(graph.F32, .1)
		norm := f.Full(graph.F32, 0)
		for _, g := range grads {
			norm = norm.Add(g.Square().Sum())
		}
		f.Output("norm", norm)
		if clip {
			scale = scale.Div(norm)
		}
		for i, w := range weights {
			f.Update(w, w.Sub(grads[i].Mul(scale)))
		}
		if len(f.Diags) > 0 {
			t.Fatal(f.Diags)
		}
		f = graph.Fuse(f)
		before, after := plan(t, f, nil), plan(t, memory.Order(f, nil), nil)
		if before.Live < layers*weight {
			t.Errorf("before, %d bytes are needed at once: is that still all gradients?", before.Live)
		}
		switch {
		case clip && after.Live < layers*weight:
			t.Errorf("with a norm, %d bytes are needed at once, where the gradients take %d", after.Live, layers*weight)
		case !clip && after.Live > 3*weight:
			t.Errorf("%d bytes are needed at once, want those of a gradient and its square: %d", after.Live, 2*weight)
		}
	}
}

// TestOrderLate orders what has sizes that only a run tells.
func TestOrderLate(t *testing.T) {
	f := graph.NewFunc("f", false)
	x := f.Input("x", graph.F32, 100)
	kept := x.Compress(x.Greater(x.Scalar(0)), 0)
	more := x.Compress(x.Less(x.Scalar(0)), 0)
	f.Output("y", kept.Mul(f.Full(graph.F32, 2, kept.Dim(0))).Sum().Add(more.Exp().Sum()))
	g := memory.Order(f, nil)
	check(t, g, plan(t, g, nil))
}

// TestOrderLimit has a transpose that would free its argument early, where there is no room for both.
func TestOrderLimit(t *testing.T) {
	f := graph.NewFunc("f", false)
	a := f.Input("x", graph.F32, 64, 64).Tanh()
	wide := a.MatMul(f.Buffer("w", graph.F32, nil, 64, 256))
	f.Output("product", wide.MatMul(f.Input("z", graph.F32, 256, 2).Tanh())) // needs more than the slack, so wide stays for now
	f.Output("transposed", a.Transpose(1, 0).Sum(1))
	before, after := plan(t, f, nil), plan(t, memory.Order(f, nil), nil)
	if want := 5*4*64*64 + 4*256*2; before.Live != want || after.Live != want {
		t.Errorf("%d bytes are needed at once, %d before, want %d", after.Live, before.Live, want)
	}
}
