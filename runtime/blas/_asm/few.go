package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

const line = 16 // float32 in a line of the caches

// combine writes the loop for a row of the result, or a part of it, by so many rows of b at a time, each read from its beginning on.
func (s set) combine(depth int) {
	name := fmt.Sprintf("combine%s_%d", s.name, depth)
	TEXT(name, NOSPLIT, "func(n int, a *float32, colA int, b *float32, ldb int, c *float32, more, add bool)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s is c = a·b for %d elements of a, or, with more, c + a·b, fused; or the sum is added to c.", name, depth))
	n, a, b, c := Load(Param("n"), GP64()), Load(Param("a"), GP64()), Load(Param("b"), GP64()), Load(Param("c"), GP64())
	col, ldb := bytes("colA"), bytes("ldb")
	more, add := Load(Param("more"), GP8()), Load(Param("add"), GP8())
	x := make([]VecVirtual, depth)
	for d := range x {
		x[d] = s.vector()
		VBROADCASTSS(Mem{Base: a}, x[d])
		if d < depth-1 {
			ADDQ(col, a)
		}
	}
	bases, three := []Register{b}, GP64()
	if depth > 3 {
		LEAQ(Mem{Base: ldb, Index: ldb, Scale: 2}, three)
	}
	if depth > 4 {
		bases = append(bases, GP64())
		LEAQ(Mem{Base: b, Index: ldb, Scale: 4}, bases[1])
	}
	row := func(d int) Mem {
		at := Mem{Base: bases[d/4]}
		switch d % 4 {
		case 0:
		case 3:
			at.Index, at.Scale = three, 1
		default:
			at.Index, at.Scale = ldb, uint8(d%4)
		}
		return at
	}
	loop := func(label, end string, width int, body func()) {
		Label(label)
		SUBQ(Imm(uint64(width)), n)
		JL(LabelRef(end))
		body()
		for _, p := range append(bases, c) {
			ADDQ(U32(4*width), p)
		}
		JMP(LabelRef(label))
	}
	// either does one of two things.
	either := func(label string, flag Register, yes, no func()) {
		TESTB(flag, flag)
		JZ(LabelRef(label + "Not"))
		yes()
		JMP(LabelRef(label))
		Label(label + "Not")
		no()
		Label(label)
	}
	vectors := func(label string, n int) func() {
		return func() {
			sums := make([]VecVirtual, n)
			at := func(i int) Mem { return Mem{Base: c, Disp: 4 * s.width * i} }
			for i := range sums {
				sums[i] = s.vector()
			}
			either(label+"More", more, func() {
				for i, sum := range sums {
					VMOVUPS(at(i), sum)
				}
			}, func() {
				for _, sum := range sums {
					s.clear(sum)
				}
			})
			for d, x := range x {
				for i, sum := range sums {
					VFMADD231PS(row(d).Offset(4*s.width*i), x, sum)
				}
			}
			TESTB(add, add)
			JZ(LabelRef(label + "Write"))
			for i, sum := range sums {
				VADDPS(at(i), sum, sum)
			}
			Label(label + "Write")
			for i, sum := range sums {
				VMOVUPS(sum, at(i))
			}
		}
	}
	loop("fours", "few", 4*s.width, vectors("four", 4))
	Label("few")
	ADDQ(U32(4*s.width), n)
	loop("vectors", "rest", s.width, vectors("vector", 1))
	Label("rest")
	ADDQ(Imm(uint64(s.width)), n)
	loop("elements", "done", 1, func() {
		sum, at := XMM(), Mem{Base: c}
		either("moreElement", more, func() { VMOVSS(at, sum) }, func() { VXORPS(sum, sum, sum) })
		for d, x := range x {
			VFMADD231SS(row(d), x.AsX(), sum)
		}
		TESTB(add, add)
		JZ(LabelRef("writeElement"))
		VADDSS(at, sum, sum)
		Label("writeElement")
		VMOVSS(sum, at)
	})
	Label("done")
	VZEROUPPER()
	RET()
}

// dots writes the loop for sums along some rows, each in sixteen parts, of every sixteenth product from the i-th on, which are then added
// up by halves.
func (s set) dots(rows int) {
	name := fmt.Sprintf("dots%s_%d", s.name, rows)
	TEXT(name, NOSPLIT, "func(k int, a *float32, lda int, x, sums *float32)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s makes sums the products of %d rows of a with x, by way of the parts of all, for which there must be place.", name, rows))
	k, a, x, sums, lda := Load(Param("k"), GP64()), Load(Param("a"), GP64()), Load(Param("x"), GP64()), Load(Param("sums"), GP64()), bytes("lda")
	three := GP64()
	if rows > 3 {
		LEAQ(Mem{Base: lda, Index: lda, Scale: 2}, three)
	}
	row := func(i int) Mem {
		switch i {
		case 0:
			return Mem{Base: a}
		case 3:
			return Mem{Base: a, Index: three, Scale: 1}
		}
		return Mem{Base: a, Index: lda, Scale: uint8(i)}
	}
	acc := make([]VecVirtual, rows*line/s.width)
	for i := range acc {
		acc[i] = s.vector()
		s.clear(acc[i])
	}
	Label("next")
	SUBQ(Imm(line), k)
	JL(LabelRef("rest"))
	for v := 0; v < line; v += s.width {
		y := s.vector()
		VMOVUPS(Mem{Base: x, Disp: 4 * v}, y)
		for i := range rows {
			VFMADD231PS(row(i).Offset(4*v), y, acc[(i*line+v)/s.width])
		}
	}
	ADDQ(Imm(4*line), a)
	ADDQ(Imm(4*line), x)
	JMP(LabelRef("next"))
	Label("rest")
	ADDQ(Imm(line), k)
	JZ(LabelRef("sum"))
	parts := func(move func(v VecVirtual, at Mem)) {
		for i, v := range acc {
			move(v, Mem{Base: sums, Disp: 4 * s.width * i})
		}
	}
	parts(func(v VecVirtual, at Mem) { VMOVUPS(v, at) })
	at := GP64()
	MOVQ(sums, at)
	Label("element")
	y := XMM()
	VMOVSS(Mem{Base: x}, y)
	for i := range rows {
		sum, at := XMM(), Mem{Base: at, Disp: 4 * line * i}
		VMOVSS(at, sum)
		VFMADD231SS(row(i), y, sum)
		VMOVSS(sum, at)
	}
	for _, p := range []Register{a, x, at} {
		ADDQ(Imm(4), p)
	}
	DECQ(k)
	JNZ(LabelRef("element"))
	parts(func(v VecVirtual, at Mem) { VMOVUPS(at, v) })
	Label("sum")
	for i := range rows {
		v := acc[i*line/s.width]
		if s.width == line {
			half := YMM()
			VEXTRACTF64X4(Imm(1), v, half)
			VADDPS(half, v.AsY(), v.AsY())
		} else {
			VADDPS(acc[2*i+1], v, v)
		}
		quarter, sum := XMM(), v.AsX()
		VEXTRACTF128(Imm(1), v.AsY(), quarter)
		VADDPS(quarter, sum, sum)
		VMOVHLPS(sum, sum, quarter)
		VADDPS(quarter, sum, sum)
		VMOVSHDUP(sum, quarter)
		VADDSS(quarter, sum, sum)
		VMOVSS(sum, Mem{Base: sums, Disp: 4 * i})
	}
	VZEROUPPER()
	RET()
}
