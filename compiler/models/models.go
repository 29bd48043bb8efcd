// Package models describes models to the commands that train, export and sample them. The zoo's families live in the
// packages below it, one each; a person's own program describes its model the same way and gets the same commands.
package models

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// A Model is what the commands need to know of one model.
type Model struct {
	Name string // on the command line: "vae"
	Doc  string // one line: what it is and where it is from

	// Family is the heading that it is listed under, with its kind; "" is none.
	Family string
	// Needs is what its training takes beside the data, roughly: "20 min on two CPU cores, 1 GB".
	Needs   string
	Results []Result // what it is known to reach

	// Settings are the numbers a person may change with --set, with their defaults.
	Settings Settings
	// Limits are what the settings may be, which the commands check: [Usual], with changes, are those of the zoo. nil checks nothing.
	Limits Limits
	// Choices are the names of the settings that are one of several things: --set takes a name, and the setting is its place among
	// them, from 0.
	Choices map[string][]string

	// Define builds the program.
	Define func(s Settings) (*compiler.Program, error)

	// Columns are those of the table that it is a model of, if it is of tables; For is then the same model of another table, such as
	// a CSV file. The data's field [Row] has a row's values side by side.
	Columns []Column
	For     func(columns []Column) Model

	Train   Training
	Sample  Sampling
	Density Density
	Edit    Editing
}

// A Density says how the likelihood of examples under the model is found: by a Func of log weights ln p(x,z)/q(z|x), whose mean, as
// weights, is p(x) (Burda et al. 2016). Its other inputs are fed with the data, as training's are.
type Density struct {
	Func  string // its only output is log weights [batch draws]
	Noise string // its input of standard normal noise, [batch draws ...]
	Image string // its input whose numbers are the dimensions, of bits a dimension
}

// Row is the field of a table's rows, i64 [columns]: places among the values of each column.
const Row = "row"

// A Result is how good a model is by one measure: as published, and as this definition was trained.
type Result struct {
	Measure   string // of what: "accuracy on MNIST's test part"
	Reference string // and whose: "0.993 (Foster 2023)"
	Reached   string // "" for no result yet
	Command   string // that reached it, after the program's name: "train cnn --data mnist --seed 1"
}

// Training says how the model is trained by default.
type Training struct {
	Step   string // the Step to run on each batch, or
	Rhythm Rhythm // several Steps in turn, or
	// Fit sets the state from the data, for a model in closed form, which has no gradient step; what it returns are metrics.
	Fit func(ctx context.Context, set Settings, s State, train Examples) (map[string]float64, error)
	// Inputs are the Steps' inputs and the data set fields that feed them: {"x": "image"}. An input that is not named is fed
	// by the field of its own name. Several fields of one number an example, such as columns of a table, are put side by side:
	// {"x": "height,width"}.
	Inputs map[string]string
	// Validate is a Func with the same inputs whose outputs are averaged over the test split; "" for none.
	Validate string
	Measures []Measure // what else is measured
	// Best is the metric that decides which checkpoint is best, of Validate or a Measure or, without a Validate, of training; "" is
	// "loss". The best is the lowest, or the Highest.
	Best    string
	Highest bool
	Data    string // the data set's name; "" leaves it to --data
	// Generate makes the data instead, where they are not read: fields for training and, if test is not nil, for validation, each
	// [examples, ...]. It makes the same ones each time.
	Generate func(s Settings) (train, test map[string]*tensor.Tensor, err error)
	Augment  []Augmentation // what is done to the data while training
	Epochs   int
	Batch    int
	DropLast bool // leave out an epoch's last batch if it is short
	// Length is the setting that is the number of batches of the whole training, as for a schedule of the learning rate, where it is
	// not chosen otherwise; "" for none. A run that is resumed keeps its own.
	Length string
}

// Images are the inputs and outputs of f that are images in [0, 1]: f32[batch, 1 or 3, height, width] that are called image, as the field
// of data is, are fed by it in training, or are shown or edited as such.
func (m Model) Images(f *graph.Func) []string {
	names := []string{ImageField, m.Sample.Image}
	if output, kind := m.Sample.Shown(); kind.Name == Images.Name {
		names = append(names, output)
	}
	for input, field := range m.Train.Inputs {
		if field == ImageField {
			names = append(names, input)
		}
	}
	var out []string
	add := func(name string, v *graph.Value) {
		s := v.Shape()
		if slices.Contains(names, name) && v.DType() == graph.F32 && len(s) == 4 && (s[1] == 1 || s[1] == 3) {
			out = append(out, name)
		}
	}
	for _, v := range f.Inputs {
		add(v.Name, v)
	}
	for _, o := range f.Outputs {
		add(o.Name, o.Value)
	}
	return out
}

// An Augmentation changes a field of each example by chance, in the order of its members, anew in each epoch; data.Augmentation
// says how. Of the data that validate, fields are only binarised, always alike.
type Augmentation struct {
	Field    string
	Crop     int  // pixels of zeros are put around, and the size that it had is cut out at random
	Flip     bool // left to right, half of the time
	Binarise bool // each element in [0, 1] becomes 1 with that probability, else 0
}

// Turns are the Rhythm of t, which is its Step again and again if that is all; nil if there is neither.
func (t Training) Turns() Rhythm {
	if t.Step != "" {
		return Rhythm{{Step: t.Step}}
	}
	return t.Rhythm
}

// Settings are a model's numbers by name.
type Settings map[string]float64

// Int is the setting called name as an integer. A missing name is a bug in the model and panics; a value that is no whole
// number panics with a [SettingError], which the commands report.
func (s Settings) Int(name string) int {
	v := s.Float(name)
	if v != math.Trunc(v) || math.Abs(v) > 1<<40 {
		panic(SettingError{name, v})
	}
	return int(v)
}

// A SettingError says that a setting is not the whole number that a model needs.
type SettingError struct {
	Name  string
	Value float64
}

// Error names the setting.
func (e SettingError) Error() string {
	return fmt.Sprintf("setting %s is %v, want a whole number", e.Name, e.Value)
}

// Dim is the setting called name as the size of an axis, read as by [Settings.Int]. A negative one is -1, which no axis can be: large
// negative numbers are symbols.
func (s Settings) Dim(name string) graph.Dim { return graph.Dim(max(s.Int(name), -1)) }

// Float is the setting called name. A missing name is a bug in the model and panics.
func (s Settings) Float(name string) float64 {
	v, ok := s[name]
	if !ok {
		panic(fmt.Sprintf("models: no setting %q", name))
	}
	return v
}

// With returns the defaults s with changes applied; a name that s lacks is an error.
func (s Settings) With(changes Settings) (Settings, error) {
	out := maps.Clone(s)
	for _, name := range slices.Sorted(maps.Keys(changes)) {
		if v := changes[name]; math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("setting %s is %v, want a number", name, v)
		}
		if _, ok := s[name]; !ok {
			return nil, fmt.Errorf("no setting is called %q: there are %s", name, s)
		}
		out[name] = changes[name]
	}
	return out, nil
}

// String lists the settings, name=value, sorted.
func (s Settings) String() string {
	var p []string
	for _, name := range slices.Sorted(maps.Keys(s)) {
		p = append(p, fmt.Sprintf("%s=%v", name, s[name]))
	}
	return strings.Join(p, ", ")
}
