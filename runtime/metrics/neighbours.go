package metrics

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// Distances are found in two steps. Products of f32 blocks tell, within a bound of their rounding, which pairs can matter; of
// those, Σ(xᵢ-yᵢ)² is computed in f64. So the results are those of all pairs in f64, whichever BLAS made the products.

// points are examples prepared for distances: moved by a common centre and scaled to length 1 or less.
type points struct {
	set
	unit     []float32 // [n d]
	lo, hi   []float32 // their squared lengths, less and more than all rounding of a distance
	squaring float64   // a squared distance times this is one between units
}

// prepare makes points of sets that are to be compared.
func prepare(sets ...set) []points {
	d := sets[0].d()
	centre, buf := mean(sets[0]), make([]float64, d)
	far := 0.0 // the largest squared distance from the centre
	for _, s := range sets {
		for i := range s.n() {
			far = max(far, squared(s.row(i, buf), centre))
		}
	}
	scale := 1.0
	if far > 0 {
		scale = 1 / math.Sqrt(far)
	}
	// Twice the bound: d roundings of a product, 4 of the coordinates, and a few of sums. What underflows is less than tiny.
	rounding, tiny := float64(d+16)*0x1p-23, 1e-36
	var out []points
	for _, s := range sets {
		p := points{set: s, unit: make([]float32, s.n()*d), lo: make([]float32, s.n()), hi: make([]float32, s.n()), squaring: scale * scale}
		for i := range s.n() {
			length := 0.0
			for j, v := range s.row(i, buf) {
				v = (v - centre[j]) * scale
				p.unit[i*d+j] = float32(v)
				length += v * v
			}
			p.lo[i], p.hi[i] = float32(length*(1-rounding)-tiny), float32(length*(1+rounding)+tiny)
		}
		out = append(out, p)
	}
	return out
}

// squared is |x-y|².
func squared(x, y []float64) float64 {
	sum := 0.0
	for i, v := range x {
		e := v - y[i]
		sum += e * e
	}
	return sum
}

// The blocks of pairs.
const (
	blockRows = 64
	blockCols = 1024
)

// products calls do with blocks that cover all pairs: products of rows r0... of x, and columns c0... of y, n in a row. The
// blocks of one row follow each other, in order, on one goroutine.
func products(c *kernel.Context, x, y points, do func(r0, c0, n int, block []float32)) {
	d := x.d()
	c.Parallel((x.n()+blockRows-1)/blockRows, 1, func(lo, hi int) {
		block := make([]float32, blockRows*min(blockCols, y.n()))
		for r0 := lo * blockRows; r0 < hi*blockRows; r0 += blockRows {
			rows := min(blockRows, x.n()-r0)
			for c0 := 0; c0 < y.n(); c0 += blockCols {
				n := min(blockCols, y.n()-c0)
				c.BLAS.Sgemm(blas.NoTrans, blas.Trans, rows, n, d, 1, x.unit[r0*d:], d, y.unit[c0*d:], d, 0, block, n)
				do(r0, c0, n, block[:rows*n])
			}
		}
	})
}

// A near is an example with its squared distance.
type near struct {
	squared float64
	index   int
}

// nearest finds for each row of x the k rows of y that are nearest, nearest first, of equals the first; if same, not itself.
func nearest(c *kernel.Context, x, y points, k int, same bool) []near {
	found := make([]near, x.n()*k)
	for i := range found {
		found[i].squared = math.Inf(1)
	}
	products(c, x, y, func(r0, c0, n int, block []float32) {
		bufX, bufY := make([]float64, x.d()), make([]float64, y.d())
		for r := range len(block) / n {
			i := r0 + r
			best := found[i*k : (i+1)*k]
			row := x.row(i, bufX)
			limit := float32(best[k-1].squared*x.squaring) - x.lo[i]
			for j, p := range block[r*n : (r+1)*n] {
				if y.lo[c0+j]-2*p > limit || same && c0+j == i {
					continue
				}
				if e := squared(row, y.row(c0+j, bufY)); e < best[k-1].squared {
					at := k - 1
					for ; at > 0 && e < best[at-1].squared; at-- {
						best[at] = best[at-1]
					}
					best[at] = near{e, c0 + j}
					limit = float32(best[k-1].squared*x.squaring) - x.lo[i]
				}
			}
		}
	})
	return found
}

// radii are the squared distances of each row from its k-th nearest other.
func radii(c *kernel.Context, x points, k int) []float64 {
	out := make([]float64, x.n())
	all := nearest(c, x, x, k, true)
	for i := range out {
		out[i] = all[(i+1)*k-1].squared
	}
	return out
}

// within counts for each row of x the balls around rows of y that it lies in, border included, with these squared radii.
func within(c *kernel.Context, x, y points, radii []float64) []int {
	lo, hi := make([]float32, y.n()), make([]float32, y.n()) // less the radius
	for j, r := range radii {
		unit := float32(r * y.squaring)
		lo[j], hi[j] = y.lo[j]-unit, y.hi[j]-unit
	}
	count := make([]int, x.n())
	products(c, x, y, func(r0, c0, n int, block []float32) {
		bufX, bufY := make([]float64, x.d()), make([]float64, y.d())
		for r := range len(block) / n {
			i := r0 + r
			row := x.row(i, bufX)
			for j, p := range block[r*n : (r+1)*n] {
				switch j := c0 + j; {
				case x.lo[i]+lo[j]-2*p > 0: // surely outside
				case x.hi[i]+hi[j]-2*p < 0, squared(row, y.row(j, bufY)) <= radii[j]:
					count[i]++
				}
			}
		}
	})
	return count
}

// Neighbours are the nearest training examples of some examples: k of each, nearest first.
type Neighbours struct {
	Index    [][]int     // [n][k], which rows of the training set
	Distance [][]float64 // [n][k], Euclidean
}

// Nearest finds the k nearest training examples of each example of x by Euclidean distance; of equally near ones, the first
// in the training set. It is an error if the training set has fewer than k.
func Nearest(c *kernel.Context, x, train *tensor.Tensor, k int) (Neighbours, error) {
	if k < 1 {
		return Neighbours{}, fmt.Errorf("nearest neighbours: %d of them asked for: want 1 or more", k)
	}
	a, b := set{"examples", x}, set{"training examples", train}
	if err := b.check("nearest neighbours", k); err != nil {
		return Neighbours{}, err
	}
	if err := check("nearest neighbours", 1, a, b); err != nil {
		return Neighbours{}, err
	}
	p := prepare(b, a)
	all := nearest(c, p[1], p[0], k, false)
	var out Neighbours
	for i := range a.n() {
		index, distance := make([]int, k), make([]float64, k)
		for j, e := range all[i*k : (i+1)*k] {
			index[j], distance[j] = e.index, math.Sqrt(e.squared)
		}
		out.Index, out.Distance = append(out.Index, index), append(out.Distance, distance)
	}
	return out, nil
}
