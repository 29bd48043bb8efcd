package kernel_test

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
)

// recurrences runs the four kernels on sizes that fill vectors and leave a rest, the second of two directions, and gives what they write.
func recurrences[T kernel.Float](s kernel.Recurrence, threads int) map[string][]T {
	c := kernel.NewContext(gonum.Implementation{}, threads)
	c.Grain = 1
	n, states := s.Hidden, s.Batch*s.Hidden
	s.Stride = 2 * states
	filled := func(size int, seed int) []T {
		x := make([]T, size)
		for i := range x {
			x[i] = T(float32(math.Sin(float64(i*i%977+31*seed)) / 2))
		}
		return x
	}
	out := map[string][]T{}
	for _, o := range []struct {
		name   string
		gates  int
		linear bool
	}{{"LSTM", 4, false}, {"GRU", 3, false}, {"linear GRU", 3, true}} {
		gates := o.gates
		x, w, r := filled(s.Seq*s.Batch*s.In, 1), filled(gates*n*s.In, 2), filled(gates*n*n, 3)
		wb, rb, h, first, dy := filled(gates*n, 4), filled(gates*n, 5), filled(states, 6), filled(states, 7), filled(s.Seq*s.Stride, 8)
		y := spoiled[T](s.Seq * s.Stride)
		dx, dw, dr, dwb, drb := spoiled[T](len(x)), spoiled[T](len(w)), spoiled[T](len(r)), spoiled[T](len(wb)), spoiled[T](len(rb))
		last, cell, dh, dc := append([]T(nil), h...), append([]T(nil), first...), filled(states, 9), filled(states, 10)
		if gates == 4 {
			kernel.LSTM(c, s, y[states:], last, cell, x, w, r, wb, rb)
			kernel.LSTMGradient(c, s, dx, false, dw, dr, dwb, dh, dc, dy[states:], x, w, r, wb, rb, h, first, y[states:])
			copy(drb, dwb)
		} else {
			kernel.GRU(c, s, o.linear, y[states:], last, x, w, r, wb, rb)
			kernel.GRUGradient(c, s, o.linear, dx, false, dw, dr, dwb, drb, dh, dy[states:], x, w, r, wb, rb, h, y[states:])
		}
		for what, list := range map[string][]T{"y": y, "h": last, "c": cell, "dx": dx, "dw": dw, "dr": dr, "dwb": dwb, "drb": drb, "dh": dh, "dc": dc} {
			out[o.name+" "+what] = list
		}
	}
	return out
}

// TestRecurrences compares the kernels in f32, on several goroutines, with themselves in f64 on one: small operands in graph's tests hold
// those to plain loops, and these cross the edges of vectors and of the goroutines' parts. What is of the other direction stays.
func TestRecurrences(t *testing.T) {
	for _, s := range []kernel.Recurrence{
		{Seq: 6, Batch: 5, In: 11, Hidden: 19},
		{Seq: 7, Batch: 4, In: 3, Hidden: 16, Reverse: true, Lengths: []int64{7, 1, 4, 0}},
		{Seq: 3, Batch: 1, In: 8, Hidden: 9, Lengths: []int64{2}},
	} {
		want := recurrences[float64](s, 1)
		for _, threads := range []int{1, 3} {
			for name, got := range recurrences[float32](s, threads) {
				for i, g := range got {
					if w := want[name][i]; math.IsNaN(float64(g)) != math.IsNaN(w) || math.Abs(float64(g)-w) > 2e-5*max(1, math.Abs(w)) {
						t.Fatalf("%+v, %d threads, %s: element %d is %v, want %v", s, threads, name, i, g, w)
					}
				}
			}
		}
	}
}
