// Package vae is the variational autoencoder of Kingma and Welling, "Auto-Encoding Variational Bayes" (2014), as a
// multi-layer perceptron over 28×28 grey images.
package vae

import (
	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/loss"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// side is the height and width of an image.
const side = 28

// VAE has a Gaussian encoder q(z|x) and a Bernoulli decoder p(x|z).
type VAE struct{ Enc, Mu, LogVar, Dec, Out nn.Dense }

// New returns a VAE with the given width of its hidden layers and of its latent z.
func New(hidden, latent int) *VAE {
	h, z := nn.Dense{Units: hidden}, nn.Dense{Units: latent}
	return &VAE{Enc: h, Mu: z, LogVar: z, Dec: h, Out: nn.Dense{Units: side * side}}
}

// Encode gives the mean and log variance of q(z|x), each [batch latent], for x [batch 1 28 28].
func (m *VAE) Encode(x *graph.Value) (mu, logVar *graph.Value) {
	h := m.Enc.Apply(x.Flatten()).ReLU()
	return m.Mu.Apply(h), m.LogVar.Apply(h)
}

// Decode gives the logits of p(x|z), [batch 784].
func (m *VAE) Decode(z *graph.Value) *graph.Value {
	return m.Out.Apply(m.Dec.Apply(z).ReLU())
}

// Draw gives z ~ q(z|x) by the reparameterisation z = μ + σ·ε (section 2.4).
func Draw(mu, logVar *graph.Value) *graph.Value {
	return mu.Add(logVar.Scale(.5).Exp().Mul(mu.NormalLike()))
}

// Loss is the negative evidence lower bound in nats, averaged over the batch (eq. 10 with one draw), and its two terms:
// the reconstruction's cross-entropy, grey levels taken as probabilities, and the divergence of q(z|x) from the prior.
func (m *VAE) Loss(x *graph.Value) (elbo, reconstruction, kl *graph.Value) {
	mu, logVar := m.Encode(x)
	reconstruction = loss.BCEWithLogits(m.Decode(Draw(mu, logVar)), x.Flatten()).Mean()
	kl = loss.KLNormal(mu, logVar).Mean()
	return reconstruction.Add(kl), reconstruction, kl
}

// Define builds the program: encode, decode, reconstruct and validate, and the training step.
func Define(s models.Settings) (*compiler.Program, error) {
	m := New(s.Int("hidden"), s.Int("latent"))
	batch := graph.Sym("batch")
	image := func(f *graph.Func) *graph.Value { return f.Input("image", graph.F32, batch, 1, side, side) }
	picture := func(logits *graph.Value) *graph.Value {
		return logits.Sigmoid().Reshape(batch, 1, side, side)
	}

	b := compiler.New("vae")
	b.Model("", m)
	b.Func("encode", func(f *graph.Func) {
		mu, logVar := m.Encode(image(f))
		f.Output("mu", mu)
		f.Output("log_var", logVar)
	})
	b.Func("decode", func(f *graph.Func) {
		f.Output("image", picture(m.Decode(f.Input("z", graph.F32, batch, s.Dim("latent")))))
	})
	b.Func("reconstruct", func(f *graph.Func) {
		mu, _ := m.Encode(image(f))
		f.Output("reconstruction", picture(m.Decode(mu)))
	})
	losses := func(f *graph.Func) *graph.Value {
		elbo, reconstruction, kl := m.Loss(image(f))
		f.Output("reconstruction", reconstruction)
		f.Output("kl", kl)
		return elbo
	}
	b.Func("validate", func(f *graph.Func) { f.Output("loss", losses(f)) })
	b.Step("train", optim.Adam{LR: s.Float("lr")}, m, losses)
	return b.Compile()
}

// Model describes the VAE to the commands.
var Model = models.Model{
	Name:     "vae",
	Family:   "Autoencoders and VAEs",
	Doc:      "variational autoencoder, an MLP with a 20-dimensional latent (Kingma & Welling 2014)",
	Settings: models.Settings{"hidden": 512, "latent": 20, "lr": 1e-3},
	Define:   Define,
	Train: models.Training{
		Step: "train", Validate: "validate", Inputs: map[string]string{"image": "image"},
		Data: "mnist", Epochs: 10, Batch: 128,
	},
	Sample: models.Sampling{Func: "decode", Noise: "z", Image: "image"},
}
