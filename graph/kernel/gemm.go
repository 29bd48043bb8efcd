package kernel

import "gonum.org/v1/gonum/blas"

// gemmGrain is the number of multiply-adds worth a goroutine.
const gemmGrain = 1 << 18

// Gemm is out = alpha·op(a)·op(b) + beta·out, where op transposes on request: op(a) is m×k, op(b) k×n, out m×n, row-major
// with the given strides. Where alpha or beta is 0, what it multiplies does not count. The work is cut along the longer
// side of out, so results do not depend on how k is summed. Few rows or columns are summed up as a [VectorBLAS] does.
func Gemm[T Number](c *Context, tA, tB bool, m, n, k int, alpha T, a []T, lda int, b []T, ldb int, beta T, out []T, ldc int) {
	if m == 0 || n == 0 {
		return
	}
	if k == 0 || alpha == 0 { // BLAS implementations differ on NaN times 0
		for i := range m {
			row := out[i*ldc : i*ldc+n]
			if beta == 0 {
				clear(row) // also of NaN
			} else {
				Scale(row, row, beta)
			}
		}
		return
	}
	if byVectors(c, tA, tB, m, n, k, alpha, a, lda, b, ldb, beta, out, ldc) {
		return
	}
	if m >= n {
		c.Parallel(m, max(1, gemmGrain/(n*k)), func(lo, hi int) {
			at := lo * lda
			if tA {
				at = lo
			}
			gemm(c.BLAS, tA, tB, hi-lo, n, k, alpha, a[at:], lda, b, ldb, beta, out[lo*ldc:], ldc)
		})
		return
	}
	c.Parallel(n, max(1, gemmGrain/(m*k)), func(lo, hi int) {
		at := lo
		if tB {
			at = lo * ldb
		}
		gemm(c.BLAS, tA, tB, m, hi-lo, k, alpha, a, lda, b[at:], ldb, beta, out[lo:], ldc)
	})
}

const (
	fewVectors  = 4       // that are worth reading a matrix for each
	longSum     = 32      // elements that are worth adding up in parts
	vectorBlock = 1 << 17 // elements of a matrix, which stay in the second-level cache for the next vector
)

// byVectors is Gemm as products of a matrix, whose rows are as long as the sums, and few vectors; it is false if there are other ways only.
// It looks at the whole product, so which order sums have does not depend on how that is cut.
func byVectors[T Number](c *Context, tA, tB bool, m, n, k int, alpha T, a []T, lda int, b []T, ldb int, beta T, out []T, ldc int) bool {
	v, ok := c.BLAS.(VectorBLAS)
	x, single := any(a).([]float32)
	if !ok || !single || k < longSum {
		return false
	}
	y, z, row, col := any(b).([]float32), any(out).([]float32), ldc, 1
	switch {
	case n <= fewVectors && n <= m && !tA:
	case m <= fewVectors && tB: // outᵀ = op(b)ᵀ·op(a)ᵀ
		m, n, x, lda, y, ldb, tB, row, col = n, m, y, ldb, x, lda, !tA, 1, ldc
	default:
		return false
	}
	next, step := 1, ldb // vector, and element of one
	if tB {
		next, step = ldb, 1
	}
	block := m
	if n > 1 {
		block = max(1, vectorBlock/k)
	}
	c.Parallel(m, max(1, gemmGrain/(n*k)), func(lo, hi int) {
		for i := lo; i < hi; i += block {
			for j := range n {
				v.Sgemv(blas.NoTrans, min(block, hi-i), k, float32(alpha), x[i*lda:], lda, y[j*next:], step, float32(beta), z[i*row+j*col:], row)
			}
		}
	})
	return true
}

// gemm is one call of the BLAS, or plain loops over integers.
func gemm[T Number](b BLAS, tA, tB bool, m, n, k int, alpha T, x []T, lda int, y []T, ldb int, beta T, out []T, ldc int) {
	flag := func(t bool) blas.Transpose {
		if t {
			return blas.Trans
		}
		return blas.NoTrans
	}
	switch x := any(x).(type) {
	case []float32:
		b.Sgemm(flag(tA), flag(tB), m, n, k, float32(alpha), x, lda, any(y).([]float32), ldb, float32(beta), any(out).([]float32), ldc)
	case []float64:
		b.Dgemm(flag(tA), flag(tB), m, n, k, float64(alpha), x, lda, any(y).([]float64), ldb, float64(beta), any(out).([]float64), ldc)
	default:
		integerGemm(tA, tB, m, n, k, alpha, any(x).([]T), lda, y, ldb, beta, out, ldc)
	}
}

// integerGemm adds up row by row of op(b), or element by element where that is transposed.
func integerGemm[T Number](tA, tB bool, m, n, k int, alpha T, x []T, lda int, y []T, ldb int, beta T, out []T, ldc int) {
	for i := range m {
		row := out[i*ldc : i*ldc+n]
		for j := range row {
			row[j] *= beta
		}
		for l := range k {
			at := i*lda + l
			if tA {
				at = l*lda + i
			}
			a := alpha * x[at]
			if tB {
				for j := range row {
					row[j] += a * y[j*ldb+l]
				}
				continue
			}
			b := y[l*ldb : l*ldb+n]
			for j := range row {
				row[j] += a * b[j]
			}
		}
	}
}
