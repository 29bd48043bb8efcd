package kernel

import (
	"fmt"
	"math"
	"testing"

	"gonum.org/v1/gonum/blas/gonum"
)

// TestGemm compares with the triple loop over transposes, strides, factors and sizes, on one goroutine and several.
func TestGemm(t *testing.T) {
	for _, s := range [][3]int{{1, 1, 1}, {2, 3, 4}, {5, 1, 7}, {1, 6, 3}, {150, 70, 40}, {60, 170, 50}, {3, 4, 0}, {0, 4, 3}, {4, 0, 3}} {
		for _, threads := range []int{1, 3} {
			t.Run(fmt.Sprint(s, threads), func(t *testing.T) {
				testGemm[float32](t, s, threads, 1e-4)
				testGemm[float64](t, s, threads, 1e-12)
			})
		}
	}
}

func testGemm[T Float](t *testing.T, s [3]int, threads int, tol float64) {
	t.Helper()
	m, n, k := s[0], s[1], s[2]
	c := NewContext(gonum.Implementation{}, threads)
	for _, tr := range [][2]bool{{false, false}, {true, false}, {false, true}, {true, true}} {
		for _, f := range [][2]T{{1, 0}, {1, 1}, {-.5, 2}, {0, .5}} {
			lda, ldb, ldc := k+2, n+1, n+3
			stepA, stepB := [2]int{lda, 1}, [2]int{ldb, 1}
			if tr[0] {
				lda = m + 2
				stepA = [2]int{1, lda}
			}
			if tr[1] {
				ldb = k + 1
				stepB = [2]int{1, ldb}
			}
			a, b, out := normals[T]((m+k)*lda, 1), normals[T]((k+n)*ldb, 2), normals[T](m*ldc, 3)
			want := make([]float64, len(out))
			for i, x := range out {
				want[i] = float64(x)
				if i%ldc >= n {
					continue
				}
				sum := 0.0
				for l := range k {
					sum += float64(a[i/ldc*stepA[0]+l*stepA[1]]) * float64(b[l*stepB[0]+i%ldc*stepB[1]])
				}
				if want[i] = float64(f[0]) * sum; f[0] == 0 {
					want[i], a[0] = 0, T(math.NaN()) // with alpha 0, the operands do not count
				}
				if f[1] != 0 {
					want[i] += float64(f[1]) * float64(x)
				} else {
					out[i] = T(math.NaN()) // with beta 0, what was there does not count
				}
			}
			Gemm(c, tr[0], tr[1], m, n, k, f[0], a, lda, b, ldb, f[1], out, ldc)
			for i, w := range want {
				if g := float64(out[i]); !(math.Abs(g-w) <= tol) {
					t.Fatalf("transposed %v, factors %v: element (%d, %d) is %v, want %v", tr, f, i/ldc, i%ldc, g, w)
				}
			}
		}
	}
}
