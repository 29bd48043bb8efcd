package blas

import (
	"slices"
	"sync"

	"gonum.org/v1/gonum/blas"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
)

//go:generate go run -C _asm . -out ../tile_amd64.s -stubs ../tile_stubs_amd64.go -pkg blas

// The product follows Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008): the inner loop is over
// a tile of the result that stays in registers, and reads a strip of b that stays in the caches. Where it can read an operand
// where it lies, nothing is packed. Every element of the result is, for each block of k, one sum of fused multiply-adds in the
// order of k, whatever the tile that it is in: so all levels give the same bits, and so do all cuts of the result.
const (
	blockK = 256 // a block's depth: a strip of b, 48 KB or less, stays in the second-level cache
	blockM = 480 // rows of a packed block of a: 480 KB; a multiple of every tile's rows
)

const (
	maxRows = 8  // of a tile of any level
	maxCols = 48 // of a tile of any level
)

// A tile is a·b, or is added, to a tile of c. Element (i, l) of a is at i·rowA + l·colA, rows of b and c are ldb and ldc apart.
type tile func(k int, a *float32, rowA, colA int, b *float32, ldb int, c *float32, ldc int, add bool)

// A level is the loops for one set of a CPU's vector instructions.
type level struct {
	name  string
	width int      // columns of a vector
	alone int      // rows of a result that are fastest made one after the other
	tiles [][]tile // by rows − 1 and vectors − 1

	combine []combine    // by depths
	dots    []dots       // along one row, and along dotRows
	gathers [][]gathered // as tiles
}

// levels are those that the CPU has, the fastest last.
var levels []*level

// packed is the memory of one product.
type packed struct {
	a [blockM * blockK]float32
	b [maxCols * blockK]float32
	// edge is a tile of which only a part belongs to the result.
	edge [maxRows * maxCols]float32
	// dots are the parts of sums along rows, row the sums of a part of a row of the result.
	dots [dotRows * dotParts]float32
	row  [rowPart]float32
}

var memory = sync.Pool{New: func() any { return new(packed) }}

// product is c = alpha·op(a)·op(b) + beta·c by tiles, for slices that have been checked, and m, n, k > 0.
func (v *level) product(tA, tB bool, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	if beta != 0 && beta != 1 {
		scale(beta, c, m, n, ldc)
	}
	if alpha == 1 && v.few(tA, tB, m, n, k, a, lda, b, ldb, beta != 0, c, ldc) {
		return
	}
	p := memory.Get().(*packed)
	defer memory.Put(p)
	rows, cols := len(v.tiles), v.width*len(v.tiles[0])
	packs := alpha != 1 || tA && n > 2*cols || !tA && lda%pageful == 0 && m > blockM/4 && n > 16*cols
	cols = even((n+v.width-1)/v.width, len(v.tiles[0])) * v.width
	for l := 0; l < k; l += blockK {
		kb := min(blockK, k-l)
		for i := 0; i < m; i += blockM {
			left := operand{a, i*lda + l, lda, 1}
			if tA {
				left = operand{a, l*lda + i, 1, lda}
			}
			mb := min(blockM, m-i)
			if packs {
				left = left.pack(p.a[:], mb, kb, alpha)
			}
			for j := 0; j < n; j += cols {
				nb := min(cols, n-j)
				right := operand{b, l*ldb + j, ldb, 1}
				if tB || mb > direct*rows || nb%v.width != 0 {
					right = v.pack(p.b[:], b, ldb, tB, j, nb, l, kb)
				}
				v.strip(p, mb, nb, kb, left, right, c[i*ldc+j:], ldc, beta != 0 || l > 0)
			}
		}
	}
}

// even is how much of n each part has, of the fewest that have at most so much, where no part is much smaller than the others.
func even(n, most int) int {
	parts := (n + most - 1) / most
	return (n + parts - 1) / parts
}

const (
	pageful = 1024 // elements after which rows of a meet in the same places of the caches, where not all stay
)

// turns are the results of turned, until they are turned back.
var turns = sync.Pool{New: func() any { return new([]float32) }}

// turned is cᵀ = op(b)ᵀ·op(a)ᵀ, or added to it, for few columns: what is a row of the result then fills vectors.
func (v *level) turned(tA, tB bool, m, n, k int, a []float32, lda int, b []float32, ldb int, add bool, c []float32, ldc int) {
	p := turns.Get().(*[]float32)
	defer turns.Put(p)
	*p = slices.Grow((*p)[:0], n*m)
	t, beta := (*p)[:n*m], float32(0)
	if add {
		kernel.Transpose(n, m, t, m, c, ldc)
		beta = 1
	}
	v.product(!tB, !tA, n, m, k, 1, b, ldb, a, lda, beta, t, m)
	kernel.Transpose(m, n, c, ldc, t, m)
}

// direct is how many tiles read a strip of b where it lies; for more it is worth packing.
const direct = 16

// scale makes c beta·c.
func scale(beta float32, c []float32, m, n, ldc int) {
	for i := range m {
		row := c[i*ldc:][:n]
		for j := range row {
			row[j] *= beta
		}
	}
}

// An operand is a block of a matrix, or its transpose, where it lies: its first element is x[at], its rows and columns are so many elements
// apart.
type operand struct {
	x            []float32
	at, row, col int
}

// pack copies m rows of k elements of a, times alpha, side by side.
func (a operand) pack(to []float32, m, k int, alpha float32) operand {
	if a.col == 1 {
		for i := range m {
			copy(to[i*k:][:k], a.x[a.at+i*a.row:])
		}
	} else {
		for l := 0; l < k; l += turnedK {
			kernel.Transpose(m, min(turnedK, k-l), to[l:], k, a.x[a.at+l*a.col:], a.col)
		}
	}
	if alpha != 1 {
		kernel.Scale(to[:m*k], to[:m*k], alpha)
	}
	return operand{to, 0, k, 1}
}

// turnedK is how many columns of an operand are turned at a time, so that the pages that they are in stay known to the CPU.
const turnedK = 64

// pack copies k rows of n elements of op(b), from (l, j) on, side by side into rows of whole vectors, filled up with zeros.
func (v *level) pack(to []float32, b []float32, ldb int, tB bool, j, n, l, k int) operand {
	size := (n + v.width - 1) / v.width * v.width
	if !tB {
		for d := range k {
			row := to[d*size:][:size]
			clear(row[copy(row, b[(l+d)*ldb+j:][:n]):])
		}
		return operand{to, 0, size, 1}
	}
	if n < size {
		clear(to[:k*size])
	}
	kernel.Transpose(k, n, to, size, b[j*ldb+l:], ldb)
	return operand{to, 0, size, 1}
}

// strip makes, or adds to, m rows of n columns of c, no more columns than a tile has.
func (v *level) strip(p *packed, m, n, k int, a, b operand, c []float32, ldc int, add bool) {
	vectors := (n + v.width - 1) / v.width
	rows, size := even(m, len(v.tiles)), vectors*v.width
	for i := 0; i < m; i += rows {
		at, r := a.at+i*a.row, min(rows, m-i)
		do := v.tiles[r-1][vectors-1]
		if n == size {
			do(k, &a.x[at], a.row, a.col, &b.x[b.at], b.row, &c[i*ldc], ldc, add)
			continue
		}
		do(k, &a.x[at], a.row, a.col, &b.x[b.at], b.row, &p.edge[0], size, false)
		for q := range r {
			row, edge := c[(i+q)*ldc:][:n], p.edge[q*size:][:n]
			if !add {
				copy(row, edge)
				continue
			}
			for x, e := range edge {
				row[x] += e
			}
		}
	}
}

// vectorGo is gonum's BLAS with the product above in float32.
type vectorGo struct {
	pureGo
	*level
}

// Name is one for all levels: they give the same bits, so a run that began on one goes on on another.
func (vectorGo) Name() string { return "pure Go with vectors" }

// Sgemm is c = alpha·op(a)·op(b) + beta·c in float32.
func (g vectorGo) Sgemm(tA, tB blas.Transpose, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	check(tA, tB, m, n, k, len(a), lda, len(b), ldb, len(c), ldc)
	if m == 0 || n == 0 || k == 0 { // nothing to multiply
		g.pureGo.Sgemm(tA, tB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
		return
	}
	g.product(tA != blas.NoTrans, tB != blas.NoTrans, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}
