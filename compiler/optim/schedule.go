package optim

import (
	"math"

	"github.com/sardonyx-ml/sardonyx/graph"
)

// A Schedule changes the learning rate as training goes on.
type Schedule interface {
	// Factor is what the learning rate is multiplied by at step, an f64 scalar that is 0 at the first step.
	Factor(step *graph.Value) *graph.Value
}

// Constant keeps the learning rate.
type Constant struct{}

// Factor is 1.
func (Constant) Factor(step *graph.Value) *graph.Value {
	return step.Func().Full(step.DType(), 1)
}

// StepDecay multiplies the learning rate by Gamma after every Every steps.
type StepDecay struct {
	Every int
	Gamma float64
}

// Factor is Gamma^⌊step/Every⌋.
func (s StepDecay) Factor(step *graph.Value) *graph.Value {
	f := step.Func()
	if s.Every < 1 || !(s.Gamma > 0) || math.IsInf(s.Gamma, 0) {
		f.Mistake(f.Pos(), "StepDecay: Every must be at least 1 and Gamma above 0", "StepDecay{Every: 1000, Gamma: 0.5} halves the rate every 1000 steps")
		return f.Poison()
	}
	return f.Full(step.DType(), s.Gamma).Pow(step.Scale(1 / float64(s.Every)).Shift(1e-9).Floor()) // 1e-9: 3·(1/3) must not round below 1
}

// Cosine rises linearly to 1 over the first WarmUp steps and falls to Floor along half a cosine until step Steps, where it
// stays (Loshchilov and Hutter 2017, eq. 5).
type Cosine struct {
	Steps  int
	WarmUp int
	Floor  float64
}

// Factor is (step+1)/WarmUp, then Floor + (1−Floor)·½(1 + cos(π·progress)).
func (s Cosine) Factor(step *graph.Value) *graph.Value {
	f := step.Func()
	if s.WarmUp < 0 || s.Steps <= s.WarmUp || !(s.Floor >= 0 && s.Floor <= 1) {
		f.Mistake(f.Pos(), "Cosine: Steps must be above WarmUp, and Floor within [0, 1]", "Cosine{Steps: 10000, WarmUp: 500}")
		return f.Poison()
	}
	progress := step.Shift(-float64(s.WarmUp)).Scale(1/float64(s.Steps-s.WarmUp)).Clip(0, 1)
	fall := progress.Scale(math.Pi).Cos().Shift(1).Scale((1 - s.Floor) / 2).Shift(s.Floor)
	if s.WarmUp == 0 {
		return fall
	}
	rise := step.Shift(1).Scale(1 / float64(s.WarmUp))
	return step.Less(f.Full(step.DType(), float64(s.WarmUp))).Where(rise, fall)
}
