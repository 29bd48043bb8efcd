package graph_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestSharing holds every op to what it says of the memory of its result, on each of its samples, and with one value as all
// arguments.
func TestSharing(t *testing.T) {
	over, same := map[string]bool{}, map[string]bool{}
	for _, op := range graph.All() {
		for i, s := range op.Samples() {
			for _, dtype := range []graph.DType{graph.F32, graph.F64} {
				in := s.Inputs(dtype)
				f, _, ys, _ := trace(t, s, dtype)
				y := ys[0]
				what := fmt.Sprintf("%s, sample %d, %v", graph.OpName(op), i, dtype)
				count(y, over, same)
				if len(ys) > 1 || len(y.Bodies) > 0 || f.Late().Value(y) {
					for k := range in {
						if y.Shares(k) != graph.Apart {
							t.Errorf("%s: a result of several, of a body, or of a size that only a run tells shares memory", what)
						}
					}
					continue
				}
				checkSharing(t, what, y, in)
				for k := range in {
					if in[k] == nil || in[k].DType() != in[0].DType() || !slices.Equal(in[k].Shape(), in[0].Shape()) {
						in = nil
						break
					}
					in[k] = in[0]
				}
				if len(in) > 1 {
					checkSharing(t, what+", one argument", y, in)
				}
			}
		}
	}
	if len(over) < 35 || len(same) < 2 || over["MatMul"] || over["LogSoftmax"] {
		t.Errorf("written over arguments: %v; the same elements: %v", over, same)
	}
}

// TestSharingFused is TestSharing on random trees, longer than a block, and with arguments that are broadcast.
func TestSharingFused(t *testing.T) {
	over := map[string]bool{}
	for seed := range uint64(30) {
		f, in := randomElementwise(rand.New(rand.NewPCG(seed, 2)), []graph.DType{graph.F32, graph.F64}[seed%2])
		g := graph.Fuse(f)
		out := evaluate(t, newContext(1), g, in)
		for _, v := range g.Values {
			if len(v.Args) == 0 {
				continue
			}
			var args []*tensor.Tensor
			for _, a := range v.Args {
				args = append(args, out[a.ID])
			}
			count(v, over, over)
			checkSharing(t, fmt.Sprintf("seed %d: %s", seed, v.Text()), v, args)
		}
	}
	if !over["Fused"] {
		t.Error("no fused op is written over an argument")
	}
}

// count notes y's op by what may be done with its arguments.
func count(y *graph.Value, over, same map[string]bool) {
	for k := range y.Args {
		switch y.Shares(k) {
		case graph.Over:
			over[graph.OpName(y.Op)] = true
		case graph.Same:
			same[graph.OpName(y.Op)] = true
		}
	}
}

// checkSharing runs y's op on in, with the result in memory of its own and over each argument that may be written over: the bits
// must be the same, on any number of goroutines. Where y says that it is an argument, it must be.
func checkSharing(t *testing.T, what string, y *graph.Value, in []*tensor.Tensor) {
	t.Helper()
	b, err := y.Func().Bind(byName(in))
	if err != nil {
		b = nil // the shapes have no symbols
	}
	var results []*tensor.Tensor // memory of their own
	for _, r := range y.Results {
		shape, err := r.Shape().Eval(b)
		if err != nil {
			t.Fatal(err)
		}
		results = append(results, tensor.New(r.DType(), shape...))
	}
	shape := results[y.Index].Shape()
	eval := func(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) []*tensor.Tensor {
		t.Helper()
		all := slices.Clone(results)
		all[y.Index] = out
		if err := y.Run(c, all, in); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		return all
	}
	var want []*tensor.Tensor
	for _, r := range eval(newContext(1), results[y.Index], in) {
		want = append(want, r.Clone())
	}
	own := want[y.Index]
	for k := range in {
		how := y.Shares(k)
		if in[k] == nil || how == graph.Apart || in[k].Len() != own.Len() || in[k].DType() != own.DType() {
			continue
		}
		if how == graph.Same {
			sameBits(t, what, in[k], own)
		}
		for _, c := range []*kernel.Context{newContext(1), cutContext(1), cutContext(3)} {
			over := in[k].Clone()
			args := slices.Clone(in)
			for j := range args {
				if args[j] == in[k] {
					args[j] = over
				}
			}
			for i, got := range eval(c, over.Reshape(shape...), args) {
				sameBits(t, fmt.Sprintf("%s, over argument %d, result %d", what, k, i), got, want[i])
			}
		}
	}
}

// sameBits wants got to have want's elements, bit by bit but for NaN, in any shape.
func sameBits(t *testing.T, what string, got, want *tensor.Tensor) {
	t.Helper()
	for i := range want.Len() {
		if g, w := got.At(i), want.At(i); math.Float64bits(g) != math.Float64bits(w) && (g == g || w == w) {
			t.Fatalf("%s: element %d is %v, want %v", what, i, g, w)
		}
	}
}

// foreign is an op of another package, whose kernel is not that of the op that it embeds.
type foreign struct{ graph.Detach }

func TestSharingForeign(t *testing.T) {
	f := graph.NewFunc("f", false)
	x := f.Input("x", graph.F32, 2)
	if y := f.Apply(foreign{}, x); y.Shares(0) != graph.Apart || x.Detach().Shares(0) != graph.Same {
		t.Error("an op of another package is taken for the one that it embeds")
	}
}
