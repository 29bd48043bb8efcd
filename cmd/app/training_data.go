package app

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/data"
	"github.com/sardonyx-ml/sardonyx/runtime/train"
)

// dataName is what the model is to be trained on, a data set's name or a path, "" if it generates its data.
func dataName(c *cli.Context, m models.Model) string { return cmp.Or(c.String("data"), m.Train.Data) }

// readTable reads the data of a model of tables, if it does not generate them, and returns the model of that table.
func readTable(c *cli.Context, m models.Model) (models.Model, *data.Splits, error) {
	from := dataName(c, m)
	if m.For == nil || from == "" {
		return m, nil, nil
	}
	splits, err := openData(c, "data", from, data.ImageOptions{})
	if err != nil {
		return m, nil, err
	}
	var columns []data.Column
	for _, part := range []struct {
		name string
		set  **data.Dataset
	}{{"training", &splits.Train}, {"validation", &splits.Validation}, {"test", &splits.Test}} {
		if *part.set == nil {
			continue
		}
		if *part.set, err = (*part.set).Table(models.Row, columns); err != nil {
			return m, nil, fmt.Errorf("--data %s: the %s part as a table: %w", from, part.name, err)
		}
		columns = splits.Train.Categories
	}
	return ofTable(m, columns), &splits, nil
}

// ofTable is the model m of a table with these columns; nil are its own.
func ofTable(m models.Model, columns []data.Column) models.Model {
	if m.For == nil || columns == nil {
		return m
	}
	var its []models.Column
	for _, c := range columns {
		its = append(its, models.Column(c))
	}
	return m.For(its)
}

// generatedName is what the data that m makes itself are called.
func generatedName(m models.Model) string { return "data that " + m.Name + " generates" }

// runName is what the data of a run of m are called: by the run or, if it does not say it, by the model.
func runName(m models.Model, setup train.Setup) string { return cmp.Or(setup.Data, m.Train.Data) }

// openRunData opens what a flag, or the run of m where flag is "", names: what m generated for the run is made anew.
func openRunData(c *cli.Context, m models.Model, setup train.Setup, flag, from string, opt data.ImageOptions) (data.Splits, error) {
	if m.Train.Generate == nil || from != generatedName(m) {
		return openData(c, flag, from, opt)
	}
	s := maps.Clone(m.Settings)
	maps.Copy(s, setup.Settings)
	return generate(m, s)
}

// trainingData loads the data, by name or from a person's own files, or has the model generate them, and says where they are from.
// A table was read before the model was built.
func (a *app) trainingData(c *cli.Context, m models.Model, prog *compiler.Program, s models.Settings, table *data.Splits) (splits data.Splits, from string, err error) {
	from = dataName(c, m)
	switch {
	case table != nil:
		splits = *table
	case from != "":
		splits, err = openData(c, "data", from, imageOptions(m, prog))
	case m.Train.Generate != nil:
		from = generatedName(m)
		splits, err = generate(m, s)
	default:
		err = usagef(c, "say what to train on: --data NAME or --data PATH")
	}
	if err != nil {
		return splits, "", err
	}
	if n := c.Int("limit"); n > 0 && n < splits.Train.Len() {
		if splits.Train, err = splits.Train.Subset(0, n); err != nil {
			return splits, "", err
		}
	}
	return splits, from, joinFields(&splits, m, prog)
}

// generate is the data that a model makes itself.
func generate(m models.Model, s models.Settings) (splits data.Splits, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("model %s: its Generate panics at %s: %v", m.Name, panicPlace(), r)
		}
	}()
	train, test, err := m.Train.Generate(s)
	if err == nil {
		splits.Train, err = data.FromArrays(train)
	}
	if err == nil && test != nil {
		splits.Test, err = data.FromArrays(test)
	}
	if err != nil {
		return splits, fmt.Errorf("model %s: the data that it generates: %w", m.Name, err)
	}
	for _, c := range m.Columns {
		splits.Train.Categories = append(splits.Train.Categories, data.Column(c))
	}
	return splits, nil
}

// joinFields puts fields side by side for inputs that take several, and makes whole numbers floats for inputs of floats.
func joinFields(splits *data.Splits, m models.Model, prog *compiler.Program) error {
	for _, input := range sortedKeys(m.Train.Inputs) {
		name := m.Train.Inputs[input]
		fields := strings.Split(name, ",")
		if len(fields) < 2 {
			continue
		}
		dtype := tensor.F32
		for _, f := range append(prog.Steps(), prog.Funcs()...) {
			for _, v := range f.Inputs {
				if v.Name == input && v.DType() == graph.I64 {
					dtype = tensor.I64
				}
			}
		}
		for i := range fields {
			fields[i] = strings.TrimSpace(fields[i])
		}
		for _, d := range []**data.Dataset{&splits.Train, &splits.Validation, &splits.Test} {
			if *d == nil || has(*d, name) {
				continue
			}
			var err error
			if *d, err = (*d).Join(name, dtype, fields...); err != nil {
				return fmt.Errorf("for the input %q: %w", input, err)
			}
		}
	}
	return nil
}

// has reports whether d has a field called name.
func has(d *data.Dataset, name string) bool {
	for _, f := range d.Fields() {
		if f.Name == name {
			return true
		}
	}
	return false
}

// augmentFlag changes what is done to the data while training.
var augmentFlag = &cli.StringSliceFlag{Name: "augment", Usage: "change the examples by chance, anew in each epoch, `FIELD:WHAT`, such as image:binarise or 'image:flip,crop 2', instead of the model's own; may be repeated; none leaves the model's own out"}

// noAugmentation is what leaves out the model's own.
const noAugmentation = "none"

// augmentations are those of --augment or else of the model's Training.
func augmentations(c *cli.Context, m models.Model) ([]data.Augmentation, error) {
	var out []data.Augmentation
	texts := c.StringSlice(augmentFlag.Name)
	if slices.Contains(texts, noAugmentation) {
		if len(texts) > 1 {
			return nil, usagef(c, "--augment none is none at all: leave it out, or the others")
		}
		return nil, nil
	}
	for _, text := range texts {
		a, err := data.ParseAugmentation(text)
		if err != nil {
			return nil, usagef(c, "--augment %s: %v", text, err)
		}
		out = append(out, a)
	}
	if out != nil {
		return out, nil
	}
	for _, a := range m.Train.Augment {
		out = append(out, data.Augmentation(a))
	}
	return out, nil
}
