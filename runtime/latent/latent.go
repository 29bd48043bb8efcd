// Package latent has the directions of a latent space in which attributes lie, such as a smile, measured over encoded examples of
// which the attributes are known. Adding a multiple of one to a latent, and decoding, gives the example the attribute.
package latent

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// A Column is an attribute of every example: 1 where it has it and 0 where not, or a number. Values of one attribute are columns named
// hair=black, hair=blonde, and so on.
type Column struct {
	Name string
	X    []float64
}

// A Method is a way to measure directions.
type Method string

// The methods.
const (
	// Means takes mean(z with) − mean(z without), of a number above and below its mean (Foster, "Generative Deep Learning", chapter
	// 3). If examples with one attribute tend to have another, its direction has some of that too.
	Means Method = "means"
	// Regression explains z by all attributes at once, by least squares, and takes what goes with one while the others stay. Columns
	// that nearly repeat each other are taken for one thing: of those, each is explained without the others.
	Regression Method = "regression"
)

// Methods are all methods.
var Methods = []Method{Means, Regression}

// same is the correlation from which two columns nearly repeat each other.
const same = .8

// Directions measures the direction of each column over latents z [n size], from examples without it to those with it, in latent
// units: from one value of an attribute with several, from the mean of the others. A column in which all examples agree has none.
func Directions(z *tensor.Tensor, columns []Column, method Method) (map[string][]float64, error) {
	if z.Rank() != 2 || z.Dim(0) == 0 || z.Dim(1) == 0 {
		return nil, fmt.Errorf("latents are %v, want [n size]", z)
	}
	n, d := z.Dim(0), z.Dim(1)
	varied := []Column{}
	for _, c := range columns {
		if len(c.X) != n {
			return nil, fmt.Errorf("the attribute %s has %d values for %d latents", c.Name, len(c.X), n)
		}
		if slices.Max(c.X) > slices.Min(c.X) {
			varied = append(varied, c)
		}
	}
	at := mat.NewDense(n, d, z.Float64s())
	switch method {
	case Means:
		return means(at, varied), nil
	case Regression:
		return regression(at, varied)
	}
	return nil, fmt.Errorf("no method is called %q: there are %v", method, Methods)
}

func means(z *mat.Dense, columns []Column) map[string][]float64 {
	n, d := z.Dims()
	out := map[string][]float64{}
	for _, c := range columns {
		middle := stat.Mean(c.X, nil)
		sums, counts := [2][]float64{make([]float64, d), make([]float64, d)}, [2]float64{}
		for i := range n {
			side := 0
			if c.X[i] > middle {
				side = 1
			}
			counts[side]++
			for j, v := range z.RawRowView(i) {
				sums[side][j] += v
			}
		}
		v := make([]float64, d)
		for j := range v {
			v[j] = sums[1][j]/counts[1] - sums[0][j]/counts[0]
		}
		out[c.Name] = v
	}
	return out
}

// regression solves z ≈ a + X·B for each column with those others that say something else. The columns of one attribute's values sum to
// one, so B is determined but for a shift, which the least B has not, and which the difference from the other values has not either.
func regression(z *mat.Dense, columns []Column) (map[string][]float64, error) {
	n, d := z.Dims()
	p := len(columns)
	if p == 0 { // a matrix without columns there is not
		return map[string][]float64{}, nil
	}
	x := mat.NewDense(n, p, nil)
	for k, c := range columns { // of mean 0 and variance 1
		mean, std := stat.PopMeanStdDev(c.X, nil)
		for i, v := range c.X {
			x.Set(i, k, (v-mean)/std)
		}
	}
	var gram, target mat.Dense
	gram.Mul(x.T(), x)
	target.Mul(x.T(), z)
	out := map[string][]float64{}
	for k, c := range columns {
		var kept []int
		for j, o := range columns {
			if math.Abs(gram.At(k, j))/float64(n) < same || j == k || group(o.Name) == group(c.Name) {
				kept = append(kept, j)
			}
		}
		g, t := mat.NewSymDense(len(kept), nil), mat.NewDense(len(kept), d, nil)
		for a, i := range kept {
			for b, j := range kept[a:] {
				g.SetSym(a, a+b, gram.At(i, j))
			}
			g.SetSym(a, a, gram.At(i, i)+1e-6*float64(n))
			t.SetRow(a, target.RawRowView(i))
		}
		var chol mat.Cholesky
		if !chol.Factorize(g) {
			return nil, fmt.Errorf("the attributes cannot be told apart for %s", c.Name)
		}
		var b mat.Dense
		if err := chol.SolveTo(&b, t); err != nil && !isCondition(err) {
			return nil, fmt.Errorf("the attributes cannot be told apart for %s: %w", c.Name, err)
		}
		out[c.Name] = difference(columns, kept, &b, k)
	}
	return out, nil
}

// isCondition reports whether err only says that a matrix is nearly singular, as that of values that sum to one is.
func isCondition(err error) bool {
	_, ok := err.(mat.Condition)
	return ok
}

// difference is what column k adds to a latent, less what the other values of its attribute add, as often as they are there.
func difference(columns []Column, kept []int, b *mat.Dense, k int) []float64 {
	_, d := b.Dims()
	v := make([]float64, d)
	weights, others := map[int]float64{}, 0.
	for row, j := range kept {
		if j != k && group(columns[j].Name) == group(columns[k].Name) {
			weights[row] = stat.Mean(columns[j].X, nil)
			others += weights[row]
		}
	}
	for row, j := range kept {
		_, std := stat.PopMeanStdDev(columns[j].X, nil)
		switch weight := weights[row]; {
		case j == k:
			for i := range v {
				v[i] += b.At(row, i) / std
			}
		case weight > 0:
			for i := range v {
				v[i] -= b.At(row, i) / std * weight / others
			}
		}
	}
	return v
}

// group is the attribute of a column, hair of hair=black.
func group(column string) string {
	name, _, _ := strings.Cut(column, "=")
	return name
}

// Unit is v divided by its length, or nil if it has none.
func Unit(v []float64) []float64 {
	length := math.Sqrt(dot(v, v))
	if length == 0 || math.IsNaN(length) || math.IsInf(length, 0) {
		return nil
	}
	u := make([]float64, len(v))
	for i := range v {
		u[i] = v[i] / length
	}
	return u
}

func dot(a, b []float64) (sum float64) {
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}
