package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// gathered writes the loop for a tile whose elements of a stand where two tables say.
func (s set) gathered(rows, vectors int) {
	name := fmt.Sprintf("gather%s_%dx%d", s.name, rows, vectors)
	TEXT(name, NOSPLIT, "func(k int, x *float32, rows, cols *int, b *float32, ldb int, c *float32, ldc int, add bool)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s is a·b, or is added, to the tile of %d rows of %d at c; element (i, l) of a is x[rows[i]+cols[l]].", name, rows, vectors*s.width))
	k, b, cols, ldb := Load(Param("k"), GP64()), Load(Param("b"), GP64()), Load(Param("cols"), GP64()), bytes("ldb")
	x, table := Load(Param("x"), GP64()), Load(Param("rows"), GP64())
	a := make([]Register, rows)
	for i := range a {
		a[i] = GP64()
		MOVQ(Mem{Base: table, Disp: 8 * i}, a[i])
		LEAQ(Mem{Base: x, Index: a[i], Scale: 4}, a[i])
	}
	sums := s.sums(rows, vectors)
	at := GP64()
	Label("next")
	MOVQ(Mem{Base: cols}, at)
	s.step(sums, b, func(i int) Mem { return Mem{Base: a[i], Index: at, Scale: 4} })
	ADDQ(Imm(8), cols)
	ADDQ(ldb, b)
	DECQ(k)
	JNZ(LabelRef("next"))
	s.write(sums)
}
