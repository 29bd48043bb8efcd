package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// fours writes the loops over windows of two rows and two columns side by side: eight windows are two vectors of either row. What is
// left at the end is read and written under masks.
func fours() {
	edge := GLOBL("edge", RODATA|NOPTR) // 16 lanes that count, and 16 that do not
	for i := range 4 * width {
		if i < 2*width {
			DATA(4*i, U32(0xffffffff))
		} else {
			DATA(4*i, U32(0))
		}
	}

	TEXT("maxFoursAVX2", NOSPLIT, "func(out, r0, r1 *float32, n int)")
	Pragma("noescape")
	Doc("maxFoursAVX2 is the largest of each of n windows of two columns of the rows r0 and r1, NaN if one is NaN.")
	out, r0, r1 := Load(Param("out"), GP64()), Load(Param("r0"), GP64()), Load(Param("r1"), GP64())
	windows("maxFours", edge, []Register{r0, r1}, []Register{out}, func(m masks) {
		a, b := m.pairs(r0)
		c, d := m.pairs(r1)
		m.write(inOrder(larger(larger(a, b), larger(c, d))), out, 0, m.each)
	})

	TEXT("scatterFoursAVX2", NOSPLIT, "func(d0, d1, r0, r1, slopes *float32, n int)")
	Pragma("noescape")
	Doc("scatterFoursAVX2 writes, for each of n windows of two columns of the rows r0 and r1, the element of slopes to where the largest is, the",
		"first of equals, and zeros elsewhere: to the rows d0 and d1.")
	d0, d1, g := Load(Param("d0"), GP64()), Load(Param("d1"), GP64()), Load(Param("slopes"), GP64())
	r0, r1 = Load(Param("r0"), GP64()), Load(Param("r1"), GP64())
	windows("scatterFours", edge, []Register{r0, r1, d0, d1}, []Register{g}, func(m masks) {
		best, b := m.pairs(r0)
		c, d := m.pairs(r1)
		var larger [3]VecVirtual // whether the second, third and fourth element is larger than all before
		for i, x := range []VecVirtual{b, c, d} {
			larger[i] = YMM()
			VCMPPS(greater, best, x, larger[i])
			VBLENDVPS(larger[i], x, best, best)
		}
		rest, zero := inOrder(m.read(g, 0, m.each)), YMM()
		VXORPS(zero, zero, zero)
		VADDPS(zero, rest, rest) // as added to a 0: there is no −0
		parts := [4]VecVirtual{rest}
		for i := 2; i >= 0; i-- {
			parts[i+1] = YMM()
			VANDPS(rest, larger[i], parts[i+1])
			VANDNPS(rest, larger[i], rest)
		}
		m.writePairs(parts[0], parts[1], d0)
		m.writePairs(parts[2], parts[3], d1)
	})
}

// windows writes a loop over n windows, the parameter: rows are of pairs of elements, singles of one for each window. do writes one step,
// of a whole vector of windows or, with masks, of the part that is left.
func windows(name string, edge Mem, rows, singles []Register, do func(m masks)) {
	n, table := Load(Param("n"), GP64()), GP64()
	JMP(LabelRef(name + "Test"))
	Label(name + "Next")
	do(masks{})
	for _, r := range rows {
		ADDQ(Imm(2*4*width), r)
	}
	for _, r := range singles {
		ADDQ(Imm(4*width), r)
	}
	SUBQ(Imm(width), n)
	Label(name + "Test")
	CMPQ(n, Imm(width))
	JGE(LabelRef(name + "Next"))
	TESTQ(n, n)
	JZ(LabelRef(name + "Done"))
	LEAQ(edge.Offset(2*4*width), table)
	NEGQ(n)
	m := masks{YMM(), YMM(), YMM()}
	VMOVUPS(Mem{Base: table, Index: n, Scale: 4}, m.each)
	VMOVUPS(Mem{Base: table, Index: n, Scale: 8}, m.low)
	VMOVUPS(Mem{Base: table, Disp: 4 * width, Index: n, Scale: 8}, m.high)
	do(m)
	Label(name + "Done")
	VZEROUPPER()
	RET()
}

// masks say which windows count, and which elements of their two vectors; of whole vectors there are none.
type masks struct{ each, low, high VecVirtual }

// read is vector i at a register.
func (m masks) read(at Register, i int, mask VecVirtual) VecVirtual {
	x, from := YMM(), Mem{Base: at, Disp: 4 * width * i}
	if mask == nil {
		VMOVUPS(from, x)
	} else {
		VMASKMOVPS(from, mask, x)
	}
	return x
}

// write is the way back.
func (m masks) write(x VecVirtual, at Register, i int, mask VecVirtual) {
	to := Mem{Base: at, Disp: 4 * width * i}
	if mask == nil {
		VMOVUPS(x, to)
	} else {
		VMASKMOVPS(x, mask, to)
	}
}

// pairs reads the two elements of eight windows from a row. The windows are in the order 0 1 4 5 2 3 6 7.
func (m masks) pairs(row Register) (a, b VecVirtual) {
	x, y := m.read(row, 0, m.low), m.read(row, 1, m.high)
	a, b = YMM(), YMM()
	VSHUFPS(U8(0x88), y, x, a)
	VSHUFPS(U8(0xdd), y, x, b)
	return a, b
}

// writePairs is the way back.
func (m masks) writePairs(a, b VecVirtual, row Register) {
	x, y := YMM(), YMM()
	VUNPCKLPS(b, a, x)
	VUNPCKHPS(b, a, y)
	m.write(x, row, 0, m.low)
	m.write(y, row, 1, m.high)
}

// inOrder changes between the order of windows that pairs has and that of memory.
func inOrder(x VecVirtual) VecVirtual {
	VPERMPD(U8(0xd8), x, x)
	return x
}

// larger is max(a, b): NaN if either is, and of zeros the positive one. It uses a up.
func larger(a, b VecVirtual) VecVirtual {
	y, other, nan := YMM(), YMM(), YMM()
	VMAXPS(a, b, y) // for zeros and NaN each is its last operand
	VMAXPS(b, a, other)
	VCMPPS(unordered, a, b, nan)
	VANDPS(other, y, y)
	VORPS(nan, y, y)
	return y
}
