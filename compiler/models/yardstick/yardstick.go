// Package yardstick has four training steps by which engines and libraries are compared: a multi-layer perceptron, a convolutional
// net, a transformer and a pair of adversaries, each small enough for a CPU. They have the shapes, losses and optimizers of
// docs/torch_steps.py, which is their twin in PyTorch; their inputs are drawn, not read.
package yardstick

import (
	"math"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/loss"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// adam is Adam as PyTorch has it by default.
var adam = optim.Adam{LR: 1e-3}

// VAE is the variational autoencoder 784-512-20-512-784 (Kingma and Welling 2014).
func VAE(models.Settings) (*compiler.Program, error) {
	m := &struct{ Enc, Mu, LogVar, Dec, Out nn.Dense }{nn.Dense{Units: 512}, nn.Dense{Units: 20}, nn.Dense{Units: 20}, nn.Dense{Units: 512}, nn.Dense{Units: 784}}
	b := compiler.New("step-vae")
	b.Model("", m)
	b.Step("train", adam, m, func(f *graph.Func) *graph.Value {
		x := f.Input("image", graph.F32, models.Batch, 784)
		h := m.Enc.Apply(x).ReLU()
		mu, logVar := m.Mu.Apply(h), m.LogVar.Apply(h)
		y := m.Out.Apply(m.Dec.Apply(nn.Reparameterise(mu, logVar, mu.NormalLike())).ReLU())
		return loss.BCEWithLogits(y, x).Add(loss.KLNormal(mu, logVar)).Mean()
	})
	return b.Compile()
}

// CNN is two convolutions of 32 and 64 filters with pooling, and two dense layers.
func CNN(models.Settings) (*compiler.Program, error) {
	m := nn.Sequential{
		&nn.Conv2D{Filters: 32, Kernel: 3, Pad: 1}, nn.ReLU, nn.MaxPool2D(2, 2),
		&nn.Conv2D{Filters: 64, Kernel: 3, Pad: 1}, nn.ReLU, nn.MaxPool2D(2, 2),
		nn.Flatten, &nn.Dense{Units: 128}, nn.ReLU, &nn.Dense{Units: 10},
	}
	b := compiler.New("step-cnn")
	b.Model("", m)
	b.Step("train", adam, m, func(f *graph.Func) *graph.Value {
		logits := m.Apply(f.Input("image", graph.F32, models.Batch, 1, 28, 28))
		return loss.CrossEntropy(logits, f.Input("label", graph.I64, models.Batch)).Mean()
	})
	return b.Compile()
}

// Checkpoint is the setting of [GPT] that has each block computed again for the backward pass, if it is 1.
const Checkpoint = "checkpoint"

// GPT is a transformer that predicts the next of 96 tokens (Radford et al. 2018); depth, width, heads, context and vocabulary are
// settings. With checkpoint, the backward pass computes each block again.
func GPT(s models.Settings) (*compiler.Program, error) {
	width, vocab := s.Int("width"), s.Int("vocab")
	m := &struct {
		Tok    nn.Embedding
		Pos    nn.Positions
		Blocks nn.Sequential
		Norm   nn.LayerNorm
		Head   nn.Dense
	}{
		Tok: nn.Embedding{Vocab: vocab, Dim: width}, Pos: nn.Positions{Len: s.Int("context")}, Head: nn.Dense{Units: vocab},
		Blocks: nn.Repeat(s.Int("depth"), func(int) nn.Module {
			block := nn.Sequential{
				nn.Residual{&nn.LayerNorm{}, &nn.Attention{Heads: s.Int("heads"), Causal: true}},
				nn.Residual{&nn.LayerNorm{}, &nn.Dense{Units: 4 * width}, nn.GELU, &nn.Dense{Units: width}},
			}
			if s.Int(Checkpoint) == 1 {
				return nn.Checkpoint(block)
			}
			return block
		}),
	}
	b := compiler.New("step-gpt")
	b.Model("", m)
	b.Step("train", adam, m, func(f *graph.Func) *graph.Value {
		ids, next := f.Input("token", graph.I64, models.Batch, s.Dim("context")), f.Input("label", graph.I64, models.Batch, s.Dim("context"))
		logits := m.Head.Apply(m.Norm.Apply(m.Blocks.Apply(m.Pos.Apply(m.Tok.Apply(ids)))))
		return loss.CrossEntropy(logits, next).Mean()
	})
	return b.Compile()
}

// DCGAN is a generator of 32×32 images in colour and its critic (Radford et al. 2016), which are updated in turn.
func DCGAN(models.Settings) (*compiler.Program, error) {
	up := func(filters int) nn.Sequential {
		return nn.Sequential{&nn.ConvTranspose2D{Filters: filters, Kernel: 4, Stride: 2, Pad: 1, NoBias: true}, &nn.BatchNorm{}, nn.ReLU}
	}
	down := func(filters int) nn.Sequential {
		return nn.Sequential{&nn.Conv2D{Filters: filters, Kernel: 4, Stride: 2, Pad: 1}, nn.LeakyReLU(.2)}
	}
	gen := nn.Sequential{
		&nn.Dense{Units: 256 * 16}, nn.Reshape(256, 4, 4), up(128), up(64),
		&nn.ConvTranspose2D{Filters: 3, Kernel: 4, Stride: 2, Pad: 1}, nn.Tanh,
	}
	critic := nn.Sequential{down(64), down(128), down(256), nn.Flatten, &nn.Dense{Units: 1}}
	fake := func(f *graph.Func) *graph.Value { return gen.Apply(f.RandomNormal(graph.F32, models.Batch, 100)) }

	b := compiler.New("step-dcgan")
	b.Model("gen", gen)
	b.Model("critic", critic)
	opt := optim.Adam{LR: 2e-4, Beta1: .5}
	b.Step("critic", opt, critic, func(f *graph.Func) *graph.Value {
		real := f.Input("image", graph.F32, models.Batch, 3, 32, 32)
		return loss.GAN{}.Critic(critic.Apply(real), critic.Apply(fake(f).Detach())).Mean()
	})
	b.Step("generator", opt, gen, func(f *graph.Func) *graph.Value {
		return loss.GAN{}.Generator(critic.Apply(fake(f))).Mean()
	})
	return b.Compile()
}

// model describes a yardstick, of a batch.
func model(name, doc string, batch int, s models.Settings, define func(models.Settings) (*compiler.Program, error), steps ...string) models.Model {
	m := models.Model{Name: name, Doc: doc, Settings: s, Limits: limits, Define: define, Train: models.Training{Batch: batch, Epochs: 1}}
	for _, step := range steps {
		m.Train.Rhythm = append(m.Train.Rhythm, models.Turn{Step: step, Times: 1})
	}
	return m
}

// limits are wide: how time and memory grow is what is measured.
var limits = models.Limits{
	"depth": models.Whole(1, 1000), "width": models.Whole(1, 1<<16), "heads": models.Whole(1, 1<<10),
	"context": models.Whole(1, 1<<16), "vocab": models.Whole(1, math.MaxInt32), Checkpoint: models.Whole(0, 1),
}

// Models are the four, in order of size.
var Models = []models.Model{
	model("step-vae", "training step of a perceptron: the VAE 784-512-20-512-784, batch 128", 128, nil, VAE, "train"),
	model("step-cnn", "training step of a convolutional net: 32 and 64 filters, pooling, 128 units, batch 64", 64, nil, CNN, "train"),
	model("step-gpt", "training step of a transformer: 4 blocks of 128 units with 4 heads, context 128, batch 16", 16,
		models.Settings{"depth": 4, "width": 128, "heads": 4, "context": 128, "vocab": 96, Checkpoint: 0}, GPT, "train"),
	model("step-dcgan", "training steps of a DCGAN of 32×32 images in colour, the critic's and the generator's, batch 64", 64, nil, DCGAN, "critic", "generator"),
}
