package vae

import (
	"math"

	"github.com/sardonyx-ml/sardonyx/compiler/initializer"
	"github.com/sardonyx-ml/sardonyx/compiler/loss"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// A Likelihood is p(x|z): how what a decoder gives, a number a pixel, tells of pixels x in [0, 1].
type Likelihood interface {
	NLL(out, x *graph.Value) *graph.Value // −ln p(x|z) in nats, summed over each example
	Mean(out *graph.Value) *graph.Value   // the expected image
}

// Bernoulli is of pixels that are black or white; the decoder gives logits. Grey levels are taken as probabilities of white, which
// gives a cross-entropy and not the likelihood of anything.
type Bernoulli struct{}

// NLL is the cross-entropy.
func (Bernoulli) NLL(out, x *graph.Value) *graph.Value { return loss.BCEWithLogits(out, x) }

// Mean is the probability of white.
func (Bernoulli) Mean(out *graph.Value) *graph.Value { return out.Sigmoid() }

// Gaussian is a density of pixels, taken as real numbers; the decoder gives means. The standard deviation is one for all pixels:
// its logarithm is fixed or [Learned] (Dai and Wipf 2019, eq. 3).
type Gaussian struct{ LogSigma nn.Module }

// NLL is below 0 where the density is above 1.
func (l *Gaussian) NLL(out, x *graph.Value) *graph.Value {
	return loss.GaussianNLL(out, l.LogSigma.Apply(out), x)
}

// Mean is what the decoder gives, as far as it is a picture.
func (*Gaussian) Mean(out *graph.Value) *graph.Value { return out.Clip(0, 1) }

// Logistic is of pixels of 256 levels: a logistic distribution cut into as many pieces, with one scale for all pixels (Kingma et al.
// 2016, section 5.2). Its nats are those of 8-bit images, and compare with any other model's of them.
type Logistic struct{ LogScale nn.Module }

// NLL is of 8-bit images.
func (l *Logistic) NLL(out, x *graph.Value) *graph.Value {
	return loss.DiscretizedLogistic(out, l.LogScale.Apply(out), x)
}

// Mean is what the decoder gives, as far as it is a picture.
func (*Logistic) Mean(out *graph.Value) *graph.Value { return out.Clip(0, 1) }

// Learned is one number that is trained, the logarithm of a scale, whatever it is applied to. It starts as −1.
type Learned struct{ nn.Layer }

// Apply gives the number.
func (l *Learned) Apply(x *graph.Value) *graph.Value {
	return l.Param(x, "log_scale", initializer.Constant{Value: -1})
}

// likelihoods are the choices of the setting likelihood.
var likelihoods = []string{"bernoulli", "gaussian", "logistic"}

// likelihood is that of the settings likelihood and, of a Gaussian, sigma.
func likelihood(s models.Settings) Likelihood {
	sigma := s.Float("sigma")
	switch s.Int("likelihood") {
	case 1:
		if sigma > 0 {
			return &Gaussian{nn.Func(func(out *graph.Value) *graph.Value { return out.Scalar(math.Log(sigma)) })}
		}
		return &Gaussian{&Learned{}}
	case 2:
		return &Logistic{&Learned{}}
	}
	return Bernoulli{}
}
