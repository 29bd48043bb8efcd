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
	s.OH = (s.H+s.Pads[0]+s.Pads[2]-s.Kernel[0])/s.Strides[0] + 1
	s.OW = (s.W+s.Pads[1]+s.Pads[3]-s.Kernel[1])/s.Strides[1] + 1
	return s
}

var poolCases = []kernel.PoolShape{
	poolCase(kernel.PoolShape{Planes: 1, H: 1, W: 1, Kernel: [2]int{1, 1}, Strides: [2]int{1, 1}}),
	poolCase(kernel.PoolShape{Planes: 6, H: 6, W: 8, Kernel: [2]int{2, 2}, Strides: [2]int{2, 2}}),
	poolCase(kernel.PoolShape{Planes: 3, H: 7, W: 5, Kernel: [2]int{2, 2}, Strides: [2]int{2, 2}}),
	poolCase(kernel.PoolShape{Planes: 2, H: 7, W: 141, Kernel: [2]int{2, 2}, Strides: [2]int{2, 2}, Pads: [4]int{1, 1, 0, 0}}), // fours, and at the edges parts
	poolCase(kernel.PoolShape{Planes: 2, H: 7, W: 142, Kernel: [2]int{2, 2}, Strides: [2]int{2, 2}, Pads: [4]int{0, 1, 1, 1}}),
	poolCase(kernel.PoolShape{Planes: 5, H: 9, W: 10, Kernel: [2]int{3, 3}, Strides: [2]int{2, 2}, Pads: [4]int{1, 1, 1, 1}}),
	poolCase(kernel.PoolShape{Planes: 2, H: 6, W: 7, Kernel: [2]int{3, 2}, Strides: [2]int{1, 1}, Pads: [4]int{2, 0, 1, 1}}),
	poolCase(kernel.PoolShape{Planes: 2, H: 9, W: 8, Kernel: [2]int{2, 1}, Strides: [2]int{3, 4}, Pads: [4]int{0, 0, 1, 0}}), // gaps
	poolCase(kernel.PoolShape{Planes: 2, H: 2, W: 3, Kernel: [2]int{5, 7}, Strides: [2]int{2, 3}, Pads: [4]int{3, 6, 4, 5}}), // windows over everything
	poolCase(kernel.PoolShape{Planes: 2, H: 3, W: 141, Kernel: [2]int{3, 3}, Strides: [2]int{1, 2}, Pads: [4]int{1, 1, 1, 1}}),
	poolCase(kernel.PoolShape{Planes: 2, H: 3, W: 63, Kernel: [2]int{2, 2}, Strides: [2]int{1, 1}, Pads: [4]int{0, 0, 0, 1}}), // a stretch of results, and one less and more
	poolCase(kernel.PoolShape{Planes: 2, H: 3, W: 64, Kernel: [2]int{2, 2}, Strides: [2]int{1, 1}, Pads: [4]int{0, 0, 0, 1}}),
	poolCase(kernel.PoolShape{Planes: 2, H: 3, W: 65, Kernel: [2]int{2, 2}, Strides: [2]int{1, 1}, Pads: [4]int{0, 0, 0, 1}}),
	poolCase(kernel.PoolShape{Planes: 40, H: 28, W: 28, Kernel: [2]int{2, 2}, Strides: [2]int{2, 2}}), // several goroutines
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
	x, g, v := uniform[T](s.Planes*s.H*s.W), uniform[T](s.Planes*s.OH*s.OW), uniform[T](s.Planes*s.H*s.W + 1)[1:]
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
					n = float64(s.Kernel[0] * s.Kernel[1])
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
	for p := range s.Planes {
		for oy := range s.OH {
			for ox := range s.OW {
				var window []int
				for ky := range s.Kernel[0] {
					for kx := range s.Kernel[1] {
						y, x := oy*s.Strides[0]+ky-s.Pads[0], ox*s.Strides[1]+kx-s.Pads[1]
						if y >= 0 && y < s.H && x >= 0 && x < s.W {
							window = append(window, (p*s.H+y)*s.W+x)
						}
					}
				}
				do(at, window)
				at++
			}
		}
	}
}

func TestMaxPoolSpecial(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	s := poolCase(kernel.PoolShape{Planes: 1, H: 1, W: 8, Kernel: [2]int{1, 2}, Strides: [2]int{1, 2}})
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
