package gorgonia_test

import (
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/loss"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestTransformerLosses trains a causal transformer of two layers, and a critic that normalises by batches, as testdata/torch_transformer.py
// does, and compares the losses, step by step, with PyTorch's.
func TestTransformerLosses(t *testing.T) {
	want := storedLosses(t, "torch_transformer")
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
		compareLosses(t, compile(t, b), want.Transformer, func(step int) map[string]*tensor.Tensor { return tokens(step%3, n, places, vocab) })
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
}
