package app

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/runtime/data"
)

// A modelInfo is one model in the list. With an Error, it has only what the model says of itself.
type modelInfo struct {
	Name     string          `json:"name"`
	Doc      string          `json:"doc"`
	Family   string          `json:"family"`
	Settings models.Settings `json:"settings"`
	Params   int             `json:"params"`
	Funcs    []string        `json:"funcs"`
	Steps    []string        `json:"steps"`
	Data     string          `json:"data"`
	Fields   []port          `json:"fields"` // of the data that training reads
	Epochs   int             `json:"epochs"` // 0 if the model leaves it open
	Batch    int             `json:"batch"`  // 0 if the model leaves it open
	Needs    string          `json:"needs"`
	Results  []modelResult   `json:"results"`
	Error    string          `json:"error,omitempty"`
}

type modelResult struct {
	Measure   string `json:"measure"`
	Reference string `json:"reference"`
	Reached   string `json:"reached"` // "" for no result yet
	Command   string `json:"command"`
}

// modelsCommand lists the models, or shows one.
func (a *app) modelsCommand() *cli.Command {
	return &cli.Command{
		Name: "models", Usage: "list the models by family, or show one", ArgsUsage: "[MODEL]", Flags: []cli.Flag{jsonFlag},
		Description: "Tells what each needs, and its reference beside what was reached here. Of one model, it tells its settings, functions\n" +
			"and steps too.\n\n" +
			"A model that cannot be built is listed too, with its mistakes on stderr (with --json, in its field error); the exit\n" +
			"code is then 1." + a.example("models", "models "+a.exampleModel()),
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return a.showModel(c)
			}
			list, err := a.listModels()
			if c.Bool("json") {
				return errors.Join(a.writeJSON(list), err)
			}
			for i, family := range families(list) {
				if i > 0 {
					fmt.Fprintln(a.out)
				}
				if family != "" {
					fmt.Fprintf(a.out, "%s\n\n", plain(family))
				}
				for _, m := range list {
					if m.Family == family {
						a.printModel(m)
					}
				}
			}
			return err
		},
	}
}

// families are those of list, in its order.
func families(list []modelInfo) []string {
	var all []string
	for _, m := range list {
		if !slices.Contains(all, m.Family) {
			all = append(all, m.Family)
		}
	}
	return all
}

// showModel shows the model that the argument names.
func (a *app) showModel(c *cli.Context) error {
	m, err := a.modelArg(c)
	if err != nil {
		return err
	}
	info, err := modelOf(m)
	if c.Bool("json") {
		return errors.Join(a.writeJSON(info), err)
	}
	if info.Family != "" {
		fmt.Fprintf(a.out, "%s\n\n", plain(info.Family))
	}
	a.printModel(info)
	if err == nil {
		a.printRow("functions", strings.Join(info.Funcs, ", "))
		a.printRow("steps", strings.Join(info.Steps, ", "))
	}
	a.printRow("settings", info.Settings.String())
	for _, name := range sortedKeys(m.Choices) {
		a.printRow("choices", name+": "+strings.Join(m.Choices[name], ", ")+", from 0")
	}
	sets, listErr := data.List("")
	if i := slices.IndexFunc(sets, func(s data.Info) bool { return s.Name == info.Data }); i >= 0 && listErr == nil {
		about := sets[i].Name + ": " + sets[i].About
		if sets[i].Path == "" && !sets[i].Drawn {
			about += "; it is not on this machine: " + sets[i].Get
		}
		a.printRow("data set", about)
	}
	for _, r := range info.Results {
		if r.Command != "" {
			a.printRow("reached by", a.name+" "+r.Command)
		}
	}
	return err
}

// printModel prints what the list says of a model.
func (a *app) printModel(m modelInfo) {
	fmt.Fprintf(a.out, "%s: %s\n", plain(m.Name), plain(m.Doc))
	if m.Error != "" {
		fmt.Fprintf(a.out, "  broken      its mistakes are told at the end\n")
	} else {
		a.printRow("parameters", fmt.Sprint(m.Params))
	}
	a.printRow("data", m.from())
	a.printRow("training", m.training())
	for _, r := range m.Results {
		text := r.Measure + ": no result yet"
		if r.Reached != "" {
			text = r.Measure + ": reached " + r.Reached
		}
		if r.Reference != "" {
			text += "; reference " + r.Reference
		}
		a.printRow("result", text)
	}
}

// printRow prints a line of what is said of a model, unless there is nothing to say.
func (a *app) printRow(name, text string) {
	if text != "" {
		fmt.Fprintf(a.out, "  %-10s  %s\n", name, plain(text))
	}
}

// from is the data that training reads, with its fields.
func (m modelInfo) from() string {
	var fields []string
	for _, f := range m.Fields {
		fields = append(fields, f.Name+" "+f.Type)
	}
	if m.Data == "" && fields == nil {
		return ""
	}
	return strings.TrimSpace(m.Data + " (" + strings.Join(fields, ", ") + ")")
}

// training is how long it trains by default, and what that takes.
func (m modelInfo) training() string {
	var parts []string
	if m.Epochs > 0 {
		parts = append(parts, fmt.Sprintf("%d epochs", m.Epochs))
	}
	if m.Batch > 0 {
		parts = append(parts, fmt.Sprintf("batch %d", m.Batch))
	}
	if m.Needs != "" {
		parts = append(parts, m.Needs)
	}
	return strings.Join(parts, "; ")
}

// listModels tells of all models; the error is of those that cannot be built or called.
func (a *app) listModels() ([]modelInfo, error) {
	list := []modelInfo{}
	var errs []error
	for i, m := range a.models {
		info, err := modelOf(m)
		switch {
		case err != nil:
		case m.Name == "":
			info, err = failed(m, fmt.Errorf("model %d of the program has no Name, so no command can be given it", i+1))
		case slices.ContainsFunc(a.models[:i], func(o models.Model) bool { return o.Name == m.Name }):
			info, err = failed(m, fmt.Errorf("two models are called %s: commands take the first", m.Name))
		}
		if err != nil {
			errs = append(errs, err)
		}
		list = append(list, info)
	}
	return list, errors.Join(errs...)
}

// modelOf tells of one model, also of one that cannot be built.
func modelOf(m models.Model) (modelInfo, error) {
	prog, err := define(m, m.Settings)
	if err != nil {
		return failed(m, err)
	}
	info := described(m)
	info.Params, info.Funcs, info.Steps, info.Fields = prog.ParamCount(), names(prog.Funcs()), names(prog.Steps()), fields(m, prog)
	return info, nil
}

// failed is what is known of a model that has an error.
func failed(m models.Model, err error) (modelInfo, error) {
	info := described(m)
	info.Error = err.Error()
	return info, err
}

// described is what a model says of itself.
func described(m models.Model) modelInfo {
	info := modelInfo{Name: m.Name, Doc: m.Doc, Family: m.Family, Settings: m.Settings, Funcs: []string{}, Steps: []string{}, Data: m.Train.Data, Fields: []port{},
		Epochs: m.Train.Epochs, Batch: m.Train.Batch, Needs: m.Needs, Results: []modelResult{}}
	if info.Settings == nil {
		info.Settings = models.Settings{} // not null in JSON
	}
	if info.Data == "" && m.Train.Generate != nil {
		info.Data = "generated"
	}
	for _, r := range m.Results {
		info.Results = append(info.Results, modelResult(r))
	}
	return info
}

// fields are those of the data that the model is trained and validated on, as the inputs that they feed.
func fields(m models.Model, prog *compiler.Program) []port {
	list := []port{}
	for _, f := range fed(m, prog) {
		for _, v := range f.Inputs {
			name := fieldOf(m, v.Name)
			if !v.IsSize() && !slices.ContainsFunc(list, func(p port) bool { return p.Name == name }) {
				list = append(list, port{Name: name, Type: v.Type.String()})
			}
		}
	}
	return list
}

func names(fs []*graph.Func) []string {
	out := make([]string, len(fs))
	for i, f := range fs {
		out[i] = f.Name
	}
	return out
}
