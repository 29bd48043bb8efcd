package gorgonia_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	gonum "gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/models/vae"
	"github.com/sardonyx-ml/sardonyx/compiler/models/yardstick"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/gorgonia"
	"github.com/sardonyx-ml/sardonyx/runtime/racetest"
)

// TestEngineAgrees runs the step and the function over several batch sizes, and compares every output and all state with
// the plain evaluation of the same graphs.
func TestEngineAgrees(t *testing.T) {
	optimizers := map[string]optim.Optimizer{
		"sgd":      optim.SGD{LR: .1, Momentum: .9, Nesterov: true},
		"adam":     optim.Adam{LR: 1e-2},
		"averages": optim.EMA{Decay: .6, Then: optim.Groups{{Match: "hidden.bias"}, {Match: "*.bias", Then: optim.SGD{LR: .1}}, {Match: "*", Then: optim.Adam{LR: 1e-2}}}},
	}
	for name, opt := range optimizers {
		for _, o := range []gorgonia.Options{{}, {Threads: 3, Grain: 1}, {Threads: 4, Grain: 1}} { // and with every op cut
			t.Run(fmt.Sprintf("%s/%d goroutines by %d", name, o.Threads, o.Grain), func(t *testing.T) {
				prog := regression(t, opt)
				e, err := gorgonia.New(o)
				if err != nil {
					t.Fatal(err)
				}
				s, x := loadIn(t, e, prog, 3)
				ref := clone(t, s)
				c := kernel.NewContext(gonum.Implementation{}, 1)
				r := rand.New(rand.NewPCG(1, 2))
				for i, n := range []int{4, 4, 7, 1, 4, 7} {
					in := map[string]*tensor.Tensor{"x": normal(r, n, 3), "y": normal(r, n, 2)}
					got := run(t, x, "train", in)
					want := evaluate(t, c, prog.Step("train"), in, ref, true)
					agree(t, fmt.Sprintf("step %d", i), got, want)
					one := map[string]*tensor.Tensor{"x": in["x"]}
					agree(t, fmt.Sprintf("function %d", i), run(t, x, "predict", one), evaluate(t, c, prog.Func("predict"), one, ref, false))
				}
				for _, name := range s.Names() {
					a, _ := s.Tensor(name)
					b, _ := ref.Tensor(name)
					agree(t, "state", map[string]*tensor.Tensor{name: a}, map[string]*tensor.Tensor{name: b})
				}
			})
		}
	}
}

// TestLearns fits a plane: the loss must fall by far.
func TestLearns(t *testing.T) {
	prog := regression(t, optim.Adam{LR: 1e-2})
	_, x := load(t, prog, 3)
	r := rand.New(rand.NewPCG(4, 5))
	first, last := 0.0, 0.0
	for i := range 300 {
		xs, ys := normal(r, 32, 3), tensor.New(tensor.F32, 32, 2)
		for j := range 32 {
			a, b := xs.At(3*j), xs.At(3*j+1)
			ys.Set(2*j, .5*a)
			ys.Set(2*j+1, .3*a-.4*b)
		}
		last = run(t, x, "train", map[string]*tensor.Tensor{"x": xs, "y": ys})["loss"].At(0)
		if i == 0 {
			first = last
		}
	}
	if last > first/5 {
		t.Errorf("the loss fell only from %v to %v", first, last)
	}
}

// TestRepeats trains twice from one seed: every bit of the state must be the same.
func TestRepeats(t *testing.T) {
	prog := regression(t, optim.Adam{LR: 1e-2})
	states := [2]*runtime.State{}
	for k := range states {
		s, x := load(t, prog, 9)
		r := rand.New(rand.NewPCG(4, 5))
		for range 20 {
			run(t, x, "train", map[string]*tensor.Tensor{"x": normal(r, 32, 3), "y": normal(r, 32, 2)})
		}
		states[k] = s
	}
	for _, name := range states[0].Names() {
		a, _ := states[0].Tensor(name)
		b, _ := states[1].Tensor(name)
		for i := range a.Len() {
			if a.At(i) != b.At(i) {
				t.Fatalf("%s[%d] is %v and %v", name, i, a.At(i), b.At(i))
			}
		}
	}
}

// TestNonFinite makes a step go bad in three ways; the error must name the first bad value and this file's line, and the
// state must be as before the step.
func TestNonFinite(t *testing.T) {
	m := &regressor{nn.Dense{Units: 8}, nn.Dense{Units: 1}}
	b := compiler.New("bad")
	b.Model("", m)
	b.Step("train", optim.SGD{LR: .1}, m, func(f *graph.Func) *graph.Value {
		y := m.Apply(f.Input("x", graph.F32, batch, 3))
		return y.Square().Mean().Add(f.Input("c", graph.F32).Log()) // the culprit
	})
	b.Step("grad", optim.SGD{LR: .1}, m, func(f *graph.Func) *graph.Value {
		return m.Apply(f.Input("x", graph.F32, batch, 3)).Square().Sum().Sqrt() // finite, but its gradient is not
	})
	prog := compile(t, b)
	for _, c := range []struct{ entry, op, what string }{{"train", "Log", "NaN"}, {"grad", "", "NaN"}} {
		s, x := load(t, prog, 1)
		if c.entry == "grad" { // zero weights: sqrt'(0)
			for _, name := range []string{"out.weight", "out.bias"} {
				w, _ := s.Tensor(name)
				if err := s.Set(name, tensor.New(tensor.F32, w.Shape()...)); err != nil {
					t.Fatal(err)
				}
			}
		}
		before := clone(t, s)
		in := map[string]*tensor.Tensor{"x": normal(rand.New(rand.NewPCG(1, 1)), 4, 3)}
		if c.entry == "train" {
			in["c"] = tensor.Scalar(float32(-1))
		}
		_, err := runtime.Run(context.Background(), x, c.entry, in)
		var bad *runtime.NonFiniteError
		if !errors.As(err, &bad) {
			t.Fatalf("%s: %v, want a NonFiniteError", c.entry, err)
		}
		if !strings.HasSuffix(bad.Pos.File, "engine_test.go") || !strings.Contains(bad.Value, c.op) {
			t.Errorf("%s: blames %v", c.entry, bad)
		}
		for _, name := range s.Names() {
			a, _ := s.Tensor(name)
			b, _ := before.Tensor(name)
			for i := range a.Len() {
				if a.At(i) != b.At(i) {
					t.Fatalf("%s: %s changed", c.entry, name)
				}
			}
		}
	}
}

// TestWrongInput tries what a caller can get wrong.
func TestWrongInput(t *testing.T) {
	_, x := load(t, regression(t, optim.SGD{LR: .1}), 1)
	good := tensor.New(tensor.F32, 2, 3)
	for _, c := range []struct {
		name, entry string
		in          map[string]*tensor.Tensor
		want        string
	}{
		{"unknown entry", "sing", nil, `no entry point "sing": it has predict, train`},
		{"missing input", "predict", nil, `input "x" is missing: it is f32[batch 3]`},
		{"unknown input", "predict", map[string]*tensor.Tensor{"x": good, "z": good}, `no input is called "z"`},
		{"wrong dtype", "predict", map[string]*tensor.Tensor{"x": tensor.New(tensor.F64, 2, 3)}, "is f64[2 3], want f32[batch 3]"},
		{"wrong width", "predict", map[string]*tensor.Tensor{"x": tensor.New(tensor.F32, 2, 4)}, "is f32[2 4], want f32[batch 3]"},
		{"wrong rank", "predict", map[string]*tensor.Tensor{"x": tensor.New(tensor.F32, 3)}, "is f32[3], want f32[batch 3]"},
		{"batches differ", "train", map[string]*tensor.Tensor{"x": good, "y": tensor.New(tensor.F32, 5, 2)}, "another input has 2"},
	} {
		if _, err := runtime.Run(context.Background(), x, c.entry, c.in); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// TestManyShapes runs more batch sizes than plans are kept.
func TestManyShapes(t *testing.T) {
	_, x := load(t, regression(t, optim.SGD{LR: .1}), 1)
	for n := 1; n < 40; n++ {
		if y := run(t, x, "predict", map[string]*tensor.Tensor{"x": tensor.New(tensor.F32, n, 3)})["y"]; y.Dim(0) != n {
			t.Fatalf("batch %d gives %v", n, y)
		}
	}
}

// TestRandomState draws in a function: the same numbers from the state each time, others from a state given for one run.
func TestRandomState(t *testing.T) {
	b := compiler.New("noise")
	b.Func("draw", func(f *graph.Func) { f.Output("y", f.Input("x", graph.F32, batch).NormalLike()) })
	prog := compile(t, b)
	_, x := load(t, prog, 1)
	in := map[string]*tensor.Tensor{"x": tensor.New(tensor.F32, 3)}
	draw := func(state *tensor.Tensor) float64 {
		delete(in, graph.RandomState)
		if state != nil {
			in[graph.RandomState] = state
		}
		return run(t, x, "draw", in)["y"].At(0)
	}
	own := draw(nil)
	other := draw(tensor.Of([]int64{7, 1}, 2))
	if again := draw(nil); again != own || other == own || draw(tensor.Of([]int64{7, 2}, 2)) == other || draw(tensor.Of([]int64{7, 1}, 2)) != other {
		t.Errorf("draws %v, %v, %v", own, other, again)
	}
	in[graph.RandomState] = tensor.New(tensor.F32, 2)
	if _, err := runtime.Run(context.Background(), x, "draw", in); err == nil || !strings.Contains(err.Error(), "want i64[2]") {
		t.Errorf("a random state of floats: %v", err)
	}
}

// panicking is an op whose kernel panics.
type panicking struct{ graph.Detach }

func (panicking) Run(*kernel.Context, []*tensor.Tensor, []*tensor.Tensor) error { panic("boom") }

func TestKernelPanic(t *testing.T) {
	b := compiler.New("panics")
	b.Func("f", func(f *graph.Func) { f.Output("y", graph.Apply(panicking{}, f.Input("x", graph.F32, batch))) })
	_, x := load(t, compile(t, b), 1)
	_, err := runtime.Run(context.Background(), x, "f", map[string]*tensor.Tensor{"x": tensor.New(tensor.F32, 2)})
	if err == nil || !strings.Contains(err.Error(), "boom") || !strings.Contains(err.Error(), "engine_test.go") {
		t.Errorf("%v, want an error with the panic and the line", err)
	}
}

// TestStepAllocates holds that what a step of a yardstick allocates is what gorgonia's machine does for each instruction, and little
// besides. It is on one thread: how often goroutines begin anew depends on the machine.
func TestStepAllocates(t *testing.T) {
	if racetest.Enabled { // which empties the pools of products at random
		t.Skip("what is allocated is not counted under the race detector")
	}
	e, err := gorgonia.New(gorgonia.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		define func(models.Settings) (*compiler.Program, error)
		batch  int
		most   map[string]float64 // by step
	}{
		{yardstick.VAE, 2, map[string]float64{"train": 330}},
		{yardstick.VAE, 128, map[string]float64{"train": 330}},
		{yardstick.CNN, 2, map[string]float64{"train": 400}},
		{yardstick.DCGAN, 2, map[string]float64{"critic": 640, "generator": 590}},
	} {
		prog, err := c.define(nil)
		if err != nil {
			t.Fatal(err)
		}
		_, x := loadIn(t, e, prog, 1)
		for _, step := range prog.Steps() {
			in := map[string]*tensor.Tensor{}
			for _, v := range step.Inputs {
				shape := make([]int, v.Rank())
				for i, d := range v.Shape() {
					if shape[i] = int(d); d.Symbolic() {
						shape[i] = c.batch
					}
				}
				in[v.Name] = tensor.New(v.DType(), shape...)
				if v.IsSize() {
					in[v.Name].SetInt(0, int64(c.batch))
				}
			}
			for range 3 { // memory that is kept is made
				run(t, x, step.Name, in)
			}
			if n := testing.AllocsPerRun(10, func() { run(t, x, step.Name, in) }); n > c.most[step.Name] {
				t.Errorf("a step %s of %s, batch %d, allocates %v times, more than %v", step.Name, prog.Name(), c.batch, n, c.most[step.Name])
			}
		}
	}
}

// BenchmarkVAEStep is the training step of the VAE on MNIST's shapes: 784-512-20-512-784, batch 128, Adam.
func BenchmarkVAEStep(b *testing.B) {
	prog, err := vae.Define(vae.Model.Settings)
	if err != nil {
		b.Fatal(err)
	}
	_, x := load(b, prog, 1)
	r := rand.New(rand.NewPCG(1, 1))
	image := tensor.New(tensor.F32, 128, 1, 28, 28)
	for i := range image.Len() {
		image.Set(i, r.Float64())
	}
	in := map[string]*tensor.Tensor{"image": image}
	run(b, x, "train", in)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		run(b, x, "train", in)
	}
}

// TestDrawnSizes runs a Func that draws as many as an input says, several numbers one after the other.
func TestDrawnSizes(t *testing.T) {
	b := compiler.New("draws")
	b.Func("draw", func(f *graph.Func) { f.Output("y", f.RandomNormal(graph.F32, graph.Sym("n"), 2)) })
	prog, err := b.Compile()
	if err != nil {
		t.Fatal(err)
	}
	state, err := runtime.NewState(prog, 1)
	if err != nil {
		t.Fatal(err)
	}
	e, err := gorgonia.New(gorgonia.Options{})
	if err != nil {
		t.Fatal(err)
	}
	x, err := e.Load(prog, state)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	for _, n := range []int64{3, 1, 3, 4} {
		out, err := runtime.Run(t.Context(), x, "draw", map[string]*tensor.Tensor{"n": tensor.Scalar(n)})
		if err != nil || out["y"].Dim(0) != int(n) {
			t.Errorf("%d: %v, %v", n, out["y"], err)
		}
	}
	if _, err := runtime.Run(t.Context(), x, "draw", map[string]*tensor.Tensor{"n": tensor.Scalar(int64(-1))}); err == nil {
		t.Error("-1 rows are drawn")
	}
}
