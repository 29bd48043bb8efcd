package kernel

import (
	"math"
	"math/big"
	"testing"
)

// TestPrecision compares the kernels of one argument with sums of 400 bits, from the least numbers to the tails: relative
// errors, however small the result.
func TestPrecision(t *testing.T) {
	one := exact(1)
	exp := func(x *big.Float) *big.Float { return bigExp(x) }
	sigmoid := func(x *big.Float) *big.Float { return quo(one, plus(one, exp(minus(x)))) }
	type kernel32 func(out, a []float32)
	type kernel64 func(out, a []float64)
	for _, c := range []struct {
		name     string
		f32      kernel32
		f64      kernel64
		want     func(x *big.Float) *big.Float
		lo, hi   float64 // where it is defined, and not beyond the range of the dtype
		ulps32   float64
		ulps64   float64
		flushing bool // results below the least normal float32 may be 0
	}{
		{"Exp", Exp[float32], Exp[float64], exp, -80, 80, 1, 1, true},
		{"ExpRemainder 1", order32(1), order64(1), func(x *big.Float) *big.Float { return bigRemainder(x, 1) }, -80, 80, 1, 2, false},
		{"ExpRemainder 2", order32(2), order64(2), func(x *big.Float) *big.Float { return bigRemainder(x, 2) }, -80, 80, 1, 8, false},
		{"Log", Log[float32], Log[float64], bigLog, 0, 1e30, 1, 1, false},
		{"Sigmoid", Sigmoid[float32], Sigmoid[float64], sigmoid, -80, 80, 3, 2, true},
		{"Tanh", Tanh[float32], Tanh[float64], func(x *big.Float) *big.Float {
			e := bigRemainder(plus(x, x), 1)
			return quo(e, plus(e, exact(2)))
		}, -40, 40, 1, 2, false},
		{"Softplus", Softplus[float32], Softplus[float64], func(x *big.Float) *big.Float { return bigLog1p(exp(x)) }, -80, 80, 4, 2, true},
		{"GELU", GELU[float32], GELU[float64], func(x *big.Float) *big.Float {
			return times(times(x, exact(.5)), plus(one, bigErf(quo(x, new(big.Float).SetPrec(bits).Sqrt(exact(2))))))
		}, -9, 9, 2, 60, true},
		{"SiLU", SiLU[float32], SiLU[float64], func(x *big.Float) *big.Float { return times(x, sigmoid(x)) }, -90, 80, 3, 2, true},
		{"ELU", func(out, a []float32) { ELU(out, a, 1) }, func(out, a []float64) { ELU(out, a, 1) }, func(x *big.Float) *big.Float {
			if x.Sign() > 0 {
				return x
			}
			return bigRemainder(x, 1)
		}, -80, 80, 1, 2, false},
		{"Erf", Erf[float32], Erf[float64], bigErf, -6, 6, 2, 2, false},
		{"Sin", Sin[float32], Sin[float64], bigSin, -3, 3, 1, 1, false},
		{"Cos", Cos[float32], Cos[float64], func(x *big.Float) *big.Float { // 1 − 2·sin²(x/2)
			s := bigSin(quo(x, exact(2)))
			return plus(one, minus(times(exact(2), times(s, s))))
		}, -1.5, 1.5, 1, 1, false},
		{"Sqrt", Sqrt[float32], Sqrt[float64], func(x *big.Float) *big.Float { return new(big.Float).SetPrec(bits).Sqrt(x) }, 0, 1e30, .5, .5, false},
		{"Reciprocal", Reciprocal[float32], Reciprocal[float64], func(x *big.Float) *big.Float { return quo(one, x) }, -1e30, 1e30, .5, .5, false},
	} {
		for _, x := range arguments(c.lo, c.hi) {
			if c.name == "Reciprocal" && math.Abs(x) < 1e-30 {
				continue // Inf
			}
			x32 := float32(x)
			want, _ := c.want(exact(float64(x32))).Float64()
			y32 := []float32{x32}
			c.f32(y32, y32)
			unit := max(math.Abs(want)*0x1p-23, 0x1p-149)
			if g := float64(y32[0]); !(math.Abs(g-want) <= c.ulps32*unit) && !(c.flushing && math.Abs(want) < 0x1p-126 && g == 0) {
				t.Errorf("%s in f32: of %v it is %v, want %v", c.name, x32, g, want)
			}
			want, _ = c.want(exact(x)).Float64()
			y64 := []float64{x}
			c.f64(y64, y64)
			if unit = max(math.Abs(want)*0x1p-52, 0x1p-1074); !(math.Abs(y64[0]-want) <= c.ulps64*unit) {
				t.Errorf("%s in f64: of %v it is %v, want %v", c.name, x, y64[0], want)
			}
		}
	}
}

func order32(n int) func(out, a []float32) {
	return func(out, a []float32) { ExpRemainder(out, a, n) }
}

func order64(n int) func(out, a []float64) {
	return func(out, a []float64) { ExpRemainder(out, a, n) }
}

// arguments are numbers of both signs from the least denormal float32 on, between lo and hi: a factor of 3 apart, and the places where
// kernels change from one formula to another.
func arguments(lo, hi float64) []float64 {
	var out []float64
	add := func(x float64) {
		for _, x := range []float64{x, -x} {
			if x >= lo && x <= hi && x != 0 {
				out = append(out, x)
			}
		}
	}
	for x := 0x1p-149; x < 1e31; x *= 3 {
		add(x)
	}
	for _, x := range []float64{.5, 1, math.Sqrt2, 1.4, 2, 6, 6 * math.Sqrt2, 8, 10, 12.3392, 14, 16, 17, 31.9, 36.8, 37.5, 40, 80, 87, 87.3, 88.9} {
		add(x)
		add(math.Nextafter(x, 0))
		add(math.Nextafter(x, 100))
	}
	return out
}

// TestTails puts the rows of a softmax and of its logarithm where one element is nearly all.
func TestTails(t *testing.T) {
	for _, gap := range []float64{1, 10, 17, 20, 40, 80} {
		tail := math.Exp(-gap)
		for _, at := range []int{0, 1} { // of the largest
			x, y := []float32{float32(-gap), float32(-gap)}, make([]float32, 2)
			x[at] = 0
			LogSoftmax(NewContext(nil, 1), y, x, 1, 2, 1)
			if got, want := float64(y[at]), -math.Log1p(tail); math.Abs(got-want) > 1e-6*math.Abs(want) {
				t.Errorf("the logarithm of the largest share, %v above the other, is %v, want %v", gap, got, want)
			}
			Softmax(NewContext(nil, 1), y, x, 1, 2, 1)
			if got, want := float64(y[1-at]), tail/(1+tail); math.Abs(got-want) > 1e-6*want {
				t.Errorf("the smaller share, %v below the other, is %v, want %v", gap, got, want)
			}
		}
	}
	equal, y := []float64{3, 3, 3, 3}, make([]float64, 4)
	LogSoftmax(NewContext(nil, 1), y, equal, 1, 4, 1)
	if want := -math.Log(4); math.Abs(y[0]-want) > 1e-15 || y[0] != y[3] {
		t.Errorf("of four equal ones: %v, want %v", y, want)
	}
}

// bits is the precision of the sums that kernels are compared with: cancellation takes up to 240 of them.
const bits = 400

func exact(x float64) *big.Float       { return new(big.Float).SetPrec(bits).SetFloat64(x) }
func plus(x, y *big.Float) *big.Float  { return new(big.Float).SetPrec(bits).Add(x, y) }
func times(x, y *big.Float) *big.Float { return new(big.Float).SetPrec(bits).Mul(x, y) }
func quo(x, y *big.Float) *big.Float   { return new(big.Float).SetPrec(bits).Quo(x, y) }
func minus(x *big.Float) *big.Float    { return new(big.Float).SetPrec(bits).Neg(x) }
func negligible(term, sum *big.Float) bool {
	return term.Sign() == 0 || sum.Sign() != 0 && term.MantExp(nil) < sum.MantExp(nil)-bits
}

// bigRemainder is Σ x^k/k! from k = order on.
func bigRemainder(x *big.Float, order int) *big.Float {
	sum, term := exact(0), exact(1)
	for k := 0; k < 2000; k++ {
		if k >= order {
			if sum = plus(sum, term); negligible(term, sum) {
				break
			}
		}
		term = quo(times(term, x), exact(float64(k+1)))
	}
	return sum
}

func bigExp(x *big.Float) *big.Float { return bigRemainder(x, 0) }

// bigLog is ln x by Newton's method on e^y = x.
func bigLog(x *big.Float) *big.Float {
	mant := new(big.Float).SetPrec(bits)
	e := x.MantExp(mant)
	m, _ := mant.Float64()
	y := plus(exact(math.Log(m)), times(exact(float64(e)), bigLog2))
	if x.Cmp(exact(1)) == 0 {
		return exact(0)
	}
	for range 5 {
		y = plus(y, plus(quo(x, bigExp(y)), exact(-1)))
	}
	return y
}

// bigLog2 is ln 2 = Σ 1/(k·2^k).
var bigLog2 = func() *big.Float {
	sum, power := exact(0), exact(1)
	for k := 1; k < bits+10; k++ {
		power = quo(power, exact(2))
		sum = plus(sum, quo(power, exact(float64(k))))
	}
	return sum
}()

// bigLog1p is ln(1+x), by its series where x is small.
func bigLog1p(x *big.Float) *big.Float {
	if x.Cmp(exact(1e-3)) > 0 {
		return bigLog(plus(exact(1), x))
	}
	sum, power := exact(0), exact(1)
	for k := 1; k < 400; k++ {
		power = times(power, minus(x))
		term := minus(quo(power, exact(float64(k))))
		if sum = plus(sum, term); negligible(term, sum) {
			break
		}
	}
	return sum
}

// bigErf is 2/√π Σ (−1)^k x^(2k+1)/(k!·(2k+1)).
func bigErf(x *big.Float) *big.Float {
	sum, power := exact(0), x
	for k := 0; k < 3000; k++ {
		term := quo(power, exact(float64(2*k+1)))
		if sum = plus(sum, term); negligible(term, sum) {
			break
		}
		power = quo(minus(times(power, times(x, x))), exact(float64(k+1)))
	}
	return times(sum, quo(exact(2), new(big.Float).SetPrec(bits).Sqrt(bigPi)))
}

// bigSin is Σ (−1)^k x^(2k+1)/(2k+1)!.
func bigSin(x *big.Float) *big.Float {
	sum, term := exact(0), x
	for k := 0; k < 500; k++ {
		if sum = plus(sum, term); negligible(term, sum) {
			break
		}
		term = quo(minus(times(term, times(x, x))), exact(float64((2*k+2)*(2*k+3))))
	}
	return sum
}

// bigPi is π by Machin's formula, 16·arctan(1/5) − 4·arctan(1/239).
var bigPi = func() *big.Float {
	arctan := func(n float64) *big.Float {
		sum, power := exact(0), quo(exact(1), exact(n))
		for k := 0; k < 400; k++ {
			sum = plus(sum, quo(power, exact(float64(2*k+1))))
			power = minus(quo(power, exact(n*n)))
		}
		return sum
	}
	return plus(times(exact(16), arctan(5)), minus(times(exact(4), arctan(239))))
}()
