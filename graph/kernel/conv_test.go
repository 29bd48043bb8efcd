package kernel_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
)

// convCase is a convolution that leaves out what is 1 or 0, and the size of the result.
func convCase(s kernel.ConvShape) kernel.ConvShape {
	for i := range 2 {
		s.Strides[i], s.Dilations[i] = max(s.Strides[i], 1), max(s.Dilations[i], 1)
	}
	s.Groups = max(s.Groups, 1)
	size := func(i, n, k int) int {
		return (n+s.Pads[i]+s.Pads[i+2]-(k-1)*s.Dilations[i]-1)/s.Strides[i] + 1
	}
	s.OH, s.OW = size(0, s.H, s.KH), size(1, s.W, s.KW)
	return s
}

var convCases = []kernel.ConvShape{
	convCase(kernel.ConvShape{N: 1, C: 1, H: 1, W: 1, O: 1, KH: 1, KW: 1}),
	convCase(kernel.ConvShape{N: 3, C: 2, H: 5, W: 7, O: 4, KH: 3, KW: 3, Pads: [4]int{1, 1, 1, 1}}),
	convCase(kernel.ConvShape{N: 2, C: 3, H: 6, W: 5, O: 2, KH: 2, KW: 3}),
	convCase(kernel.ConvShape{N: 2, C: 3, H: 9, W: 8, O: 5, KH: 4, KW: 4, Strides: [2]int{2, 2}, Pads: [4]int{1, 1, 1, 1}}),
	convCase(kernel.ConvShape{N: 2, C: 2, H: 9, W: 7, O: 3, KH: 3, KW: 2, Strides: [2]int{2, 3}, Pads: [4]int{0, 1, 2, 0}}),
	convCase(kernel.ConvShape{N: 2, C: 2, H: 11, W: 10, O: 3, KH: 3, KW: 3, Dilations: [2]int{2, 3}, Pads: [4]int{3, 1, 0, 2}}),
	convCase(kernel.ConvShape{N: 2, C: 2, H: 11, W: 10, O: 3, KH: 3, KW: 3, Strides: [2]int{2, 2}, Dilations: [2]int{3, 2}, Pads: [4]int{3, 2, 3, 2}}),
	convCase(kernel.ConvShape{N: 2, C: 6, H: 5, W: 6, O: 4, KH: 3, KW: 3, Groups: 2, Pads: [4]int{0, 1, 1, 1}}),
	convCase(kernel.ConvShape{N: 3, C: 5, H: 6, W: 6, O: 10, KH: 3, KW: 3, Groups: 5, Pads: [4]int{1, 1, 1, 1}}),
	convCase(kernel.ConvShape{N: 3, C: 4, H: 7, W: 6, O: 4, KH: 3, KW: 3, Groups: 4, Strides: [2]int{2, 2}, Pads: [4]int{0, 0, 1, 1}}),
	convCase(kernel.ConvShape{N: 9, C: 8, H: 4, W: 4, O: 6, KH: 1, KW: 1}),
	convCase(kernel.ConvShape{N: 2, C: 3, H: 13, W: 12, O: 4, KH: 1, KW: 1, Groups: 1}),
	convCase(kernel.ConvShape{N: 2, C: 3, H: 5, W: 5, O: 4, KH: 1, KW: 1, Pads: [4]int{1, 2, 0, 1}}),
	convCase(kernel.ConvShape{N: 2, C: 1, H: 3, W: 3, O: 1, KH: 3, KW: 3, Strides: [2]int{4, 4}, Pads: [4]int{5, 5, 5, 5}}), // taps that read nothing
	convCase(kernel.ConvShape{N: 2, C: 2, H: 2, W: 40, O: 9, KH: 2, KW: 5, Pads: [4]int{2, 6, 3, 4}}),                       // padded beyond the filter
	convCase(kernel.ConvShape{N: 1, C: 1, H: 30, W: 70, O: 1, KH: 24, KW: 25, Pads: [4]int{11, 12, 12, 12}}),                // several bands
	convCase(kernel.ConvShape{N: 1, C: 1, H: 50, W: 101, O: 1, KH: 20, KW: 20, Strides: [2]int{2, 1}, Pads: [4]int{9, 8, 3, 9}}),
	convCase(kernel.ConvShape{N: 13, C: 3, H: 3, W: 3, O: 2, KH: 3, KW: 3, Pads: [4]int{1, 1, 1, 1}}), // patches of several images
	convCase(kernel.ConvShape{N: 3, C: 2, H: 2, W: 23, O: 3, KH: 1, KW: 3, Pads: [4]int{0, 1, 0, 1}}), // the longest rows that share a patch
	convCase(kernel.ConvShape{N: 3, C: 2, H: 2, W: 24, O: 3, KH: 1, KW: 3, Pads: [4]int{0, 1, 0, 1}}),
	convCase(kernel.ConvShape{N: 16, C: 1, H: 11, W: 12, O: 2, KH: 1, KW: 1}), // pointwise, on either side of what is copied
	convCase(kernel.ConvShape{N: 16, C: 1, H: 9, W: 12, O: 2, KH: 1, KW: 1}),
	convCase(kernel.ConvShape{N: 18, C: 3, H: 7, W: 6, O: 4, KH: 3, KW: 3, Pads: [4]int{1, 1, 1, 1}}), // as many images as a patch has, and two
	convCase(kernel.ConvShape{N: 17, C: 4, H: 9, W: 7, O: 6, KH: 3, KW: 2, Strides: [2]int{2, 3}, Pads: [4]int{0, 1, 2, 0}, Groups: 2}),
	convCase(kernel.ConvShape{N: 16, C: 40, H: 10, W: 8, O: 3, KH: 5, KW: 5, Strides: [2]int{2, 2}, Pads: [4]int{2, 2, 2, 2}}), // bands of several images
	convCase(kernel.ConvShape{N: 20, C: 12, H: 11, W: 9, O: 50, KH: 9, KW: 5, Pads: [4]int{4, 2, 4, 2}}),
	convCase(kernel.ConvShape{N: 3, C: 2, H: 3, W: 43, O: 3, KH: 2, KW: 3, Strides: [2]int{2, 1}, Pads: [4]int{1, 1, 1, 1}}),
}

func TestConv(t *testing.T) {
	for _, s := range convCases {
		t.Run(fmt.Sprintf("%+v", s), func(t *testing.T) {
			testConv[float64](t, s, 1e-12)
			testConv[float32](t, s, 2e-5)
		})
	}
}

func testConv[T kernel.Float](t *testing.T, s kernel.ConvShape, tol float64) {
	x, w, y := uniform[T](s.N*s.C*s.H*s.W), uniform[T](s.O*s.C/s.Groups*s.KH*s.KW), uniform[T](s.N*s.O*s.OH*s.OW)
	wantY, wantX, wantW := make([]float64, len(y)), make([]float64, len(x)), make([]float64, len(w))
	products(s, func(xi, wi, yi int) {
		wantY[yi] += float64(x[xi]) * float64(w[wi])
		wantX[xi] += float64(y[yi]) * float64(w[wi])
		wantW[wi] += float64(x[xi]) * float64(y[yi])
	})
	for _, threads := range []int{1, 2, 3, 7} {
		c := kernel.NewContext(gonum.Implementation{}, threads)
		junk(c, T(math.NaN()))
		check := func(what string, got []T, want []float64) {
			t.Helper()
			for i, v := range want {
				if !(math.Abs(float64(got[i])-v) <= tol*math.Sqrt(float64(s.C*s.KH*s.KW*s.OH*s.OW))) {
					t.Fatalf("%T, %d threads: element %d of %s is %v, want %v", got, threads, i, what, got[i], v)
				}
			}
		}
		out := spoiled[T](len(y))
		kernel.ConvForward(c, s, out, x, w)
		check("y", out, wantY)
		out = spoiled[T](len(x))
		kernel.ConvInput(c, s, out, w, y)
		check("dx", out, wantX)
		out = spoiled[T](len(w))
		kernel.ConvWeight(c, s, out, x, y)
		check("dw", out, wantW)
		again := spoiled[T](len(w))
		kernel.ConvWeight(c, s, again, x, y)
		if !slices.Equal(out, again) {
			t.Fatalf("%T: dw differs from run to run", out)
		}
	}
}

// TestConvThreads wants the bits of one goroutine from several, where each element of a product is the same however the product is
// cut. gonum's is not: its sums depend on where in memory they begin.
func TestConvThreads(t *testing.T) {
	for _, s := range convCases {
		x, w, y := uniform[float32](s.N*s.C*s.H*s.W), uniform[float32](s.O*s.C/s.Groups*s.KH*s.KW), uniform[float32](s.N*s.O*s.OH*s.OW)
		var want [3][]float32
		for _, threads := range []int{1, 2, 3, 7} {
			c := kernel.NewContext(inOrder{}, threads)
			got := [3][]float32{spoiled[float32](len(y)), spoiled[float32](len(x)), spoiled[float32](len(w))}
			kernel.ConvForward(c, s, got[0], x, w)
			kernel.ConvInput(c, s, got[1], w, y)
			kernel.ConvWeight(c, s, got[2], x, y)
			if threads == 1 {
				want = got
			}
			for i, what := range []string{"y", "dx", "dw"} {
				if !slices.Equal(got[i], want[i]) {
					t.Errorf("%+v: %s has other bits on %d threads than on one", s, what, threads)
				}
			}
		}
	}
}

// inOrder adds up each element of a product in the order of k.
type inOrder struct{}

func (inOrder) Sgemm(tA, tB blas.Transpose, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	gemmInOrder(tA, tB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

func (inOrder) Dgemm(tA, tB blas.Transpose, m, n, k int, alpha float64, a []float64, lda int, b []float64, ldb int, beta float64, c []float64, ldc int) {
	gemmInOrder(tA, tB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

func gemmInOrder[T kernel.Float](tA, tB blas.Transpose, m, n, k int, alpha T, a []T, lda int, b []T, ldb int, beta T, c []T, ldc int) {
	steps := func(t blas.Transpose, ld int) (row, col int) {
		if t != blas.NoTrans {
			return 1, ld
		}
		return ld, 1
	}
	rowA, colA := steps(tA, lda)
	rowB, colB := steps(tB, ldb)
	for i := range m {
		for j := range n {
			sum := T(0)
			for l := range k {
				sum += a[i*rowA+l*colA] * b[l*rowB+j*colB]
			}
			if sum *= alpha; beta != 0 {
				sum += beta * c[i*ldc+j]
			}
			c[i*ldc+j] = sum
		}
	}
}

// products calls do for each product that a convolution adds up, with the positions of its factors.
func products(s kernel.ConvShape, do func(x, w, y int)) {
	o, in := s.O/s.Groups, s.C/s.Groups
	for n := range s.N {
		for ch := range s.O {
			for oy := range s.OH {
				for ox := range s.OW {
					for c := range in {
						for ky := range s.KH {
							for kx := range s.KW {
								iy, ix := oy*s.Strides[0]+ky*s.Dilations[0]-s.Pads[0], ox*s.Strides[1]+kx*s.Dilations[1]-s.Pads[1]
								if iy < 0 || iy >= s.H || ix < 0 || ix >= s.W {
									continue
								}
								do(((n*s.C+ch/o*in+c)*s.H+iy)*s.W+ix, ((ch*in+c)*s.KH+ky)*s.KW+kx, ((n*s.O+ch)*s.OH+oy)*s.OW+ox)
							}
						}
					}
				}
			}
		}
	}
}

func uniform[T kernel.Float](n int) []T {
	r := rand.New(rand.NewPCG(uint64(n), 5))
	out := make([]T, n)
	for i := range out {
		out[i] = T(r.Float64()*2 - 1)
	}
	return out
}

// spoiled is memory that a kernel must overwrite.
func spoiled[T kernel.Float](n int) []T {
	out := make([]T, n)
	for i := range out {
		out[i] = T(math.NaN())
	}
	return out
}

// junk fills c's scratch memory.
func junk[T kernel.Float](c *kernel.Context, v T) {
	s := kernel.Scratch[T](c, 1<<16)
	for i := range s {
		s[i] = v
	}
}

func TestConvEmpty(t *testing.T) {
	c := kernel.NewContext(gonum.Implementation{}, 2)
	s := convCase(kernel.ConvShape{N: 0, C: 2, H: 4, W: 4, O: 3, KH: 3, KW: 3})
	w := uniform[float32](3 * 2 * 9)
	dw := spoiled[float32](len(w))
	kernel.ConvForward(c, s, nil, nil, w)
	kernel.ConvInput(c, s, nil, w, nil)
	kernel.ConvWeight(c, s, dw, nil, nil)
	if slices.ContainsFunc(dw, func(v float32) bool { return v != 0 }) {
		t.Errorf("the gradient over no images is %v, want zeros", dw)
	}
}

// noBLAS computes nothing, for counting what is around the products.
type noBLAS struct{}

func (noBLAS) Sgemm(tA, tB blas.Transpose, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
}
func (noBLAS) Dgemm(tA, tB blas.Transpose, m, n, k int, alpha float64, a []float64, lda int, b []float64, ldb int, beta float64, c []float64, ldc int) {
}

// TestConvScratch bounds the memory for a large image, and wants almost none but the scratch.
func TestConvScratch(t *testing.T) {
	s := convCase(kernel.ConvShape{N: 1, C: 16, H: 256, W: 256, O: 1, KH: 3, KW: 3, Pads: [4]int{1, 1, 1, 1}})
	x, w, y := make([]float32, 16*256*256), make([]float32, 16*9), make([]float32, 256*256)
	c := kernel.NewContext(noBLAS{}, 2)
	got := testing.AllocsPerRun(1, func() {
		kernel.ConvForward(c, s, y, x, w)
		kernel.ConvInput(c, s, x, w, y)
		kernel.ConvWeight(c, s, w, x, y)
	})
	if got > 60 {
		t.Errorf("%v allocations", got)
	}
	const most = 2 * (300 << 10) // for each goroutine, a little more than an unfolded matrix
	if n := cap(kernel.Scratch[float32](c, 0)); n > most {
		t.Errorf("%d elements of scratch for one image of %d", n, len(x))
	}
}
