package metrics

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/mat"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// A Frechet is the Fréchet distance between Gaussians fitted to two sets, with its two terms and the numbers of examples:
// estimates from fewer examples are larger.
type Frechet struct {
	Distance   float64 // Mean + Covariance, in squared units of the features
	Mean       float64 // |μ₁-μ₂|²
	Covariance float64 // Tr(Σ₁+Σ₂-2(Σ₁Σ₂)^½), not below 0
	Real, Fake int     // examples
}

// maxRank bounds the matrices that are decomposed: time grows with the cube.
const maxRank = 4096

// FID is the squared Fréchet distance between Gaussians with the sets' means and unbiased covariances (Heusel et al. 2017,
// "GANs Trained by a Two Time-Scale Update Rule", equation 6). Of features of an Inception network it is the Fréchet inception
// distance; of others, compare it only with its like. 0 is the best. Each set needs 2 examples; covariances may be singular, as
// where there are fewer examples than features. Where both are above 4,096 it is an error.
//
// With Σ = FᵀF, the singular values of F₁F₂ᵀ are the square roots of the eigenvalues of Σ₁Σ₂. F is the Cholesky factor of Σ, with
// pivots, as long as its rank; or, of fewer examples than features, it is the centred examples over √(n-1). So no square root is
// taken of what rounding leaves of an eigenvalue of 0.
func FID(c *kernel.Context, real, fake *tensor.Tensor) (Frechet, error) {
	a, b := set{"real features", real}, set{"fake features", fake}
	if err := check("FID", 2, a, b); err != nil {
		return Frechet{}, err
	}
	for _, s := range []set{a, b} {
		if min(s.n(), s.d()) > maxRank {
			return Frechet{}, fmt.Errorf("FID: the %s are %v: its matrices are computed up to %d examples or features: take fewer, or a network with fewer features", s.name, s.x, maxRank)
		}
	}
	g, h := fit(c, a), fit(c, b)
	f := Frechet{Real: a.n(), Fake: b.n()}
	for j, m := range g.mean {
		f.Mean += (m - h.mean[j]) * (m - h.mean[j])
	}
	overlap, err := nuclear(c, g.factor, h.factor)
	if err != nil {
		return Frechet{}, err
	}
	f.Covariance = max(0, g.trace+h.trace-2*overlap)
	f.Distance = f.Mean + f.Covariance
	return f, nil
}

// A gaussian is a mean and a factor F [rank d] of the covariance FᵀF, with its trace.
type gaussian struct {
	mean   []float64
	factor *mat.Dense // nil for a covariance of 0
	trace  float64
}

// fit is the Gaussian with the set's mean and unbiased covariance.
func fit(c *kernel.Context, s set) gaussian {
	n, d := s.n(), s.d()
	g := gaussian{mean: mean(s)}
	centred := make([]float64, n*d)
	scale := 1 / math.Sqrt(float64(n-1))
	buf := make([]float64, d)
	for i := range n {
		for j, v := range s.row(i, buf) {
			v = (v - g.mean[j]) * scale
			centred[i*d+j] = v
			g.trace += v * v
		}
	}
	if g.trace > 0 && n <= d {
		g.factor = mat.NewDense(n, d, centred)
		return g
	}
	var cholesky mat.PivotedCholesky
	cholesky.Factorize(mat.NewSymDense(d, gram(c, centred, n, d)), -1) // its rank ends where only rounding is left
	if cholesky.Rank() == 0 {
		return g
	}
	upper, pivots := cholesky.RawU(), cholesky.ColumnPivots(nil)
	g.factor = mat.NewDense(cholesky.Rank(), d, nil)
	for i := range cholesky.Rank() {
		for j := i; j < d; j++ {
			g.factor.Set(i, pivots[j], upper.At(i, j))
		}
	}
	return g
}

// tile is the side of the squares in which matrices are computed, one goroutine each: a number that does not depend on how
// many there are.
const tile = 64

// gram is xᵀx of x [n d], on and above the diagonal.
func gram(c *kernel.Context, x []float64, n, d int) []float64 {
	out := make([]float64, d*d)
	side := (d + tile - 1) / tile
	c.Parallel(side*side, 1, func(lo, hi int) {
		for t := lo; t < hi; t++ {
			i, j := t/side*tile, t%side*tile
			if i <= j {
				c.BLAS.Dgemm(blas.Trans, blas.NoTrans, min(tile, d-i), min(tile, d-j), n, 1, x[i:], d, x[j:], d, 0, out[i*d+j:], d)
			}
		}
	})
	return out
}

// nuclear is the sum of the singular values of f·gᵀ.
func nuclear(c *kernel.Context, f, g *mat.Dense) (float64, error) {
	if f == nil || g == nil {
		return 0, nil
	}
	m, d := f.Dims()
	n, _ := g.Dims()
	x, y, out := f.RawMatrix().Data, g.RawMatrix().Data, make([]float64, m*n)
	side := (n + tile - 1) / tile
	c.Parallel((m+tile-1)/tile*side, 1, func(lo, hi int) {
		for t := lo; t < hi; t++ {
			i, j := t/side*tile, t%side*tile
			c.BLAS.Dgemm(blas.NoTrans, blas.Trans, min(tile, m-i), min(tile, n-j), d, 1, x[i*d:], d, y[j*d:], d, 0, out[i*n+j:], n)
		}
	})
	var svd mat.SVD
	if !svd.Factorize(mat.NewDense(m, n, out), mat.SVDNone) {
		return 0, fmt.Errorf("FID: the singular values of the covariances' product were not found")
	}
	sum := 0.0
	for _, v := range svd.Values(nil) {
		sum += v
	}
	return sum, nil
}
