package models

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// Check says what in m contradicts prog, which m.Define built: names of Steps, Funcs, inputs and outputs that it does not have, and
// numbers that cannot be. What is only missing is no contradiction; [Model.Trainable], [Model.Samplable] and [Model.Editable] tell that.
func (m Model) Check(prog *compiler.Program) error {
	t, s := m.Train, m.Sample
	switch {
	case t.Step != "" && t.Rhythm != nil:
		return fmt.Errorf("model %s: its Training has both a Step, %q, and a Rhythm: give one", m.Name, t.Step)
	case t.Step != "" && prog.Step(t.Step) == nil:
		return fmt.Errorf("model %s is trained by the step %q, which it does not define: it has %s", m.Name, t.Step, entries(prog.Steps()))
	case t.Fit != nil && len(t.Turns()) > 0:
		return fmt.Errorf("model %s: its Training has both a Fit, which needs no Step, and the Steps %s: give one", m.Name, strings.Join(t.Turns().Steps(), ", "))
	case t.Data != "" && t.Generate != nil:
		return fmt.Errorf("model %s: its Training has both Data, %q, and Generate: give one", m.Name, t.Data)
	case t.Epochs < 0:
		return fmt.Errorf("model %s: its Training has %d Epochs", m.Name, t.Epochs)
	case t.Batch < 0:
		return fmt.Errorf("model %s: its Training has a Batch of %d", m.Name, t.Batch)
	}
	if err := t.Rhythm.Check(prog); err != nil {
		return fmt.Errorf("model %s: %w", m.Name, err)
	}
	if err := CheckMeasures(t.Measures, prog); err != nil {
		return fmt.Errorf("model %s: %w", m.Name, err)
	}
	for _, name := range []string{t.Validate, s.Func} {
		if name != "" && prog.Func(name) == nil {
			return fmt.Errorf("model %s uses the function %q, which it does not define: it has %s", m.Name, name, entries(prog.Funcs()))
		}
	}
	if err := m.checkInputs(prog); err != nil {
		return err
	}
	if err := m.checkDensity(prog); err != nil {
		return err
	}
	if err := m.checkSampling(prog); err != nil {
		return err
	}
	return m.checkEditing(prog)
}

// checkDensity says what in m's Density contradicts prog.
func (m Model) checkDensity(prog *compiler.Program) error {
	d := m.Density
	if d == (Density{}) {
		return nil
	}
	f := prog.Func(d.Func)
	if f == nil {
		return fmt.Errorf("model %s uses the function %q, which it does not define: it has %s", m.Name, d.Func, entries(prog.Funcs()))
	}
	for _, x := range []struct {
		what, input string
		rank        int
	}{{"Noise", d.Noise, 3}, {"Image", d.Image, 1}} {
		i := slices.IndexFunc(f.Inputs, func(v *graph.Value) bool { return v.Name == x.input })
		if i < 0 || f.Inputs[i].Rank() < x.rank {
			return fmt.Errorf("model %s: the %s of its Density is %q, and the function %q has no such input of %d axes or more: it has %s", m.Name, x.what, x.input, f.Name, x.rank, inputs(f))
		}
	}
	if len(f.Outputs) != 1 || f.Outputs[0].Value.Rank() != 2 {
		return fmt.Errorf("model %s: the function %q of its Density has the outputs %s: want one, log weights [batch draws]", m.Name, f.Name, outputs(f))
	}
	return nil
}

// checkInputs says which of the Inputs of m's Training feeds none of the entry points that train and validate.
func (m Model) checkInputs(prog *compiler.Program) error {
	var fed []*graph.Func
	for _, name := range m.Train.Turns().Steps() {
		fed = append(fed, prog.Step(name))
	}
	if len(fed) == 0 {
		return nil
	}
	what := "the step " + strconv.Quote(fed[0].Name) + " has no such input: it has " + inputs(fed[0])
	if len(fed) > 1 {
		what = "the steps " + entries(fed) + " have no such input"
	}
	if f := prog.Func(m.Train.Validate); f != nil {
		fed = append(fed, f)
	}
	for _, measure := range m.Train.Measures {
		if f := prog.Func(measure.Func); f != nil {
			fed = append(fed, f)
		}
	}
	for _, input := range slices.Sorted(maps.Keys(m.Train.Inputs)) {
		if !slices.ContainsFunc(fed, func(f *graph.Func) bool { return has(f.Inputs, input) }) {
			return fmt.Errorf("model %s: the Inputs of its Training feed %q, and %s", m.Name, input, what)
		}
	}
	return nil
}

// Trainable says what m's Training lacks to be run, and what prog, which m.Define built, has for it. Data, Epochs and Batch may be
// missing: they can be given when it is run.
func (m Model) Trainable(prog *compiler.Program) error {
	t := m.Train
	if len(t.Turns()) > 0 || t.Fit != nil {
		return nil
	}
	if len(prog.Steps()) == 0 {
		return fmt.Errorf("model %s does not say how to train it: it defines no Step, and its Training has no Fit", m.Name)
	}
	var have []string
	for _, f := range []struct {
		name string
		set  bool
	}{{"Inputs", t.Inputs != nil}, {"Validate", t.Validate != ""}, {"Measures", t.Measures != nil}, {"Data", t.Data != ""}, {"Generate", t.Generate != nil}, {"Augment", t.Augment != nil}, {"Epochs", t.Epochs != 0}, {"Batch", t.Batch != 0}} {
		if f.set {
			have = append(have, f.name)
		}
	}
	what := "is empty"
	if have != nil {
		what = "has " + strings.Join(have, ", ") + " but no Step"
	}
	return fmt.Errorf("model %s does not say how to train it: its Training %s; set Step to one of the program's, or Rhythm to several: %s", m.Name, what, entries(prog.Steps()))
}

func has(values []*graph.Value, name string) bool {
	return slices.ContainsFunc(values, func(v *graph.Value) bool { return v.Name == name })
}

func entries(fs []*graph.Func) string {
	return list(fs, func(f *graph.Func) string { return f.Name })
}

func inputs(f *graph.Func) string {
	return list(f.Inputs, func(v *graph.Value) string { return v.Name })
}

func outputs(f *graph.Func) string {
	return list(f.Outputs, func(o graph.Output) string { return o.Name })
}

// list is the names of all, "none" if there are none.
func list[T any](all []T, name func(T) string) string {
	var names []string
	for _, x := range all {
		names = append(names, name(x))
	}
	return cmp.Or(strings.Join(names, ", "), "none")
}
