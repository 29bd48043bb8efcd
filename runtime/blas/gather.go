package blas

import (
	"fmt"

	"gonum.org/v1/gonum/blas"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
)

// A gathered tile is a·b, or is added, to a tile of c. Element (i, l) of a is x[rows[i]+cols[l]]; rows of b and c are ldb and ldc apart.
type gathered func(k int, x *float32, rows, cols *int, b *float32, ldb int, c *float32, ldc int, add bool)

// Scolumns is n, up to a whole number of vectors.
func (g vectorGo) Scolumns(n int) int { return (n + g.width - 1) / g.width * g.width }

// strips calls do for each strip of a packed matrix of n columns: where it begins, and its columns, as many as a tile has or less. All
// are as wide, or a vector wider: a narrow strip at the end would have small tiles, which are slower.
func (g vectorGo) strips(n int, do func(j, cols int)) {
	vectors := g.Scolumns(n) / g.width
	count := (vectors + len(g.gathers[0]) - 1) / len(g.gathers[0])
	for s := range count {
		from, to := s*vectors/count, (s+1)*vectors/count
		do(from*g.width, (to-from)*g.width)
	}
}

// Spack writes rows of op(b) to those of a packed matrix from row at on. That lies strip by strip, in each row by row; what fills the
// last vector of a row is never looked at, since it meets columns of the result that are none.
func (g vectorGo) Spack(packed []float32, depth, at int, t blas.Transpose, k, n int, b []float32, ldb int) {
	if at < 0 || at+k > depth || len(packed) < depth*g.Scolumns(n) {
		panic(fmt.Sprintf("blas: rows %d to %d of %d columns do not fit a packed matrix of %d rows and %d elements", at, at+k, n, depth, len(packed)))
	}
	g.strips(n, func(j, cols int) {
		to, own := packed[j*depth+at*cols:][:k*cols], min(cols, n-j)
		if t != blas.NoTrans {
			kernel.Transpose(k, own, to, cols, b[j*ldb:], ldb)
			return
		}
		for d := range k {
			copy(to[d*cols:], b[d*ldb+j:][:own])
		}
	})
}

// Sgather is a product whose left operand is read where it lies, a strip of the packed one after the other.
func (g vectorGo) Sgather(n int, x []float32, rows, cols []int, packed []float32, add bool, c []float32, ldc int) {
	m, k := len(rows), len(cols)
	if m == 0 || n == 0 || k == 0 {
		panic(fmt.Sprintf("blas: a gathered product of %dx%d by %dx%d is empty", m, k, k, n))
	}
	lo, hi := span(rows)
	left, right := span(cols)
	if lo+left < 0 || hi+right >= len(x) || len(packed) < k*g.Scolumns(n) || len(c) < (m-1)*ldc+g.Scolumns(n) {
		panic(fmt.Sprintf("blas: a gathered product of %dx%d by %dx%d does not fit its slices of %d, %d and %d elements",
			m, k, k, n, len(x), len(packed), len(c)))
	}
	most := len(g.gathers)
	g.strips(n, func(j, width int) {
		b := &packed[j*k]
		for i := 0; i < m; i += most {
			do := g.gathers[min(most, m-i)-1][width/g.width-1]
			do(k, &x[0], &rows[i], &cols[0], b, width, &c[i*ldc+j], ldc, add)
		}
	})
}

// span is the least and the greatest number of a list.
func span(list []int) (lo, hi int) {
	lo, hi = list[0], list[0]
	for _, v := range list {
		lo, hi = min(lo, v), max(hi, v)
	}
	return lo, hi
}
