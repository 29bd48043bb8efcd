package kernel_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
)

// volumeCase fills in what is 1, and the size of the result.
func volumeCase(planes kernel.ConvShape, d, kd, stride, front, behind, dilation int) kernel.VolumeShape {
	od := (d+front+behind-(kd-1)*dilation-1)/stride + 1
	return kernel.VolumeShape{ConvShape: convCase(planes), D: d, KD: kd, OD: od, Stride: stride, Pad: front, Dilation: dilation}
}

var volumeCases = []kernel.VolumeShape{
	volumeCase(kernel.ConvShape{N: 2, C: 2, H: 4, W: 5, O: 3, KH: 3, KW: 2, Pads: [4]int{1, 0, 1, 1}}, 1, 1, 1, 0, 0, 1),
	volumeCase(kernel.ConvShape{N: 2, C: 2, H: 4, W: 5, O: 3, KH: 3, KW: 2, Pads: [4]int{1, 0, 1, 1}}, 5, 3, 1, 1, 1, 1),
	volumeCase(kernel.ConvShape{N: 2, C: 1, H: 3, W: 3, O: 2, KH: 2, KW: 2}, 1, 1, 3, 1, 0, 1), // one plane, and that of zeros
	volumeCase(kernel.ConvShape{N: 1, C: 4, H: 5, W: 4, O: 6, KH: 2, KW: 3, Groups: 2, Strides: [2]int{2, 1}}, 7, 2, 3, 0, 2, 2),
	volumeCase(kernel.ConvShape{N: 3, C: 3, H: 2, W: 2, O: 3, KH: 1, KW: 1, Groups: 3}, 4, 4, 2, 5, 3, 1),
	volumeCase(kernel.ConvShape{N: 1, C: 2, H: 6, W: 6, O: 2, KH: 3, KW: 3}, 9, 3, 2, 0, 1, 3),
	volumeCase(kernel.ConvShape{N: 2, C: 1, H: 60, W: 61, O: 1, KH: 1, KW: 2}, 75, 2, 1, 0, 0, 1), // more than is laid out at a time
}

// TestConvVolumes compares all three kernels with plain loops, and wants the bits of one goroutine from several.
func TestConvVolumes(t *testing.T) {
	for _, s := range volumeCases {
		t.Run(fmt.Sprintf("%+v", s), func(t *testing.T) {
			testConvVolumes[float64](t, s, 1e-12)
			testConvVolumes[float32](t, s, 3e-5)
		})
	}
}

func testConvVolumes[T kernel.Float](t *testing.T, s kernel.VolumeShape, tol float64) {
	x, w, y := uniform[T](s.N*s.C*s.D*s.H*s.W), uniform[T](s.O*s.C/s.Groups*s.KD*s.KH*s.KW), uniform[T](s.N*s.O*s.OD*s.OH*s.OW)
	wantY, wantX, wantW := make([]float64, len(y)), make([]float64, len(x)), make([]float64, len(w))
	for yi := range y {
		n, o, oz, oy, ox := yi/(s.OW*s.OH*s.OD*s.O), yi/(s.OW*s.OH*s.OD)%s.O, yi/(s.OW*s.OH)%s.OD, yi/s.OW%s.OH, yi%s.OW
		each := s.C / s.Groups
		for k := range each * s.KD * s.KH * s.KW {
			c, kz, ky, kx := k/(s.KW*s.KH*s.KD), k/(s.KW*s.KH)%s.KD, k/s.KW%s.KH, k%s.KW
			iz, iy, ix := oz*s.Stride+kz*s.Dilation-s.Pad, oy*s.Strides[0]+ky*s.Dilations[0]-s.Pads[0], ox*s.Strides[1]+kx*s.Dilations[1]-s.Pads[1]
			if iz < 0 || iz >= s.D || iy < 0 || iy >= s.H || ix < 0 || ix >= s.W {
				continue
			}
			xi, wi := (((n*s.C+o/(s.O/s.Groups)*each+c)*s.D+iz)*s.H+iy)*s.W+ix, o*each*s.KD*s.KH*s.KW+k
			wantY[yi] += float64(x[xi]) * float64(w[wi])
			wantX[xi] += float64(y[yi]) * float64(w[wi])
			wantW[wi] += float64(x[xi]) * float64(y[yi])
		}
	}
	var first [3][]T
	for _, threads := range []int{1, 3} {
		c := kernel.NewContext(inOrder{}, threads)
		got := [3][]T{spoiled[T](len(y)), spoiled[T](len(x)), spoiled[T](len(w))}
		for range 2 { // the second time over what the first has left in memory
			kernel.ConvVolumesWeight(c, s, got[2], x, y)
			kernel.ConvVolumes(c, s, got[0], x, w)
			kernel.ConvVolumesInput(c, s, got[1], w, y)
		}
		for i, want := range [3][]float64{wantY, wantX, wantW} {
			what := [3]string{"y", "dx", "dw"}[i]
			scale := tol * math.Sqrt(float64(len(y)/s.N/s.O*s.C*s.KD*s.KH*s.KW))
			for k, v := range want {
				if !(math.Abs(float64(got[i][k])-v) <= scale) {
					t.Fatalf("%T, %d threads: element %d of %s is %v, want %v", got[i], threads, k, what, got[i][k], v)
				}
			}
			if threads == 1 {
				first[i] = got[i]
			} else if !slices.Equal(first[i], got[i]) {
				t.Errorf("%T: %s has other bits on %d threads than on one", got[i], what, threads)
			}
		}
	}
}

// TestInterpolate moves an axis of three to one of five, with what is copied and what is blended, on several goroutines.
func TestInterpolate(t *testing.T) {
	const outer, n, inner = 700, 3, 7
	taps := kernel.Taps{Below: []int{0, 0, 1, 2, 2}, Above: []int{1, 1, 2, 2, 2}, Part: []float64{0, .25, .5, 0, .75}}
	x, y := uniform[float32](outer*n*inner), spoiled[float32](outer*5*inner)
	kernel.Interpolate(kernel.NewContext(noBLAS{}, 3), y, x, outer, n, inner, taps)
	for at, got := range y {
		o, i, k := at/(5*inner), at/inner%5, at%inner
		of := func(place int) float64 { return float64(x[(o*n+place)*inner+k]) }
		want := of(taps.Below[i])*(1-taps.Part[i]) + of(taps.Above[i])*taps.Part[i]
		if math.Abs(float64(got)-want) > 1e-6 {
			t.Fatalf("element %d is %v, want %v", at, got, want)
		}
	}
}
