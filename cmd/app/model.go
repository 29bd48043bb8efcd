package app

import (
	"errors"
	"fmt"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/graph"
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

var setFlag = &cli.StringSliceFlag{Name: "set", Usage: "change one of the model's settings, `NAME=VALUE`; may be repeated"}

// settings are the model's with the changes of --set.
func settings(c *cli.Context, m models.Model) (models.Settings, error) {
	changes := models.Settings{}
	for _, s := range c.StringSlice("set") {
		name, value, ok := strings.Cut(s, "=")
		v, err := strconv.ParseFloat(value, 64)
		if !ok || err != nil {
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
	if prog, err = m.Define(s); err != nil {
		return nil, fmt.Errorf("model %s has mistakes:\n%w", m.Name, err)
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

// A modelInfo is one model in the list. With an Error, it has only a name and what the model says of itself.
type modelInfo struct {
	Name     string          `json:"name"`
	Doc      string          `json:"doc"`
	Settings models.Settings `json:"settings"`
	Params   int             `json:"params"`
	Funcs    []string        `json:"funcs"`
	Steps    []string        `json:"steps"`
	Data     string          `json:"data"`
	Error    string          `json:"error,omitempty"`
}

// modelsCommand lists the models.
func (a *app) modelsCommand() *cli.Command {
	return &cli.Command{
		Name: "models", Usage: "list the models", ArgsUsage: " ", Flags: []cli.Flag{jsonFlag},
		Description: "A model that cannot be built is listed too, with its mistakes on stderr (with --json, in its field error); the exit\n" +
			"code is then 1.",
		Action: func(c *cli.Context) error {
			if err := noArgs(c); err != nil {
				return err
			}
			list, err := a.listModels()
			if c.Bool("json") {
				return errors.Join(a.writeJSON(list), err)
			}
			for _, m := range list {
				fmt.Fprintf(a.out, "%s: %s\n", m.Name, m.Doc)
				if m.Error != "" {
					fmt.Fprintf(a.out, "  broken      its mistakes are told at the end\n")
				} else {
					fmt.Fprintf(a.out, "  parameters  %d\n  functions   %s\n  steps       %s\n", m.Params, strings.Join(m.Funcs, ", "), strings.Join(m.Steps, ", "))
				}
				if m.Data != "" {
					fmt.Fprintf(a.out, "  data        %s\n", m.Data)
				}
				if len(m.Settings) > 0 {
					fmt.Fprintf(a.out, "  settings    %s\n", m.Settings)
				}
			}
			return err
		},
	}
}

// listModels tells of all models; the error is of those that cannot be built or called.
func (a *app) listModels() ([]modelInfo, error) {
	list := []modelInfo{}
	var errs []error
	for i, m := range a.models {
		info := modelInfo{Name: m.Name, Doc: m.Doc, Settings: m.Settings, Funcs: []string{}, Steps: []string{}, Data: m.Train.Data}
		if info.Settings == nil {
			info.Settings = models.Settings{} // not null in JSON
		}
		if info.Data == "" && m.Train.Generate != nil {
			info.Data = "generated"
		}
		prog, err := define(m, m.Settings)
		switch {
		case err != nil:
		case m.Name == "":
			err = fmt.Errorf("model %d of the program has no Name, so no command can be given it", i+1)
		case slices.ContainsFunc(a.models[:i], func(o models.Model) bool { return o.Name == m.Name }):
			err = fmt.Errorf("two models are called %s: commands take the first", m.Name)
		}
		if err != nil {
			info.Error = err.Error()
			errs = append(errs, err)
		} else {
			info.Params, info.Funcs, info.Steps = prog.ParamCount(), names(prog.Funcs()), names(prog.Steps())
		}
		list = append(list, info)
	}
	return list, errors.Join(errs...)
}

func names(fs []*graph.Func) []string {
	out := make([]string, len(fs))
	for i, f := range fs {
		out[i] = f.Name
	}
	return out
}
