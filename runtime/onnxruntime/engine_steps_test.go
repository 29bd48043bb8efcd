package onnxruntime_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/models/gan"
	"github.com/sardonyx-ml/sardonyx/compiler/models/modelstest"
	"github.com/sardonyx-ml/sardonyx/compiler/models/yardstick"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/gorgonia"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
)

// TestEngineSteps takes 200 steps of the yardsticks and of a WGAN-GP, whose critic is differentiated twice, in gorgonia and in onnxruntime,
// from one seed on the same data: the losses must be the same. Where two networks play against each other, what rounding does grows
// tenfold in some twenty steps; there, onnxruntime goes on from gorgonia's state every few steps. Now and then a value is so near to the
// kink of a leaky ReLU that rounding decides the slope; the gradient of a gradient then jumps, and the rest of the stretch is another.
func TestEngineSteps(t *testing.T) {
	requireLibrary(t)
	ours, err := gorgonia.New(gorgonia.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := onnxruntime.NewEngine(onTested(onnxruntime.Options{Threads: 2}))
	if err != nil {
		t.Fatal(err)
	}
	steps := 200
	if testing.Short() {
		steps = 20
	}
	for _, tt := range []struct {
		model    models.Model
		settings models.Settings
		batch    int
		stretch  int     // steps from one state
		tol      float64 // of losses, relative to them and a tenth
		kinks    int     // stretches that may leave tol
	}{
		{yardstick.Models[0], nil, 8, steps, 5e-6, 0},
		{yardstick.Models[1], nil, 4, steps, 2e-6, 0},
		{yardstick.Models[2], models.Settings{"depth": 2, "width": 32, "context": 16}, 4, steps, 2e-6, 0},
		{yardstick.Models[3], nil, 2, 2, 1e-3, 0},
		{gan.WGANGP, nil, 4, 10, 2e-5, 1},
	} {
		t.Run(tt.model.Name, func(t *testing.T) {
			prog := modelstest.Define(t, tt.model, tt.settings)
			load := func(e runtime.Engine) (runtime.Executable, *runtime.State) {
				state, err := runtime.NewState(prog, 3)
				if err != nil {
					t.Fatal(err)
				}
				x, err := e.Load(prog, state)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { x.Close() })
				return x, state
			}
			x, want := load(ours)
			y, got := load(theirs)
			r := rand.New(rand.NewPCG(1, 2))
			kinks := map[int]bool{} // stretches that left tol
			for n := range steps {
				if n%tt.stretch == 0 && n > 0 {
					for _, name := range want.Names() {
						w, err := want.Tensor(name)
						if err == nil {
							err = got.Set(name, w)
						}
						if err != nil {
							t.Fatal(err)
						}
					}
				}
				for _, name := range tt.model.Train.Turns().Steps() {
					in := drawn(r, prog.Step(name), tt.batch)
					w, wErr := runtime.Run(t.Context(), x, name, in)
					g, gErr := runtime.Run(t.Context(), y, name, in)
					if err := errors.Join(wErr, gErr); err != nil {
						t.Fatal(err)
					}
					a, b := g["loss"].At(0), w["loss"].At(0)
					d := math.Abs(a-b) / (.1 + math.Abs(b))
					if d > far(tt.tol) {
						kinks[n/tt.stretch] = true
					}
					if !(d <= .05) || len(kinks) > tt.kinks {
						t.Fatalf("step %d: the loss of %s is %v, in gorgonia %v", n, name, a, b)
					}
				}
			}
		})
	}
}

// drawn are inputs of f for a batch: floats in [0, 1), and whole numbers below ten.
func drawn(r *rand.Rand, f *graph.Func, batch int) map[string]*tensor.Tensor {
	in := map[string]*tensor.Tensor{}
	for _, v := range f.Inputs {
		if v.IsSize() {
			in[v.Name] = tensor.Scalar(int64(batch))
			continue
		}
		shape, _ := v.Sizes(f.BindAll(batch)) // of symbols that all are bound
		x := tensor.New(v.DType(), shape...)
		for i := range x.Len() {
			if v.DType().Float() {
				x.Set(i, r.Float64())
			} else {
				x.SetInt(i, int64(r.IntN(10)))
			}
		}
		in[v.Name] = x
	}
	return in
}
