package onnxruntime_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models/modelstest"
	"github.com/sardonyx-ml/sardonyx/compiler/models/vae"
	"github.com/sardonyx-ml/sardonyx/exporters/numpy"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/onnxtest"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
)

// TestDescription trains the VAE by the program in its exported step's description, word for word, on given data and noise:
// the losses must be those of our own kernels, step by step, and so must the state in the end.
func TestDescription(t *testing.T) {
	python := onnxtest.Python(t, "numpy", "onnxruntime")
	prog := modelstest.Define(t, vae.Model, map[string]float64{"hidden": 16, "latent": 4, "lr": 1e-2})
	state, err := runtime.NewState(prog, 5)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	f := prog.Step("train")
	if _, err := onnx.ExportFile(filepath.Join(dir, "train.onnx"), f, state, onnx.Options{Training: true}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "train.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, program, _ := strings.Cut(string(text), "```python\n")
	program, _, ok := strings.Cut(program, "```\n")
	if !ok {
		t.Fatalf("no program in the description:\n%s", text)
	}
	const steps, batch = 100, 32 // as in the program
	draws := map[string]*tensor.Tensor{}
	ours := map[string]*tensor.Tensor{}
	for _, p := range f.Params {
		if ours[p.Name], err = state.Tensor(p.Name); err != nil {
			t.Fatal(err)
		}
	}
	var want [][]float64 // the outputs of each step
	r := rand.New(rand.NewPCG(1, 2))
	for n := range steps {
		ours["image"] = bars(r, batch)
		noise := tensor.New(tensor.F32, batch, 4)
		kernel.Normal(kernel.NewContext(nil, 1), kernel.Draw{Seed: 5, Step: uint64(n)}, tensor.Data[float32](noise))
		draws[strconv.Itoa(2*n)], draws[strconv.Itoa(2*n+1)] = ours["image"], noise
		vals, err := graph.Evaluate(kernel.NewContext(gonum.Implementation{}, 2), f, ours) // draws the noise itself
		if err != nil {
			t.Fatal(err)
		}
		var out []float64
		for _, o := range f.Outputs {
			if o.Name != compiler.OK { // which the program does not print
				out = append(out, vals[o.Value.ID].At(0))
			}
		}
		want = append(want, out)
		for _, u := range f.Updates {
			ours[u.Name] = vals[u.Value.ID]
		}
	}
	if err := numpy.WriteNPZ(filepath.Join(dir, "draws.npz"), draws); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "program.py"), []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	recorded, err := filepath.Abs("testdata/recorded.py")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, recorded)
	cmd.Dir = dir
	printed, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, printed)
	}
	lines := strings.Split(strings.TrimSpace(string(printed)), "\n")
	if len(lines) != steps {
		t.Fatalf("%d steps, want %d:\n%s", len(lines), steps, printed)
	}
	for n, line := range lines {
		got := strings.Fields(line)
		for i, w := range want[n] {
			g, err := strconv.ParseFloat(got[i+1], 64)
			if err != nil || !(math.Abs(g-w) <= 1e-3*math.Abs(w)) {
				t.Fatalf("step %d: %s, want %v", n, line, want[n])
			}
		}
	}
	loss := slices.IndexFunc(f.Outputs, func(o graph.Output) bool { return o.Name == "loss" })
	if first, last := want[0][loss], want[steps-1][loss]; !(last < first/2) {
		t.Errorf("the loss goes from %v to %v", first, last)
	}
	trained, err := numpy.ReadNPZ(filepath.Join(dir, "trained.train.state.npz"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range f.Params {
		if got := trained[p.Name]; p.Name != graph.RandomState {
			if err := agree(got, ours[p.Name], 1e-2); err != nil {
				t.Errorf("%s in the end: %v", p.Name, err)
			}
		}
	}
}

// bars draws images [n 1 28 28] of one bright bar each, up or across.
func bars(r *rand.Rand, n int) *tensor.Tensor {
	x := tensor.New(tensor.F32, n, 1, 28, 28)
	for i := range n {
		at, across := r.IntN(28), r.IntN(2) == 0
		for j := range 28 {
			if across {
				x.Set((i*28+at)*28+j, 1)
			} else {
				x.Set((i*28+j)*28+at, 1)
			}
		}
	}
	return x
}

// TestDescriptions runs the program of each model's training step as it stands, on what it draws itself.
func TestDescriptions(t *testing.T) {
	python := onnxtest.Python(t, "numpy", "onnxruntime")
	eachStep(t, func(t *testing.T, f *graph.Func, state *runtime.State) {
		dir := t.TempDir()
		if _, err := onnx.ExportFile(filepath.Join(dir, "step.onnx"), f, state, onnx.Options{Training: true}); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(dir, "step.md"))
		if err != nil {
			t.Fatal(err)
		}
		_, program, _ := strings.Cut(string(text), "```python\n")
		program, _, _ = strings.Cut(program, "```\n")
		cmd := exec.Command(python, "-c", strings.Replace(program, "range(100)", "range(3)", 1))
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil || strings.Count(string(out), "\n") != 3 || strings.Contains(string(out), "nan") {
			t.Errorf("%v\n%s\n%s", err, out, program)
		}
		fmt.Fprintf(t.Output(), "%s", out)
	})
}
