package classifier_test

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/models/classifier"
	"github.com/sardonyx-ml/sardonyx/compiler/models/modelstest"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// faces are examples with attributes: smile, hair of three values, and an age, which is a number.
type faces struct{ image, attributes *tensor.Tensor }

func (f faces) Len() int { return f.image.Dim(0) }

func (f faces) Columns() []string {
	return []string{"smile", "hair=black", "hair=red", "hair=grey", "age"}
}

func (f faces) Take(rows ...int) (map[string]*tensor.Tensor, error) {
	return map[string]*tensor.Tensor{"image": f.image, "attributes": f.attributes}, nil // all at once
}

// TestAttributes compares the loss and the accuracies of a classifier of attributes with their definitions in plain loops over what
// classify gives; a number counts for nothing.
func TestAttributes(t *testing.T) {
	const n, columns = 5, 5
	m := classifier.AttributesModel
	prog, state := define(t, m, models.Settings{"side": 16, "columns": columns})
	examples(state, n, 3, 16, 2)
	attributes := tensor.Of([]float32{
		1, 1, 0, 0, 31,
		0, 0, 1, 0, 44.5,
		1, 0, 0, 1, 0, // of a number too
		1, 0, 1, 0, 1,
		0, 0, 0, 1, 1e3,
	}, n, columns)
	state["attributes"] = attributes
	_, out := modelstest.Run(t, prog.Func("validate"), state)
	_, called := modelstest.Run(t, prog.Func("classify"), state)
	p := called["probabilities"]

	loss, right, smile, hair := 0., 0., 0., 0.
	for i := range n {
		for k := range columns - 1 {
			has, p := attributes.At(i*columns+k), p.At(i*columns+k)
			loss -= (has*math.Log(p) + (1-has)*math.Log(1-p)) / n
			if (p > .5) == (has == 1) {
				right += 1. / (n * (columns - 1))
			}
		}
		loss += math.Ln2 / n // of the number, which says nothing, whatever is said
		if (p.At(i*columns) > .5) == (attributes.At(i*columns) == 1) {
			smile += 1. / n
		}
		best := 1
		for k := 2; k < 4; k++ {
			if p.At(i*columns+k) > p.At(i*columns+best) {
				best = k
			}
		}
		hair += attributes.At(i*columns+best) / n
	}
	for name, want := range map[string]float64{"loss": loss, "accuracy": right} {
		if got := out[name].At(0); math.Abs(got-want) > 1e-4 {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	measure := m.Train.Measures[0]
	classify := func(_ context.Context, name string, in map[string]*tensor.Tensor) (map[string]*tensor.Tensor, error) {
		state["image"] = in["image"]
		_, out := modelstest.Run(t, prog.Func(name), state)
		return out, nil
	}
	got, err := measure.Take(t.Context(), models.Measuring{Run: classify, Data: faces{state["image"], attributes}})
	if err != nil || len(got) != 2 || math.Abs(got["smile"]-smile) > 1e-9 || math.Abs(got["hair"]-hair) > 1e-9 {
		t.Errorf("the accuracies are %v, want smile %v and hair %v; %v", got, smile, hair, err)
	}
	if _, err := measure.Take(t.Context(), models.Measuring{Run: classify, Data: nameless{}}); err == nil || !strings.Contains(err.Error(), "no attributes") {
		t.Errorf("data without attributes: %v", err)
	}
}

type nameless struct{ faces }

func (nameless) Columns() []string { return nil }
