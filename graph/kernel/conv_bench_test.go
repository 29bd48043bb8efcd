package kernel_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/runtime/blas"
)

// benchConvs are the convolutions of a small image classifier (28×28 digits, batch 64), of DCGANs (32×32 and 64×64 images) and of a ResNet
// (a batch of 8).
var benchConvs = []struct {
	name string
	s    kernel.ConvShape
}{
	{"digits1_1x28x28_32", sameConv(64, 1, 28, 32, 3)},
	{"digits2_32x14x14_64", sameConv(64, 32, 14, 64, 3)},
	{"gan_3x32x32_64", halfConv(64, 3, 32, 64)},
	{"gan_64x16x16_128", halfConv(64, 64, 16, 128)},
	{"gan_128x8x8_256", halfConv(64, 128, 8, 256)},
	{"dcgan_64x32x32_128", halfConv(32, 64, 32, 128)},
	{"dcgan_256x8x8_512", halfConv(32, 256, 8, 512)},
	{"pointwise_64x14x14_64", sameConv(64, 64, 14, 64, 1)},
	{"resnet_64x56x56_64", sameConv(8, 64, 56, 64, 3)},
	{"resnet_256x14x14_256", sameConv(8, 256, 14, 256, 3)},
	{"resnet_512x7x7_512", sameConv(8, 512, 7, 512, 3)},
}

// sameConv keeps the size of the images.
func sameConv(n, c, size, o, k int) kernel.ConvShape {
	p := k / 2
	return kernel.ConvShape{N: n, C: c, H: size, W: size, O: o, KH: k, KW: k, OH: size, OW: size,
		Strides: [2]int{1, 1}, Pads: [4]int{p, p, p, p}, Dilations: [2]int{1, 1}, Groups: 1}
}

// halfConv halves the size of the images, with filters of 4×4.
func halfConv(n, c, size, o int) kernel.ConvShape {
	return kernel.ConvShape{N: n, C: c, H: size, W: size, O: o, KH: 4, KW: 4, OH: size / 2, OW: size / 2,
		Strides: [2]int{2, 2}, Pads: [4]int{1, 1, 1, 1}, Dilations: [2]int{1, 1}, Groups: 1}
}

func floats(n int) []float32 {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([]float32, n)
	for i := range out {
		out[i] = r.Float32()*2 - 1
	}
	return out
}

// BenchmarkConv runs on the BLAS that SARDONYX_BLAS asks for, or the best there is; if that gathers, also with unfolded images.
func BenchmarkConv(b *testing.B) {
	impl, err := blas.Default()
	if err != nil {
		b.Fatal(err)
	}
	b.Log(impl.Name())
	ways := map[string]kernel.BLAS{"unfolded": impl}
	if _, ok := impl.(kernel.Gatherer); ok {
		ways = map[string]kernel.BLAS{"gathered": impl, "unfolded": struct{ kernel.BLAS }{impl}}
	}
	for _, bc := range benchConvs {
		s := bc.s
		x, w, y := floats(s.N*s.C*s.H*s.W), floats(s.O*s.C/s.Groups*s.KH*s.KW), floats(s.N*s.O*s.OH*s.OW)
		flops := 2 * float64(len(y)) * float64(s.C/s.Groups*s.KH*s.KW)
		for _, k := range []struct {
			name string
			run  func(c *kernel.Context)
		}{
			{"forward", func(c *kernel.Context) { kernel.ConvForward(c, s, y, x, w) }},
			{"input", func(c *kernel.Context) { kernel.ConvInput(c, s, x, w, y) }},
			{"weight", func(c *kernel.Context) { kernel.ConvWeight(c, s, w, x, y) }},
		} {
			for _, threads := range []int{1, 2} {
				for name, impl := range ways {
					b.Run(fmt.Sprintf("%s/%s/%d/%s", bc.name, k.name, threads, name), func(b *testing.B) {
						c := kernel.NewContext(impl, threads)
						for b.Loop() {
							k.run(c)
						}
						b.ReportMetric(flops*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
					})
				}
			}
		}
	}
}
