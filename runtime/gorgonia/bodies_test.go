package gorgonia_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
)

// recurrent is a net with a state: scanned, or unrolled over a number of places.
type recurrent struct {
	In, State, Out nn.Dense
	Scanned        bool
}

func (m *recurrent) step(h, x *graph.Value) *graph.Value {
	return m.In.Apply(x).Add(m.State.Apply(h)).Tanh()
}

// Apply is over x [seq batch dim].
func (m *recurrent) Apply(x *graph.Value) *graph.Value {
	h := x.Func().Full(graph.F32, 0, x.Dim(1), 5)
	if m.Scanned {
		final, _ := x.Func().Scan([]*graph.Value{h}, []*graph.Value{x}, func(s, x []*graph.Value) (next, ys []*graph.Value) {
			return []*graph.Value{m.step(s[0], x[0])}, nil
		})
		return m.Out.Apply(final[0])
	}
	for i := range int(x.Dim(0)) {
		h = m.step(h, x.Slice(0, i, i+1).Squeeze(0))
	}
	return m.Out.Apply(h)
}

// recurrence is a program with a step and a Func, over a sequence of so many places.
func recurrence(t *testing.T, scanned bool, seq graph.Dim) *compiler.Program {
	t.Helper()
	m := &recurrent{In: nn.Dense{Units: 5}, State: nn.Dense{Units: 5, NoBias: true}, Out: nn.Dense{Units: 1}, Scanned: scanned}
	b := compiler.New("recurrence")
	b.Model("", m)
	b.Step("train", optim.Adam{LR: .05}, m, func(f *graph.Func) *graph.Value {
		return m.Apply(f.Input("x", graph.F32, seq, batch, 3)).Sub(f.Input("y", graph.F32, batch, 1)).Square().Mean()
	})
	b.Func("predict", func(f *graph.Func) { f.Output("y", m.Apply(f.Input("x", graph.F32, seq, batch, 3))) })
	return compile(t, b)
}

// TestTrainedScan trains a recurrent net by a Scan, of a number of places and of a symbol for it, beside the one that is unrolled: the
// losses are equal, and fall. It then runs over a sequence of another length.
func TestTrainedScan(t *testing.T) {
	const seq, rows = 6, 8
	train := func(prog *compiler.Program) (losses []float64, y *tensor.Tensor) {
		_, x := load(t, prog, 3)
		r := rand.New(rand.NewPCG(1, 2))
		for range 25 {
			in, want := normal(r, seq, rows, 3), tensor.New(tensor.F32, rows, 1)
			for i := range rows { // how much of the first feature there was
				sum := 0.
				for k := range seq {
					sum += in.At((k*rows + i) * 3)
				}
				want.Set(i, math.Tanh(sum/2))
			}
			losses = append(losses, run(t, x, "train", map[string]*tensor.Tensor{"x": in, "y": want})["loss"].At(0))
		}
		if scanned := prog.Func("predict").Inputs[0].Dim(0).Symbolic(); scanned {
			for _, n := range []int{1, 11} {
				if out := run(t, x, "predict", map[string]*tensor.Tensor{"x": normal(r, n, 2, 3)})["y"]; !slices.Equal(out.Shape(), []int{2, 1}) {
					t.Errorf("over %d places it gives %v", n, out)
				}
			}
		}
		return losses, run(t, x, "predict", map[string]*tensor.Tensor{"x": normal(rand.New(rand.NewPCG(3, 4)), seq, 2, 3)})["y"]
	}
	want, y := train(recurrence(t, false, seq))
	if first, last := want[0], want[len(want)-1]; !(last < first/2) {
		t.Errorf("the loss falls from %v to %v", first, last)
	}
	for _, places := range []graph.Dim{seq, graph.Sym("seq")} {
		got, z := train(recurrence(t, true, places))
		for i, w := range want {
			if math.Abs(got[i]-w) > 1e-4*max(1, w) {
				t.Fatalf("seq %v: loss %d is %v, unrolled %v", places, i, got[i], w)
			}
		}
		for i, w := range y.Float64s() {
			if math.Abs(z.At(i)-w) > 1e-3 {
				t.Errorf("seq %v: output %d is %v, unrolled %v", places, i, z.At(i), w)
			}
		}
	}
}

// TestBodiesInPlans runs ops with bodies again and again, in one plan, with results of which some are outputs.
func TestBodiesInPlans(t *testing.T) {
	b := compiler.New("bodies")
	b.Func("f", func(f *graph.Func) {
		x := f.Input("x", graph.F32, batch)
		final, ys := f.Repeat(3, []*graph.Value{x}, func(i *graph.Value, s []*graph.Value) (next, ys []*graph.Value) {
			y := f.If(i.Equal(f.Full(graph.I64, 1)), func() []*graph.Value { return []*graph.Value{s[0].Scale(10)} }, func() []*graph.Value { return []*graph.Value{s[0].Shift(1)} })
			return y, y
		})
		f.Output("sum", ys[0].Sum(0).Add(final[0]))
		f.Output("count", f.Loop(50, []*graph.Value{f.Full(graph.I64, 0), x}, func(i *graph.Value, s []*graph.Value) (*graph.Value, []*graph.Value) {
			y := s[1].Scale(2)
			return y.ReduceMax().Less(x.Scalar(100)), []*graph.Value{i, y}
		})[0])
	})
	_, x := load(t, compile(t, b), 1)
	for _, first := range []float32{1, 7, -3, 1} {
		out := run(t, x, "f", map[string]*tensor.Tensor{"x": tensor.Of([]float32{first, 2}, 2)})
		var want []float64
		for _, s := range []float64{float64(first), 2} { // s+1, 10(s+1), 10(s+1)+1, and the last again
			want = append(want, (s+1)+10*(s+1)+2*(10*(s+1)+1))
		}
		count, y := -1, max(float64(first), 2)
		for more := true; more; more = y < 100 {
			y *= 2
			count++
		}
		if got := out["sum"].Float64s(); !slices.Equal(got, want) {
			t.Errorf("of %v: the sum is %v, want %v", first, got, want)
		}
		if got := out["count"].At(0); got != float64(count) {
			t.Errorf("of %v: the count is %v, want %d", first, got, count)
		}
	}
}

// TestBodyFailure is a failure in a body: the line and the op of the value inside.
func TestBodyFailure(t *testing.T) {
	b := compiler.New("failure")
	b.Func("f", func(f *graph.Func) {
		table := f.Input("table", graph.F32, 3)
		_, ys := f.Scan(nil, []*graph.Value{f.Input("at", graph.I64, 4)}, func(_, at []*graph.Value) (next, ys []*graph.Value) {
			return nil, []*graph.Value{table.Gather(at[0], 0)}
		})
		f.Output("y", ys[0])
	})
	_, x := load(t, compile(t, b), 1)
	_, err := runtime.Run(t.Context(), x, "f", map[string]*tensor.Tensor{"table": tensor.New(tensor.F32, 3), "at": tensor.Of([]int64{0, 2, 9, 1}, 4)})
	for _, want := range []string{"bodies_test.go", "Gather", "9"} {
		if err == nil || strings.Count(err.Error(), want) != 1 {
			t.Errorf("got %v, want %q in it once", err, want)
		}
	}
}
