package metrics

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// probabilities are the rows of p [n classes], each 0 or more with a sum of 1 within 1e-3, divided by it.
func probabilities(measure string, p *tensor.Tensor) ([][]float64, error) {
	s := set{"probabilities", p}
	if err := s.check(measure, 1); err != nil {
		return nil, err
	}
	rows := make([][]float64, s.n())
	for i := range rows {
		rows[i] = append([]float64(nil), s.row(i, make([]float64, s.d()))...)
		sum := 0.0
		for k, v := range rows[i] {
			if v < 0 {
				return nil, fmt.Errorf("%s: the probability of class %d of example %d is %v: want 0 or more; logits need a softmax", measure, k, i, v)
			}
			sum += v
		}
		if math.Abs(sum-1) > 1e-3 {
			return nil, fmt.Errorf("%s: the probabilities of example %d sum up to %v: want 1; logits need a softmax", measure, i, sum)
		}
		for k := range rows[i] {
			rows[i][k] /= sum
		}
	}
	return rows, nil
}

// AreProbabilities reports whether p is [n classes] of rows that are 0 or more with a sum of 1, within 1e-3.
func AreProbabilities(p *tensor.Tensor) bool {
	_, err := probabilities("", p)
	return err == nil
}

// labelled refuses labels that are not one for each example, each a class.
func labelled(measure string, n, classes int, labels []int64) error {
	if len(labels) != n {
		return fmt.Errorf("%s: there are %d labels for %d examples", measure, len(labels), n)
	}
	for i, l := range labels {
		if l < 0 || l >= int64(classes) {
			return fmt.Errorf("%s: label %d of example %d is none of the %d classes", measure, l, i, classes)
		}
	}
	return nil
}

// InceptionScore is exp of the mean Kullback-Leibler divergence of class probabilities p [n classes] from their mean (Salimans et al.
// 2016, "Improved Techniques for Training GANs", section 4): from 1 to the number of classes, the best. It is taken of each of
// so many parts (the paper: 10), which examples are shuffled into by a fixed seed, whatever their order was; the mean and standard
// deviation over parts are returned. By the classifier of another data set than Inception's it is a score of its own. Fewer examples than
// parts are an error, and so are rows that are no probabilities.
func InceptionScore(p *tensor.Tensor, splits int) (mean, std float64, err error) {
	rows, err := probabilities("Inception score", p)
	if err != nil {
		return 0, 0, err
	}
	n := len(rows)
	if splits < 1 || splits > n {
		return 0, 0, fmt.Errorf("Inception score: %d examples in %d parts: want 1 part or more, with an example in each", n, splits)
	}
	rand.New(rand.NewPCG(1, uint64(n))).Shuffle(n, func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	scores := make([]float64, splits)
	for k := range scores {
		part := rows[k*n/splits : (k+1)*n/splits]
		marginal := make([]float64, len(rows[0]))
		for _, row := range part {
			for j, v := range row {
				marginal[j] += v / float64(len(part))
			}
		}
		for _, row := range part {
			scores[k] += divergence(row, marginal) / float64(len(part))
		}
		scores[k] = math.Exp(scores[k])
	}
	mean, std = spread(scores)
	return mean, std, nil
}

// divergence is the Kullback-Leibler divergence Σp·log(p/q), in nats.
func divergence(p, q []float64) float64 {
	sum := 0.0
	for i, v := range p {
		if v > 0 {
			sum += v * math.Log(v/q[i])
		}
	}
	return sum
}

// A ModeCount says how many modes were drawn, and how evenly.
type ModeCount struct {
	Covered, Modes int
	Divergence     float64 // Kullback-Leibler, of the drawn modes from the reference, in nats: 0 is the best
	// Rarest and Commonest are the shares of the modes that are drawn least and most often, as multiples of the reference's: 1 is the
	// best, and a generator that collapsed is far from it on both sides. Modes that the reference has not are left out.
	Rarest, Commonest float64
}

// Modes counts the modes among classes, which are from 0 up to modes, and takes the divergence of their shares from the reference's,
// nil for even ones (Srivastava et al. 2017, "VEEGAN", section 5). It is infinite where a mode is drawn that the
// reference has not. In stacked MNIST the modes are those that [Stack] makes of three digits.
func Modes(classes []int64, modes int, reference []float64) (ModeCount, error) {
	drawn, err := Shares(classes, modes)
	if err != nil {
		return ModeCount{}, err
	}
	if reference == nil {
		reference = make([]float64, modes)
		for i := range reference {
			reference[i] = 1 / float64(modes)
		}
	}
	if len(reference) != modes {
		return ModeCount{}, fmt.Errorf("modes: the reference has %d of them, not %d", len(reference), modes)
	}
	if _, err := probabilities("modes", tensor.Of(reference, 1, modes)); err != nil {
		return ModeCount{}, fmt.Errorf("the reference: %w", err)
	}
	out := ModeCount{Modes: modes, Divergence: divergence(drawn, reference), Rarest: math.Inf(1)}
	for i, v := range drawn {
		if v > 0 {
			out.Covered++
		}
		if reference[i] > 0 {
			out.Rarest, out.Commonest = min(out.Rarest, v/reference[i]), max(out.Commonest, v/reference[i])
		}
	}
	return out, nil
}

// Shares are the shares of the classes from 0 up to n among these, of which there must be one.
func Shares(classes []int64, n int) ([]float64, error) {
	if len(classes) == 0 || n < 1 {
		return nil, fmt.Errorf("modes: there are %d examples and %d classes: want 1 or more", len(classes), n)
	}
	if err := labelled("modes", len(classes), n, classes); err != nil {
		return nil, err
	}
	count := make([]float64, n)
	for _, c := range classes {
		count[c]++
	}
	for i := range count {
		count[i] /= float64(len(classes))
	}
	return count, nil
}

// Stack makes one class of each group of so many: their digits in base classes, the first the highest. Of three digits there
// are 1,000.
func Stack(digits []int64, group, classes int) ([]int64, error) {
	if group < 1 || len(digits)%group != 0 {
		return nil, fmt.Errorf("modes: %d classes are not in groups of %d", len(digits), group)
	}
	if math.Pow(float64(classes), float64(group)) > 1<<24 {
		return nil, fmt.Errorf("modes: %d of %d classes make too many to count", group, classes)
	}
	if err := labelled("modes", len(digits), classes, digits); err != nil {
		return nil, err
	}
	out := make([]int64, len(digits)/group)
	for i, d := range digits {
		out[i/group] = out[i/group]*int64(classes) + d
	}
	return out, nil
}

// Predict is the class with the highest score in each row of [n classes], probabilities or logits; of equal ones the first.
func Predict(scores *tensor.Tensor) ([]int64, error) {
	s := set{"class scores", scores}
	if err := s.check("prediction", 1); err != nil {
		return nil, err
	}
	out := make([]int64, s.n())
	buf := make([]float64, s.d())
	for i := range out {
		row := s.row(i, buf)
		for k, v := range row {
			if v > row[out[i]] {
				out[i] = int64(k)
			}
		}
	}
	return out, nil
}

// TopK is the share of examples whose label is among the k highest of their class scores [n classes], of equal ones the first;
// k of 1 is accuracy. A label that is no class is an error.
func TopK(scores *tensor.Tensor, labels []int64, k int) (float64, error) {
	s := set{"class scores", scores}
	if err := s.check("accuracy", 1); err != nil {
		return 0, err
	}
	if k < 1 || k > s.d() {
		return 0, fmt.Errorf("accuracy: among the %d best of %d classes: want 1 to all", k, s.d())
	}
	if err := labelled("accuracy", s.n(), s.d(), labels); err != nil {
		return 0, err
	}
	hits, buf := 0, make([]float64, s.d())
	for i, l := range labels {
		row, better := s.row(i, buf), 0
		for j, v := range row {
			if v > row[l] || v == row[l] && j < int(l) {
				better++
			}
		}
		if better < k {
			hits++
		}
	}
	return float64(hits) / float64(s.n()), nil
}

// Confusion counts examples by label (row) and predicted class (column).
func Confusion(scores *tensor.Tensor, labels []int64) ([][]int, error) {
	predicted, err := Predict(scores)
	if err != nil {
		return nil, err
	}
	classes := scores.Dim(1)
	if err := labelled("confusion matrix", len(predicted), classes, labels); err != nil {
		return nil, err
	}
	out := make([][]int, classes)
	for i := range out {
		out[i] = make([]int, classes)
	}
	for i, l := range labels {
		out[l][predicted[i]]++
	}
	return out, nil
}

// A Confidence is a bin of a reliability table: the examples whose highest probability is above Low and at most High.
type Confidence struct {
	Low, High  float64
	Count      int
	Confidence float64 // mean of their highest probabilities; 0 of no examples
	Accuracy   float64 // share of them that is right; 0 of no examples
}

// Reliability is the table of a reliability diagram (Guo et al. 2017, "On Calibration of Modern Neural Networks", section 2): how
// confident and how right the probabilities p [n classes] are, in so many bins of even width. Rows that are no probabilities are an
// error.
func Reliability(p *tensor.Tensor, labels []int64, bins int) ([]Confidence, error) {
	rows, err := probabilities("calibration", p)
	if err != nil {
		return nil, err
	}
	if bins < 1 {
		return nil, fmt.Errorf("calibration: %d bins: want 1 or more", bins)
	}
	if err := labelled("calibration", len(rows), p.Dim(1), labels); err != nil {
		return nil, err
	}
	table := make([]Confidence, bins)
	for i := range table {
		table[i].Low, table[i].High = float64(i)/float64(bins), float64(i+1)/float64(bins)
	}
	for i, row := range rows {
		best := 0
		for k, v := range row {
			if v > row[best] {
				best = k
			}
		}
		bin := &table[int(math.Ceil(row[best]*float64(bins)))-1]
		bin.Count++
		bin.Confidence += row[best]
		if int64(best) == labels[i] {
			bin.Accuracy++
		}
	}
	for i := range table {
		if n := float64(table[i].Count); n > 0 {
			table[i].Confidence /= n
			table[i].Accuracy /= n
		}
	}
	return table, nil
}

// CalibrationError is the expected calibration error of a [Reliability] table (Guo et al. 2017, equation 3): the mean distance of
// confidence from accuracy over bins, weighted by examples. The paper uses 15 bins. It is from 0, the best, to 1.
func CalibrationError(table []Confidence) float64 {
	sum, n := 0.0, 0
	for _, b := range table {
		sum += float64(b.Count) * math.Abs(b.Accuracy-b.Confidence)
		n += b.Count
	}
	return sum / float64(max(n, 1))
}

// A Mistake says how often examples of one class are called another.
type Mistake struct {
	Label, Predicted, Count int
	Share                   float64 // of the examples with that label
}

// Confused are the n most frequent mistakes of a confusion matrix, as [Confusion] counts it, the most frequent first; of equal ones the
// lower label's.
func Confused(confusion [][]int, n int) []Mistake {
	var all []Mistake
	for label, row := range confusion {
		total := 0
		for _, k := range row {
			total += k
		}
		for predicted, k := range row {
			if k > 0 && predicted != label {
				all = append(all, Mistake{label, predicted, k, float64(k) / float64(total)})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Mistake) int { return cmp.Compare(b.Count, a.Count) })
	return all[:min(n, len(all))]
}

// Softmax is the class probabilities of logits [n classes], as f64.
func Softmax(logits *tensor.Tensor) (*tensor.Tensor, error) {
	s := set{"logits", logits}
	if err := s.check("softmax", 1); err != nil {
		return nil, err
	}
	out := make([]float64, logits.Len())
	for i := range s.n() {
		row := out[i*s.d() : (i+1)*s.d()]
		copy(row, s.row(i, row))
		most, sum := row[0], 0.0
		for _, v := range row {
			most = max(most, v)
		}
		for k, v := range row {
			row[k] = math.Exp(v - most)
			sum += row[k]
		}
		for k := range row {
			row[k] /= sum
		}
	}
	return tensor.Of(out, s.n(), s.d()), nil
}
