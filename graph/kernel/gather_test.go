package kernel

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestGatherScatter checks Gather against plain indexing, and ScatterAdd as its adjoint: the inner products
// ⟨Gather(x), y⟩ and ⟨x, ScatterAdd(y)⟩ are equal, exactly so in whole numbers.
func TestGatherScatter(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	whole := func(n int) []float64 {
		x := make([]float64, n)
		for i := range x {
			x[i] = float64(r.IntN(19) - 9)
		}
		return x
	}
	for range 200 {
		outer, n, inner, count := 1+r.IntN(4), 1+r.IntN(6), r.IntN(5), r.IntN(9)
		index := make([]int64, count)
		for i := range index {
			index[i] = int64(r.IntN(2*n) - n)
		}
		x, y := whole(outer*n*inner), whole(outer*count*inner)
		got, back := make([]float64, len(y)), whole(len(x))
		for _, err := range []error{Gather(got, x, index, outer, n, inner), ScatterAdd(back, y, index, outer, n, inner)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		var left, right float64
		for o := range outer {
			for at, k := range index {
				for j := range inner {
					want := x[(o*n+(int(k)+n)%n)*inner+j]
					if g := got[(o*count+at)*inner+j]; g != want {
						t.Fatalf("index %d of %d: %v, want %v", k, n, g, want)
					}
				}
			}
		}
		for i := range y {
			left += got[i] * y[i]
		}
		for i := range x {
			right += x[i] * back[i]
		}
		if left != right {
			t.Fatalf("⟨Gather(x), y⟩ = %v, ⟨x, ScatterAdd(y)⟩ = %v", left, right)
		}
	}
}

// TestIndexErrors checks that indices outside the axis are named, not followed.
func TestIndexErrors(t *testing.T) {
	x, out := make([]float32, 6), make([]float32, 4)
	for _, c := range []struct {
		index []int64
		want  string
	}{
		{[]int64{0, 3}, "index 3 at position 1 is outside an axis of size 3"},
		{[]int64{-4, 0}, "index -4 at position 0 is outside an axis of size 3"},
		{[]int64{1 << 62, 0}, "index 4611686018427387904 at position 0"},
		{[]int64{-1 << 63, 0}, "index -9223372036854775808 at position 0"},
	} {
		for name, err := range map[string]error{"Gather": Gather(out, x, c.index, 1, 3, 2), "ScatterAdd": ScatterAdd(x, out, c.index, 1, 3, 2)} {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s with %d: error %v, want %q", name, c.index, err, c.want)
			}
		}
	}
	if err := Gather(nil, []float32(nil), []int64{0}, 1, 0, 2); err == nil {
		t.Error("an index into an axis of size 0 is no error")
	}
}

func TestOneHot(t *testing.T) {
	out := make([]float32, 5*3)
	OneHot(out, []int64{0, 2, -1, 3, -4}, 3, 0, 1)
	if want := []float32{1, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}; !slices.Equal(out, want) {
		t.Errorf("got %v, want %v", out, want)
	}
}

func TestArgMax(t *testing.T) {
	x := []float32{ // [2 3 2]
		1, 5,
		3, 5,
		2, -1,

		-3, 0,
		-1, .5,
		-2, 1,
	}
	out := make([]int64, 4)
	if err := ArgMax(out, x, 2, 3, 2); err != nil {
		t.Fatal(err)
	}
	if want := []int64{1, 0, 1, 2}; !slices.Equal(out, want) {
		t.Errorf("got %v, want %v", out, want)
	}
	if err := ArgMax(out, []float32(nil), 2, 0, 2); err == nil || !strings.Contains(err.Error(), "no largest element") {
		t.Errorf("an axis of size 0 gives error %v", err)
	}
}

func BenchmarkGather(b *testing.B) {
	const rows, count = 10_000, 2048
	for _, width := range []int{1, 4, 64, 256} {
		table, out, index := make([]float32, rows*width), make([]float32, count*width), make([]int64, count)
		r := rand.New(rand.NewPCG(1, 1))
		for i := range index {
			index[i] = r.Int64N(rows)
		}
		b.Run(fmt.Sprintf("Gather/%d", width), func(b *testing.B) {
			for range b.N {
				if err := Gather(out, table, index, 1, rows, width); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("ScatterAdd/%d", width), func(b *testing.B) {
			for range b.N {
				if err := ScatterAdd(table, out, index, 1, rows, width); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
