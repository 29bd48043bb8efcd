package onnxruntime_test

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/onnxtest"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
)

// TestModels runs every function and training step of the models in onnxruntime, at the oldest and newest opset, and
// compares each output, gradients' updates among them, with our kernels at several sizes of the symbols.
func TestModels(t *testing.T) {
	eachProgram(t, func(prog *compiler.Program, state *runtime.State) {
		for _, f := range slices.Concat(prog.Funcs(), prog.Steps()) {
			for _, opset := range []int{onnx.MinOpset, onnx.MaxOpset} {
				t.Run(fmt.Sprintf("%s/%s/opset%d", prog.Name(), f.Name, opset), func(t *testing.T) { checkFunc(t, prog, f, state, opset) })
			}
		}
	})
}

// eachProgram runs do on the models with their first state.
func eachProgram(t *testing.T, do func(prog *compiler.Program, state *runtime.State)) {
	t.Helper()
	requireLibrary(t)
	progs, err := onnxtest.Programs()
	if err != nil {
		t.Fatal(err)
	}
	for _, prog := range progs {
		state, err := runtime.NewState(prog, 3)
		if err != nil {
			t.Fatal(err)
		}
		do(prog, state)
	}
}

// adamStep is the VAE's learning rate, and so the most by which its optimizer, Adam, moves a weight at the first step. The
// optimizers of the other models are tamed.
const adamStep = 1e-3

func checkFunc(t *testing.T, prog *compiler.Program, f *graph.Func, state *runtime.State, opset int) {
	t.Helper()
	var file bytes.Buffer
	if _, err := onnx.Export(&file, f, state, onnx.Options{Opset: opset, Training: f.Training}); err != nil {
		t.Fatal(err)
	}
	s, err := onnxruntime.OpenBytes(file.Bytes(), onnxruntime.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	pure, noise := onnx.HoistRandom(f)
	for _, b := range []graph.Binding{{"batch": 1, "seq": 4}, {"batch": 3, "seq": 2}} {
		in := modelInputs(t, pure, noise, b)
		got, err := s.Run(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range pure.Params {
			if in[p.Name], err = state.Tensor(p.Name); err != nil {
				t.Fatal(err)
			}
		}
		want, err := graph.Evaluate(kernel.NewContext(gonum.Implementation{}, 1), pure, in)
		if err != nil {
			t.Fatal(err)
		}
		outputs := 0
		compare := func(name string, v *graph.Value) {
			outputs++
			tol := 1e-5
			if _, adam := got["opt.train.m."+name]; adam && prog.Name() == "vae" {
				tol = adamStep // a gradient that is nothing but rounding moves a weight by this in any direction
			}
			if err := agree(got[name], want[v.ID], tol); err != nil {
				t.Errorf("%v: output %q: %v", b, name, err)
			}
		}
		for _, o := range pure.Outputs {
			compare(o.Name, o.Value)
		}
		for _, u := range pure.Updates {
			compare(u.Name+onnx.Next, u.Value)
		}
		if len(got) != outputs {
			t.Errorf("%v: %d outputs, want %d", b, len(got), outputs)
		}
	}
}

// TestTrainingLoop runs the models' training steps in onnxruntime, feeding the new state back, and compares the losses
// with those of our kernels.
func TestTrainingLoop(t *testing.T) {
	eachProgram(t, func(prog *compiler.Program, state *runtime.State) {
		for _, f := range prog.Steps() {
			t.Run(prog.Name()+"/"+f.Name, func(t *testing.T) { checkLoop(t, f, state) })
		}
	})
}

func checkLoop(t *testing.T, f *graph.Func, state *runtime.State) {
	t.Helper()
	var file bytes.Buffer
	if _, err := onnx.Export(&file, f, state, onnx.Options{Training: true}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "step.onnx")
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	fromFile, err := onnxruntime.Open(path, onnxruntime.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer fromFile.Close()
	fromBytes, err := onnxruntime.OpenBytes(file.Bytes(), onnxruntime.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer fromBytes.Close()
	pure, noise := onnx.HoistRandom(f)
	if got := fromFile.State(); len(got) != len(pure.Params) {
		t.Fatalf("the state is %v, want %d tensors", got, len(pure.Params))
	}
	batch := modelInputs(t, pure, noise, graph.Binding{"batch": 3, "seq": 4})
	theirs, ours := maps.Clone(batch), maps.Clone(batch)
	for _, p := range pure.Params {
		if ours[p.Name], err = state.Tensor(p.Name); err != nil {
			t.Fatal(err)
		}
	}
	var losses []float64
	for step := range 4 {
		session := []*onnxruntime.Session{fromFile, fromBytes}[step%2]
		got, err := session.Run(t.Context(), theirs) // at first with the state in the file
		if err != nil {
			t.Fatal(err)
		}
		want, err := graph.Evaluate(kernel.NewContext(gonum.Implementation{}, 1), pure, ours)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range pure.Outputs {
			if err := agree(got[o.Name], want[o.Value.ID], 1e-4); err != nil {
				t.Errorf("step %d: %q: %v", step, o.Name, err)
			}
			losses = append(losses, got[o.Name].At(0))
		}
		for _, p := range pure.Params {
			theirs[p.Name] = ours[p.Name] // what the step does not update
		}
		for _, u := range pure.Updates {
			theirs[u.Name], ours[u.Name] = got[u.Name+onnx.Next], want[u.Value.ID]
		}
	}
	if last := losses[len(losses)-1]; last == losses[len(pure.Outputs)-1] {
		t.Errorf("the loss stays at %v", last)
	}
	checkPart(t, fromFile, theirs, pure.Params[0].Name, state)
	checkPart(t, fromBytes, theirs, pure.Params[0].Name, state)
}

// checkPart leaves name out of the state in: the run must give what it gives with the value that was exported.
func checkPart(t *testing.T, s *onnxruntime.Session, in map[string]*tensor.Tensor, name string, state *runtime.State) {
	t.Helper()
	in = maps.Clone(in)
	var err error
	if in[name], err = state.Tensor(name); err != nil {
		t.Fatal(err)
	}
	want, err := s.Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	delete(in, name)
	got, err := s.Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	for output, w := range want {
		if err := agree(got[output], w, 0); err != nil {
			t.Errorf("without %q: output %q: %v", name, output, err)
		}
	}
}

// modelInputs draws inputs: what stands for random numbers as those are distributed, other floats in [0, 1), and
// integers 0 or 1.
func modelInputs(t *testing.T, f *graph.Func, noise []onnx.Noise, b graph.Binding) map[string]*tensor.Tensor {
	t.Helper()
	r := rand.New(rand.NewPCG(1, uint64(b["batch"])))
	in := map[string]*tensor.Tensor{}
	for _, v := range f.Inputs {
		shape, err := v.Shape().Eval(b)
		if err != nil {
			t.Fatal(err)
		}
		normal := slices.ContainsFunc(noise, func(n onnx.Noise) bool { return n.Input == v.Name && n.Distribution == onnx.Normal })
		x := tensor.New(v.DType(), shape...)
		for i := range x.Len() {
			switch {
			case normal:
				x.Set(i, r.NormFloat64())
			case v.DType().Float():
				x.Set(i, r.Float64())
			default:
				x.Set(i, float64(r.IntN(2)))
			}
		}
		in[v.Name] = x
	}
	return in
}

// agree holds got to want: dtype, shape, and each element within tol·max(1, |want|); NaN only where want has it.
func agree(got, want *tensor.Tensor, tol float64) error {
	if got == nil || got.DType() != want.DType() || !slices.Equal(got.Shape(), want.Shape()) {
		return fmt.Errorf("onnxruntime gives %v, we %v", got, want)
	}
	for i := range got.Len() {
		g, w := got.At(i), want.At(i)
		if want.DType().Integer() && got.Int(i) != want.Int(i) {
			return fmt.Errorf("element %d is %d, want %d", i, got.Int(i), want.Int(i))
		}
		if g == w || math.IsNaN(g) && math.IsNaN(w) {
			continue
		}
		if !(math.Abs(g-w) <= tol*max(1, math.Abs(w))) || math.IsInf(w, 0) {
			return fmt.Errorf("element %d is %v in onnxruntime, %v in ours", i, g, w)
		}
	}
	return nil
}
