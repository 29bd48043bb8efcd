// Command _asm writes the inner loop of package blas's matrix product; run it with go generate in that package.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// A tile of the result has rows × 2 vectors: with two vectors of b and one broadcast element of a, fifteen of the sixteen
// registers.
const (
	rows  = 6
	width = 8 // float32 in a vector
)

func main() {
	ConstraintExpr("amd64")
	TEXT("tileFMA", NOSPLIT, "func(k int, a, b, c *float32, ldc int)")
	Pragma("noescape")
	Doc(fmt.Sprintf("tileFMA adds a·b to the tile of %d rows of %d at c, whose rows are ldc elements apart. a has k columns of %d", rows, 2*width, rows),
		fmt.Sprintf("elements, b k rows of %d.", 2*width))
	k, a, b := Load(Param("k"), GP64()), Load(Param("a"), GP64()), Load(Param("b"), GP64())
	c, ldc := Load(Param("c"), GP64()), Load(Param("ldc"), GP64())
	var sums [rows][2]VecVirtual
	for i := range sums {
		for j := range sums[i] {
			sums[i][j] = YMM()
			VXORPS(sums[i][j], sums[i][j], sums[i][j])
		}
	}
	Label("next")
	left, right, x := YMM(), YMM(), YMM()
	VMOVUPS(Mem{Base: b}, left)
	VMOVUPS(Mem{Base: b, Disp: 4 * width}, right)
	for i := range sums {
		VBROADCASTSS(Mem{Base: a, Disp: 4 * i}, x)
		VFMADD231PS(x, left, sums[i][0])
		VFMADD231PS(x, right, sums[i][1])
	}
	ADDQ(Imm(4*rows), a)
	ADDQ(Imm(4*2*width), b)
	DECQ(k)
	JNZ(LabelRef("next"))
	for i := range sums {
		for j := range sums[i] {
			at := Mem{Base: c, Disp: 4 * width * j}
			VADDPS(at, sums[i][j], sums[i][j])
			VMOVUPS(sums[i][j], at)
		}
		if i < rows-1 {
			LEAQ(Mem{Base: c, Index: ldc, Scale: 4}, c)
		}
	}
	VZEROUPPER()
	RET()
	Generate()
}
