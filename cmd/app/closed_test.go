package app

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/initializer"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/train"
)

// frequencies are the probabilities of three values of each of two features.
type frequencies struct {
	nn.Layer
}

func (l *frequencies) table(x *graph.Value, leaf string) *graph.Value {
	return l.Run(l, x, func() *graph.Value { return l.Buffer(x, leaf, initializer.Zeros{}, 2, 3) })
}

// twoFeatures is naive Bayes of two features, in closed form.
var twoFeatures = models.Model{
	Name: "bayes", Doc: "naive Bayes", Settings: models.Settings{"smoothing": 1},
	Define: func(models.Settings) (*compiler.Program, error) {
		batch := graph.Sym("batch")
		m := &struct{ Counts frequencies }{}
		b := compiler.New("bayes")
		b.Model("", m)
		nll := func(f *graph.Func) *graph.Value { // [batch]
			x := f.Input("x", graph.I64, batch, 2).OneHot(3, graph.F32)
			return x.Mul(m.Counts.table(x, "logp")).Sum(1, 2).Neg()
		}
		b.Func("score", func(f *graph.Func) { f.Output("nll", nll(f)) })
		b.Func("validate", func(f *graph.Func) { f.Output("loss", nll(f).Mean()) })
		b.Func("draw", func(f *graph.Func) { // by the inverse of the cumulative distribution
			u := f.Input("u", graph.F32, batch, 2)
			over := u.Reshape(batch, 2, 1).GreaterEqual(m.Counts.table(u, "cdf"))
			f.Output("x", over.Cast(graph.F32).Sum(2).Cast(graph.I64))
		})
		return b.Compile()
	},
	Train: models.Training{
		Validate: "validate", Inputs: map[string]string{"x": "hair,size"},
		Fit: func(_ context.Context, _ models.Settings, s models.State, d models.Examples) (map[string]float64, error) {
			logp, cdf := tensor.New(tensor.F32, 2, 3), tensor.New(tensor.F32, 2, 3)
			n := float64(d.Len())
			for i := range d.Len() {
				x, err := d.Take(i)
				if err != nil {
					return nil, err
				}
				for j, name := range []string{"hair", "size"} {
					at := 3*j + int(x[name].At(0))
					logp.Set(at, logp.At(at)+1)
				}
			}
			nll := 0.
			for j := range 2 {
				sum := 0.
				for k := range 3 {
					c := logp.At(3*j + k)
					p := (c + 1) / (n + 3)
					sum += p
					nll -= c / n * math.Log(p)
					logp.Set(3*j+k, math.Log(p))
					cdf.Set(3*j+k, sum)
				}
			}
			if err := s.Set("counts.logp", logp); err != nil {
				return nil, err
			}
			return map[string]float64{"loss": nll}, s.Set("counts.cdf", cdf)
		},
	},
	Sample: models.Sampling{
		Func: "draw", Inputs: map[string]models.Feed{"u": models.Uniform}, Output: "x",
		Kind: models.Table(models.Column{Name: "hair", Values: []string{"long", "none", "short"}}, models.Column{Name: "size"}),
	},
}

// TestClosedForm takes a model without a gradient step through the commands.
func TestClosedForm(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rows := "hair,size\n" + strings.Repeat("long,0\n", 5) + strings.Repeat("short,1\n", 2) + "none,0\n"
	for _, name := range []string{"train.csv", "test.csv"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(rows), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	line := "train --data " + dir + " --out " + dir + "/run"
	contains(t, mustModel(t, twoFeatures, line), "training bayes", "(8 examples)", "best loss 1.580")
	contains(t, mustModel(t, twoFeatures, line+" --resume"), "best loss")
	records, err := train.ReadHistory(train.Folder(dir + "/run").Metrics())
	if err != nil || len(records) != 1 || math.Abs(records[0].Train["loss"]-records[0].Validate["loss"]) > 1e-6 {
		t.Errorf("%d records, %v: %v", len(records), records, err)
	}
	if r := modelCommand(twoFeatures, line+"2 --epochs 3"); r.code != exitUsage || !strings.Contains(r.err, "--epochs 3: the model is fitted in closed form") {
		t.Errorf("--epochs: %s", r.err)
	}
	both := twoFeatures
	both.Train.Rhythm = models.Rhythm{{Step: "frob"}}
	if r := modelCommand(both, line+"2"); r.code != exitError || !strings.Contains(r.err, "has both a Fit, which needs no Step, and the Steps frob") {
		t.Errorf("Fit and Steps: %s", r.err)
	}
	contains(t, mustModel(t, twoFeatures, "export --run "+dir+"/run"), "score.onnx", "draw.onnx")
	needRuntime(t)
	contains(t, mustModel(t, twoFeatures, "verify --run "+dir+"/run"), "score", "ok")
	mustModel(t, twoFeatures, "sample --count 4000 --run "+dir+"/run --out "+dir+"/x.csv")
	seen := map[string]float64{}
	for _, row := range readCSV(t, dir+"/x.csv")[1:] {
		seen[row[0]] += 1. / 4000
		seen[row[1]] += 1. / 4000
	}
	for value, count := range map[string]float64{"long": 5, "short": 2, "none": 1, "0": 6, "1": 2, "2": 0} {
		if p := (count + 1) / 11; math.Abs(seen[value]-p) > 4*math.Sqrt(p*(1-p)/4000) {
			t.Errorf("%v of the samples have %s, want %v", seen[value], value, p)
		}
	}
}

// TestMeasures trains a GAN that is measured every second epoch, by the highest of which the best checkpoint is found and exported.
func TestMeasures(t *testing.T) {
	t.Parallel()
	needSmall(t)
	m := dcgan
	m.Train.Measures = []models.Measure{{Name: "bright", Train: true, Every: 2, Take: func(ctx context.Context, run models.Measuring) (map[string]float64, error) {
		out, err := run.Run(ctx, "generate", map[string]*tensor.Tensor{"z": tensor.New(tensor.F32, 2, 3)})
		if err != nil || len(out) == 0 {
			return nil, err
		}
		return map[string]float64{"": 9 - float64(run.Epoch)}, nil
	}}}
	m.Train.Best, m.Train.Highest = "bright", true
	dir := t.TempDir() + "/run"
	contains(t, mustModel(t, m, "train --data {}/small.npz --out "+dir), "best bright 7.0000, after epoch 2")
	needRuntime(t)
	contains(t, mustModel(t, m, "sample --run "+dir+" --out "+dir+"/x.png"), "the best checkpoint")
	m.Train.Best = "dark"
	if r := modelCommand(m, "train --data {}/small.npz --out "+dir+"2"); r.code != exitError || !strings.Contains(r.err, `no metric "dark" to find the best epoch by`) {
		t.Errorf("an unknown metric: %s", r.err)
	}
	m.Train.Measures[0].Name = ""
	if r := modelCommand(m, "train --data {}/small.npz --out "+dir+"2"); r.code != exitError || !strings.Contains(r.err, "measure 1 has no Name") {
		t.Errorf("a measure without a name: %s", r.err)
	}
}
