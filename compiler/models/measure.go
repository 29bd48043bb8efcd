package models

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// Examples are the data that a model's own Go functions are given; a data.Dataset is such.
type Examples interface {
	Len() int
	// Take returns examples as new tensors by field, each of shape [len(rows), ...].
	Take(rows ...int) (map[string]*tensor.Tensor, error)
}

// EachBatch takes all examples of e in order, size at a time, and hands do each batch of n with the place of its first example.
func EachBatch(ctx context.Context, e Examples, size int, do func(first, n int, x map[string]*tensor.Tensor) error) error {
	for lo := 0; lo < e.Len(); lo += size {
		if err := ctx.Err(); err != nil {
			return err
		}
		rows := make([]int, min(size, e.Len()-lo))
		for i := range rows {
			rows[i] = lo + i
		}
		x, err := e.Take(rows...)
		if err == nil {
			err = do(lo, len(rows), x)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// EachFeature hands do each feature of a field, those of one example after another, times scale. Feature k is a number from 0 to
// values[k]-1; data with others, or without such a field, are an error.
func EachFeature(ctx context.Context, e Examples, field string, values []int64, scale float32, do func(k int, v float64)) error {
	return EachBatch(ctx, e, 256, func(first, n int, x map[string]*tensor.Tensor) error {
		if x[field] == nil || x[field].Len() != n*len(values) {
			return fmt.Errorf("the data have no field %q of %d features", field, len(values))
		}
		for i, v := range tensor.Data[float32](x[field].Cast(tensor.F32)) {
			k := i % len(values)
			if v *= scale; !(v >= 0 && v <= float32(values[k]-1)) {
				return fmt.Errorf("example %d: feature %d of the field %s is %v, and its values are 0 to %d", first+i/len(values), k, field, v, values[k]-1)
			}
			do(k, float64(v))
		}
		return nil
	})
}

// State is what a model's own Go functions see of the state; a runtime.State is such.
type State interface {
	Names() []string
	Tensor(name string) (*tensor.Tensor, error)
	// Set copies t, of the same dtype and shape, into the state called name.
	Set(name string, t *tensor.Tensor) error
}

// A Measure is a further metric, or several, that training takes after epochs: a Func averaged over the data as Validate is, or what
// a Go function makes of it. It is called by the measure's name: output loss of a Func as the measure fid is the metric fid, output
// nats the metric fid.nats; and so with what a function returns under "" and under other names.
type Measure struct {
	Name  string // "" is the name of the Func
	Func  string // the Func to average, or
	Take  func(ctx context.Context, m Measuring) (map[string]float64, error)
	Train bool // of the data that train, not of those that validate
	Every int  // epochs; 0 is each. It is taken after the last epoch too.
}

// Measuring is what a measure's Go function is given. What it returns must depend on nothing else, or a resumed run will differ from an
// unbroken one.
type Measuring struct {
	// Run runs a Func of the model, with its present state.
	Run   func(ctx context.Context, name string, in map[string]*tensor.Tensor) (map[string]*tensor.Tensor, error)
	Data  Examples
	Seed  uint64 // of the run
	Epoch int    // the one that has ended, counted from 1
}

// Called is the measure's name.
func (m Measure) Called() string {
	if m.Name != "" {
		return m.Name
	}
	return m.Func
}

// Metric is what the result called name of the measure is called as a metric.
func (m Measure) Metric(name string) string {
	if name == "" || name == "loss" {
		return m.Called()
	}
	return m.Called() + "." + name
}

// Has reports whether a metric is one of the measure's, as far as its name tells.
func (m Measure) Has(metric string) bool {
	return metric == m.Called() || strings.HasPrefix(metric, m.Called()+".")
}

// Due reports whether the measure is to be taken after an epoch, counted from 1, of so many.
func (m Measure) Due(epoch, epochs int) bool { return epoch%max(m.Every, 1) == 0 || epoch == epochs }

// CheckMeasures says what in list cannot be, of the Funcs of prog.
func CheckMeasures(list []Measure, prog *compiler.Program) error {
	for i, m := range list {
		switch {
		case m.Called() == "":
			return fmt.Errorf("measure %d has no Name", i+1)
		case slices.ContainsFunc(list[:i], func(o Measure) bool { return o.Called() == m.Called() }):
			return fmt.Errorf("two measures are called %q", m.Called())
		case (m.Func == "") == (m.Take == nil):
			return fmt.Errorf("the measure %q is to have a Func or a function Take: one of them", m.Called())
		case m.Every < 0:
			return fmt.Errorf("the measure %q is taken every %d epochs", m.Called(), m.Every)
		case m.Func != "" && prog.Func(m.Func) == nil:
			return fmt.Errorf("the measure %q is of the function %q, which it does not define: it has %s", m.Called(), m.Func, entries(prog.Funcs()))
		}
	}
	return nil
}
