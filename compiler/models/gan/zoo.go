package gan

import (
	"github.com/sardonyx-ml/sardonyx/compiler/initializer"
	"github.com/sardonyx-ml/sardonyx/compiler/loss"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
)

// family is the heading that all are listed under.
const family = "Generative adversarial networks"

// Models are the package's, for the commands.
var Models = []models.Model{Original, DCGAN, LSGAN, WGAN, WGANGP, SNGAN, R1GAN, CGAN, ProjectionGAN}

// adam is Adam with the papers' decay rates of the moments.
func adam(beta1, beta2 float64) func(lr float64) optim.Optimizer {
	return func(lr float64) optim.Optimizer { return optim.Adam{LR: lr, Beta1: beta1, Beta2: beta2} }
}

// Original is the GAN of Goodfellow et al. (2014): perceptrons, the generator's of rectifiers, and the loss of section 3, which does not
// saturate. Their critic has maxout units and dropout, and they train by momentum.
var Original = model("gan", "the original generative adversarial nets, two multi-layer perceptrons (Goodfellow et al. 2014)",
	models.Settings{"conv": 0, "width": 256, "lr": 1e-3, "ttur": 2, "smooth": 0},
	func(s models.Settings) GAN {
		n := Nets{Settings: s, Kernel: 4}
		return GAN{Gen: n.Generator(), Critic: n.Critic(), Loss: loss.GAN{Smooth: s.Float("smooth")}, Opt: adam(.5, .999)}
	})

// dcgan are the networks of Radford et al. (2016): both normalised by batches, the real and the generated ones apart, with weights
// that start from N(0, 0.02²).
func dcgan(s models.Settings) Nets {
	return Nets{Settings: s, Kernel: 4, Norm: true, Init: initializer.Normal{Std: .02}}
}

// DCGAN is the deep convolutional GAN of Radford et al. (2016), with Adam as in section 4.
var DCGAN = model("dcgan", "deep convolutional GAN (Radford et al. 2016); the paper's is size=64 channels=3 width=64 lr=2e-4",
	models.Settings{"latent": 100, "smooth": 0},
	func(s models.Settings) GAN {
		n := dcgan(s)
		return GAN{Gen: n.Generator(), Critic: n.Critic(), Loss: loss.GAN{Smooth: s.Float("smooth")}, Opt: adam(.5, .999)}
	})

// LSGAN is the least-squares GAN of Mao et al. (2017), eq. 9, with the networks of the DCGAN.
var LSGAN = model("lsgan", "least-squares GAN (Mao et al. 2017), with the networks of the dcgan",
	models.Settings{"latent": 100, "smooth": 0},
	func(s models.Settings) GAN {
		n := dcgan(s)
		return GAN{Gen: n.Generator(), Critic: n.Critic(), Loss: loss.LeastSquares{Smooth: s.Float("smooth")}, Opt: adam(.5, .999)}
	})

// WGAN is the Wasserstein GAN of Arjovsky et al. (2017), algorithm 1: the critic's weights are cut to [-clip, clip], and RMSprop is
// slow.
var WGAN = model("wgan", "Wasserstein GAN with clipped weights (Arjovsky et al. 2017)",
	models.Settings{"latent": 100, "lr": 5e-5, "clip": .01, "ratio": 5},
	func(s models.Settings) GAN {
		n := Nets{Settings: s, Kernel: 4}
		return GAN{Gen: n.Generator(), Critic: n.Critic(), Loss: loss.Wasserstein{}, Clip: s.Float("clip"),
			Opt: func(lr float64) optim.Optimizer { return optim.RMSprop{LR: lr, Rho: .99} }}
	})

// WGANGP is the Wasserstein GAN with a gradient penalty of Gulrajani et al. (2017), eq. 3: E[D(G(z))] − E[D(x)] + λ·E[(‖∇D(x̂)‖ − 1)²],
// whose gradient is one of second order. The critic has no BatchNorm: the penalty is of each example's own gradient (section 4).
var WGANGP = model("wgangp", "Wasserstein GAN with gradient penalty (Gulrajani et al. 2017); the paper's faces are size=64 channels=3 width=64 lr=1e-4 ratio=5",
	models.Settings{"latent": 128, "lambda": 10, "ratio": 2},
	func(s models.Settings) GAN {
		n := Nets{Settings: s, Kernel: 5}
		return GAN{Gen: n.Generator(), Critic: n.Critic(), Loss: loss.Wasserstein{}, Penalty: loss.GradientPenalty, Opt: adam(.5, .9)}
	})

// SNGAN is the GAN with spectral normalisation of Miyato et al. (2018): a critic of Lipschitz constant 1 and the hinge loss, eq. 16.
var SNGAN = model("sngan", "GAN with spectral normalisation and the hinge loss (Miyato et al. 2018)",
	models.Settings{"latent": 128},
	func(s models.Settings) GAN {
		n := Nets{Settings: s, Kernel: 4, Spectral: true}
		return GAN{Gen: n.Generator(), Critic: n.Critic(), Loss: loss.Hinge{}, Opt: adam(.5, .999)}
	})

// R1GAN is the GAN with the penalty R₁ of Mescheder et al. (2018), eq. 9: γ/2·E[‖∇D(x)‖²] at real examples, with λ = γ/2.
var R1GAN = model("r1gan", "GAN with a zero-centred gradient penalty at real examples, R1 (Mescheder et al. 2018); lambda is half their gamma",
	models.Settings{"latent": 128, "lambda": 5},
	func(s models.Settings) GAN {
		n := Nets{Settings: s, Kernel: 4}
		return GAN{Gen: n.Generator(), Critic: n.Critic(), Loss: loss.GAN{}, Penalty: r1, Opt: adam(0, .99)}
	})

// CGAN is p(x|y): a WGAN-GP whose generator sees the class beside z, and whose critic as channels beside the image's (Mirza and
// Osindero 2014, eq. 2 and figure 1).
var CGAN = model("cgan", "conditional GAN p(x|y), a WGAN-GP that is given the class (Mirza & Osindero 2014)",
	models.Settings{"latent": 32, "lambda": 10, "ratio": 2, "classes": 10},
	func(s models.Settings) GAN {
		n := Nets{Settings: s, Kernel: 5}
		return GAN{Gen: n.Generator(), Critic: n.Critic(), Loss: loss.Wasserstein{}, Penalty: loss.GradientPenalty, Opt: adam(.5, .9), Classes: s.Int("classes")}
	})

// ProjectionGAN is p(x|y) with the projection critic of Miyato and Koyama (2018), spectral normalisation and the hinge loss. Their
// generator is told the class by its BatchNorm, ours beside z.
var ProjectionGAN = model("projgan", "conditional GAN p(x|y) with a projection critic, hinge loss and spectral normalisation (Miyato & Koyama 2018)",
	models.Settings{"classes": 10},
	func(s models.Settings) GAN {
		n := Nets{Settings: s, Kernel: 4, Spectral: true}
		return GAN{Gen: n.Generator(), Critic: n.Projection(), Loss: loss.Hinge{}, Opt: adam(.5, .999), Classes: s.Int("classes")}
	})
