package gorgonia_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
)

// broken is an op whose kernel panics on what is above 1.
type broken struct{ graph.Tanh }

func (broken) Run(_ *kernel.Context, out, in []*tensor.Tensor) error {
	list := []float64{1, 2}
	out[0].Set(0, list[int(in[0].At(0))])
	return nil
}

// TestRunErrors runs steps on inputs that an op refuses: the error is one line with the entry point, the user's line, the layer
// and what is wrong, and nothing of gorgonia's; the state stays, and the next run is right.
func TestRunErrors(t *testing.T) {
	m := &struct {
		Tok  nn.Embedding
		Norm nn.BatchNorm
		Out  nn.Dense
	}{Tok: nn.Embedding{Vocab: 4, Dim: 2}, Out: nn.Dense{Units: 1}}
	sgd := optim.SGD{LR: .1}
	b := compiler.New("errors")
	b.Model("", m)
	b.Step("token", sgd, m, func(f *graph.Func) *graph.Value {
		return m.Out.Apply(m.Tok.Apply(f.Input("ids", graph.I64, batch))).Square().Mean() // token
	})
	b.Step("gather", sgd, m, func(f *graph.Func) *graph.Value {
		return m.Out.Apply(f.Param("table", nil, 3, 2).Gather(f.Input("ids", graph.I64, batch), 0)).Square().Mean() // gather
	})
	b.Step("normal", sgd, m, func(f *graph.Func) *graph.Value {
		return m.Out.Apply(m.Norm.Apply(m.Tok.Apply(f.Input("ids", graph.I64, batch)))).Square().Mean() // normal
	})
	b.Step("panic", sgd, m, func(f *graph.Func) *graph.Value {
		i := f.Input("ids", graph.I64, batch)
		return m.Out.Apply(m.Tok.Apply(i)).Square().Mean().Add(graph.Apply(broken{}, i.Cast(graph.F32)).Mean()) // panic
	})
	prog := compile(t, b)
	s, x := load(t, prog, 1)
	for _, c := range []struct {
		entry string
		good  []int64
		bad   []int64
		want  string // of the error, after the position
	}{
		{"token", []int64{0, 3}, []int64{0, 12}, "tok: Embedding: an index is from 0 to 3, Vocab - 1: element [1] is 12"},
		{"token", []int64{1, 3}, []int64{-1, 2}, "tok: Embedding: an index is from 0 to 3, Vocab - 1: element [0] is -1"},
		{"gather", []int64{0, -1}, []int64{0, 3}, "Gather: index 3 at position 1 is outside an axis of size 3"},
		{"normal", []int64{0, 3}, []int64{1}, "norm: BatchNorm: the number of values a channel must be 2 or more in training: take larger batches, and drop a short last one: it is 1"},
		{"panic", []int64{1, 1}, []int64{2, 2}, "broken: panic: runtime error: index out of range [2] with length 2"},
	} {
		for range 2 { // the second time with a plan that has failed
			before := clone(t, s)
			_, err := runtime.Run(t.Context(), x, c.entry, map[string]*tensor.Tensor{"ids": tensor.Of(c.bad, len(c.bad))})
			var failed *graph.RunError
			if !errors.As(err, &failed) {
				t.Fatalf("%s of %v: %v", c.entry, c.bad, err)
			}
			if !strings.HasPrefix(err.Error(), c.entry+": ") || !strings.HasSuffix(err.Error(), ": "+c.want) || strings.Contains(err.Error(), "\n") ||
				!strings.HasSuffix(failed.Value.Pos.Source(), "// "+c.entry) || !strings.Contains(err.Error(), failed.Value.Pos.String()) {
				t.Errorf("%s of %v: %v\nwant %q at its line", c.entry, c.bad, err, c.want)
			}
			for _, name := range s.Names() {
				a, _ := before.Tensor(name)
				b, _ := s.Tensor(name)
				agree(t, "state after an error", map[string]*tensor.Tensor{name: b}, map[string]*tensor.Tensor{name: a})
			}
			run(t, x, c.entry, map[string]*tensor.Tensor{"ids": tensor.Of(c.good, len(c.good))})
		}
	}
}

// TestTooLarge prepares what does not fit this machine, which must be told before anything is allocated, with what to do.
func TestTooLarge(t *testing.T) {
	b := compiler.New("large")
	b.Func("all", func(f *graph.Func) {
		x := f.Input("x", graph.F32, batch, 1)
		f.Output("y", x.MatMul(x.T()).Sum())
	})
	_, x := load(t, compile(t, b), 1)
	_, err := x.Prepare("all", map[string]*tensor.Tensor{"x": tensor.New(graph.F32, 1<<24, 1)})
	if err == nil || !strings.Contains(err.Error(), "GB of memory: take smaller batches") || !strings.Contains(err.Error(), "nn.Checkpoint") {
		t.Error(err)
	}
}
