package gorgonia_test

import (
	"encoding/json"
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

// torchTransformer are the losses by step of the models of testdata/torch_transformer.py, in PyTorch.
type torchTransformer struct{ Transformer, Critic []float64 }

// TestTransformerLosses trains a causal transformer of two layers, and a critic that normalises by batches, as testdata/torch_transformer.py
// does, and compares the losses, step by step, with PyTorch's in testdata/torch_transformer.json, and those with what the program prints,
// where there is a Python with PyTorch.
func TestTransformerLosses(t *testing.T) {
	data, err := os.ReadFile("testdata/torch_transformer.json")
	if err != nil {
		t.Fatal(err)
	}
	var want torchTransformer
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	t.Run("transformer", func(t *testing.T) {
		const vocab, width, heads, n, places = 13, 12, 3, 4, 10
		m := &struct {
			Tok    nn.Embedding
			Pos    nn.Positions
			Blocks nn.Sequential
			Norm   nn.LayerNorm
		}{Tok: nn.Embedding{Vocab: vocab, Dim: width}, Pos: nn.Positions{Len: 16}, Blocks: nn.Repeat(2, func(int) nn.Module {
			return nn.Sequential{
				nn.Residual{&nn.LayerNorm{}, &nn.Attention{Heads: heads, Causal: true}},
				nn.Residual{&nn.LayerNorm{}, &nn.Dense{Units: 4 * width}, nn.GELU, &nn.Dense{Units: width}},
			}
		})}
		b, seq := compiler.New("transformer"), graph.Sym("seq")
		b.Model("", m)
		b.Step("train", optim.AdamW{LR: 3e-3}, m, func(f *graph.Func) *graph.Value {
			logits := m.Tok.Attend(m.Norm.Apply(m.Blocks.Apply(m.Pos.Apply(m.Tok.Apply(f.Input("ids", graph.I64, batch, seq))))))
			return loss.CrossEntropy(logits, f.Input("next", graph.I64, batch, seq)).Mean()
		})
		compareLosses(t, compile(t, b), want.Transformer, func(step int) map[string]*tensor.Tensor {
			ids, next := tensor.New(tensor.I64, n, places), tensor.New(tensor.I64, n, places)
			for i := range n {
				for k := range places + 1 {
					token := int64((torchNumber(step%3, i*(places+1)+k) + .5) * vocab)
					if k < places {
						ids.SetInt(i*places+k, token)
					}
					if k > 0 {
						next.SetInt(i*places+k-1, token)
					}
				}
			}
			return map[string]*tensor.Tensor{"ids": ids, "next": next}
		})
	})
	t.Run("critic", func(t *testing.T) {
		const n = 6
		m := nn.Sequential{
			&nn.Conv2D{Filters: 5, Kernel: 3, Pad: 1}, &nn.BatchNorm{}, nn.LeakyReLU(.2), &nn.GroupNorm{Groups: 1}, &nn.InstanceNorm{},
			nn.Flatten, &nn.Dense{Units: 7}, &nn.BatchNorm{}, nn.Tanh, &nn.RMSNorm{}, &nn.Dense{Units: 1},
		}
		b := compiler.New("critic")
		b.Model("", m)
		b.Step("train", optim.SGD{LR: 5e-3, Momentum: .9}, m, func(f *graph.Func) *graph.Value {
			real, fake := f.Input("real", graph.F32, batch, 2, 4, 4), f.Input("fake", graph.F32, batch, 2, 4, 4)
			return m.Apply(real).Shift(-1).Square().Mean().Add(m.Apply(fake).Square().Mean())
		})
		compareLosses(t, compile(t, b), want.Critic, func(step int) map[string]*tensor.Tensor {
			return map[string]*tensor.Tensor{"real": torchNumbers(step%3, 2, n, 2, 4, 4), "fake": torchNumbers(step%3+5, 3, n, 2, 4, 4)}
		})
	})
	t.Run("PyTorch", func(t *testing.T) {
		out, err := exec.Command(onnxtest.Python(t, "torch"), "testdata/torch_transformer.py").Output()
		if err != nil {
			t.Fatal(err)
		}
		var now torchTransformer
		if err := json.Unmarshal(out, &now); err != nil {
			t.Fatal(err)
		}
		for _, c := range [][2][]float64{{now.Transformer, want.Transformer}, {now.Critic, want.Critic}} {
			if !slices.EqualFunc(c[0], c[1], sameLoss) {
				t.Errorf("the losses are %v, stored %v", c[0], c[1])
			}
		}
	})
}
