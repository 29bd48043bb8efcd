package onnxruntime_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/pass"
	"github.com/sardonyx-ml/sardonyx/exporters/numpy"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/onnxtest"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
	"github.com/sardonyx-ml/sardonyx/runtime/verify"
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
	pure, noise := pass.HoistRandom(f)
	for _, b := range []graph.Binding{{"batch": 1, "seq": 4, "draws": 3, "height": 9, "width": 6, "length": 5}, {"batch": 3, "seq": 2, "draws": 1, "height": 4, "width": 7, "length": 8}} {
		in := modelInputs(t, pure, noise, b)
		all := maps.Clone(in)
		for _, p := range pure.Params {
			if all[p.Name], err = state.Tensor(p.Name); err != nil {
				t.Fatal(err)
			}
		}
		if f.Training { // its state is inputs
			in = all
		}
		got, err := s.Run(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		want, err := graph.Evaluate(kernel.NewContext(gonum.Implementation{}, 1), pure, all)
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

// TestStep exports the models' training steps and runs them by what is in the files alone, drawing their noise too, and
// compares the losses with those of our kernels, which draw from the random state themselves.
func TestStep(t *testing.T) { eachStep(t, checkStep) }

// eachStep runs do on the models' training steps with their first state.
func eachStep(t *testing.T, do func(t *testing.T, f *graph.Func, state *runtime.State)) {
	t.Helper()
	eachProgram(t, func(prog *compiler.Program, state *runtime.State) {
		for _, f := range prog.Steps() {
			t.Run(prog.Name()+"/"+f.Name, func(t *testing.T) { do(t, f, state) })
		}
	})
}

func checkStep(t *testing.T, f *graph.Func, state *runtime.State) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "step.onnx")
	if _, err := onnx.ExportFile(path, f, state, onnx.Options{Training: true}); err != nil {
		t.Fatal(err)
	}
	step, err := onnxruntime.OpenStep(path, onnxruntime.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer step.Close()
	batch := modelInputs(t, f, nil, graph.Binding{"batch": 3, "seq": 4, "height": 5, "width": 6, "length": 7})
	var asked []string
	for _, in := range step.Inputs() {
		asked = append(asked, in.Name)
	}
	if want := slices.Sorted(maps.Keys(batch)); !slices.Equal(slices.Sorted(slices.Values(asked)), want) {
		t.Errorf("it asks for %q, want %q", asked, want)
	}
	ours := maps.Clone(batch)
	for _, p := range f.Params {
		if ours[p.Name], err = state.Tensor(p.Name); err != nil {
			t.Fatal(err)
		}
	}
	var losses []float64
	for n := range 4 {
		got, err := step.Run(t.Context(), batch)
		if err != nil {
			t.Fatal(err)
		}
		want, err := graph.Evaluate(kernel.NewContext(gonum.Implementation{}, 1), f, ours)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(f.Outputs) {
			t.Errorf("%d outputs, want %d", len(got), len(f.Outputs))
		}
		for _, o := range f.Outputs {
			if err := agree(got[o.Name], want[o.Value.ID], 1e-4); err != nil {
				t.Errorf("step %d: %q: %v", n, o.Name, err)
			}
			if o.Name == compiler.Loss {
				losses = append(losses, got[o.Name].At(0))
			}
		}
		for _, u := range f.Updates {
			ours[u.Name] = want[u.Value.ID]
		}
	}
	if last := losses[len(losses)-1]; last == losses[0] {
		t.Errorf("the loss stays at %v", last)
	}
	checkGuard(t, step, f, batch)
	for name, x := range step.State {
		if _, err := step.Run(t.Context(), map[string]*tensor.Tensor{name: x}); err == nil || !strings.Contains(err.Error(), strconv.Quote(name)+" is state") {
			t.Errorf("state for one run: %v", err)
		}
	}
	session, err := onnxruntime.Open(path, onnxruntime.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if _, err := session.Run(t.Context(), modelInputs(t, f, nil, graph.Binding{"batch": 3, "seq": 4, "height": 5, "width": 6, "length": 7})); err == nil || !strings.Contains(err.Error(), "is missing") {
		t.Errorf("without the state: %v", err) // to train nothing would be worse
	}
}

// checkGuard spoils a state of step: the guard in the file must keep all state as it is.
func checkGuard(t *testing.T, step *onnxruntime.Step, f *graph.Func, batch map[string]*tensor.Tensor) {
	t.Helper()
	good := step.State
	step.State = maps.Clone(good)
	counter := step.Counter
	for _, u := range f.Updates {
		if u.Value.DType().Float() {
			x := good[u.Name].Clone()
			x.Set(x.Len()-1, math.Inf(1))
			step.State[u.Name] = x
			break
		}
	}
	bad := maps.Clone(step.State)
	if _, err := step.Run(t.Context(), batch); !errors.Is(err, onnxruntime.ErrNonFinite) {
		t.Errorf("a state that is infinite: %v", err)
	}
	for name, x := range step.State {
		if x != bad[name] || step.Counter != counter {
			t.Errorf("%s has changed in a step that failed", name)
		}
	}
	step.State = good
}

// TestVerify: what ExportFile writes is verified as it stands, functions and training steps, and no longer once it is changed.
func TestVerify(t *testing.T) {
	eachProgram(t, func(prog *compiler.Program, state *runtime.State) {
		for _, f := range slices.Concat(prog.Funcs(), prog.Steps()) {
			t.Run(prog.Name()+"/"+f.Name, func(t *testing.T) { checkVerify(t, f, state) })
		}
	})
}

func checkVerify(t *testing.T, f *graph.Func, state *runtime.State) {
	t.Helper()
	path := filepath.Join(t.TempDir(), f.Name+".onnx")
	report, err := onnx.ExportFile(path, f, state, onnx.Options{Training: f.Training})
	if err != nil || report.Vectors != 2 {
		t.Fatalf("%d test vectors, %q; %v", report.Vectors, report.NoVectors, err)
	}
	list, err := onnxruntime.Verify(t.Context(), path, onnxruntime.Options{Threads: 1})
	if err != nil {
		t.Errorf("%v\n%+v", err, list)
	}
	updates := 0
	for _, d := range list {
		if d.Func != f.Name || d.Output == "" || !d.OK || d.Abs > 1 {
			t.Errorf("%+v", d)
		}
		if strings.HasSuffix(d.Output, onnx.Next) {
			updates++
		}
	}
	if f.Training && updates < 6 {
		t.Errorf("of the new state only %d tensors were compared", updates)
	}
	if list, err := onnxruntime.VerifyWithin(t.Context(), path, onnxruntime.Options{Threads: 1}, 0); err == nil && f.Training || len(list) < 2 {
		t.Errorf("with no tolerance at all: %v, %+v", err, list)
	}
	if !f.Training {
		checkVerifyFunc(t, path, f, state)
		return
	}
	first, err := numpy.ReadNPZ(onnx.StateFile(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range f.Params {
		if x := first[p.Name]; x != nil && p.Op.(graph.Param).Trainable {
			x.Set(0, x.At(0)+.125)
			break
		}
	}
	if err := numpy.WriteNPZ(onnx.StateFile(path), first); err != nil {
		t.Fatal(err)
	}
	if _, err := onnxruntime.Verify(t.Context(), path, onnxruntime.Options{Threads: 1}); err == nil || !strings.Contains(err.Error(), "the state is not what was exported") && !strings.Contains(err.Error(), "more than the tolerance") {
		t.Errorf("a changed state: %v", err)
	}
}

// checkVerifyFunc compares the exported file with the Func, and with the Func over other weights.
func checkVerifyFunc(t *testing.T, path string, f *graph.Func, state *runtime.State) {
	t.Helper()
	s, err := onnxruntime.Open(path, onnxruntime.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	list, err := onnxruntime.VerifyFunc(t.Context(), s, f, state, 7, 1e-4)
	if err == nil {
		err = verify.Differing(list)
	}
	if err != nil || len(list) != 2*len(f.Outputs) {
		t.Errorf("%d comparisons of %d outputs; %v", len(list), len(f.Outputs), err)
	}
	other, err := state.Clone()
	if err != nil {
		t.Fatal(err)
	}
	changed := 0
	for _, p := range f.Params {
		w, err := other.Tensor(p.Name)
		if err != nil {
			t.Fatal(err)
		}
		if p.Op.(graph.Param).Trainable {
			w.Set(w.Len()-1, w.At(w.Len()-1)+1)
			changed++
		}
	}
	if changed == 0 {
		return
	}
	if list, err = onnxruntime.VerifyFunc(t.Context(), s, f, other, 7, 1e-4); err != nil || verify.Differing(list) == nil {
		t.Errorf("with other weights: %+v, %v", list, err)
	}
}

// modelInputs draws inputs: what stands for random numbers as those are distributed, other floats in [0, 1), and
// integers 0 or 1.
func modelInputs(t *testing.T, f *graph.Func, noise []pass.Noise, b graph.Binding) map[string]*tensor.Tensor {
	t.Helper()
	r := rand.New(rand.NewPCG(1, uint64(b["batch"])))
	in := map[string]*tensor.Tensor{}
	for _, v := range f.Inputs {
		shape, err := v.Shape().Eval(b)
		if err != nil {
			t.Fatal(err)
		}
		normal := slices.ContainsFunc(noise, func(n pass.Noise) bool { return n.Input == v.Name && n.Distribution == pass.Normal })
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
		if got.Text(i) == want.Text(i) { // a string is no number
			continue
		}
		if want.DType() == tensor.String {
			return fmt.Errorf("element %d is %q, want %q", i, got.Text(i), want.Text(i))
		}
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
