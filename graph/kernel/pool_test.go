package kernel_test

import (
	"fmt"
	"math"
	"testing"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
)

// poolCase fills in the size of the result.
func poolCase(s kernel.PoolShape) kernel.PoolShape {
	size := func(i, n int) int { return (n+s.Pads[i]+s.Pads[3+i]-s.Kernel[i])/s.Strides[i] + 1 }
	s.OD, s.OH, s.OW = size(0, s.D), size(1, s.H), size(2, s.W)
	return s
}

// flatPool is the pooling of images of one plane.
func flatPool(planes, h, w int, window, strides [2]int, pads [4]int) kernel.PoolShape {
	return poolCase(kernel.PoolShape{Volumes: planes, D: 1, H: h, W: w, Kernel: [3]int{1, window[0], window[1]}, Strides: [3]int{1, strides[0], strides[1]},
		Pads: [6]int{0, pads[0], pads[1], 0, pads[2], pads[3]}})
}

var poolCases = []kernel.PoolShape{
	flatPool(1, 1, 1, [2]int{1, 1}, [2]int{1, 1}, [4]int{}),
	flatPool(6, 6, 8, [2]int{2, 2}, [2]int{2, 2}, [4]int{}),
	flatPool(3, 7, 5, [2]int{2, 2}, [2]int{2, 2}, [4]int{}),
	flatPool(2, 7, 141, [2]int{2, 2}, [2]int{2, 2}, [4]int{1, 1, 0, 0}), // fours, and at the edges parts
	flatPool(2, 7, 142, [2]int{2, 2}, [2]int{2, 2}, [4]int{0, 1, 1, 1}),
	flatPool(5, 9, 10, [2]int{3, 3}, [2]int{2, 2}, [4]int{1, 1, 1, 1}),
	flatPool(2, 6, 7, [2]int{3, 2}, [2]int{1, 1}, [4]int{2, 0, 1, 1}),
	flatPool(2, 9, 8, [2]int{2, 1}, [2]int{3, 4}, [4]int{0, 0, 1, 0}), // gaps
	flatPool(2, 2, 3, [2]int{5, 7}, [2]int{2, 3}, [4]int{3, 6, 4, 5}), // windows over everything
	flatPool(2, 3, 141, [2]int{3, 3}, [2]int{1, 2}, [4]int{1, 1, 1, 1}),
	flatPool(2, 3, 63, [2]int{2, 2}, [2]int{1, 1}, [4]int{0, 0, 0, 1}), // a stretch of results, and one less and more
	flatPool(2, 3, 64, [2]int{2, 2}, [2]int{1, 1}, [4]int{0, 0, 0, 1}),
	flatPool(2, 3, 65, [2]int{2, 2}, [2]int{1, 1}, [4]int{0, 0, 0, 1}),
	flatPool(40, 28, 28, [2]int{2, 2}, [2]int{2, 2}, [4]int{}), // several goroutines
	poolCase(kernel.PoolShape{Volumes: 3, D: 4, H: 5, W: 6, Kernel: [3]int{2, 2, 2}, Strides: [3]int{2, 2, 2}}),
	poolCase(kernel.PoolShape{Volumes: 2, D: 5, H: 4, W: 7, Kernel: [3]int{3, 1, 2}, Strides: [3]int{1, 2, 3}, Pads: [6]int{2, 0, 1, 1, 0, 1}}),
	poolCase(kernel.PoolShape{Volumes: 2, D: 3, H: 4, W: 70, Kernel: [3]int{1, 2, 2}, Strides: [3]int{2, 2, 2}, Pads: [6]int{0, 1, 1, 0, 0, 1}}), // fours of every other plane
	poolCase(kernel.PoolShape{Volumes: 30, D: 4, H: 8, W: 9, Kernel: [3]int{3, 3, 3}, Strides: [3]int{2, 2, 2}, Pads: [6]int{1, 1, 1, 1, 1, 1}}),
}

func TestPool(t *testing.T) {
	for _, s := range poolCases {
		t.Run(fmt.Sprintf("%+v", s), func(t *testing.T) {
			testPool[float64](t, s, 1e-14)
			testPool[float32](t, s, 1e-6)
		})
	}
}

func testPool[T kernel.Float](t *testing.T, s kernel.PoolShape, tol float64) {
	x, g, v := uniform[T](s.Volumes*s.D*s.H*s.W), uniform[T](s.Volumes*s.OD*s.OH*s.OW), uniform[T](s.Volumes*s.D*s.H*s.W + 1)[1:]
	for i := range x { // ties: the first must win
		x[i] = T(math.Round(float64(x[i]) * 4))
	}
	for _, threads := range []int{1, 3} {
		c := kernel.NewContext(gonum.Implementation{}, threads)
		c.Grain = threads / 3 // cut on three goroutines however little there is
		check := func(what string, got []T, want []float64) {
			t.Helper()
			for i, v := range want {
				if !(math.Abs(float64(got[i])-v) <= tol*max(1, math.Abs(v))) {
					t.Fatalf("%T, %d threads: element %d of %s is %v, want %v", got, threads, i, what, got[i], v)
				}
			}
		}
		pooled, scattered, gathered := make([]float64, len(g)), make([]float64, len(x)), make([]float64, len(g))
		windows(s, func(at int, window []int) {
			best := window[0]
			for _, i := range window {
				if x[i] > x[best] {
					best = i
				}
			}
			pooled[at], gathered[at] = float64(x[best]), float64(v[best])
			scattered[best] += float64(g[at])
		})
		y, dx := spoiled[T](len(g)), spoiled[T](len(x))
		kernel.MaxPool(c, s, y, x)
		check("MaxPool", y, pooled)
		kernel.MaxPoolGather(c, s, y, x, v)
		check("MaxPoolGather", y, gathered)
		kernel.MaxPoolScatter(c, s, dx, x, g)
		check("MaxPoolScatter", dx, scattered)

		for _, countPad := range []bool{false, true} {
			mean, spread := make([]float64, len(g)), make([]float64, len(x))
			windows(s, func(at int, window []int) {
				n := float64(len(window))
				if countPad {
					n = float64(s.Kernel[0] * s.Kernel[1] * s.Kernel[2])
				}
				for _, i := range window {
					mean[at] += float64(v[i]) / n
					spread[i] += float64(g[at]) / n
				}
			})
			y, dx := spoiled[T](len(g)), spoiled[T](len(x))
			kernel.AveragePool(c, s, countPad, y, v)
			check("AveragePool", y, mean)
			kernel.AveragePoolSpread(c, s, countPad, dx, g)
			check("AveragePoolSpread", dx, spread)
		}
	}
}

// windows calls do with the positions that each result's window has inside the image.
func windows(s kernel.PoolShape, do func(at int, window []int)) {
	at := 0
	for i := range s.Volumes * s.OD * s.OH * s.OW {
		v, oz, oy, ox := i/(s.OD*s.OH*s.OW), i/(s.OH*s.OW)%s.OD, i/s.OW%s.OH, i%s.OW
		var window []int
		for k := range s.Kernel[0] * s.Kernel[1] * s.Kernel[2] {
			z, y := oz*s.Strides[0]+k/(s.Kernel[1]*s.Kernel[2])-s.Pads[0], oy*s.Strides[1]+k/s.Kernel[2]%s.Kernel[1]-s.Pads[1]
			x := ox*s.Strides[2] + k%s.Kernel[2] - s.Pads[2]
			if z >= 0 && z < s.D && y >= 0 && y < s.H && x >= 0 && x < s.W {
				window = append(window, ((v*s.D+z)*s.H+y)*s.W+x)
			}
		}
		do(at, window)
		at++
	}
}

func TestMaxPoolSpecial(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	s := flatPool(1, 1, 8, [2]int{1, 2}, [2]int{1, 2}, [4]int{})
	x := []float64{1, nan, nan, 1, -inf, -inf, inf, 5}
	y := make([]float64, 4)
	c := kernel.NewContext(gonum.Implementation{}, 1)
	kernel.MaxPool(c, s, y, x)
	if !math.IsNaN(y[0]) || !math.IsNaN(y[1]) || y[2] != -inf || y[3] != inf {
		t.Errorf("MaxPool of %v is %v", x, y)
	}
	dx := make([]float64, 8)
	kernel.MaxPoolScatter(c, s, dx, x, []float64{1, 2, 3, 4})
	if dx[4] != 3 || dx[5] != 0 || dx[6] != 4 || dx[0]+dx[1] != 1 || dx[2]+dx[3] != 2 {
		t.Errorf("MaxPoolScatter into %v gives %v", x, dx)
	}
}

func TestUpsample(t *testing.T) {
	for _, k := range []int{1, 2, 3} {
		const planes, h, w = 40, 30, 31
		x, y := uniform[float32](planes*h*w), spoiled[float32](planes*h*w*k*k)
		kernel.Upsample(kernel.NewContext(gonum.Implementation{}, 3), y, x, w, k)
		for i, v := range y {
			row, col := i/(w*k), i%(w*k)
			if want := x[row/k*w+col/k]; v != want {
				t.Fatalf("scale %d: element %d is %v, want %v", k, i, v, want)
			}
		}
	}
	kernel.Upsample[float32](kernel.NewContext(gonum.Implementation{}, 3), nil, nil, 0, 2)
}
