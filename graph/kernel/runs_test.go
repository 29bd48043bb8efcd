package kernel

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// broadcastAt is the position in an operand of the given shape of the element that broadcasts to index.
func broadcastAt(shape, index []int) int {
	at := 0
	for i, d := range shape {
		at *= d
		if d != 1 {
			at += index[len(index)-len(shape)+i]
		}
	}
	return at
}

// TestMap draws shapes and operands that broadcast to them, and compares with a loop over indices.
func TestMap(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	sizes := []int{1, 1, 2, 3, 5, 40}
	for trial := range 600 {
		shape := make([]int, r.IntN(6))
		for i := range shape {
			shape[i] = sizes[r.IntN(len(sizes))]
		}
		switch {
		case trial%50 == 0 && len(shape) > 0:
			shape[r.IntN(len(shape))] = 0
		case trial%50 == 1:
			shape = []int{7, 1500}
		case trial%50 == 2:
			shape = []int{1500, 3}
		}
		if product(shape) > 100_000 {
			continue
		}
		in, shapes := make([][]float64, 1+r.IntN(maxOperands)), [][]int{}
		for k := range in {
			s := slices.Clone(shape[r.IntN(len(shape)+1):])
			for i := range s {
				if r.IntN(3) == 0 {
					s[i] = 1
				}
			}
			if k == 0 {
				s = shape // somebody must stretch to the output
			}
			in[k], shapes = normals[float64](product(s), uint64(trial+k)), append(shapes, s)
		}
		want := make([]float64, product(shape))
		for i := range want {
			index, rest := make([]int, len(shape)), i
			for a := len(shape) - 1; a >= 0; a-- {
				index[a] = rest % shape[a]
				rest /= shape[a]
			}
			for k, x := range in {
				want[i] += float64(k+1) * x[broadcastAt(shapes[k], index)]
			}
		}
		weighted := func(out []float64, in [][]float64) {
			clear(out)
			for k, x := range in {
				if len(x) != len(out) && len(x) != 1 {
					panic(fmt.Sprintf("operand %d has %d elements for %d", k, len(x), len(out)))
				}
				for i := range out {
					out[i] += float64(k+1) * x[i%len(x)]
				}
			}
		}
		for _, threads := range []int{1, 3} {
			got := stale[float64](len(want))
			Map(&Context{Threads: threads}, weighted, got, shape, in, shapes, 64)
			if !slices.Equal(got, want) {
				t.Fatalf("%v from %v on %d goroutines differs", shape, shapes, threads)
			}
		}
	}
}

// TestRunsManyAxes has more axes that cannot be joined than any model.
func TestRunsManyAxes(t *testing.T) {
	var shape, rows []int
	for i := range 18 {
		shape = append(shape, 2)
		rows = append(rows, 1+i%2)
	}
	a, b := normals[float32](1<<18, 1), normals[float32](1<<9, 2)
	out := make([]float32, len(a))
	Map(&Context{Threads: 2}, func(out []float32, in [][]float32) { Mul(out, in[0], in[1]) }, out, shape, [][]float32{a, b}, [][]int{shape, rows}, 1)
	for i := range out {
		at := 0
		for bit := 16; bit >= 0; bit -= 2 { // the axes of b, from the outermost on, are every other bit of i
			at = at<<1 | i>>bit&1
		}
		if out[i] != a[i]*b[at] {
			t.Fatalf("element %d is %v, want %v", i, out[i], a[i]*b[at])
		}
	}
}

func BenchmarkBroadcast(b *testing.B) {
	c := &Context{Threads: 1}
	add := func(out []float32, in [][]float32) { Add(out, in[0], in[1]) }
	for _, s := range [][2][]int{
		{{256, 784}, {256, 784}}, {{256, 784}, {784}}, {{256, 784}, {}}, {{256, 784}, {256, 1}},
		{{8192, 20}, {20}}, {{65536, 3}, {3}}, {{65536, 3}, {65536, 1}}, {{32, 64, 7, 7}, {64, 1, 1}},
	} {
		x, y := normals[float32](product(s[0]), 1), normals[float32](product(s[1]), 2)
		out := make([]float32, len(x))
		b.Run(fmt.Sprint(s[0], s[1]), func(b *testing.B) {
			for b.Loop() {
				Map(c, add, out, s[0], [][]float32{x, y}, s[:], 1<<14)
			}
			perElement(b, len(x))
		})
	}
}
