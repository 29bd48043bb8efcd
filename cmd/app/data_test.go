package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/loss"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/train"
)

// table is a classifier of rows of a table: two numbers and a category.
func table(change func(*models.Training)) models.Model {
	m := models.Model{
		Name: "table", Doc: "a classifier of rows",
		Define: func(models.Settings) (*compiler.Program, error) {
			batch := graph.Sym("batch")
			layer := &net{nn.Sequential{&nn.Dense{Units: 2}}}
			loss := func(f *graph.Func) *graph.Value {
				return loss.CrossEntropy(layer.Apply(f.Input("x", graph.F32, batch, 3)), f.Input("label", graph.I64, batch)).Mean()
			}
			b := compiler.New("table")
			b.Model("", layer)
			b.Func("validate", func(f *graph.Func) { f.Output("loss", loss(f)) })
			b.Step("train", optim.SGD{LR: .1}, layer, loss)
			return b.Compile()
		},
		Train: models.Training{Step: "train", Validate: "validate", Inputs: map[string]string{"x": "size, n, hair"}, Epochs: 2, Batch: 2},
	}
	if change != nil {
		change(&m.Train)
	}
	return m
}

// TestTrainTable trains on CSV files by the command.
func TestTrainTable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("train.csv", "size,n,hair,label\n1.5,2,long,no\n2,3,short,yes\n1,3,short,no\n")
	write("test.csv", "size,n,hair,label\n2.5,1,short,yes\n")
	m := table(nil)
	contains(t, mustModel(t, m, "train --data "+dir+" --out "+dir+"/run"), "(3 examples)", "best loss")
	s, err := train.Folder(dir + "/run").Setup()
	if err != nil || fmt.Sprint(s.Classes) != "[no yes]" {
		t.Errorf("the classes are %v, %v", s.Classes, err)
	}
	contains(t, mustModel(t, m, "train --data "+dir+"/train.csv --out "+dir+"/run2"), "(3 examples)")
	for _, tt := range []struct{ file, text, want string }{
		{"train.csv", "size,n,hair,label\n1.5,2,long,no\n2,3,short\n", "train.csv: line 3 has 3 columns, and the first line names 4"},
		{"train.csv", "size,hair,label\n1.5,long,no\n", `for the input "x": the data set has no field "n"`},
	} {
		write(tt.file, tt.text)
		r := modelCommand(m, "train --data "+dir+"/train.csv --out "+dir+"/bad")
		if r.code != exitError || !strings.Contains(r.err, tt.want) || strings.Count(r.err, "\n") != 1 {
			t.Errorf("exit code %d, want %q: %s", r.code, tt.want, r.err)
		}
	}
}

// TestGenerate trains on what a model generates, and on it augmented: interrupted and resumed, to the same bits.
func TestGenerate(t *testing.T) {
	t.Parallel()
	ganOf := func(change func(*models.Training)) models.Model {
		m := dcgan
		m.Train.Generate = func(models.Settings) (train, test map[string]*tensor.Tensor, err error) {
			x := tensor.New(tensor.F32, 60, 1, 8, 8)
			for i := range x.Len() {
				x.Set(i, float64(i*i%251)/250)
			}
			return map[string]*tensor.Tensor{"image": x}, nil, nil
		}
		m.Train.Augment = []models.Augmentation{{Field: "image", Crop: 1, Flip: true, Binarise: true}}
		if change != nil {
			change(&m.Train)
		}
		return m
	}
	dir := t.TempDir()
	m := ganOf(nil)
	contains(t, mustModel(t, m, "train --out "+dir+"/whole"), "on data that dcgan generates (60 examples)")
	half := ganOf(nil)
	ctx, cancel := context.WithCancel(t.Context())
	r := commandOf(ctx, io.Discard, cancelAt{"epoch 2/4", cancel}, []models.Model{half}, "train --out "+dir+"/half")
	if r.code != exitError || !strings.Contains(r.err, "--resume") {
		t.Fatalf("interrupted: %s", r.err)
	}
	mustModel(t, half, "train --threads 1 --resume --out "+dir+"/half")
	if got, want := checkpoints(t, dir+"/half"), checkpoints(t, dir+"/whole"); !slices.Equal(got, want) {
		t.Errorf("interrupted, the run ends with %v, the unbroken one with %v", got, want)
	}
	mustModel(t, ganOf(func(t *models.Training) { t.Augment = nil }), "train --out "+dir+"/plain")
	if slices.Equal(checkpoints(t, dir+"/plain"), checkpoints(t, dir+"/whole")) {
		t.Error("augmentation changes nothing")
	}
	mustModel(t, m, "train --augment none --out "+dir+"/none")
	if got, want := checkpoints(t, dir+"/none"), checkpoints(t, dir+"/plain"); !slices.Equal(got, want) {
		t.Errorf("without augmentation the run ends with %v, that of a model without one with %v", got, want)
	}
	if r := modelCommand(m, "train --augment none --augment image:flip --out "+dir+"/both"); r.code != exitUsage || !strings.Contains(r.err, "--augment none is none at all") {
		t.Errorf("none and one: exit code %d: %s", r.code, r.err)
	}
	mustModel(t, m, "train --limit 20 --out "+dir+"/limit")

	for want, m := range map[string]models.Model{
		`augment was ["image: crop 1, flip, binarise"] and is not set`: ganOf(func(t *models.Training) { t.Augment = nil }),
	} {
		if r := modelCommand(m, "train --resume --out "+dir+"/whole"); r.code != exitError || !strings.Contains(r.err, want) {
			t.Errorf("want %q: %s", want, r.err)
		}
	}
	for want, change := range map[string]func(*models.Training){
		`no field "frob" to augment`:       func(t *models.Training) { t.Augment[0].Field = "frob" },
		`both Data, "mnist", and Generate`: func(t *models.Training) { t.Data = "mnist" },
		"data that it generates: no luck": func(t *models.Training) {
			t.Generate = func(models.Settings) (a, b map[string]*tensor.Tensor, err error) {
				return nil, nil, errors.New("no luck")
			}
		},
		"data that it generates: a data set needs at ": func(t *models.Training) {
			t.Generate = func(models.Settings) (a, b map[string]*tensor.Tensor, err error) { return }
		},
		"its Generate panics at ": func(t *models.Training) {
			t.Generate = func(models.Settings) (a, b map[string]*tensor.Tensor, err error) { panic("no luck") }
		},
	} {
		if r := modelCommand(ganOf(change), "train --out "+dir+"/bad"); r.code != exitError || !strings.Contains(r.err, want) || strings.Count(r.err, "\n") != 1 {
			t.Errorf("want %q: %s", want, r.err)
		}
	}
}
