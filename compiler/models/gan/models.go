package gan

import (
	"maps"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
)

// The models of the package, as the commands know them; zoo.go says what each is.
var (
	Original = model("gan", "the original generative adversarial nets, two multi-layer perceptrons (Goodfellow et al. 2014)",
		original, models.Settings{"conv": 0, "width": 256, "lr": 1e-3, "ttur": 2, "smooth": 0})
	DCGAN = model("dcgan", "deep convolutional GAN (Radford et al. 2016); the paper's is size=64 channels=3 width=64 lr=2e-4",
		dcgan, models.Settings{"latent": 100, "smooth": 0})
	LSGAN = model("lsgan", "least-squares GAN (Mao et al. 2017), with the networks of the dcgan",
		lsgan, models.Settings{"latent": 100, "smooth": 0})
	WGAN = model("wgan", "Wasserstein GAN with clipped weights (Arjovsky et al. 2017)",
		wgan, models.Settings{"latent": 100, "lr": 5e-5, "clip": .01, "ratio": 5})
	WGANGP = model("wgangp", "Wasserstein GAN with gradient penalty (Gulrajani et al. 2017); the paper's faces are size=64 channels=3 width=64 lr=1e-4 ratio=5",
		wgangp, models.Settings{"latent": 128, "lambda": 10, "ratio": 2})
	SNGAN = model("sngan", "GAN with spectral normalisation and the hinge loss (Miyato et al. 2018)",
		sngan, models.Settings{"latent": 128})
	R1GAN = model("r1gan", "GAN with a zero-centred gradient penalty at real examples, R1 (Mescheder et al. 2018); lambda is half their gamma",
		r1gan, models.Settings{"latent": 128, "lambda": 5})
	CGAN = model("cgan", "conditional GAN p(x|y), a WGAN-GP that is given the class (Mirza & Osindero 2014)",
		wgangp, models.Settings{"latent": 32, "lambda": 10, "ratio": 2, "classes": 10})
	ProjectionGAN = model("projgan", "conditional GAN p(x|y) with a projection critic, hinge loss and spectral normalisation (Miyato & Koyama 2018)",
		projgan, models.Settings{"classes": 10})
)

// Models are the package's, for the commands.
var Models = []models.Model{Original, DCGAN, LSGAN, WGAN, WGANGP, SNGAN, R1GAN, CGAN, ProjectionGAN}

// common are the settings that all models of the package have: the image, the noise, whether the networks are convolutional, the
// learning rate of the generator and how many times that of the critic is (two time-scales, Heusel et al. 2017), how many steps the
// critic does for one of the generator, the decay of the generator's average weights (0 keeps none), how many images the critic sees at
// once, and how many steps the critic does in all, if the learning rates are to fall to 0 meanwhile (0 keeps them). So small networks learn
// best from learning rates ten times the papers', which are for a width of 64.
var common = models.Settings{"size": 28, "channels": 1, "latent": 64, "conv": 1, "width": 16, "lr": 2e-3, "ttur": 1, "ratio": 1, "ema": .999, "pac": 1, "steps": 0}

// limits are the usual ones; images are halved once at least.
var limits = models.Usual.With(models.Limits{
	"latent": models.Whole(1, 1<<16),
	"size":   {Min: 6, Max: 512, Step: 2, Want: "the rows of an image: an even number from 6 to 512, such as 28, 32 or 64"},
})

// model describes a GAN to the commands: what settings it has beside, or instead of, the common ones, and what it is of them.
func model(name, doc string, of func(s models.Settings) GAN, settings models.Settings) models.Model {
	all := maps.Clone(common)
	maps.Copy(all, settings)
	m := models.Model{
		Name: name, Family: "Generative adversarial networks", Doc: doc, Results: results[name], Settings: all, Limits: limits,
		Define: func(s models.Settings) (*compiler.Program, error) { return of(s).define(name, s) },
		Train: models.Training{
			Rhythm: models.Rhythm{{Step: "critic", Setting: "ratio", Fresh: true}, {Step: "generator"}},
			Data:   "mnist", Epochs: 20, Batch: 64, DropLast: true,
		},
		Sample: models.Sampling{Func: "generate", Noise: "z", Image: "image"},
	}
	if _, ok := all["classes"]; ok {
		m.Sample.Inputs = map[string]models.Feed{"label": {Setting: "classes"}}
	}
	return m
}
