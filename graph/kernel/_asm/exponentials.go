package main

import (
	"math"
	"strings"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// A set is the instructions of which the exponential and what is made of it compute in float64. A step of a loop is eight elements with
// either: with AVX2 two vectors of float64, with AVX-512 one.
type set struct {
	name    string
	doubles int // float64 in a vector
	vector  func() VecVirtual
}

var (
	avx2   = set{"AVX2", 4, YMM}
	avx512 = set{"AVX512", 8, ZMM}
)

// exponentials writes these loops, in AVX2 and AVX-512, and softplus, which has float32 only.
func exponentials() {
	for _, s := range []set{avx2, avx512} {
		s.exponential("exp", "e^a", false, func(a Mem, y VecVirtual) {})
		s.exponential("sigmoid", "1/(1+e^−a)", true, func(a Mem, y VecVirtual) {
			one := YMM()
			VMOVUPS(float32s(1), one)
			VADDPS(one, y, y)
			VDIVPS(y, one, y)
		})
		s.exponential("silu", "a/(1+e^−a)", true, func(a Mem, y VecVirtual) {
			x := YMM()
			VMOVUPS(a, x)
			VADDPS(float32s(1), y, y)
			VDIVPS(y, x, y)
		})
		s.tanh()
		s.erf()
		s.gelu()
	}
	softplus()
}

// register writes a vector of x.
func (s set) register(x float64) (v VecVirtual) {
	v = s.vector()
	VBROADCASTSD(int64s(math.Float64bits(x)), v)
	return v
}

// float64s is a vector of x, int64s of the bits of i: in memory or, with AVX-512, in a register.
func (s set) float64s(x float64) Op {
	if s.doubles == 4 {
		return int64s(math.Float64bits(x))
	}
	return s.register(x)
}
func (s set) int64s(i uint64) Op { return s.float64s(math.Float64frombits(i)) }

// widen writes the float64 of eight float32 in a register or memory.
func (s set) widen(a Op) (x []VecVirtual) {
	if s.doubles == 8 {
		x = []VecVirtual{ZMM()}
		VCVTPS2PD(a, x[0])
		return x
	}
	for i := range 2 {
		half := Op(XMM())
		if m, ok := a.(Mem); ok {
			half = m.Offset(16 * i)
		} else {
			VEXTRACTF128(U8(i), a, half)
		}
		x = append(x, YMM())
		VCVTPS2PD(half, x[i])
	}
	return x
}

// narrow writes the way back.
func (s set) narrow(x []VecVirtual) (y VecVirtual) {
	y = YMM()
	if s.doubles == 8 {
		VCVTPD2PS(x[0], y)
		return y
	}
	high := XMM()
	VCVTPD2PSY(x[0], y.AsX())
	VCVTPD2PSY(x[1], high)
	VINSERTF128(U8(1), high, y, y)
	return y
}

// choose writes x where a compares with b as the predicate says, else y, into y.
func (s set) choose(predicate U8, b Op, a, x, y VecVirtual) {
	if s.doubles == 8 {
		mask := K()
		VCMPPD(predicate, b, a, mask)
		VMOVAPD(x, mask, y)
		return
	}
	mask := YMM()
	VCMPPD(predicate, b, a, mask)
	VBLENDVPD(mask, x, y, y)
}

// A lookup writes the entries of a table at the low bits of each element of t.
type lookup func(t VecVirtual) (y VecVirtual)

// powers writes what comes before a loop that looks up the table powers, of 64 numbers. With AVX-512 they are all in registers, which
// takes a fraction of the time of a gather.
func (s set) powers(table Register) lookup {
	if s.doubles == 4 {
		return func(t VecVirtual) VecVirtual {
			index, m, y := YMM(), YMM(), YMM()
			VPAND(int64s(63), t, index)
			ones(m)
			VGATHERQPD(m, Mem{Base: table, Index: index, Scale: 8}, y)
			return y
		}
	}
	var eights [8]VecVirtual
	for i := range eights {
		eights[i] = ZMM()
		VMOVUPD(Mem{Base: table, Disp: 64 * i}, eights[i])
	}
	return func(t VecVirtual) VecVirtual {
		var y [4]VecVirtual // what the quarters of the table have at the low four bits
		for i := range y {
			y[i] = ZMM()
			VMOVAPD(t, y[i])
			VPERMI2PD(eights[2*i+1], eights[2*i], y[i])
		}
		fifth, sixth := K(), K()
		VPTESTMQ(s.int64s(16), t, fifth)
		VPTESTMQ(s.int64s(32), t, sixth)
		VMOVAPD(y[1], fifth, y[0])
		VMOVAPD(y[3], fifth, y[2])
		VMOVAPD(y[2], sixth, y[0])
		return y[0]
	}
}

// partial begins the function name, which may stop before n: done ends it.
func partial(name, doc, table string) (p cursor, base Register) {
	TEXT(name, NOSPLIT, "func(out, a *float32, n int, "+table+") int")
	Pragma("noescape")
	Doc(name+" is out = "+doc+", elementwise, up to the first vector with an element that it cannot do. It returns", "how many elements are done.")
	p = cursor{out: Load(Param("out"), GP64()), a: Load(Param("a"), GP64()), n: Load(Param("n"), GP64()), i: GP64()}
	return p, Load(Param(strings.Fields(table)[0]), GP64())
}

// stop leaves the loop name if a bit of mask is set.
func (c cursor) stop(name string, mask VecVirtual) {
	bits := GP32()
	VMOVMSKPS(mask, bits)
	TESTL(bits, bits)
	JNE(LabelRef(name + "Done"))
}

// done ends a partial function.
func (c cursor) done(name string) {
	Label(name + "Done")
	Store(c.i, ReturnIndex(0))
	VZEROUPPER()
	RET()
}

// exponential writes the function name: finish(e^a), or of e^−a, by the method of expParts. It stops at NaN, above 87, and
// where the result would be denormal; below that it is 0.
func (s set) exponential(name, doc string, negate bool, finish func(a Mem, y VecVirtual)) {
	name += s.name
	p, table := partial(name, doc, "powers *uint64")
	powers := s.powers(table)
	p.each(name, func() {
		a, bad, mask := YMM(), YMM(), YMM()
		VMOVUPS(p.at(p.a), a)
		if negate {
			VXORPS(sign(), a, a)
		}
		VCMPPS(less, float32s(-87), a, bad)
		VCMPPS(greaterOrEqual, float32s(-87.3365), a, mask)
		VANDPS(mask, bad, bad)
		VCMPPS(notLessOrEqual, float32s(87), a, mask)
		VORPS(mask, bad, bad)
		p.stop(name, bad)
		x := s.widen(a)
		for i := range x {
			power, rest := s.expParts(powers, x[i])
			VADDPD(power, rest, rest)
			x[i] = rest
		}
		y := s.narrow(x)
		VCMPPS(less, float32s(-87), a, mask)
		VANDNPS(y, mask, y)
		finish(p.at(p.a), y)
		VMOVUPS(y, p.at(p.out))
	})
	p.done(name)
}

// toWhole is that of the Go code.
const toWhole = 3 << 51

// expParts writes the Go function of that name, for numbers x, which it uses up.
func (s set) expParts(powers lookup, x VecVirtual) (power, p VecVirtual) {
	const c = math.Ln2 / 64
	t, d := s.vector(), s.vector()
	p = s.vector()
	whole := s.float64s(toWhole)
	VMULPD(s.float64s(1/c), x, x)
	VADDPD(whole, x, t)
	VSUBPD(whole, t, d)
	VSUBPD(d, x, d)
	power = powers(t)
	VPSRLQ(U8(6), t, t)
	VPSLLQ(U8(52), t, t)
	VPADDQ(t, power, power)
	VMULPD(s.float64s(c*c*c/6), d, p)
	VADDPD(s.float64s(c*c/2), p, p)
	VMULPD(d, p, p)
	VADDPD(s.float64s(c), p, p)
	VMULPD(d, p, p)
	VMULPD(power, p, p)
	return power, p
}

// inDoubles writes the function name: out = f(a), computed in float64. The tables are pointers, in the order of their names; the first
// is that of powers.
func (s set) inDoubles(name, doc string, tables []string, f func(powers lookup, tables []Register, x VecVirtual) (y VecVirtual)) {
	name += s.name
	TEXT(name, NOSPLIT, "func(out, a *float32, n int, "+strings.Join(tables, ", ")+")")
	Pragma("noescape")
	Doc(name + " is out = " + doc + ", elementwise.")
	p := cursor{out: Load(Param("out"), GP64()), a: Load(Param("a"), GP64()), n: Load(Param("n"), GP64()), i: GP64()}
	var bases []Register
	for _, t := range tables {
		bases = append(bases, Load(Param(strings.Fields(t)[0]), GP64()))
	}
	powers := s.powers(bases[0])
	p.each(name, func() {
		x := s.widen(p.at(p.a))
		for i := range x {
			x[i] = f(powers, bases[1:], x[i])
		}
		VMOVUPS(s.narrow(x), p.at(p.out))
	})
	VZEROUPPER()
	RET()
}

// Lengths of the tables of coefficients.
const (
	erfTerms  = 7
	erfcTerms = 11
)

// polynomial writes curve.at: that of the coefficients, the highest first, at x.
func (s set) polynomial(coefficients Register, terms int, x VecVirtual) (y VecVirtual) {
	y = s.vector()
	VBROADCASTSD(Mem{Base: coefficients}, y)
	for i := range terms - 1 {
		k := s.vector()
		VBROADCASTSD(Mem{Base: coefficients, Disp: 8 * (i + 1)}, k)
		VMULPD(x, y, y)
		VADDPD(k, y, y)
	}
	return y
}

// erfc writes erfc64, of z, which it leaves.
func (s set) erfc(powers lookup, coefficients Register, z VecVirtual) (y VecVirtual) {
	q := s.vector()
	VMULPD(z, z, q)
	VXORPD(s.int64s(1<<63), q, q)
	power, p := s.expParts(powers, q)
	VADDPD(power, p, p)
	t := s.register(2.5)
	VADDPD(t, z, q)
	VDIVPD(q, t, t)
	VMULPD(t, p, p)
	y = s.polynomial(coefficients, erfcTerms, t)
	VMULPD(y, p, y)
	return y
}

// magnitude writes |x|.
func (s set) magnitude(x VecVirtual) (z VecVirtual) {
	z = s.register(math.Copysign(0, -1))
	VANDNPD(x, z, z)
	return z
}

// atLeast and atMost write max(x, bound) and min(x, bound) into x. The order of the arguments keeps a NaN.
func (s set) atLeast(bound float64, x VecVirtual) { VMAXPD(x, s.register(bound), x) }
func (s set) atMost(bound float64, x VecVirtual)  { VMINPD(x, s.register(bound), x) }

// tanh writes tanh32.
func (s set) tanh() {
	s.inDoubles("tanh", "tanh a", []string{"powers *uint64"}, func(powers lookup, _ []Register, x VecVirtual) VecVirtual {
		s.atLeast(-10, x)
		s.atMost(10, x)
		VADDPD(x, x, x)
		power, e := s.expParts(powers, x)
		VSUBPD(s.float64s(1), power, power)
		VADDPD(e, power, e)
		VADDPD(s.float64s(2), e, power)
		VDIVPD(power, e, e)
		return e
	})
}

// erf writes erf32, both its ways for every element.
func (s set) erf() {
	tables := []string{"powers *uint64", "erfc *float64", "erf *float64"}
	s.inDoubles("erf", "erf a", tables, func(powers lookup, curves []Register, x VecVirtual) VecVirtual {
		z, q := s.magnitude(x), s.vector()
		VMOVAPD(z, q)
		s.atMost(6, q)
		y := s.erfc(powers, curves[0], q)
		far := s.register(1)
		VSUBPD(y, far, far)
		VMULPD(x, x, q)
		near := s.polynomial(curves[1], erfTerms, q)
		VMULPD(near, x, near)
		VANDPD(s.int64s(1<<63), x, q)
		VORPD(q, far, far)
		s.choose(less, s.float64s(1), z, near, far)
		return far
	})
}

// gelu writes gelu32.
func (s set) gelu() {
	tables := []string{"powers *uint64", "erfc *float64"}
	s.inDoubles("gelu", "a·Φ(a)", tables, func(powers lookup, curves []Register, x VecVirtual) VecVirtual {
		s.atLeast(-36, x)
		z, zero := s.magnitude(x), s.vector()
		VMULPD(s.float64s(math.Sqrt2/2), z, z)
		s.atMost(25.5, z)
		e := s.erfc(powers, curves[0], z)
		other := s.register(2)
		VSUBPD(e, other, other)
		VXORPD(zero, zero, zero)
		s.choose(greater, zero, x, other, e)
		VMULPD(s.float64s(.5), x, x)
		VMULPD(x, e, e)
		return e
	})
}

// softplus writes softplusAVX2, by the series of softplus32. It stops at NaN and outside the series.
func softplus() {
	const name, toEighth, end, size = "softplusAVX2", 3 << 22 / 8, 31.9, 5
	p, series := partial(name, "ln(1+e^a)", "series *float32")
	p.each(name, func() {
		x, z, t, d, mask := YMM(), YMM(), YMM(), YMM(), YMM()
		VMOVUPS(p.at(p.a), x)
		VMOVUPS(sign(), z)
		VANDNPS(x, z, z)
		VCMPPS(notLessOrEqual, float32s(end), z, mask)
		p.stop(name, mask)
		VADDPS(float32s(toEighth), z, t)
		VSUBPS(float32s(toEighth), t, d)
		VSUBPS(d, z, d)
		index := YMM()
		VPAND(int32s(255), t, t)
		VPSLLD(U8(2), t, index)
		VPADDD(t, index, index)
		y, k := YMM(), YMM()
		for i := size - 1; i >= 0; i-- {
			ones(mask)
			VGATHERDPS(mask, Mem{Base: series, Disp: 4 * i, Index: index, Scale: 4}, k)
			if i == size-1 {
				VMOVAPS(k, y)
				continue
			}
			VMULPS(d, y, y)
			VADDPS(k, y, y)
		}
		VXORPS(t, t, t)
		VMAXPS(t, x, x)
		VADDPS(x, y, y)
		VMOVUPS(y, p.at(p.out))
	})
	p.done(name)
}
