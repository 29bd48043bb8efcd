package gorgonia_test

import (
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/loss"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/onnxtest"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// torchNumber is number i in [-.5, .5) that testdata/torch_recurrent.py makes for parameter or data k.
func torchNumber(k, i int) float64 { return float64((i*i*7919+(i+1)*(k+1)*104729)%2003)/2003 - .5 }

// torchNumbers are those that fill a shape, times scale.
func torchNumbers(k int, scale float64, shape ...int) *tensor.Tensor {
	t := tensor.New(tensor.F32, shape...)
	for i := range t.Len() {
		t.Set(i, torchNumber(k, i)*scale)
	}
	return t
}

// torchLosses are the losses by step of the models that a program trains, of those that it does.
type torchLosses struct{ LSTM, GRU, Transformer, Critic []float64 }

func (l torchLosses) all() [][]float64 { return [][]float64{l.LSTM, l.GRU, l.Transformer, l.Critic} }

// storedLosses are the losses by step, in PyTorch, of the models that the program testdata/NAME.py trains, as NAME.json has them; and as the
// program prints them, where there is a Python with PyTorch.
func storedLosses(t *testing.T, name string) (losses torchLosses) {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &losses); err != nil {
		t.Fatal(err)
	}
	t.Run("PyTorch", func(t *testing.T) {
		out, err := exec.Command(onnxtest.Python(t, "torch"), "testdata/"+name+".py").Output()
		if err != nil {
			t.Fatal(err)
		}
		var now torchLosses
		if err := json.Unmarshal(out, &now); err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(now.all(), losses.all(), func(a, b []float64) bool { return slices.EqualFunc(a, b, sameLoss) }) {
			t.Errorf("the losses are %v, stored %v", now, losses)
		}
	})
	return losses
}

// tokens are n sequences of whole numbers below vocab, which torchNumber makes for data k, and the same sequences a place later.
func tokens(k, n, places, vocab int) map[string]*tensor.Tensor {
	ids, next := tensor.New(tensor.I64, n, places), tensor.New(tensor.I64, n, places)
	for i := range n {
		for p := range places + 1 {
			token := int64((torchNumber(k, i*(places+1)+p) + .5) * float64(vocab))
			if p < places {
				ids.SetInt(i*places+p, token)
			}
			if p > 0 {
				next.SetInt(i*places+p-1, token)
			}
		}
	}
	return map[string]*tensor.Tensor{"ids": ids, "next": next}
}

// TestRecurrentLosses trains the models of testdata/torch_recurrent.py and compares the losses, step by step, with PyTorch's.
func TestRecurrentLosses(t *testing.T) {
	want := storedLosses(t, "torch_recurrent")
	t.Run("LSTM", func(t *testing.T) {
		const vocab, n, places = 11, 5, 9
		m := nn.Sequential{&nn.Embedding{Vocab: vocab, Dim: 6}, &nn.LSTM{Units: 10}, &nn.LSTM{Units: 10}, &nn.Dense{Units: vocab}}
		b, seq := compiler.New("lstm"), graph.Sym("seq")
		b.Model("", m)
		b.Step("train", optim.Adam{LR: 1e-2}, m, func(f *graph.Func) *graph.Value {
			logits := m.Apply(f.Input("ids", graph.I64, batch, seq))
			return loss.CrossEntropy(logits, f.Input("next", graph.I64, batch, seq)).Mean()
		})
		compareLosses(t, compile(t, b), want.LSTM, func(step int) map[string]*tensor.Tensor { return tokens(step%3, n, places, vocab) })
	})
	t.Run("GRU", func(t *testing.T) {
		const n, places, dim = 4, 8, 3
		m := &struct {
			Body nn.GRU
			Head nn.Dense
		}{nn.GRU{Units: 7, Bidirectional: true}, nn.Dense{Units: 1}}
		b, seq := compiler.New("gru"), graph.Sym("seq")
		b.Model("", m)
		b.Step("train", optim.SGD{LR: 5e-2, Momentum: .9}, m, func(f *graph.Func) *graph.Value {
			lengths := f.Input("lengths", graph.I64, batch)
			h, _ := m.Body.Sequence(f.Input("x", graph.F32, batch, seq, dim), lengths, nil)
			there := f.Arange(seq).Less(lengths.Unsqueeze(1)).Cast(graph.F32)
			return m.Head.Apply(h).Squeeze(-1).Sub(f.Input("y", graph.F32, batch, seq)).Square().Mul(there).Sum().Div(there.Sum())
		})
		compareLosses(t, compile(t, b), want.GRU, func(step int) map[string]*tensor.Tensor {
			return map[string]*tensor.Tensor{"x": torchNumbers(step%2, 2, n, places, dim), "y": torchNumbers(step%2+7, 1, n, places),
				"lengths": tensor.Of([]int64{8, 3, 5, 1}, n)}
		})
	})
}

// sameLoss allows for sums that were taken in another order, in f32, over all steps before.
func sameLoss(a, b float64) bool { return math.Abs(a-b) <= 5e-5*math.Abs(b) }

// compareLosses trains prog on what feed gives for each step, its parameters those of the program in Python.
func compareLosses(t *testing.T, prog *compiler.Program, want []float64, feed func(step int) map[string]*tensor.Tensor) {
	t.Helper()
	state, x := load(t, prog, 1)
	var names []string
	for _, p := range prog.Step("train").Params {
		if p.Op.(graph.Param).Trainable {
			names = append(names, p.Name)
		}
	}
	slices.Sort(names)
	for k, name := range names {
		old, err := state.Tensor(name)
		if err == nil {
			err = state.Set(name, torchNumbers(k, .8, old.Shape()...))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	worst := 0.
	for step, w := range want {
		got := run(t, x, "train", feed(step))["loss"].At(0)
		if !sameLoss(got, w) {
			t.Fatalf("step %d: the loss is %v, in PyTorch %v", step, got, w)
		}
		worst = max(worst, math.Abs(got-w)/w)
	}
	t.Logf("%d steps, off by %.1e at most", len(want), worst)
}
