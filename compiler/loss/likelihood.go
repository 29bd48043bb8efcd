package loss

import (
	"fmt"
	"math"

	"github.com/sardonyx-ml/sardonyx/graph"
)

// scaled checks the arguments of a likelihood with a scale of its own.
func scaled(name string, mean, logScale, x *graph.Value) (*graph.Func, bool) {
	f, ok := matching(name, mean, x)
	if !ok {
		return f, false
	}
	if _, ok := usable(name, mean, logScale); !ok {
		return f, false
	}
	if n := logScale.Rank(); logScale.DType() != x.DType() || n > 0 && !logScale.Shape().Equal(x.Shape()) {
		f.Mistake(f.Pos(), fmt.Sprintf("%s: the logarithm of the scale is %v, of %v", name, logScale.Type, x.Type), "it is a scalar, or one number for each element", logScale, x)
		return f, false
	}
	return f, true
}

// GaussianNLL is −ln N(x; mean, σ²) = ½((x − mean)/σ)² + ln σ + ½ ln 2π in nats, summed over each example. logSigma is ln σ, a scalar or
// of x's shape. It is a density's, and may be below 0.
func GaussianNLL(mean, logSigma, x *graph.Value) *graph.Value {
	if f, ok := scaled("GaussianNLL", mean, logSigma, x); !ok {
		return f.Poison()
	}
	z := x.Sub(mean).Mul(logSigma.Neg().Exp())
	return perExample(z.Square().Scale(.5).Add(logSigma).Shift(math.Log(2*math.Pi) / 2))
}

// DiscretizedLogistic is −ln P(x) in nats, summed over each example, of 8-bit pixels: x is in [0, 1], of the levels k/255. P is the
// logistic distribution's share of the level's piece, from (k−½)/255 to (k+½)/255; the first and last pieces have all that is
// beyond (Kingma et al. 2016, section 5.2; Salimans et al. 2017, eq. 2). logScale is a scalar or of x's shape.
//
// With the ends a and b of a piece in units of the scale, P = σ(b) − σ(a) = σ(b)·σ(−a)·(1 − e^(a−b)), of which no factor cancels.
func DiscretizedLogistic(mean, logScale, x *graph.Value) *graph.Value {
	if f, ok := scaled("DiscretizedLogistic", mean, logScale, x); !ok {
		return f.Poison()
	}
	const half = .5 / 255
	perScale := logScale.Neg().Exp()
	a, b := x.Sub(mean).Shift(-half).Mul(perScale), x.Sub(mean).Shift(half).Mul(perScale)
	zero := x.Scalar(0)
	first, last := x.Less(x.Scalar(half)), x.Greater(x.Scalar(1-half))
	above := last.Where(zero, b.Neg().Softplus())
	below := first.Where(zero, a.Softplus())
	width := first.Or(last).Where(zero, perScale.Scale(-2*half).ExpRemainder(1).Neg().Log())
	return perExample(above.Add(below).Sub(width))
}

// FreeBits is the divergence of [KLNormal] as training may count it: averaged over the batch, each element of the latent [batch latent]
// costs free nats at least, so that nothing is won by making it say less (Kingma et al. 2016, eq. 15, with groups of one). It is a
// scalar, not one number an example.
func FreeBits(mu, logVar *graph.Value, free float64) *graph.Value {
	if f, ok := matching("FreeBits", mu, logVar); !ok {
		return f.Poison()
	}
	if !(free >= 0) || math.IsInf(free, 0) {
		mu.Func().Mistake(mu.Func().Pos(), fmt.Sprintf("FreeBits: free is %v nats, and must be 0 or more and finite", free), "0.125 and 0.25 are usual choices", mu, logVar)
		return mu.Func().Poison()
	}
	each := klNormal(mu, logVar).Mean(0)
	return each.Max(each.Scalar(free)).Sum()
}
