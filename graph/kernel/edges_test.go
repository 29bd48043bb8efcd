package kernel

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"gonum.org/v1/gonum/blas/gonum"
)

// around are sizes at, one below and one above each edge.
func around(edges ...int) []int {
	var out []int
	for _, n := range edges {
		out = append(out, n-1, n, n+1)
	}
	return out
}

// contexts cut the work by each kernel's own grain, and as finely as can be.
func contexts() []*Context {
	var out []*Context
	for _, threads := range []int{1, 2, 3} {
		for _, grain := range []int{0, 1} {
			c := NewContext(gonum.Implementation{}, threads)
			c.Grain = grain
			out = append(out, c)
		}
	}
	return out
}

// onEdges runs check in both types for each size.
func onEdges(t *testing.T, sizes []int, check32, check64 func(t *testing.T, c *Context, n int)) {
	t.Helper()
	for _, n := range sizes {
		for _, c := range contexts() {
			t.Run(fmt.Sprintf("%d/%d goroutines by %d", n, c.Threads, c.Grain), func(t *testing.T) {
				check32(t, c, n)
				check64(t, c, n)
			})
		}
	}
}

// expect compares with numbers computed in float64; what terms numbers add up to may be off by their rounding.
func expect[T Float](t *testing.T, what string, got []T, want []float64, terms int) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s in %T: %d elements, want %d", what, got, len(got), len(want))
	}
	unit := 0x1p-22
	if _, ok := any(got).([]float64); ok {
		unit = 0x1p-50
	}
	for i, w := range want {
		if g := float64(got[i]); !(math.Abs(g-w) <= unit*math.Sqrt(float64(terms))*max(1, math.Abs(w))) && g != w {
			t.Fatalf("%s in %T: element %d of %d is %v, want %v", what, got, i, len(want), g, w)
		}
	}
}

// nans are what a kernel must overwrite.
func nans[T Float](n int) []T {
	out := make([]T, n)
	for i := range out {
		out[i] = T(math.NaN())
	}
	return out
}

// outputs makes the want of each index.
func outputs(n int, f func(i int) float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = f(i)
	}
	return out
}

func TestMapEdges(t *testing.T) {
	onEdges(t, around(2, 8, 16, shortRow, mapBlock, 2*mapBlock), mapEdges[float32], mapEdges[float64])
}

func mapEdges[T Float](t *testing.T, c *Context, n int) {
	a, b := normals[T](3*n, 1), normals[T](3*n, 2)
	add := func(out []T, in [][]T) { Add(out, in[0], in[1]) }
	for _, s := range []struct {
		out, a, b []int
		at        func(i int) (int, int)
	}{
		{[]int{n}, []int{n}, []int{n}, func(i int) (int, int) { return i, i }},
		{[]int{n}, []int{n}, []int{}, func(i int) (int, int) { return i, 0 }},
		{[]int{3, n}, []int{3, n}, []int{n}, func(i int) (int, int) { return i, i % n }},
		{[]int{3, n}, []int{3, 1}, []int{3, n}, func(i int) (int, int) { return i / n, i }},
		{[]int{n, 3}, []int{n, 3}, []int{3}, func(i int) (int, int) { return i, i % 3 }},
		{[]int{n, 3}, []int{n, 1}, []int{1, 3}, func(i int) (int, int) { return i / 3, i % 3 }},
	} {
		size := func(shape []int) int {
			k := 1
			for _, d := range shape {
				k *= d
			}
			return k
		}
		out := nans[T](size(s.out))
		Map(c, add, out, s.out, [][]T{a[:size(s.a)], b[:size(s.b)]}, [][]int{s.a, s.b}, 4)
		expect(t, fmt.Sprint(s.a, " + ", s.b), out, outputs(len(out), func(i int) float64 {
			j, k := s.at(i)
			return float64(a[j] + b[k])
		}), 1)
	}
}

func TestReduceEdges(t *testing.T) {
	onEdges(t, around(2, 4, 8, 64, rowBlock, columnBlock, sumBlock), reduceEdges[float32], reduceEdges[float64])
	onEdges(t, around(reduceGrain, 2*reduceGrain), reduceAll[float32], reduceAll[float64])
}

// foldOne is what a reduction along one axis of [outer n inner] gives.
func foldOne[T Float](in []T, outer, n, inner int, init float64, f func(acc, x float64) float64) []float64 {
	return outputs(outer*inner, func(i int) float64 {
		acc := init
		for k := range n {
			acc = f(acc, float64(in[(i/inner*n+k)*inner+i%inner]))
		}
		return acc
	})
}

func reduceEdges[T Float](t *testing.T, c *Context, n int) {
	plus, larger, smaller := func(acc, x float64) float64 { return acc + x }, math.Max, math.Min
	for _, s := range [][3]int{{1, n, 1}, {3, n, 1}, {1, n, 3}, {2, n, 5}, {n, 3, 1}, {1, 3, n}, {n, 2, 3}, {2, 3, n}} {
		in := normals[T](s[0]*s[1]*s[2], uint64(n))
		shape, axes := s[:], []int{1}
		out := nans[T](s[0] * s[2])
		Sum(c, out, in, shape, axes)
		expect(t, fmt.Sprint("the sum of ", s), out, foldOne(in, s[0], s[1], s[2], 0, plus), 16*s[1])
		ReduceMax(c, out, in, shape, axes)
		expect(t, fmt.Sprint("the largest of ", s), out, foldOne(in, s[0], s[1], s[2], math.Inf(-1), larger), 1)
		ReduceMin(c, out, in, shape, axes)
		expect(t, fmt.Sprint("the smallest of ", s), out, foldOne(in, s[0], s[1], s[2], math.Inf(1), smaller), 1)
	}
}

func reduceAll[T Float](t *testing.T, c *Context, n int) {
	in, out := normals[T](n, 3), nans[T](1)
	in[n-1] = 9 // the last is the largest
	Sum(c, out, in, []int{n}, []int{0})
	expect(t, "the sum", out, foldOne(in, 1, n, 1, 0, func(acc, x float64) float64 { return acc + x }), 16*n)
	ReduceMax(c, out, in, []int{n}, []int{0})
	expect(t, "the largest", out, []float64{9}, 1)
}

func TestSoftmaxEdges(t *testing.T) {
	onEdges(t, around(2, 8, 16, 2*softmaxLines, 1024), softmaxEdges[float32], softmaxEdges[float64])
}

func softmaxEdges[T Float](t *testing.T, c *Context, n int) {
	for _, s := range [][3]int{{3, n, 1}, {1, n, 3}, {2, n, softmaxLines + 1}, {2, 3, n}} {
		in := normals[T](s[0]*s[1]*s[2], uint64(n))
		sums := foldOne(in, s[0], s[1], s[2], 0, func(acc, x float64) float64 { return acc + math.Exp(x) })
		sum := func(i int) float64 { return sums[i/(s[1]*s[2])*s[2]+i%s[2]] }
		out := nans[T](len(in))
		Softmax(c, out, in, s[0], s[1], s[2])
		expect(t, fmt.Sprint("Softmax of ", s), out, outputs(len(in), func(i int) float64 { return math.Exp(float64(in[i])) / sum(i) }), 4)
		LogSoftmax(c, out, in, s[0], s[1], s[2])
		expect(t, fmt.Sprint("LogSoftmax of ", s), out, outputs(len(in), func(i int) float64 { return float64(in[i]) - math.Log(sum(i)) }), 16)
	}
}

func TestNormEdges(t *testing.T) {
	onEdges(t, around(2, 4, 8, 16, 1024), normEdges[float32], normEdges[float64])
}

func normEdges[T Float](t *testing.T, c *Context, n int) {
	const rows, channels, eps = 4, 2, 1e-2 // as [2 channels n] for BatchNorm
	x, scale, bias := normals[T](rows*n, 1), normals[T](n, 2), normals[T](n, 3)
	y := nans[T](len(x))
	LayerNorm(c, y, x, scale, bias, n, eps)
	means := foldOne(x, rows, n, 1, 0, func(acc, v float64) float64 { return acc + v/float64(n) })
	variance := func(row int) float64 {
		sum := 0.0
		for _, v := range x[row*n : (row+1)*n] {
			sum += (float64(v) - means[row]) * (float64(v) - means[row]) / float64(n)
		}
		return sum
	}
	expect(t, "LayerNorm", y, outputs(len(x), func(i int) float64 {
		return (float64(x[i])-means[i/n])/math.Sqrt(variance(i/n)+eps)*float64(scale[i%n]) + float64(bias[i%n])
	}), 64)
	of := func(seed uint64) []T { return normals[T](channels, seed) }
	gain, shift, mean, spread := of(4), of(5), of(6), of(7)
	for i := range spread {
		spread[i] *= spread[i]
	}
	BatchNorm(c, y, x, gain, shift, mean, spread, n, eps)
	expect(t, "BatchNorm", y, outputs(len(x), func(i int) float64 {
		k := i / n % channels
		return (float64(x[i])-float64(mean[k]))/math.Sqrt(float64(spread[k])+eps)*float64(gain[k]) + float64(shift[k])
	}), 64)
}

func TestCopyEdges(t *testing.T) {
	onEdges(t, around(2, 4, shortRow, 16, 32, 48), copyEdges[float32], copyEdges[float64])
}

// copyEdges transposes and joins matrices with n rows or columns, and repeats.
func copyEdges[T Float](t *testing.T, c *Context, n int) {
	for _, m := range around(2, 4, 16) {
		in := normals[T](m*n, 1)
		for what, from := range map[string]View{"a copy": {Strides: []int{m, 1}}, "a transpose": {Strides: []int{1, n}}, "backwards": {Base: m*n - 1, Strides: []int{-m, -1}}, "one row": {Strides: []int{0, 1}}} {
			out := nans[T](m * (n + 2)) // a row before and one after
			Copy(c, []int{n, m}, out, View{Base: m, Strides: []int{m, 1}}, in, from)
			expect(t, fmt.Sprint(what, " of ", n, " rows of ", m), out[m:m*(n+1)], outputs(m*n, func(i int) float64 {
				return float64(in[from.Base+i/m*from.Strides[0]+i%m*from.Strides[1]])
			}), 1)
			for _, v := range slices.Concat(out[:m], out[m*(n+1):]) {
				if v == v {
					t.Fatalf("%s of %d rows of %d writes outside", what, n, m)
				}
			}
		}
		index, rows := []int64{2, 0, 2, -1}, nans[T](4*n)
		table := normals[T](3*n, 2)
		if err := Gather(rows, table, index, 1, 3, n); err != nil {
			t.Fatal(err)
		}
		place := func(i int) int { return (int(index[i/n])+3)%3*n + i%n }
		expect(t, "Gather", rows, outputs(4*n, func(i int) float64 { return float64(table[place(i)]) }), 1)
		want, back := make([]float64, 3*n), nans[T](3*n)
		for i, v := range rows {
			want[place(i)] += float64(v)
		}
		if err := ScatterAdd(back, rows, index, 1, 3, n); err != nil {
			t.Fatal(err)
		}
		expect(t, "ScatterAdd", back, want, 2)
	}
}

func TestGemmEdges(t *testing.T) {
	onEdges(t, around(2, 6, 16, 120), gemmEdges[float32], gemmEdges[float64])
}

// gemmEdges multiplies matrices with n rows, columns, or inner elements, transposed and not.
func gemmEdges[T Float](t *testing.T, c *Context, n int) {
	for _, s := range [][3]int{{n, 5, 3}, {5, n, 3}, {5, 3, n}, {n, n, 2}} {
		m, cols, k := s[0], s[1], s[2]
		a, b := normals[T](m*k, 1), normals[T](k*cols, 2)
		for _, flip := range [][2]bool{{false, false}, {true, false}, {false, true}, {true, true}} {
			lda, ldb := k, cols
			at, bt := [2]int{k, 1}, [2]int{cols, 1}
			if flip[0] {
				lda, at = m, [2]int{1, m}
			}
			if flip[1] {
				ldb, bt = k, [2]int{1, k}
			}
			out := nans[T](m * cols)
			Gemm(c, flip[0], flip[1], m, cols, k, 1, a, lda, b, ldb, 0, out, cols)
			expect(t, fmt.Sprint("the product ", s, flip), out, outputs(m*cols, func(i int) float64 {
				sum := 0.0
				for l := range k {
					sum += float64(a[i/cols*at[0]+l*at[1]]) * float64(b[l*bt[0]+i%cols*bt[1]])
				}
				return sum
			}), 4*k)
		}
	}
}
