package metrics

import (
	"fmt"
	"math/rand/v2"

	"gonum.org/v1/gonum/blas"

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
// examples or more than a set has.
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
	c.Parallel(o.Subsets, 1, func(lo, hi int) {
		d := a.d()
		x, y, block := make([]float64, o.Size*d), make([]float64, o.Size*d), make([]float64, tile*o.Size)
		for k := lo; k < hi; k++ {
			r := rand.New(rand.NewPCG(o.Seed, uint64(k)))
			draw(r, a, x)
			draw(r, b, y)
			m := float64(o.Size)
			values[k] = (kernelSum(c.BLAS, x, x, d, block, true)+kernelSum(c.BLAS, y, y, d, block, true))/(m*(m-1)) -
				2*kernelSum(c.BLAS, x, y, d, block, false)/(m*m)
		}
	})
	out := Kernel{Subsets: o.Subsets, Size: o.Size}
	out.Mean, out.Std = spread(values)
	return out, nil
}

// draw fills dst with random examples of s, none of them twice.
func draw(r *rand.Rand, s set, dst []float64) {
	d := s.d()
	at := make([]int, s.n())
	for i := range at {
		at[i] = i
	}
	for i := range len(dst) / d {
		j := i + r.IntN(len(at)-i)
		at[i], at[j] = at[j], at[i]
		row := dst[i*d : (i+1)*d]
		copy(row, s.row(at[i], row))
	}
}

// kernelSum is the sum of (x·y/d+1)³ over pairs of a row of x and one of y; if same, of those with different indices.
func kernelSum(b kernel.BLAS, x, y []float64, d int, block []float64, same bool) float64 {
	m, n := len(x)/d, len(y)/d
	sum := 0.0
	for i := 0; i < m; i += tile {
		rows := min(tile, m-i)
		b.Dgemm(blas.NoTrans, blas.Trans, rows, n, d, 1/float64(d), x[i*d:], d, y, d, 0, block, n)
		for r := range rows {
			for j, v := range block[r*n : (r+1)*n] {
				if !same || j != i+r {
					v++
					sum += v * v * v
				}
			}
		}
	}
	return sum
}
