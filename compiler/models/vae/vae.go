// Package vae has autoencoders of images: the plain one, the variational autoencoder of Kingma and Welling, "Auto-Encoding
// Variational Bayes" (2014), and the same given a class, p(x|y), of Sohn et al., "Learning Structured Output Representation using
// Deep Conditional Generative Models" (2015). Each is a multi-layer perceptron or has convolutions, under one of three likelihoods.
package vae

import (
	"math"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/loss"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// VAE has a Gaussian encoder q(z|x), and a decoder p(x|z) under a prior p(z) that is standard normal. With a condition y, all are given y
// but the prior.
type VAE struct {
	Nets
	Mu, LogVar nn.Dense
}

// New returns a VAE of the settings.
func New(s models.Settings) (*VAE, error) {
	z := nn.Dense{Units: s.Int("latent")}
	return &VAE{newNets(s), z, z}, limits.Check(s)
}

// Encode gives the mean and log variance of q(z|x), each [batch latent], for x [batch channels size size].
func (m *VAE) Encode(x, y *graph.Value) (mu, logVar *graph.Value) {
	h := m.Hidden(x, y)
	return m.Mu.Apply(h), m.LogVar.Apply(h)
}

// Terms are those of the negative evidence lower bound (eq. 10 with one draw), in nats an example: −ln p(x|z), and the divergence of
// q(z|x) from the prior, of which they are given the mean and log variance too.
func (m *VAE) Terms(x, y *graph.Value) (reconstruction, mu, logVar *graph.Value) {
	mu, logVar = m.Encode(x, y)
	return m.Pixels.NLL(m.Decode(nn.Reparameterise(mu, logVar, mu.NormalLike()), y), x), mu, logVar
}

// LogWeights are ln p(x,z)/q(z|x), [batch draws], of draws z ~ q(z|x) with noise [batch draws latent]: what the importance-weighted
// bound of ln p(x) is made of (Burda et al. 2016, eq. 8).
func (m *VAE) LogWeights(x, y, noise *graph.Value) *graph.Value {
	draws := noise.Dim(1)
	mu, logVar := m.Encode(x, y)
	z := nn.Reparameterise(mu.Unsqueeze(1), logVar.Unsqueeze(1), noise)
	y = nn.RepeatEach(y, draws)
	nll := m.Pixels.NLL(m.Decode(z.Reshape(-1, z.Dim(-1)), y), nn.RepeatEach(x, draws)).Reshape(noise.Dim(0), draws)
	prior, posterior := z.Square().Sum(-1), noise.Square().Sum(-1).Add(logVar.Sum(-1).Unsqueeze(1))
	return posterior.Sub(prior).Scale(.5).Sub(nll)
}

// Define builds the program of a VAE without a condition.
func Define(s models.Settings) (*compiler.Program, error) { return define("vae")(s) }

// define builds the program called name of a VAE, given a class if there is a setting classes: encode, decode, reconstruct,
// log_weights and validate, and the training step. The step's loss is the negative evidence lower bound with the divergence beta times
// (Higgins et al. 2017, eq. 4), or with free bits, or the negative importance-weighted bound of several draws (Burda et al. 2016, eq. 8);
// what validates is the evidence lower bound itself.
func define(name string) func(s models.Settings) (*compiler.Program, error) {
	return func(s models.Settings) (*compiler.Program, error) {
		m, err := New(s)
		if err != nil {
			return nil, err
		}
		picture := func(z, y *graph.Value) *graph.Value { return m.Pixels.Mean(m.Decode(z, y)) }

		b := compiler.New(name)
		b.Model("", m)
		entry, opt := s.Averaged(b, optim.Adam{LR: s.Float("lr"), Schedule: s.Fall(1)})
		entry("encode", func(f *graph.Func) {
			mu, logVar := m.Encode(s.Image(f), s.Label(f))
			f.Output("mu", mu)
			f.Output("log_var", logVar)
		})
		entry("decode", func(f *graph.Func) { f.Output("image", picture(s.Noise(f), s.Label(f))) })
		entry("reconstruct", func(f *graph.Func) {
			y := s.Label(f)
			mu, _ := m.Encode(s.Image(f), y)
			f.Output("reconstruction", picture(mu, y))
		})
		entry("log_weights", func(f *graph.Func) {
			x, y, noise := s.Image(f), s.Label(f), f.Input("noise", graph.F32, models.Batch, graph.Sym("draws"), s.Dim("latent"))
			f.Output("log_weights", m.LogWeights(x, y, noise))
		})
		entry("validate", func(f *graph.Func) {
			reconstruction, mu, logVar := m.Terms(s.Image(f), s.Label(f))
			kl := loss.KLNormal(mu, logVar)
			f.Output("loss", reconstruction.Add(kl).Mean())
			f.Output("reconstruction", reconstruction.Mean())
			f.Output("kl", kl.Mean())
		})
		b.Step("train", opt, m, func(f *graph.Func) *graph.Value {
			if draws := s.Dim("draws"); draws > 1 {
				noise := f.RandomNormal(graph.F32, models.Batch, draws, s.Dim("latent"))
				return m.LogWeights(s.Image(f), s.Label(f), noise).LogSumExp(-1).Shift(-math.Log(float64(draws))).Mean().Neg()
			}
			reconstruction, mu, logVar := m.Terms(s.Image(f), s.Label(f))
			kl := loss.KLNormal(mu, logVar).Mean()
			f.Output("reconstruction", reconstruction.Mean())
			f.Output("kl", kl)
			if free := s.Float("free"); free > 0 {
				kl = loss.FreeBits(mu, logVar, free)
			}
			return reconstruction.Mean().Add(kl.Scale(s.Float("beta")))
		})
		return b.Compile()
	}
}
