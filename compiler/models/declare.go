package models

import (
	"fmt"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// A mistake belongs to the model's line.
var _ = graph.Library()

// Batch is the first axis of inputs, whose size a run decides.
var Batch = graph.Sym("batch")

// ImageField is the field that data sets have images in, in [0, 1].
const ImageField = "image"

// Image declares the input image in f, f32[batch channels size size] in [0, 1], by the settings channels and size or, where there is no
// size, side.
func (s Settings) Image(f *graph.Func) *graph.Value {
	size := "size"
	if _, ok := s[size]; !ok {
		size = "side"
	}
	return f.Input(ImageField, graph.F32, Batch, s.Dim("channels"), s.Dim(size), s.Dim(size))
}

// Noise declares the input z in f, f32[batch latent], by the setting latent.
func (s Settings) Noise(f *graph.Func) *graph.Value {
	return f.Input("z", graph.F32, Batch, s.Dim("latent"))
}

// Label declares the input label in f, of so many classes as the setting classes says, and gives it as [OneHotLabel] does: the condition
// y of p(x|y). Where there is no such setting, it declares nothing and gives nil, which [nn.Given] takes for no condition.
func (s Settings) Label(f *graph.Func) *graph.Value {
	if _, ok := s["classes"]; !ok {
		return nil
	}
	return OneHotLabel(f, Batch, s.Int("classes"))
}

// OneHotLabel declares the input label, i64[batch] from 0 to classes-1, which a run checks, and gives it one-hot, f32[batch classes]: the
// condition y of p(x|y).
func OneHotLabel(f *graph.Func, batch graph.Dim, classes int) *graph.Value {
	label := f.Input("label", graph.I64, batch)
	return label.InRange(classes, fmt.Sprintf("a label is from 0 to %d", classes-1)).OneHot(classes, graph.F32)
}

// Pack puts beside each example of x [batch channels ...] those before it in the batch, and the last before the first, as further
// channels, so many in all as the setting pac says: what a critic sees that is to tell sets apart (PacGAN, Lin et al. 2018, section
// 3). Packs overlap here, so that there are as many as examples; the paper's do not. Steps refuse a batch of fewer; elsewhere such a
// batch's first example is repeated. Of nil, the condition of a model without one, it is nil.
func (s Settings) Pack(x *graph.Value) *graph.Value {
	n := s.Int("pac")
	if x == nil || n == 1 {
		return x
	}
	f, parts := x.Func(), []*graph.Value{x}
	at := f.Arange(x.Dim(0))
	batch := at.Size()
	if f.Training {
		batch = batch.Assert(batch.GreaterEqual(f.FullInt(graph.I64, int64(n))), fmt.Sprintf("the setting pac is %d, and a batch must have so many examples at least", n))
	}
	for i := 1; i < n; i++ {
		parts = append(parts, x.Gather(at.Sub(f.FullInt(graph.I64, int64(i))).Max(f.FullInt(graph.I64, 0).Sub(batch)), 0))
	}
	return graph.Join(1, parts...)
}

// Fall is how a learning rate falls to 0 along half a cosine over the setting steps, of a Step that runs once in so many of these; where
// steps is 0, it stays.
func (s Settings) Fall(each int) optim.Schedule {
	steps := s.Int("steps")
	if steps < 1 {
		return nil
	}
	return optim.Cosine{Steps: (steps + each - 1) / each}
}

// Averaged is opt with averages of the weights, by the setting ema as their decay, and what defines the entry points of b that have the
// averages in place of the weights. Where ema is 0 there are none, and it is opt itself and b.Func.
func (s Settings) Averaged(b *compiler.Builder, opt optim.Optimizer) (entry func(name string, build func(f *graph.Func)), averaged optim.Optimizer) {
	if ema := s.Float("ema"); ema != 0 {
		return b.EMAFunc, optim.EMA{Decay: ema, Then: opt}
	}
	return b.Func, opt
}
