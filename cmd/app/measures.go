package app

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/data"
	"github.com/sardonyx-ml/sardonyx/runtime/metrics"
)

// measure takes all measures that there is something for.
func (e *evaluation) measure(ctx context.Context, c *kernel.Context) error {
	if err := e.normalise(); err != nil {
		return err
	}
	fake, err := e.compare(ctx, c, e.reals, e.fakes)
	if err != nil {
		return err
	}
	floor, err := e.compare(ctx, c, e.against, e.floors)
	if err != nil {
		return fmt.Errorf("the floor, %s: %w", e.report.Floor.From, err)
	}
	for i, m := range fake {
		m.Floor = floor[i].Fake
		e.report.Measures = append(e.report.Measures, m)
	}
	if err := e.memorisation(c); err != nil {
		return err
	}
	if err := e.pixels(); err != nil {
		return err
	}
	return e.classifier()
}

// normalise makes class scores of all sets probabilities, if those of the real examples are none.
func (e *evaluation) normalise() error {
	if e.reals.scores == nil {
		return nil
	}
	if e.report.Features.Scores = "probabilities"; metrics.AreProbabilities(e.reals.scores) {
		return nil
	}
	e.report.Features.Scores = "logits"
	for _, d := range []*drawn{&e.reals, &e.fakes, &e.floors, &e.against} {
		p, err := metrics.Softmax(d.scores)
		if err != nil {
			return err
		}
		d.scores = p
	}
	return nil
}

// compare takes the measures of a pair of sets.
func (e *evaluation) compare(ctx context.Context, c *kernel.Context, real, fake drawn) ([]measureOf, error) {
	var list []measureOf
	add := func(name, title, best string, v valueOf) {
		list = append(list, measureOf{Name: name, title: title, Best: best, Fake: &v})
	}
	take := []func() error{
		func() error {
			f, err := metrics.FID(c, real.features, fake.features)
			add("fid", "FID", "0", valueOf{Value: number(f.Distance)})
			return err
		},
		func() error {
			o := metrics.KIDOptions{Subsets: kidSubsets, Size: max(2, min(kidSize, real.features.Dim(0)/2)), Seed: e.report.Seed}
			k, err := metrics.KID(c, real.features, fake.features, o)
			add("kid", "KID", "0", spreadOf(k.Mean, k.Std))
			return err
		},
		func() error {
			p, r, err := metrics.PrecisionRecall(c, real.features, fake.features, metrics.PrecisionK)
			add("precision", "precision", "1", valueOf{Value: number(p)})
			add("recall", "recall", "1", valueOf{Value: number(r)})
			return err
		},
		func() error {
			d, v, err := metrics.DensityCoverage(c, real.features, fake.features, metrics.DensityK)
			add("density", "density", "1", valueOf{Value: number(d)})
			add("coverage", "coverage", "1", valueOf{Value: number(v)})
			return err
		},
		func() error {
			if fake.scores == nil {
				return nil
			}
			return e.classes(real, fake, add)
		},
	}
	for _, f := range take {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := f(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func spreadOf(mean, std float64) valueOf {
	s := number(std)
	return valueOf{Value: number(mean), Std: &s}
}

// classes takes the measures of predicted classes.
func (e *evaluation) classes(real, fake drawn, add func(name, title, best string, v valueOf)) error {
	k := fake.scores.Dim(1)
	drawnClasses, err := metrics.Predict(fake.scores)
	if err != nil {
		return err
	}
	modes, reference := k, []float64(nil)
	if e.net.stacked {
		channels := e.real.field.Shape[0]
		if drawnClasses, err = metrics.Stack(drawnClasses, channels, k); err != nil {
			return err
		}
		for modes = 1; channels > 0; channels-- {
			modes *= k
		}
	} else {
		mean, std, err := metrics.InceptionScore(fake.scores, min(scoreSplits, fake.scores.Dim(0)))
		if err != nil {
			return err
		}
		add("inception_score", "score of classes", strconv.Itoa(k), spreadOf(mean, std))
		realClasses, err := metrics.Predict(real.scores)
		if err != nil {
			return err
		}
		if reference, err = metrics.Shares(realClasses, k); err != nil {
			return err
		}
	}
	m, err := metrics.Modes(drawnClasses, modes, reference)
	add("modes", "modes", strconv.Itoa(modes), valueOf{Value: number(m.Covered), Of: modes})
	add("mode_divergence", "divergence of modes", "0", valueOf{Value: number(m.Divergence)})
	add("rarest_mode", "share of the rarest mode", "1", valueOf{Value: number(m.Rarest)})
	add("commonest_mode", "of the commonest", "1", valueOf{Value: number(m.Commonest)})
	return err
}

// memorisation compares distances from the training examples.
func (e *evaluation) memorisation(c *kernel.Context) error {
	if e.train == nil {
		return nil
	}
	m, err := metrics.Memorisation(c, e.trains.features, e.reals.features, e.fakes.features)
	if err != nil {
		return err
	}
	e.report.Measures = append(e.report.Measures,
		measureOf{Name: "memorisation", title: "nearer to train", Best: "0.5", Fake: &valueOf{Value: number(m.Share)}},
		measureOf{Name: "memorisation_z", title: "its z", Best: "0", Fake: &valueOf{Value: number(m.Z)}})
	return nil
}

// pixels compares how pixels go with their neighbours, if examples are pictures. Pictures of one colour have no figure.
func (e *evaluation) pixels() error {
	if s := e.real.field.Shape; len(s) != 3 || s[1]*s[2] < 2 {
		return nil
	}
	of := func(x *examples, rows []int) (*valueOf, error) {
		set, err := x.set.Select(x.field.Name)
		if err != nil {
			return nil, err
		}
		n := min(len(rows), pixelExamples)
		some := make([]int, n) // from all over the set, which may be in an order
		for i := range some {
			some[i] = rows[i*len(rows)/n]
		}
		got, err := set.Take(some...)
		if err != nil {
			return nil, err
		}
		v, err := metrics.PixelCorrelation(got[x.field.Name].Cast(tensor.F32))
		if err != nil {
			return nil, nil
		}
		return &valueOf{Value: number(v)}, nil
	}
	m := measureOf{Name: "pixel_correlation", title: "pixel correlation", Best: "as real"}
	var err error
	if m.Fake, err = of(e.fake, e.fakeRows); err != nil {
		return err
	}
	if m.Floor, err = of(e.real, e.realRows); err != nil {
		return err
	}
	e.report.Measures = append(e.report.Measures, m)
	return nil
}

// classifier says how the network does on the sets that have labels.
func (e *evaluation) classifier() error {
	if e.net == nil || e.net.stacked || e.reals.scores == nil {
		return nil
	}
	for _, s := range []struct {
		name string
		*examples
		drawn
	}{{"real", e.real, e.reals}, {"fake", e.fake, e.fakes}} {
		if s.drawn.labels == nil {
			continue
		}
		l, err := judge(s.set, s.drawn)
		if err != nil {
			return fmt.Errorf("the labels of %v: %w", s.examples, err)
		}
		l.Set, l.From = s.name, s.from
		e.report.Classifier = append(e.report.Classifier, l)
	}
	return nil
}

// judge compares the scores of some examples with their labels.
func judge(set *data.Dataset, d drawn) (labelledOf, error) {
	l := labelledOf{Classes: slices.Clone(set.Classes)}
	accuracy, err := metrics.TopK(d.scores, d.labels, 1)
	if err != nil {
		return l, err
	}
	l.Accuracy = number(accuracy)
	if d.scores.Dim(1) > topK {
		v, err := metrics.TopK(d.scores, d.labels, topK)
		if err != nil {
			return l, err
		}
		n := number(v)
		l.TopK, l.TopKAccuracy = topK, &n
	}
	bins, err := metrics.Reliability(d.scores, d.labels, calibratedBins)
	if err != nil {
		return l, err
	}
	l.CalibrationError = number(metrics.CalibrationError(bins))
	for _, b := range bins {
		if b.Count > 0 {
			l.Reliability = append(l.Reliability, binOf{number(b.Low), number(b.High), b.Count, number(b.Confidence), number(b.Accuracy)})
		}
	}
	if l.Confusion, err = metrics.Confusion(d.scores, d.labels); err != nil {
		return l, err
	}
	l.Confused = []mistakeOf{}
	for _, m := range metrics.Confused(l.Confusion, mostConfused) {
		l.Confused = append(l.Confused, mistakeOf{m.Label, m.Predicted, m.Count, number(m.Share)})
	}
	return l, nil
}
