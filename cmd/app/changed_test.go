package app

import (
	"bytes"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/loss"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/models/vae"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// changedVAE is the model vae after changes in its source: another Beta1, an output with another name, a Func more, and a
// setting more.
func changedVAE(hidden int) models.Model {
	m := vae.Model
	m.Density, m.Edit = models.Density{}, models.Editing{}
	m.Settings = maps.Clone(m.Settings)
	m.Settings["beta1"] = .5
	m.Define = func(s models.Settings) (*compiler.Program, error) {
		s = maps.Clone(s)
		s["hidden"] += float64(hidden)
		v, err := vae.New(s)
		if err != nil {
			return nil, err
		}
		batch := graph.Sym("batch")
		image := func(f *graph.Func) *graph.Value { return f.Input("image", graph.F32, batch, 1, 28, 28) }
		b := compiler.New("vae")
		b.Model("", v)
		b.Func("encode", func(f *graph.Func) {
			mu, _ := v.Encode(image(f), nil)
			f.Output("mean", mu)
		})
		b.Func("decode", func(f *graph.Func) {
			z := f.Input("z", graph.F32, batch, graph.Dim(s.Int("latent")))
			f.Output("image", v.Decode(z, nil).Sigmoid())
		})
		b.Func("logits", func(f *graph.Func) {
			f.Output("logits", v.Decode(f.Input("z", graph.F32, batch, graph.Dim(s.Int("latent"))), nil))
		})
		losses := func(f *graph.Func) *graph.Value {
			reconstruction, mu, logVar := v.Terms(image(f), nil)
			return reconstruction.Add(loss.KLNormal(mu, logVar)).Mean()
		}
		b.Func("validate", func(f *graph.Func) { f.Output("loss", losses(f)) })
		b.Step("train", optim.Adam{LR: s.Float("lr"), Beta1: s.Float("beta1")}, v, losses)
		return b.Compile()
	}
	return m
}

// TestChangedModel exports, verifies and samples a run with a model whose source has changed since, and goes on training it.
func TestChangedModel(t *testing.T) {
	needRuntime(t)
	needRun(t)
	dir, out := filepath.Join(t.TempDir(), "run"), filepath.Join(t.TempDir(), "out")
	must(t, "train vae "+tiny+" --out "+dir)
	do := func(m models.Model, line string) result {
		one.Lock()
		defer one.Unlock()
		var o, e bytes.Buffer
		args := append([]string{"sardonyx"}, strings.Fields(strings.ReplaceAll(line, "{}", shared))...)
		return result{Run(t.Context(), args, &o, &e, m), o.String(), e.String()}
	}
	const unchanged = "the Func decode"
	for _, line := range []string{
		"export vae --run " + dir + " --out " + out, "verify vae --run " + dir, "sample vae --run " + dir + " --count 4 --npy " + out + "/s.npy",
		"export vae --run " + dir, "verify vae --run " + dir, "sample vae --run " + dir + " --count 4 --npy " + out + "/s.npy",
	} {
		r := do(changedVAE(0), line)
		if r.code != exitOK {
			t.Errorf("%s: exit code %d: %s", line, r.code, r.err)
		}
		contains(t, r.err, "note: model vae has changed since "+dir+" was trained (", "the Func encode has changed", "the Func logits is new", "reconstruct is gone", "the Step train has changed", "its state fits")
	}
	if r := do(changedVAE(0), "export vae --run "+dir); strings.Contains(r.err, unchanged) {
		t.Errorf("what has not changed is listed: %s", r.err)
	}
	if r := do(changedVAE(1), "export vae --run "+dir); r.code != exitError {
		t.Errorf("another width was exported")
	} else {
		contains(t, r.err, "model vae has changed since", "dec.weight is f32[4 6] in it and f32[4 7] in the program")
	}
	if r := do(vae.Model, "sample vae --run "+dir+" --count 4 --npy "+out+"/s.npy"); r.code != exitError {
		t.Error("a file of the changed model was sampled as one of the model before")
	} else {
		contains(t, r.err, "decode.onnx was not exported from the best checkpoint of the run, or before the model changed", "export it again")
	}
	r := do(changedVAE(0), "train vae "+strings.Replace(tiny, "--epochs 3", "--epochs 4", 1)+" --resume --out "+dir)
	if r.code != exitOK {
		t.Errorf("resumed: exit code %d: %s", r.code, r.err)
	}
	contains(t, r.err, "the run may not end as it would have", "the Step train has changed")
	if r := do(changedVAE(0), "verify vae --run "+dir); strings.Contains(r.err, "note:") {
		t.Errorf("after going on, the run is still taken for the model's before: %s", r.err)
	}
}
