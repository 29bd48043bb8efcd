package app

import (
	"encoding/json"
	"fmt"
	"image"
	"io"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/models/vae"
	"github.com/sardonyx-ml/sardonyx/exporters/numpy"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// likelihoodIn is what evaluate prints with --json of {}/run and its images.
func likelihoodIn(t *testing.T, more string) likelihoodOf {
	t.Helper()
	var r likelihoodOf
	if err := json.Unmarshal([]byte(must(t, "evaluate vae --run {}/run --json --real {}/images.npz "+more)), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestLikelihood computes what evaluate prints from log weights that the exported file gives of the same noise. The second case has more
// draws than are taken at once.
func TestLikelihood(t *testing.T) {
	needRuntime(t)
	needRun(t)
	images, err := numpy.ReadNPZ(filepath.Join(shared, "images.npz"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ count, draws int }{{5, 7}, {1, maxDrawn/784 + 1}} {
		r := likelihoodIn(t, fmt.Sprintf("--count %d --draws %d --seed 3", c.count, c.draws))
		var elbo, bound []float64
		for i := range c.count {
			noise := tensor.New(tensor.F32, 1, c.draws, 4)
			x, at := tensor.Data[float32](noise), 0
			for stream := 0; at < len(x); stream++ {
				n := min(len(x)-at, maxDrawn/784*4)
				kernel.Normal(kernel.NewContext(nil, 0), kernel.Draw{Seed: 3, Step: uint64(i), Stream: stream}, x[at:at+n])
				at += n
			}
			dir := t.TempDir()
			image := tensor.Of(tensor.Data[float32](images["image"])[i*784:(i+1)*784], 1, 1, 28, 28)
			for name, x := range map[string]*tensor.Tensor{"image": image, "noise": noise} {
				if err := numpy.WriteNPY(filepath.Join(dir, name+".npy"), x); err != nil {
					t.Fatal(err)
				}
			}
			must(t, "run {}/run/log_weights.onnx --input image="+dir+"/image.npy --input noise="+dir+"/noise.npy --output "+dir+"/out.npz")
			out, err := numpy.ReadNPZ(dir + "/out.npz")
			if err != nil {
				t.Fatal(err)
			}
			w, mean, sum := out["log_weights"].Float64s(), 0.0, 0.0
			for _, v := range w {
				mean += v / float64(len(w))
			}
			for _, v := range w {
				sum += math.Exp(v-mean) / float64(len(w))
			}
			elbo, bound = append(elbo, mean), append(bound, mean+math.Log(sum))
		}
		wantELBO, wantNLL := 0.0, 0.0
		for i := range elbo {
			wantELBO, wantNLL = wantELBO+elbo[i]/float64(c.count), wantNLL-bound[i]/float64(c.count)
		}
		if math.Abs(float64(r.ELBO)-wantELBO) > 1e-3 || math.Abs(float64(r.NLL)-wantNLL) > 1e-3 {
			t.Errorf("%d examples, %d draws: ELBO %v and NLL %v, want %v and %v", c.count, c.draws, r.ELBO, r.NLL, wantELBO, wantNLL)
		}
		if want := wantNLL / 784 / math.Ln2; math.Abs(float64(r.Bits)-want) > 1e-5 || r.Dims != 784 || r.Draws != c.draws || r.Real.Examples != c.count {
			t.Errorf("bits %v, want %v: %+v", r.Bits, want, r)
		}
	}
	if one, two := likelihoodIn(t, "--count 2 --draws 3"), likelihoodIn(t, "--count 2 --draws 3 --seed 2"); one.NLL == two.NLL {
		t.Error("another seed gives the same draws")
	}
}

// TestBinarisedLikelihood has examples binarised as the run's were, unless it is said otherwise.
func TestBinarisedLikelihood(t *testing.T) {
	needRuntime(t)
	needRun(t)
	dir := t.TempDir()
	must(t, "train vae "+tiny+" --augment image:binarise --out "+dir+"/run")
	as := func(line string, want string) {
		t.Helper()
		out := must(t, "evaluate vae --draws 3 --count 4 "+line)
		if has := strings.Contains(out, ", image: binarise"); has != (want != "") {
			t.Errorf("%s prints\n%s", line, out)
		}
		contains(t, out, "ELBO, nats", "NLL, nats, of 3 draws", "bits a dimension")
	}
	as("--run "+dir+"/run --real {}/images.npz", "binarised")
	as("--run {}/run --real {}/images.npz", "")
	as("--run {}/run --real {}/images.npz --augment image:binarise", "binarised")
	as("--onnx {}/run/log_weights.onnx --real {}/images.npz", "")
}

// TestHeldOutLikelihood takes the examples that the run was validated on, the validation part before the test one, in the run's size.
func TestHeldOutLikelihood(t *testing.T) {
	needRuntime(t)
	needRun(t)
	dir := t.TempDir()
	for i, part := range []string{"train", "val", "test"} {
		if err := writePictures(filepath.Join(dir, "set", part), tensor.New(tensor.F32, 20-i, 1, 4, 4), 20-i); err != nil {
			t.Fatal(err)
		}
	}
	must(t, "train vae --data "+dir+"/set --set size=8 --set hidden=6 --set latent=4 --batch 16 --epochs 1 --out "+dir+"/run")
	contains(t, must(t, "evaluate vae --run "+dir+"/run --draws 3"), dir+"/set:validation", "19 of 19 examples, f32[1 8 8]")
	must(t, "train vae "+tiny+" --out "+dir+"/other")
	badInput(t, "evaluate vae --run "+dir+"/other --draws 3", exitError, "images.npz has no part validation or test: there is ")
}

// TestGeneratedHeldOut takes the examples that the model generates, for the run's settings, where the run was trained on such: to find
// how likely they are, and to edit them.
func TestGeneratedHeldOut(t *testing.T) {
	needRuntime(t)
	m := vae.Model
	m.Train.Data, m.Train.Augment = "", nil
	m.Train.Generate = func(s models.Settings) (train, test map[string]*tensor.Tensor, err error) {
		of := func(n int) map[string]*tensor.Tensor {
			x := tensor.New(tensor.F32, n, 1, s.Int("size"), s.Int("size"))
			for i := range x.Len() {
				x.Set(i, float64(i*i%251)/250)
			}
			return map[string]*tensor.Tensor{"image": x}
		}
		return of(32), of(7), nil
	}
	dir := t.TempDir()
	mustModel(t, m, "train vae --set size=8 --set hidden=6 --set latent=4 --batch 16 --epochs 1 --out "+dir+"/run")
	contains(t, mustModel(t, m, "evaluate vae --run "+dir+"/run --draws 3"), "data that vae generates:test", "7 of 7 examples, f32[1 8 8]")
	other := dir + "/other.png"
	if err := writePNG(other, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
		t.Fatal(err)
	}
	mustModel(t, m, "edit vae --run "+dir+"/run --example 6 --to "+other+" --out "+dir+"/x.png")
	for line, want := range map[string]string{
		"--example 7 --to " + other: "--example 7: data that vae generates has 7 examples",
		"--example 6 --add smile=2": "data that vae generates has no attributes",
	} {
		if r := modelCommand(m, "edit vae --run "+dir+"/run --out "+dir+"/y.png "+line); r.code != exitError || !strings.Contains(r.err, want) {
			t.Errorf("%s: %q, want %q", line, r.err, want)
		}
	}
}

// TestBadLikelihood must be refused in one line.
func TestBadLikelihood(t *testing.T) {
	needRuntime(t)
	needRun(t)
	if err := numpy.WriteNPY(filepath.Join(shared, "small.npy"), tensor.New(tensor.F32, 3, 1, 4, 4)); err != nil {
		t.Fatal(err)
	}
	const u, e = exitUsage, exitError
	for _, tt := range []struct {
		line string
		code int
		want string
	}{
		{"evaluate vae", u, "say what to evaluate: --run DIR or --onnx FILE"},
		{"evaluate frob --run {}/run", e, `no model is called "frob"`},
		{"evaluate vae --run {}/run --onnx {}/run/log_weights.onnx", u, "not both"},
		{"evaluate vae --run {}/run --draws 0", u, "--draws 0: want 1 to"},
		{"evaluate vae --run {}/run --real {}/images.npz --count 0", u, "--count 0: want 1 or more"},
		{"evaluate vae --run {}/run --fake {}/images.npz", u, "--fake is for comparing two sets"},
		{"evaluate vae --run {}/run --real {}/z.npy", e, `nothing for the input "image": it is 3 × (z f32[4])`},
		{"evaluate vae --run {}/run --real {}/small.npy", e, `input "image"`},
		{"evaluate vae --run {}/run --real frob", e, "neither a data set"},
		{"evaluate vae --onnx {}/run/decode.onnx --real {}/images.npz", e, "decode.onnx"},
		{"evaluate --draws 3", u, "--draws is of a model's likelihood: name the model"},
	} {
		t.Run(tt.line, func(t *testing.T) { badInput(t, tt.line, tt.code, tt.want) })
	}
	none := vae.Model
	none.Density = models.Density{}
	if r := commandOf(t.Context(), io.Discard, io.Discard, []models.Model{none}, "evaluate vae --run {}/run"); r.code != e || !strings.Contains(r.err, "model vae does not say how likely examples are") {
		t.Errorf("a model without a likelihood: %d, %s", r.code, r.err)
	}
}

// TestMap draws the plane of a latent of two numbers, whose corners are known, and none of a class that was not chosen.
func TestMap(t *testing.T) {
	needRuntime(t)
	needRun(t)
	dir := t.TempDir()
	run := func(m models.Model, line string) result {
		return commandOf(t.Context(), io.Discard, io.Discard, []models.Model{m}, line)
	}
	if r := run(vae.Model, "train vae --data {}/images.npz --set hidden=6 --set latent=2 --batch 16 --epochs 1 --out "+dir+"/run"); r.code != exitOK {
		t.Fatal(r.err)
	}
	if r := run(vae.Model, "sample vae --run "+dir+"/run --map 2 --count 9 --out "+dir+"/map.png --out "+dir+"/map.npy"); r.code != exitOK {
		t.Fatal(r.err)
	}
	corners := tensor.Of([]float32{-2, 2, 2, 2, 0, 0, -2, -2, 2, -2}, 5, 2) // upper left, upper right, middle, lower left, lower right
	if err := numpy.WriteNPY(dir+"/z.npy", corners); err != nil {
		t.Fatal(err)
	}
	if r := run(vae.Model, "export vae --run "+dir+"/run"); r.code != exitOK {
		t.Fatal(r.err)
	}
	must(t, "run "+dir+"/run/decode.onnx --input z="+dir+"/z.npy --output "+dir+"/out.npz")
	out, err := numpy.ReadNPZ(dir + "/out.npz")
	if err != nil {
		t.Fatal(err)
	}
	grid, err := numpy.ReadNPY(dir + "/map.npy")
	if err != nil {
		t.Fatal(err)
	}
	for i, at := range []int{0, 2, 4, 6, 8} {
		for p := range 784 {
			if got, want := grid.At(at*784+p), out["image"].At(i*784+p); math.Abs(got-want) > 1e-6 {
				t.Fatalf("picture %d of the map, pixel %d, is %v, want %v", at, p, got, want)
			}
		}
	}

	labelled, err := numpy.ReadNPZ(filepath.Join(shared, "images.npz"))
	if err != nil {
		t.Fatal(err)
	}
	labelled["label"] = tensor.New(tensor.I64, 48)
	if err := numpy.WriteNPZ(dir+"/labelled.npz", labelled); err != nil {
		t.Fatal(err)
	}
	if r := run(vae.CVAEModel, "train cvae --data "+dir+"/labelled.npz --set hidden=6 --set latent=2 --set classes=3 --batch 16 --epochs 1 --out "+dir+"/c"); r.code != exitOK {
		t.Fatal(r.err)
	}
	for more, want := range map[string]string{
		"--map 2 --count 4":           "a map is of one class: choose it with --label",
		"--map 2 --count 4 --label 1": "",
		"--label 3":                   `there is no class "3": want 0 to 2`,
		"--label 0,2 --count 6":       "",
	} {
		r := run(vae.CVAEModel, "sample cvae --run "+dir+"/c --out "+dir+"/c.png "+more)
		if (r.code == exitOK) != (want == "") || !strings.Contains(r.err, want) || strings.Count(r.err, "\n") > 1 {
			t.Errorf("%s: exit code %d, %q, want %q", more, r.code, r.err, want)
		}
	}
}
