package blas

import (
	"sync"

	"gonum.org/v1/gonum/blas"
)

//go:generate go run -C _asm . -out ../tile_amd64.s -stubs ../tile_stubs_amd64.go -pkg blas

// The product follows Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008): blocks of the
// operands are packed so that the inner loop, over a tile of the result that stays in registers, reads them in order from
// the caches.
const (
	tileRows = 6
	tileCols = 16
	blockK   = 256           // a block's depth: a strip of b, 16 KB, stays in the first-level cache
	blockM   = 20 * tileRows // rows of a's block: 120 KB, in the second-level cache
	blockN   = 64 * tileCols // columns of b's block: 1 MB
)

// tile adds a·b to a tile of c. It is nil where the CPU has no vector instructions for it.
var tile func(k int, a, b, c *float32, ldc int)

// packed is the memory of one product.
type packed struct {
	a [blockM * blockK]float32
	b [blockN * blockK]float32
	// edge is a tile of which only a part belongs to the result.
	edge [tileRows * tileCols]float32
}

var memory = sync.Pool{New: func() any { return new(packed) }}

// product is c = alpha·op(a)·op(b) + beta·c by tiles, for slices that have been checked.
func product(tA, tB bool, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	scale(beta, c, m, n, ldc)
	p := memory.Get().(*packed)
	defer memory.Put(p)
	for j := 0; j < n; j += blockN {
		nb := min(blockN, n-j)
		for l := 0; l < k; l += blockK {
			kb := min(blockK, k-l)
			pack(p.b[:], tileCols, b, ldb, !tB, j, nb, l, kb, 1)
			for i := 0; i < m; i += blockM {
				mb := min(blockM, m-i)
				pack(p.a[:], tileRows, a, lda, tA, i, mb, l, kb, alpha)
				multiply(p, mb, nb, kb, c[i*ldc+j:], ldc)
			}
		}
	}
}

// scale makes c beta·c; where beta is 0, whatever c holds.
func scale(beta float32, c []float32, m, n, ldc int) {
	for i := range m {
		switch row := c[i*ldc:][:n]; beta {
		case 0:
			clear(row)
		case 1:
			return
		default:
			for j := range row {
				row[j] *= beta
			}
		}
	}
}

// pack copies a block of x, lines from line on and depth elements from at on of each, times alpha, into strips of width
// lines: the elements of one depth side by side. The last strip is filled up with zeros. In x a line is a column where
// columns is set, else a row.
func pack(to []float32, width int, x []float32, ld int, columns bool, line, lines, at, depth int, alpha float32) {
	for s := 0; s < lines; s += width {
		strip := to[s*depth:][:width*depth]
		n := min(width, lines-s)
		if n < width {
			clear(strip)
		}
		if columns {
			for d := range depth {
				from := x[(at+d)*ld+line+s:][:n]
				if alpha == 1 {
					copy(strip[d*width:], from)
					continue
				}
				for i, v := range from {
					strip[d*width+i] = alpha * v
				}
			}
			continue
		}
		for i := range n {
			from := x[(line+s+i)*ld+at:][:depth]
			for d, v := range from {
				strip[d*width+i] = alpha * v
			}
		}
	}
}

// multiply adds the product of the packed blocks to c.
func multiply(p *packed, m, n, k int, c []float32, ldc int) {
	for j := 0; j < n; j += tileCols {
		b := &p.b[j*k]
		for i := 0; i < m; i += tileRows {
			a := &p.a[i*k]
			if m-i >= tileRows && n-j >= tileCols {
				tile(k, a, b, &c[i*ldc+j], ldc)
				continue
			}
			clear(p.edge[:])
			tile(k, a, b, &p.edge[0], tileCols)
			for r := range min(tileRows, m-i) {
				row := c[(i+r)*ldc+j:][:min(tileCols, n-j)]
				for q := range row {
					row[q] += p.edge[r*tileCols+q]
				}
			}
		}
	}
}

// vectorGo is gonum's BLAS with the product above in float32.
type vectorGo struct{ pureGo }

func (vectorGo) Name() string { return "pure Go with AVX2" }

// Sgemm is c = alpha·op(a)·op(b) + beta·c in float32.
func (g vectorGo) Sgemm(tA, tB blas.Transpose, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	check(tA, tB, m, n, k, len(a), lda, len(b), ldb, len(c), ldc)
	if m < tileRows || n == 0 || k == 0 { // nothing to multiply, or too little for packing b
		g.pureGo.Sgemm(tA, tB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
		return
	}
	product(tA != blas.NoTrans, tB != blas.NoTrans, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}
