package train

import (
	"math"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/runtime"
)

// TestDrawnSizes runs a Step and a Func that draw and read no data, such as a generator's: they draw as many as a batch has examples.
func TestDrawnSizes(t *testing.T) {
	prog := program(t, 4, optim.SGD{LR: .1}, func(b *compiler.Builder, m *net) {
		loss := func(f *graph.Func) *graph.Value {
			z := f.RandomNormal(graph.F32, batch, 3)
			f.Output("n", z.Size(0))
			return m.apply(z).Square().Mean()
		}
		b.Step("gen", optim.SGD{LR: .1}, m, loss)
		b.Func("check", func(f *graph.Func) { f.Output("loss", loss(f)) })
	})
	state, err := runtime.NewState(prog, 1)
	if err != nil {
		t.Fatal(err)
	}
	x, err := engine(t).Load(prog, state)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	d := dataset(t, 7, 1)
	for _, f := range []*graph.Func{prog.Step("gen"), prog.Func("check")} {
		if err := checkFeed(f, d, 5, false, nil); err != nil {
			t.Error(err)
		}
	}
	fields, err := d.Take(0, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := Run(t.Context(), x, prog.Step("gen"), fields); err != nil || m["n"] != 3 {
		t.Errorf("a batch of 3: %v, %v", m, err)
	}
	m, err := Evaluate(t.Context(), x, Evaluation{Func: prog.Func("check"), Data: d, Batch: 5})
	if want := (5*5 + 2*2) / 7.; err != nil || math.Abs(m["n"]-want) > 1e-9 {
		t.Errorf("batches of 5 and 2: %v, %v; want a mean of %v", m, err, want)
	}
	if _, err := Run(t.Context(), x, prog.Step("gen"), nil); err == nil {
		t.Error("a step runs on no batch")
	}
}

// TestSizeAsserts refuses, before anything runs, a batch that an Assert on sizes alone does not take, also the short last one. What
// depends on the data is left to the run.
func TestSizeAsserts(t *testing.T) {
	prog := program(t, 4, optim.SGD{LR: .1}, func(b *compiler.Builder, m *net) {
		b.Func("check", func(f *graph.Func) {
			x := f.Input("x", graph.F32, batch, 3)
			n := f.Arange(batch).Size()
			n = n.Assert(n.Greater(n.Scalar(2)), "at least 3 examples")
			x = x.Assert(x.Greater(x.Scalar(1e9)), "only the data tell")
			f.Output("loss", x.Mean().Mul(n.Cast(graph.F32)))
		})
	})
	f := prog.Func("check")
	for _, tt := range []struct {
		examples, batch int
		dropLast        bool
		want            string
	}{
		{7, 7, false, ""},
		{6, 3, false, ""},
		{7, 5, true, ""},
		{7, 5, false, "cannot run on a batch of 2 examples"},
		{7, 2, true, "cannot run on a batch of 2 examples"},
	} {
		err := checkFeed(f, dataset(t, tt.examples, 1), tt.batch, tt.dropLast, nil)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "at least 3 examples: it is 2")) {
			t.Errorf("%d examples in batches of %d: %v, want %q", tt.examples, tt.batch, err, tt.want)
		}
	}
}
