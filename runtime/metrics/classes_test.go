package metrics

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// classProbabilities are 12 rows of realSet over their sums, and their labels.
func classProbabilities() (*tensor.Tensor, []int64) {
	p := realSet(12, 4)
	for i := range 12 {
		sum := 0.0
		for j := range 4 {
			sum += p.At(i*4 + j)
		}
		for j := range 4 {
			p.Set(i*4+j, p.At(i*4+j)/sum)
		}
	}
	return p, []int64{0, 2, 2, 0, 0, 2, 2, 0, 0, 2, 2, 0}
}

// TestClassesReference compares with NumPy.
func TestClassesReference(t *testing.T) {
	p, labels := classProbabilities()
	order := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11} // undone, the parts are the first, second and last four of p
	rand.New(rand.NewPCG(1, 12)).Shuffle(12, func(i, j int) { order[i], order[j] = order[j], order[i] })
	thirds := tensor.New(p.DType(), 12, 4)
	for to, from := range order {
		for j := range 4 {
			thirds.Set(from*4+j, p.At(to*4+j))
		}
	}
	mean, std, err := InceptionScore(thirds, 3) // exp of the mean of Σp·log(p/q), over thirds
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the score", mean, 1.159247380324862)
	equal(t, "its spread", std, 0.06618958373671607)
	mean, std, err = InceptionScore(p.Cast(tensor.F64), 1)
	if err != nil || std != 0 {
		t.Fatal(std, err)
	}
	equal(t, "the score in one part", mean, 1.1732502510882503)

	predicted, err := Predict(p) // argmax
	if want := []int64{3, 2, 0, 1, 1, 0, 3, 3, 2, 0, 0, 0}; !slices.Equal(predicted, want) || err != nil {
		t.Errorf("the predictions are %v, want %v (%v)", predicted, want, err)
	}
	for k, want := range map[int]float64{1: 2.0 / 12, 2: 4.0 / 12, 3: 7.0 / 12, 4: 1} { // of a stable argsort
		got, err := TopK(p, labels, k)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "the top-k accuracy", got, want)
	}
	for bins, want := range map[int]float64{15: 0.39278139813322643, 4: 0.24576820576459338, 1: 0.24576820576459343} {
		table, err := Reliability(p, labels, bins)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "the calibration error", CalibrationError(table), want) // Σ |bin|/n·|accuracy - confidence|
	}
	confusion, err := Confusion(p, labels)
	if want := [][]int{{1, 2, 1, 2}, {0, 0, 0, 0}, {4, 0, 1, 1}, {0, 0, 0, 0}}; err != nil || !slices.EqualFunc(confusion, want, slices.Equal) {
		t.Errorf("the confusion matrix is %v, want %v (%v)", confusion, want, err)
	}
	m, err := Modes([]int64{0, 1, 1, 3, 3, 3}, 4, []float64{.1, .2, .3, .4}) // Σ q·log(q/p) over drawn modes
	if err != nil || m.Covered != 3 || m.Modes != 4 {
		t.Errorf("the modes are %+v (%v)", m, err)
	}
	equal(t, "the divergence", m.Divergence, 0.3669845875401001)
	if m.Rarest != 0 || math.Abs(m.Commonest-5.0/3) > 1e-12 {
		t.Errorf("the shares of the rarest and commonest mode are %v and %v of the reference's, want 0 and 5/3", m.Rarest, m.Commonest)
	}
	m, err = Modes([]int64{0, 1, 1, 3, 3, 3}, 4, nil)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the divergence from even shares", m.Divergence, 0.37489009641253884)
}

// TestClassesExact sees cases whose answers are known.
func TestClassesExact(t *testing.T) {
	sure := rows([]float64{1, 0, 0}, []float64{0, 1, 0}, []float64{0, 0, 1})
	if mean, std, err := InceptionScore(sure, 1); err != nil || math.Abs(mean-3) > 1e-12 || std != 0 {
		t.Errorf("one certain example of each of 3 classes scores %v ± %v (%v)", mean, std, err)
	}
	for name, label := range map[string]func(i int) int{"sorted": func(i int) int { return i / 100 }, "in turn": func(i int) int { return i % 2 }} {
		var examples [][]float64 // a hundred of each of two classes: the parts have both
		for i := range 200 {
			examples = append(examples, []float64{float64(1 - label(i)), float64(label(i))})
		}
		if mean, _, err := InceptionScore(rows(examples...), 2); err != nil || mean < 1.95 {
			t.Errorf("of classes %s the score is %v, %v", name, mean, err)
		}
	}
	if mean, _, err := InceptionScore(constants(4, .5, .5), 2); err != nil || mean != 1 {
		t.Errorf("even probabilities score %v (%v)", mean, err)
	}
	if table, err := Reliability(sure, []int64{0, 1, 2}, 15); err != nil || CalibrationError(table) != 0 {
		t.Errorf("certain and right: calibration error %v (%v)", CalibrationError(table), err)
	}
	if table, err := Reliability(sure, []int64{1, 2, 0}, 15); err != nil || CalibrationError(table) != 1 {
		t.Errorf("certain and wrong: calibration error %v (%v)", CalibrationError(table), err)
	}
	half := rows([]float64{.5, .5}, []float64{.25, .75}, []float64{.125, .875}, []float64{1, 0}) // 0.5 is in the lower of two bins
	table, err := Reliability(half, []int64{1, 1, 0, 0}, 2)
	if want := []Confidence{{0, .5, 1, .5, 0}, {.5, 1, 3, .875, 2.0 / 3}}; err != nil || !slices.Equal(table, want) {
		t.Errorf("the reliability table is %v, want %v (%v)", table, want, err)
	}
	mistakes := Confused([][]int{{5, 3, 0}, {4, 0, 4}, {0, 1, 9}}, 3)
	if want := []Mistake{{1, 0, 4, .5}, {1, 2, 4, .5}, {0, 1, 3, .375}}; !slices.Equal(mistakes, want) {
		t.Errorf("the most frequent mistakes are %v, want %v", mistakes, want)
	}
	if m := Confused([][]int{{5, 0}, {0, 0}}, 3); len(m) != 0 {
		t.Errorf("without mistakes there are %v", m)
	}
	tied := constants(3, 2, 2, 2)
	for k, want := range []float64{1.0 / 3, 2.0 / 3, 1} {
		if got, err := TopK(tied, []int64{0, 1, 2}, k+1); err != nil || math.Abs(got-want) > 1e-12 {
			t.Errorf("of equal scores %v are among the best %d, want %v (%v)", got, k+1, want, err)
		}
	}
	stacked, err := Stack([]int64{1, 2, 3, 9, 9, 9, 0, 0, 7}, 3, 10)
	if want := []int64{123, 999, 7}; err != nil || !slices.Equal(stacked, want) {
		t.Errorf("the stacked classes are %v, want %v (%v)", stacked, want, err)
	}
	m, err := Modes(stacked, 1000, nil)
	if err != nil || m.Covered != 3 || math.Abs(m.Divergence-math.Log(1000.0/3)) > 1e-12 {
		t.Errorf("three of 1000 modes are %+v (%v)", m, err)
	}
	if m, err := Modes([]int64{1}, 2, []float64{1, 0}); err != nil || !math.IsInf(m.Divergence, 1) || m.Rarest != 0 || m.Commonest != 0 {
		t.Errorf("a mode that the reference has not: %+v (%v)", m, err)
	}
	p, err := Softmax(rows([]float64{1000, 1000 + math.Ln2}, []float64{-1e30, 1e30}))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{1.0 / 3, 2.0 / 3, 0, 1} {
		equal(t, "a softmax", p.At(i), want)
	}
}

// TestClassesRefusals sees what is no probability or label.
func TestClassesRefusals(t *testing.T) {
	p, labels := classProbabilities()
	logits := rows([]float64{.5, .6})
	_, _, err := InceptionScore(logits, 1)
	refused(t, err, "sum up to 1.1: want 1; logits need a softmax")
	_, _, err = InceptionScore(rows([]float64{-.5, 1.5}), 1)
	refused(t, err, "the probability of class 0 of example 0 is -0.5")
	_, _, err = InceptionScore(rows([]float64{math.NaN(), 1}), 1)
	refused(t, err, "is NaN")
	for _, splits := range []int{0, 13} {
		_, _, err = InceptionScore(p, splits)
		refused(t, err, "with an example in each")
	}
	_, err = Reliability(logits, []int64{0}, 15)
	refused(t, err, "logits need a softmax")
	_, err = Reliability(p, labels, 0)
	refused(t, err, "want 1 or more")
	_, err = Reliability(p, labels[1:], 15)
	refused(t, err, "there are 11 labels for 12 examples")
	_, err = TopK(p, []int64{0, 2, 2, 0, 0, 2, 2, 0, 0, 4, 2, 0}, 1)
	refused(t, err, "label 4 of example 9 is none of the 4 classes")
	for _, k := range []int{0, 5} {
		_, err = TopK(p, labels, k)
		refused(t, err, "want 1 to all")
	}
	_, err = Confusion(p, append([]int64{-1}, labels[1:]...))
	refused(t, err, "label -1 of example 0")
	_, err = Predict(tensor.New(tensor.F32, 2, 3, 4))
	refused(t, err, "f32[2 3 4]: want f32 or f64 of shape")
	_, err = Softmax(rows([]float64{math.Inf(1), 0}))
	refused(t, err, "is +Inf")
	_, err = Modes(nil, 3, nil)
	refused(t, err, "there are 0 examples")
	_, err = Modes([]int64{3}, 3, nil)
	refused(t, err, "label 3 of example 0 is none of the 3 classes")
	_, err = Modes([]int64{0}, 3, []float64{1})
	refused(t, err, "the reference has 1 of them, not 3")
	_, err = Modes([]int64{0}, 2, []float64{1, 1})
	refused(t, err, "sum up to 2")
	_, err = Stack([]int64{1, 2}, 3, 10)
	refused(t, err, "not in groups of 3")
	_, err = Stack([]int64{1, 10}, 2, 10)
	refused(t, err, "label 10 of example 1")
	_, err = Stack(make([]int64, 100), 100, 10)
	refused(t, err, "too many to count")
}
