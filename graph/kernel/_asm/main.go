// Command _asm writes the AVX2 loops of package kernel; run it with go generate in that package.
//
// Every loop computes what the Go loop beside its call does, to the bit: the same operations in the same order, without
// fused multiply-adds. It takes n elements, a multiple of eight.
package main

import (
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
	sum("sum", "Σ a", func(a Register, _ Mem) VecVirtual { return a.(VecVirtual) })
	sum("dot", "Σ a·b", func(a Register, b Mem) VecVirtual {
		VMULPS(b, a, a)
		return a.(VecVirtual)
	})
	finite()
	Generate()
}

// Predicates of VCMPPS: false for NaN, except the last.
const (
	less           = U8(0x11)
	greater        = U8(0x1e)
	notLessOrEqual = U8(0x16)
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
