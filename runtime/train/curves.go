package train

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/runtime/train/report"
)

// Curve is the chart of a history: the loss in training and validation, or, where no loss is reported, all metrics of
// training but the norms of gradients, which are of another size.
func Curve(title string, records []Record) report.Chart {
	c := curve(title, Loss, records)
	if len(c.Series) > 0 {
		return c
	}
	c.Y = "metric"
	for _, name := range MetricNames(records, trained) {
		if name == compiler.GradNorm || strings.HasSuffix(name, "."+compiler.GradNorm) {
			continue
		}
		one := curve("", name, records)
		if one.X != c.X && (one.X == "step" || len(c.Series) == 0) { // steps are finer, and one axis has not both
			c.X, c.Series = one.X, nil
		}
		if s := one.Series[0]; one.X == c.X && s.Name == training { // which validation follows
			s.Name = name
			c.Series = append(c.Series, s)
		}
	}
	return c
}

// What a record's metrics are of, for people.
const (
	training   = "training"
	validation = "validation"
)

func trained(r Record) Metrics   { return r.Train }
func validated(r Record) Metrics { return r.Validate }

// A Side is one kind of a record's metrics.
type Side struct {
	Name string // for people
	Of   func(Record) Metrics
}

// Sides are the metrics of training and those of validation.
var Sides = []Side{{training, trained}, {validation, validated}}

// curve is the chart of one metric, in training and validation, over steps if it was recorded within epochs.
func curve(title, metric string, records []Record) report.Chart {
	c := report.Chart{Title: title, X: "epoch", Y: metric}
	kind := KindEpoch
	if slices.ContainsFunc(records, func(r Record) bool { _, ok := r.Train[metric]; return ok && r.Kind == KindSteps }) {
		c.X, kind = "step", KindSteps
	}
	x := func(r Record) float64 {
		if c.X == "step" {
			return float64(r.Step)
		}
		return float64(r.Epoch)
	}
	series := func(label, kind string, of func(Record) Metrics) {
		s := report.Series{Name: label}
		for _, r := range records {
			if v, ok := of(r)[metric]; ok && r.Kind == kind {
				s.X, s.Y = append(s.X, x(r)), append(s.Y, v)
			}
		}
		if len(s.X) > 0 {
			c.Series = append(c.Series, s)
		}
	}
	series(training, kind, trained)
	series(validation, KindEpoch, validated)
	c.LogY = spansDecades(c.Series)
	return c
}

// Comparison is the chart of one metric of several runs, by these names: of the validation, unless more runs have it in training.
func Comparison(metric string, names []string, runs []Status) (report.Chart, error) {
	var c report.Chart
	for _, side := range slices.Backward(Sides) { // validation first
		one := report.Chart{Title: metric + " in " + side.Name, X: "epoch", Y: metric}
		for i, r := range runs {
			s := report.Series{Name: names[i]}
			for _, rec := range r.Records {
				if v, ok := side.Of(rec)[metric]; ok && rec.Kind == KindEpoch {
					s.X, s.Y = append(s.X, float64(rec.Epoch)), append(s.Y, v)
				}
			}
			if len(s.X) > 0 {
				one.Series = append(one.Series, s)
			}
		}
		if len(one.Series) > len(c.Series) {
			c = one
		}
	}
	c.LogY = spansDecades(c.Series)
	if len(c.Series) > 0 {
		return c, nil
	}
	var all []Record
	for _, r := range runs {
		all = append(all, r.Records...)
	}
	return c, fmt.Errorf("no run has the metric %q in a finished epoch: they have %s", metric, strings.Join(MetricNames(all, trained, validated), ", "))
}

// spansDecades reports whether a logarithmic axis shows the series better: all are above 0, over two decades or more.
func spansDecades(series []report.Series) bool {
	var all []float64
	for _, s := range series {
		all = append(all, s.Y...)
	}
	if len(all) == 0 {
		return false
	}
	lo, hi := slices.Min(all), slices.Max(all)
	return lo > 0 && hi/lo >= 100
}

// MetricNames are the names of the metrics of records, those that each of gives of them: the loss first and then by name.
func MetricNames(records []Record, of ...func(Record) Metrics) []string {
	seen := map[string]bool{}
	for _, r := range records {
		for _, f := range of {
			for name := range f(r) {
				seen[name] = true
			}
		}
	}
	names := slices.Sorted(maps.Keys(seen))
	if i := slices.Index(names, Loss); i > 0 {
		names = slices.Insert(slices.Delete(names, i, i+1), 0, Loss)
	}
	return names
}
