package blas

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"gonum.org/v1/gonum/blas"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
)

func openBLAS(t testing.TB) Impl {
	t.Helper()
	l, err := Find("openblas")
	if err != nil {
		t.Skipf("needs OpenBLAS: %v", err)
	}
	return l
}

func random(r *rand.Rand, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = r.NormFloat64()
	}
	return out
}

func single(a []float64) []float32 {
	out := make([]float32, len(a))
	for i, x := range a {
		out[i] = float32(x)
	}
	return out
}

// TestAgainstGonum compares each BLAS with gonum over transposes, strides and sizes, some beyond a block.
func TestAgainstGonum(t *testing.T) {
	for name, find := range map[string]func(testing.TB) Impl{"go": func(testing.TB) Impl { return Go() }, "openblas": openBLAS} {
		t.Run(name, func(t *testing.T) { againstGonum(t, find(t)) })
	}
}

func againstGonum(t *testing.T, l Impl) {
	r := rand.New(rand.NewPCG(1, 2))
	var gonum pureGo
	for _, s := range [][3]int{{1, 1, 1}, {3, 5, 7}, {2, 3, 0}, {6, 16, 3}, {10, 11, 12}, {64, 33, 17}, {128, 512, 20}, {130, 50, 300}, {9, 1050, 5}, {5, 4, 520},
		{7, 17, 257}, {119, 15, 256}, {121, 32, 255}, {12, 1025, 1}, {0, 5, 7}, {8, 0, 7}} {
		for _, tr := range [][2]blas.Transpose{{blas.NoTrans, blas.NoTrans}, {blas.Trans, blas.NoTrans}, {blas.NoTrans, blas.Trans}, {blas.Trans, blas.Trans}} {
			for _, ab := range [][2]float64{{1, 0}, {1.5, .5}, {1, 1}, {-2, 0}} {
				m, n, k := s[0], s[1], s[2]
				lda, ldb, ldc := k+2, n+1, n+3
				if tr[0] == blas.Trans {
					lda = m + 2
				}
				if tr[1] == blas.Trans {
					ldb = k + 1
				}
				a, b, c := random(r, (m+k)*(lda+1)), random(r, (k+n)*(ldb+1)), random(r, m*ldc)
				a32, b32, c32 := single(a), single(b), single(c)
				if ab[1] == 0 && m*n > 0 {
					c[0], c32[0] = math.NaN(), float32(math.NaN()) // must be overwritten, not multiplied
				}
				want, want32 := slices.Clone(c), slices.Clone(c)
				gonum.Dgemm(tr[0], tr[1], m, n, k, ab[0], a, lda, b, ldb, ab[1], want, ldc)
				gonum.Dgemm(tr[0], tr[1], m, n, k, ab[0], double(a32), lda, double(b32), ldb, ab[1], want32, ldc)
				l.Dgemm(tr[0], tr[1], m, n, k, ab[0], a, lda, b, ldb, ab[1], c, ldc)
				l.Sgemm(tr[0], tr[1], m, n, k, float32(ab[0]), a32, lda, b32, ldb, float32(ab[1]), c32, ldc)
				for i := range c {
					if !(math.Abs(c[i]-want[i]) <= 1e-10) || !(math.Abs(float64(c32[i])-want32[i]) <= 1e-4) {
						t.Fatalf("%v %v %v: element %d is %v and %v, want %v and %v", s, tr, ab, i, c[i], c32[i], want[i], want32[i])
					}
				}
			}
		}
	}
}

// TestBlockEdges multiplies matrices that are a tile or a block of the pure Go product in one direction, and one less and
// more, with plain loops.
func TestBlockEdges(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var sizes [][3]int
	for _, d := range []int{-1, 0, 1} {
		for _, m := range []int{tileRows, 2 * tileRows, blockM, 2 * blockM} {
			sizes = append(sizes, [3]int{m + d, tileCols + 1, 9})
		}
		for _, n := range []int{tileCols, 2 * tileCols, blockN} {
			sizes = append(sizes, [3]int{tileRows + 1, n + d, 9})
		}
		for _, k := range []int{2, 4, blockK, 2 * blockK} {
			sizes = append(sizes, [3]int{tileRows + 1, tileCols + 1, k + d})
		}
	}
	for _, s := range sizes {
		m, n, k := s[0], s[1], s[2]
		a, b, c := single(random(r, m*k)), single(random(r, k*n)), single(random(r, m*n))
		want := make([]float64, m*n)
		for i := range want {
			for l := range k {
				want[i] += float64(a[i/n*k+l]) * float64(b[l*n+i%n])
			}
			want[i] = 1.5*want[i] + .5*float64(c[i])
		}
		Go().Sgemm(blas.NoTrans, blas.NoTrans, m, n, k, 1.5, a, k, b, n, .5, c, n)
		for i, w := range want {
			if !(math.Abs(float64(c[i])-w) <= 2e-6*math.Sqrt(float64(k))*max(1, math.Abs(w))) {
				t.Fatalf("%v: element (%d, %d) is %v, want %v", s, i/n, i%n, c[i], w)
			}
		}
	}
}

// TestEmpty gives products of no elements the least slices that hold them.
func TestEmpty(t *testing.T) {
	for name, find := range map[string]func(testing.TB) Impl{"go": func(testing.TB) Impl { return Go() }, "openblas": openBLAS} {
		t.Run(name, func(t *testing.T) {
			for _, s := range [][3]int{{8, 0, 7}, {0, 8, 7}, {0, 0, 0}} {
				m, n, k := s[0], s[1], s[2]
				find(t).Sgemm(blas.NoTrans, blas.NoTrans, m, n, k, 1, make([]float32, m*k), max(1, k), make([]float32, k*n), max(1, n), 0, nil, max(1, n))
			}
		})
	}
}

// TestConcurrent runs one product on many goroutines at once: the same bits each time.
func TestConcurrent(t *testing.T) {
	const m, n, k = 50, 70, 300
	r := rand.New(rand.NewPCG(1, 2))
	a, b := single(random(r, m*k)), single(random(r, k*n))
	multiply := func() []float32 {
		c := make([]float32, m*n)
		Go().Sgemm(blas.NoTrans, blas.NoTrans, m, n, k, 1, a, k, b, n, 0, c, n)
		return c
	}
	want := multiply()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 5 {
				if !slices.Equal(multiply(), want) {
					t.Error("the product differs")
				}
			}
		})
	}
	all.Wait()
}

func double(a []float32) []float64 {
	out := make([]float64, len(a))
	for i, x := range a {
		out[i] = float64(x)
	}
	return out
}

// TestName of a library opened at run time says which it is.
func TestName(t *testing.T) {
	if l := openBLAS(t); !strings.Contains(l.Name(), "OpenBLAS") && !strings.Contains(l.Name(), "Accelerate") {
		t.Errorf("it calls itself %q", l.Name())
	}
}

// TestShortSlices must panic in Go, not read past the slice in C.
func TestShortSlices(t *testing.T) {
	for name, find := range map[string]func(testing.TB) Impl{"go": func(testing.TB) Impl { return Go() }, "openblas": openBLAS} {
		for _, cut := range []int{0, 1, 2} {
			t.Run(fmt.Sprint(name, cut), func(t *testing.T) {
				l := find(t)
				defer func() {
					if recover() == nil {
						t.Error("no panic")
					}
				}()
				s := [3][]float32{make([]float32, 24), make([]float32, 24), make([]float32, 16)}
				s[cut] = s[cut][:len(s[cut])-1]
				l.Sgemm(blas.NoTrans, blas.NoTrans, 4, 4, 6, 1, s[0], 6, s[1], 4, 0, s[2], 4)
			})
		}
	}
}

func TestFind(t *testing.T) {
	if b, err := Find("go"); err != nil || b.Name() != Go().Name() {
		t.Errorf("%v, %v", b, err)
	}
	if b, err := Find(""); err != nil || b == nil {
		t.Errorf("the default: %v", err)
	}
	if _, err := Find("/no/such/library.so"); err == nil || !strings.Contains(err.Error(), "/no/such/library.so") {
		t.Errorf("a missing library: %v", err)
	}
}

// BenchmarkSgemm gives GFLOP/s of the kernel's product on one and two goroutines.
func BenchmarkSgemm(b *testing.B) {
	impls := []Impl{pureGo{}, Go()}
	if l, err := Find("openblas"); err == nil {
		impls = append(impls, l)
	}
	for _, impl := range impls {
		for _, threads := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s/threads=%d", impl.Name(), threads), func(b *testing.B) {
				const m, n, k = 128, 512, 784
				r := rand.New(rand.NewPCG(1, 2)) // not zeros: gonum skips those
				x, y, z := single(random(r, m*k)), single(random(r, k*n)), make([]float32, m*n)
				c := kernel.NewContext(impl, threads)
				for b.Loop() {
					kernel.Gemm(c, false, false, m, n, k, 1, x, k, y, n, 0, z, n)
				}
				b.ReportMetric(2*m*n*k*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
			})
		}
	}
}
