package app

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/models/gan"
	"github.com/sardonyx-ml/sardonyx/compiler/models/yardstick"
	"github.com/sardonyx-ml/sardonyx/exporters/numpy"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/racetest"
	"github.com/sardonyx-ml/sardonyx/runtime/train"
)

// TestResumeOnOtherEngine trains the yardsticks and a WGAN-GP for two epochs: in gorgonia, in onnxruntime, and begun in the one and resumed
// in the other, by the commands. The losses must be those of gorgonia alone, and so must the last checkpoint: counts to the digit, parameters
// and moments to a part of what they have moved by. Rounding takes them apart by 1e-7 to 2e-4 of it.
func TestResumeOnOtherEngine(t *testing.T) {
	needRuntime(t)
	if racetest.Enabled {
		t.Skip("plain arithmetic")
	}
	const batch, examples = 4, 12
	for _, tt := range []struct {
		model    models.Model
		settings string
		shape    []int   // of an example's image
		tol      float64 // of losses, relative to them and a tenth
		state    float64 // of parameters and moments, relative to what they have moved by
	}{
		{yardstick.Models[0], "", []int{784}, 1e-5, 1e-3},
		{yardstick.Models[1], "", []int{1, 28, 28}, 1e-5, 1e-3},
		{yardstick.Models[2], "--set depth=2 --set width=32 --set context=16", nil, 1e-5, 1e-3},
		{yardstick.Models[3], "", []int{3, 32, 32}, 1e-3, 1e-2},
		{gan.WGANGP, "--set width=4 --set latent=8 --set ratio=1", []int{1, 28, 28}, 1e-3, 1e-2},
	} {
		t.Run(tt.model.Name, func(t *testing.T) {
			dir := t.TempDir()
			r := rand.New(rand.NewPCG(1, 2))
			floats, ints := func(shape ...int) *tensor.Tensor {
				x := tensor.New(tensor.F32, shape...)
				for i := range x.Len() {
					x.Set(i, r.Float64())
				}
				return x
			}, func(shape ...int) *tensor.Tensor {
				x := tensor.New(tensor.I64, shape...)
				for i := range x.Len() {
					x.SetInt(i, int64(r.IntN(10)))
				}
				return x
			}
			data := map[string]*tensor.Tensor{}
			switch {
			case tt.shape == nil:
				data["token"], data["label"] = ints(examples, 16), ints(examples, 16)
			case tt.model.Name == "step-cnn":
				data["label"] = ints(examples)
				fallthrough
			default:
				data["image"] = floats(append([]int{examples}, tt.shape...)...)
			}
			file := filepath.Join(dir, "data.npz")
			if err := numpy.WriteNPZ(file, data); err != nil {
				t.Fatal(err)
			}
			line := fmt.Sprintf("train %s --data %s %s --batch %d --no-report", tt.model.Name, file, tt.settings, batch)
			end := func(name string, engines ...string) (train.Record, *runtime.State) {
				t.Helper()
				out := filepath.Join(dir, name)
				for i, engine := range engines {
					epochs := 2 * (i + 1) / len(engines)
					more := ""
					if i > 0 {
						more = " --resume"
					}
					mustModel(t, tt.model, fmt.Sprintf("%s --out %s --epochs %d --engine %s%s", line, out, epochs, engine, more))
				}
				return lastRecord(t, out), lastState(t, tt.model, out)
			}
			want, state := end("gorgonia", engineGorgonia)
			start := firstState(t, tt.model, filepath.Join(dir, "gorgonia"))
			for name, engines := range map[string][]string{
				"onnxruntime":          {engineOnnxruntime},
				"begun in gorgonia":    {engineGorgonia, engineOnnxruntime},
				"begun in onnxruntime": {engineOnnxruntime, engineGorgonia},
			} {
				got, other := end(strings.ReplaceAll(name, " ", "-"), engines...)
				if got.Epoch != 2 || got.Step != want.Step || len(got.Train) != len(want.Train) {
					t.Fatalf("%s ends with %+v, gorgonia with %+v", name, got, want)
				}
				for metric, w := range want.Train {
					if g := got.Train[metric]; !(math.Abs(g-w) <= tt.tol*(.1+math.Abs(w))) && strings.Contains(metric, "loss") {
						t.Errorf("%s: %s is %v, in gorgonia %v", name, metric, g, w)
					}
				}
				sameState(t, name, other, state, start, tt.state)
			}
		})
	}
}

// firstState is what a run in dir began with.
func firstState(t *testing.T, m models.Model, dir string) *runtime.State {
	t.Helper()
	setup, err := train.Folder(dir).Setup()
	if err != nil {
		t.Fatal(err)
	}
	_, prog, err := defineAs(m, setup)
	if err != nil {
		t.Fatal(err)
	}
	s, err := runtime.NewState(prog, setup.Seed)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// lastState is what the last checkpoint of a run in dir has.
func lastState(t *testing.T, m models.Model, dir string) *runtime.State {
	t.Helper()
	s := firstState(t, m, dir)
	cs, err := train.OpenCheckpoints(train.Folder(dir).Checkpoints())
	if err == nil {
		_, err = cs.Restore(train.Last, s)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sameState holds got to want: whole numbers to the digit, and of floats the sum of what elements differ by to tol of the sum of what they
// have moved by since start, for parameters and for what optimizers keep.
func sameState(t *testing.T, name string, got, want, start *runtime.State, tol float64) {
	t.Helper()
	var apart, moved [2]float64
	for _, of := range want.Names() {
		g, gErr := got.Tensor(of)
		w, wErr := want.Tensor(of)
		s, sErr := start.Tensor(of)
		if err := errors.Join(gErr, wErr, sErr); err != nil {
			t.Fatal(err)
		}
		group := 0
		if strings.HasPrefix(of, "opt.") {
			group = 1
		}
		for i := range w.Len() {
			switch {
			case w.DType().Float():
				apart[group] += math.Abs(g.At(i) - w.At(i))
				moved[group] += math.Abs(w.At(i) - s.At(i))
			case g.Int(i) != w.Int(i):
				t.Errorf("%s: %s is %v, in gorgonia %v", name, of, g.Raw(), w.Raw())
				return
			}
		}
	}
	for group, what := range []string{"parameters", "what optimizers keep"} {
		if d := apart[group] / moved[group]; !(d <= tol) {
			t.Errorf("%s: %s are apart from gorgonia's by %.1e of what they have moved by", name, what, d)
		} else {
			t.Logf("%s: %s: %.1e", name, what, d)
		}
	}
}
