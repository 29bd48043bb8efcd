package bayes

import (
	"context"
	"fmt"
	"math"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// counted is the state of a [NaiveBayes] that is the model called "bayes".
const counted = "bayes.counts"

// mostExamples bounds N: up to there, whole counts are exact in f32.
const mostExamples = 1 << 24

// fit counts the features of the examples' field, as of gives them, those of one example after another: a number between two values
// counts for both, by how near it is, as [NaiveBayes.MeanLogProbs] has it. It returns the mean negative log-likelihood of the examples, as
// the loss, and the entropy of the model, both in nats.
func (m *NaiveBayes) fit(ctx context.Context, s models.State, train models.Examples, field string, of func(x *tensor.Tensor) []float32) (map[string]float64, error) {
	if train.Len() > mostExamples {
		return nil, fmt.Errorf("%d examples, more than the %d that are counted exactly: take a part of them (--limit)", train.Len(), mostExamples)
	}
	counts, err := s.Tensor(counted)
	if err != nil {
		return nil, err
	}
	most := counts.Dim(1)
	n := make([]float64, counts.Len())
	err = models.EachBatch(ctx, train, 256, func(first, examples int, x map[string]*tensor.Tensor) error {
		if x[field] == nil || x[field].Len() != examples*len(m.Values) {
			return fmt.Errorf("the data have no field %q of %d features", field, len(m.Values))
		}
		for i, v := range of(x[field]) {
			k := i % len(m.Values)
			if !(v >= 0 && v <= float32(m.Values[k]-1)) {
				return fmt.Errorf("example %d: feature %d of the field %s is %v, and its values are 0 to %d", first+i/len(m.Values), k, field, v, m.Values[k]-1)
			}
			down := int(v)
			part := float64(v - float32(down))
			n[k*most+down] += 1 - part
			if part > 0 {
				n[k*most+down+1] += part
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	counts = tensor.New(tensor.F32, len(m.Values), most)
	loss, entropy, total := 0., 0., float64(train.Len())
	for k, d := range m.Values {
		for l := range int(d) {
			c := n[k*most+l]
			counts.Set(k*most+l, c)
			p := (c + m.Smoothing) / (total + m.Smoothing*float64(d))
			if p > 0 {
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
