package kernel

import "math"

func inf(sign int) float64 { return math.Inf(sign) }

// apply64 computes out from a with an f64 function of one element; it does nothing for f32.
func apply64[T Float](out, a []T, f func(float64) float64) {
	if out, ok := any(out).([]float64); ok {
		for i, x := range any(a).([]float64)[:len(out)] {
			out[i] = f(x)
		}
	}
}

// singles returns out and a as f32, if they are. The loops over them stand in each kernel, so that the function of one
// element is inlined or called without indirection.
func singles[T Float](out, a []T) (out32, a32 []float32, ok bool) {
	if out32, ok = any(out).([]float32); ok {
		a32 = any(a).([]float32)[:len(out)]
	}
	return out32, a32, ok
}

// Exp is e to the power a.
func Exp[T Float](out, a []T) {
	if y, x, ok := singles(out, a); ok {
		for now := 0; len(y) > 0; y, x = y[now:], x[now:] {
			y, x, now = advance(loops.exp, y, x)
			for i, x := range x[:now] {
				y[i] = exp32(x)
			}
		}
		return
	}
	apply64(out, a, math.Exp)
}

// ExpRemainder is e^a less the first order terms of its series, 1 or 2, without cancellation.
func ExpRemainder[T Float](out, a []T, order int) {
	a = a[:len(out)]
	for i := range out {
		out[i] = T(expRemainder(float64(a[i]), order))
	}
}

// expRemainder is e^x − 1 or e^x − 1 − x.
func expRemainder(x float64, order int) float64 {
	if order == 1 {
		return math.Expm1(x)
	}
	if !(math.Abs(x) < .5) {
		if x > 700 { // e^x alone: no Inf − Inf
			return math.Exp(x)
		}
		return math.Expm1(x) - x
	}
	term := 1. / 2
	sum := term
	for k := 3.; k < 16; k++ { // Σ x^(k−2)/k!
		term *= x / k
		sum += term
	}
	return x * x * sum
}

// Log is the natural logarithm of a.
func Log[T Float](out, a []T) {
	if y, x, ok := singles(out, a); ok {
		for i, x := range x {
			y[i] = log32(x)
		}
		return
	}
	apply64(out, a, math.Log)
}

// Sin is the sine of a.
func Sin[T Float](out, a []T) {
	if y, x, ok := singles(out, a); ok {
		for i, x := range x {
			y[i] = sin32(x)
		}
		return
	}
	apply64(out, a, math.Sin)
}

// Cos is the cosine of a.
func Cos[T Float](out, a []T) {
	if y, x, ok := singles(out, a); ok {
		for i, x := range x {
			y[i] = cos32(x)
		}
		return
	}
	apply64(out, a, math.Cos)
}

// Erf is the error function of a.
func Erf[T Float](out, a []T) {
	if y, x, ok := singles(out, a); ok {
		y, x = vectorsOf(loops.erf, y, x, 0)
		for i, x := range x {
			y[i] = erf32(x)
		}
		return
	}
	apply64(out, a, math.Erf)
}

// Sigmoid is 1/(1+e^(−a)).
func Sigmoid[T Float](out, a []T) {
	if y, x, ok := singles(out, a); ok {
		for now := 0; len(y) > 0; y, x = y[now:], x[now:] {
			y, x, now = advance(loops.sigmoid, y, x)
			for i, x := range x[:now] {
				y[i] = 1 / (1 + exp32(-x))
			}
		}
		return
	}
	apply64(out, a, func(x float64) float64 {
		if x < 0 { // e^(−x) might overflow
			e := math.Exp(x)
			return e / (1 + e)
		}
		return 1 / (1 + math.Exp(-x))
	})
}

// Tanh is the hyperbolic tangent of a.
func Tanh[T Float](out, a []T) {
	if y, x, ok := singles(out, a); ok {
		y, x = vectorsOf(loops.tanh, y, x, 0)
		for i, x := range x {
			y[i] = tanh32(x)
		}
		return
	}
	apply64(out, a, math.Tanh)
}

// Softplus is ln(1+e^a).
func Softplus[T Float](out, a []T) {
	if y, x, ok := singles(out, a); ok {
		for now := 0; len(y) > 0; y, x = y[now:], x[now:] {
			y, x, now = advance(loops.softplus, y, x)
			for i, x := range x[:now] {
				y[i] = softplus32(x)
			}
		}
		return
	}
	apply64(out, a, func(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) })
}

// GELU is a·Φ(a), with Φ the distribution function of the standard normal.
func GELU[T Float](out, a []T) {
	if y, x, ok := singles(out, a); ok {
		y, x = vectorsOf(loops.gelu, y, x, 0)
		for i, x := range x {
			y[i] = gelu32(x)
		}
		return
	}
	apply64(out, a, func(x float64) float64 { return .5 * x * math.Erfc(-x*(math.Sqrt2/2)) })
}

// SiLU is a·sigmoid(a).
func SiLU[T Float](out, a []T) {
	if y, x, ok := singles(out, a); ok {
		for now := 0; len(y) > 0; y, x = y[now:], x[now:] {
			y, x, now = advance(loops.silu, y, x)
			for i, x := range x[:now] {
				if x < -87 { // e^(−x) may be too large for float32
					y[i] = float32(silu64(float64(x)))
					continue
				}
				y[i] = x / (1 + exp32(-x))
			}
		}
		return
	}
	apply64(out, a, silu64)
}

// silu64 is x·sigmoid(x). The power is the one that does not overflow.
func silu64(x float64) float64 {
	if x < 0 {
		if x < -1000 { // also −Inf
			return math.Copysign(0, x)
		}
		e := math.Exp(x)
		return x * e / (1 + e)
	}
	return x / (1 + math.Exp(-x))
}

// ELU is a where it is above 0, else alpha·(e^a − 1).
func ELU[T Float](out, a []T, alpha T) {
	if y, x, ok := singles(out, a); ok {
		alpha := float32(alpha)
		for i, x := range x {
			if x <= 0 {
				x = alpha * expm132(x)
			}
			y[i] = x
		}
		return
	}
	apply64(out, a, func(x float64) float64 {
		if x <= 0 {
			x = float64(alpha) * math.Expm1(x)
		}
		return x
	})
}

// Pow is a to the power b.
func Pow[T Float](out, a, b []T) {
	sa, sb := operands(out, a, b)
	if y, ok := any(out).([]float32); ok {
		a, b := any(a).([]float32), any(b).([]float32)
		for i := range y {
			y[i] = pow32(a[i*sa], b[i*sb])
		}
		return
	}
	for i := range out {
		out[i] = T(math.Pow(float64(a[i*sa]), float64(b[i*sb])))
	}
}
