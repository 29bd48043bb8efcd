package classifier_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/models/classifier"
	"github.com/sardonyx-ml/sardonyx/compiler/models/modelstest"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// define compiles m with changed settings, and draws its state, running statistics and biases that are not those it starts from.
func define(t *testing.T, m models.Model, changes models.Settings) (*compiler.Program, map[string]*tensor.Tensor) {
	t.Helper()
	prog := modelstest.Define(t, m, changes)
	r := rand.New(rand.NewPCG(1, 2))
	state := modelstest.State(t, prog, r)
	for _, p := range prog.Params() {
		x := state[p.Name]
		switch {
		case strings.HasPrefix(p.Name, "opt."):
		case strings.HasSuffix(p.Name, ".bias"), strings.HasSuffix(p.Name, ".mean"):
			for i := range x.Len() {
				x.Set(i, .2*r.NormFloat64())
			}
		case strings.HasSuffix(p.Name, ".variance"):
			for i := range x.Len() {
				x.Set(i, .3+r.Float64())
			}
		}
	}
	return prog, state
}

// examples draws n images and labels into state.
func examples(state map[string]*tensor.Tensor, n, channels, side, classes int) {
	r := rand.New(rand.NewPCG(3, 4))
	image, label := tensor.New(tensor.F32, n, channels, side, side), tensor.New(tensor.I64, n)
	for i := range image.Len() {
		image.Set(i, r.Float64())
	}
	for i := range n {
		label.Set(i, float64(r.IntN(classes)))
	}
	state["image"], state["label"] = image, label
}

// TestSizes counts the parameters against the published numbers.
func TestSizes(t *testing.T) {
	colour := models.Settings{"side": 32, "channels": 3}
	for _, c := range []struct {
		name     string
		model    models.Model
		settings models.Settings
		buffers  bool // Keras counts running statistics too
		want     int
	}{
		{"Foster's MLP", classifier.MLPModel, colour, false, 646260},
		{"Foster's CNN", classifier.CNNModel, colour, true, 592554},
		{"LeNet-5 with all maps of C3 connected", classifier.LeNetModel, nil, false, 61706},
		{"ResNet-20, option B", classifier.ResNetModel, models.Settings{"side": 32, "channels": 3, "blocks": 3}, false, 272474},
		{"two convolutions", classifier.TwoConvModel, nil, false, 9*32 + 2*32 + 9*32*64 + 2*64 + 7*7*64*10 + 10},
	} {
		prog, _ := define(t, c.model, c.settings)
		got := prog.ParamCount()
		for _, p := range prog.Params() {
			statistics := strings.HasSuffix(p.Name, ".mean") || strings.HasSuffix(p.Name, ".variance")
			if c.buffers && statistics && strings.HasPrefix(p.Name, "body.") {
				n, err := p.Type.Shape[0].Eval(nil)
				if err != nil {
					t.Fatal(err)
				}
				got += n
			}
		}
		if got != c.want {
			t.Errorf("%s has %d parameters, want %d", c.name, got, c.want)
		}
	}
}

// TestFunctions compares the MLP's entry points with plain loops: normalisation, features, probabilities, label and loss.
func TestFunctions(t *testing.T) {
	const n, side, classes = 5, 6, 7
	prog, state := define(t, classifier.MLPModel, models.Settings{"side": side, "classes": classes})
	examples(state, n, 1, side, classes)
	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-4*max(1, math.Abs(want)) {
			t.Errorf("%s is %v, want %v", what, got, want)
		}
	}
	dense := func(layer string, x []float64) []float64 {
		w, y := state[layer+".weight"], state[layer+".bias"].Float64s()
		for j := range y {
			for i, v := range x {
				y[j] += v * w.At(i*len(y)+j)
			}
		}
		return y
	}
	relu := func(x []float64) []float64 {
		for i := range x {
			x[i] = max(x[i], 0)
		}
		return x
	}
	_, got := modelstest.Run(t, prog.Func("classify"), state)
	_, losses := modelstest.Run(t, prog.Func("validate"), state)
	loss := 0.0
	for k := range n {
		x := make([]float64, side*side)
		for i := range x {
			x[i] = (state["image"].At(k*side*side+i) - state["norm.mean"].At(0)) / math.Sqrt(state["norm.variance"].At(0)+1e-5)
		}
		h := relu(dense("body.3", relu(dense("body.1", x))))
		logits := dense("head", h)
		sum, best := 0.0, 0
		for j, v := range logits {
			sum += math.Exp(v)
			if v > logits[best] {
				best = j
			}
		}
		for i, v := range h {
			near("a feature", got["features"].At(k*len(h)+i), v)
		}
		for j, v := range logits {
			near("a probability", got["probabilities"].At(k*classes+j), math.Exp(v)/sum)
		}
		near("the label", got["label"].At(k), float64(best))
		loss -= (logits[int(state["label"].At(k))] - math.Log(sum)) / n
	}
	near("the loss", losses["loss"].At(0), loss)
}

// TestTopK compares the share with a plain count: of equal classes the first is the more probable.
func TestTopK(t *testing.T) {
	logits := tensor.Of([]float32{
		3, 2, 1, 0,
		0, 1, 1, 1,
		-1, -1, -1, -1,
		5, -2, 7, 6,
		1, 2, 3, 3,
	}, 5, 4)
	labels := tensor.Of([]int64{0, 2, 3, 1, 3}, 5)
	places := []int{0, 1, 3, 3, 1} // of the label among the classes, the most probable first
	for k := 1; k <= 4; k++ {
		f := graph.NewFunc("topk", false)
		f.Output("share", classifier.TopK(f.Input("logits", graph.F32, 5, 4), f.Input("labels", graph.I64, 5), k))
		if len(f.Diags) > 0 {
			t.Fatal(f.Diags)
		}
		_, out := modelstest.Run(t, f, map[string]*tensor.Tensor{"logits": logits, "labels": labels})
		want := 0.
		for _, p := range places {
			if p < k {
				want += 1. / 5
			}
		}
		if got := out["share"].At(0); math.Abs(got-want) > 1e-6 {
			t.Errorf("among %d: %v, want %v", k, got, want)
		}
	}
}

// TestTraining runs each classifier's step on one batch: it must learn it by heart, and move every parameter and running
// statistic. Dropout must be off outside of training.
func TestTraining(t *testing.T) {
	const n, side, classes, steps = 8, 12, 4, 30
	for _, m := range classifier.Models {
		t.Run(m.Name, func(t *testing.T) {
			prog, state := define(t, m, models.Settings{"side": side, "classes": classes, "lr": 1e-2, "steps": steps})
			examples(state, n, 1, side, classes)
			state[graph.RandomState] = tensor.Of([]int64{3, 0}, 2)
			step, before := prog.Step("train"), map[string]*tensor.Tensor{}
			for name, x := range state {
				before[name] = x
			}
			var first, last map[string]*tensor.Tensor
			for range steps {
				if last = modelstest.Train(t, step, state); first == nil {
					first = last
				}
			}
			if f, l := first["loss"].At(0), last["loss"].At(0); !(l < .5*f) || last["accuracy"].At(0) < .8 {
				t.Errorf("the loss goes from %v to %v, with an accuracy of %v", f, l, last["accuracy"].At(0))
			}
			for _, p := range prog.Params() {
				moved := false
				for i := range state[p.Name].Len() {
					moved = moved || state[p.Name].At(i) != before[p.Name].At(i)
				}
				if !moved {
					t.Errorf("%s does not change in training", p.Name)
				}
			}
			if prog.Func("classify").Lookup(graph.RandomState) != nil {
				t.Error("classify draws random numbers")
			}
		})
	}
}
