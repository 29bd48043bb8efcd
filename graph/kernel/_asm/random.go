package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// random writes the loops that draw.
func random() {
	draw("uniform", "uniform numbers in [0, 1)", func(out Register, words [4]VecVirtual) {
		first, second := YMM(), YMM()
		for _, pair := range [][]VecVirtual{words[:2], words[2:]} {
			VPSLLQ(U8(32), pair[1], pair[1])
			VPBLENDD(U8(0xaa), pair[1], pair[0], pair[0])
		}
		VPUNPCKLQDQ(words[2], words[0], first)
		VPUNPCKHQDQ(words[2], words[0], second)
		for i, y := range []VecVirtual{first, second} {
			VPSRLD(U8(8), y, y)
			VCVTDQ2PS(y, y)
			VMULPS(float32s(0x1p-24), y, y)
			VMOVUPS(y, Mem{Base: out, Disp: 32 * i})
		}
	})
	draw("normal", "standard normal numbers", func(out Register, words [4]VecVirtual) {
		var y [4]VecVirtual
		for i := 0; i < 4; i += 2 {
			y[i], y[i+1] = normals(words[i], words[i+1])
		}
		var pairs [4]VecVirtual // of the low and the high two blocks, numbers 0 and 1, then 2 and 3
		for i := range pairs {
			pairs[i] = XMM()
		}
		for i := 0; i < 4; i += 2 {
			VUNPCKLPS(y[i+1], y[i], pairs[i])
			VUNPCKHPS(y[i+1], y[i], pairs[i+1])
		}
		block := XMM()
		for i := range 2 {
			VUNPCKLPD(pairs[2+i], pairs[i], block)
			VMOVUPS(block, Mem{Base: out, Disp: 16 * i})
			VUNPCKHPD(pairs[2+i], pairs[i], block)
			VMOVUPS(block, Mem{Base: out, Disp: 16 * (i + 2)})
		}
	})
}

// draw writes the function name: four blocks of random words at a time, by the method of philox, and what finish makes of them. A
// word is in the low half of an element of 64 bits, of whose high half a product of 32 bits makes nothing. The blocks are in the
// order 0, 2, 1, 3, so that joining the words of two blocks gives two blocks that follow each other.
func draw(name, doc string, finish func(out Register, words [4]VecVirtual)) {
	name += "AVX2"
	TEXT(name, NOSPLIT, "func(out *float32, n int, block, step, seed uint64)")
	Pragma("noescape")
	Doc(name+" fills out with n "+doc+", n a multiple of sixteen and not 0, from the block of that number on.",
		"The step is that of the counter, with the stream.")
	out, n := Load(Param("out"), GP64()), Load(Param("n"), GP64())
	block, step, seed := parameter("block"), parameter("step"), parameter("seed")
	VPADDQ(order(), block, block)

	Label("next")
	w := [4]VecVirtual{YMM(), YMM(), YMM(), YMM()}
	VMOVDQA(block, w[0])
	VPSRLQ(U8(32), block, w[1])
	VMOVDQA(step, w[2])
	VPSRLQ(U8(32), step, w[3])
	keys := [2]VecVirtual{YMM(), YMM()}
	VMOVDQA(seed, keys[0])
	VPSRLQ(U8(32), seed, keys[1])
	p0, p1 := YMM(), YMM()
	for round := range 10 {
		if round > 0 {
			VPADDD(int64s(0x9E3779B9), keys[0], keys[0])
			VPADDD(int64s(0xBB67AE85), keys[1], keys[1])
		}
		VPMULUDQ(int64s(0xD2511F53), w[0], p0)
		VPMULUDQ(int64s(0xCD9E8D57), w[2], p1)
		VPSRLQ(U8(32), p1, w[0])
		VPXOR(w[1], w[0], w[0])
		VPXOR(keys[0], w[0], w[0])
		VPSRLQ(U8(32), p0, w[2])
		VPXOR(w[3], w[2], w[2])
		VPXOR(keys[1], w[2], w[2])
		VMOVDQA(p1, w[1])
		VMOVDQA(p0, w[3])
	}
	finish(out, w)
	VPADDQ(int64s(4), block, block)
	ADDQ(Imm(64), out)
	SUBQ(Imm(16), n)
	JGT(LabelRef("next"))
	VZEROUPPER()
	RET()
}

// order is the vector of 0, 2, 1 and 3.
func order() Mem {
	const name = "const_order"
	m, ok := constants[name]
	if !ok {
		m = GLOBL(name, RODATA|NOPTR)
		for i, x := range []uint64{0, 2, 1, 3} {
			DATA(8*i, U64(x))
		}
		constants[name] = m
	}
	return m
}

// parameter writes a vector of the parameter of that name, of 64 bits.
func parameter(name string) (v VecVirtual) {
	addr, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	v = YMM()
	VPBROADCASTQ(addr.Addr, v)
	return v
}

// normals writes two normal numbers of each two words, by the method of normal32.
func normals(a, b VecVirtual) (x, y VecVirtual) {
	const (
		sqrtHalf = 0x3fe6a09e667f3bcd
		whole    = 0x4330000000000000 // the bits of 2⁵²: with an integer below that in the low bits, of the sum
	)
	VPSLLQ(U8(32), a, a)
	VPSRLQ(U8(39), a, a)
	VPOR(int64s(1), a, a)
	VPOR(int64s(whole), a, a)
	VSUBPD(doubles(0x1p52), a, a)
	k, power := YMM(), YMM()
	VPSUBQ(int64s(sqrtHalf), a, k)
	VPSRLQ(U8(52), k, k)
	VPSLLQ(U8(52), k, power)
	VPSUBQ(power, a, a)
	s, s2, r := YMM(), YMM(), YMM()
	VSUBPD(doubles(1), a, s)
	VADDPD(doubles(1), a, a)
	VDIVPD(a, s, s)
	VMULPD(s, s, s2)
	VMULPD(doubles(1./9), s2, r)
	for _, c := range []float64{1. / 7, 1. / 5, 1. / 3} {
		VADDPD(doubles(c), r, r)
		VMULPD(s2, r, r)
	}
	VADDPD(doubles(1), r, r)
	VMULPD(s, r, r)
	VMULPD(doubles(4), r, r)
	VPOR(int64s(whole), k, k)
	radius := YMM()
	VMOVUPD(doubles(0x1p52+25), radius)
	VSUBPD(k, radius, radius)
	VMULPD(doubles(2*math.Ln2), radius, radius)
	VSUBPD(r, radius, radius)
	VSQRTPD(radius, radius)

	q, t, t2 := YMM(), YMM(), YMM()
	VPSLLQ(U8(32), b, b)
	VPSRLQ(U8(40), b, b)
	VPADDQ(int64s(1<<21), b, q)
	VPSRLQ(U8(22), q, q)
	VPSLLQ(U8(22), q, t)
	VPOR(int64s(whole), t, t)
	VPOR(int64s(whole), b, b)
	VSUBPD(t, b, t)
	VMULPD(doubles(2*math.Pi/(1<<24)), t, t)
	VMULPD(t, t, t2)
	sin, cos := YMM(), YMM()
	series(sin, t2, 1, 1./6, 1./120, 1./5040, 1./362880)
	VMULPD(t, sin, sin)
	series(cos, t2, 1, 1./2, 1./24, 1./720, 1./40320, 1./3628800)

	odd, flip := YMM(), YMM()
	VPSLLQ(U8(63), q, odd)
	first, second := YMM(), YMM()
	VBLENDVPD(odd, sin, cos, first)
	VBLENDVPD(odd, cos, sin, second)
	VPSLLQ(U8(62), q, flip)
	VPAND(int64s(1<<63), flip, flip)
	VXORPD(flip, second, second)
	VPADDQ(int64s(1), q, q)
	VPSLLQ(U8(62), q, flip)
	VPAND(int64s(1<<63), flip, flip)
	VXORPD(flip, first, first)
	VMULPD(radius, first, first)
	VMULPD(radius, second, second)
	x, y = XMM(), XMM()
	VCVTPD2PSY(first, x)
	VCVTPD2PSY(second, y)
	return x, y
}

// series writes c0 − x·(c1 − x·(c2 − ...)).
func series(y, x VecVirtual, c ...float64) {
	last := len(c) - 1
	VMULPD(doubles(c[last]), x, y)
	for i := last - 1; i >= 0; i-- {
		term := YMM()
		VMOVUPD(doubles(c[i]), term)
		VSUBPD(y, term, y)
		if i > 0 {
			VMULPD(x, y, y)
		}
	}
}

// doubles is a vector of x.
func doubles(x float64) Mem { return int64s(math.Float64bits(x)) }
