package train

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sardonyx-ml/sardonyx/exporters/atomicfile"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/train/report"
)

// Samples is a Callback that runs the Func called entry on fixed inputs and draws its output called image, of shape [n, 1 or
// 3, height, width] with values in [0, 1], as the grid samples/epoch-001.png and so on, with cols images in a row. In a run
// without a folder it does nothing.
func Samples(entry, image string, cols int, in map[string]*tensor.Tensor) Callback {
	return Shown(entry, in, ".png", func(path string, out map[string]*tensor.Tensor) error {
		t := out[image]
		if t == nil {
			return fmt.Errorf("sampling: %q returns %v, but no %q", entry, slices.Sorted(maps.Keys(out)), image)
		}
		return report.Grid(path, t, cols)
	})
}

// Shown is a Callback that runs the Func called entry on fixed inputs, and has its outputs written to the file samples/epoch-001 and
// so on, with the extension ext. In a run without a folder it does nothing.
func Shown(entry string, in map[string]*tensor.Tensor, ext string, write func(path string, out map[string]*tensor.Tensor) error) Callback {
	return func(ctx context.Context, e EpochEnd) error {
		if e.Dir == "" {
			return nil
		}
		out, err := e.Exec.Run(ctx, entry, in)
		if err != nil {
			return fmt.Errorf("sampling: %w", err)
		}
		path := strings.TrimSuffix(e.Dir.Samples(e.Record.Epoch), ".png") + ext
		if err := atomicfile.MkdirAll(filepath.Dir(path)); err != nil {
			return fmt.Errorf("sampling: %w", err)
		}
		return write(path, out)
	}
}

// Curve is the chart of a history: the loss in training and validation, or, where no loss is reported, all metrics of
// training. It runs over steps if there are records within epochs, else over epochs.
func Curve(title string, records []Record) report.Chart {
	c := report.Chart{Title: title, X: "epoch", Y: Loss}
	kind := KindEpoch
	if slices.ContainsFunc(records, func(r Record) bool { return r.Kind == KindSteps }) {
		c.X, kind = "step", KindSteps
	}
	x := func(r Record) float64 {
		if c.X == "step" {
			return float64(r.Step)
		}
		return float64(r.Epoch)
	}
	series := func(label, metric, kind string, of func(Record) Metrics) {
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
	training := func(r Record) Metrics { return r.Train }
	series("training", Loss, kind, training)
	series("validation", Loss, KindEpoch, func(r Record) Metrics { return r.Validate })
	if len(c.Series) > 0 {
		c.LogY = spansDecades(c.Series)
		return c
	}
	names := map[string]bool{}
	for _, r := range records {
		for name := range r.Train {
			names[name] = true
		}
	}
	c.Y = "metric"
	for _, name := range slices.Sorted(maps.Keys(names)) {
		series(name, name, kind, training)
	}
	return c
}

// spansDecades reports whether a logarithmic axis shows the series better: all are above 0, over two decades or more.
func spansDecades(series []report.Series) bool {
	lo, hi := series[0].Y[0], series[0].Y[0]
	for _, s := range series {
		for _, y := range s.Y {
			lo, hi = min(lo, y), max(hi, y)
		}
	}
	return lo > 0 && hi/lo >= 100
}

// draw draws the curve. A run does not fail for want of a picture.
func (j *Journal) draw() {
	j.drawn = time.Now()
	if j.history.Len() == 0 {
		return
	}
	if err := Curve(j.prog.Name(), j.history.Records()).Write(j.dir.Curve()); err != nil {
		j.say("%v", err)
	}
}
