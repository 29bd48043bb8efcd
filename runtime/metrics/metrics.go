// Package metrics measures generative models: how near the examples that a model draws are to real ones, how varied they are,
// whether they are copies, and how well a classifier does.
//
// Most measures compare two sets of feature vectors, tensors f32 or f64 of shape [n d]: what a network makes of n examples, or
// their raw pixels. A figure depends on the features and on n, so it means something beside one of the same features and n only.
// Sets are refused, with an error that names the set, if they are of another dtype or rank, differ in d, have too few examples,
// or hold NaN or numbers beyond ±1e30.
//
// What is computed needs memory for the features, a copy of them, and blocks of distances, never for all distances.
// The work is shared by the CPUs in pieces that do not depend on their number, and neither do the results.
package metrics

import (
	"fmt"
	"math"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// largest is the largest feature, so that the sixth power of one is finite.
const largest = 1e30

// A set is an array of features with its name in errors.
type set struct {
	name string
	x    *tensor.Tensor
}

// n is the number of examples.
func (s set) n() int { return s.x.Dim(0) }

// d is the number of features of an example.
func (s set) d() int { return s.x.Dim(1) }

// row is example i as float64, in buf unless it is stored so.
func (s set) row(i int, buf []float64) []float64 {
	d := s.d()
	if all, ok := s.x.Raw().([]float64); ok {
		return all[i*d : (i+1)*d]
	}
	for j, v := range tensor.Data[float32](s.x)[i*d : (i+1)*d] {
		buf[j] = float64(v)
	}
	return buf[:d]
}

// check refuses sets that the measure cannot be taken of: each needs at least so many examples, and all the same features.
func check(measure string, least int, sets ...set) error {
	for _, s := range sets {
		if err := s.check(measure, least); err != nil {
			return err
		}
		if s.d() != sets[0].d() {
			return fmt.Errorf("%s: the %s are %v and the %s are %v: want as many features in each", measure, sets[0].name, sets[0].x, s.name, s.x)
		}
	}
	return nil
}

// check refuses a set that the measure cannot be taken of.
func (s set) check(measure string, least int) error {
	if err := checkMatrix(measure, s); err != nil {
		return err
	}
	if s.n() < least {
		return fmt.Errorf("%s: the %s are %v: want at least %d examples", measure, s.name, s.x, least)
	}
	bad := -1
	switch all := s.x.Raw().(type) {
	case []float32:
		bad = slices.IndexFunc(all, beyond)
	case []float64:
		bad = slices.IndexFunc(all, beyond)
	}
	if bad >= 0 {
		return fmt.Errorf("%s: feature %d of example %d of the %s is %v: want finite numbers within ±%g", measure, bad%s.d(), bad/s.d(), s.name, s.x.At(bad), largest)
	}
	return nil
}

// beyond reports whether v is no number or too large a one.
func beyond[T kernel.Float](v T) bool { return !(v >= -largest && v <= largest) }

// checkMatrix refuses what is not [n d] of floats with d of 1 or more.
func checkMatrix(measure string, s set) error {
	if s.x == nil {
		return fmt.Errorf("%s: there are no %s", measure, s.name)
	}
	if !s.x.DType().Native() || s.x.Rank() != 2 || s.x.Dim(1) == 0 {
		return fmt.Errorf("%s: the %s are %v: want f32 or f64 of shape [examples, 1 or more]", measure, s.name, s.x)
	}
	return nil
}

// mean is the mean of the examples.
func mean(s set) []float64 {
	m, buf := make([]float64, s.d()), make([]float64, s.d())
	for i := range s.n() {
		for j, v := range s.row(i, buf) {
			m[j] += v
		}
	}
	for j := range m {
		m[j] /= float64(s.n())
	}
	return m
}

// spread is the mean of values, and the standard deviation (of the population, √(Σ(v-mean)²/n)).
func spread(values []float64) (mean, std float64) {
	for _, v := range values {
		mean += v / float64(len(values))
	}
	for _, v := range values {
		std += (v - mean) * (v - mean) / float64(len(values))
	}
	return mean, math.Sqrt(std)
}
