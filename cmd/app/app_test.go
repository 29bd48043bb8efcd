package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/compiler/models/vae"
	"github.com/sardonyx-ml/sardonyx/exporters/numpy"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/blas"
	"github.com/sardonyx-ml/sardonyx/runtime/verify"
)

// TestHelp sees that every command explains itself, however it is asked.
func TestHelp(t *testing.T) {
	t.Parallel()
	a := &app{name: "sardonyx", out: &output{w: new(bytes.Buffer)}}
	var lines []string
	one.Lock()
	root := a.cli()
	one.Unlock()
	commands := slices.Clone(root.Commands)
	for _, c := range root.Commands {
		lines = append(lines, c.Name)
		for _, s := range c.Subcommands {
			lines = append(lines, c.Name+" "+s.Name)
		}
		commands = append(commands, c.Subcommands...)
	}
	for _, c := range commands {
		for _, f := range c.Flags {
			if b, ok := f.(*cli.BoolFlag); ok && strings.Contains(b.Usage, "`") {
				t.Errorf("the help of %s gives --%s a value, which it does not take: %s", c.Name, b.Name, b.Usage)
			}
		}
	}
	joined := regexp.MustCompile(`\S*[a-z][.:][A-Z]\S*`)
	for _, line := range lines {
		if line == "help" {
			continue
		}
		want := must(t, line+" --help")
		contains(t, want, "sardonyx "+line+" - ", "USAGE:", "--help, -h")
		if bad := joined.FindString(want); bad != "" {
			t.Errorf("the help of %s has two sentences without a space between them: %s", line, bad)
		}
		for _, same := range []string{"help " + line, line + " -h", line + " something --help"} {
			if got := must(t, same); got != want {
				t.Errorf("sardonyx %s does not print the help of %s:\n%s", same, line, got)
			}
		}
	}
	whole := must(t, "--help")
	for _, same := range []string{"", "help", "-h"} {
		if got := must(t, same); got != whole {
			t.Errorf("sardonyx %s does not print the help:\n%s", same, got)
		}
	}
	for _, line := range lines {
		contains(t, whole, "\n   "+strings.Fields(line)[0])
	}
}

// TestJSON sees that --json prints one JSON value with these keys, and nothing else.
func TestJSON(t *testing.T) {
	t.Parallel()
	needRun(t)
	needSets(t)
	tests := []struct {
		line string
		keys string
		ort  bool
	}{
		{"models", "name doc family settings params funcs steps data fields epochs batch needs results", false},
		{"models vae", "name doc family settings params funcs steps data fields epochs batch needs results", false},
		{"data", "name about licence bytes path get drawn", false},
		{"data list", "name about licence bytes path get drawn", false},
		{"version", "go onnxruntime platform sardonyx", false},
		{"inspect {}/run/decode.onnx", "bytes ir opsets producer doc graph inputs outputs weights params nodes metadata test_vectors", false},
		{"inspect {}/images.npz", "name type min mean max", false},
		{"inspect {}/z.npy", "name type min mean max", false},
		{"inspect vae --memory", "entry sizes state kept arena live peak", false},
		{"export vae --run {}/run --out {}/json", "func files opset ir inputs outputs tensors params nodes", false},
		{"verify vae --run {}/run", "func batch output max_abs max_rel ok", true},
		{"verify {}/run/decode.onnx", "func batch output max_abs max_rel ok", true},
		{"evaluate --real {}/sets/real.npz --fake {}/sets/fake.npy", "real fake floor features count seed measures", false},
		{"run {}/run/decode.onnx --input z={}/z.npy", "name type min mean max", true},
	}
	for _, tt := range tests {
		t.Run(tt.line, func(t *testing.T) {
			if tt.ort {
				needRuntime(t)
			}
			r := command(tt.line + " --json")
			if r.code != exitOK || r.err != "" {
				t.Fatalf("exit code %d: %s", r.code, r.err)
			}
			var got any
			if err := json.Unmarshal([]byte(r.out), &got); err != nil {
				t.Fatalf("%v in:\n%s", err, r.out)
			}
			if list, ok := got.([]any); ok {
				got = list[0]
			}
			want := strings.Fields(tt.keys)
			slices.Sort(want)
			if keys := sortedKeys(got.(map[string]any)); !slices.Equal(keys, want) {
				t.Errorf("it has the keys %v, want %v", keys, want)
			}
			if p, ok := got.(map[string]any)["inputs"].([]any); ok {
				for _, in := range p {
					if port := in.(map[string]any); port["name"] == nil || !strings.HasPrefix(fmt.Sprint(port["type"]), "f32[batch ") {
						t.Errorf("the input %v has no name or no type as text", in)
					}
				}
			}
		})
	}
}

// TestPrints holds what commands print for a person.
func TestPrints(t *testing.T) {
	t.Parallel()
	needRun(t)
	checkpoint, err := filepath.Glob(filepath.Join(shared, "run", "checkpoints", "*.safetensors"))
	if err != nil || len(checkpoint) == 0 {
		t.Fatalf("the run has no checkpoint: %v", err)
	}
	tests := []struct {
		line string
		want []string
	}{
		{"models", []string{"Autoencoders and VAEs\n\nvae: variational autoencoder", "data        mnist (image f32[batch 1 28 28])\n", "training    10 epochs; batch 128"}},
		{"models vae", []string{"vae: variational autoencoder", "functions   encode, decode, reconstruct, log_weights, validate", "hidden=512, latent=20, likelihood=0, lr=0.001", "likelihood: bernoulli, gaussian, logistic", "mnist: handwritten digits"}},
		{"data", []string{"mnist: handwritten digits", "fashion-mnist: ", "portraits: drawn faces", "  drawn   as it is read"}},
		{"data show portraits-32:test --count 3 --png {}/portraits.png", []string{"2000 × (image f32[3 32 32], smile i64[], ",
			"skin (fair, light, olive, brown, dark), ", "example  smile  glasses  hat", "\n2        "}},
		{"data show {}/z.npy --count 2", []string{"3 × (z f32[4])\n"}},
		{"version", []string{"Sardonyx ", "go1.", "onnxruntime 1."}},
		{"inspect vae --set hidden=32", []string{"func decode", "func encode", "step train", "f32[batch 32]"}},
		{"inspect vae --memory --size batch=1000000000", []string{"train: it takes ", "GB of memory: smaller batches take less", "(nn.Checkpoint)"}},
		{"inspect vae --memory --size batch=64", []string{"log_weights  batch=64 draws=1  3.3 MB", "train        batch=64          10.0 MB  10.2 MB   2.2 MB"}},
		{"inspect {}/run/encode.onnx", []string{"images in [0, 1]", "Image.BitmapPixelFormat", "Gray8", "Normalized_0_1", "ai.onnx 17", "input ", "f32[batch 1 28 28]", "enc.weight", "f32[784 6]", "training.epochs", "test vectors"}},
		{"inspect {}/run/train.onnx", []string{"train.onnx", "enc.weight", "state; the output enc.weight.next is its next value", "test vectors"}},
		{"inspect {}/run/train.onnx --json", []string{`"next": "opt.train.m.enc.bias.next"`, `"noise": "normal"`}},
		{"inspect " + checkpoint[0], []string{"enc.weight f32[784 6]", "opt.train.step i64[]"}},
		{"inspect {}/z.npy", []string{"z      f32[3 4]  -1   0.375  1.75"}},
		{"export vae --run {}/run --func decode --opset 21 --out {}/prints/new", []string{"decode.onnx", "opset 21", "z f32[batch 4]", "4 tensors"}},
		{"export vae --run {}/run --func validate --random native --out {}/prints", []string{"inputs   image f32[batch 1 28 28]\n", "RandomNormal"}},
		{"completion bash", []string{"complete -o default -F _sardonyx sardonyx"}},
		{"completion zsh", []string{"compdef _sardonyx sardonyx"}},
	}
	for _, tt := range tests {
		t.Run(tt.line, func(t *testing.T) { contains(t, must(t, tt.line), tt.want...) })
	}
}

// TestTrain sees what a run leaves, and that a run that was interrupted and resumed ends with the same bits.
func TestTrain(t *testing.T) {
	t.Parallel()
	needRun(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	line := "train vae " + tiny + " --out " + filepath.Join(t.TempDir(), "run")
	r := commandContext(ctx, io.Discard, cancelAt{"epoch 1/3", cancel}, line)
	if r.code != exitError || !strings.Contains(r.err, "--resume") {
		t.Fatalf("interrupted: exit code %d: %s", r.code, r.err)
	}
	contains(t, must(t, line+" --resume"), "best loss", "checkpoints, metrics.jsonl, loss.png, samples")

	dir := strings.Fields(line)[len(strings.Fields(line))-1]
	for _, name := range []string{"config.json", "metrics.jsonl", "loss.png", "report.html", "tensorboard"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("the run left no %s: %v", name, err)
		}
	}
	for _, name := range []string{"samples/epoch-001.png", "samples/epoch-003.png", "samples.gif"} {
		if got, want := readText(t, filepath.Join(dir, name)), readText(t, filepath.Join(shared, "run", name)); got != want {
			t.Errorf("%s of the resumed run is not that of the unbroken one", name)
		}
	}
	page := readText(t, filepath.Join(dir, "report.html"))
	contains(t, page, "<h1>vae</h1>", html.EscapeString(vae.Model.Doc), "finished: 3 of 3 epochs", "<td>sardonyx train vae ", "<td>settings.latent</td>", "<tr><td>dec</td>")
	if strings.Contains(page, "--resume") {
		t.Error("the report has the command that resumed the run, not the one that began it")
	}
	if err := os.Remove(filepath.Join(dir, "report.html")); err != nil {
		t.Fatal(err)
	}
	contains(t, must(t, "report "+dir), "the report is in "+filepath.Join(dir, "report.html"))
	if readText(t, filepath.Join(dir, "report.html")) != page {
		t.Error("report makes another page")
	}
	if r := command("report "+dir, "more"); r.code != exitUsage {
		t.Errorf("two folders: exit code %d: %s", r.code, r.err)
	}
	if got, want := checkpoints(t, dir), checkpoints(t, filepath.Join(shared, "run")); !slices.Equal(got, want) {
		t.Errorf("the resumed run ends with the checkpoints %v, the unbroken one with %v", got, want)
	}
}

func readText(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestSameLatents trains without learning: all pictures of samples are the same.
func TestSameLatents(t *testing.T) {
	t.Parallel()
	needRun(t)
	dir := filepath.Join(t.TempDir(), "run")
	contains(t, must(t, "train vae "+tiny+" --set lr=1e-30 --log-every 1 --no-report --out "+dir), "samples")
	first := readText(t, filepath.Join(dir, "samples", "epoch-001.png"))
	for _, name := range []string{"epoch-002.png", "epoch-003.png"} {
		if readText(t, filepath.Join(dir, "samples", name)) != first {
			t.Errorf("%s has other latents than epoch-001.png", name)
		}
	}
	contains(t, readText(t, filepath.Join(dir, "metrics.jsonl")), `{"kind":"steps","epoch":1,"step":1,`)
	for _, name := range []string{"report.html", "samples.gif", "tensorboard"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s is there in spite of --no-report", name)
		}
	}
}

// cancelAt cancels when text is written.
type cancelAt struct {
	text   string
	cancel func()
}

func (c cancelAt) Write(p []byte) (int, error) {
	if strings.Contains(string(p), c.text) {
		c.cancel()
	}
	return len(p), nil
}

// checkpoints are the names of a run's checkpoint files, in which a part of their hashes is.
func checkpoints(t *testing.T, run string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(run, "checkpoints", "*.safetensors"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no checkpoints: %v", run, err)
	}
	for i, f := range files {
		files[i] = filepath.Base(f)
	}
	return files
}

// TestTrainOptions trains in other ways.
func TestTrainOptions(t *testing.T) {
	t.Parallel()
	needRun(t)
	tests := []struct{ line, want string }{
		{"--batch 1000 --epochs 1", "(48 examples), batch 1000"},
		{"--limit 5 --epochs 1 --threads 1", "(5 examples)"},
		{"--blas go --epochs 1", "pure Go"},
		{"--patience 1 --set lr=1e-30", "best loss"},
	}
	for _, tt := range tests {
		t.Run(tt.line, func(t *testing.T) {
			t.Parallel()
			contains(t, must(t, "train vae "+tiny+" --out "+t.TempDir()+"/run "+tt.line), tt.want)
		})
	}
}

// TestRun runs the decoder, and sees its output in files.
func TestRun(t *testing.T) {
	t.Parallel()
	needRun(t)
	needRuntime(t)
	dir := t.TempDir()
	z, err := numpy.ReadNPY(filepath.Join(shared, "z.npy"))
	if err == nil {
		err = numpy.WriteNPY(filepath.Join(dir, "z,1.npy"), z)
	}
	if err != nil {
		t.Fatal(err)
	}
	contains(t, must(t, "run {}/run/decode.onnx --input z="+dir+"/z,1.npy"), "f32[3 1 28 28]")
	contains(t, must(t, "run {}/run/decode.onnx --input z={}/z.npy --output "+dir+"/out.npz"), "f32[3 1 28 28]", "wrote "+dir+"/out.npz")
	contains(t, must(t, "run {}/run/decode.onnx -i z={}/z.npy -o "+dir+"/out.npy"), "f32[3 1 28 28]")
	many, err := numpy.ReadNPZ(filepath.Join(dir, "out.npz"))
	one, err1 := numpy.ReadNPY(filepath.Join(dir, "out.npy"))
	if err := errors.Join(err, err1); err != nil {
		t.Fatal(err)
	}
	if d := verify.Compare(one, many["image"], 0, 0); !d.OK {
		t.Errorf("the .npz and the .npy differ by %v", d.Abs)
	}
	contains(t, must(t, "run {}/run/encode.onnx --input {}/images.npz"), "mu", "log_var", "f32[48 4]")

	empty := filepath.Join(dir, "empty.npy")
	if err := numpy.WriteNPY(empty, tensor.New(tensor.F32, 0, 4)); err != nil {
		t.Fatal(err)
	}
	contains(t, must(t, "run {}/run/decode.onnx --input z="+empty), "f32[0 1 28 28]  -")
}

// TestSample draws images: the same ones from the exported file and from the run, and a grid of them.
func TestSample(t *testing.T) {
	t.Parallel()
	needRun(t)
	needRuntime(t)
	dir := t.TempDir()
	must(t, "sample vae --run {}/run --count 5 --seed 7 --npy "+dir+"/run.npy --png "+dir+"/grid.png")
	must(t, "sample vae --onnx {}/run/decode.onnx --count 5 --seed 7 --npy "+dir+"/file.npy")
	must(t, "sample vae --run {}/run --count 5 --seed 8 --npy "+dir+"/other.npy")
	var arrays []*tensor.Tensor
	for _, name := range []string{"run.npy", "file.npy", "other.npy"} {
		x, err := numpy.ReadNPY(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		arrays = append(arrays, x)
	}
	if !slices.Equal(arrays[0].Shape(), []int{5, 1, 28, 28}) {
		t.Errorf("the samples are %v", arrays[0])
	}
	if d := verify.Compare(arrays[0], arrays[1], 0, 0); !d.OK {
		t.Errorf("the run's samples and the file's differ by %v", d.Abs)
	}
	if verify.Compare(arrays[0], arrays[2], 0, 0).OK {
		t.Error("another seed gives the same samples")
	}
	f, err := os.Open(filepath.Join(dir, "grid.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if img, err := png.Decode(f); err != nil || img.Bounds().Dx() < 3*28 {
		t.Errorf("grid.png: %v", err)
	}
}

// TestVerify sees that agreement passes, and that a file whose weights were changed does not.
func TestVerify(t *testing.T) {
	t.Parallel()
	needRun(t)
	needRuntime(t)
	contains(t, must(t, "verify vae --run {}/run"), "encode", "decode", "reconstruct", "validate", "ok")
	contains(t, must(t, "verify {}/run/decode.onnx"), "image", "ok")
	contains(t, must(t, "verify {}/run/train.onnx"), "loss", "mu.bias.next", "ok")

	dir := filepath.Join(t.TempDir(), "run")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(shared, "run"))); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "decode.onnx")
	tamper(t, file, "out.bias")
	for _, line := range []string{"verify " + file, "verify vae --func decode --run " + dir} {
		r := command(line)
		if r.code != exitError || !strings.Contains(r.out, "DIFFERS") || !strings.Contains(r.err, `output "image" of decode differs by`) {
			t.Errorf("%s: exit code %d:\n%s%s", line, r.code, r.out, r.err)
		}
		if r := command(line + " --json"); r.code != exitError || !json.Valid([]byte(r.out)) || !strings.Contains(r.out, `"ok": false`) {
			t.Errorf("%s --json: exit code %d:\n%s%s", line, r.code, r.out, r.err)
		}
		if r := command(line + " --tolerance 10"); r.code != exitError || strings.Contains(r.out, "DIFFERS") || !strings.Contains(r.err, "the weights are not those that were exported") {
			t.Errorf("%s --tolerance 10: exit code %d:\n%s%s", line, r.code, r.out, r.err)
		}
	}
}

// tamper adds 1 to each number of a weight in an ONNX file.
func tamper(t *testing.T, path, weight string) {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m, err := wire.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(m.Graph.Initializers, func(x *wire.Tensor) bool { return x.Name == weight })
	if i < 0 {
		t.Fatalf("%s has no weight %q", path, weight)
	}
	old := m.Graph.Initializers[i]
	values, err := old.Values()
	if err != nil {
		t.Fatal(err)
	}
	changed := slices.Clone(values.([]float32))
	for k := range changed {
		changed[k]++
	}
	m.Graph.Initializers[i] = &wire.Tensor{Name: old.Name, Type: old.Type, Dims: old.Dims, Data: changed}
	var out bytes.Buffer
	if err := m.Encode(&out); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestWriteError sees that output which cannot be written is an error.
func TestWriteError(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"models", "models --json", "data", "version", "help train", "inspect vae"} {
		if r := commandContext(context.Background(), full{}, io.Discard, line); r.code != exitError || !strings.Contains(r.err, "no space left") {
			t.Errorf("%s: exit code %d: %s", line, r.code, r.err)
		}
	}
}

// full is a device without space.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

// TestResumeBLAS sees that a resumed run has the BLAS that it had, whichever is the fastest, and says so where it has another.
func TestResumeBLAS(t *testing.T) {
	t.Parallel()
	if os.Getenv(blas.Env) != "" {
		t.Skip("needs the choice of a BLAS, which " + blas.Env + " takes away")
	}
	needRun(t)
	choices := []string{"go"}
	if _, err := blas.Find("openblas"); err == nil {
		choices = append(choices, "openblas")
	}
	for i, choice := range choices {
		b, err := blas.Find(choice)
		if err != nil {
			t.Fatal(err)
		}
		line := "train vae --data {}/images.npz --set hidden=4 --set latent=2 --batch 8 --out " + filepath.Join(t.TempDir(), choice)
		must(t, line+" --epochs 1 --blas "+choice)
		r := command(line + " --epochs 2 --resume")
		if r.code != exitOK || !strings.Contains(r.out, b.Name()) || strings.Contains(r.err, "goes on on") {
			t.Errorf("%s: exit code %d\n%s%s", choice, r.code, r.out, r.err)
		}
		if len(choices) == 2 {
			other := choices[1-i]
			r := command(line + " --epochs 3 --resume --blas " + other)
			if r.code != exitOK || !strings.Contains(r.err, "goes on on") {
				t.Errorf("%s, then --blas %s: exit code %d\n%s%s", choice, other, r.code, r.out, r.err)
			}
		}
	}
}
