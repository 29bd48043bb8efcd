// Command _asm writes the AVX2 and AVX-512 loops of package kernel; run it with go generate in that package.
//
// Every loop computes what the Go loop beside its call does, to the bit: the same operations in the same order, without
// fused multiply-adds. It takes n elements, a multiple of eight, or of sixteen where it draws random numbers.
package main

import (
	"fmt"
	"math"

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
	exponentials()
	random()
	transpose()
	fours()
	bools()
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

// float32s is a vector of x, int32s and int64s are of the bits of i.
func float32s(x float64) Mem { return int32s(math.Float32bits(float32(x))) }
func int32s(i uint32) Mem    { return vector(fmt.Sprintf("%x", i), width, U32(i)) }
func int64s(i uint64) Mem    { return vector(fmt.Sprintf("%x", i), width/2, U64(i)) }

// sign is the sign bit of each element.
func sign() Mem { return int32s(1 << 31) }

// ones fills a vector with set bits: the mask of a gather, which every gather clears.
func ones(v VecVirtual) { VPCMPEQD(v, v, v) }

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
