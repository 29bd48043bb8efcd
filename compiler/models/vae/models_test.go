package vae_test

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/models/modelstest"
	"github.com/sardonyx-ml/sardonyx/compiler/models/vae"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// small are settings of nets that train in no time, of 8×8 images.
func small(more models.Settings) models.Settings {
	s := models.Settings{"size": 8, "hidden": 16, "latent": 2, "lr": 2e-2}
	maps.Copy(s, more)
	return s
}

// stripes are 8×8 images of a class each: the pixels of a row (0), a column (1) or both (2), drawn at a random place, black or white.
func stripes(n int, seed uint64) (image, label *tensor.Tensor) {
	r := rand.New(rand.NewPCG(seed, 1))
	image, label = tensor.New(tensor.F32, n, 1, 8, 8), tensor.New(tensor.I64, n)
	for i := range n {
		class, at := r.IntN(3), 2*r.IntN(4)
		label.Set(i, float64(class))
		for p := range 64 {
			if class != 1 && p/8 == at || class != 0 && p%8 == at {
				image.Set(i*64+p, 1)
			}
		}
	}
	return image, label
}

// learn trains a model on stripes, and returns the losses of all steps, and the state.
func learn(t *testing.T, m models.Model, s models.Settings, steps int) (losses []float64, prog *compiler.Program, state map[string]*tensor.Tensor) {
	t.Helper()
	prog, state = defineOf(t, m, small(s))
	state[graph.RandomState] = tensor.Of([]int64{3, 0}, 2)
	state["image"], state["label"] = stripes(64, 1)
	step := prog.Step("train")
	for range steps {
		losses = append(losses, modelstest.Train(t, step, state)["loss"].At(0))
	}
	return losses, prog, state
}

// TestVariants trains each model under each likelihood. What it then says of new stripes must be below a bound and, of a likelihood of
// black and white or of levels, not below the entropy of stripes, which is known. The same seed must give the same losses, to the bit.
func TestVariants(t *testing.T) {
	whole := (4*math.Log(4) + math.Log(27)) / 3 // three classes; four stripes, or sixteen pairs
	given := whole - math.Log(3)
	none := math.Inf(-1)
	for _, c := range []struct {
		name         string
		m            models.Model
		s            models.Settings
		least, below float64 // nats
	}{
		{"dense VAE, Bernoulli", vae.Model, nil, whole, 10},
		{"dense VAE, Gaussian of fixed variance", vae.Model, models.Settings{"likelihood": 1, "sigma": .3}, none, -3},
		{"dense VAE, Gaussian of learned variance", vae.Model, models.Settings{"likelihood": 1}, none, -60},
		{"dense VAE, discretised logistic", vae.Model, models.Settings{"likelihood": 2}, whole, 10},
		{"dense VAE, β = 4", vae.Model, models.Settings{"beta": 4}, whole, 16},
		{"dense VAE, free bits", vae.Model, models.Settings{"free": .5}, whole, 10},
		{"convolutional VAE, Bernoulli", vae.ConvModel, models.Settings{"filters": 4, "ema": .9}, whole, 10},
		{"convolutional VAE, discretised logistic", vae.ConvModel, models.Settings{"filters": 4, "likelihood": 2, "ema": .9}, whole, 10},
		{"conditional VAE", vae.CVAEModel, models.Settings{"classes": 3}, given, 7},
		{"conditional VAE with convolutions", vae.CVAEModel, models.Settings{"classes": 3, "filters": 4}, given, 7},
		{"dense autoencoder", vae.AEModel, models.Settings{"filters": 0, "ema": .9}, 0, 1},
		{"convolutional autoencoder", vae.AEModel, models.Settings{"filters": 4, "ema": .9}, 0, 6},
		{"autoencoder, Gaussian", vae.AEModel, models.Settings{"filters": 0, "likelihood": 1, "ema": .9}, none, -80},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			losses, prog, state := learn(t, c.m, c.s, 250)
			state["image"], state["label"] = stripes(256, 2)
			_, out := modelstest.Run(t, prog.Func("validate"), state)
			if got := out["loss"].At(0); !(got < c.below && got > c.least-.1) {
				t.Errorf("the loss is %.2f nats, want %.2f to %v", got, c.least, c.below)
			}
			if again, _, _ := learn(t, c.m, c.s, 10); !slices.Equal(again, losses[:10]) {
				t.Errorf("the same seed gives the losses %v, and then %v", losses[:10], again)
			}
		})
	}
}

// TestLinearGaussian takes a VAE whose ln p(x) is known: with ReLUs that never cut, x = W·z + c + σε is normal, of covariance WWᵀ + σ²I.
// The importance-weighted bound of many draws must come to it, and that of one lie below.
func TestLinearGaussian(t *testing.T) {
	const sigma, dims, draws = .4, 16, 20000
	prog, state := defineOf(t, vae.Model, models.Settings{"size": 4, "hidden": 6, "latent": 2, "likelihood": 1, "sigma": sigma})
	for i := range state["dec.bias"].Len() {
		state["dec.bias"].Set(i, 20)
	}
	for name, bias := range map[string]float64{"mu": .3, "log_var": .5} { // q(z|x) covers p(z) and is another, whatever x is
		state[name+".weight"] = tensor.New(tensor.F32, state[name+".weight"].Shape()...)
		state[name+".bias"] = tensor.Of([]float32{float32(bias), float32(bias)}, 2)
	}
	// z ↦ (z·A + b)·B + d, whose rows are those of the layers' weights.
	matrix := func(name string, rows, cols int) *mat.Dense { return mat.NewDense(rows, cols, state[name].Float64s()) }
	a, b, d := matrix("dec.weight", 2, 6), matrix("out.weight", 6, dims), matrix("out.bias", 1, dims)
	var w, mean, cov mat.Dense
	w.Mul(a, b)
	mean.Mul(matrix("dec.bias", 1, 6), b)
	mean.Add(&mean, d)
	cov.Mul(w.T(), &w)
	sym := mat.NewSymDense(dims, nil)
	for i := range dims {
		for j := range i + 1 {
			sym.SetSym(i, j, cov.At(i, j))
		}
		sym.SetSym(i, i, cov.At(i, i)+sigma*sigma)
	}
	var chol mat.Cholesky
	if !chol.Factorize(sym) {
		t.Fatal("the covariance is not positive definite")
	}
	for i := range state["image"].Len() {
		state["image"].Set(i, mean.At(0, i%dims)+.3*math.Sin(float64(i)))
	}
	noise, r := tensor.New(tensor.F32, batch, draws, 2), rand.New(rand.NewPCG(1, 1))
	for i := range noise.Len() {
		noise.Set(i, r.NormFloat64())
	}
	state["noise"] = noise
	_, out := modelstest.Run(t, prog.Func("log_weights"), state)
	weights := out["log_weights"]
	for n := range batch {
		x := mat.NewVecDense(dims, nil)
		for i := range dims {
			x.SetVec(i, state["image"].At(n*dims+i)-mean.At(0, i))
		}
		var solved mat.VecDense
		if err := chol.SolveVecTo(&solved, x); err != nil {
			t.Fatal(err)
		}
		want := -.5 * (mat.Dot(x, &solved) + chol.LogDet() + dims*math.Log(2*math.Pi))
		sum, elbo := 0.0, 0.0
		for k := range draws {
			sum += math.Exp(weights.At(n*draws+k)-want) / draws
			elbo += weights.At(n*draws+k) / draws
		}
		if got := want + math.Log(sum); math.Abs(got-want) > .1 || elbo > got-.1 {
			t.Errorf("example %d: ln p(x) is %.3f by %d draws and %.3f by one, and %.3f in truth", n, got, draws, elbo, want)
		}
	}
}

// TestDraws compares the loss of a training step by several draws with their mean weight, in plain loops over what log_weights gives of
// the same noise.
func TestDraws(t *testing.T) {
	const draws = 5
	prog, state := defineOf(t, vae.CVAEModel, models.Settings{"classes": 3, "hidden": hidden, "latent": latent, "draws": draws})
	step := prog.Step("train")
	values, out := modelstest.Run(t, step, state)
	for _, v := range step.Values {
		if _, ok := v.Op.(graph.RandomNormal); ok {
			state["noise"] = values[v.ID]
		}
	}
	_, given := modelstest.Run(t, prog.Func("log_weights"), state)
	want := 0.
	for i := range batch {
		sum := 0.
		for k := range draws {
			sum += math.Exp(given["log_weights"].At(i*draws+k)-given["log_weights"].At(i*draws)) / draws
		}
		want -= (math.Log(sum) + given["log_weights"].At(i*draws)) / batch
	}
	if got := out["loss"].At(0); math.Abs(got-want) > 1e-5*math.Abs(want) {
		t.Errorf("the loss by %d draws is %v, want %v", draws, got, want)
	}
	modelstest.Refuses(t, vae.Model, map[string]models.Settings{"setting draws is 0": {"draws": 0}, "setting draws is 1.5": {"draws": 1.5}})
}

// TestBeta holds the step's loss to its two terms, the divergence beta times.
func TestBeta(t *testing.T) {
	for _, beta := range []float64{0, 1, 4} {
		prog, state := defineOf(t, vae.Model, small(models.Settings{"beta": beta}))
		state[graph.RandomState] = tensor.Of([]int64{3, 0}, 2)
		_, out := modelstest.Run(t, prog.Step("train"), state)
		kl := out["kl"].At(0)
		if got, want := out["loss"].At(0), out["reconstruction"].At(0)+beta*kl; math.Abs(got-want) > 1e-4*want || kl < .01 {
			t.Errorf("beta %v: the loss is %v, want %v, with a divergence of %v", beta, got, want, kl)
		}
	}
}

// TestLabelMatters decodes one z under each class of a trained conditional VAE: the pictures must be of the classes, as rows and columns
// that are white all along tell.
func TestLabelMatters(t *testing.T) {
	_, prog, state := learn(t, vae.CVAEModel, models.Settings{"classes": 3}, 600)
	const each = 40
	z, r := tensor.New(tensor.F32, 3*each, 2), rand.New(rand.NewPCG(1, 1))
	for i := range z.Len() {
		z.Set(i, r.NormFloat64())
	}
	state["z"], state["label"] = z, tensor.New(tensor.I64, 3*each)
	for i := range 3 * each {
		state["label"].Set(i, float64(i/each))
	}
	_, out := modelstest.Run(t, prog.Func("decode"), state)
	right := 0
	for i := range 3 * each {
		line := func(row bool) bool { // whether a row, or a column, is white all along
			for a := range 8 {
				sum := 0.0
				for b := range 8 {
					at := a*8 + b
					if !row {
						at = b*8 + a
					}
					sum += out["image"].At(i*64 + at)
				}
				if sum > 5 {
					return true
				}
			}
			return false
		}
		class := i / each
		if line(true) == (class != 1) && line(false) == (class != 0) {
			right++
		}
	}
	if right < 3*each*8/10 {
		t.Errorf("%d of %d pictures are of the class that was asked", right, 3*each)
	}
}

// TestSettings must refuse what makes no model, with a mistake that names the setting.
func TestSettings(t *testing.T) {
	refused := map[string]models.Settings{
		"setting hidden is 0":     {"hidden": 0},
		"setting latent is 0":     {"latent": 0},
		"setting size is 30":      {"size": 30},
		"setting channels is 2":   {"channels": 2},
		"setting filters is -1":   {"filters": -1},
		"setting beta is -1":      {"beta": -1},
		"setting free is -0.5":    {"free": -.5},
		"setting sigma is -0.1":   {"sigma": -.1, "likelihood": 1},
		"setting likelihood is 3": {"likelihood": 3},
		"setting steps is -5":     {"steps": -5},
		"setting ema is -1":       {"ema": -1},
	}
	for _, m := range vae.Models {
		modelstest.Refuses(t, m, refused)
	}
	modelstest.Refuses(t, vae.CVAEModel, map[string]models.Settings{"setting classes is 0": {"classes": 0}})
}

// TestLabelOutOfRange must end the run.
func TestLabelOutOfRange(t *testing.T) {
	prog, state := defineOf(t, vae.CVAEModel, small(models.Settings{"classes": 3}))
	state[graph.RandomState] = tensor.Of([]int64{5, 0}, 2)
	state["label"].Set(1, 3)
	_, err := modelstest.Evaluate(prog.Step("train"), state)
	if err == nil || !strings.Contains(fmt.Sprint(err), "a label is from 0 to 2") {
		t.Errorf("the label 3 of 3 classes: %v", err)
	}
}
