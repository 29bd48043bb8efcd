package bayes

import (
	"context"
	"math"
	"slices"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// counted is the state of a [NaiveBayes] that is the model called "bayes".
const counted = "bayes.counts"

// fit counts the features of the examples' field, times scale: a number between two values counts for both, by how near it is, as
// [NaiveBayes.MeanLogProbs] has it. It returns the mean negative log-likelihood of the examples, as the loss, and the entropy of the
// model, both in nats. Whole counts are exact in f32 up to 2²⁴ examples, and rounded to seven digits beyond.
func (m *NaiveBayes) fit(ctx context.Context, s models.State, train models.Examples, field string, scale float32) (map[string]float64, error) {
	most := int(slices.Max(m.Values))
	n := make([]float64, len(m.Values)*most)
	err := models.EachFeature(ctx, train, field, m.Values, scale, func(k int, v float64) {
		down, part := math.Modf(v)
		n[k*most+int(down)] += 1 - part
		n[k*most+int(math.Ceil(v))] += part
	})
	if err != nil {
		return nil, err
	}
	counts, loss, entropy, total := tensor.New(tensor.F32, len(m.Values), most), 0., 0., float64(train.Len())
	for k, d := range m.Values {
		for l, c := range n[k*most:][:d] {
			counts.Set(k*most+l, c)
			if p := (c + m.Smoothing) / (total + m.Smoothing*float64(d)); p > 0 {
				loss -= c / total * math.Log(p)
				entropy -= p * math.Log(p)
			}
		}
	}
	return map[string]float64{"loss": loss, "entropy": entropy}, s.Set(counted, counts)
}

// free is the number of parameters that can be chosen freely: of each feature's probabilities, one is what the others leave.
func (m *NaiveBayes) free() int {
	n := 0
	for _, d := range m.Values {
		n += int(d) - 1
	}
	return n
}
