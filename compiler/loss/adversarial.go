package loss

import (
	"fmt"

	"github.com/sardonyx-ml/sardonyx/graph"
)

// An Adversarial is the pair of losses of a critic and its generator, each one number an example. Their arguments are what the
// critic gives for real and for generated examples, without a sigmoid: [batch], [batch 1], or [batch ...] for one that judges
// parts of an example, over which the losses are averaged. The generated examples of Critic's are to be detached.
type Adversarial interface {
	Critic(real, fake *graph.Value) *graph.Value
	Generator(fake *graph.Value) *graph.Value
}

// A Penalty is one number an example for a critic that is not as smooth as it should be, at or between real and generated examples:
// [GradientPenalty] is one.
type Penalty = func(critic func(x *graph.Value) *graph.Value, real, fake *graph.Value) *graph.Value

// GAN is the loss of Goodfellow et al. 2014: the critic classifies (eq. 1), and the generator maximises ln D(G(z)), the form
// of section 3 that does not saturate. D is σ of the critic's logits:
//
//	critic:    −ln D(x) − ln(1−D(G(z)))
//	generator: −ln D(G(z)), or if Saturating ln(1−D(G(z))), as in eq. 1
type GAN struct {
	Smooth     float64 // the target of real examples is 1 − Smooth, from 0 to below 1 (one-sided: Salimans et al. 2016, section 3.4)
	Saturating bool
}

// Critic is the critic's loss.
func (l GAN) Critic(real, fake *graph.Value) *graph.Value {
	if f, ok := judged("GAN", l.Smooth, real, fake); !ok {
		return f.Poison()
	}
	// (1−s)·softplus(−x) + s·softplus(x) is softplus(−x) + s·x
	return meanPerExample(real.Neg().Softplus().Add(real.Scale(l.Smooth)).Add(fake.Softplus()))
}

// Generator is the generator's loss.
func (l GAN) Generator(fake *graph.Value) *graph.Value {
	if f, ok := judged("GAN", l.Smooth, fake, fake); !ok {
		return f.Poison()
	}
	if l.Saturating {
		return meanPerExample(fake.Softplus().Neg())
	}
	return meanPerExample(fake.Neg().Softplus())
}

// LeastSquares is the loss of LSGAN with the targets 0 and 1 (Mao et al. 2017, eq. 9):
//
//	critic:    ½(D(x) − 1)² + ½D(G(z))²
//	generator: ½(D(G(z)) − 1)²
type LeastSquares struct {
	Smooth float64 // the target of real examples is 1 − Smooth, from 0 to below 1
}

// Critic is the critic's loss.
func (l LeastSquares) Critic(real, fake *graph.Value) *graph.Value {
	if f, ok := judged("LeastSquares", l.Smooth, real, fake); !ok {
		return f.Poison()
	}
	return meanPerExample(real.Shift(l.Smooth - 1).Square().Add(fake.Square()).Scale(.5))
}

// Generator is the generator's loss.
func (l LeastSquares) Generator(fake *graph.Value) *graph.Value {
	if f, ok := judged("LeastSquares", l.Smooth, fake, fake); !ok {
		return f.Poison()
	}
	return meanPerExample(fake.Shift(-1).Square().Scale(.5))
}

// Wasserstein is the loss of Arjovsky et al. 2017 (eq. 2 and 3): the critic estimates the earth mover's distance as D(x) −
// D(G(z)), and must be kept Lipschitz, by [GradientPenalty] for one.
//
//	critic:    D(G(z)) − D(x)
//	generator: −D(G(z))
type Wasserstein struct{}

// Critic is the critic's loss.
func (Wasserstein) Critic(real, fake *graph.Value) *graph.Value {
	if f, ok := judged("Wasserstein", 0, real, fake); !ok {
		return f.Poison()
	}
	return meanPerExample(fake.Sub(real))
}

// Generator is the generator's loss.
func (Wasserstein) Generator(fake *graph.Value) *graph.Value {
	if f, ok := judged("Wasserstein", 0, fake, fake); !ok {
		return f.Poison()
	}
	return meanPerExample(fake.Neg())
}

// Hinge is the loss of Lim and Ye 2017, as in Miyato et al. 2018, eq. 16 and 17:
//
//	critic:    max(0, 1−D(x)) + max(0, 1+D(G(z)))
//	generator: −D(G(z))
type Hinge struct{}

// Critic is the critic's loss.
func (Hinge) Critic(real, fake *graph.Value) *graph.Value {
	if f, ok := judged("Hinge", 0, real, fake); !ok {
		return f.Poison()
	}
	return meanPerExample(real.Scalar(1).Sub(real).ReLU().Add(fake.Shift(1).ReLU()))
}

// Generator is the generator's loss.
func (Hinge) Generator(fake *graph.Value) *graph.Value { return Wasserstein{}.Generator(fake) }

// R1 is ‖∇ critic(x)‖₂² at each real example; the penalty is γ/2 of its mean (Mescheder et al. 2018, eq. 9). real is [batch ...].
func R1(critic func(x *graph.Value) *graph.Value, real *graph.Value) *graph.Value {
	if f, ok := matching("R1", real, real); !ok {
		return f.Poison()
	}
	at := real.Detach()
	return perExample(graph.Grad(critic(at).Sum(), at)[0].Square())
}

// judged checks the arguments of an adversarial loss. It returns the Func in which to poison the result.
func judged(name string, smooth float64, real, fake *graph.Value) (*graph.Func, bool) {
	f, ok := matching(name, real, fake)
	if !ok {
		return f, false
	}
	if !(smooth >= 0 && smooth < 1) {
		f.Mistake(f.Pos(), fmt.Sprintf("%s: Smooth is %v, and must be in [0, 1)", name, smooth), "0.1 is a usual choice, 0 for none", real)
		return f, false
	}
	if real.Rank() < 1 {
		f.Mistake(f.Pos(), fmt.Sprintf("%s: the critic's result is %v, want one or more numbers an example", name, real.Type), "leave out the mean in the critic; a loss is one number an example, and .Mean() comes last", real)
		return f, false
	}
	return f, true
}
