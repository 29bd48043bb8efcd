package kernel

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestCopy compares random copies, with strides in any order, of zero and below zero, with one element at a time.
func TestCopy(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	c := NewContext(nil, 4)
	for trial := range 2000 {
		shape := make([]int, r.IntN(6))
		n := 1
		for i := range shape {
			shape[i] = []int{0, 1, 1, 2, 3, 4, 5, 17, 33}[r.IntN(9)]
			if n*shape[i] > 40_000 {
				shape[i] = 1
			}
			n *= shape[i]
		}
		src, from := randomView(r, shape, true)
		dst, to := randomView(r, shape, false)
		in, got, want := make([]int32, src), make([]int32, dst), make([]int32, dst)
		for i := range in {
			in[i] = int32(i + 1)
		}
		Copy(c, shape, got, to, in, from)
		index := make([]int, len(shape))
		for range n {
			d, s := to.Base, from.Base
			for i, k := range index {
				d += k * to.Strides[i]
				s += k * from.Strides[i]
			}
			want[d] = in[s]
			for i := len(index) - 1; i >= 0; i-- {
				if index[i]++; index[i] < shape[i] {
					break
				}
				index[i] = 0
			}
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("trial %d, shape %v, to %v, from %v: element %d is %d, want %d", trial, shape, to, from, i, got[i], want[i])
			}
		}
	}
}

// TestTranspose compares transposes around whole vectors and tiles with a plain loop; around the result stands what must stay.
func TestTranspose(t *testing.T) {
	for rows := range 36 {
		for cols := range 36 {
			ldd, lds := cols+3, rows+2
			src, dst := normals[float32](cols*lds, 1), normals[float32](rows*ldd, 2)
			want := slices.Clone(dst)
			for i := range rows {
				for j := range cols {
					want[i*ldd+j] = src[j*lds+i]
				}
			}
			Transpose(rows, cols, dst, ldd, src, lds)
			if !slices.Equal(dst, want) {
				t.Fatalf("%d by %d: %v, want %v", rows, cols, dst, want)
			}
		}
	}
}

// randomView lays a tensor of the given shape out in a slice of size elements: its axes permuted, with gaps, some
// reversed, and, when repeat allows it, some with a stride of 0.
func randomView(r *rand.Rand, shape []int, repeat bool) (size int, v View) {
	v.Strides = make([]int, len(shape))
	order := r.Perm(len(shape))
	if r.IntN(2) == 0 { // row-major, the usual case
		for i := range order {
			order[i] = len(shape) - 1 - i
		}
	}
	size = 1
	for _, k := range order {
		if repeat && r.IntN(5) == 0 {
			continue
		}
		gap := 1
		if r.IntN(4) == 0 {
			gap = 2
		}
		step := size * gap
		v.Strides[k] = step
		if r.IntN(4) == 0 {
			v.Strides[k] = -step
			v.Base += max(shape[k]-1, 0) * step
		}
		size = step * max(shape[k], 1)
	}
	return size, v
}

// TestCopyThreads copies enough to be cut into ranges.
func TestCopyThreads(t *testing.T) {
	const rows, cols = 700, 900
	in, out := make([]float32, rows*cols), make([]float32, rows*cols)
	for i := range in {
		in[i] = float32(i)
	}
	Copy(NewContext(nil, 4), []int{cols, rows}, out, Contiguous([]int{cols, rows}), in, View{Strides: []int{1, cols}})
	for i := range rows {
		for j := range cols {
			if out[j*rows+i] != in[i*cols+j] {
				t.Fatalf("element %d, %d is %v", i, j, out[j*rows+i])
			}
		}
	}
}

func BenchmarkCopy(b *testing.B) {
	for _, bm := range []struct {
		name       string
		shape, str []int
	}{
		{"whole", []int{512, 512}, []int{512, 1}},
		{"matrix transpose", []int{512, 512}, []int{1, 512}},
		{"tall transpose", []int{784, 128}, []int{1, 784}},
		{"batch transpose", []int{64, 64, 64}, []int{4096, 1, 64}},
		{"channels last", []int{16, 14, 14, 64}, []int{64 * 196, 14, 1, 196}},
		{"reversed axes", []int{64, 64, 64}, []int{1, 64, 4096}},
		{"heads", []int{8, 8, 64, 64}, []int{64 * 512, 64, 512, 1}},
		{"narrow rows", []int{64, 512, 4}, []int{4, 256, 1}},
		{"column broadcast", []int{512, 512}, []int{1, 0}},
		{"row broadcast", []int{512, 512}, []int{0, 1}},
		{"every second", []int{512, 256}, []int{512, 2}},
	} {
		n, size := 1, 1
		for i, d := range bm.shape {
			n *= d
			size += (d - 1) * bm.str[i]
		}
		in, out := make([]float32, size), make([]float32, n)
		c := NewContext(nil, 1)
		b.Run(fmt.Sprint(bm.name), func(b *testing.B) {
			b.SetBytes(int64(4 * n))
			for range b.N {
				Copy(c, bm.shape, out, Contiguous(bm.shape), in, View{Strides: bm.str})
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/element")
		})
	}
}
