package app

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/models/vae"
)

// TestZoo lists models by family, each with what it reached beside its reference, in the order of the program.
func TestZoo(t *testing.T) {
	t.Parallel()
	named := func(name, family string) models.Model {
		m := vae.Model
		m.Name, m.Family, m.Doc, m.Needs, m.Results = name, family, "a model", "", nil
		return m
	}
	first, last := named("first", "Flows"), named("last", "Flows")
	first.Needs = "20 min, 1 GB"
	first.Results = []models.Result{
		{Measure: "NLL in nats", Reference: "87 (Author 2019)", Reached: "88.1", Command: "train first --seed 1"},
		{Measure: "FID", Reference: "30 (Author 2020)"},
		{Measure: "KID", Reached: "0.1\x1b[2J"},
	}
	list := func(args ...string) string {
		one.Lock()
		defer one.Unlock()
		var out, errs bytes.Buffer
		code := Run(context.Background(), append([]string{"sardonyx", "models"}, args...), &out, &errs, first, named("other", "Trees"), named("alone", ""), last)
		if code != exitOK || errs.Len() > 0 {
			t.Fatalf("models %v: exit code %d: %s", args, code, errs.String())
		}
		return out.String()
	}

	const one = `first: a model
  parameters  835384
  data        mnist (image f32[batch 1 28 28])
  training    10 epochs; batch 128; 20 min, 1 GB
  result      NLL in nats: reached 88.1; reference 87 (Author 2019)
  result      FID: no result yet; reference 30 (Author 2020)
  result      KID: reached 0.1\x1b[2J
`
	rest := func(name string) string {
		return name + ": a model\n  parameters  835384\n  data        mnist (image f32[batch 1 28 28])\n  training    10 epochs; batch 128\n"
	}
	if got, want := list(), "Flows\n\n"+one+rest("last")+"\nTrees\n\n"+rest("other")+"\n"+rest("alone"); got != want {
		t.Errorf("the list is\n%s\nwant\n%s", got, want)
	}
	whole := list("first")
	if !strings.HasPrefix(whole, "Flows\n\n"+one) {
		t.Errorf("first is\n%s", whole)
	}
	contains(t, whole, "  functions   encode, decode, reconstruct, log_weights, validate\n  steps       train\n  settings    beta=1, channels=1, draws=1, ema=0, filters=0, free=0, hidden=512, latent=20, likelihood=0, lr=0.001, sigma=0, size=28, steps=0\n  choices     likelihood: bernoulli, gaussian, logistic, from 0\n", "  reached by  sardonyx train first --seed 1\n")
	if got := list("alone"); !strings.HasPrefix(got, "alone: ") {
		t.Errorf("a model of no family is shown as\n%s", got)
	}

	var info struct {
		Family  string
		Needs   string
		Fields  []struct{ Name, Type string }
		Results []struct{ Measure, Reference, Reached, Command string }
	}
	if err := json.Unmarshal([]byte(list("first", "--json")), &info); err != nil {
		t.Fatal(err)
	}
	if info.Family != "Flows" || info.Needs != first.Needs || len(info.Fields) != 1 || info.Fields[0].Name != "image" ||
		len(info.Results) != 3 || info.Results[0] != struct{ Measure, Reference, Reached, Command string }(first.Results[0]) {
		t.Errorf("as JSON: %+v", info)
	}
}
