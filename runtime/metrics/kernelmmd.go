package metrics

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// KIDOptions say of which subsets [KID] is the mean. The zero value takes those of the paper.
type KIDOptions struct {
	Subsets int    // how many; 0 means 100
	Size    int    // examples of each set in a subset, without repetition; 0 means 1,000
	Seed    uint64 // of the draws
}

// A Kernel is a KID: the mean over subsets, and the standard deviation between them, √(Σ(v-mean)²/subsets).
type Kernel struct {
	Mean, Std     float64
	Subsets, Size int
}

// KID is the squared maximum mean discrepancy with the kernel (x·y/d+1)³, by the unbiased estimator, as a mean over random
// subsets (Bińkowski et al. 2018, "Demystifying MMD GANs", section 4, and Gretton et al. 2012, equation 3). Its expectation is 0
// for sets from one distribution, whatever their size, so it may be below 0. It is an error if a subset has fewer than 2
// examples or more than a set has. Products of features that are f32 are f32, added up in float64 256 at a time.
func KID(c *kernel.Context, real, fake *tensor.Tensor, o KIDOptions) (Kernel, error) {
	if o.Subsets == 0 {
		o.Subsets = 100
	}
	if o.Size == 0 {
		o.Size = 1000
	}
	if o.Subsets < 1 || o.Size < 2 {
		return Kernel{}, fmt.Errorf("KID: %d subsets of %d examples: want 1 or more, of 2 or more", o.Subsets, o.Size)
	}
	a, b := set{"real features", real}, set{"fake features", fake}
	if err := check("KID", o.Size, a, b); err != nil {
		return Kernel{}, err
	}
	values := make([]float64, o.Subsets)
	if a.x.DType() == tensor.F64 || b.x.DType() == tensor.F64 {
		kernelMeans[float64](c, a, b, o, values)
	} else {
		kernelMeans[float32](c, a, b, o, values)
	}
	out := Kernel{Subsets: o.Subsets, Size: o.Size}
	out.Mean, out.Std = spread(values)
	return out, nil
}

// kernelMeans sets values to the estimates of subsets. Products of features are of precision T, and their sums of float64.
func kernelMeans[T kernel.Float](c *kernel.Context, a, b set, o KIDOptions, values []float64) {
	d, m := a.d(), float64(o.Size)
	unit := math.Ldexp(1, -max(a.exponent(), b.exponent())) // by which features are at most 1, that no product is too large for T
	scale := 1 / (unit * unit * float64(d))
	c.Parallel(o.Subsets, 1, func(lo, hi int) {
		own := kernel.NewContext(c.BLAS, 1)
		x, y := make([]T, o.Size*d), make([]T, o.Size*d)
		block, sums := make([]T, tile*o.Size), make([]float64, tile*o.Size)
		for k := lo; k < hi; k++ {
			r := rand.New(rand.NewPCG(o.Seed, uint64(k)))
			draw(r, a, unit, x)
			draw(r, b, unit, y)
			sum := func(x, y []T, same bool) float64 { return kernelSum(own, x, y, d, scale, block, sums, same) }
			values[k] = (sum(x, x, true)+sum(y, y, true))/(m*(m-1)) - 2*sum(x, y, false)/(m*m)
		}
	})
}

// exponent is that of the power of two that no feature reaches.
func (s set) exponent() int {
	most, buf := 0., make([]float64, s.d())
	for i := range s.n() {
		for _, v := range s.row(i, buf) {
			most = max(most, math.Abs(v))
		}
	}
	_, e := math.Frexp(most)
	return e
}

// draw fills dst with random examples of s, times unit, none of them twice.
func draw[T kernel.Float](r *rand.Rand, s set, unit float64, dst []T) {
	d := s.d()
	at, buf := make([]int, s.n()), make([]float64, d)
	for i := range at {
		at[i] = i
	}
	for i := range len(dst) / d {
		j := i + r.IntN(len(at)-i)
		at[i], at[j] = at[j], at[i]
		for k, v := range s.row(at[i], buf) {
			dst[i*d+k] = T(v * unit)
		}
	}
}

// summed is how many features' products are added up in their own precision.
const summed = 256

// kernelSum is the sum of (x·y·scale+1)³ over pairs of a row of x and one of y; if same, of those with different indices, which are the
// same in both orders. block and sums have room for tile rows of pairs.
func kernelSum[T kernel.Float](c *kernel.Context, x, y []T, d int, scale float64, block []T, sums []float64, same bool) float64 {
	m, n := len(x)/d, len(y)/d
	sum := 0.0
	for i := 0; i < m; i += tile {
		rows, from := min(tile, m-i), 0
		if same {
			from = i
		}
		cols := n - from
		clear(sums)
		for k := 0; k < d; k += summed {
			kernel.Gemm(c, false, true, rows, cols, min(summed, d-k), 1, x[i*d+k:], d, y[from*d+k:], d, 0, block, cols)
			for p, v := range block[:rows*cols] {
				sums[p] += float64(v)
			}
		}
		for r := range rows {
			row := sums[r*cols : (r+1)*cols]
			if same {
				row = row[r+1:]
			}
			for _, v := range row {
				v = v*scale + 1
				sum += v * v * v
			}
		}
	}
	if same {
		return 2 * sum
	}
	return sum
}
