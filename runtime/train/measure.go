package train

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/data"
)

// checkMeasures refuses measures that cannot be taken.
func (c *Config) checkMeasures() error {
	if err := models.CheckMeasures(c.Measures, c.Program); err != nil {
		return fmt.Errorf("%s: %w", c.Program.Name(), err)
	}
	for _, m := range c.Measures {
		d := c.measured(m)
		if d == nil {
			return fmt.Errorf("for the measure %q test data are needed", m.Called())
		}
		if m.Func == "" {
			continue
		}
		if err := checkFeed(c.Program.Func(m.Func), d, c.Batch, false, c.Inputs); err != nil {
			return fmt.Errorf("the measure %q: %w", m.Called(), err)
		}
	}
	return nil
}

// measured are the data that m is of; nil if there are none.
func (c *Config) measured(m models.Measure) *data.Dataset {
	if m.Train {
		return c.Train
	}
	return c.Test
}

// measuresTest reports whether a measure is of the test data.
func (c *Config) measuresTest() bool {
	return slices.ContainsFunc(c.Measures, func(m models.Measure) bool { return !m.Train })
}

// measure adds to rec the measures that are due.
func (r *loop) measure(ctx context.Context, name string, rec *Record) error {
	for _, m := range r.c.Measures {
		if !m.Due(rec.Epoch, r.c.Epochs) {
			continue
		}
		d := r.c.measured(m)
		r.progress.Begin(name+" "+m.Called(), d.Len(), 0)
		var got map[string]float64
		var err error
		if m.Func != "" {
			got, err = Evaluate(ctx, r.exec, Evaluation{
				Func: r.c.Program.Func(m.Func), Data: d, Batch: r.c.Batch, Inputs: r.c.Inputs, Augment: r.c.Augment, Each: r.progress.Add,
			})
		} else {
			got, err = r.take(ctx, m, d, rec.Epoch)
		}
		if err != nil {
			return fmt.Errorf("the measure %q: %w", m.Called(), err)
		}
		if rec.Validate == nil {
			rec.Validate = Metrics{}
		}
		for result, v := range got {
			rec.Validate[m.Metric(result)] = v
		}
		rec.ValidateSeconds += r.progress.Elapsed().Seconds()
	}
	return nil
}

// take calls the Go function of a measure.
func (r *loop) take(ctx context.Context, m models.Measure, d *data.Dataset, epoch int) (got map[string]float64, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("its function panics: %v", p)
		}
	}()
	run := func(ctx context.Context, name string, in map[string]*tensor.Tensor) (map[string]*tensor.Tensor, error) {
		if r.c.Program.Func(name) == nil {
			return nil, fmt.Errorf("%s has no Func %q to run: it has %s", r.c.Program.Name(), name, funcNames(r.c.Program))
		}
		return runtime.Run(ctx, r.exec, name, in)
	}
	return m.Take(ctx, models.Measuring{Run: run, Data: d, Seed: r.c.Seed, Epoch: epoch})
}

// solve is the epoch of a run in closed form. If it fails the state is as before.
func (r *loop) solve(ctx context.Context) (err error) {
	before, err := r.state.Clone()
	if err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the function that fits the model panics: %v", p)
		}
		if err != nil {
			err = errors.Join(err, copyState(r.state, before))
		}
	}()
	m, err := r.c.Solve(ctx, r.state, r.c.Train)
	if err != nil {
		return err
	}
	for _, name := range r.state.Names() {
		t, err := r.state.Tensor(name)
		if err != nil {
			return err
		}
		if !runtime.Finite(t) {
			return fmt.Errorf("the function that fits the model has set %s to values that are NaN or Inf", name)
		}
	}
	r.Position.Step++
	r.Position.Loader = data.State{Epoch: r.Position.Epoch + 1}
	r.Position.InEpoch.Add(m, r.c.Train.Len())
	r.progress.Add(r.c.Train.Len(), m)
	return nil
}

// copyState sets all of to to from.
func copyState(to, from *runtime.State) error {
	for _, name := range from.Names() {
		t, err := from.Tensor(name)
		if err == nil {
			err = to.Set(name, t)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// validated are the metrics that say how good an epoch is: those of validation and measures and, without a validation, those of
// training.
func (c *Config) validated(rec Record) Metrics {
	all := Metrics{}
	if c.Validate == "" {
		for name, v := range rec.Train {
			all[name] = v
		}
	}
	for name, v := range rec.Validate {
		all[name] = v
	}
	return all
}

// fromMeasure reports whether the monitored metric is one of a measure's.
func (c *Config) fromMeasure() bool {
	return slices.ContainsFunc(c.Measures, func(m models.Measure) bool { return m.Has(c.Monitor) })
}

// funcNames are the names of prog's Funcs.
func funcNames(prog *compiler.Program) string {
	var names []string
	for _, f := range prog.Funcs() {
		names = append(names, f.Name)
	}
	return strings.Join(names, ", ")
}
