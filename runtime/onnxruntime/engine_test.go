package onnxruntime_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler/models/modelstest"
	"github.com/sardonyx-ml/sardonyx/compiler/models/vae"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/gorgonia"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
)

// TestEngine trains the VAE for 50 steps in gorgonia, in onnxruntime, and in the one after the other over one state: the losses must be
// the same, step by step, and so must that of a validation that draws by a counter of its own, and the state in the end.
func TestEngine(t *testing.T) {
	requireLibrary(t)
	prog := modelstest.Define(t, vae.Model, map[string]float64{"hidden": 16, "latent": 4})
	ours, err := gorgonia.New(gorgonia.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := onnxruntime.NewEngine(onnxruntime.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(theirs.Name(), "onnxruntime 1.") {
		t.Errorf("the engine is called %s", theirs.Name())
	}
	type run struct {
		losses []float64 // of 50 steps, and of the validation after them
		state  *runtime.State
	}
	train := func(engines ...runtime.Engine) run {
		state, err := runtime.NewState(prog, 5)
		if err != nil {
			t.Fatal(err)
		}
		out := run{state: state}
		r := rand.New(rand.NewPCG(1, 2))
		loss := func(x runtime.Executable, entry string, in map[string]*tensor.Tensor) {
			got, err := runtime.Run(t.Context(), x, entry, in)
			if err != nil {
				t.Fatal(err)
			}
			out.losses = append(out.losses, got["loss"].At(0))
		}
		for k, e := range engines {
			x, err := e.Load(prog, state)
			if err != nil {
				t.Fatal(err)
			}
			for n := range 50 / len(engines) {
				batch := 32
				if n%10 == 9 {
					batch = 5
				}
				loss(x, "train", map[string]*tensor.Tensor{"image": bars(r, batch)})
			}
			if k == len(engines)-1 {
				loss(x, "validate", map[string]*tensor.Tensor{"image": bars(r, 3), graph.RandomState: tensor.Of([]int64{-1, 7}, 2)})
			}
			if err := x.Close(); err != nil {
				t.Fatal(err)
			}
		}
		return out
	}
	want := train(ours)
	if first, last := want.losses[0], want.losses[49]; !(last < .8*first) {
		t.Errorf("the loss goes from %v to %v", first, last)
	}
	// With five engines each takes ten steps: a short batch is the last of each, as in the run of one.
	for what, engines := range map[string][]runtime.Engine{
		"onnxruntime": {theirs}, "begun in gorgonia": {ours, theirs, theirs, theirs, theirs}, "begun in onnxruntime": {theirs, theirs, ours, theirs, ours},
	} {
		got := train(engines...)
		for n, w := range want.losses {
			if g := got.losses[n]; !(math.Abs(g-w) <= 1e-3*math.Abs(w)) {
				t.Fatalf("%s: loss %d is %v, want %v", what, n, g, w)
			}
		}
		for _, name := range want.state.Names() {
			g, gErr := got.state.Tensor(name)
			w, wErr := want.state.Tensor(name)
			if err := errors.Join(gErr, wErr); err != nil {
				t.Fatal(err)
			}
			if err := agree(g, w, 1e-2); err != nil {
				t.Errorf("%s: %s in the end: %v", what, name, err)
			}
		}
	}
}

// TestEngineNonFinite: a step that is not finite is explained as in any engine, and leaves the state as it is.
func TestEngineNonFinite(t *testing.T) {
	requireLibrary(t)
	prog := modelstest.Define(t, vae.Model, map[string]float64{"hidden": 16, "latent": 4})
	state, err := runtime.NewState(prog, 5)
	if err != nil {
		t.Fatal(err)
	}
	before, err := state.Clone()
	if err != nil {
		t.Fatal(err)
	}
	e, err := onnxruntime.NewEngine(onnxruntime.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	x, err := e.Load(prog, state)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	image := tensor.New(tensor.F32, 2, 1, 28, 28)
	image.Set(100, math.NaN())
	var bad *runtime.NonFiniteError
	if _, err := runtime.Run(t.Context(), x, "train", map[string]*tensor.Tensor{"image": image}); !errors.As(err, &bad) || bad.What != "NaN" {
		t.Errorf("a NaN in the data: %v", err)
	}
	for _, name := range state.Names() {
		a, _ := state.Tensor(name)
		b, _ := before.Tensor(name)
		if err := agree(a, b, 0); err != nil {
			t.Errorf("%s has changed: %v", name, err)
		}
	}
	if _, err := runtime.Run(t.Context(), x, "train", map[string]*tensor.Tensor{"image": image, "y": image}); err == nil || !strings.Contains(err.Error(), `no input is called "y"`) {
		t.Errorf("an input that there is not: %v", err)
	}
}
