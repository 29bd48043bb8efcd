// Package vae has autoencoders of images: the plain one, the variational autoencoder of Kingma and Welling, "Auto-Encoding
// Variational Bayes" (2014), and the same given a class, p(x|y), of Sohn et al., "Learning Structured Output Representation using
// Deep Conditional Generative Models" (2015). Each is a multi-layer perceptron or has convolutions, under one of three likelihoods.
package vae

import (
	"fmt"
	"slices"

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
	nets, err := newNets(s)
	z := nn.Dense{Units: s.Int("latent")}
	return &VAE{nets, z, z}, err
}

// Encode gives the mean and log variance of q(z|x), each [batch latent], for x [batch channels size size].
func (m *VAE) Encode(x, y *graph.Value) (mu, logVar *graph.Value) {
	h := m.Hidden(x, y)
	return m.Mu.Apply(h), m.LogVar.Apply(h)
}

// Draw gives z ~ q(z|x) by the reparameterisation z = μ + σ·ε (section 2.4).
func Draw(mu, logVar *graph.Value) *graph.Value { return reparameterise(mu, logVar, mu.NormalLike()) }

func reparameterise(mu, logVar, noise *graph.Value) *graph.Value {
	return mu.Add(logVar.Scale(.5).Exp().Mul(noise))
}

// Terms are those of the negative evidence lower bound (eq. 10 with one draw), in nats an example: −ln p(x|z), and the divergence of
// q(z|x) from the prior, of which they are given the mean and log variance too.
func (m *VAE) Terms(x, y *graph.Value) (reconstruction, mu, logVar *graph.Value) {
	mu, logVar = m.Encode(x, y)
	return m.Pixels.NLL(m.Decode(Draw(mu, logVar), y), x), mu, logVar
}

// LogWeights are ln p(x,z)/q(z|x), [batch draws], of draws z ~ q(z|x) with noise [batch draws latent]: what the importance-weighted
// bound of ln p(x) is made of (Burda et al. 2016, eq. 8).
func (m *VAE) LogWeights(x, y, noise *graph.Value) *graph.Value {
	each := func(v *graph.Value) *graph.Value { // [batch ...] as [batch·draws ...]
		return v.Unsqueeze(1).Expand(slices.Concat(noise.Shape()[:2], v.Shape()[1:])...).Reshape(append([]graph.Dim{-1}, v.Shape()[1:]...)...)
	}
	mu, logVar := m.Encode(x, y)
	z := reparameterise(mu.Unsqueeze(1), logVar.Unsqueeze(1), noise)
	if y != nil {
		y = each(y)
	}
	nll := m.Pixels.NLL(m.Decode(z.Reshape(-1, z.Dim(-1)), y), each(x)).Reshape(noise.Shape()[:2]...)
	prior, posterior := z.Square().Sum(-1), noise.Square().Sum(-1).Add(logVar.Sum(-1).Unsqueeze(1))
	return posterior.Sub(prior).Scale(.5).Sub(nll)
}

// Define builds the program of a VAE without a condition.
func Define(s models.Settings) (*compiler.Program, error) { return define("vae")(s) }

// define builds the program called name of a VAE, given a class if there is a setting classes: encode, decode, reconstruct,
// log_weights and validate, and the training step. The step's loss is the negative evidence lower bound with the divergence beta times
// (Higgins et al. 2017, eq. 4), or with free bits; what validates is the bound itself.
func define(name string) func(s models.Settings) (*compiler.Program, error) {
	return func(s models.Settings) (*compiler.Program, error) {
		m, err := New(s)
		if err != nil {
			return nil, err
		}
		beta, free := s.Float("beta"), s.Float("free")
		if beta < 0 || free < 0 {
			return nil, fmt.Errorf("settings beta and free are %v and %v, want 0 or more: a weight, and nats for each number of the latent", beta, free)
		}
		batch, latent := graph.Sym("batch"), s.Dim("latent")
		image := func(f *graph.Func) *graph.Value {
			return f.Input("image", graph.F32, append([]graph.Dim{batch}, m.image...)...)
		}
		label := func(f *graph.Func) *graph.Value { return condition(f, s, batch) }
		noise := func(f *graph.Func) *graph.Value { return f.Input("z", graph.F32, batch, latent) }
		picture := func(z, y *graph.Value) *graph.Value { return m.Pixels.Mean(m.Decode(z, y)) }

		b := compiler.New(name)
		b.Model("", m)
		entry := entries(b, s)
		entry("encode", func(f *graph.Func) {
			mu, logVar := m.Encode(image(f), label(f))
			f.Output("mu", mu)
			f.Output("log_var", logVar)
		})
		entry("decode", func(f *graph.Func) { f.Output("image", picture(noise(f), label(f))) })
		entry("reconstruct", func(f *graph.Func) {
			y := label(f)
			mu, _ := m.Encode(image(f), y)
			f.Output("reconstruction", picture(mu, y))
		})
		entry("log_weights", func(f *graph.Func) {
			f.Output("log_weights", m.LogWeights(image(f), label(f), f.Input("noise", graph.F32, batch, graph.Sym("draws"), latent)))
		})
		entry("validate", func(f *graph.Func) {
			reconstruction, mu, logVar := m.Terms(image(f), label(f))
			kl := loss.KLNormal(mu, logVar)
			f.Output("loss", reconstruction.Add(kl).Mean())
			f.Output("reconstruction", reconstruction.Mean())
			f.Output("kl", kl.Mean())
		})
		b.Step("train", optimizer(s), m, func(f *graph.Func) *graph.Value {
			reconstruction, mu, logVar := m.Terms(image(f), label(f))
			kl := loss.KLNormal(mu, logVar).Mean()
			f.Output("reconstruction", reconstruction.Mean())
			f.Output("kl", kl)
			if free > 0 {
				kl = loss.FreeBits(mu, logVar, free)
			}
			return reconstruction.Mean().Add(kl.Scale(beta))
		})
		return b.Compile()
	}
}

// condition is the input label, one-hot, or nil where there is no setting classes.
func condition(f *graph.Func, s models.Settings, batch graph.Dim) *graph.Value {
	if _, ok := s["classes"]; !ok {
		return nil
	}
	return models.OneHotLabel(f, batch, s.Int("classes"))
}

// optimizer is Adam, with a learning rate that falls to 0 along a cosine over steps, if they are given, and averages of the weights, if
// ema is their decay.
func optimizer(s models.Settings) (o optim.Optimizer) {
	adam := optim.Adam{LR: s.Float("lr")}
	if steps := s.Int("steps"); steps != 0 {
		adam.Schedule = optim.Cosine{Steps: steps}
	}
	if decay := s.Float("ema"); decay != 0 {
		return optim.EMA{Decay: decay, Then: adam}
	}
	return adam
}

// entries is what defines the entry points of b: with the averages of the weights, if there are such.
func entries(b *compiler.Builder, s models.Settings) func(name string, build func(f *graph.Func)) {
	if s.Float("ema") != 0 {
		return b.EMAFunc
	}
	return b.Func
}
