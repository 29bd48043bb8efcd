package app

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
)

// TestPrecision trains in mixed precision in both engines: a run that is stopped and resumed ends with the bits of one that is not, loss
// scale included, and keeps its precision; another one is refused. What is exported of it is f32, its training step in 16 bits.
func TestPrecision(t *testing.T) {
	t.Parallel()
	needRun(t)
	dir := t.TempDir()
	line := func(run, more string) string {
		return "train vae --data {}/images.npz --set hidden=4 --set latent=2 --batch 8 --no-report --out " + filepath.Join(dir, run) + " " + more
	}
	checkpoint := func(run string) string {
		entries, err := os.ReadDir(filepath.Join(dir, run, "checkpoints"))
		if err != nil {
			t.Fatal(err)
		}
		last := ""
		for _, e := range entries { // their names say the step
			if strings.HasPrefix(e.Name(), "step-") {
				last = readText(t, filepath.Join(dir, run, "checkpoints", e.Name()))
			}
		}
		return last
	}
	for _, p := range []string{"fp16", "bf16"} {
		must(t, line(p, "--epochs 4 --"+p))
		must(t, line(p+"-halves", "--epochs 2 --"+p))
		if checkpoint(p) == checkpoint(p+"-halves") {
			t.Errorf("%s: two epochs are four", p)
		}
		must(t, line(p+"-halves", "--epochs 4 --resume"))
		if checkpoint(p) != checkpoint(p+"-halves") {
			t.Errorf("%s: a resumed run ends with another state", p)
		}
		scaled := lastRecord(t, filepath.Join(dir, p)).Train["loss_scale"]
		if (scaled > 0) != (p == "fp16") {
			t.Errorf("%s: the loss scale is %v", p, scaled)
		}

		must(t, "export vae --steps --no-vectors --run "+filepath.Join(dir, p))
		for file, wide := range map[string]bool{"decode": true, "train": false} {
			s, err := onnx.Inspect(filepath.Join(dir, p, file+".onnx"))
			if err != nil {
				t.Fatal(err)
			}
			casts := 0
			for _, o := range s.Nodes {
				if o.Op == "Cast" {
					casts = o.N
				}
			}
			if wide != (casts == 0) {
				t.Errorf("%s: %s.onnx has %d casts", p, file, casts)
			}
		}
	}
	must(t, line("f32", "--epochs 1"))
	for _, tt := range []struct{ line, want string }{
		{line("fp16", "--epochs 5 --resume --bf16"), `precision was "f16" and is "bf16"`},
		{line("f32", "--epochs 5 --resume --bf16"), `precision was not set and is "bf16"`},
		{line("both", "--fp16 --bf16"), "want one of them"},
	} {
		if r := command(tt.line); r.code == exitOK || !strings.Contains(r.err, tt.want) {
			t.Errorf("%s: exit code %d: %s, want %q", tt.line, r.code, r.err, tt.want)
		}
	}

	needRuntime(t)
	for _, p := range []string{"fp16", "bf16"} {
		must(t, line(p+"-ort", "--epochs 4 --engine onnxruntime --"+p))
		want, got := lastRecord(t, filepath.Join(dir, p)).Train, lastRecord(t, filepath.Join(dir, p+"-ort")).Train
		for name, w := range want {
			if g := got[name]; !(math.Abs(g-w) <= 5e-3*max(math.Abs(w), .1)) {
				t.Errorf("%s: %s is %v in onnxruntime, on gorgonia %v", p, name, g, w)
			}
		}
	}
}
