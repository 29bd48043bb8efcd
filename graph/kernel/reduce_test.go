package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// normals are n draws; the same seed gives the same.
func normals[T Float](n int, seed uint64) []T {
	r := rand.New(rand.NewPCG(seed, 5))
	out := make([]T, n)
	for i := range out {
		out[i] = T(r.NormFloat64())
	}
	return out
}

// product is the number of elements of a shape.
func product(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// TestReductions compares every set of axes of shapes, empty ones too, with an obvious loop, and one goroutine with several.
func TestReductions(t *testing.T) {
	one, many := &Context{Threads: 1}, &Context{Threads: 3}
	for _, shape := range [][]int{{}, {1}, {7}, {3, 5}, {1, 9}, {9, 1}, {300, 5}, {2, 40000}, {40000, 2}, {600, 300}, {4, 3, 5}, {64, 33, 49}, {3, 1, 4, 2}, {2, 3, 2, 3, 2}, {0}, {3, 0}, {0, 3}} {
		for set := range 1 << len(shape) {
			var axes, kept []int
			for a := range shape {
				if set>>a&1 == 1 {
					axes = append(axes, a)
				} else {
					kept = append(kept, shape[a])
				}
			}
			t.Run(fmt.Sprint(shape, axes), func(t *testing.T) {
				in := normals[float64](product(shape), 1)
				n := product(kept)
				near1 := make([]float64, len(in)) // so that products are neither 0 nor large
				total, top, low, times := make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
				for i := range n {
					top[i], low[i], times[i] = inf(-1), inf(1), 1
				}
				for i, x := range in {
					o, step, rest := 0, 1, i
					for a := len(shape) - 1; a >= 0; a-- {
						if !slices.Contains(axes, a) {
							o += rest % shape[a] * step
							step *= shape[a]
						}
						rest /= shape[a]
					}
					total[o] += x
					top[o], low[o] = max(top[o], x), min(low[o], x)
					near1[i] = 1 + x/1000
					times[o] *= near1[i]
				}
				mean := slices.Clone(total)
				for i := range mean {
					mean[i] *= float64(n) / float64(len(in))
				}
				for _, c := range []struct {
					name string
					f    func(c *Context, out, in []float64, shape, axes []int)
					want []float64
				}{{"Sum", Sum[float64], total}, {"Mean", Mean[float64], mean}, {"ReduceMax", ReduceMax[float64], top}, {"ReduceMin", ReduceMin[float64], low}, {"Prod", Prod[float64], times}} {
					got, again := stale[float64](n), stale[float64](n)
					from := in
					if c.name == "Prod" {
						from = near1
					}
					c.f(one, got, from, shape, axes)
					c.f(many, again, from, shape, axes)
					if len(in) == 0 && c.name == "Mean" {
						continue // NaN
					}
					for i, w := range c.want {
						if got[i] != again[i] {
							t.Fatalf("%s: element %d is %v on one goroutine, %v on several", c.name, i, got[i], again[i])
						}
						if g := got[i]; g != w && !(math.Abs(g-w) <= 1e-10) {
							t.Fatalf("%s: element %d is %v, want %v", c.name, i, g, w)
						}
					}
				}
			})
		}
	}
}

// stale is memory with something in it: kernels must not read what they write.
func stale[T Float](n int) []T {
	out := make([]T, n)
	fill(out, T(math.NaN()))
	return out
}

// TestSumAccuracy adds a million elements in f32, where adding one after another loses the fourth digit.
func TestSumAccuracy(t *testing.T) {
	const n = 1 << 20
	in := make([]float32, n)
	want := 0.0
	for i := range in {
		in[i] = .1 + float32(i%7)*.01
		want += float64(in[i])
	}
	c := &Context{Threads: 2}
	for _, shape := range [][]int{{n}, {1, n}, {n, 1}, {n / 2, 2}, {2, n / 2}, {2, n / 4, 2}} {
		axes := []int{0}
		switch {
		case len(shape) == 3:
			axes = []int{1}
		case shape[0] == 1 || shape[0] == 2:
			axes = []int{1}
		}
		out := make([]float32, n/shape[axes[0]])
		Sum(c, out, in, shape, axes)
		var got float64
		for _, x := range out {
			got += float64(x)
		}
		if e := math.Abs(got-want) / want; e > 2e-6 {
			t.Errorf("%v over %v: relative error %.2g", shape, axes, e)
		}
	}
}

// TestReduceNaN wants NaN to survive wherever it stands, for a broken training run must be seen.
func TestReduceNaN(t *testing.T) {
	c := &Context{Threads: 1}
	for at := range 11 {
		in := normals[float32](11, 2)
		in[at] = float32(math.NaN())
		for name, f := range map[string]func(c *Context, out, in []float32, shape, axes []int){
			"Sum": Sum[float32], "Mean": Mean[float32], "ReduceMax": ReduceMax[float32], "ReduceMin": ReduceMin[float32], "Prod": Prod[float32]} {
			out := make([]float32, 1)
			if f(c, out, in, []int{11}, []int{0}); out[0] == out[0] {
				t.Errorf("%s with NaN at %d is %v", name, at, out[0])
			}
		}
	}
}

// TestCumSum compares every way with the sum of each place from nothing, and one goroutine with several.
func TestCumSum(t *testing.T) {
	for _, s := range [][3]int{{1, 1, 1}, {5, 7, 1}, {1, 7, 5}, {3, 4, 33}, {2, 300, 40}, {1, 20000, 1}, {0, 3, 2}, {2, 0, 3}} {
		outer, n, inner := s[0], s[1], s[2]
		in := normals[float64](outer*n*inner, 3)
		for way := range 4 {
			exclusive, reverse := way&1 == 1, way&2 == 2
			one, many := stale[float64](len(in)), stale[float64](len(in))
			CumSum(&Context{Threads: 1}, one, in, outer, n, inner, exclusive, reverse)
			CumSum(&Context{Threads: 3, Grain: 1}, many, in, outer, n, inner, exclusive, reverse)
			for line := range outer * inner {
				sum := 0.0
				for k := range n {
					if reverse {
						k = n - 1 - k
					}
					i := line/inner*n*inner + k*inner + line%inner
					want := sum
					if sum += in[i]; !exclusive {
						want = sum
					}
					if !(math.Abs(one[i]-want) <= 1e-10) || many[i] != one[i] {
						t.Fatalf("%v, exclusive %v, reverse %v: element %d is %v and %v, want %v", s, exclusive, reverse, i, one[i], many[i], want)
					}
				}
			}
		}
	}
}

// TestSoftmax compares with an f64 loop over shapes; large and infinite elements must do no harm.
func TestSoftmax(t *testing.T) {
	for _, s := range [][3]int{{1, 1, 1}, {5, 7, 1}, {1, 7, 5}, {3, 4, 33}, {2, 300, 40}, {64, 10, 1}, {0, 3, 2}, {2, 0, 3}} {
		outer, n, inner := s[0], s[1], s[2]
		in := normals[float32](outer*n*inner, 3)
		for i := range in {
			in[i] = in[i]*5 + 1000*float32(i%2) // differences of a thousand, and tops far from 0
		}
		if len(in) > n && n > 1 {
			in[0] = float32(inf(-1))
		}
		for _, threads := range []int{1, 3} {
			c := &Context{Threads: threads}
			soft, log := stale[float32](len(in)), stale[float32](len(in))
			Softmax(c, soft, in, outer, n, inner)
			LogSoftmax(c, log, in, outer, n, inner)
			for o := range outer {
				for j := range inner {
					top, total := inf(-1), 0.0
					for k := range n {
						top = max(top, float64(in[(o*n+k)*inner+j]))
					}
					for k := range n {
						total += math.Exp(float64(in[(o*n+k)*inner+j]) - top)
					}
					for k := range n {
						i := (o*n+k)*inner + j
						want := float64(in[i]) - top - math.Log(total)
						if g := float64(log[i]); g != want && !(math.Abs(g-want) <= 1e-6*max(1, math.Abs(want))) {
							t.Fatalf("%v: log %d is %v, want %v", s, i, g, want)
						}
						if g, w := float64(soft[i]), math.Exp(want); !(math.Abs(g-w) <= 4e-6*w+1e-37) {
							t.Fatalf("%v: %d is %v, want %v", s, i, g, w)
						}
					}
				}
			}
		}
	}
}

func BenchmarkReduce(b *testing.B) {
	c := &Context{Threads: 1}
	in := normals[float32](512*784, 1)
	for _, r := range []struct {
		name        string
		shape, axes []int
	}{
		{"all", []int{512, 784}, []int{0, 1}}, {"rows", []int{512, 784}, []int{1}}, {"columns", []int{512, 784}, []int{0}},
		{"narrow_rows", []int{512 * 49, 16}, []int{1}}, {"narrow_columns", []int{512 * 49, 16}, []int{0}},
		{"middle", []int{16, 49, 512}, []int{1}}, {"channels", []int{64, 32, 196}, []int{0, 2}},
	} {
		for name, f := range map[string]func(c *Context, out, in []float32, shape, axes []int){"Sum": Sum[float32], "ReduceMax": ReduceMax[float32]} {
			out := make([]float32, len(in))
			kept := 1
			for a, d := range r.shape {
				if !slices.Contains(r.axes, a) {
					kept *= d
				}
			}
			b.Run(name+"/"+r.name, func(b *testing.B) {
				for b.Loop() {
					f(c, out[:kept], in, r.shape, r.axes)
				}
				perElement(b, product(r.shape))
			})
		}
	}
}

func BenchmarkSoftmax(b *testing.B) {
	c := &Context{Threads: 1}
	in := normals[float32](1<<16, 1)
	out := make([]float32, len(in))
	for _, s := range [][3]int{{1024, 64, 1}, {6553, 10, 1}, {16, 64, 64}} {
		for name, f := range map[string]func(c *Context, out, in []float32, outer, n, inner int){"Softmax": Softmax[float32], "LogSoftmax": LogSoftmax[float32]} {
			b.Run(fmt.Sprint(name, s), func(b *testing.B) {
				for b.Loop() {
					f(c, out, in, s[0], s[1], s[2])
				}
				perElement(b, product(s[:]))
			})
		}
	}
}

// perElement reports the time for each of n elements.
func perElement(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/element")
}
