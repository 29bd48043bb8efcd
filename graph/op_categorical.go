package graph

import (
	"fmt"
	"math"
)

// Categorical draws a class of each row of the logits v, [... classes], with the probabilities softmax(v/temperature): i64[...]. At a
// temperature below 1 the probable are drawn more often, and 1 leaves the probabilities. It is the Gumbel-max trick: the largest of
// v/temperature + g, with g of the Gumbel distribution. A class of logit −∞ is never drawn. No gradient flows; see [Value.GumbelSoftmax].
func (v *Value) Categorical(temperature float64) *Value {
	if !v.sampled("Categorical", temperature) {
		return v.poisoned()
	}
	return v.Scale(1 / temperature).Add(v.gumbel()).ArgMax(-1)
}

// GumbelSoftmax is a draw of a class of each row of the logits v, [... classes], relaxed so that gradients flow: softmax((v +
// g)/temperature), with g of the Gumbel distribution, numbers above 0 that sum to 1 and are the nearer to one-hot the lower the temperature
// (Jang et al. 2017; Maddison et al. 2017, who call it the concrete distribution).
func (v *Value) GumbelSoftmax(temperature float64) *Value {
	if !v.sampled("GumbelSoftmax", temperature) {
		return v.poisoned()
	}
	return v.Add(v.gumbel()).Scale(1 / temperature).Softmax(-1)
}

// GumbelOneHot is a draw of a class of each row of the logits v, [... classes], one-hot, with the gradient of the [Value.GumbelSoftmax] of
// the same numbers: the straight-through estimator (Jang et al. 2017, section 2.2). The number of classes must be known.
func (v *Value) GumbelOneHot(temperature float64) *Value {
	if !v.sampled("GumbelOneHot", temperature) {
		return v.poisoned()
	}
	if v.Dim(-1).Symbolic() {
		v.fn.Mistake(v.fn.Pos(), fmt.Sprintf("GumbelOneHot: the number of classes is the symbol %v", v.Dim(-1)), "classes are the last axis, of known size", v)
		return v.fn.Poison()
	}
	soft := v.GumbelSoftmax(temperature)
	hard := soft.ArgMax(-1).OneHot(int(v.Dim(-1)), v.DType())
	return hard.Add(soft.Sub(soft.Detach()))
}

// sampled reports whether classes can be drawn by the logits v at a temperature; if not, and that is new, it is a mistake.
func (v *Value) sampled(name string, temperature float64) bool {
	if !v.OK() {
		return false
	}
	msg, hint := "", ""
	switch {
	case !v.DType().Float():
		msg, hint = fmt.Sprintf("the logits are %v", v.Type), "logits are floats, such as ln p: probabilities need a .Log() first"
	case v.Rank() == 0:
		msg, hint = "the logits are a scalar", "classes are the last axis"
	case !(temperature > 0) || math.IsInf(temperature, 0):
		msg, hint = fmt.Sprintf("the temperature is %v, and must be above 0 and finite", temperature), "1 leaves the probabilities; the most probable class is ArgMax"
	default:
		return true
	}
	v.fn.Mistake(v.fn.Pos(), name+": "+msg, hint, v)
	return false
}

// poisoned is v, or what takes its place after a mistake about it.
func (v *Value) poisoned() *Value {
	if !v.OK() {
		return v
	}
	return v.fn.Poison()
}

// gumbel are numbers of the Gumbel distribution, −ln(−ln u), in v's dtype and shape. u is off 0 and 1 by half a step, which float64 holds.
func (v *Value) gumbel() *Value {
	return v.UniformLike().Cast(F64).Shift(0x1p-25).Log().Neg().Log().Neg().Cast(v.DType())
}
