package bayes_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/models/bayes"
	"github.com/sardonyx-ml/sardonyx/compiler/models/modelstest"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// examples are data as a model's Fit is given them.
type examples map[string]*tensor.Tensor

func (e examples) Len() int {
	for _, x := range e {
		return x.Dim(0)
	}
	return 0
}

func (e examples) Take(rows ...int) (map[string]*tensor.Tensor, error) {
	out := map[string]*tensor.Tensor{}
	for name, x := range e {
		shape := x.Shape()
		y := tensor.New(x.DType(), append([]int{len(rows)}, shape[1:]...)...)
		size := x.Len() / x.Dim(0)
		for i, r := range rows {
			for j := range size {
				y.Set(i*size+j, x.At(r*size+j))
			}
		}
		out[name] = y
	}
	return out, nil
}

// state is a State.
type state map[string]*tensor.Tensor

func (s state) Names() []string                            { return nil }
func (s state) Tensor(name string) (*tensor.Tensor, error) { return s[name], nil }
func (s state) Set(name string, t *tensor.Tensor) error    { s[name] = t; return nil }
func (s state) with(name string, t *tensor.Tensor) state   { s[name] = t; return s }
func of(values []float64, shape ...int) *tensor.Tensor     { return fill(tensor.F32, values, shape) }
func whole(values []float64, shape ...int) *tensor.Tensor  { return fill(tensor.I64, values, shape) }
func uniform(r *rand.Rand, n, features int) *tensor.Tensor {
	u := tensor.New(tensor.F32, n, features)
	for i := range u.Len() {
		tensor.Data[float32](u)[i] = r.Float32()
	}
	return u
}

func fill(t tensor.DType, values []float64, shape []int) *tensor.Tensor {
	x := tensor.New(t, shape...)
	for i, v := range values {
		x.Set(i, v)
	}
	return x
}

// fit defines m with changed settings and fits it to train, or to what it generates.
func fit(t *testing.T, m models.Model, changes models.Settings, train examples) (*compiler.Program, state, map[string]float64) {
	t.Helper()
	prog := modelstest.Define(t, m, changes)
	s := state(modelstest.State(t, prog, rand.New(rand.NewPCG(1, 2))))
	set, err := m.Settings.With(changes)
	if err != nil {
		t.Fatal(err)
	}
	if train == nil {
		if train, _, err = m.Train.Generate(set); err != nil {
			t.Fatal(err)
		}
	}
	metrics, err := m.Train.Fit(t.Context(), set, s, train)
	if err != nil {
		t.Fatal(err)
	}
	return prog, s, metrics
}

// TestBook has the figures of the book's example, in the digits that it prints.
func TestBook(t *testing.T) {
	avatar := whole([]float64{3, 4, 1, 2, 7}, 1, 5) // LongHairStraight, Red, Round, ShirtScoopNeck, White
	for i, want := range []string{"LongHairStraight", "Red", "Round", "ShirtScoopNeck", "White"} {
		if got := bayes.Model.Columns[i].Values[int(avatar.At(i))]; got != want {
			t.Fatalf("the avatar has %s, want %s", got, want)
		}
	}
	every := tensor.New(tensor.I64, 4032, 5) // the cells
	for i := range 4032 {
		rest := i
		for k, c := range bayes.Model.Columns {
			every.SetInt(5*i+k, int64(rest%len(c.Values)))
			rest /= len(c.Values)
		}
	}
	for _, c := range []struct {
		smoothing float64
		p         string
		possible  int
	}{{0, "0.00541460", 3024}, {1, "0.00431299", 4032}} {
		prog, s, metrics := fit(t, bayes.Model, models.Settings{"smoothing": c.smoothing}, nil)
		if got := fmt.Sprintf("%.8f", math.Exp(modelstest.Output(t, prog.Func("score"), "log_prob", s.with("row", avatar)).At(0))); got != c.p {
			t.Errorf("smoothing %v: the avatar has the probability %s, want %s", c.smoothing, got, c.p)
		}
		all := modelstest.Output(t, prog.Func("score"), "log_prob", s.with("row", every))
		possible, sum, entropy, bun := 0, 0., 0., 0.
		for i := range all.Len() {
			p := math.Exp(all.At(i))
			if p > 0 {
				possible++
				entropy -= p * all.At(i)
			}
			if every.At(5*i) == 1 { // LongHairBun
				bun += p
			}
			sum += p
		}
		if possible != c.possible || math.Abs(sum-1) > 1e-5 {
			t.Errorf("smoothing %v: %d cells of 4032 are possible, of %v in all; want %d, of 1", c.smoothing, possible, sum, c.possible)
		}
		if math.Abs(bun-c.smoothing/57) > 1e-6 {
			t.Errorf("smoothing %v: a bun has the probability %v, want %v", c.smoothing, bun, c.smoothing/57)
		}
		if math.Abs(entropy-metrics["entropy"]) > 1e-4 {
			t.Errorf("smoothing %v: the entropy is %v nats, and that of all cells %v", c.smoothing, metrics["entropy"], entropy)
		}
		if c.smoothing > 0 {
			continue
		}
		for name, want := range map[string]string{"entropy": "6.8114", "perplexity": "908.1610", "parameters": "23.0000"} {
			if got := fmt.Sprintf("%.4f", metrics[name]); got != want {
				t.Errorf("%s is %s, want %s", name, got, want)
			}
		}
		if math.Abs(metrics["loss"]-metrics["entropy"]) > 1e-12 {
			t.Errorf("the loss is %v and the entropy %v: with the frequencies themselves they are one", metrics["loss"], metrics["entropy"])
		}
	}
}

// within are the 99.9% quantiles of the χ² distribution, by its degrees of freedom.
var within = map[int]float64{2: 13.816, 3: 16.266, 4: 18.467, 5: 20.515, 6: 22.458, 7: 24.322, 35: 66.619, 41: 74.745}

// chi2 compares how often values were drawn with their probabilities.
func chi2(t *testing.T, what string, seen map[string]int, p map[string]float64) {
	t.Helper()
	n, stat, cells := 0., 0., 0
	for _, c := range seen {
		n += float64(c)
	}
	for value, c := range seen {
		if p[value] == 0 && c > 0 {
			t.Errorf("%s: %s was drawn %d times, and has no probability", what, value, c)
		}
	}
	for value, p := range p {
		if p > 0 {
			e := float64(seen[value]) - n*p
			stat += e * e / (n * p)
			cells++
		}
	}
	limit, ok := within[cells-1]
	if !ok || stat > limit {
		t.Errorf("%s: χ² is %.1f with %d degrees of freedom, over %.1f", what, stat, cells-1, limit)
	}
}

// TestDraw holds the frequencies of draws, and of pairs of features, to the probabilities.
func TestDraw(t *testing.T) {
	counts := [][]float64{{7, 0, 1, 23, 1, 11, 7}, {7, 6, 2, 3, 8, 24}, {11, 22, 17}, {7, 18, 19, 6}, {0, 4, 10, 5, 2, 4, 3, 22}}
	const n = 20000
	for _, smoothing := range []float64{0, 1, .3} {
		prog, s, _ := fit(t, bayes.Model, models.Settings{"smoothing": smoothing}, nil)
		x := modelstest.Output(t, prog.Func("draw"), "row", s.with("u", uniform(rand.New(rand.NewPCG(7, 1)), n, 5)))
		probability := func(k, v int) float64 {
			return (counts[k][v] + smoothing) / (50 + smoothing*float64(len(counts[k])))
		}
		for k := range counts {
			seen, p := map[string]int{}, map[string]float64{}
			for v := range counts[k] {
				p[fmt.Sprint(v)] = probability(k, v)
			}
			for i := range n {
				seen[fmt.Sprint(x.Int(5*i+k))]++
			}
			chi2(t, fmt.Sprintf("smoothing %v, feature %d", smoothing, k), seen, p)
		}
		seen, p := map[string]int{}, map[string]float64{}
		for i := range n {
			seen[fmt.Sprint(x.Int(5*i), x.Int(5*i+1))]++
		}
		for v := range counts[0] {
			for w := range counts[1] {
				p[fmt.Sprint(v, w)] = probability(0, v) * probability(1, w)
			}
		}
		chi2(t, fmt.Sprintf("smoothing %v, pairs", smoothing), seen, p)
	}
	// The ends of the interval: the least value that is possible, and the greatest.
	prog, s, _ := fit(t, bayes.Model, models.Settings{"smoothing": 0}, nil)
	u := tensor.New(tensor.F32, 2, 5)
	for k := range 5 {
		tensor.Data[float32](u)[5+k] = math.Nextafter32(1, 0)
	}
	x := modelstest.Output(t, prog.Func("draw"), "row", s.with("u", u))
	if got := fmt.Sprint(x.Raw()); got != "[0 0 0 0 1 6 5 2 3 7]" {
		t.Errorf("the ends of [0, 1) give %s", got)
	}
}

// TestPixels fits three images of two pixels by hand.
func TestPixels(t *testing.T) {
	images := of([]float64{0, 1, .25, 1, .5, 1}, 3, 1, 1, 2)
	images = images.Reshape(3, 2, 1, 1) // as two channels of one pixel
	small := models.Settings{"side": 1, "channels": 2, "smoothing": 0}
	prog, s, metrics := fit(t, bayes.PixelModel, small, examples{"image": images})
	// Of two levels, greys are taken as probabilities: pixel 0 is 1 with (0 + 1/4 + 1/2)/3 = 1/4, pixel 1 always.
	h := func(x float64) float64 { return -x*math.Log(.25) - (1-x)*math.Log(.75) }
	got := modelstest.Output(t, prog.Func("score"), "log_prob", s.with("image", images))
	for i, grey := range []float64{0, .25, .5} {
		if want := -h(grey); math.Abs(got.At(i)-want) > 1e-6 {
			t.Errorf("image %d has ln p %v, want %v", i, got.At(i), want)
		}
	}
	if want := h(.25); math.Abs(metrics["loss"]-want) > 1e-7 || math.Abs(metrics["entropy"]-want) > 1e-7 {
		t.Errorf("loss and entropy are %v, want both %v", metrics, want)
	}
	bits := modelstest.Output(t, prog.Func("validate"), "bits_per_dim", s)
	if want := h(.25) / math.Ln2 / 2; math.Abs(bits.At(0)-want) > 1e-6 {
		t.Errorf("%v bits a dimension, want %v", bits.At(0), want)
	}
	x := modelstest.Output(t, prog.Func("draw"), "image", s.with("u", of([]float64{.74, .3, .76, .3}, 2, 2)))
	if got := fmt.Sprint(x.Raw(), x.Shape()); got != "[0 1 1 1] [2 2 1 1]" {
		t.Errorf("the draws are %s", got)
	}
	// All grey levels of 8 bits are whole levels of 256: one count each, none beside it.
	levels := tensor.New(tensor.F32, 256, 1, 1, 1)
	for v := range 256 {
		tensor.Data[float32](levels)[v] = float32(v) / 255
	}
	_, s, _ = fit(t, bayes.PixelModel, models.Settings{"side": 1, "levels": 256}, examples{"image": levels})
	for v := range 256 {
		if got := s["bayes.counts"].At(v); got != 1 {
			t.Errorf("level %d was counted %v times, want 1", v, got)
		}
	}
}

// TestMistakes sees what is said of settings and data that cannot be.
func TestMistakes(t *testing.T) {
	modelstest.Refuses(t, bayes.Model, map[string]models.Settings{"setting smoothing is -1, want 0 or more": {"smoothing": -1}})
	modelstest.Refuses(t, bayes.PixelModel, map[string]models.Settings{
		"setting levels is 1, want a whole number from 2 to 256":   {"levels": 1},
		"setting levels is 257, want a whole number from 2 to 256": {"levels": 257},
		"setting side is 0, want a whole number from 1 to 256":     {"side": 0},
		"setting channels is 5, want a whole number from 1 to 4":   {"channels": 5},
		"setting smoothing is -0.5, want 0 or more":                {"smoothing": -.5},
	})
	fit := func(m models.Model, train examples) error {
		s := state{"bayes.counts": tensor.New(tensor.F32, 5, 8)}
		if m.Name == "pixelbayes" {
			s = state{"bayes.counts": tensor.New(tensor.F32, 784, 2)}
		}
		_, err := m.Train.Fit(t.Context(), m.Settings, s, train)
		return err
	}
	for _, c := range []struct {
		m     models.Model
		train examples
		want  string
	}{
		{bayes.Model, examples{"row": whole([]float64{0, 0, 0, 0, 0, 6, 5, 3, 0, 0}, 2, 5)}, "example 1: feature 2 of the field row is 3, and its values are 0 to 2"},
		{bayes.Model, examples{"row": whole([]float64{-1, 0, 0, 0, 0}, 1, 5)}, "example 0: feature 0 of the field row is -1"},
		{bayes.Model, examples{"row": whole(nil, 2, 4)}, `no field "row" of 5 features`},
		{bayes.Model, examples{"x": whole(nil, 2, 5)}, `no field "row" of 5 features`},
		{bayes.PixelModel, examples{"image": of([]float64{2}, 1, 1, 28, 28)}, "example 0: feature 0 of the field image is 2, and its values are 0 to 1"},
		{bayes.PixelModel, examples{"image": tensor.Of(slices.Repeat([]uint8{0, 255}, 392), 1, 1, 28, 28)}, "example 0: feature 1 of the field image is 255, and its values are 0 to 1"},
		{bayes.PixelModel, examples{"image": of([]float64{0, math.NaN()}, 1, 1, 28, 28)}, "feature 1 of the field image is NaN"},
	} {
		if err := fit(c.m, c.train); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
	// A value that no column has is no index into another's.
	prog, s, _ := fitted(t)
	if _, err := modelstest.Evaluate(prog.Func("score"), s.with("row", whole([]float64{0, 0, 3, 0, 0}, 1, 5))); err == nil || !strings.Contains(err.Error(), "a feature is a whole number from 0") {
		t.Errorf("a value out of range: %v", err)
	}
}

func fitted(t *testing.T) (*compiler.Program, state, map[string]float64) {
	return fit(t, bayes.Model, nil, nil)
}
