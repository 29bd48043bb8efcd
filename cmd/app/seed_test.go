package app

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/models/vae"
	"github.com/sardonyx-ml/sardonyx/compiler/pass"
	"github.com/sardonyx-ml/sardonyx/exporters/numpy"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/gorgonia"
	"github.com/sardonyx-ml/sardonyx/runtime/train"
)

// TestSeededFiles exports a VAE's decoder as a file that draws its latents by a seed: sample draws from it what it draws from the file
// with noise as an input, run and verify take it, and what needs the latents says so.
func TestSeededFiles(t *testing.T) {
	t.Parallel()
	needRun(t)
	needRuntime(t)
	dir := t.TempDir()
	contains(t, must(t, "export vae --random seed --func decode --run {}/run --out "+dir), "inputs   seed i64[], batch i64[]", "opset 18")
	file := filepath.Join(dir, "decode.onnx")
	s, err := onnx.Inspect(file)
	if err != nil {
		t.Fatal(err)
	}
	if s.Seed != "seed" || !slices.Equal(s.Drawn, []pass.Noise{{Input: "z", Distribution: "normal"}}) || !slices.Equal(s.Sizes, []string{"batch"}) || len(s.Vectors) != 2 {
		t.Errorf("seed %q, drawn %v, sizes %v, %d vectors", s.Seed, s.Drawn, s.Sizes, len(s.Vectors))
	}
	contains(t, must(t, "verify "+file), "decode")

	for _, seed := range []string{"1", "18446744073709551615"} {
		must(t, "sample vae --run {}/run --count 5 --seed "+seed+" --npy "+dir+"/noise.npy")
		must(t, "sample vae --onnx "+file+" --count 5 --seed "+seed+" --npy "+dir+"/seed.npy")
		nearArrays(t, dir+"/seed.npy", dir+"/noise.npy")
	}
	if err := numpy.WriteNPY(dir+"/gorgonia.npy", decodedByGorgonia(t, kernel.Draw{Seed: 1<<64 - 1}, 5)); err != nil {
		t.Fatal(err)
	}
	nearArrays(t, dir+"/seed.npy", dir+"/gorgonia.npy")
	must(t, "run "+file+" --input seed=-1 --input batch=5 --output "+dir+"/run.npy")
	nearArrays(t, dir+"/run.npy", dir+"/noise.npy")

	badInput(t, "sample vae --map 3 --count 9 --onnx "+file+" --png "+dir+"/x.png", exitError, `it draws the latent "z" itself, by a seed: export it with --random inputs`)
	badInput(t, "sample vae --set-input z={}/z.npy --onnx "+file+" --png "+dir+"/x.png", exitError, `it draws "z" itself`)
	badInput(t, "export vae --random seed --opset 17 --run {}/run --out "+dir, exitUsage, "takes operators of opset 18")
}

// decodedByGorgonia are the images that the VAE of the shared run makes of n latents, in the gorgonia engine.
func decodedByGorgonia(t *testing.T, draw kernel.Draw, n int) *tensor.Tensor {
	t.Helper()
	dir := train.Folder(filepath.Join(shared, "run"))
	setup, err := dir.Setup()
	if err != nil {
		t.Fatal(err)
	}
	_, prog, err := defineAs(vae.Model, setup)
	if err != nil {
		t.Fatal(err)
	}
	state, err := runtime.NewState(prog, 99)
	if err != nil {
		t.Fatal(err)
	}
	cs, err := train.OpenCheckpoints(dir.Checkpoints())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cs.Restore(train.Best, state); err != nil {
		t.Fatal(err)
	}
	e, err := gorgonia.New(gorgonia.Options{})
	if err != nil {
		t.Fatal(err)
	}
	x, err := e.Load(prog, state)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	z := tensor.New(tensor.F32, n, int(setup.Settings["latent"]))
	kernel.Normal(kernel.NewContext(nil, 1), draw, tensor.Data[float32](z))
	out, err := runtime.Run(t.Context(), x, "decode", map[string]*tensor.Tensor{"z": z})
	if err != nil {
		t.Fatal(err)
	}
	return out[vae.Model.Sample.Image].Clone()
}

// TestSeededDraws samples files with several inputs of noise, of both distributions, and draws of their own, by a seed.
func TestSeededDraws(t *testing.T) {
	t.Parallel()
	needToy(t)
	needRuntime(t)
	for _, how := range []models.Sampling{toyPoints, toyText, condImages} {
		dir := t.TempDir()
		mustModel(t, toy(how), "export --random seed --func "+how.Func+" --run {}/toy --out "+dir)
		mustModel(t, toy(how), "sample --seed 7 --count 6 --run {}/toy --out "+dir+"/noise.npy")
		mustModel(t, toy(how), "sample --seed 7 --count 6 --onnx "+dir+"/"+how.Func+".onnx --out "+dir+"/seed.npy")
		nearArrays(t, dir+"/seed.npy", dir+"/noise.npy")
	}
}

// TestSeededRun keeps files that draw by a seed in a run's folder, where verify compares them with the model; a step draws from its state.
func TestSeededRun(t *testing.T) {
	t.Parallel()
	needRun(t)
	needRuntime(t)
	dir := filepath.Join(t.TempDir(), "run")
	must(t, "train vae "+tiny+" --out "+dir)
	must(t, "export vae --random seed --run "+dir)
	contains(t, must(t, "verify vae --run "+dir), "decode", "encode", "validate")
	contains(t, must(t, "export vae --random seed --steps --func encode --run "+dir+" --out "+dir+"/steps"), "random i64[2]", "random.next i64[2]")
	step, err := filepath.Glob(dir + "/steps/*.state.npz")
	if err != nil || len(step) == 0 {
		t.Fatal(step, err)
	}
	contains(t, must(t, "verify "+strings.TrimSuffix(step[0], ".state.npz")+".onnx"), "ok")
}

// nearArrays holds one .npy file to another.
func nearArrays(t *testing.T, got, want string) {
	t.Helper()
	var x [2]*tensor.Tensor
	for i, path := range []string{got, want} {
		var err error
		if x[i], err = numpy.ReadNPY(path); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(x[0].Shape(), x[1].Shape()) || x[0].Len() == 0 {
		t.Fatalf("%v, want %v", x[0], x[1])
	}
	for i := range x[0].Len() {
		if d := x[0].At(i) - x[1].At(i); d > 2e-6 || d < -2e-6 {
			t.Fatalf("element %d is %v, want %v", i, x[0].At(i), x[1].At(i))
		}
	}
}
