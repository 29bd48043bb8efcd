// Command _asm writes the AVX2 loops of package kernel; run it with go generate in that package.
//
// Every loop computes what the Go loop beside its call does, to the bit: the same operations in the same order, without
// fused multiply-adds. It takes n elements, a multiple of eight.
package main

import (
	"fmt"
	"math"
	"strings"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// width is the number of float32 in a vector.
const width = 8

func main() {
	ConstraintExpr("amd64")

	loop("add", "a + b", func(v operands) { VADDPS(v.b(), v.a, v.y) })
	loop("sub", "a − b", func(v operands) { VSUBPS(v.b(), v.a, v.y) })
	loop("mul", "a · b", func(v operands) { VMULPS(v.b(), v.a, v.y) })
	loop("div", "a / b", func(v operands) { VDIVPS(v.b(), v.a, v.y) })
	loop("lerp", "a + c·(b − a)", func(v operands) {
		t := YMM()
		VMOVUPS(v.b(), t)
		VSUBPS(v.a, t, t)
		VMULPS(v.c, t, t)
		VADDPS(t, v.a, v.y)
	})
	loop("shift", "a + c", func(v operands) { VADDPS(v.c, v.a, v.y) })
	loop("scale", "a · c", func(v operands) { VMULPS(v.c, v.a, v.y) })
	loop("over", "a / c", func(v operands) { VDIVPS(v.c, v.a, v.y) })
	loop("from", "c − a", func(v operands) { VSUBPS(v.a, v.c, v.y) })
	loop("into", "c / a", func(v operands) { VDIVPS(v.a, v.c, v.y) })
	loop("square", "a²", func(v operands) { VMULPS(v.a, v.a, v.y) })
	loop("sqrt", "√a", func(v operands) { VSQRTPS(v.a, v.y) })
	loop("relu", "max(a, 0)", func(v operands) {
		VCMPPS(notLessOrEqual, v.zero, v.a, v.y)
		VANDPS(v.a, v.y, v.y)
	})
	loop("leakyReLU", "a, times c below 0", func(v operands) {
		t := YMM()
		VMULPS(v.c, v.a, t)
		VCMPPS(less, v.zero, v.a, v.y)
		VBLENDVPS(v.y, t, v.a, v.y)
	})
	loop("step", "c above 0, else 0", func(v operands) {
		VCMPPS(greater, v.zero, v.a, v.y)
		VANDPS(v.c, v.y, v.y)
	})
	fill()
	sum("sum", "Σ a", func(a Register, _ Mem) VecVirtual { return a.(VecVirtual) })
	sum("dot", "Σ a·b", func(a Register, b Mem) VecVirtual {
		VMULPS(b, a, a)
		return a.(VecVirtual)
	})
	finite()
	exponential("exp", "e^a", false, func(a Mem, y VecVirtual) {})
	exponential("sigmoid", "1/(1+e^−a)", true, func(a Mem, y VecVirtual) {
		one := YMM()
		VMOVUPS(float32s(1), one)
		VADDPS(one, y, y)
		VDIVPS(y, one, y)
	})
	exponential("silu", "a/(1+e^−a)", true, func(a Mem, y VecVirtual) {
		x := YMM()
		VMOVUPS(a, x)
		VADDPS(float32s(1), y, y)
		VDIVPS(y, x, y)
	})
	softplus()
	tanh()
	erf()
	gelu()
	transpose()
	fours()
	spinPause()
	Generate()
}

// Predicates of VCMPPS: false for NaN, except the last two.
const (
	less           = U8(0x11)
	greaterOrEqual = U8(0x1d)
	greater        = U8(0x1e)
	notLessOrEqual = U8(0x16)
	unordered      = U8(0x03)
)

// operands are those of one step of a loop.
type operands struct {
	a, c, zero, y VecVirtual
	at            Mem
}

// b is the second operand, in memory.
func (v operands) b() Mem { return v.at }

// cursor is a position in a loop over n elements.
type cursor struct{ a, b, out, n, i Register }

// each writes a loop whose body handles the vector at c.i.
func (c cursor) each(name string, body func()) {
	XORQ(c.i, c.i)
	JMP(LabelRef(name + "Test"))
	Label(name + "Next")
	body()
	ADDQ(Imm(width), c.i)
	Label(name + "Test")
	CMPQ(c.i, c.n)
	JLT(LabelRef(name + "Next"))
}

func (c cursor) at(base Register) Mem { return Mem{Base: base, Index: c.i, Scale: 4} }

// loop writes the function name: out[i] = f(a[i], b[i], c).
func loop(name, doc string, f func(operands)) {
	TEXT(name+"AVX2", NOSPLIT, "func(out, a, b *float32, n int, c float32)")
	Pragma("noescape")
	Doc(name + "AVX2 is out = " + doc + ", elementwise.")
	p := cursor{
		out: Load(Param("out"), GP64()), a: Load(Param("a"), GP64()), b: Load(Param("b"), GP64()),
		n: Load(Param("n"), GP64()), i: GP64(),
	}
	v := operands{a: YMM(), c: YMM(), zero: YMM(), y: YMM(), at: p.at(p.b)}
	addr, err := Param("c").Resolve()
	if err != nil {
		panic(err)
	}
	VBROADCASTSS(addr.Addr, v.c)
	VXORPS(v.zero, v.zero, v.zero)
	p.each(name, func() {
		VMOVUPS(p.at(p.a), v.a)
		f(v)
		VMOVUPS(v.y, p.at(p.out))
	})
	VZEROUPPER()
	RET()
}

// sum writes the function name: the total of f(a[i], b[i]) in eight running sums s0 to s7, which are added in pairs.
func sum(name, doc string, f func(a Register, b Mem) VecVirtual) {
	TEXT(name+"AVX2", NOSPLIT, "func(a, b *float32, n int) float32")
	Pragma("noescape")
	Doc(name + "AVX2 is " + doc + ", in eight running sums that are added in pairs.")
	p := cursor{a: Load(Param("a"), GP64()), b: Load(Param("b"), GP64()), n: Load(Param("n"), GP64()), i: GP64()}
	total, a := YMM(), YMM()
	VXORPS(total, total, total)
	p.each(name, func() {
		VMOVUPS(p.at(p.a), a)
		VADDPS(f(a, p.at(p.b)), total, total)
	})
	VHADDPS(total, total, total) // s0+s1, s2+s3, ... and s4+s5, s6+s7, ... in the upper half
	VHADDPS(total, total, total)
	low, high := XMM(), XMM()
	VEXTRACTF128(Imm(0), total, low)
	VEXTRACTF128(Imm(1), total, high)
	VADDSS(high, low, low)
	Store(low, ReturnIndex(0))
	VZEROUPPER()
	RET()
}

// fill writes fillAVX2.
func fill() {
	TEXT("fillAVX2", NOSPLIT, "func(out *float32, n int, c float32)")
	Pragma("noescape")
	Doc("fillAVX2 is out = c.")
	p := cursor{out: Load(Param("out"), GP64()), n: Load(Param("n"), GP64()), i: GP64()}
	addr, err := Param("c").Resolve()
	if err != nil {
		panic(err)
	}
	y := YMM()
	VBROADCASTSS(addr.Addr, y)
	p.each("fill", func() { VMOVUPS(y, p.at(p.out)) })
	VZEROUPPER()
	RET()
}

// finite writes finiteAVX2: a − a is 0 for a finite a, else NaN.
func finite() {
	TEXT("finiteAVX2", NOSPLIT, "func(a *float32, n int) bool")
	Pragma("noescape")
	Doc("finiteAVX2 reports whether no element of a is NaN or infinite.")
	p := cursor{a: Load(Param("a"), GP64()), n: Load(Param("n"), GP64()), i: GP64()}
	bad, a := YMM(), YMM()
	VXORPS(bad, bad, bad)
	p.each("finite", func() {
		VMOVUPS(p.at(p.a), a)
		VSUBPS(a, a, a)
		VORPS(a, bad, bad)
	})
	ok := GP8()
	VPTEST(bad, bad)
	SETEQ(ok)
	Store(ok, ReturnIndex(0))
	VZEROUPPER()
	RET()
}

// constants are the vectors of one number each that the functions share, by name.
var constants = map[string]Mem{}

// vector is a constant of 32 bytes: count times x.
func vector(name string, count int, x Constant) Mem {
	name = fmt.Sprintf("%s_%s_%d", "const", name, count)
	m, ok := constants[name]
	if !ok {
		m = GLOBL(name, RODATA|NOPTR)
		for i := range count {
			DATA(i*32/count, x)
		}
		constants[name] = m
	}
	return m
}

// float32s and float64s are vectors of x, int32s and int64s of the bits of i.
func float32s(x float64) Mem { return int32s(math.Float32bits(float32(x))) }
func float64s(x float64) Mem { return int64s(math.Float64bits(x)) }
func int32s(i uint32) Mem    { return vector(fmt.Sprintf("%x", i), width, U32(i)) }
func int64s(i uint64) Mem    { return vector(fmt.Sprintf("%x", i), width/2, U64(i)) }

// sign is the sign bit of each element.
func sign() Mem { return int32s(1 << 31) }

// ones fills a vector with set bits: the mask of a gather, which every gather clears.
func ones(v VecVirtual) { VPCMPEQD(v, v, v) }

// partial begins the function name, which may stop before n, and returns what its end must store as the result.
func partial(name, doc, table string) (p cursor, base Register) {
	TEXT(name+"AVX2", NOSPLIT, "func(out, a *float32, n int, "+table+") int")
	Pragma("noescape")
	Doc(name+"AVX2 is out = "+doc+", elementwise, up to the first vector with an element that it cannot do. It returns", "how many elements are done.")
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
func exponential(name, doc string, negate bool, finish func(a Mem, y VecVirtual)) {
	p, powers := partial(name, doc, "powers *uint64")
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
		y := YMM()
		var halves [2]VecVirtual
		for i := range halves {
			half, x := XMM(), YMM()
			VEXTRACTF128(U8(i), a, half)
			VCVTPS2PD(half, x)
			s, q := expParts(powers, x)
			VADDPD(s, q, q)
			halves[i] = XMM()
			VCVTPD2PSY(q, halves[i])
		}
		VINSERTF128(U8(1), halves[1], halves[0].AsY(), y)
		VCMPPS(less, float32s(-87), a, mask)
		VANDNPS(y, mask, y)
		finish(p.at(p.a), y)
		VMOVUPS(y, p.at(p.out))
	})
	p.done(name)
}

// toWhole is that of the Go code.
const toWhole = 3 << 51

// expParts writes the Go function of that name, for four numbers x, which it uses up.
func expParts(powers Register, x VecVirtual) (s, p VecVirtual) {
	const c = math.Ln2 / 64
	t, d, index, m := YMM(), YMM(), YMM(), YMM()
	s, p = YMM(), YMM()
	VMULPD(float64s(1/c), x, x)
	VADDPD(float64s(toWhole), x, t)
	VSUBPD(float64s(toWhole), t, d)
	VSUBPD(d, x, d)
	VPAND(int64s(63), t, index)
	ones(m)
	VGATHERQPD(m, Mem{Base: powers, Index: index, Scale: 8}, s)
	VPSRLQ(U8(6), t, t)
	VPSLLQ(U8(52), t, t)
	VPADDQ(t, s, s)
	VMULPD(float64s(c*c*c/6), d, p)
	VADDPD(float64s(c*c/2), p, p)
	VMULPD(d, p, p)
	VADDPD(float64s(c), p, p)
	VMULPD(d, p, p)
	VMULPD(s, p, p)
	return s, p
}

// doubles writes the function name: out = f(a), computed in float64, four elements at a time. The tables are pointers, in the order of
// their names.
func doubles(name, doc string, tables []string, f func(tables []Register, x VecVirtual) (y VecVirtual)) {
	TEXT(name+"AVX2", NOSPLIT, "func(out, a *float32, n int, "+strings.Join(tables, ", ")+")")
	Pragma("noescape")
	Doc(name + "AVX2 is out = " + doc + ", elementwise.")
	p := cursor{out: Load(Param("out"), GP64()), a: Load(Param("a"), GP64()), n: Load(Param("n"), GP64()), i: GP64()}
	var bases []Register
	for _, t := range tables {
		bases = append(bases, Load(Param(strings.Fields(t)[0]), GP64()))
	}
	p.each(name, func() {
		for half := range 2 {
			x, y := YMM(), XMM()
			VCVTPS2PD(p.at(p.a).Offset(16*half), x)
			VCVTPD2PSY(f(bases, x), y)
			VMOVUPS(y, p.at(p.out).Offset(16*half))
		}
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
func polynomial(coefficients Register, terms int, x VecVirtual) (y VecVirtual) {
	y = YMM()
	VBROADCASTSD(Mem{Base: coefficients}, y)
	for i := range terms - 1 {
		k := YMM()
		VBROADCASTSD(Mem{Base: coefficients, Disp: 8 * (i + 1)}, k)
		VMULPD(x, y, y)
		VADDPD(k, y, y)
	}
	return y
}

// erfc writes erfc64, of z, which it leaves.
func erfc(powers, coefficients Register, z VecVirtual) (y VecVirtual) {
	q, t := YMM(), YMM()
	VMULPD(z, z, q)
	VXORPD(int64s(1<<63), q, q)
	s, p := expParts(powers, q)
	VADDPD(s, p, p)
	VMOVUPD(float64s(2.5), t)
	VADDPD(t, z, q)
	VDIVPD(q, t, t)
	VMULPD(t, p, p)
	y = polynomial(coefficients, erfcTerms, t)
	VMULPD(y, p, y)
	return y
}

// magnitude writes |x|.
func magnitude(x VecVirtual) (z VecVirtual) {
	z = YMM()
	VMOVUPD(int64s(1<<63), z)
	VANDNPD(x, z, z)
	return z
}

// tanh writes tanh32. The order of the arguments of VMINPD and VMAXPD keeps a NaN, here and below.
func tanh() {
	doubles("tanh", "tanh a", []string{"powers *uint64"}, func(tables []Register, x VecVirtual) VecVirtual {
		bound := YMM()
		VMOVUPD(float64s(-10), bound)
		VMAXPD(x, bound, x)
		VMOVUPD(float64s(10), bound)
		VMINPD(x, bound, x)
		VADDPD(x, x, x)
		s, e := expParts(tables[0], x)
		VSUBPD(float64s(1), s, s)
		VADDPD(e, s, e)
		VADDPD(float64s(2), e, s)
		VDIVPD(s, e, e)
		return e
	})
}

// erf writes erf32, both its ways for every element.
func erf() {
	doubles("erf", "erf a", []string{"powers *uint64", "erfc *float64", "erf *float64"}, func(tables []Register, x VecVirtual) VecVirtual {
		z, q, bound, mask := magnitude(x), YMM(), YMM(), YMM()
		VCMPPD(less, float64s(1), z, mask)
		VMOVUPD(float64s(6), bound)
		VMINPD(z, bound, z)
		far := erfc(tables[0], tables[1], z)
		VMOVUPD(float64s(1), bound)
		VSUBPD(far, bound, far)
		VMULPD(x, x, q)
		near := polynomial(tables[2], erfTerms, q)
		VMULPD(near, x, near)
		VANDPD(int64s(1<<63), x, q)
		VORPD(q, far, far)
		VBLENDVPD(mask, near, far, far)
		return far
	})
}

// gelu writes gelu32.
func gelu() {
	doubles("gelu", "a·Φ(a)", []string{"powers *uint64", "erfc *float64"}, func(tables []Register, x VecVirtual) VecVirtual {
		bound, mask, other := YMM(), YMM(), YMM()
		VMOVUPD(float64s(-36), bound)
		VMAXPD(x, bound, x)
		z := magnitude(x)
		VMULPD(float64s(math.Sqrt2/2), z, z)
		VMOVUPD(float64s(25.5), bound)
		VMINPD(z, bound, z)
		e := erfc(tables[0], tables[1], z)
		VMOVUPD(float64s(2), other)
		VSUBPD(e, other, other)
		VXORPD(bound, bound, bound)
		VCMPPD(greater, bound, x, mask)
		VBLENDVPD(mask, other, e, e)
		VMULPD(float64s(.5), x, x)
		VMULPD(x, e, e)
		return e
	})
}

// softplus writes softplusAVX2, by the series of softplus32. It stops at NaN and outside the series.
func softplus() {
	const name, toEighth, end, size = "softplus", 3 << 22 / 8, 31.9, 5
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

// transpose writes transposeAVX2. A vector of it holds four elements of line i and four of line i+4, so that transposing 4×4
// elements in each half is all there is to do.
func transpose() {
	const half = width / 2
	TEXT("transposeAVX2", NOSPLIT, "func(dst *float32, ldd int, src *float32, lds, n int)")
	Pragma("noescape")
	Doc("transposeAVX2 writes the elements i of eight lines side by side to dst[i·ldd], for i < n, a multiple of four. The lines are",
		"lds elements apart in src.")
	dst, src, n := Load(Param("dst"), GP64()), Load(Param("src"), GP64()), Load(Param("n"), GP64())
	ldd, lds := Load(Param("ldd"), GP64()), Load(Param("lds"), GP64())
	SHLQ(Imm(2), ldd)
	SHLQ(Imm(2), lds)
	three, fourth := GP64(), GP64()
	LEAQ(Mem{Base: lds, Index: lds, Scale: 2}, three)
	LEAQ(Mem{Base: src, Index: lds, Scale: half}, fourth)
	line := func(base Register, i int) Mem {
		switch i {
		case 0:
			return Mem{Base: base}
		case 3:
			return Mem{Base: base, Index: three, Scale: 1}
		}
		return Mem{Base: base, Index: lds, Scale: uint8(i)}
	}
	Label("next")
	var x, t [half]VecVirtual
	for i := range x {
		x[i] = YMM()
		VMOVUPS(line(src, i), x[i].AsX())
		VINSERTF128(Imm(1), line(fourth, i), x[i], x[i])
	}
	for i := range t {
		t[i] = YMM()
	}
	VUNPCKLPS(x[1], x[0], t[0])
	VUNPCKHPS(x[1], x[0], t[1])
	VUNPCKLPS(x[3], x[2], t[2])
	VUNPCKHPS(x[3], x[2], t[3])
	VUNPCKLPD(t[2], t[0], x[0])
	VUNPCKHPD(t[2], t[0], x[1])
	VUNPCKLPD(t[3], t[1], x[2])
	VUNPCKHPD(t[3], t[1], x[3])
	for i := range x {
		VMOVUPS(x[i], Mem{Base: dst})
		ADDQ(ldd, dst)
	}
	ADDQ(Imm(4*half), src)
	ADDQ(Imm(4*half), fourth)
	SUBQ(Imm(half), n)
	JNZ(LabelRef("next"))
	VZEROUPPER()
	RET()
}

// spinPause writes the function of that name.
func spinPause() {
	TEXT("spinPause", NOSPLIT, "func()")
	Doc("spinPause tells the CPU that it waits in a loop.")
	for range 4 {
		PAUSE()
	}
	RET()
}
