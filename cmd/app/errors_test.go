package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/models/vae"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// makeDamaged makes files of each kind that are empty, cut short, or noise, and a folder of each name.
func makeDamaged(t *testing.T) {
	t.Helper()
	checkpoint := filepath.Join("run", "checkpoints", checkpoints(t, filepath.Join(shared, "run"))[0])
	noise := make([]byte, 4000)
	for i := range noise {
		noise[i] = byte(i * i * 31 >> 3)
	}
	for ext, good := range map[string]string{".npy": "z.npy", ".npz": "images.npz", ".onnx": "run/decode.onnx", ".safetensors": checkpoint} {
		file, err := os.ReadFile(filepath.Join(shared, good))
		if err != nil {
			t.Fatal(err)
		}
		for name, content := range map[string][]byte{"empty": nil, "short": file[:len(file)*3/4], "noise": noise} {
			if err := os.WriteFile(filepath.Join(shared, name+ext), content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.MkdirAll(filepath.Join(shared, "folder"+ext), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBadInput holds that what a person gets wrong is told in one line, with the right exit code, and leaves no file.
func TestBadInput(t *testing.T) {
	t.Parallel()
	needRun(t)
	makeDamaged(t)
	const e, u = exitError, exitUsage
	type test struct {
		line string
		code int
		want string
	}
	tests := []test{ // OUT is an empty folder
		{"frob", u, `there is no command "frob"`},
		{"help frob", u, `there is no command "frob"`},
		{"frob --help", u, `there is no command "frob"`},
		{"--frob", u, "frob"},
		{"models vae frob", u, `unexpected argument "frob"`},
		{"version --frob", u, "frob"},
		{"data frob", u, `there is no command "frob"`},
		{"data list frob", u, `unexpected argument "frob"`},
		{"data --data-dir OUT/frob", e, "no such file"},
		{"train vae --data-dir {}/z.npy --out OUT/r", e, "not a folder"},
		{"data fetch", u, "the data set's name is missing"},
		{"data fetch frob", e, "fashion-mnist, mnist"},
		{"data fetch portraits", e, "there is nothing to fetch: it is drawn as it is read"},
		{"data show", u, "the data set's name is missing"},
		{"data show OUT/frob", e, "OUT/frob is neither a data set (binarised-mnist, fashion-mnist, mnist, portraits, portraits-32, stacked-mnist) nor a path that exists"},
		{"data show portraits:validation", e, "portraits:validation: there is no such part: there is portraits:train, portraits:test"},
		{"data show portraits --count 0", u, "--count 0: want 1 or more"},
		{"data show portraits:test --count 2001", e, "--count 2001: portraits:test has 2000 examples"},
		{"data show portraits --field frob --png OUT/x.png", e, `has no field "frob"`},
		{"data show portraits --field mouth --png OUT/x.png", e, "the field mouth f32[] of portraits:train: images must be of shape"},
		{"data show {}/z.npy --count 2 --png OUT/x.png", e, "images must be of shape [n, 1 or 3, height, width]"},
		{"data show portraits --count 2 --png OUT/none/x.png", e, "the folder OUT/none is not there"},
		{"runtime", u, "a subcommand is missing"},
		{"runtime frob", u, `there is no command "frob"`},
		{"runtime install frob", u, `unexpected argument "frob"`},
		{"runtime install --from OUT/frob", e, "no such file"},
		{"runtime install --from {}/noise.npy", e, "not the pinned one"},
		{"doctor frob", u, `unexpected argument "frob"`},
		{"completion", u, "the shell is missing"},
		{"completion fish", u, "bash and zsh"},

		{"train frob", e, `no model is called "frob": there is vae`},
		{"train vae frob", u, `unexpected argument "frob"`},
		{"train vae --frob", u, "frob"},
		{"train vae --epochs", u, "flag needs an argument: -epochs"},
		{"train vae --epochs -1", u, "--epochs -1: want 1 or more"},
		{"train vae --epochs 0", u, "--epochs 0"},
		{"train vae --log-every -1", u, "--log-every -1: want 0 or more"},
		{"report", u, "the run's folder is missing"},
		{"report OUT", e, "the folder has no run"},
		{"report {}/none", e, "the folder has no run"},
		{"train vae --epochs abc", u, `"abc"`},
		{"train vae --batch 0", u, "--batch 0"},
		{"train vae --batch -5", u, "--batch -5"},
		{"train vae --limit -1", u, "--limit -1"},
		{"train vae --threads -1", u, "--threads: -1 threads"},
		{"train vae --engine onnxruntime --threads 100000", u, "--threads: 100000 threads: want from 1 to "},
		{"train vae --patience -1", u, "--patience -1"},
		{"train vae --seed -1", u, `"-1"`},
		{"train vae --set frob", u, "want NAME=VALUE"},
		{"train vae --set hidden=", u, "want NAME=VALUE"},
		{"train vae --set hidden=abc", u, "want NAME=VALUE"},
		{"train vae --set likelihood=cauchy", u, "--set likelihood=cauchy: want one of bernoulli, gaussian, logistic"},
		{"train vae --set likelihood=3", u, "want one of bernoulli"},
		{"train vae --set beta=-1", e, "setting beta is -1, want the weight of the divergence, 0 or more"},
		{"train vae --set latent=0", e, "setting latent is 0, want a whole number from 1 to"},
		{"train vae --data {}/images.npz --out OUT/r --set size=32", e, "image"},
		{"train vae --data {}/images.npz --augment frob", u, `"frob" names no field`},
		{"train vae --data {}/images.npz --augment image:blur", u, `has "blur": want flip, crop N or binarise`},
		{"train vae --data {}/images.npz --out OUT/r --augment frob:flip", e, `no field "frob" to augment`},
		{"sample vae --run {}/run --out OUT/s.png --map 3", e, "--map: the latent z f32[batch 4] is not of two numbers"},
		{"sample vae --run {}/run --out OUT/s.png --map 0", u, "--map 0: want a number above 0"},
		{"sample vae --run {}/run --out OUT/s.png --map 3 --count 50", u, "want a square"},
		{"sample vae --run {}/run --out OUT/s.png --label 7", e, "the model has no label"},
		{"train vae --set hidden=NaN", e, "hidden is NaN"},
		{"train vae --set hidden=2.5", e, "want a whole number"},
		{"train vae --set hidden=1e300", e, "want a whole number"},
		{"train vae --set frob=1", e, `no setting is called "frob"`},
		{"train vae --data {}/images.npz --out OUT/r --set hidden=1e9", e, "GB of memory"},
		{"train vae --data {}/images.npz --out OUT/r --set latent=1e9", e, "it takes 18456.0 GB"},
		{"train vae --data OUT/frob", e, "neither a data set (binarised-mnist, fashion-mnist, mnist, portraits, portraits-32, stacked-mnist) nor a path that exists"},
		{"train vae --data OUT --out OUT/r", e, "it has no"},
		{"train vae --data {}/noise.onnx --out OUT/r", e, "noise.onnx"},
		{"train vae --data {}/z.npy --out OUT/r", e, `no field "image"`},
		{"train vae --data {}/images.npz --blas OUT/frob.so --out OUT/r", e, "cannot open shared object file"},
		{"train vae --data {}/images.npz --out {}/run", e, "--resume goes on with it"},
		{"train vae --data {}/images.npz --out OUT/r --resume", e, "has no run"},
		{"train vae --data {}/images.npz --out {}/run --resume", e, "is another one"},
		{"train vae --data {}/images.npz --out {}/z.npy", e, "z.npy"},

		{"export vae", u, "--run DIR"},
		{"export frob --run {}/run", e, `no model is called "frob"`},
		{"export vae --run OUT", e, "has no run"},
		{"export vae --run OUT/frob", e, "has no run"},
		{"export vae --run {}/z.npy", e, "not a directory"},
		{"export vae --run {}/run --out OUT --opset 3", u, "--opset 3: want 17 to"},
		{"export vae --run {}/run --out OUT --opset 99", u, "--opset 99"},
		{"export vae --run {}/run --out OUT --func frob", e, "it has encode, decode, reconstruct, log_weights, validate"},
		{"export vae --run {}/run --out OUT --random frob", u, "want inputs, seed or native"},
		{"export vae --run {}/run --out OUT --checkpoint frob", u, "want best or last"},
		{"export vae --run {}/run --out {}/z.npy", e, "not a directory"},
		{"export vae --run {}/run --out {}/z.npy --json", e, "not a directory"},

		{"verify", u, "--run DIR"},
		{"verify vae", u, "--run DIR"},
		{"verify frob --run {}/run", e, `no model is called "frob"`},
		{"verify OUT/frob.onnx", e, "no such file"},
		{"verify vae --run {}/run --func frob", e, "it has encode"},
		{"verify vae --run {}/run --tolerance -1", u, "--tolerance -1"},
		{"verify vae --run {}/run --tolerance NaN", u, "--tolerance NaN"},
		{"verify vae --run {}/run --device tpu", u, "want cpu or cuda"},
		{"export vae --run {}/run --steps --device tpu", u, "want cpu or cuda"},
		{"export vae --run {}/run --device cuda", u, "--device is for --steps"},
		{"verify {}/run/decode.onnx --run {}/run", u, "--run is for models"},

		{"sample vae --run {}/run", u, "say where to write: --out FILE"},
		{"sample vae --png OUT/x.png", u, "--run DIR or --onnx FILE"},
		{"sample vae --run {}/run --png OUT/x.png --count 0", u, "--count 0"},
		{"sample vae --run {}/run --png OUT/x.png --count 1000000000000", u, "--count 1000000000000"},
		{"sample vae --run {}/run --png OUT/x.png --seed -1", u, `"-1"`},
		{"sample vae --run {}/run --png OUT/x.jpg", u, "want a name that ends in .png"},
		{"sample vae --run {}/run --png OUT/x.png --device tpu", u, "want cpu or cuda"},
		{"sample vae --run {}/run --onnx {}/run/decode.onnx --png OUT/x.png", u, "not both"},
		{"sample vae --run OUT --png OUT/x.png", e, "has no run"},

		{"run", u, "the ONNX file is missing"},
		{"run {}/run/decode.onnx --input z=", u, "want NAME=FILE.npy"},
		{"run {}/run/decode.onnx --input ={}/z.npy", u, "want NAME=FILE.npy"},
		{"run {}/run/decode.onnx --input z={}/z.npy --input z={}/z.npy", u, `"z" is given twice`},
		{"run {}/run/decode.onnx --input z=OUT/frob.npy", e, "no such file"},
		{"run {}/run/decode.onnx --input z={}/z.npy --output OUT/x.txt", u, "ends in .npz or .npy"},
		{"run {}/run/decode.onnx --input z={}/z.npy --device tpu", u, "want cpu or cuda"},

		{"inspect", u, "is missing"},
		{"inspect frob", e, `no model is called "frob"`},
		{"inspect OUT/frob.onnx", e, "no such file"},
		{"inspect OUT", e, "OUT"},
		{"inspect vae --json", u, "--json is for files"},
		{"inspect {}/z.npy --set hidden=3", u, "--set is for models"},
		{"inspect {}/z.npy --memory", u, "--memory is for models"},
		{"inspect vae --check", u, "--check is for files"},
		{"inspect vae --size batch=3", u, "--size is for --memory"},
		{"inspect vae --memory --size rows=3", u, "vae has batch, draws"},
		{"inspect vae --memory --size batch=many", u, "a whole number"},
		{"inspect vae --memory --size batch=-1", u, "a whole number from 0"},
		{"inspect vae --memory --size batch=2147483647 --size draws=2147483647", e, "too large"},

		{"init", u, "the folder is missing"},
		{"init {}/run", e, "not empty"},
		{"init {}/z.npy/foo", e, "not a directory"},
		{"init OUT/Frob", e, "want lower-case letters"},
		{"init OUT/frob --replace OUT", e, "no go.mod of"},
	}
	for _, kind := range []string{"empty", "short", "noise", "folder"} {
		for _, ext := range []string{".npy", ".npz", ".onnx", ".safetensors"} {
			tests = append(tests, test{"inspect {}/" + kind + ext, e, kind + ext})
		}
		tests = append(tests,
			test{"run {}/run/decode.onnx --input z={}/" + kind + ".npy", e, kind + ".npy"},
			test{"run {}/run/decode.onnx --input {}/" + kind + ".npz", e, kind + ".npz"},
			test{"verify {}/" + kind + ".onnx", e, kind + ".onnx"},
			test{"train vae --out OUT/r --data {}/" + kind + ".npz", e, kind + ".npz"},
		)
	}
	for _, tt := range tests {
		t.Run(tt.line, func(t *testing.T) { badInput(t, tt.line, tt.code, tt.want) })
	}
}

// badInput runs line, in which OUT is an empty folder, and holds how it fails.
func badInput(t *testing.T, line string, code int, want string) {
	t.Helper()
	out, err := os.MkdirTemp("", "out") // not of the test's name, which has {} in it
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(out)
	r := command(strings.ReplaceAll(line, "OUT", out))
	if r.code != code || !strings.Contains(r.err, strings.ReplaceAll(want, "OUT", out)) {
		t.Errorf("exit code %d, want %d and %q: %s", r.code, code, want, r.err)
	}
	lines := strings.Split(strings.TrimSuffix(r.err, "\n"), "\n")
	most := 1
	if code == exitUsage {
		most = 2 // and how to get help
	}
	if !strings.HasPrefix(lines[len(lines)-most], "sardonyx: ") {
		t.Errorf("the error is not told in one line at the end:\n%s", r.err)
	}
	if code == exitUsage && (len(lines) != 2 || r.out != "") {
		t.Errorf("a usage error prints more than itself and where help is:\n%s%s", r.err, r.out)
	}
	if left, err := os.ReadDir(out); err != nil || len(left) > 0 {
		t.Errorf("it left %v, %v", left, err)
	}
}

// TestBadRuntimeInput is TestBadInput for what onnxruntime finds wrong.
func TestBadRuntimeInput(t *testing.T) {
	t.Parallel()
	needRun(t)
	needRuntime(t)
	tests := []struct{ line, want string }{
		{"run OUT/frob.onnx", "no such file"},
		{"run {}/z.npy", "z.npy is not a readable ONNX model"},
		{"run {}/run/decode.onnx", `the input "z" is missing; the model has z f32[batch 4]`},
		{"run {}/run/decode.onnx --input y={}/z.npy", `there is no input "y"`},
		{"run {}/run/train.onnx --input {}/images.npz", `state "dec.bias" is missing: give all of it, for a first step with --input`},
		{"run {}/run/decode.onnx --input z={}/images.npz", "of rank 4"},
		{"run {}/run/encode.onnx --input image={}/z.npy", "of rank 2"},
		{"run {}/run/decode.onnx --input z={}/z.npy --output OUT/frob/x.npy", "the folder OUT/frob is not there"},
		{"run {}/run/encode.onnx --input {}/images.npz --output OUT/x.npy", "give --output a .npz file"},
		{"sample vae --onnx OUT/frob.onnx --png OUT/x.png", "no such file"},
		{"sample vae --onnx {}/z.npy --png OUT/x.png", "not a readable ONNX model"},
		{"sample vae --onnx {}/run/encode.onnx --png OUT/x.png", `no input "z"`},
		{"sample vae --run {}/run --png OUT/frob/x.png", "the folder OUT/frob is not there"},
		{"sample vae --run {}/run --png OUT/x.png --count 100000", "--count 100000: "}, // before the work: the grid itself does not know the flag,
		{"sample vae --run {}/run --npy OUT/x.npy --count 1000000", "more than the 268435456 numbers"},
	}
	for _, tt := range tests {
		t.Run(tt.line, func(t *testing.T) { badInput(t, tt.line, exitError, tt.want) })
	}
}

// TestBrokenModel sees that a broken model hides no other: the list has all, the mistakes follow, and the exit code is 1.
func TestBrokenModel(t *testing.T) {
	t.Parallel()
	broken := func(name, why string) models.Model {
		return models.Model{Name: name, Doc: "a broken one", Define: func(models.Settings) (*compiler.Program, error) { return nil, errors.New(why) }}
	}
	all := []models.Model{broken("first", "no luck"), vae.Model, broken("last", "none either"), {Name: "empty"}, vae.Model}
	for _, flags := range [][]string{nil, {"--json"}} {
		one.Lock()
		var out, errs bytes.Buffer
		code := Run(context.Background(), append([]string{"sardonyx", "models"}, flags...), &out, &errs, all...)
		one.Unlock()
		if code != exitError {
			t.Errorf("%v: exit code %d", flags, code)
		}
		contains(t, errs.String(), "sardonyx: model first: no luck\n", "sardonyx: model last: none either\n",
			"sardonyx: model empty has no Define", "sardonyx: two models are called vae")
		if flags == nil {
			contains(t, out.String(), "first: a broken one", "vae: ", "parameters  835384", "last: a broken one", "empty: ")
			continue
		}
		var list []modelInfo
		if err := json.Unmarshal(out.Bytes(), &list); err != nil {
			t.Fatalf("%v in:\n%s", err, out.String())
		}
		for i, want := range []string{"no luck", "", "none either", "no Define", "two models are called vae"} {
			if m := list[i]; !strings.Contains(m.Error, want) || (want == "") != (m.Error == "") || (want == "") != (len(m.Steps) > 0) {
				t.Errorf("model %d: %+v, want the error %q", i, m, want)
			}
		}
	}
}

// TestHalfTraining sees what is said of a model whose Training or Sampling lacks a field.
func TestHalfTraining(t *testing.T) {
	t.Parallel()
	needRun(t)
	noStep, noEpochs, noNoise := vae.Model, vae.Model, vae.Model
	noStep.Train.Step, noEpochs.Train.Epochs, noNoise.Sample.Noise = "", 0, ""
	data := filepath.Join(shared, "images.npz")
	for _, tt := range []struct {
		model models.Model
		line  string
		code  int
		want  []string
	}{
		{noStep, "train vae", exitError, []string{"Data, Epochs, Batch but no Step", "the program's, or Rhythm to several: train"}},
		{noEpochs, "train vae --data " + data, exitUsage, []string{"give --epochs N"}},
		{noNoise, "sample vae --png x.png --run " + filepath.Join(shared, "run"), exitError, []string{"has Func and Image but no Noise", "the inputs z"}},
	} {
		one.Lock()
		var out, errs bytes.Buffer
		code := Run(context.Background(), append([]string{"sardonyx"}, strings.Fields(tt.line)...), &out, &errs, tt.model)
		one.Unlock()
		if code != tt.code {
			t.Errorf("%s: exit code %d", tt.line, code)
		}
		contains(t, errs.String(), tt.want...)
	}
}

// TestUnwritable sees that a folder in the place of an output is seen before the work: nothing is exported if one of the files cannot
// be written.
func TestUnwritable(t *testing.T) {
	t.Parallel()
	needRun(t)
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "decode.onnx"), 0o755); err != nil {
		t.Fatal(err)
	}
	r := command("export vae --run {}/run --out " + dir)
	if r.code != exitError || strings.Count(r.err, "\n") != 1 || !strings.Contains(r.err, "decode.onnx cannot be written") {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
	if _, err := os.Stat(filepath.Join(dir, "encode.onnx")); err == nil {
		t.Error("a file was exported before it was seen that another cannot be written")
	}
	gone := filepath.Join(t.TempDir(), "gone") // the library, which is not looked for before the outputs are
	for flag, line := range map[string]string{
		"output": "run {}/run/decode.onnx --onnxruntime " + gone + " --input z={}/z.npy", "npy": "sample vae --run {}/run --onnxruntime " + gone, "png": "sample vae --run {}/run --onnxruntime " + gone,
	} {
		ext := map[string]string{"output": ".npz", "npy": ".npy", "png": ".png"}[flag]
		folder := filepath.Join(dir, flag+ext)
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		badInput(t, line+" --"+flag+" "+folder, exitError, "--"+flag+" "+folder+" cannot be written: "+folder+" is there and is not a file")
	}
}

// TestSampleOtherInputs sees that sample names the input that it has nothing for.
func TestSampleOtherInputs(t *testing.T) {
	needRun(t)
	needRuntime(t)
	m := vae.Model
	m.Sample = models.Sampling{Func: "validate", Noise: "noise.0", Image: "loss"}
	one.Lock()
	defer one.Unlock()
	var out, errs bytes.Buffer
	line := []string{"sardonyx", "sample", "vae", "--onnx", filepath.Join(shared, "run", "validate.onnx"), "--png", filepath.Join(t.TempDir(), "x.png")}
	if code := Run(context.Background(), line, &out, &errs, m); code != exitError {
		t.Errorf("exit code %d", code)
	}
	contains(t, errs.String(), "nothing in its Sampling feeds the input image of the function validate: add it to Inputs")
}

// TestNativeRandom sees that what draws its own random numbers is not compared with what draws others.
func TestNativeRandom(t *testing.T) {
	t.Parallel()
	needRun(t)
	needRuntime(t)
	dir := filepath.Join(t.TempDir(), "run")
	must(t, "train vae "+tiny+" --out "+dir)
	must(t, "export vae --random native --run "+dir)
	badInput(t, "verify vae --func validate --run "+dir, exitError, "draws its own random numbers")
	badInput(t, "verify "+dir+"/validate.onnx", exitError, "has no test vectors")
	contains(t, must(t, "export vae --no-vectors --func encode --run "+dir), "vectors  0 for `verify FILE.onnx`: they were refused")
	badInput(t, "verify "+dir+"/encode.onnx", exitError, "has no test vectors")
	must(t, "verify vae --func decode --run "+dir)
	must(t, "verify "+dir+"/decode.onnx")
}

// TestMistakenModels sees how models that are wrong are reported.
func TestMistakenModels(t *testing.T) {
	t.Parallel()
	good := func(define func(b *compiler.Builder)) func(models.Settings) (*compiler.Program, error) {
		return func(models.Settings) (*compiler.Program, error) {
			b := compiler.New("odd")
			define(b)
			return b.Compile()
		}
	}
	run := func(b *compiler.Builder) {
		b.Func("run", func(f *graph.Func) { f.Output("y", f.Input("x", graph.F32, 2).Scale(2)) })
	}
	tests := []struct {
		name  string
		model models.Model
		line  string
		want  []string
	}{
		{"mistakes", models.Model{Define: good(func(b *compiler.Builder) {
			b.Func("run", func(f *graph.Func) {
				f.Output("y", f.Input("x", graph.F32, 2, 3).MatMul(f.Input("w", graph.F32, 4, 5)))
			})
		})}, "models", []string{"model odd has mistakes:", "errors_test.go:", "MatMul", "hint:"}},
		{"no training", models.Model{Define: good(run)}, "train odd", []string{"does not say how to train it"}},
		{"no sampling", models.Model{Define: good(run)}, "sample odd --png x.png", []string{"does not say how to sample it"}},
		{"unknown step", models.Model{Define: good(run), Train: models.Training{Step: "frob", Epochs: 1, Batch: 1}}, "train odd", []string{`the step "frob"`}},
		{"unknown function", models.Model{Define: good(run), Sample: models.Sampling{Func: "frob"}}, "models", []string{`the function "frob"`, "it has run"}},
		{"a panic", models.Model{Define: func(models.Settings) (*compiler.Program, error) { panic("no luck") }}, "models", []string{"panics at ", "errors_test.go:", "no luck"}},
		{"a setting that is not there", models.Model{Define: func(s models.Settings) (*compiler.Program, error) { return nil, errors.New(fmt.Sprint(s.Int("frob"))) }}, "models", []string{"panics at ", "errors_test.go:", `no setting "frob"`}},
		{"an index out of range", models.Model{Define: func(s models.Settings) (*compiler.Program, error) { return nil, errors.New(names(nil)[3]) }}, "models", []string{"errors_test.go:", "index out of range"}},
		{"an error", models.Model{Define: func(models.Settings) (*compiler.Program, error) { return nil, errors.New("no luck") }}, "inspect odd", []string{"no luck"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.model.Name = "odd"
			one.Lock()
			defer one.Unlock()
			var out, errs bytes.Buffer
			code := Run(context.Background(), append([]string{"sardonyx"}, strings.Fields(tt.line)...), &out, &errs, tt.model)
			if code != exitError {
				t.Errorf("exit code %d", code)
			}
			contains(t, errs.String(), tt.want...)
		})
	}
}
