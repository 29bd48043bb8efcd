//go:build linux || darwin

package blas

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"unsafe"

	"gonum.org/v1/gonum/blas"
)

// TestBounds multiplies matrices behind which no memory may be touched: one element too far ends the test with a fault.
func TestBounds(t *testing.T) {
	a, b, c := guarded(t), guarded(t), guarded(t)
	r := rand.New(rand.NewPCG(1, 2))
	for _, v := range levels {
		for range 2000 {
			m, n, k := 1+r.IntN(20), 1+r.IntN(70), 1+r.IntN(40)
			tA, tB := r.IntN(2) == 0, r.IntN(2) == 0
			lda, ldb := k, n
			if tA {
				lda = m
			}
			if tB {
				ldb = k
			}
			vectorGo{level: v}.Sgemm(transposed(tA), transposed(tB), m, n, k, 1, a[len(a)-m*k:], lda, b[len(b)-k*n:], ldb, float32(r.IntN(2)), c[len(c)-m*n:], n)
			rows, cols := m, k
			if tA {
				rows, cols = k, m
			}
			vectorGo{level: v}.Sgemv(transposed(tA), rows, cols, 1, a[len(a)-m*k:], lda, b[len(b)-k:], 1, float32(r.IntN(2)), c[len(c)-m:], 1)

			g := vectorGo{level: v}
			s, columns := scatter(r, m, n, k), g.Scolumns(n)
			x, packed := a[len(a)-len(s.x):], b[len(b)-k*columns:]
			if tB {
				g.Spack(packed, k, 0, blas.Trans, k, n, a[len(a)-k*n:], k)
			} else {
				g.Spack(packed, k, 0, blas.NoTrans, k, n, a[len(a)-k*n:], n)
			}
			g.Sgather(n, x, s.rows, s.cols, packed, tA, c[len(c)-m*columns:], columns)
		}
	}
}

// guarded is 16 KB of float32 with a page behind them that may not be touched.
func guarded(t *testing.T) []float32 {
	t.Helper()
	page := syscall.Getpagesize()
	size := max(16<<10, page)
	mem, err := syscall.Mmap(-1, 0, size+page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Munmap(mem); err != nil {
			t.Error(err)
		}
	})
	if err := syscall.Mprotect(mem[size:], syscall.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&mem[0])), size/4)
}
