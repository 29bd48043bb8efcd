package blas

import (
	"slices"

	"gonum.org/v1/gonum/blas"
)

// Products of few rows or columns read a matrix once, and are as fast as that is read if it is read as it lies, in lines of the caches.

const (
	dotParts = 16   // of a sum along a row
	dotRows  = 4    // that are read at once
	rowPart  = 1024 // elements of a row of the result whose sums stay in the first-level cache
)

// depths are how many rows of b the loops of combine take at a time.
var depths = [...]int{8, 4, 1}

type (
	// combine is c = a·b for a row of the result, or, with more, c + a·b, fused; or the sum is added to c.
	combine func(n int, a *float32, colA int, b *float32, ldb int, c *float32, more, add bool)
	// dots makes sums the products of rows of a with x, by way of the parts of all, for which there must be place.
	dots func(k int, a *float32, lda int, x, sums *float32)
)

// few does a product of few rows or columns, if there is a faster way than by tiles.
func (v *level) few(tA, tB bool, m, n, k int, a []float32, lda int, b []float32, ldb int, add bool, c []float32, ldc int) bool {
	left, right := operand{a, 0, lda, 1}, operand{b, 0, 1, ldb} // rows of a, columns of b
	if tA {
		left.row, left.col = 1, lda
	}
	if tB {
		right.row, right.col = ldb, 1
	}
	switch {
	case n == 1 && ldc == 1 && (tA || k == 1 && lda == 1): // the transpose is one row
		v.byRows(1, m, k, right, a, lda, c, m, add)
	case (m <= v.alone || k == 1 && n >= v.width) && (!tB || k == 1 && ldb == 1):
		v.byRows(m, n, k, left, b, ldb, c, ldc, add)
	case n <= len(v.tiles) && m > n && n < v.width:
		v.turned(tA, tB, m, n, k, a, lda, b, ldb, add, c, ldc)
	default:
		return false
	}
	return true
}

// byRows is c = a·b, or added to it, row by row of c, each made of the rows of b as they lie.
func (v *level) byRows(m, n, k int, a operand, b []float32, ldb int, c []float32, ldc int, add bool) {
	p := memory.Get().(*packed)
	defer memory.Put(p)
	for i := range m {
		for j := 0; j < n; j += rowPart {
			nb := min(rowPart, n-j)
			to := c[i*ldc+j:][:nb]
			for l := 0; l < k; l += blockK {
				kb := min(blockK, k-l)
				once := slices.Contains(depths[:], kb)
				sums, adds := to, add || l > 0
				if adds && !once {
					sums = p.row[:nb]
				}
				for d := 0; d < kb; {
					q := 0
					for depths[q] > kb-d {
						q++
					}
					v.combine[q](nb, &a.x[a.at+i*a.row+(l+d)*a.col], a.col, &b[(l+d)*ldb+j], ldb, &sums[0], d > 0, adds && once)
					d += depths[q]
				}
				if adds && !once {
					for x, s := range sums {
						to[x] += s
					}
				}
			}
		}
	}
}

// Sgemv is y = alpha·op(a)·x + beta·y in float32. Elements for rows of a that lie side by side are sums of sixteen parts, of every sixteenth
// product each, in order and fused, which are added up by halves: the first eight and the last, and so on. All levels of vectors do so, and
// it does not depend on the number of rows. Other elements are those of Sgemm.
func (g vectorGo) Sgemv(tA blas.Transpose, m, n int, alpha float32, a []float32, lda int, x []float32, incX int, beta float32, y []float32, incY int) {
	checkVector(tA, m, n, len(a), lda, len(x), incX, len(y), incY)
	switch {
	case m == 0 || n == 0: // nothing to multiply
		g.pureGo.Sgemv(tA, m, n, alpha, a, lda, x, incX, beta, y, incY)
	case tA != blas.NoTrans:
		g.product(true, false, n, 1, m, alpha, a, lda, x, incX, beta, y, incY)
	default:
		g.vector(m, n, alpha, a, lda, x, incX, beta, y, incY)
	}
}

// vector is y = alpha·a·x + beta·y for slices that have been checked, and m, n > 0.
func (v *level) vector(m, n int, alpha float32, a []float32, lda int, x []float32, incX int, beta float32, y []float32, incY int) {
	if incX != 1 {
		p := turns.Get().(*[]float32)
		defer turns.Put(p)
		*p = slices.Grow((*p)[:0], n)[:n]
		for i := range *p {
			(*p)[i] = x[i*incX]
		}
		x = *p
	}
	p := memory.Get().(*packed)
	defer memory.Put(p)
	for i := 0; i < m; {
		rows, do := 1, v.dots[0]
		if m-i >= dotRows {
			rows, do = dotRows, v.dots[1]
		}
		do(n, &a[i*lda], lda, &x[0], &p.dots[0])
		for r, sum := range p.dots[:rows] {
			at := &y[(i+r)*incY]
			if sum *= alpha; beta != 0 {
				sum += float32(beta * *at)
			}
			*at = sum
		}
		i += rows
	}
}
