package app

import (
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/models/gan"
	"github.com/sardonyx-ml/sardonyx/compiler/models/vae"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
	"github.com/sardonyx-ml/sardonyx/runtime/train"
)

// lastRecord is the last epoch's record of a run.
func lastRecord(t *testing.T, dir string) (r train.Record) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(readText(t, filepath.Join(dir, "metrics.jsonl"))), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestResumedOptions: a run that is resumed in onnxruntime keeps its device and how it used it, unless a flag says otherwise.
func TestResumedOptions(t *testing.T) {
	const cpu, cuda = onnxruntime.CPU, onnxruntime.CUDA
	for _, c := range []struct {
		had, flags string
		want       onnxruntime.Options
		wrong      string
	}{
		{"", "", onnxruntime.Options{Device: cpu}, ""},
		{"", "--tf32", onnxruntime.Options{}, "--tf32 is for --device cuda"},
		{"cuda, tf32, graphs", "", onnxruntime.Options{Device: cuda, TF32: true, CUDAGraphs: true}, ""},
		{"cuda", "--cuda-graphs", onnxruntime.Options{Device: cuda, CUDAGraphs: true}, ""},
		{"cuda, tf32", "--device cuda", onnxruntime.Options{Device: cuda, TF32: true}, ""},
		{"cuda, tf32, graphs", "--tf32=false", onnxruntime.Options{Device: cuda, CUDAGraphs: true}, ""},
		{"cuda, tf32, graphs", "--cuda-graphs=false", onnxruntime.Options{Device: cuda, TF32: true}, ""},
		{"cuda, tf32, graphs", "--device cpu", onnxruntime.Options{Device: cpu}, ""},
		{"cuda, tf32", "--device cpu --cuda-graphs", onnxruntime.Options{}, "--cuda-graphs is for --device cuda"},
		{"cuda", "--device-memory 8GB", onnxruntime.Options{Device: cuda, MemoryLimit: 8e9}, ""},
		{"", "--device cuda --device-memory 1.5GiB", onnxruntime.Options{Device: cuda, MemoryLimit: 3 << 29}, ""},
		{"", "--device cuda --device-memory 1048576B", onnxruntime.Options{Device: cuda, MemoryLimit: 1 << 20}, ""},
		{"", "--device-memory 8GB", onnxruntime.Options{}, "--device-memory is for --device cuda"},
		{"cuda", "--device-memory 8", onnxruntime.Options{}, "want a number with its unit, B, GB, GiB"},
		{"cuda", "--device-memory -8GB", onnxruntime.Options{}, "--device-memory -8GB: want a number"},
		{"cuda", "--device-memory NaNGB", onnxruntime.Options{}, "want a number"},
		{"cuda", "--device-memory 8gb", onnxruntime.Options{}, "want a number"},
		{"cuda", "--device-memory 0GB", onnxruntime.Options{}, "want from 1 byte"},
		{"cuda", "--device-memory .5B", onnxruntime.Options{}, "want a number"},
		{"cuda", "--device-memory 99999999999999999999GB", onnxruntime.Options{}, "to 1 million GB"},
		{"cuda", "--device-memory=", onnxruntime.Options{}, "want a number"},
		{"cpu", "--device cuda --tf32", onnxruntime.Options{Device: cuda, TF32: true}, ""},
	} {
		had := c.had
		if had != "" {
			had = "onnxruntime 1.29.0 (" + had + ")"
		}
		var got onnxruntime.Options
		app := &cli.App{Flags: sessionFlags(cudaGraphsFlag), Action: func(c *cli.Context) (err error) { got, err = resumedOptions(c, had); return err }}
		app.Writer, app.ErrWriter = io.Discard, io.Discard
		switch err := app.Run(append([]string{"train"}, strings.Fields(c.flags)...)); {
		case c.wrong != "":
			if err == nil || !strings.Contains(err.Error(), c.wrong) {
				t.Errorf("%q with %q: %v, want %s", c.had, c.flags, err, c.wrong)
			}
		case err != nil || got != c.want:
			t.Errorf("%q with %q: %+v, %v; want %+v", c.had, c.flags, got, err, c.want)
		}
	}
}

// TestTrainEngines trains in onnxruntime, also a model of two Steps, stops, goes on there, and goes on with a run of the other engine from
// its checkpoint: the losses are those of gorgonia alone, and the files of such a run are verified.
func TestTrainEngines(t *testing.T) {
	t.Parallel()
	needRun(t)
	needRuntime(t)
	dir := t.TempDir()
	for _, c := range []struct {
		models.Model
		settings string
	}{{vae.Model, "--set hidden=4 --set latent=2"}, {gan.WGANGP, "--set width=2 --set latent=3 --set ratio=2 --set size=28"}} {
		model, settings := c.Name, c.settings
		line := "train " + model + " --data {}/images.npz " + settings + " --batch 8 --no-report --out " + filepath.Join(dir, model)
		mustModel(t, c.Model, line+"-gorgonia --epochs 3")
		mustModel(t, c.Model, line+"-ort --epochs 1 --engine onnxruntime")
		out := mustModel(t, c.Model, line+"-ort --epochs 3 --resume") // on what it had
		contains(t, out, "engine: onnxruntime")
		mustModel(t, c.Model, line+"-both --epochs 2 --engine gorgonia")
		r := modelCommand(c.Model, line+"-both --epochs 3 --resume --engine onnxruntime")
		if r.code != exitOK || !strings.Contains(r.err, "goes on on onnxruntime") {
			t.Errorf("%s: exit code %d\n%s%s", model, r.code, r.out, r.err)
		}
		want := lastRecord(t, filepath.Join(dir, model+"-gorgonia"))
		for _, run := range []string{"-ort", "-both"} {
			got := lastRecord(t, filepath.Join(dir, model+run))
			if got.Epoch != 3 || len(got.Train) != len(want.Train) {
				t.Fatalf("%s%s ends with %+v, gorgonia with %+v", model, run, got, want)
			}
			for name, w := range want.Train {
				if g := got.Train[name]; !(math.Abs(g-w) <= 1e-3*max(math.Abs(w), .1)) {
					t.Errorf("%s%s: %s is %v, on gorgonia %v", model, run, name, g, w)
				}
			}
		}
		contains(t, mustModel(t, c.Model, "verify "+model+" --run "+filepath.Join(dir, model+"-ort")), "ok")
	}
	gpu := filepath.Join(dir, "vae-ort") // as if that had been on one
	config := filepath.Join(gpu, "config.json")
	if err := os.WriteFile(config, []byte(strings.Replace(readText(t, config), "(cpu)", "(cuda)", 1)), 0o666); err != nil {
		t.Fatal(err)
	}
	line := "train vae --data {}/images.npz --set hidden=4 --set latent=2 --batch 8 --no-report --epochs 4 --resume --cuda-graphs --out "
	if r := modelCommand(vae.Model, line+gpu); r.code == exitUsage || r.code == exitOK && !strings.Contains(r.out, "(cuda, graphs)") {
		t.Errorf("a run on CUDA that goes on with graphs: exit code %d\n%s%s", r.code, r.out, r.err)
	}
	run := "train vae --data {}/images.npz --set hidden=4 --set latent=2 --batch 8 --no-report --out " + filepath.Join(dir, "flags")
	contains(t, mustModel(t, vae.Model, run+" --epochs 1 --device cpu"), "engine: onnxruntime") // whose flag it is
	contains(t, mustModel(t, vae.Model, run+" --epochs 2 --resume --engine gorgonia"), "engine: gorgonia")
	for flags, want := range map[string]string{
		"--engine frob": "gorgonia or onnxruntime", "--engine gorgonia --device cpu": "--device is for --engine onnxruntime",
		"--engine gorgonia --tf32": "--tf32 is for --engine onnxruntime", "--tf32": "--tf32 is for --device cuda", "--cuda-graphs": "--cuda-graphs is for --device cuda",
		"--engine gorgonia --device-memory 1GB": "--device-memory is for --engine onnxruntime", "--device-memory 1GB": "--device-memory is for --device cuda", "--device tpu": "want cpu or cuda",
	} {
		r := command("train vae --data {}/images.npz " + flags + " --out " + filepath.Join(dir, "wrong"))
		if r.code != exitUsage || !strings.Contains(r.err, want) {
			t.Errorf("%s: exit code %d: %s", flags, r.code, r.err)
		}
	}
}
