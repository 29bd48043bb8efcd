package metrics

import (
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/blas"
)

// BenchmarkMeasures takes the measures of 10,000 by 10,000 examples with 128 features.
func BenchmarkMeasures(b *testing.B) {
	const n, d = 10000, 128
	real := normals(1, n, make([]float64, d), ones(d)).Cast(tensor.F32)
	fake := normals(2, n, make([]float64, d), ones(d)).Cast(tensor.F32)
	bs := []blas.Impl{blas.Go()}
	if b, err := blas.Find("openblas"); err == nil {
		bs = append(bs, b)
	}
	for _, impl := range bs {
		c := kernel.NewContext(impl, 0)
		for _, m := range []struct {
			name string
			take func() error
		}{
			{"FID", func() error { _, err := FID(c, real, fake); return err }},
			{"KID", func() error { _, err := KID(c, real, fake, KIDOptions{}); return err }},
			{"PrecisionRecall", func() error { _, _, err := PrecisionRecall(c, real, fake, PrecisionK); return err }},
			{"DensityCoverage", func() error { _, _, err := DensityCoverage(c, real, fake, DensityK); return err }},
		} {
			b.Run(m.name+"/"+impl.Name(), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := m.take(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
