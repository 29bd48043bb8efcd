package kernel

import "math"

func inf(sign int) float64 { return math.Inf(sign) }

// apply computes out from a with the f32 function, or the f64 one, of one element.
func apply[T Float](out, a []T, f32 func(float32) float32, f64 func(float64) float64) {
	switch out := any(out).(type) {
	case []float32:
		for i, x := range any(a).([]float32)[:len(out)] {
			out[i] = f32(x)
		}
	case []float64:
		for i, x := range any(a).([]float64)[:len(out)] {
			out[i] = f64(x)
		}
	}
}

// Exp is e to the power a.
func Exp[T Float](out, a []T) {
	if out, ok := any(out).([]float32); ok { // apart from apply, so that exp32 is inlined: the hottest of all
		for i, x := range any(a).([]float32)[:len(out)] {
			out[i] = exp32(x)
		}
		return
	}
	apply(out, a, nil, math.Exp)
}

// Log is the natural logarithm of a.
func Log[T Float](out, a []T) { apply(out, a, log32, math.Log) }

// Sin is the sine of a.
func Sin[T Float](out, a []T) {
	apply(out, a, func(x float32) float32 { return float32(math.Sin(float64(x))) }, math.Sin)
}

// Cos is the cosine of a.
func Cos[T Float](out, a []T) {
	apply(out, a, func(x float32) float32 { return float32(math.Cos(float64(x))) }, math.Cos)
}

// Erf is the error function of a.
func Erf[T Float](out, a []T) { apply(out, a, erf32, math.Erf) }

// Sigmoid is 1/(1+e^(−a)).
func Sigmoid[T Float](out, a []T) {
	if out, ok := any(out).([]float32); ok {
		for i, x := range any(a).([]float32)[:len(out)] {
			out[i] = 1 / (1 + exp32(-x))
		}
		return
	}
	apply(out, a, nil, func(x float64) float64 { return 1 / (1 + math.Exp(-x)) })
}

// Tanh is the hyperbolic tangent of a.
func Tanh[T Float](out, a []T) { apply(out, a, tanh32, math.Tanh) }

// Softplus is ln(1+e^a).
func Softplus[T Float](out, a []T) {
	if out, ok := any(out).([]float32); ok {
		for i, x := range any(a).([]float32)[:len(out)] {
			out[i] = max(x, 0) + log1p32(exp32(min(x, -x)))
		}
		return
	}
	apply(out, a, nil,
		func(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) })
}

// GELU is a·Φ(a), with Φ the distribution function of the standard normal.
func GELU[T Float](out, a []T) {
	apply(out, a,
		func(x float32) float32 { return .5 * x * (1 + erf32(x*(math.Sqrt2/2))) },
		func(x float64) float64 { return .5 * x * math.Erfc(-x*(math.Sqrt2/2)) })
}

// SiLU is a·sigmoid(a).
func SiLU[T Float](out, a []T) {
	apply(out, a,
		func(x float32) float32 { return x / (1 + exp32(-x)) },
		func(x float64) float64 { return x / (1 + math.Exp(-x)) })
}

// ELU is a where it is above 0, else alpha·(e^a − 1).
func ELU[T Float](out, a []T, alpha T) {
	a = a[:len(out)]
	for i := range out {
		x := a[i]
		if x <= 0 {
			x = alpha * T(math.Expm1(float64(x)))
		}
		out[i] = x
	}
}

// exp32 is e^x to about 1 ulp: x = n·ln 2 + r with |r| ≤ ln 2 / 2, and a polynomial for e^r.
func exp32(x float32) float32 {
	const (
		log2e  = 1.44269504088896341
		ln2Hi  = 0.693359375 // n·ln2Hi is exact for the n that occur
		ln2Lo  = -2.12194440e-4
		shift  = 3 << 22 // adding it leaves a rounded whole number in the low bits
		top    = 88.72284
		bottom = -86.98 // below, the result is (almost) denormal: it is flushed to 0
	)
	if !(x < top) {
		if x != x {
			return x
		}
		return float32(math.Inf(1))
	}
	if x < bottom {
		return 0
	}
	t := float32(x*log2e) + shift
	n := t - shift
	r := float32(x - float32(n*ln2Hi))
	r = float32(r - float32(n*ln2Lo))
	// Pairs of terms, not Horner's rule: short chains of dependent operations keep the processor busy.
	r2 := r * r
	lo := 5.0000001201e-1 + r*1.6666665459e-1
	mid := 4.1665795894e-2 + r*8.3334519073e-3
	hi := 1.3981999507e-3 + r*1.9875691500e-4
	p := (lo+r2*(mid+r2*hi))*r2 + r + 1
	// n may be 128, whose power of two has no float32: multiply by 2^(n-1) and by 2.
	return p * math.Float32frombits((math.Float32bits(t)+126)<<23) * 2
}

// log32 is ln x to about 1 ulp: x = m·2^e with m in [√½, √2), and a polynomial for ln m.
func log32(x float32) float32 {
	if !(x > 0) || x > math.MaxFloat32 {
		return float32(math.Log(float64(x))) // 0, negative, NaN, Inf
	}
	e := float32(0)
	if x < 0x1p-126 {
		x *= 0x1p23
		e = -23
	}
	b := math.Float32bits(x)
	const sqrtHalf = 0x3f3504f3
	k := int32(b-sqrtHalf) >> 23
	e += float32(k)
	f := math.Float32frombits(b-uint32(k)<<23) - 1
	z := f * f
	p := float32(7.0376836292e-2)
	p = p*f - 1.1514610310e-1
	p = p*f + 1.1676998740e-1
	p = p*f - 1.2420140846e-1
	p = p*f + 1.4249322787e-1
	p = p*f - 1.6668057665e-1
	p = p*f + 2.0000714765e-1
	p = p*f - 2.4999993993e-1
	p = p*f + 3.3333331174e-1
	y := p * f * z
	y += e * -2.12194440e-4
	y -= .5 * z
	return f + y + e*0.693359375
}

// log1p32 is ln(1+x) for x in [0, 1]: x times the polynomial that interpolates ln(1+x)/x at Chebyshev's nodes, to 1e-9.
func log1p32(x float32) float32 {
	x2 := x * x
	x4 := x2 * x2
	a := (1 - x*4.9999979491e-1) + x2*(3.3332497544e-1-x*2.4986496459e-1)
	b := (1.9885820285e-1 - x*1.6087623009e-1) + x2*(1.2377995872e-1-x*8.1880409236e-2)
	c := (4.1006573694e-2 - x*1.3187826566e-2) + x2*1.9866965936e-3
	return x * (a + x4*(b+x4*c))
}

// tanh32 is tanh x: a polynomial near 0, where the exponential would cancel.
func tanh32(x float32) float32 {
	z := max(x, -x)
	if z < .625 {
		s := x * x
		p := float32(-5.70498872745e-3)
		p = p*s + 2.06390887954e-2
		p = p*s - 5.37397155531e-2
		p = p*s + 1.33314422036e-1
		p = p*s - 3.33332819422e-1
		return p*s*x + x
	}
	y := 1 - 2/(exp32(z+z)+1)
	if x < 0 {
		return -y
	}
	return y
}

// erf32 is erf x: a polynomial on [-1, 1].
func erf32(x float32) float32 {
	if x > 1 || x < -1 || x != x {
		return float32(math.Erf(float64(x)))
	}
	z := x * x
	p := float32(7.853861353153693e-5)
	p = p*z - 8.010193625184903e-4
	p = p*z + 5.188327685732524e-3
	p = p*z - 2.685381193529856e-2
	p = p*z + 1.128358514861418e-1
	p = p*z - 3.761262582423300e-1
	p = p*z + 1.128379165726710
	return x * p
}
