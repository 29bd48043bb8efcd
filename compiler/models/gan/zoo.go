package gan

import (
	"github.com/sardonyx-ml/sardonyx/compiler/initializer"
	"github.com/sardonyx-ml/sardonyx/compiler/loss"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// adam is Adam with the papers' decay rates of the moments.
func adam(beta1, beta2 float64) func(lr float64, s optim.Schedule) optim.Optimizer {
	return func(lr float64, s optim.Schedule) optim.Optimizer {
		return optim.Adam{LR: lr, Beta1: beta1, Beta2: beta2, Schedule: s}
	}
}

// original is the GAN of Goodfellow et al. (2014): perceptrons, the generator's of rectifiers, and the loss of section 3, which does not
// saturate. Their critic has maxout units and dropout, and they train by momentum.
func original(s models.Settings) GAN {
	n := Nets{Settings: s, Kernel: 4}
	return GAN{Gen: n.Generator(), Critic: n.Critic(), Loss: loss.GAN{Smooth: s.Float("smooth")}, Opt: adam(.5, .999)}
}

// dcganNets are the networks of Radford et al. (2016): both normalised by batches, the real and the generated ones apart, with weights
// that start from N(0, 0.02²).
func dcganNets(s models.Settings) (nn.Sequential, Critic) {
	n := Nets{Settings: s, Kernel: 4, Norm: true, Init: initializer.Normal{Std: .02}}
	return n.Generator(), n.Critic()
}

// dcgan is the deep convolutional GAN of Radford et al. (2016), with Adam as in section 4.
func dcgan(s models.Settings) GAN {
	gen, critic := dcganNets(s)
	return GAN{Gen: gen, Critic: critic, Loss: loss.GAN{Smooth: s.Float("smooth")}, Opt: adam(.5, .999)}
}

// lsgan is the least-squares GAN of Mao et al. (2017), eq. 9, with the networks of the DCGAN.
func lsgan(s models.Settings) GAN {
	gen, critic := dcganNets(s)
	return GAN{Gen: gen, Critic: critic, Loss: loss.LeastSquares{Smooth: s.Float("smooth")}, Opt: adam(.5, .999)}
}

// wgan is the Wasserstein GAN of Arjovsky et al. (2017), algorithm 1: the critic's weights are cut to [-clip, clip], and RMSprop is
// slow.
func wgan(s models.Settings) GAN {
	n := Nets{Settings: s, Kernel: 4}
	slow := func(lr float64, s optim.Schedule) optim.Optimizer {
		return optim.RMSprop{LR: lr, Rho: .99, Schedule: s}
	}
	return GAN{Gen: n.Generator(), Critic: n.Critic(), Loss: loss.Wasserstein{}, Clip: s.Float("clip"), Opt: slow}
}

// wgangp is the Wasserstein GAN with a gradient penalty of Gulrajani et al. (2017), eq. 3: E[D(G(z))] − E[D(x)] + λ·E[(‖∇D(x̂)‖ − 1)²],
// whose gradient is one of second order. The critic has no BatchNorm: the penalty is of each example's own gradient (section 4). With
// classes it is that of p(x|y), whose generator sees the class beside z, and whose critic as channels beside the image's (Mirza and
// Osindero 2014, eq. 2 and figure 1).
func wgangp(s models.Settings) GAN {
	n := Nets{Settings: s, Kernel: 5}
	return GAN{Gen: n.Generator(), Critic: n.Critic(), Loss: loss.Wasserstein{}, Penalty: loss.GradientPenalty, Opt: adam(.5, .9)}
}

// sngan is the GAN with spectral normalisation of Miyato et al. (2018): a critic of Lipschitz constant 1 and the hinge loss, eq. 16.
func sngan(s models.Settings) GAN {
	n := Nets{Settings: s, Kernel: 4, Spectral: true}
	return GAN{Gen: n.Generator(), Critic: n.Critic(), Loss: loss.Hinge{}, Opt: adam(.5, .999)}
}

// r1gan is the GAN with the penalty R₁ of Mescheder et al. (2018), eq. 9: γ/2·E[‖∇D(x)‖²] at real examples, with λ = γ/2.
func r1gan(s models.Settings) GAN {
	n := Nets{Settings: s, Kernel: 4}
	return GAN{Gen: n.Generator(), Critic: n.Critic(), Loss: loss.GAN{}, Penalty: r1, Opt: adam(0, .99)}
}

// r1 is a penalty at real examples only.
func r1(critic func(x *graph.Value) *graph.Value, real, _ *graph.Value) *graph.Value {
	return loss.R1(critic, real)
}

// projgan is p(x|y) with the projection critic of Miyato and Koyama (2018), spectral normalisation and the hinge loss. Their generator is
// told the class by its BatchNorm, ours beside z.
func projgan(s models.Settings) GAN {
	n := Nets{Settings: s, Kernel: 4, Spectral: true}
	critic := &Projection{n.Body(), nn.Dense{Units: 1, SpectralNorm: true}, nn.Dense{NoBias: true, SpectralNorm: true}}
	return GAN{Gen: n.Generator(), Critic: critic, Loss: loss.Hinge{}, Opt: adam(.5, .999)}
}
