package kernel_test

import (
	"testing"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
)

func BenchmarkPool(b *testing.B) {
	c := kernel.NewContext(gonum.Implementation{}, 2)
	for _, p := range []struct {
		name string
		s    kernel.PoolShape
	}{
		{"halves_64x32x28x28", kernel.PoolShape{Volumes: 64 * 32, D: 1, H: 28, W: 28, OD: 1, OH: 14, OW: 14, Kernel: [3]int{1, 2, 2}, Strides: [3]int{1, 2, 2}}},
		{"overlap_16x64x56x56", kernel.PoolShape{Volumes: 16 * 64, D: 1, H: 56, W: 56, OD: 1, OH: 28, OW: 28, Kernel: [3]int{1, 3, 3}, Strides: [3]int{1, 2, 2}, Pads: [6]int{0, 1, 1, 0, 0, 0}}},
	} {
		x, y := floats(p.s.Volumes*p.s.H*p.s.W), floats(p.s.Volumes*p.s.OH*p.s.OW)
		dx := make([]float32, len(x))
		for name, run := range map[string]func(){
			"MaxPool":           func() { kernel.MaxPool(c, p.s, y, x) },
			"MaxPoolScatter":    func() { kernel.MaxPoolScatter(c, p.s, dx, x, y) },
			"MaxPoolGather":     func() { kernel.MaxPoolGather(c, p.s, y, x, x) },
			"AveragePool":       func() { kernel.AveragePool(c, p.s, false, y, x) },
			"AveragePoolSpread": func() { kernel.AveragePoolSpread(c, p.s, false, dx, y) },
		} {
			b.Run(p.name+"/"+name, func(b *testing.B) {
				b.SetBytes(int64(4 * len(x)))
				for b.Loop() {
					run()
				}
			})
		}
	}
}

func BenchmarkNorm(b *testing.B) {
	c := kernel.NewContext(gonum.Implementation{}, 2)
	x, y, v := floats(64*64*14*14), make([]float32, 64*64*14*14), floats(196)
	pos := make([]float32, 64)
	for i := range pos {
		pos[i] = 1
	}
	b.Run("LayerNorm_4096x196", func(b *testing.B) {
		b.SetBytes(int64(4 * len(x)))
		for b.Loop() {
			kernel.LayerNorm(c, y, x, v, v, 196, 1e-5)
		}
	})
	b.Run("LayerNormGrad_4096x196", func(b *testing.B) {
		b.SetBytes(int64(4 * len(x)))
		for b.Loop() {
			kernel.LayerNormGrad(c, y, x, x, 196, 1e-5)
		}
	})
	b.Run("BatchNorm_64x64x14x14", func(b *testing.B) {
		b.SetBytes(int64(4 * len(x)))
		for b.Loop() {
			kernel.BatchNorm(c, y, x, pos, pos, pos, pos, 196, 1e-5)
		}
	})
	b.Run("Statistics_64x64x14x14", func(b *testing.B) {
		b.SetBytes(int64(4 * len(x)))
		for b.Loop() {
			kernel.Mean(c, pos, x, []int{64, 64, 14, 14}, []int{0, 2, 3})
		}
	})
}
