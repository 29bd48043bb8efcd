package models_test

import (
	"context"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// program has the Funcs draw, z to image, and check, x to loss, and the named Steps, x to loss.
func program(t *testing.T, steps ...string) *compiler.Program {
	t.Helper()
	layer := &nn.Dense{Units: 2}
	b := compiler.New("pair")
	b.Model("layer", layer)
	loss := func(f *graph.Func) *graph.Value { return layer.Apply(f.Input("x", graph.F32, 3, 2)).Mean() }
	b.Func("draw", func(f *graph.Func) { f.Output("image", layer.Apply(f.Input("z", graph.F32, 3, 2))) })
	b.Func("check", func(f *graph.Func) { f.Output("loss", loss(f)) })
	for _, name := range steps {
		b.Step(name, optim.SGD{LR: 1}, layer, loss)
	}
	prog, err := b.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return prog
}

func fit(context.Context, models.Settings, models.State, models.Examples) (map[string]float64, error) {
	return nil, nil
}

// TestHalfFilled has models that lack something, or that contradict their programs.
func TestHalfFilled(t *testing.T) {
	prog, none := program(t, "train", "tune"), program(t)
	check := func(m models.Model, p *compiler.Program) error { return m.Check(p) }
	trainable := func(m models.Model, p *compiler.Program) error { return m.Trainable(p) }
	samplable := func(m models.Model, p *compiler.Program) error { return m.Samplable(p) }
	for _, c := range []struct {
		name  string
		test  func(models.Model, *compiler.Program) error
		prog  *compiler.Program
		train models.Training
		draw  models.Sampling
		want  string // "" for no error
	}{
		{"whole", check, prog, models.Training{Step: "train", Validate: "check", Inputs: map[string]string{"x": "image"}, Data: "mnist", Epochs: 1, Batch: 1},
			models.Sampling{Func: "draw", Noise: "z", Image: "image"}, ""},
		{"empty", check, prog, models.Training{}, models.Sampling{}, ""},
		{"unknown Step", check, prog, models.Training{Step: "frob"}, models.Sampling{}, `the step "frob", which it does not define: it has train, tune`},
		{"no Steps at all", check, none, models.Training{Step: "frob"}, models.Sampling{}, "it has none"},
		{"unknown Validate", check, prog, models.Training{Validate: "frob"}, models.Sampling{}, `the function "frob", which it does not define: it has draw, check`},
		{"a Step to validate", check, prog, models.Training{Validate: "train"}, models.Sampling{}, `the function "train", which it does not define`},
		{"unknown input", check, prog, models.Training{Step: "train", Inputs: map[string]string{"y": "image"}}, models.Sampling{}, `feed "y", and the step "train" has no such input: it has x`},
		{"Epochs", check, prog, models.Training{Epochs: -1}, models.Sampling{}, "has -1 Epochs"},
		{"Batch", check, prog, models.Training{Batch: -2}, models.Sampling{}, "a Batch of -2"},
		{"both", check, prog, models.Training{Step: "train", Rhythm: models.Rhythm{{Step: "tune"}}}, models.Sampling{}, `both a Step, "train", and a Rhythm`},
		{"a Rhythm", check, prog, models.Training{Rhythm: models.Rhythm{{Step: "train", Times: 5, Fresh: true}, {Step: "tune"}}, Inputs: map[string]string{"x": "image"}}, models.Sampling{}, ""},
		{"a Turn without a Step", check, prog, models.Training{Rhythm: models.Rhythm{{Times: 5}}}, models.Sampling{}, `a Turn of its Rhythm has no Step: there are train, tune`},
		{"an unknown Turn", check, prog, models.Training{Rhythm: models.Rhythm{{Step: "train"}, {Step: "gen"}}}, models.Sampling{}, `has the step "gen", which it does not define: it has train, tune`},
		{"Times", check, prog, models.Training{Rhythm: models.Rhythm{{Step: "train", Times: -1}}}, models.Sampling{}, `runs the step "train" -1 Times`},
		{"many Times", check, prog, models.Training{Rhythm: models.Rhythm{{Step: "train", Times: 1 << 60}}}, models.Sampling{}, `more than 10000 runs`},
		{"inputs of a Rhythm", check, prog, models.Training{Rhythm: models.Rhythm{{Step: "train"}, {Step: "tune"}}, Inputs: map[string]string{"y": "image"}}, models.Sampling{}, `feed "y", and the steps train, tune have no such input`},
		{"Data and Generate", check, prog, models.Training{Step: "train", Data: "mnist", Generate: func(models.Settings) (a, b map[string]*tensor.Tensor, err error) { return }}, models.Sampling{}, `both Data, "mnist", and Generate`},
		{"a Measure", check, prog, models.Training{Step: "train", Measures: []models.Measure{{Func: "check"}}}, models.Sampling{}, ""},
		{"an unknown Measure", check, prog, models.Training{Step: "train", Measures: []models.Measure{{Func: "frob"}}}, models.Sampling{}, `the measure "frob" is of the function "frob", which it does not define: it has draw, check`},
		{"Fit and a Step", check, prog, models.Training{Step: "train", Fit: fit}, models.Sampling{}, "both a Fit, which needs no Step, and the Steps train"},
		{"Fit", trainable, none, models.Training{Fit: fit}, models.Sampling{}, ""},
		{"unknown Func", check, prog, models.Training{}, models.Sampling{Func: "frob"}, `the function "frob"`},
		{"unknown Noise", check, prog, models.Training{}, models.Sampling{Func: "draw", Noise: "x"}, `Noise of its Sampling is "x", and the function "draw" has no such input: it has z`},
		{"unknown Image", check, prog, models.Training{}, models.Sampling{Func: "draw", Image: "y"}, `Image of its Sampling is "y", and the function "draw" has no such output: it has image`},

		{"Inputs", check, prog, models.Training{}, models.Sampling{Func: "draw", Inputs: map[string]models.Feed{"z": models.Uniform}, Output: "image", Kind: models.Points}, ""},
		{"an input twice", check, prog, models.Training{}, models.Sampling{Func: "draw", Noise: "z", Inputs: map[string]models.Feed{"z": models.Uniform}}, `the input "z" both as Noise and in Inputs`},
		{"an unknown Inputs", check, prog, models.Training{}, models.Sampling{Func: "draw", Inputs: map[string]models.Feed{"label": models.Label(3)}}, `feed "label", and the function "draw" has no such input: it has z`},
		{"a label of floats", check, prog, models.Training{}, models.Sampling{Func: "draw", Inputs: map[string]models.Feed{"z": models.Label(3)}}, `the input "z" of "draw" is f32[3 2], and a label of 3 classes is integers [batch] or floats [batch 3]`},
		{"a one-hot label", check, prog, models.Training{}, models.Sampling{Func: "draw", Inputs: map[string]models.Feed{"z": models.Label(2)}}, ""},
		{"classes", check, prog, models.Training{}, models.Sampling{Func: "draw", Inputs: map[string]models.Feed{"z": models.Label(-2)}}, "has -2 classes"},
		{"odd noise", check, prog, models.Training{}, models.Sampling{Func: "draw", Inputs: map[string]models.Feed{"z": {Noise: "pink"}}}, `is "pink" noise: want normal or uniform`},
		{"Image and Output", check, prog, models.Training{}, models.Sampling{Func: "draw", Image: "image", Output: "image"}, "both an Image"},
		{"unknown Output", check, prog, models.Training{}, models.Sampling{Func: "draw", Output: "frob", Kind: models.Points}, `the Output of its Sampling is "frob"`},

		{"a Step", trainable, prog, models.Training{Step: "train"}, models.Sampling{}, ""},
		{"a Rhythm to train by", trainable, prog, models.Training{Rhythm: models.Rhythm{{Step: "tune"}}}, models.Sampling{}, ""},
		{"an empty Rhythm", trainable, prog, models.Training{Rhythm: models.Rhythm{}}, models.Sampling{}, "set Step to one of the program's, or Rhythm"},
		{"no Step", trainable, prog, models.Training{Data: "mnist", Epochs: 3, Batch: 2}, models.Sampling{}, "its Training has Data, Epochs, Batch but no Step; set Step to one of the program's, or Rhythm to several: train, tune"},
		{"no Training", trainable, prog, models.Training{}, models.Sampling{}, "its Training is empty; set Step to one of the program's, or Rhythm to several: train, tune"},
		{"nothing to train", trainable, none, models.Training{Data: "mnist"}, models.Sampling{}, "it defines no Step"},

		{"all", samplable, prog, models.Training{}, models.Sampling{Func: "draw", Noise: "z", Image: "image"}, ""},
		{"no Sampling", samplable, prog, models.Training{}, models.Sampling{}, "its Sampling is empty; set Func to one of the program's: draw, check"},
		{"no Func", samplable, prog, models.Training{}, models.Sampling{Noise: "z", Image: "image"}, "has Noise and Image but no Func; set Func to one of the program's: draw, check"},
		{"no Noise", samplable, prog, models.Training{}, models.Sampling{Func: "draw", Image: "image"}, "has Func and Image but no Noise; the function draw has the inputs z and the outputs image"},
		{"Inputs and an Output", samplable, prog, models.Training{}, models.Sampling{Func: "draw", Inputs: map[string]models.Feed{"z": models.Normal}, Output: "image", Kind: models.Points}, ""},
		{"no Kind", samplable, prog, models.Training{}, models.Sampling{Func: "draw", Noise: "z", Output: "image"}, "has Func and Noise and Output but no Kind"},
		{"an input that nothing feeds", samplable, prog, models.Training{}, models.Sampling{Func: "check", Noise: "x2", Inputs: map[string]models.Feed{}, Output: "loss", Kind: models.Points}, "nothing in its Sampling feeds the input x of the function check: add it to Inputs"},
		{"Func alone", samplable, prog, models.Training{}, models.Sampling{Func: "draw"}, "has Func but no Noise and no Image"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.test(models.Model{Name: "pair", Train: c.train, Sample: c.draw}, c.prog)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "model pair")) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
