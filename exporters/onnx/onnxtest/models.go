// Package onnxtest is for tests of what writes and reads ONNX files: small models that between them use every layer, and
// an evaluator of files, [Evaluate], that owes nothing to our ops or to a runtime.
//
// Engines can be compared on a training step of theirs: no gradient is zero by symmetry, and the optimizers do not
// divide by less than [eps], so rounding is not blown up.
package onnxtest

import (
	"math"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/loss"
	"github.com/sardonyx-ml/sardonyx/compiler/models/vae"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

const eps = 1e-2

var batch, seq = graph.Sym("batch"), graph.Sym("seq")

// Programs compiles all the models here.
func Programs() ([]*compiler.Program, error) {
	var progs []*compiler.Program
	for _, define := range []func() (*compiler.Program, error){
		func() (*compiler.Program, error) { return vae.Define(vae.Model.Settings) }, images, text, recurrent, types, anySize, marked,
	} {
		p, err := define()
		if err != nil {
			return nil, err
		}
		progs = append(progs, p)
	}
	return progs, nil
}

// An autoencoder of images [batch 3 8 8] has the layers of images.
type autoencoder struct {
	Enc, Dec nn.Sequential
	Class    nn.Dense
}

func images() (*compiler.Program, error) {
	m := &autoencoder{
		Enc: nn.Sequential{
			&nn.Conv2D{Filters: 6, Kernel: 3, Same: true, NoBias: true}, &nn.BatchNorm{}, nn.LeakyReLU(.2), nn.MaxPool2D(2, 2),
			&nn.Conv2D{Filters: 8, Kernel: 3, Pad: 1, Groups: 2, NoBias: true}, &nn.LayerNorm{}, nn.AveragePool2D(2, 2), &nn.Dropout{P: .3},
		},
		Dec: nn.Sequential{
			&nn.ConvTranspose2D{Filters: 6, Kernel: 4, Stride: 2, Same: true, NoBias: true}, &nn.BatchNorm{NoAffine: true}, nn.ReLU,
			nn.Upsample(2), &nn.Conv2D{Filters: 3, Kernel: 3, Same: true},
		},
		Class: nn.Dense{Units: 5},
	}
	input := func(f *graph.Func) *graph.Value { return f.Input("image", graph.F32, batch, 3, 8, 8) }
	b := compiler.New("images")
	b.Model("", m)
	b.Func("reconstruct", func(f *graph.Func) { f.Output("image.out", m.Dec.Apply(m.Enc.Apply(input(f))).Sigmoid()) })
	b.Func("classify", func(f *graph.Func) {
		logits := m.Class.Apply(m.Enc.Apply(input(f)).GlobalAveragePool().Flatten())
		f.Output("logits", logits)
		f.Output("probabilities", logits.Softmax(-1))
	})
	b.Step("train", optim.ClipNorm{Max: 1, Then: optim.AdamW{LR: 1e-2, Eps: eps, Schedule: optim.Cosine{WarmUp: 2, Steps: 10}}}, m, func(f *graph.Func) *graph.Value {
		x := input(f)
		h := m.Enc.Apply(x)
		logits := m.Class.Apply(h.GlobalAveragePool().Flatten())
		return loss.MSE(m.Dec.Apply(h).Sigmoid(), x).Mean().Add(loss.CrossEntropy(logits, f.Input("label", graph.I64, batch)).Mean())
	})
	return b.Compile()
}

// A transformer of one block, over [batch seq] tokens: two symbolic dimensions.
type transformer struct {
	Tok, Pos                nn.Embedding
	LN1, LN2                nn.LayerNorm
	Q, K, V, Proj, Up, Down nn.Dense
	Head                    nn.Dense
}

func (m *transformer) logits(f *graph.Func) *graph.Value {
	const heads, width = 2, 8
	x := m.Tok.Apply(f.Input("ids", graph.I64, batch, seq)).Add(m.Pos.Apply(f.Input("pos", graph.I64, seq)))
	split := func(v *graph.Value) *graph.Value {
		return v.Reshape(batch, seq, heads, width/heads).Transpose(0, 2, 1, 3)
	}
	h := m.LN1.Apply(x)
	att := split(m.Q.Apply(h)).MatMul(split(m.K.Apply(h)).T()).Scale(1 / math.Sqrt(width/heads)).Add(f.Input("mask", graph.F32, seq, seq)).Softmax(-1)
	x = x.Add(m.Proj.Apply(att.MatMul(split(m.V.Apply(h))).Transpose(0, 2, 1, 3).Reshape(batch, seq, width)))
	return m.Head.Apply(x.Add(m.Down.Apply(m.Up.Apply(m.LN2.Apply(x)).GELU())))
}

func text() (*compiler.Program, error) {
	const vocab, width = 11, 8
	m := &transformer{
		Tok: nn.Embedding{Vocab: vocab, Dim: width}, Pos: nn.Embedding{Vocab: 16, Dim: width},
		Q: nn.Dense{Units: width}, K: nn.Dense{Units: width, NoBias: true}, V: nn.Dense{Units: width}, Proj: nn.Dense{Units: width},
		Up: nn.Dense{Units: 4 * width}, Down: nn.Dense{Units: width}, Head: nn.Dense{Units: vocab, NoBias: true},
	}
	b := compiler.New("text")
	b.Model("lm", m)
	b.Func("logits", func(f *graph.Func) { f.Output("logits", m.logits(f)) })
	b.Step("train", optim.RMSprop{LR: 1e-2, Eps: eps}, m, func(f *graph.Func) *graph.Value {
		return loss.CrossEntropy(m.logits(f), f.Input("next", graph.I64, batch, seq)).Mean()
	})
	b.Step("tune", optim.ClipValue{Max: .1, Then: optim.SGD{LR: 1e-2, Momentum: .9, Nesterov: true}}, &m.Head, func(f *graph.Func) *graph.Value {
		return loss.CrossEntropy(m.logits(f), f.Input("next", graph.I64, batch, seq)).Mean()
	})
	return b.Compile()
}

// A reader has the layers of sequences, those made of several ops: attention over symbolic places, and recurrence.
type reader struct {
	Tok    nn.Embedding
	Pos    nn.Positions
	Blocks nn.Sequential
	Own    nn.Attention
	Cross  nn.Attention
	LSTM   nn.LSTM
	GRU    nn.GRU
	Norm   nn.GroupNorm
	Head   nn.Dense
}

func recurrent() (*compiler.Program, error) {
	const vocab, width = 11, 8
	m := &reader{
		Tok: nn.Embedding{Vocab: vocab, Dim: width}, Pos: nn.Positions{Len: 16},
		Blocks: nn.Repeat(2, func(int) nn.Module {
			return nn.Residual{&nn.LayerNorm{}, &nn.Attention{Heads: 2, Causal: true}}
		}),
		Own: nn.Attention{Heads: 2, Causal: true}, Cross: nn.Attention{Heads: 2, Width: 4}, LSTM: nn.LSTM{Units: 5}, GRU: nn.GRU{Units: 6}, Norm: nn.GroupNorm{Groups: 3}, Head: nn.Dense{Units: vocab},
	}
	logits := func(f *graph.Func) *graph.Value {
		x := m.Own.Apply(m.Blocks.Apply(m.Pos.Apply(m.Tok.Apply(f.Input("ids", graph.I64, batch, seq)))))
		h := m.GRU.Apply(m.LSTM.Apply(f.Input("signal", graph.F32, batch, seq, 4)))
		h = m.Norm.Apply(h.Transpose(0, 2, 1)).Transpose(0, 2, 1)
		return m.Head.Apply(m.Cross.Attend(x, h).Add(nn.Sinusoidal(width).Apply(f.Input("time", graph.I64, batch)).Unsqueeze(1)))
	}
	b := compiler.New("recurrent")
	b.Model("", m)
	b.Func("logits", func(f *graph.Func) { f.Output("logits", logits(f)) })
	b.EMAFunc("average", func(f *graph.Func) { f.Output("logits", logits(f)) })
	b.Func("next", func(f *graph.Func) { // places after as many others
		past := func(name string) *graph.Value { return f.Input(name, graph.F32, batch, 2, seq, width/2) }
		y, keys, values := m.Own.Step(m.Tok.Apply(f.Input("ids", graph.I64, batch, seq)), past("keys"), past("values"))
		f.Output("y", y)
		f.Output("keys.next", keys)
		f.Output("values.next", values)
	})
	groups := optim.Groups{{Match: "tok.* pos.*"}, {Match: "*bias", Then: optim.SGD{LR: 2e-2}}, {Match: "*", Then: optim.SGD{LR: 1e-2, WeightDecay: .1}}}
	b.Step("train", optim.EMA{Decay: .9, Then: groups}, m, func(f *graph.Func) *graph.Value {
		return loss.CrossEntropy(logits(f), f.Input("next", graph.I64, batch, seq)).Mean()
	})
	return b.Compile()
}

// types has no layers, but scalars in and out, other dtypes, sizes that only the shapes tell, and outputs that no node makes.
func types() (*compiler.Program, error) {
	b := compiler.New("types")
	b.Func("types", func(f *graph.Func) {
		x, k := f.Input("x", graph.F64, batch, seq), f.Input("scale", graph.F64)
		i, n := f.Input("i", graph.I64, seq), f.Input("n", graph.I64)
		f.Output("scaled", x.Mul(k))
		f.Output("mean", x.Mean())
		f.Output("sum", i.Add(n))
		f.Output("mask", x.Greater(k))
		f.Output("half", x.Cast(graph.F16))
		f.Output("wide", x.Reshape(batch.Times(seq)).Unsqueeze(0).Expand(seq, batch.Times(seq)))
		f.Output("scale.out", k)
		f.Output("one", f.Const(tensor.Scalar(int64(1))))
		f.Output("beyond f64", i.Add(f.FullInt(graph.I64, 1<<53+1)))
	})
	return b.Compile()
}
