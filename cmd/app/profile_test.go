package app

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/runtime/profile"
)

// traceOf reads what --profile has written: the summaries, and how many events there are of each name.
func traceOf(t *testing.T, path string) ([]profile.Summary, map[string]int) {
	t.Helper()
	var trace struct {
		TraceEvents []struct {
			Name, Ph string
			Args     map[string]any
		}
		Sardonyx []profile.Summary
	}
	if err := json.Unmarshal([]byte(readText(t, path)), &trace); err != nil {
		t.Fatal(err)
	}
	names := map[string]int{}
	for _, e := range trace.TraceEvents {
		names[e.Name]++
	}
	return trace.Sardonyx, names
}

// layer is the row of a layer.
func layer(s profile.Summary, name string) profile.Row {
	for _, r := range s.Layers {
		if r.Name == name {
			return r
		}
	}
	return profile.Row{}
}

// TestTrainProfile profiles the first steps of a training on each engine, which ends as it does without.
func TestTrainProfile(t *testing.T) {
	t.Parallel()
	needRun(t)
	dir := t.TempDir()
	line := "train vae --data {}/images.npz --set hidden=4 --set latent=2 --batch 8 --epochs 2 --no-report --threads 1 --out " + dir
	must(t, line+"/plain")
	want := lastRecord(t, filepath.Join(dir, "plain"))
	for _, engine := range []string{"gorgonia", "onnxruntime"} {
		if engine == "onnxruntime" {
			needRuntime(t)
		}
		path := filepath.Join(dir, engine+".json")
		out := must(t, line+"/"+engine+" --engine "+engine+" --profile-runs 2 --profile "+path)
		contains(t, out, "train: 2 runs", "LAYER", "opt.train", "nets.go:", "wrote the profile "+path, "the run is in")
		list, names := traceOf(t, path)
		if len(list) != 1 || list[0].Entry != "train" || list[0].Runs != 2 || names["train"] != 2 || !(list[0].MS > 0) {
			t.Fatalf("%s: the profile is of %+v", engine, list)
		}
		products := 2 * 8 * 784 * 4
		if engine == "onnxruntime" {
			products += 8 * 4 // with ones, for the bias
		}
		enc := layer(list[0], "enc")
		if !strings.Contains(enc.At, "nets.go:") || !(enc.MS > 0) || enc.MultiplyAdds != float64(products) {
			t.Errorf("%s: the layer enc is %+v; %d multiply-adds are wanted, of a product forward and one for its weights", engine, enc, products)
		}
		if o := layer(list[0], "opt.train"); !(o.Share > 0 && o.Share < 1) {
			t.Errorf("%s: the optimizer is %+v", engine, o)
		}
		if got := lastRecord(t, filepath.Join(dir, engine)); engine == "gorgonia" && got.Train["loss"] != want.Train["loss"] {
			t.Errorf("the loss is %v, without a profile %v", got.Train, want.Train)
		}
	}
}

// TestRunProfile profiles an exported file in each engine that can.
func TestRunProfile(t *testing.T) {
	t.Parallel()
	needRun(t)
	dir := t.TempDir()
	for _, engine := range []string{"go", "onnxruntime"} {
		if engine == "onnxruntime" {
			needRuntime(t)
		}
		path := filepath.Join(dir, engine+".json")
		line := "run {}/run/decode.onnx --input z={}/z.npy --engine " + engine + " --profile-runs 3 --profile " + path
		contains(t, must(t, line), "decode: 3 runs", "LAYER", "dec", "OUTPUT")
		list, names := traceOf(t, path)
		if len(list) != 1 || list[0].Runs != 3 || names["decode"] != 3 || !(layer(list[0], "dec").MultiplyAdds > 0) {
			t.Errorf("%s: the profile is %+v", engine, list)
		}
		if out := must(t, line+" --json"); !json.Valid([]byte(out)) {
			t.Errorf("%s: with --json it prints %s", engine, out)
		}
	}
}

// TestBadProfile asks for what cannot be, before the work.
func TestBadProfile(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"train vae --profile trace.txt", exitUsage, ".json"},
		{"train vae --profile none/trace.json", exitError, "cannot be written"},
		{"train vae --profile trace.json --profile-runs 0", exitUsage, "--profile-runs 0"},
		{"train vae --profile-runs 3", exitUsage, "--profile FILE.json"},
		{"run decode.onnx --profile none/trace.json", exitError, "cannot be written"},
		{"run decode.onnx --profile trace.json --engine onnx-go", exitUsage, "--profile is for"},
	} {
		r := command(c.args)
		if r.code != c.code {
			t.Errorf("%s: exit code %d, want %d", c.args, r.code, c.code)
		}
		contains(t, r.err, c.want)
	}
}
