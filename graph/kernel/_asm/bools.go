package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// bools writes the loops from floats to bools, which are bytes of 0 and 1, and from bools to floats. The operands of comparisons and of a
// choice have a step of 32 bytes each, or one of 0 at eight equal elements.
func bools() {
	compare("equal", "a = b", U8(0x00))
	compare("notEqual", "a ≠ b, true for NaN", U8(0x04))
	compare("less", "a < b", less)
	compare("lessEqual", "a ≤ b", U8(0x12))
	logic("and", "a and b", func(b Mem, y Register) { ANDQ(b, y) })
	logic("or", "a or b", func(b Mem, y Register) { ORQ(b, y) })
	logic("differ", "either a or b", func(b Mem, y Register) { XORQ(b, y) })
	choose()
	flags()
	keep()
	most()
}

// compare writes the function name.
func compare(name, doc string, predicate Op) {
	TEXT(name+"AVX2", NOSPLIT, "func(out *bool, a, b *float32, n, stepA, stepB int)")
	Pragma("noescape")
	Doc(name + "AVX2 is out = " + doc + ", elementwise. A step is that of an operand, in bytes.")
	p := cursor{out: Load(Param("out"), GP64()), a: Load(Param("a"), GP64()), b: Load(Param("b"), GP64()), n: Load(Param("n"), GP64()), i: GP64()}
	stepA, stepB := Load(Param("stepA"), GP64()), Load(Param("stepB"), GP64())
	one, y, high := XMM(), YMM(), XMM()
	VMOVDQU(vector("bytes", 4, U64(0x0101010101010101)), one)
	p.each(name, func() {
		VMOVUPS(Mem{Base: p.a}, y)
		VCMPPS(predicate, Mem{Base: p.b}, y, y)
		VEXTRACTI128(Imm(1), y, high)
		VPACKSSDW(high, y.AsX(), high)
		VPACKSSWB(high, high, high)
		VPAND(one, high, high)
		VMOVQ(high, Mem{Base: p.out, Index: p.i, Scale: 1})
		ADDQ(stepA, p.a)
		ADDQ(stepB, p.b)
	})
	VZEROUPPER()
	RET()
}

// logic writes the function name.
func logic(name, doc string, f func(b Mem, y Register)) {
	TEXT(name+"AVX2", NOSPLIT, "func(out, a, b *bool, n, stepB int)")
	Pragma("noescape")
	Doc(name + "AVX2 is out = " + doc + ", elementwise. The step is that of b, in bytes.")
	p := cursor{out: Load(Param("out"), GP64()), a: Load(Param("a"), GP64()), b: Load(Param("b"), GP64()), n: Load(Param("n"), GP64()), i: GP64()}
	stepB, y := Load(Param("stepB"), GP64()), GP64()
	p.each(name, func() {
		MOVQ(Mem{Base: p.a, Index: p.i, Scale: 1}, y)
		f(Mem{Base: p.b}, y)
		MOVQ(y, Mem{Base: p.out, Index: p.i, Scale: 1})
		ADDQ(stepB, p.b)
	})
	RET()
}

// choose writes whereAVX2.
func choose() {
	TEXT("whereAVX2", NOSPLIT, "func(out *float32, condition *bool, a, b *float32, n, stepA, stepB int)")
	Pragma("noescape")
	Doc("whereAVX2 is out = a where the condition holds, else b, elementwise. A step is that of an operand, in bytes.")
	p := cursor{out: Load(Param("out"), GP64()), a: Load(Param("a"), GP64()), b: Load(Param("b"), GP64()), n: Load(Param("n"), GP64()), i: GP64()}
	condition, stepA, stepB := Load(Param("condition"), GP64()), Load(Param("stepA"), GP64()), Load(Param("stepB"), GP64())
	c, a, b := YMM(), YMM(), YMM()
	p.each("where", func() {
		VPMOVZXBD(Mem{Base: condition, Index: p.i, Scale: 1}, c)
		VPSLLD(U8(31), c, c)
		VMOVUPS(Mem{Base: p.a}, a)
		VMOVUPS(Mem{Base: p.b}, b)
		VBLENDVPS(c, a, b, b)
		VMOVUPS(b, p.at(p.out))
		ADDQ(stepA, p.a)
		ADDQ(stepB, p.b)
	})
	VZEROUPPER()
	RET()
}

// flags writes flagsAVX2.
func flags() {
	TEXT("flagsAVX2", NOSPLIT, "func(out *float32, a *bool, n int)")
	Pragma("noescape")
	Doc("flagsAVX2 is out = 1 where a holds, else 0.")
	p := cursor{out: Load(Param("out"), GP64()), a: Load(Param("a"), GP64()), n: Load(Param("n"), GP64()), i: GP64()}
	y := YMM()
	p.each("flags", func() {
		VPMOVZXBD(Mem{Base: p.a, Index: p.i, Scale: 1}, y)
		VCVTDQ2PS(y, y)
		VMOVUPS(y, p.at(p.out))
	})
	VZEROUPPER()
	RET()
}

// keep writes keepAVX2.
func keep() {
	TEXT("keepAVX2", NOSPLIT, "func(out, a, u *float32, n int, limit, c float32)")
	Pragma("noescape")
	Doc("keepAVX2 is out = 0 where u is below the limit, else a · c, elementwise.")
	p := cursor{out: Load(Param("out"), GP64()), a: Load(Param("a"), GP64()), b: Load(Param("u"), GP64()), n: Load(Param("n"), GP64()), i: GP64()}
	scalar := func(name string) VecVirtual {
		addr, err := Param(name).Resolve()
		if err != nil {
			panic(err)
		}
		v := YMM()
		VBROADCASTSS(addr.Addr, v)
		return v
	}
	limit, c := scalar("limit"), scalar("c")
	y, drop := YMM(), YMM()
	p.each("keep", func() {
		VMOVUPS(p.at(p.b), drop)
		VCMPPS(less, limit, drop, drop)
		VMULPS(p.at(p.a), c, y)
		VANDNPS(y, drop, y)
		VMOVUPS(y, p.at(p.out))
	})
	VZEROUPPER()
	RET()
}

// most writes maxAVX2.
func most() {
	TEXT("maxAVX2", NOSPLIT, "func(a *float32, n int) (most float32, ok bool)")
	Pragma("noescape")
	Doc("maxAVX2 is the largest element of a, n a multiple of eight and not 0; it is not ok if one is NaN.")
	p := cursor{a: Load(Param("a"), GP64()), n: Load(Param("n"), GP64()), i: GP64()}
	top, bad, a := YMM(), YMM(), YMM()
	VMOVUPS(Mem{Base: p.a}, top)
	VXORPS(bad, bad, bad)
	p.each("max", func() {
		VMOVUPS(p.at(p.a), a)
		VMAXPS(a, top, top)
		VCMPPS(unordered, a, a, a)
		VORPS(a, bad, bad)
	})
	low, high := XMM(), XMM()
	VEXTRACTF128(Imm(0), top, low)
	VEXTRACTF128(Imm(1), top, high)
	VMAXPS(high, low, low)
	VPERMILPS(U8(0x4e), low, high)
	VMAXPS(high, low, low)
	VPERMILPS(U8(0xb1), low, high)
	VMAXPS(high, low, low)
	ok := GP8()
	VPTEST(bad, bad)
	SETEQ(ok)
	Store(low, ReturnIndex(0))
	Store(ok, ReturnIndex(1))
	VZEROUPPER()
	RET()
}
