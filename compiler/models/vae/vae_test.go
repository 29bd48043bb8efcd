package vae_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/models/modelstest"
	"github.com/sardonyx-ml/sardonyx/compiler/models/vae"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

const hidden, latent, batch, pixels = 12, 3, 4, 28 * 28

// define compiles a small VAE and draws its state, and a batch of images.
func define(t *testing.T) (*compiler.Program, map[string]*tensor.Tensor) {
	t.Helper()
	return defineOf(t, vae.Model, models.Settings{"hidden": hidden, "latent": latent, "lr": 1e-2})
}

// defineOf is define of any of the models, whose settings have changes. Images are of the settings' size; there are labels too.
func defineOf(t *testing.T, m models.Model, changes models.Settings) (*compiler.Program, map[string]*tensor.Tensor) {
	t.Helper()
	prog := modelstest.Define(t, m, changes)
	r := rand.New(rand.NewPCG(1, 2))
	state := modelstest.State(t, prog, r)
	for _, name := range []string{"enc.bias", "mu.bias", "log_var.bias", "code.bias", "dec.bias", "out.bias"} { // not the zeros they start as
		if state[name] == nil {
			continue
		}
		for i := range state[name].Len() {
			state[name].Set(i, .2*r.NormFloat64())
		}
	}
	size := 28
	if v, ok := changes["size"]; ok {
		size = int(v)
	}
	image := tensor.New(tensor.F32, batch, 1, size, size)
	for i := range image.Len() {
		image.Set(i, r.Float64())
	}
	state["image"], state["label"] = image, tensor.Of([]int64{0, 2, 1, 2}, batch)
	return prog, state
}

// dense is x·W + b for one example, in float64.
func dense(state map[string]*tensor.Tensor, layer string, x []float64) []float64 {
	w, b := state[layer+".weight"], state[layer+".bias"]
	y := b.Float64s()
	for j := range y {
		for i, v := range x {
			y[j] += v * w.At(i*len(y)+j)
		}
	}
	return y
}

func relu(x []float64) []float64 {
	for i := range x {
		x[i] = max(x[i], 0)
	}
	return x
}

// TestFunctions compares encode, decode, reconstruct and the two terms of the loss with the paper's equations in plain
// loops.
func TestFunctions(t *testing.T) {
	prog, state := define(t)
	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 2e-4*max(1, math.Abs(want)) {
			t.Errorf("%s is %v, want %v", what, got, want)
		}
	}
	validate := prog.Func("validate")
	state[graph.RandomState] = tensor.Of([]int64{3, 1}, 2)
	all, losses := modelstest.Run(t, validate, state)
	var noise *tensor.Tensor
	for _, v := range validate.Values {
		if _, ok := v.Op.(graph.RandomNormal); ok {
			noise = all[v.ID]
		}
	}
	if noise == nil || noise.Len() != batch*latent {
		t.Fatalf("the noise is %v", noise)
	}
	state["z"] = noise
	_, encoded := modelstest.Run(t, prog.Func("encode"), state)
	_, decoded := modelstest.Run(t, prog.Func("decode"), state)
	_, rebuilt := modelstest.Run(t, prog.Func("reconstruct"), state)

	decode := func(z []float64) []float64 { return dense(state, "out", relu(dense(state, "dec", z))) }
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	reconstruction, kl := 0.0, 0.0
	for n := range batch {
		x := state["image"].Float64s()[n*pixels : (n+1)*pixels]
		h := relu(dense(state, "enc", x))
		mu, logVar := dense(state, "mu", h), dense(state, "log_var", h)
		z := make([]float64, latent)
		for i := range z {
			near("mu", encoded["mu"].At(n*latent+i), mu[i])
			near("log_var", encoded["log_var"].At(n*latent+i), logVar[i])
			z[i] = mu[i] + math.Exp(logVar[i]/2)*noise.At(n*latent+i)
			kl -= (1 + logVar[i] - mu[i]*mu[i] - math.Exp(logVar[i])) / 2 / batch // appendix B
		}
		prior, mean := decode(noise.Float64s()[n*latent:(n+1)*latent]), decode(mu)
		for i, logit := range decode(z) {
			p := sigmoid(logit)
			reconstruction -= (x[i]*math.Log(p) + (1-x[i])*math.Log(1-p)) / batch
			near("decoded pixel", decoded["image"].At(n*pixels+i), sigmoid(prior[i]))
			near("reconstructed pixel", rebuilt["reconstruction"].At(n*pixels+i), sigmoid(mean[i]))
		}
	}
	near("the reconstruction's loss", losses["reconstruction"].At(0), reconstruction)
	near("the divergence", losses["kl"].At(0), kl)
	near("the loss", losses["loss"].At(0), reconstruction+kl)
}

// TestTraining runs the step on one batch: it must learn it, and move every parameter and the random state.
func TestTraining(t *testing.T) {
	prog, state := define(t)
	state[graph.RandomState] = tensor.Of([]int64{3, 0}, 2)
	step := prog.Step("train")
	before := map[string]*tensor.Tensor{}
	for name, x := range state {
		before[name] = x
	}
	var first, last float64
	const steps = 60
	for i := range steps {
		all, out := modelstest.Run(t, step, state)
		if last = out["loss"].At(0); i == 0 {
			first = last
		}
		for _, u := range step.Updates {
			state[u.Name] = all[u.Value.ID]
		}
	}
	if last > .98*first || math.IsNaN(last) {
		t.Errorf("the loss goes from %v to %v", first, last)
	}
	for _, p := range prog.Params() {
		moved := false
		for i := range state[p.Name].Len() {
			moved = moved || state[p.Name].At(i) != before[p.Name].At(i)
		}
		if !moved {
			t.Errorf("%s does not change in training", p.Name)
		}
	}
	if got := state[graph.RandomState]; got.At(0) != 3 || got.At(1) != steps {
		t.Errorf("the random state is %v after %d steps", got.Float64s(), steps)
	}
}
