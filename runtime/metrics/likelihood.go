package metrics

import (
	"fmt"
	"math"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// BitsPerDimension is a negative log-likelihood in nats an example as bits a dimension, nats/(dims·log 2) (Theis et al. 2016, "A
// Note on the Evaluation of Generative Models", section 3.1). Of a density over pixels divided by 256, the bits of 8-bit pixels are 8
// more. NaN, and fewer than 1 dimension, are errors.
func BitsPerDimension(nats float64, dims int) (float64, error) {
	if math.IsNaN(nats) || dims < 1 {
		return 0, fmt.Errorf("bits per dimension: %v nats in %d dimensions: want a number, and 1 dimension or more", nats, dims)
	}
	return nats / (float64(dims) * math.Ln2), nil
}

// IWAE is the importance-weighted bound of log-likelihood, in nats an example: the mean over examples of log 1/k Σ w of k
// samples each (Burda et al. 2016, "Importance Weighted Autoencoders", equation 8), from log weights [n k] that are
// log p(x,h) - log q(h|x). With k of 1 it is the evidence lower bound; it grows with k towards log p(x). A weight of 0, whose logarithm is
// -∞, is allowed; NaN and +∞ are errors.
func IWAE(logWeights *tensor.Tensor) (float64, error) {
	s := set{"log weights", logWeights}
	if err := checkMatrix("IWAE", s); err != nil {
		return 0, err
	}
	if s.n() == 0 {
		return 0, fmt.Errorf("IWAE: the log weights are %v: want at least 1 example", logWeights)
	}
	bound, buf := 0.0, make([]float64, s.d())
	for i := range s.n() {
		row := s.row(i, buf)
		most := math.Inf(-1)
		for k, v := range row {
			if math.IsNaN(v) || math.IsInf(v, 1) {
				return 0, fmt.Errorf("IWAE: log weight %d of example %d is %v", k, i, v)
			}
			most = max(most, v)
		}
		if math.IsInf(most, -1) {
			return most, nil
		}
		sum := 0.0
		for _, v := range row {
			sum += math.Exp(v - most)
		}
		bound += (most + math.Log(sum/float64(len(row)))) / float64(s.n())
	}
	return bound, nil
}

// PixelCorrelation is the Pearson correlation of pixels with their right and lower neighbours in the same channel, over all of images
// [n channels height width], f32 or f64: near 1 for photographs and digits, near 0 for noise (Huang and Mumford 1999, "Statistics
// of Natural Images and Models"). Images that are all of one colour have none, which is an error, as are images without neighbours,
// NaN, and numbers beyond ±1e30.
func PixelCorrelation(images *tensor.Tensor) (float64, error) {
	const measure = "pixel correlation"
	if images == nil || images.Rank() != 4 || !images.DType().Native() || images.Len() == 0 {
		return 0, fmt.Errorf("%s: the images are %v: want f32 or f64 of shape [n channels height width]", measure, images)
	}
	height, width := images.Dim(2), images.Dim(3)
	flat := set{"images", images.Reshape(images.Dim(0), images.Len()/images.Dim(0))}
	if err := flat.check(measure, 1); err != nil {
		return 0, err
	}
	if height*width == 1 {
		return 0, fmt.Errorf("%s: images of one pixel have no neighbours", measure)
	}
	pairs := func(do func(a, b float64)) {
		buf := make([]float64, flat.d())
		for i := range flat.n() {
			row := flat.row(i, buf)
			for p, v := range row {
				if p%width+1 < width {
					do(v, row[p+1])
				}
				if p/width%height+1 < height {
					do(v, row[p+width])
				}
			}
		}
	}
	shift := images.At(0) // so that pixels which are all the same differ by no rounding
	var n, meanA, meanB, cov, varA, varB float64
	pairs(func(a, b float64) { n++; meanA += a - shift; meanB += b - shift })
	meanA, meanB = shift+meanA/n, shift+meanB/n
	pairs(func(a, b float64) {
		cov += (a - meanA) * (b - meanB)
		varA += (a - meanA) * (a - meanA)
		varB += (b - meanB) * (b - meanB)
	})
	if !(varA > 0 && varB > 0) {
		return 0, fmt.Errorf("%s: the pixels of the images %v do not differ", measure, images)
	}
	return cov / math.Sqrt(varA*varB), nil
}
