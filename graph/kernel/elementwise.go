package kernel

import "math"

// Number is what arithmetic kernels compute in.
type Number interface{ Float | int64 | uint64 }

// The flat kernels below compute out[i] from a[i], or from a[i] and b[i]. Unary ones want a as long as out; of the
// operands of a binary one, each has as many elements as out, or one. out may be an operand. Where there is a vector loop
// it comes first, and the Go loop does the rest.

// Add is a + b.
func Add[T Number](out, a, b []T) {
	switch {
	case len(a) == len(out) && len(b) == len(out):
		out, a, b = vectors(loops.add, out, a, b, 0)
		for i := range out {
			out[i] = a[i] + b[i]
		}
	case len(a) == len(out):
		Shift(out, a, b[0])
	case len(b) == len(out):
		Shift(out, b, a[0])
	default:
		fill(out, a[0]+b[0])
	}
}

// Sub is a − b.
func Sub[T Number](out, a, b []T) {
	switch {
	case len(a) == len(out) && len(b) == len(out):
		out, a, b = vectors(loops.sub, out, a, b, 0)
		for i := range out {
			out[i] = a[i] - b[i]
		}
	case len(a) == len(out):
		Shift(out, a, -b[0])
	case len(b) == len(out):
		c := a[0]
		out, b = vectorsOf(loops.from, out, b, c)
		for i := range out {
			out[i] = c - b[i]
		}
	default:
		fill(out, a[0]-b[0])
	}
}

// Mul is a · b.
func Mul[T Number](out, a, b []T) {
	switch {
	case len(a) == len(out) && len(b) == len(out):
		out, a, b = vectors(loops.mul, out, a, b, 0)
		for i := range out {
			out[i] = a[i] * b[i]
		}
	case len(a) == len(out):
		Scale(out, a, b[0])
	case len(b) == len(out):
		Scale(out, b, a[0])
	default:
		fill(out, a[0]*b[0])
	}
}

// Div is a / b; integers are divided towards 0, and b must not be.
func Div[T Number](out, a, b []T) {
	switch {
	case len(a) == len(out) && len(b) == len(out):
		out, a, b = vectors(loops.div, out, a, b, 0)
		for i := range out {
			out[i] = a[i] / b[i]
		}
	case len(a) == len(out):
		c := b[0]
		out, a = vectorsOf(loops.over, out, a, c)
		for i := range out {
			out[i] = a[i] / c
		}
	case len(b) == len(out):
		c := a[0]
		out, b = vectorsOf(loops.into, out, b, c)
		for i := range out {
			out[i] = c / b[i]
		}
	default:
		fill(out, a[0]/b[0])
	}
}

// Mod is what is left of a / b, with the sign of b, which must not be 0.
func Mod[T int64 | uint64](out, a, b []T) {
	sa, sb := operands(out, a, b)
	for i := range out {
		y := b[i*sb]
		r := a[i*sa] % y
		if r != 0 && r < 0 != (y < 0) {
			r += y
		}
		out[i] = r
	}
}

// Fmod is what is left of a / b, with the sign of a.
func Fmod[T Float](out, a, b []T) {
	sa, sb := operands(out, a, b)
	for i := range out {
		out[i] = T(math.Mod(float64(a[i*sa]), float64(b[i*sb])))
	}
}

func fill[T any](out []T, x T) {
	if y, ok := any(out).([]float32); ok && loops.fill != nil && len(y) >= vectorWidth {
		n := len(y) &^ (vectorWidth - 1)
		loops.fill(&y[0], n, any(x).(float32))
		out = out[n:]
	}
	for i := range out {
		out[i] = x
	}
}

// operands returns the two operands' steps: 1, or 0 for an operand of one element.
func operands[U, T any](out []U, a, b []T) (sa, sb int) {
	if len(a) == len(out) {
		sa = 1
	}
	if len(b) == len(out) {
		sb = 1
	}
	return sa, sb
}

// Min is the smaller of a and b; NaN if either is.
func Min[T Number](out, a, b []T) {
	switch {
	case len(a) == len(out) && len(b) == len(out):
		a, b = a[:len(out)], b[:len(out)]
		for i := range out {
			out[i] = min(a[i], b[i])
		}
	case len(a) == len(out):
		c := b[0]
		a = a[:len(out)]
		for i := range out {
			out[i] = min(a[i], c)
		}
	case len(b) == len(out):
		Min(out, b, a)
	default:
		fill(out, min(a[0], b[0]))
	}
}

// Max is the larger of a and b; NaN if either is.
func Max[T Number](out, a, b []T) {
	switch {
	case len(a) == len(out) && len(b) == len(out):
		a, b = a[:len(out)], b[:len(out)]
		for i := range out {
			out[i] = max(a[i], b[i])
		}
	case len(a) == len(out):
		c := b[0]
		a = a[:len(out)]
		for i := range out {
			out[i] = max(a[i], c)
		}
	case len(b) == len(out):
		Max(out, b, a)
	default:
		fill(out, max(a[0], b[0]))
	}
}

// Lerp is a + t·(b − a).
func Lerp[T Float](out, a, b []T, t T) {
	if len(a) == len(out) && len(b) == len(out) {
		out, a, b = vectors(loops.lerp, out, a, b, t)
		for i := range out {
			out[i] = a[i] + T(t*(b[i]-a[i])) // never fused, as in the vector loop
		}
		return
	}
	sa, sb := operands(out, a, b)
	for i := range out {
		x := a[i*sa]
		out[i] = x + T(t*(b[i*sb]-x))
	}
}

// Scale is a · c.
func Scale[T Number](out, a []T, c T) {
	out, a = vectorsOf(loops.scale, out, a, c)
	for i := range out {
		out[i] = a[i] * c
	}
}

// Shift is a + c.
func Shift[T Number](out, a []T, c T) {
	out, a = vectorsOf(loops.shift, out, a, c)
	for i := range out {
		out[i] = a[i] + c
	}
}

// Neg is −a.
func Neg[T Number](out, a []T) {
	a = a[:len(out)]
	for i := range out {
		out[i] = -a[i]
	}
}

// Abs is |a|, of numbers that have a sign.
func Abs[T Number](out, a []T) {
	a = a[:len(out)]
	for i := range out {
		out[i] = max(a[i], -a[i])
	}
}

// Sign is −1, 0 or 1 by the sign of a.
func Sign[T Number](out, a []T) {
	a = a[:len(out)]
	for i := range out {
		switch x := a[i]; {
		case x > 0:
			out[i] = 1
		case x < 0:
			out[i] = -T(1)
		default:
			out[i] = x // 0 or NaN
		}
	}
}

// Square is a².
func Square[T Float](out, a []T) {
	out, a = vectorsOf(loops.square, out, a, 0)
	for i := range out {
		out[i] = a[i] * a[i]
	}
}

// Sqrt is the square root of a.
func Sqrt[T Float](out, a []T) {
	out, a = vectorsOf(loops.sqrt, out, a, 0)
	for i := range out {
		out[i] = T(math.Sqrt(float64(a[i]))) // one instruction, in the type's own width
	}
}

// Reciprocal is 1 / a.
func Reciprocal[T Float](out, a []T) {
	out, a = vectorsOf(loops.into, out, a, 1)
	for i := range out {
		out[i] = 1 / a[i]
	}
}

// Floor is a rounded down.
func Floor[T Float](out, a []T) {
	a = a[:len(out)]
	for i := range out {
		out[i] = T(math.Floor(float64(a[i])))
	}
}

// ReLU is max(a, 0).
func ReLU[T Float](out, a []T) {
	out, a = vectorsOf(loops.relu, out, a, 0)
	for i := range out {
		out[i] = max(a[i], 0)
	}
}

// Step is 1 where a > 0, else 0.
func Step[T Float](out, a []T) {
	out, a = vectorsOf(loops.step, out, a, 1)
	for i := range out {
		var y T
		if a[i] > 0 {
			y = 1
		}
		out[i] = y
	}
}

// LeakyReLU is a where it is above 0, else alpha · a.
func LeakyReLU[T Float](out, a []T, alpha T) {
	out, a = vectorsOf(loops.leakyReLU, out, a, alpha)
	for i := range out {
		x := a[i]
		if x < 0 {
			x *= alpha
		}
		out[i] = x
	}
}

// Clip is a limited to [lo, hi].
func Clip[T Number](out, a []T, lo, hi T) {
	a = a[:len(out)]
	for i := range out {
		out[i] = min(max(a[i], lo), hi)
	}
}

// Finite reports whether a has neither NaN nor Inf.
func Finite[T Float](a []T) bool {
	if x, ok := any(a).([]float32); ok && loops.finite != nil && len(x) >= vectorWidth {
		n := len(x) &^ (vectorWidth - 1)
		if !loops.finite(&x[0], n) {
			return false
		}
		a = a[n:]
	}
	for _, x := range a {
		if x-x != 0 { // NaN for both
			return false
		}
	}
	return true
}

// Keep is 0 where u is below the limit, else a · c.
func Keep[T Float](out, a, u []T, limit, c T) {
	if y, ok := any(out).([]float32); ok && loops.keep != nil && len(y) >= vectorWidth {
		n := len(y) &^ (vectorWidth - 1)
		loops.keep(&y[0], &any(a).([]float32)[0], &any(u).([]float32)[0], n, float32(limit), float32(c))
		out, a, u = out[n:], a[n:], u[n:]
	}
	a, u = a[:len(out)], u[:len(out)]
	for i := range out {
		var y T
		if !(u[i] < limit) {
			y = a[i] * c
		}
		out[i] = y
	}
}

// BitAnd has the bits that a and b both have.
func BitAnd[T int64 | uint64](out, a, b []T) {
	sa, sb := operands(out, a, b)
	for i := range out {
		out[i] = a[i*sa] & b[i*sb]
	}
}

// BitOr has the bits that a or b has.
func BitOr[T int64 | uint64](out, a, b []T) {
	sa, sb := operands(out, a, b)
	for i := range out {
		out[i] = a[i*sa] | b[i*sb]
	}
}

// BitXor has the bits that one of a and b has.
func BitXor[T int64 | uint64](out, a, b []T) {
	sa, sb := operands(out, a, b)
	for i := range out {
		out[i] = a[i*sa] ^ b[i*sb]
	}
}

// BitNot has the bits that a has not.
func BitNot[T int64 | uint64](out, a []T) {
	for i, x := range a[:len(out)] {
		out[i] = ^x
	}
}

// ShiftLeft is a · 2ᵇ without the bits above the highest.
func ShiftLeft(out, a, b []uint64) {
	sa, sb := operands(out, a, b)
	for i := range out {
		out[i] = a[i*sa] << b[i*sb]
	}
}

// ShiftRight is a / 2ᵇ, rounded down.
func ShiftRight(out, a, b []uint64) {
	sa, sb := operands(out, a, b)
	for i := range out {
		out[i] = a[i*sa] >> b[i*sb]
	}
}

// Lowest is what no number of type T is below: −Inf of floats.
func Lowest[T Number]() (low T) {
	switch p := any(&low).(type) {
	case *float32:
		*p = float32(math.Inf(-1))
	case *float64:
		*p = math.Inf(-1)
	case *int64:
		*p = math.MinInt64
	}
	return low
}

// Highest is what no number of type T is above: +Inf of floats.
func Highest[T Number]() (high T) {
	switch p := any(&high).(type) {
	case *float32:
		*p = float32(math.Inf(1))
	case *float64:
		*p = math.Inf(1)
	case *int64:
		*p = math.MaxInt64
	case *uint64:
		*p = math.MaxUint64
	}
	return high
}
