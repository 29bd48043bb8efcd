package app

import (
	"fmt"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
)

// model is the model called name.
func (a *app) model(name string) (models.Model, error) {
	var have []string
	for _, m := range a.models {
		if m.Name == name {
			return m, nil
		}
		have = append(have, m.Name)
	}
	return models.Model{}, fmt.Errorf("no model is called %q: there is %s", name, strings.Join(have, ", "))
}

// modelArg is the model that the command's only argument names; a program with one model needs no argument.
func (a *app) modelArg(c *cli.Context) (models.Model, error) {
	if c.NArg() == 0 && len(a.models) == 1 {
		return a.models[0], nil
	}
	name, err := oneArg(c, "the model")
	if err != nil {
		return models.Model{}, err
	}
	return a.model(name)
}

var setFlag = &cli.StringSliceFlag{Name: "set", Usage: "change one of the model's settings, `NAME=VALUE`, a number or, of a choice, its name; may be repeated"}

// settings are the model's with the changes of --set.
func settings(c *cli.Context, m models.Model) (models.Settings, error) {
	changes := models.Settings{}
	for _, s := range c.StringSlice("set") {
		name, value, ok := strings.Cut(s, "=")
		v, err := strconv.ParseFloat(value, 64)
		choices := m.Choices[name]
		if i := slices.Index(choices, value); i >= 0 {
			v, err = float64(i), nil
		}
		switch {
		case ok && choices != nil && !(v >= 0 && v < float64(len(choices)) && err == nil):
			return nil, usagef(c, "--set %s: want one of %s", s, strings.Join(choices, ", "))
		case !ok || err != nil:
			return nil, usagef(c, "--set %s: want NAME=VALUE with a number", s)
		}
		changes[name] = v
	}
	return m.Settings.With(changes)
}

// define builds a model's program. A mistake in it is printed as a compiler prints it.
func define(m models.Model, s models.Settings) (prog *compiler.Program, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case models.SettingError:
			err = fmt.Errorf("model %s: %w", m.Name, r)
		default:
			err = fmt.Errorf("model %s: its definition panics at %s: %v", m.Name, panicPlace(), r)
		}
	}()
	if m.Define == nil {
		return nil, fmt.Errorf("model %s has no Define, which builds its program", m.Name)
	}
	if err = m.Limits.Check(s); err == nil {
		prog, err = m.Define(s)
	}
	if err != nil {
		if !hasLines(err) {
			return nil, fmt.Errorf("model %s: %w", m.Name, err)
		}
		return nil, fmt.Errorf("model %s has mistakes:\n%w", m.Name, err)
	}
	if m, err = m.With(s); err != nil {
		return nil, err
	}
	return prog, m.Check(prog)
}

// panicPlace is the file and line at which the panic being recovered began, in a model's own code.
func panicPlace() string {
	pcs := make([]uintptr, 64)
	frames := goruntime.CallersFrames(pcs[:goruntime.Callers(3, pcs)])
	for more := true; more; {
		var f goruntime.Frame
		f, more = frames.Next()
		if !strings.HasPrefix(f.Function, "runtime.") && !strings.HasPrefix(f.Function, modulePath+"/compiler/models.") {
			return fmt.Sprintf("%s:%d", f.File, f.Line)
		}
	}
	return "an unknown place"
}
