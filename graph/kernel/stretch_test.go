package kernel

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestStretches finds the elements of operands for stretches that begin and end anywhere, and for those that keep to runs, and compares with
// a loop over indices.
func TestStretches(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	sizes := []int{1, 1, 2, 3, 5, 40, 300}
	repeated := 0
	for range 400 {
		shape := make([]int, 1+r.IntN(4))
		for i := range shape {
			shape[i] = sizes[r.IntN(len(sizes))]
		}
		if product(shape) > 200_000 {
			continue
		}
		s := slices.Clone(shape[r.IntN(len(shape)+1):])
		for i := range s {
			if r.IntN(2) == 0 {
				s[i] = 1
			}
		}
		x, n := make([]int, product(s)), product(shape)
		for i := range x {
			x[i] = i
		}
		at := func(i int) int {
			index := make([]int, len(shape))
			for a := len(shape) - 1; a >= 0; a-- {
				index[a] = i % shape[a]
				i /= shape[a]
			}
			return broadcastAt(s, index)
		}
		const block = 1024
		var all Stretches
		all.Set(shape, [][]int{shape, s})
		for _, inRuns := range []bool{false, true} {
			var o Operands[int]
			o.Set(NewContext(nil, 1), &all, 1, [][]int{x}, block, inRuns)
			if o.repeated[0] != nil {
				repeated++
			}
			var c Cursor[int]
			for lo := 0; lo < n; {
				hi := min(n, lo+1+r.IntN(block))
				if inRuns {
					if hi = all.End(lo, n, block); !all.Long() {
						break
					}
				}
				c.At(&o, lo, hi)
				got := c.Args[0]
				if len(got) != 1 && len(got) != hi-lo {
					t.Fatalf("%v to %v, elements %d to %d: there are %d", s, shape, lo, hi, len(got))
				}
				for i := lo; i < hi; i++ {
					if g := got[min(i-lo, len(got)-1)]; g != at(i) {
						t.Fatalf("%v to %v, elements %d to %d: that of %d is %d, want %d", s, shape, lo, hi, i, g, at(i))
					}
				}
				if lo = hi; !inRuns && r.IntN(3) == 0 {
					lo += r.IntN(3 * block)
				}
			}
		}
	}
	if repeated < 20 {
		t.Errorf("only %d operands are repeated", repeated)
	}
}

// TestDrawFrom draws from any element on, and wants the numbers of the whole.
func TestDrawFrom(t *testing.T) {
	d := Draw{Seed: 3, Step: 4, Stream: 5}
	testDrawFrom[float32](t, d)
	testDrawFrom[float64](t, d)
}

func testDrawFrom[T Float](t *testing.T, d Draw) {
	for name, f := range map[string]struct {
		whole func(c *Context, d Draw, out []T)
		from  func(d Draw, at int, out []T)
	}{"Uniform": {Uniform[T], UniformFrom[T]}, "Normal": {Normal[T], NormalFrom[T]}} {
		want := make([]T, 200)
		f.whole(NewContext(nil, 1), d, want)
		for at := range 30 {
			for n := range 70 {
				got := make([]T, n+1)
				got[n] = 7
				if f.from(d, at, got[:n]); !slices.Equal(got[:n], want[at:at+n]) || got[n] != 7 {
					t.Fatalf("%s: %d numbers from number %d on are %v, want %v", name, n, at, got, want[at:at+n])
				}
			}
		}
	}
}

// TestReductionOf sums up as reductions say that sums come about, and wants the bits of Sum.
func TestReductionOf(t *testing.T) {
	for _, c := range []struct {
		shape, axes []int
		kind        ReductionKind
	}{
		{[]int{3, 5000}, []int{0, 1}, Everything},
		{[]int{5000, 1}, []int{0}, Everything},
		{[]int{1, 1}, []int{0}, Everything},
		{[]int{300, 7}, []int{0}, ByColumn},
		{[]int{1, 7}, []int{0}, ByColumn},
		{[]int{20, 13, 1, 9}, []int{0, 1}, ByColumn},
		{[]int{9, 700}, []int{1}, ByRow},
		{[]int{4, 1, 30, 11}, []int{2, 3}, ByRow},
		{[]int{30, 6, 10, 10}, []int{0, 2, 3}, ByRow},
		{[]int{30, 6, 1, 1}, []int{0, 2, 3}, ByColumn},
		{[]int{1, 6, 8}, []int{0, 2}, ByRow},
	} {
		r := ReductionOf(c.shape, c.axes)
		if r.Kind != c.kind {
			t.Errorf("%v over %v: it is %+v", c.shape, c.axes, r)
		}
		x := normals[float32](product(c.shape), 1)
		want := make([]float32, r.Of)
		Sum(NewContext(nil, 1), want, x, c.shape, c.axes)
		got := make([]float32, r.Of)
		switch r.Kind {
		case Everything:
			var part []float32
			for block := range slices.Chunk(x, SumBlock) {
				part = append(part, Total(block))
			}
			got[0] = Total(part)
		case ByRow:
			for k := range r.Rows {
				got[k%r.Of] += Total(x[k*r.Row:][:r.Row])
			}
		case ByColumn:
			for block := range slices.Chunk(x, RowBlock*r.Row) {
				part := make([]float32, r.Row)
				for i, v := range block {
					part[i%r.Row] += v
				}
				Add(got, got, part)
			}
		}
		same(t, fmt.Sprintf("%v over %v", c.shape, c.axes), got, want)
	}
}
