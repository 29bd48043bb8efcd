package classifier

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/loss"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// Strided is four convolutions that halve the image, with batch normalisation, for images of 32×32 and more.
func Strided() nn.Sequential {
	var s nn.Sequential
	for _, filters := range []int{32, 64, 64, 128} {
		s = append(s, &nn.Conv2D{Filters: filters, Kernel: 3, Same: true, Stride: 2, NoBias: true}, &nn.BatchNorm{}, nn.ReLU)
	}
	return append(s, nn.Flatten)
}

// DefineAttributes builds the program of a classifier of attributes: classify and validate, and the training step. It gives each
// column of a data set's field "attributes" a probability of its own. A column is 0 or 1, as an example has the attribute, or that
// value of it, or not. One with anything else in the batch is a number, such as an age, of which nothing is learned.
func DefineAttributes(s models.Settings) (*compiler.Program, error) {
	m := New(Strided(), s.Int("columns"))
	losses := func(f *graph.Func) *graph.Value {
		logits, has := m.Logits(s.Image(f)), f.Input("attributes", graph.F32, models.Batch, s.Dim("columns"))
		zero, one := has.Scalar(0), has.Scalar(1)
		known := has.Equal(zero).Or(has.Equal(one)).Cast(graph.F32).ReduceMinKeep(0).Expand(models.Batch, s.Dim("columns"))
		right := logits.Greater(zero).Cast(graph.F32).Equal(has).Cast(graph.F32)
		f.Output("accuracy", right.Mul(known).Sum().Div(known.Sum().Max(one)))
		return loss.BCEWithLogits(logits.Mul(known), has.Mul(known)).Mean()
	}

	b := compiler.New("attributes")
	b.Model("", m)
	b.Func("classify", func(f *graph.Func) {
		features := m.Features(s.Image(f))
		f.Output("probabilities", m.Head.Apply(features).Sigmoid())
		f.Output("features", features)
	})
	b.Func("validate", func(f *graph.Func) { f.Output("loss", losses(f)) })
	b.Step("train", optimizer(s), m, losses)
	return b.Compile()
}

// accuracies are the shares of examples whose attributes the classifier calls by their values, one for each attribute that has values:
// yes or no above and below ½, of several names the most probable. An attribute that is neither 0 nor 1 of any example is a number.
func accuracies(ctx context.Context, m models.Measuring) (map[string]float64, error) {
	named, ok := m.Data.(interface{ Columns() []string })
	if !ok || named.Columns() == nil {
		return nil, fmt.Errorf("the data have no attributes with names")
	}
	columns := named.Columns()
	of := groups(columns)
	right, number := map[string]float64{}, map[string]bool{}
	err := models.EachBatch(ctx, m.Data, 250, func(_, n int, x map[string]*tensor.Tensor) error {
		out, err := m.Run(ctx, "classify", map[string]*tensor.Tensor{"image": x["image"]})
		if err != nil {
			return err
		}
		p, has := out["probabilities"].Float64s(), x["attributes"].Float64s()
		for i := range n {
			p, has := p[i*len(columns):(i+1)*len(columns)], has[i*len(columns):(i+1)*len(columns)]
			for name, at := range of {
				number[name] = number[name] || slices.ContainsFunc(at, func(k int) bool { return has[k] != 0 && has[k] != 1 })
				if called(p, at) == called(has, at) {
					right[name] += 1 / float64(m.Data.Len())
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for name := range of {
		if right[name] += 0; number[name] { // one that is never right has an accuracy too
			delete(right, name)
		}
	}
	return right, nil
}

// groups are the places of each attribute's columns, smile or hair=black and those after it.
func groups(columns []string) map[string][]int {
	out := map[string][]int{}
	for k, c := range columns {
		name, _, _ := strings.Cut(c, "=")
		out[name] = append(out[name], k)
	}
	return out
}

// called is the value of the attribute at some of p: 0 or 1 of one column, else which is the largest.
func called(p []float64, at []int) int {
	if len(at) == 1 {
		if p[at[0]] > .5 {
			return 1
		}
		return 0
	}
	best := 0
	for i, k := range at {
		if p[k] > p[at[best]] {
			best = i
		}
	}
	return best
}

// AttributesModel describes the classifier of attributes to the commands.
var AttributesModel = models.Model{
	Name: "attributes", Family: "Classifiers, p(y|x)",
	Doc:     "classifier of all attributes at once, such as smile and hair=blonde: four convolutions and a sigmoid each",
	Needs:   "a quarter of an hour of a shared CPU core, 1 GB",
	Results: []models.Result{{Measure: "accuracy of smile on portraits", Reached: "0.9635", Command: "train attributes --seed 1 --threads 1"}},
	Settings: models.Settings{
		"side": 64, "channels": 3, "columns": 32, "lr": 2e-3, "decay": .05, "steps": 2 * (20000 / 64),
	},
	Limits: limits,
	Define: DefineAttributes,
	Train: models.Training{
		Step: "train", Validate: "validate", Inputs: map[string]string{"image": "image", "attributes": "attributes"},
		Measures: []models.Measure{{Name: "accuracy", Take: accuracies}},
		Data:     "portraits", Epochs: 2, Batch: 64, DropLast: true, Length: "steps",
	},
}
