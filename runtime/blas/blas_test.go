package blas

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"gonum.org/v1/gonum/blas"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/runtime/racetest"
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
		{7, 17, 257}, {40, 1, 70}, {3, 1, 5}, {119, 15, 256}, {121, 32, 255}, {12, 1025, 1}, {0, 5, 7}, {8, 0, 7}} {
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

// fma32 is x·y + z, rounded once: the float64 sum is rounded to odd first, so that rounding it again is right.
func fma32(x, y, z float32) float32 {
	p, c := float64(x)*float64(y), float64(z) // exact
	sum := p + c
	part := sum - p
	if rest := (p - (sum - part)) + (c - part); rest != 0 {
		if bits := math.Float64bits(sum); bits&1 == 0 {
			if (rest > 0) == (sum > 0) {
				bits++
			} else {
				bits--
			}
			sum = math.Float64frombits(bits)
		}
	}
	return float32(sum)
}

// inOrder is what every level must compute, to the bit, by plain loops.
func inOrder(tA, tB bool, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	for i := range m {
		for j := range n {
			at := &c[i*ldc+j]
			switch beta {
			case 0:
				*at = 0
			default:
				*at *= beta
			}
			for l := 0; l < k; l += blockK {
				sum := float32(0)
				for d := l; d < min(k, l+blockK); d++ {
					x, y := i*lda+d, d*ldb+j
					if tA {
						x = d*lda + i
					}
					if tB {
						y = j*ldb + d
					}
					sum = fma32(alpha*a[x], b[y], sum)
				}
				*at += sum
			}
		}
	}
}

// TestLevels multiplies, on every level of vectors that the CPU has, matrices that are a vector, a tile or a block in one
// direction, and one less and more, with plain loops: the bits must be the same.
func TestLevels(t *testing.T) {
	if len(levels) == 0 {
		t.Skip("this machine has no vector loops")
	}
	r := rand.New(rand.NewPCG(3, 4))
	sizes := [][3]int{{1, 1, 1}, {70, 50, 40}, {3, 200, 300}, {100, 1, 513}, {1, 100, 7}, {1, 1030, 520}, {2, 70, 300},
		{40, 1100, 1}, {1100, 1, 1}, {70, 3, 1}, {70, 4, 300}, {70, 7, 90}, {300, 130, 70}}
	for _, d := range []int{-1, 0, 1} {
		for _, m := range []int{2, 6, 8, 12, 16, 18, 24, blockM} {
			sizes = append(sizes, [3]int{m + d, 50, 5})
		}
		for _, n := range []int{8, 16, 24, 32, 48, 64, 96} {
			sizes = append(sizes, [3]int{7, n + d, 9}, [3]int{30, n + d, 9})
		}
		for _, k := range []int{2, 4, 8, blockK, 2 * blockK} {
			sizes = append(sizes, [3]int{9, 49, k + d})
		}
	}
	for _, s := range sizes {
		m, n, k := s[0], s[1], s[2]
		for kind := range 16 {
			tA, tB, pad := kind&1 != 0, kind&2 != 0, kind>>2&1
			lda, ldb, ldc := k+2*pad, n+pad, n+3*(kind>>3)
			if tA {
				lda = m + 2*pad
			}
			if tB {
				ldb = k + pad
			}
			a, b, c := single(random(r, (m+k)*lda)), single(random(r, (n+k)*ldb)), single(random(r, m*ldc))
			for _, f := range [][2]float32{{1, 0}, {1, 1}, {-.7, .3}} {
				want := slices.Clone(c)
				inOrder(tA, tB, m, n, k, f[0], a, lda, b, ldb, f[1], want, ldc)
				for _, v := range levels {
					got := slices.Clone(c)
					vectorGo{level: v}.Sgemm(transposed(tA), transposed(tB), m, n, k, f[0], a, lda, b, ldb, f[1], got, ldc)
					for i, w := range want {
						if math.Float32bits(got[i]) != math.Float32bits(w) {
							t.Fatalf("%s: %v, transposed %v %v, factors %v: element (%d, %d) is %v, want %v", v.name, s, tA, tB, f, i/ldc, i%ldc, got[i], w)
						}
					}
				}
			}
		}
	}
}

// inParts is what every level must compute of a matrix and a vector, to the bit.
func inParts(tA bool, m, n int, alpha float32, a []float32, lda int, x []float32, incX int, beta float32, y []float32, incY int) {
	if tA {
		inOrder(true, false, n, 1, m, alpha, a, lda, x, incX, beta, y, incY)
		return
	}
	for i := range m {
		var parts [16]float32
		for d := range n {
			parts[d%16] = fma32(a[i*lda+d], x[d*incX], parts[d%16])
		}
		for half := 8; half > 0; half /= 2 {
			for p := range half {
				parts[p] += parts[p+half]
			}
		}
		sum := alpha * parts[0]
		if beta != 0 {
			old := beta * y[i*incY]
			sum += old
		}
		y[i*incY] = sum
	}
}

// TestVector multiplies matrices and vectors as TestLevels does matrices.
func TestVector(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, s := range [][2]int{{1, 1}, {2, 3}, {3, 16}, {4, 15}, {5, 17}, {8, 31}, {7, 32}, {9, 33}, {1, 300}, {64, 513}, {1030, 20}, {20, 1030}} {
		for _, tA := range []bool{false, true} {
			m, n := s[0], s[1]
			for _, inc := range []int{1, 3} {
				lda := n + 2
				a, x, y := single(random(r, m*lda)), single(random(r, max(m, n)*inc)), single(random(r, max(m, n)*inc))
				for _, f := range [][2]float32{{1, 0}, {1, 1}, {-.7, .3}} {
					want := slices.Clone(y)
					if f[1] == 0 {
						y[0] = float32(math.NaN()) // must be overwritten
					}
					inParts(tA, m, n, f[0], a, lda, x, inc, f[1], want, inc)
					for _, v := range levels {
						got := slices.Clone(y)
						vectorGo{level: v}.Sgemv(transposed(tA), m, n, f[0], a, lda, x, inc, f[1], got, inc)
						for i, w := range want {
							if math.Float32bits(got[i]) != math.Float32bits(w) {
								t.Fatalf("%s: %v, transposed %v, factors %v, steps %d: element %d is %v, want %v", v.name, s, tA, f, inc, i, got[i], w)
							}
						}
					}
					if f[1] == 0 {
						y[0] = 1
					}
				}
			}
		}
	}
}

// TestFewVectors: products of few rows or columns are those of a matrix and each vector, if the rows of the matrix are as long as the sums,
// and have the same bits however they are cut.
func TestFewVectors(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, s := range [][3]int{{1, 1, 40}, {2, 1, 32}, {1, 2, 32}, {64, 1, 70}, {37, 2, 100}, {9, 4, 33}, {9, 5, 33}, {4, 4, 33}, {3, 40, 50}, {1, 9, 64}, {4, 11, 37},
		{200, 3, 1000}, {20, 1, 31}} {
		for kind := range 4 {
			m, n, k := s[0], s[1], s[2]
			tA, tB := kind&1 != 0, kind&2 != 0
			lda, ldb, ldc := k+2, n+1, n+3
			if tA {
				lda = m + 2
			}
			if tB {
				ldb = k + 1
			}
			a, b, c := single(random(r, (m+k)*lda)), single(random(r, (n+k)*ldb)), single(random(r, m*ldc))
			for _, f := range [][2]float32{{1, 0}, {-.7, .3}} {
				want := slices.Clone(c)
				switch {
				case n <= 4 && n <= m && !tA && k >= 32:
					for j := range n {
						x, step := b[j:], ldb
						if tB {
							x, step = b[j*ldb:], 1
						}
						inParts(false, m, k, f[0], a, lda, x, step, f[1], want[j:], ldc)
					}
				case m <= 4 && tB && k >= 32:
					for i := range m {
						x, step := a[i*lda:], 1
						if tA {
							x, step = a[i:], lda
						}
						inParts(false, n, k, f[0], b, ldb, x, step, f[1], want[i*ldc:], 1)
					}
				default:
					inOrder(tA, tB, m, n, k, f[0], a, lda, b, ldb, f[1], want, ldc)
				}
				got := slices.Clone(c) // also where there are no vectors
				kernel.Gemm(kernel.NewContext(Go(), 1), tA, tB, m, n, k, f[0], a, lda, b, ldb, f[1], got, ldc)
				for i, w := range want {
					if !(math.Abs(float64(got[i]-w)) < 1e-3) {
						t.Fatalf("%v, transposed %v %v, factors %v: element (%d, %d) is %v, want %v", s, tA, tB, f, i/ldc, i%ldc, got[i], w)
					}
				}
				for _, v := range levels {
					for _, threads := range []int{1, 2, 3} {
						ctx := kernel.NewContext(vectorGo{level: v}, threads)
						ctx.Grain = 1
						got := slices.Clone(c)
						kernel.Gemm(ctx, tA, tB, m, n, k, f[0], a, lda, b, ldb, f[1], got, ldc)
						for i, w := range want {
							if math.Float32bits(got[i]) != math.Float32bits(w) {
								t.Fatalf("%s: %v, transposed %v %v, factors %v, %d threads: element (%d, %d) is %v, want %v", v.name, s, tA, tB, f, threads, i/ldc, i%ldc, got[i], w)
							}
						}
					}
				}
			}
		}
	}
}

// TestPooled: a product takes its memory again, whatever is in it. How often it allocates is not counted under the race detector,
// which empties pools at random.
func TestPooled(t *testing.T) {
	const m, k = 300, 20
	for _, v := range levels {
		for _, n := range []int{1, 5, 9} {
			a, b, c := make([]float32, m*k), make([]float32, k*n), make([]float32, m*n)
			stale := slices.Repeat([]float32{float32(math.NaN())}, m*n)
			turns.Put(&stale)
			multiply := func() { vectorGo{level: v}.Sgemm(blas.NoTrans, blas.NoTrans, m, n, k, 1, a, k, b, n, 0, c, n) }
			if got := testing.AllocsPerRun(20, multiply); got > 0 && !racetest.Enabled {
				t.Errorf("%s: a product of %d columns allocates %v times", v.name, n, got)
			}
			if slices.ContainsFunc(c, func(x float32) bool { return x != 0 }) {
				t.Errorf("%s: a product of %d columns of zeros is %v", v.name, n, c)
			}
		}
	}
}

func transposed(t bool) blas.Transpose {
	if t {
		return blas.Trans
	}
	return blas.NoTrans
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

// BenchmarkSgemm gives GFLOP/s of the kernel's product on one and two goroutines, of squares, layers and convolutions; docs/torch_products.py
// is its twin in PyTorch.
func BenchmarkSgemm(b *testing.B) {
	impls := map[string]Impl{"gonum": pureGo{}}
	for _, v := range levels {
		impls[v.name] = vectorGo{level: v}
	}
	if l, err := Find("openblas"); err == nil {
		impls[l.Name()] = l
	}
	for _, s := range []struct {
		m, n, k int
		tA, tB  bool
	}{
		{m: 512, n: 512, k: 512}, {m: 1024, n: 1024, k: 1024}, {m: 128, n: 512, k: 784}, {m: 128, n: 784, k: 512, tB: true},
		{m: 784, n: 512, k: 128, tA: true}, {m: 32, n: 784, k: 25}, {m: 64, n: 256, k: 288}, {m: 128, n: 256, k: 1024},
		{m: 64, n: 512, k: 256, tB: true}, {m: 3, n: 1024, k: 512}, {m: 32, n: 16, k: 32}, {m: 2048, n: 512, k: 128},
		{m: 512, n: 128, k: 2048, tA: true}, {m: 128, n: 128, k: 32, tB: true}, {m: 64, n: 1, k: 2048},
		{m: 1024, n: 1, k: 64, tA: true}, {m: 1, n: 512, k: 784}, {m: 1, n: 512, k: 784, tB: true}, {m: 64, n: 1024, k: 1},
		{m: 64, n: 2, k: 2048}, {m: 2, n: 512, k: 784, tB: true}, {m: 64, n: 4, k: 2048, tA: true}, {m: 64, n: 6, k: 784, tB: true},
	} {
		r := rand.New(rand.NewPCG(1, 2)) // not zeros: gonum skips those
		x, y, z := single(random(r, s.m*s.k)), single(random(r, s.k*s.n)), make([]float32, s.m*s.n)
		lda, ldb := s.k, s.n
		if s.tA {
			lda = s.m
		}
		if s.tB {
			ldb = s.k
		}
		for _, name := range slices.Sorted(maps.Keys(impls)) {
			impl := impls[name]
			for _, threads := range []int{1, 2} {
				b.Run(fmt.Sprintf("%dx%dx%d/%v,%v/%s/threads=%d", s.m, s.n, s.k, s.tA, s.tB, name, threads), func(b *testing.B) {
					c := kernel.NewContext(impl, threads)
					for b.Loop() {
						kernel.Gemm(c, s.tA, s.tB, s.m, s.n, s.k, 1, x, lda, y, ldb, 0, z, s.n)
					}
					b.ReportMetric(2*float64(s.m*s.n*s.k)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
				})
			}
		}
	}
}
