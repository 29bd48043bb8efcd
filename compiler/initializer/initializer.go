// Package initializer has the distributions that parameters start from. Each fills a tensor from the generator it is given
// and from nothing else, so a seed decides every weight.
package initializer

import (
	"math"
	"math/rand/v2"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// A mistake belongs to the line that called the package.
var _ = graph.Library()

// Constant fills with Value; an infinity is allowed, as the start of a running maximum.
type Constant struct {
	Value float64 `inf:"ok"`
}

// Init fills t.
func (c Constant) Init(t *tensor.Tensor, _ *rand.Rand) { each(t, func() float64 { return c.Value }) }

// Zeros fills with 0.
type Zeros struct{}

// Init fills t.
func (Zeros) Init(t *tensor.Tensor, r *rand.Rand) { Constant{0}.Init(t, r) }

// Ones fills with 1.
type Ones struct{}

// Init fills t.
func (Ones) Init(t *tensor.Tensor, r *rand.Rand) { Constant{1}.Init(t, r) }

// Normal draws from the normal distribution.
type Normal struct{ Mean, Std float64 }

// Init fills t.
func (n Normal) Init(t *tensor.Tensor, r *rand.Rand) {
	each(t, func() float64 { return n.Mean + n.Std*r.NormFloat64() })
}

// Uniform draws from [Lo, Hi).
type Uniform struct{ Lo, Hi float64 }

// Init fills t.
func (u Uniform) Init(t *tensor.Tensor, r *rand.Rand) {
	each(t, func() float64 { return u.Lo + (u.Hi-u.Lo)*r.Float64() })
}

// WithFans is init where the numbers of inputs and outputs of one unit are in and out, whatever the shape says (see [Fans]).
// It matters to the Glorot and He initializers; any other is returned as it is.
func WithFans(init graph.Initializer, in, out float64) graph.Initializer {
	if i, ok := init.(scaled); ok {
		return withFans{i, in, out}
	}
	return init
}

// scaled are the initializers whose scale follows from the fans.
type scaled interface {
	init(t *tensor.Tensor, r *rand.Rand, in, out float64)
}

type withFans struct {
	scaled
	in, out float64
}

// Init fills t.
func (w withFans) Init(t *tensor.Tensor, r *rand.Rand) { w.init(t, r, w.in, w.out) }

// byShape fills t by i with the fans that t's shape tells.
func byShape(i scaled, t *tensor.Tensor, r *rand.Rand) {
	in, out := Fans(t.Shape())
	i.init(t, r, in, out)
}

// GlorotUniform draws from ±√(6/(fan_in+fan_out)) (Glorot and Bengio 2010, eq. 16).
type GlorotUniform struct{}

// Init fills t.
func (g GlorotUniform) Init(t *tensor.Tensor, r *rand.Rand) { byShape(g, t, r) }

func (GlorotUniform) init(t *tensor.Tensor, r *rand.Rand, in, out float64) {
	symmetric(t, r, math.Sqrt(6/(in+out)))
}

// GlorotNormal draws with variance 2/(fan_in+fan_out) (Glorot and Bengio 2010, eq. 12).
type GlorotNormal struct{}

// Init fills t.
func (g GlorotNormal) Init(t *tensor.Tensor, r *rand.Rand) { byShape(g, t, r) }

func (GlorotNormal) init(t *tensor.Tensor, r *rand.Rand, in, out float64) {
	Normal{Std: math.Sqrt(2 / (in + out))}.Init(t, r)
}

// HeUniform draws from ±√(6/fan_in) (He et al. 2015).
type HeUniform struct{}

// Init fills t.
func (h HeUniform) Init(t *tensor.Tensor, r *rand.Rand) { byShape(h, t, r) }

func (HeUniform) init(t *tensor.Tensor, r *rand.Rand, in, _ float64) {
	symmetric(t, r, math.Sqrt(6/in))
}

// HeNormal draws with variance 2/fan_in (He et al. 2015, eq. 10).
type HeNormal struct{}

// Init fills t.
func (h HeNormal) Init(t *tensor.Tensor, r *rand.Rand) { byShape(h, t, r) }

func (HeNormal) init(t *tensor.Tensor, r *rand.Rand, in, _ float64) {
	Normal{Std: math.Sqrt(2 / in)}.Init(t, r)
}

// Orthogonal makes a random matrix with orthonormal rows or columns, whichever are fewer, times Gain (Saxe et al. 2014).
// The first axis counts as rows, the others together as columns. A Gain of 0 means 1.
type Orthogonal struct{ Gain float64 }

// Init fills t. Rows are drawn from the normal distribution and made orthonormal by the Gram–Schmidt process, twice for
// accuracy.
func (o Orthogonal) Init(t *tensor.Tensor, r *rand.Rand) {
	rows := 1
	if t.Rank() > 0 {
		rows = t.Dim(0)
	}
	if t.Len() == 0 {
		return
	}
	cols := t.Len() / rows
	n, length := rows, cols
	if rows > cols {
		n, length = cols, rows
	}
	gain := o.Gain
	if gain == 0 {
		gain = 1
	}
	q := make([][]float64, 0, n)
	for len(q) < n {
		v := make([]float64, length)
		for i := range v {
			v[i] = r.NormFloat64()
		}
		for range 2 {
			for _, u := range q {
				d := dot(u, v)
				for i := range v {
					v[i] -= d * u[i]
				}
			}
		}
		norm := math.Sqrt(dot(v, v))
		if norm < 1e-6 { // dependent on the others: draw again
			continue
		}
		for i := range v {
			v[i] /= norm
		}
		q = append(q, v)
	}
	for i := range rows {
		for j := range cols {
			if rows > cols {
				t.Set(i*cols+j, gain*q[j][i])
			} else {
				t.Set(i*cols+j, gain*q[i][j])
			}
		}
	}
}

func dot(a, b []float64) float64 {
	s := 0.0
	for i := range a {
		s += a[i] * b[i]
	}
	return s
}

// Fans are the numbers of inputs and outputs of one unit, as a parameter's shape tells them: of a matrix [in out] its axes,
// of a filter [out in h w] those times the window; of a vector, its length for both. A layer whose parameter means something
// else says so by [WithFans].
func Fans(shape []int) (in, out float64) {
	switch len(shape) {
	case 0:
		return 1, 1
	case 1:
		return float64(shape[0]), float64(shape[0])
	case 2:
		return float64(shape[0]), float64(shape[1])
	}
	window := 1.0
	for _, d := range shape[2:] {
		window *= float64(d)
	}
	return float64(shape[1]) * window, float64(shape[0]) * window
}

func symmetric(t *tensor.Tensor, r *rand.Rand, limit float64) { Uniform{-limit, limit}.Init(t, r) }

func each(t *tensor.Tensor, draw func() float64) {
	for i := range t.Len() {
		t.Set(i, draw())
	}
}
