package kernel_test

import (
	"fmt"
	"math"
	"testing"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
)

func TestLayerNorm(t *testing.T) {
	for _, n := range []int{1, 3, 4, 8, 13, 64, 100} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			testLayerNorm[float64](t, n, 1e-12)
			testLayerNorm[float32](t, n, 1e-5)
		})
	}
}

func testLayerNorm[T kernel.Float](t *testing.T, n int, tol float64) {
	const rows, eps = 700, 1e-3
	x, u, scale, bias := uniform[T](rows*n), uniform[T](rows*n + 1)[1:], uniform[T](n + 2)[2:], uniform[T](n + 3)[3:]
	plain, full, grad := make([]float64, len(x)), make([]float64, len(x)), make([]float64, len(x))
	for at := 0; at < len(x); at += n {
		mean, variance, meanU, along := 0.0, 0.0, 0.0, 0.0
		for i := at; i < at+n; i++ {
			mean += float64(x[i]) / float64(n)
			meanU += float64(u[i]) / float64(n)
		}
		for i := at; i < at+n; i++ {
			variance += (float64(x[i]) - mean) * (float64(x[i]) - mean) / float64(n)
		}
		sigma := math.Sqrt(variance + eps)
		for i := at; i < at+n; i++ {
			plain[i] = (float64(x[i]) - mean) / sigma
			full[i] = plain[i]*float64(scale[i-at]) + float64(bias[i-at])
			along += float64(u[i]) * plain[i] / float64(n)
		}
		for i := at; i < at+n; i++ {
			grad[i] = (float64(u[i]) - meanU - plain[i]*along) / sigma
		}
	}
	for _, threads := range []int{1, 3} {
		c := kernel.NewContext(gonum.Implementation{}, threads)
		check := func(what string, run func(out []T), want func(i int) float64) {
			t.Helper()
			out := spoiled[T](len(x))
			run(out)
			for i, v := range out {
				if w := want(i); !(math.Abs(float64(v)-w) <= tol*max(1, math.Abs(w), 1/math.Sqrt(eps))) {
					t.Fatalf("%T, %d threads: element %d of %s is %v, want %v", v, threads, i, what, v, w)
				}
			}
		}
		check("LayerNorm", func(out []T) { kernel.LayerNorm(c, out, x, nil, nil, n, eps) }, func(i int) float64 { return plain[i] })
		check("LayerNorm with both", func(out []T) { kernel.LayerNorm(c, out, x, scale, bias, n, eps) }, func(i int) float64 { return full[i] })
		check("LayerNorm with scale", func(out []T) { kernel.LayerNorm(c, out, x, scale, nil, n, eps) },
			func(i int) float64 { return plain[i] * float64(scale[i%n]) })
		check("LayerNorm with bias", func(out []T) { kernel.LayerNorm(c, out, x, nil, bias, n, eps) },
			func(i int) float64 { return plain[i] + float64(bias[i%n]) })
		check("LayerNormGrad", func(out []T) { kernel.LayerNormGrad(c, out, x, u, n, eps) }, func(i int) float64 { return grad[i] })
	}
}

// TestNormOffset wants normalisation to survive numbers that are nearly equal and far from 0.
func TestNormOffset(t *testing.T) {
	c := kernel.NewContext(gonum.Implementation{}, 2)
	const n = 64
	x, y := make([]float32, n), make([]float32, n)
	for i := range x {
		x[i] = 1e4 + float32(i%2)
	}
	kernel.LayerNorm(c, y, x, nil, nil, n, 0)
	for i, v := range y {
		if want := float32(2*(i%2) - 1); math.Abs(float64(v-want)) > 1e-3 {
			t.Fatalf("LayerNorm: element %d is %v, want %v", i, v, want)
		}
	}
	kernel.BatchNorm(c, y, x, []float32{2}, []float32{1}, []float32{1e4 + .5}, []float32{.25}, n, 0)
	for i, v := range y {
		if want := float32(4*(i%2) - 1); v != want {
			t.Fatalf("BatchNorm: element %d is %v, want %v", i, v, want)
		}
	}
}

func TestBatchNorm(t *testing.T) {
	const outer, channels, inner, eps = 5, 3, 700, 1e-3
	x := uniform[float64](outer * channels * inner)
	scale, bias, mean, variance := []float64{1, -2, 3}, []float64{.5, 0, -1}, []float64{.1, .2, -.3}, []float64{1, .25, 4}
	for _, threads := range []int{1, 3} {
		y := spoiled[float64](len(x))
		kernel.BatchNorm(kernel.NewContext(gonum.Implementation{}, threads), y, x, scale, bias, mean, variance, inner, eps)
		for i, v := range y {
			k := i / inner % channels
			if want := scale[k]*(x[i]-mean[k])/math.Sqrt(variance[k]+eps) + bias[k]; math.Abs(v-want) > 1e-13*max(1, math.Abs(want)) {
				t.Fatalf("%d threads: element %d is %v, want %v", threads, i, v, want)
			}
		}
	}
}

// TestBatchNormTrain has channels that lie together and apart, in parts and blocks of channels that are not full.
func TestBatchNormTrain(t *testing.T) {
	for _, s := range [][3]int{{1, 3, 1}, {7, 1, 1}, {5, 17, 1}, {4, 35, 3}, {3, 5, 15}, {3, 5, 16}, {2, 3, 513}, {1, 2, 1100}, {3, 2, 0}} {
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			testBatchNormTrain[float64](t, s[0], s[1], s[2], 1e-12)
			testBatchNormTrain[float32](t, s[0], s[1], s[2], 1e-5)
		})
	}
}

func testBatchNormTrain[T kernel.Float](t *testing.T, outer, channels, inner int, tol float64) {
	const eps = 1e-2
	size, n := outer*channels*inner, float64(outer*inner)
	x, g, scale, bias := uniform[T](size), uniform[T](size + 1)[1:], uniform[T](channels + 2)[2:], uniform[T](channels + 3)[3:]
	want := [6][]float64{make([]float64, size), make([]float64, channels), make([]float64, channels), make([]float64, size), make([]float64, channels), make([]float64, channels)}
	y, mean, variance, dx, dscale, dbias := want[0], want[1], want[2], want[3], want[4], want[5]
	channel := func(i int) int { return i / inner % channels }
	hat := func(i int) float64 { return (float64(x[i]) - mean[channel(i)]) / math.Sqrt(variance[channel(i)]+eps) }
	for i, v := range x {
		mean[channel(i)] += float64(v) / n
	}
	for i, v := range x {
		variance[channel(i)] += math.Pow(float64(v)-mean[channel(i)], 2) / n
	}
	for i := range x {
		k := channel(i)
		y[i] = hat(i)*float64(scale[k]) + float64(bias[k])
		dscale[k] += float64(g[i]) * hat(i)
		dbias[k] += float64(g[i])
	}
	for i := range x {
		k := channel(i)
		dx[i] = float64(scale[k]) / math.Sqrt(variance[k]+eps) * (float64(g[i]) - dbias[k]/n - hat(i)*dscale[k]/n)
	}
	if inner == 0 {
		for k := range channels {
			mean[k], variance[k] = math.NaN(), math.NaN()
		}
	}
	var first [6][]T
	for _, threads := range []int{1, 2, 3, 8} {
		c := kernel.NewContext(gonum.Implementation{}, threads)
		c.Grain = 1
		junk(c, T(math.NaN()))
		got := [6][]T{}
		for i := range got {
			got[i] = spoiled[T](len(want[i]))
		}
		kernel.BatchNormTrain(c, got[0], got[1], got[2], x, scale, bias, inner, eps)
		kernel.BatchNormTrainGrad(c, got[3], got[4], got[5], x, scale, got[1], got[2], g, inner, eps)
		for i := range want {
			for at, w := range want[i] {
				v := float64(got[i][at])
				if inner > 0 && !(math.Abs(v-w) <= tol*max(1, math.Abs(w))) || math.IsNaN(v) != math.IsNaN(w) && i < 3 {
					t.Fatalf("%T, %d threads: element %d of result %d is %v, want %v", got[i][at], threads, at, i, v, w)
				}
				if threads > 1 && v != float64(first[i][at]) && !math.IsNaN(v) {
					t.Fatalf("%d threads: element %d of result %d is %v, on one %v", threads, at, i, v, first[i][at])
				}
			}
		}
		if threads == 1 {
			first = got
		}
	}
}
