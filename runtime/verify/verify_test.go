package verify

import (
	"math"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestCompare holds when two tensors agree.
func TestCompare(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	tests := []struct {
		want, got []float32
		ok        bool
	}{
		{[]float32{1, 2}, []float32{1, 2}, true},
		{[]float32{1, 2}, []float32{1, 2.001}, true},
		{[]float32{1, 2}, []float32{1, 2.1}, false},
		{[]float32{1, 2}, []float32{1.1, 2.0001}, false},
		{[]float32{inf, nan}, []float32{inf, nan}, true},
		{[]float32{inf, 1}, []float32{-inf, 1}, false},
		{[]float32{inf, 1}, []float32{5, 1}, false},
		{[]float32{1, 2}, []float32{1, nan}, false},
		{[]float32{nan, 2}, []float32{1, 2}, false},
		{[]float32{1, 2}, []float32{1, 2, 3}, false},
	}
	for _, tt := range tests {
		if d := Compare(tensor.Of(tt.want, len(tt.want)), tensor.Of(tt.got, len(tt.got)), 1e-3, 1e-3); d.OK != tt.ok {
			t.Errorf("%v and %v: ok is %v, abs %v", tt.want, tt.got, d.OK, d.Abs)
		}
	}
	const most, least = math.MaxInt64, math.MinInt64
	for _, tt := range []struct {
		want, got int64
		abs       float64
	}{{most, most, 0}, {most, most - 1, 1}, {-1, 1, 2}, {most, least, 1 << 64}, {least, most, 1 << 64}} {
		if d := Compare(tensor.Of([]int64{tt.want}, 1), tensor.Of([]int64{tt.got}, 1), 1e-3, 0); d.Abs != tt.abs || d.OK != (tt.abs == 0) {
			t.Errorf("%d and %d: ok is %v, abs %v, want %v", tt.want, tt.got, d.OK, d.Abs, tt.abs)
		}
	}
}
