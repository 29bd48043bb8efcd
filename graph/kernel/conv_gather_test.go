package kernel_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"gonum.org/v1/gonum/blas"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	own "github.com/sardonyx-ml/sardonyx/runtime/blas"
)

// gathering is inOrder that gathers, with plain loops, by vectors of so many columns, and counts how often. What it may spoil is NaN.
type gathering struct {
	inOrder
	width int
	count *atomic.Int32
}

func (g gathering) Scolumns(n int) int { return (n + g.width - 1) / g.width * g.width }

func (g gathering) Spack(packed []float32, depth, at int, t blas.Transpose, k, n int, b []float32, ldb int) {
	columns := g.Scolumns(n)
	packed = packed[at*columns : min(at+k, depth)*columns]
	for l := range k {
		for j := range columns {
			switch {
			case j >= n:
				packed[l*columns+j] = float32(math.NaN())
			case t != blas.NoTrans:
				packed[l*columns+j] = b[j*ldb+l]
			default:
				packed[l*columns+j] = b[l*ldb+j]
			}
		}
	}
}

func (g gathering) Sgather(n int, x []float32, rows, cols []int, packed []float32, add bool, c []float32, ldc int) {
	g.count.Add(1)
	columns := g.Scolumns(n)
	for i, row := range rows {
		for j := range columns {
			sum := float32(0)
			for l, col := range cols {
				sum += x[row+col] * packed[l*columns+j]
			}
			if add {
				sum += c[i*ldc+j]
			}
			c[i*ldc+j] = sum
		}
	}
}

// gatherCases cross what a gathered convolution is cut by. All of their products are gathered with vectors of one column.
var gatherCases = []kernel.ConvShape{
	convCase(kernel.ConvShape{N: 2, C: 3, H: 6, W: 5, O: 8, KH: 3, KW: 3, Pads: [4]int{1, 1, 1, 1}}),
	convCase(kernel.ConvShape{N: 3, C: 30, H: 5, W: 4, O: 9, KH: 3, KW: 3, Pads: [4]int{1, 1, 1, 1}}),    // more elements than one sum
	convCase(kernel.ConvShape{N: 70, C: 2, H: 2, W: 2, O: 8, KH: 3, KW: 3, Pads: [4]int{1, 1, 1, 1}}),    // more pixels
	convCase(kernel.ConvShape{N: 3, C: 131, H: 3, W: 3, O: 8, KH: 3, KW: 1, Pads: [4]int{1, 0, 1, 0}}),   // several copies of channels for dw
	convCase(kernel.ConvShape{N: 4, C: 520, H: 3, W: 2, O: 8, KH: 1, KW: 2, Pads: [4]int{0, 1, 0, 0}}),   // and for y
	convCase(kernel.ConvShape{N: 50, C: 16, H: 4, W: 4, O: 265, KH: 3, KW: 3, Pads: [4]int{1, 1, 1, 1}}), // and for dx
	convCase(kernel.ConvShape{N: 1, C: 2, H: 70, W: 61, O: 8, KH: 3, KW: 3, Pads: [4]int{1, 1, 1, 1}}),   // bands by pixels
	convCase(kernel.ConvShape{N: 2, C: 40, H: 33, W: 70, O: 8, KH: 3, KW: 2, Pads: [4]int{1, 1, 1, 0}}),  // bands by elements
	convCase(kernel.ConvShape{N: 2, C: 8, H: 75, W: 66, O: 12, KH: 4, KW: 4, Strides: [2]int{2, 2}, Pads: [4]int{1, 2, 1, 1}}),
	convCase(kernel.ConvShape{N: 2, C: 8, H: 75, W: 66, O: 12, KH: 4, KW: 4, Strides: [2]int{2, 2}}), // nothing is copied
	convCase(kernel.ConvShape{N: 2, C: 8, H: 9, W: 8, O: 12, KH: 3, KW: 3, Pads: [4]int{2, 2, 2, 2}}),
	convCase(kernel.ConvShape{N: 2, C: 8, H: 9, W: 8, O: 12, KH: 3, KW: 2, Pads: [4]int{4, 5, 3, 4}}), // padded beyond the filter
	convCase(kernel.ConvShape{N: 3, C: 8, H: 10, W: 13, O: 8, KH: 2, KW: 3, Strides: [2]int{3, 2}, Pads: [4]int{0, 1, 1, 0}}),
	convCase(kernel.ConvShape{N: 3, C: 8, H: 10, W: 13, O: 8, KH: 2, KW: 2, Strides: [2]int{3, 4}, Pads: [4]int{1, 1, 1, 1}}), // pixels that nothing reads
	convCase(kernel.ConvShape{N: 3, C: 16, H: 12, W: 14, O: 24, KH: 3, KW: 3, Strides: [2]int{2, 3}, Dilations: [2]int{3, 2}, Pads: [4]int{3, 2, 4, 1}, Groups: 2}),
	convCase(kernel.ConvShape{N: 3, C: 24, H: 6, W: 5, O: 24, KH: 1, KW: 3, Strides: [2]int{2, 1}, Pads: [4]int{0, 1, 0, 1}, Groups: 3}),
	convCase(kernel.ConvShape{N: 5, C: 16, H: 8, W: 7, O: 8, KH: 1, KW: 1, Strides: [2]int{2, 2}}),
	convCase(kernel.ConvShape{N: 9, C: 4, H: 1, W: 9, O: 8, KH: 1, KW: 5, Strides: [2]int{1, 2}, Pads: [4]int{0, 2, 0, 2}}),
}

// TestConvGather compares gathered convolutions with plain loops, of those cases and of others that are drawn, and wants the bits of one
// goroutine from several.
func TestConvGather(t *testing.T) {
	cases := slices.Clone(gatherCases)
	r := rand.New(rand.NewPCG(8, 9))
	for len(cases) < 150 {
		n := func(most int) int { return 1 + r.IntN(most) }
		s := kernel.ConvShape{N: n(9), H: n(9), W: n(9), KH: n(4), KW: n(4), Groups: n(2), Strides: [2]int{n(3), n(3)}, Dilations: [2]int{n(2), n(2)}}
		s.C, s.O = s.Groups*(7+n(3)), s.Groups*(7+n(3))
		for i := range s.Pads {
			s.Pads[i] = r.IntN(4)
		}
		if s = convCase(s); s.OH > 0 && s.OW > 0 && s.N*s.OH*s.OW >= 3*s.O && s.C/s.Groups*s.KH*s.KW >= 16 {
			cases = append(cases, s)
		}
	}
	for _, s := range cases {
		x, w, y := uniform[float32](s.N*s.C*s.H*s.W), uniform[float32](s.O*s.C/s.Groups*s.KH*s.KW), uniform[float32](s.N*s.O*s.OH*s.OW)
		want := [3][]float64{make([]float64, len(y)), make([]float64, len(x)), make([]float64, len(w))}
		products(s, func(xi, wi, yi int) {
			want[0][yi] += float64(x[xi]) * float64(w[wi])
			want[1][xi] += float64(y[yi]) * float64(w[wi])
			want[2][wi] += float64(x[xi]) * float64(y[yi])
		})
		var first [3][]float32
		for _, threads := range []int{1, 3} {
			count := new(atomic.Int32)
			c := kernel.NewContext(gathering{width: 1, count: count}, threads)
			junk(c, float32(math.NaN()))
			got := [3][]float32{spoiled[float32](len(y)), spoiled[float32](len(x)), spoiled[float32](len(w))}
			kernel.ConvForward(c, s, got[0], x, w)
			counts := [3]int32{count.Load()}
			kernel.ConvInput(c, s, got[1], w, y)
			counts[1] = count.Load()
			kernel.ConvWeight(c, s, got[2], x, y)
			counts[2] = count.Load()
			if counts[0] == 0 || counts[1] == counts[0] || counts[2] == counts[1] {
				t.Errorf("%+v: after y, dx and dw there were %v gathered products", s, counts)
			}
			for i, what := range []string{"y", "dx", "dw"} {
				for j, v := range want[i] {
					if !(math.Abs(float64(got[i][j])-v) <= 2e-5*math.Sqrt(float64(s.C*s.KH*s.KW*s.OH*s.OW))) {
						t.Fatalf("%+v, %d threads: element %d of %s is %v, want %v", s, threads, j, what, got[i][j], v)
					}
				}
				if threads > 1 && !slices.Equal(got[i], first[i]) {
					t.Errorf("%+v: %s has other bits on %d threads than on one", s, what, threads)
				}
			}
			first = got
		}
	}
}

// TestConvUnfolded wants the bits of unfolded images from gathered ones, where the order of sums is the same, and the same numbers where
// it is not, on our own BLAS and on vectors of four with which columns are left over.
func TestConvUnfolded(t *testing.T) {
	for _, s := range []kernel.ConvShape{
		convCase(kernel.ConvShape{N: 9, C: 32, H: 7, W: 6, O: 32, KH: 3, KW: 3, Pads: [4]int{1, 1, 1, 1}}),
		convCase(kernel.ConvShape{N: 5, C: 61, H: 9, W: 8, O: 45, KH: 3, KW: 2, Pads: [4]int{1, 1, 0, 1}}), // vectors and tiles that are not full
		convCase(kernel.ConvShape{N: 3, C: 96, H: 10, W: 11, O: 32, KH: 3, KW: 3, Strides: [2]int{2, 2}, Pads: [4]int{1, 1, 1, 1}}),
		convCase(kernel.ConvShape{N: 4, C: 64, H: 7, W: 7, O: 64, KH: 3, KW: 3, Pads: [4]int{2, 2, 2, 2}, Dilations: [2]int{2, 2}, Groups: 2}),
	} {
		x, w, y := uniform[float32](s.N*s.C*s.H*s.W), uniform[float32](s.O*s.C/s.Groups*s.KH*s.KW), uniform[float32](s.N*s.O*s.OH*s.OW)
		for name, b := range map[string]kernel.BLAS{"our own": own.Go(), "of four": gathering{width: 4, count: new(atomic.Int32)}} {
			var got [2][3][]float32
			for i, b := range []kernel.BLAS{b, struct{ kernel.BLAS }{b}} {
				c := kernel.NewContext(b, 2)
				got[i] = [3][]float32{spoiled[float32](len(y)), spoiled[float32](len(x)), spoiled[float32](len(w))}
				kernel.ConvForward(c, s, got[i][0], x, w)
				kernel.ConvInput(c, s, got[i][1], w, y)
				kernel.ConvWeight(c, s, got[i][2], x, y)
			}
			for i, what := range []string{"y", "dx", "dw"} {
				same := name == "our own" && (i == 0 || i == 1 && s.Strides == [2]int{1, 1})
				for j, v := range got[0][i] {
					if u := got[1][i][j]; !(math.Abs(float64(v-u)) <= 1e-3) || same && v != u {
						t.Fatalf("%+v, %s: element %d of %s is %v, unfolded %v", s, name, j, what, v, u)
					}
				}
			}
		}
	}
}

// nothing gathers nothing.
type nothing struct{ noBLAS }

func (nothing) Scolumns(n int) int { return n }

func (nothing) Spack(packed []float32, depth, at int, t blas.Transpose, k, n int, b []float32, ldb int) {
}

func (nothing) Sgather(n int, x []float32, rows, cols []int, packed []float32, add bool, c []float32, ldc int) {
}

// TestConvGatherScratch is TestConvScratch for gathered products.
func TestConvGatherScratch(t *testing.T) {
	s := convCase(kernel.ConvShape{N: 1, C: 16, H: 256, W: 256, O: 16, KH: 3, KW: 3, Pads: [4]int{1, 1, 1, 1}})
	x, w, y := make([]float32, 16*256*256), make([]float32, 16*16*9), make([]float32, 16*256*256)
	c := kernel.NewContext(nothing{}, 2)
	got := testing.AllocsPerRun(1, func() {
		kernel.ConvForward(c, s, y, x, w)
		kernel.ConvInput(c, s, x, w, y)
		kernel.ConvWeight(c, s, w, x, y)
	})
	if got > 80 {
		t.Errorf("%v allocations", got)
	}
	if n := cap(kernel.Scratch[float32](c, 0)); n > 2*(130<<10) {
		t.Errorf("%d elements of scratch for one image of %d", n, len(x))
	}
}
