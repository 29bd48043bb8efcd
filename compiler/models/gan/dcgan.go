package gan

import (
	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/initializer"
	"github.com/sardonyx-ml/sardonyx/compiler/loss"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// DefineDCGAN builds the program of the DCGAN: generate and judge, and the Steps critic and generator, which run in turn. As in the
// paper, both networks are normalised by batches, real and generated ones apart, weights start from N(0, 0.02²), and Adam has a β₁
// of ½ (section 4). The loss is that of Goodfellow et al. (2014) in the form that does not saturate.
func DefineDCGAN(s models.Settings) (*compiler.Program, error) {
	n, err := nets(s, Nets{Kernel: 4, Norm: true, Init: initializer.Normal{Std: .02}})
	if err != nil {
		return nil, err
	}
	gen, critic := n.Generator(), n.Critic()
	batch, latent := graph.Sym("batch"), s.Dim("latent")
	adam := optim.Adam{LR: s.Float("lr"), Beta1: .5}
	gan := loss.GAN{Smooth: s.Float("smooth")}

	b := compiler.New("dcgan")
	b.Model("gen", gen)
	b.Model("critic", critic)
	b.Func("generate", func(f *graph.Func) { f.Output("image", picture(gen.Apply(f.Input("z", graph.F32, batch, latent)))) })
	b.Func("judge", func(f *graph.Func) { f.Output("real", critic.Apply(n.images(f, batch)).Sigmoid()) })
	b.Step("critic", adam, critic, func(f *graph.Func) *graph.Value {
		real := critic.Apply(n.images(f, batch))
		fake := critic.Apply(gen.Apply(f.RandomNormal(graph.F32, batch, latent)).Detach())
		f.Output("real", real.Sigmoid().Mean())
		f.Output("fake", fake.Sigmoid().Mean())
		return gan.Critic(real, fake).Mean()
	})
	b.Step("generator", adam, gen, func(f *graph.Func) *graph.Value {
		return gan.Generator(critic.Apply(gen.Apply(f.RandomNormal(graph.F32, batch, latent)))).Mean()
	})
	return b.Compile()
}

// DCGAN describes the deep convolutional GAN to the commands.
var DCGAN = models.Model{
	Name:     "dcgan",
	Family:   family,
	Doc:      "deep convolutional GAN (Radford et al. 2016); the paper's is size=64 channels=3 width=64",
	Settings: models.Settings{"size": 28, "channels": 1, "width": 32, "latent": 100, "lr": 2e-4, "smooth": 0},
	Define:   DefineDCGAN,
	Train: models.Training{
		Rhythm: models.Rhythm{{Step: "critic"}, {Step: "generator"}},
		Data:   "mnist", Epochs: 20, Batch: 64, DropLast: true,
	},
	Sample: models.Sampling{Func: "generate", Noise: "z", Image: "image"},
}
