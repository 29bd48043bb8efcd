package gan

import (
	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/loss"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// A module turns a value into a value: a network, or one that is given a class.
type module = func(x *graph.Value) *graph.Value

// wasserstein is the loss of a critic (Gulrajani et al., eq. 3): E[D(G(z))] − E[D(x)] + λ·E[(‖∇D(x̂)‖ − 1)²]. Its gradient is
// one of second order. The Func's outputs have the estimate of the distance, and the penalty without λ.
func wasserstein(f *graph.Func, critic module, real, fake *graph.Value, lambda float64) *graph.Value {
	fake = fake.Detach()
	earth := loss.Wasserstein{}.Critic(critic(real), critic(fake)).Mean()
	penalty := loss.GradientPenalty(critic, real, fake).Mean()
	f.Output("distance", earth.Neg())
	f.Output("penalty", penalty)
	return earth.Add(penalty.Scale(lambda))
}

// adam is the optimizer of the authors' program for MNIST, gan_mnist.py.
func adam(s models.Settings) optim.Adam {
	return optim.Adam{LR: s.Float("lr"), Beta1: .5, Beta2: .9}
}

// DefineWGANGP builds the program of the WGAN-GP: generate and judge, and the Steps critic and generator, five to one. The critic
// has no BatchNorm: the penalty is of each example's own gradient (section 4).
func DefineWGANGP(s models.Settings) (*compiler.Program, error) {
	n, err := nets(s, Nets{Kernel: 5})
	if err != nil {
		return nil, err
	}
	gen, critic := n.Generator(), n.Critic()
	batch, latent := graph.Sym("batch"), s.Dim("latent")

	b := compiler.New("wgangp")
	b.Model("gen", gen)
	b.Model("critic", critic)
	b.Func("generate", func(f *graph.Func) { f.Output("image", picture(gen.Apply(f.Input("z", graph.F32, batch, latent)))) })
	b.Func("judge", func(f *graph.Func) { f.Output("score", critic.Apply(n.images(f, batch))) })
	b.Step("critic", adam(s), critic, func(f *graph.Func) *graph.Value {
		fake := gen.Apply(f.RandomNormal(graph.F32, batch, latent))
		return wasserstein(f, critic.Apply, n.images(f, batch), fake, s.Float("lambda"))
	})
	b.Step("generator", adam(s), gen, func(f *graph.Func) *graph.Value {
		return loss.Wasserstein{}.Generator(critic.Apply(gen.Apply(f.RandomNormal(graph.F32, batch, latent)))).Mean()
	})
	return b.Compile()
}

// WGANGP describes the Wasserstein GAN with a gradient penalty to the commands.
var WGANGP = models.Model{
	Name:     "wgangp",
	Family:   family,
	Doc:      "Wasserstein GAN with gradient penalty (Gulrajani et al. 2017); the paper's faces are size=64 channels=3 width=64",
	Settings: models.Settings{"size": 28, "channels": 1, "width": 32, "latent": 128, "lr": 1e-4, "lambda": 10},
	Define:   DefineWGANGP,
	Train: models.Training{
		Rhythm: models.Rhythm{{Step: "critic", Times: 5, Fresh: true}, {Step: "generator"}},
		Data:   "mnist", Epochs: 40, Batch: 64, DropLast: true,
	},
	Sample: models.Sampling{Func: "generate", Noise: "z", Image: "image"},
}
