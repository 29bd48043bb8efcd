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
	p := operandsOf[T]{tA, tB, m, n, k, alpha, a, lda, b, ldb, beta, out, ldc}
	if m >= n {
		Cut(c, m, max(1, gemmGrain/(n*k)), byRows[T]{p})
	} else {
		Cut(c, n, max(1, gemmGrain/(m*k)), byColumns[T]{p})
	}
}

// operandsOf are those of a product.
type operandsOf[T Number] struct {
	tA, tB  bool
	m, n, k int
	alpha   T
	a       []T
	lda     int
	b       []T
	ldb     int
	beta    T
	out     []T
	ldc     int
}

// byRows is a product that is cut into rows of out.
type byRows[T Number] struct{ operandsOf[T] }

func (p *byRows[T]) Part(c *Context, lo, hi int) {
	at := lo * p.lda
	if p.tA {
		at = lo
	}
	gemm(c.BLAS, p.tA, p.tB, hi-lo, p.n, p.k, p.alpha, p.a[at:], p.lda, p.b, p.ldb, p.beta, p.out[lo*p.ldc:], p.ldc)
}

// byColumns is a product that is cut into columns of out.
type byColumns[T Number] struct{ operandsOf[T] }

func (p *byColumns[T]) Part(c *Context, lo, hi int) {
	at := lo
	if p.tB {
		at = lo * p.ldb
	}
	gemm(c.BLAS, p.tA, p.tB, p.m, hi-lo, p.k, p.alpha, p.a, p.lda, p.b[at:], p.ldb, p.beta, p.out[lo:], p.ldc)
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
	Cut(c, m, max(1, gemmGrain/(n*k)), vectorProducts{v, n, k, float32(alpha), x, lda, y, next, step, float32(beta), z, row, col, block})
	return true
}

// vectorProducts are products of a matrix x and n vectors of k elements: those of y, which begin next apart, with elements step apart.
type vectorProducts struct {
	VectorBLAS
	n, k       int
	alpha      float32
	x          []float32
	lda        int
	y          []float32
	next, step int
	beta       float32
	z          []float32
	row, col   int // how far apart elements of a result and results are
	block      int // rows at a time
}

func (p *vectorProducts) Part(_ *Context, lo, hi int) {
	for i := lo; i < hi; i += p.block {
		for j := range p.n {
			p.Sgemv(blas.NoTrans, min(p.block, hi-i), p.k, p.alpha, p.x[i*p.lda:], p.lda, p.y[j*p.next:], p.step, p.beta, p.z[i*p.row+j*p.col:], p.row)
		}
	}
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
