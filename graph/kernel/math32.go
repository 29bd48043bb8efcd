package kernel

import "math"

// The float32 functions compute in float64, where one range reduction, a small table and a short polynomial are enough for
// a result that is right to almost half a unit in the last place. Tang 1989, "Table-driven implementation of the
// exponential function in IEEE floating-point arithmetic", has the method.

// tableSteps is the number of steps between two powers of two in the tables of powers and logarithms.
const tableSteps = 64

// toWhole added to a float64 below 2⁵¹ leaves it rounded to a whole number, in two's complement in the low bits.
const toWhole = 3 << 51

// powers has the bits of 2^(j/tableSteps).
var powers = func() (t [tableSteps]uint64) {
	for j := range t {
		t[j] = math.Float64bits(math.Exp2(float64(j) / tableSteps))
	}
	return t
}()

// expParts returns e^x as s + p, with s a power of 2^(1/tableSteps) that is 1 for small x, for |x| < 700. The
// conversions keep compilers from fusing a multiplication with an addition, which the vector loops do not.
func expParts(x float64) (s, p float64) {
	const c = math.Ln2 / tableSteps
	x = float64(x * (1 / c))
	t := x + toWhole
	d := x - (t - toWhole)
	i := math.Float64bits(t)
	s = math.Float64frombits(powers[i%tableSteps] + i/tableSteps<<52)
	p = float64(d*(c*c*c/6)) + c*c/2
	p = float64(d*p) + c
	return s, float64(s * (d * p))
}

// beyondExp reports whether |x| > 87, where e^x may have no normal float32, or x is NaN.
func beyondExp(x float32) bool { return math.Float32bits(x)<<1 > 0x42ae0000<<1 }

// expEdge is exp32 for any x, slowly. It flushes denormal results to 0, which are slow in whatever follows.
func expEdge(x float32) float32 {
	if x < -87.3365 {
		return 0
	}
	return float32(math.Exp(float64(x)))
}

// exp32 is e^x.
func exp32(x float32) float32 {
	if beyondExp(x) {
		return expEdge(x)
	}
	s, p := expParts(float64(x))
	return float32(s + p)
}

// expm132 is e^x − 1 for x ≤ 0.
func expm132(x float32) float32 {
	if x < -87 {
		return -1
	}
	s, p := expParts(float64(x))
	return float32(s - 1 + p)
}

// tanh32 is tanh x = (e^2x − 1)/(e^2x + 1), which is ±1 from 10 on.
func tanh32(v float32) float32 {
	x := min(max(float64(v), -10), 10)
	s, p := expParts(x + x)
	e := s - 1 + p
	return float32(e / (e + 2))
}

// logarithms has, for each of the tableSteps intervals of mantissas from logBase on, the inverse and the logarithm of a
// number c in it: its middle, or 1, so that ln x is exact near 1.
var logarithms = func() (t [tableSteps]struct{ inv, log float64 }) {
	for j := range t {
		lo, hi := math.Float32frombits(logBase+uint32(j)<<17), math.Float32frombits(logBase+uint32(j+1)<<17)
		c := (float64(lo) + float64(hi)) / 2
		if lo <= 1 && 1 < hi {
			c = 1
		}
		t[j].inv, t[j].log = 1/c, math.Log(c)
	}
	return t
}()

// logBase is the bits of a float32 near 0.7, such that 1 is in the middle of an interval of the table.
const logBase = 0x3f330000

// log64 is ln x of a positive, normal float32: ln(2^k·c) + ln(1+r), with |r| < 1/90.
func log64(b uint32) float64 {
	t := b - logBase
	s := &logarithms[t>>17%tableSteps]
	r := float64(math.Float32frombits(b-t&0xff800000))*s.inv - 1
	return s.log + float64(int32(t)>>23)*math.Ln2 + (r + r*r*(r*(1./3-r*.25)-.5))
}

// normal reports whether b are the bits of a positive, normal, finite float32.
func normal(b uint32) bool { return b-0x00800000 < 0x7f800000-0x00800000 }

// log32 is ln x.
func log32(x float32) float32 {
	if b := math.Float32bits(x); normal(b) {
		return float32(log64(b))
	}
	return float32(math.Log(float64(x)))
}

// pow32 is x^y = e^(y·ln x).
func pow32(x, y float32) float32 {
	if y == 2 {
		return x * x
	}
	if b := math.Float32bits(x); normal(b) {
		if e := float64(y) * log64(b); math.Abs(e) < 87 {
			s, p := expParts(e)
			return float32(s + p)
		}
	}
	return float32(math.Pow(float64(x), float64(y)))
}

// A series is the start of a Taylor series.
type series [5]float32

func (k *series) at(d float32) float32 { return k[0] + d*(k[1]+d*(k[2]+d*(k[3]+d*k[4]))) }

// A curve has the coefficients of a polynomial, the highest first. They are fitted so that the largest relative error is the least.
type curve []float64

// at is the polynomial at x. The conversion keeps compilers from fusing.
func (k curve) at(x float64) float64 {
	y := k[0]
	for _, c := range k[1:] {
		y = float64(y*x) + c
	}
	return y
}

// erfCurve is erf x = x·P(x²) for |x| < 1, to 1.3e-9 of itself.
var erfCurve = curve{7.853860970352677e-05, -0.0008010193509446067, 0.005188327672576987, -0.02685381192837652, 0.11283585148448477,
	-0.37612625824218343, 1.128379165726708}

// erfcCurve is erfc z = e^(−z²)·t·P(t) with t = 2.5/(2.5+z), for 0 ≤ z < 27, to 5.1e-9 of itself.
var erfcCurve = curve{-0.027754068324598445, 0.1324154717917101, -0.21640235824190104, 0.11170536238412548, -0.025042407933482468,
	0.07193343907167507, 0.12329123119322832, 0.17076331784988685, 0.2077479566681188, 0.22566591787769075, 0.2256761325717847}

// erfc64 is erfc z = 1 − erf z for 0 ≤ z < 26.
func erfc64(z float64) float64 {
	s, p := expParts(-float64(z * z))
	t := 2.5 / (2.5 + z)
	return float64((s+p)*t) * erfcCurve.at(t)
}

// erf32 is erf x; it is ±1 from 6 on.
func erf32(v float32) float32 {
	x := float64(v)
	z := math.Abs(x)
	if z < 1 {
		return float32(x * erfCurve.at(float64(x*x)))
	}
	return float32(math.Copysign(1-erfc64(min(z, 6)), x))
}

// gelu32 is x·Φ(x) = x/2·erfc(−x/√2), in whose tail below 0 the complement has the digits.
func gelu32(v float32) float32 {
	x := max(float64(v), -36) // where it is 0 in float32
	e := erfc64(min(float64(math.Abs(x)*(math.Sqrt2/2)), 25.5))
	if x > 0 {
		e = 2 - e
	}
	return float32(float64(x*.5) * e)
}

// softplusSeries has the series of ln(1+e^(−z)) around the multiples of 1/8.
var softplusSeries = func() (t [256]series) {
	for j := range t {
		z := float64(j) / 8
		s := 1 / (1 + math.Exp(z))
		p := s * (1 - s)
		for i, k := range []float64{math.Log1p(math.Exp(-z)), -s, p / 2, p * (2*s - 1) / 6, p * (1 - 6*p) / 24} {
			t[j][i] = float32(k)
		}
	}
	return t
}()

// softplus32 is ln(1+e^x) = max(x, 0) + ln(1+e^(−|x|)). It stays in float32, where z − t is exact.
func softplus32(x float32) float32 {
	const toEighth = 3 << 22 / 8 // as toWhole, in float32 and eighths
	z := math.Float32frombits(math.Float32bits(x) &^ (1 << 31))
	if !(z <= 31.9) {
		if x < 0 {
			return exp32(x)
		}
		return x
	}
	t := z + toEighth
	return max(x, 0) + softplusSeries[math.Float32bits(t)%256].at(z-(t-toEighth))
}

// sin32 is sin x.
func sin32(v float32) float32 {
	x := float64(v)
	if !(math.Abs(x) < 1<<20) {
		return float32(math.Sin(x))
	}
	t := x*(1/math.Pi) + toWhole
	return halfTurns(x, t-toWhole, t)
}

// cos32 is cos x = sin(x + π/2).
func cos32(v float32) float32 {
	x := float64(v)
	if !(math.Abs(x) < 1<<20) {
		return float32(math.Cos(x))
	}
	t := x*(1/math.Pi) + .5 + toWhole
	return halfTurns(x, t-toWhole-.5, t)
}

// halfTurns is sin(x − n·π), negated if the low bit of t is set: the series at 0, on [−π/2, π/2].
func halfTurns(x, n, t float64) float32 {
	const high = 0x1.921fb544p+1 // n·high is exact
	d := x - n*high - n*(math.Pi-high)
	q := d * d
	y := d + d*q*(-1./6+q*(1./120+q*(-1./5040+q*(1./362880+q*(-1./39916800+q*(1./6227020800))))))
	return float32(math.Float64frombits(math.Float64bits(y) ^ math.Float64bits(t)<<63))
}
