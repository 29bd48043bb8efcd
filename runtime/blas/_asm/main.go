// Command _asm writes the inner loops of package blas's matrix product; run it with go generate in that package.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// A set is the instructions of which a family of tiles is made: the sums of the largest tile, its vectors of b and a broadcast
// element of a fill the registers, 15 of 16 and 28 of 32.
type set struct {
	name    string
	width   int // float32 in a vector
	rows    int // of the largest tile
	vectors int // in a row of it
	vector  func() VecVirtual
	clear   func(v VecVirtual)
}

func main() {
	ConstraintExpr("amd64")
	for _, s := range []set{
		{"AVX2", 8, 6, 2, YMM, func(v VecVirtual) { VXORPS(v, v, v) }},
		{"AVX512", 16, 8, 3, ZMM, func(v VecVirtual) { VPXORD(v, v, v) }},
	} {
		for rows := 1; rows <= s.rows; rows++ {
			for vectors := 1; vectors <= s.vectors; vectors++ {
				s.tile(rows, vectors)
			}
		}
		for _, depth := range []int{1, 4, 8} {
			s.combine(depth)
		}
		for _, rows := range []int{1, 4} {
			s.dots(rows)
		}
		for rows := 1; rows <= s.rows; rows++ {
			for vectors := 1; vectors <= s.vectors; vectors++ {
				s.gathered(rows, vectors)
			}
		}
	}
	Generate()
}

// tile writes the loop for a tile of so many rows of so many vectors, whose elements of a are so many rows and columns apart.
func (s set) tile(rows, vectors int) {
	TEXT(fmt.Sprintf("tile%s_%dx%d", s.name, rows, vectors), NOSPLIT, "func(k int, a *float32, rowA, colA int, b *float32, ldb int, c *float32, ldc int, add bool)")
	Pragma("noescape")
	Doc(fmt.Sprintf("tile%s_%dx%d is a·b, or is added, to the tile of %d rows of %d at c.", s.name, rows, vectors, rows, vectors*s.width))
	k, b := Load(Param("k"), GP64()), Load(Param("b"), GP64())
	row, col, ldb := bytes("rowA"), bytes("colA"), bytes("ldb")
	a := []Register{Load(Param("a"), GP64())} // rows 0 and 4
	three := GP64()
	if rows > 3 {
		LEAQ(Mem{Base: row, Index: row, Scale: 2}, three)
	}
	if rows > 4 {
		a = append(a, GP64())
		LEAQ(Mem{Base: a[0], Index: row, Scale: 4}, a[1])
	}
	element := func(i int) Mem {
		switch at := (Mem{Base: a[i/4]}); i % 4 {
		case 0:
			return at
		case 3:
			at.Index, at.Scale = three, 1
			return at
		default:
			at.Index, at.Scale = row, uint8(i%4)
			return at
		}
	}
	sums := s.sums(rows, vectors)
	Label("next")
	s.step(sums, b, element)
	for _, p := range a {
		ADDQ(col, p)
	}
	ADDQ(ldb, b)
	DECQ(k)
	JNZ(LabelRef("next"))
	s.write(sums)
}

// sums are those of a tile, 0.
func (s set) sums(rows, vectors int) [][]VecVirtual {
	sums := make([][]VecVirtual, rows)
	for i := range sums {
		for range vectors {
			v := s.vector()
			s.clear(v)
			sums[i] = append(sums[i], v)
		}
	}
	return sums
}

// step adds to the sums what a row of b, at b, and a column of a make.
func (s set) step(sums [][]VecVirtual, b Register, a func(row int) Mem) {
	right := make([]VecVirtual, len(sums[0]))
	for j := range right {
		right[j] = s.vector()
		VMOVUPS(Mem{Base: b, Disp: 4 * s.width * j}, right[j])
	}
	x := s.vector()
	for i := range sums {
		VBROADCASTSS(a(i), x)
		for j := range right {
			VFMADD231PS(x, right[j], sums[i][j])
		}
	}
}

// write writes the sums to c, or adds them to it, and returns.
func (s set) write(sums [][]VecVirtual) {
	c, ldc := Load(Param("c"), GP64()), bytes("ldc")
	write := func(sum func(at Mem, v VecVirtual)) {
		for i := range sums {
			for j, v := range sums[i] {
				at := Mem{Base: c, Disp: 4 * s.width * j}
				sum(at, v)
				VMOVUPS(v, at)
			}
			if i < len(sums)-1 {
				ADDQ(ldc, c)
			}
		}
		VZEROUPPER()
		RET()
	}
	add := Load(Param("add"), GP8())
	TESTB(add, add)
	JZ(LabelRef("store"))
	write(func(at Mem, v VecVirtual) { VADDPS(at, v, v) })
	Label("store")
	write(func(Mem, VecVirtual) {})
}

// bytes loads the parameter name, a number of float32, and makes it one of bytes.
func bytes(name string) Register {
	r := Load(Param(name), GP64())
	SHLQ(Imm(2), r)
	return r
}
