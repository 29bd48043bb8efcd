package vae

import (
	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// AE is the plain autoencoder: a latent of few numbers, from which the image is to be found again (Hinton and Salakhutdinov 2006). It
// has no prior: where its codes lie, encode tells.
type AE struct {
	Nets
	Code nn.Dense
}

// Encode gives the code z [batch latent] of x [batch channels size size].
func (m *AE) Encode(x *graph.Value) *graph.Value { return m.Code.Apply(m.Hidden(x, nil)) }

// Loss is −ln p(x|z) of the code z of x, in nats, the mean of the batch.
func (m *AE) Loss(x *graph.Value) *graph.Value {
	return m.Pixels.NLL(m.Decode(m.Encode(x), nil), x).Mean()
}

// defineAE builds the program of an autoencoder: encode, decode, reconstruct and validate, and the training step.
func defineAE(s models.Settings) (*compiler.Program, error) {
	m := &AE{newNets(s), nn.Dense{Units: s.Int("latent")}}
	picture := func(z *graph.Value) *graph.Value { return m.Pixels.Mean(m.Decode(z, nil)) }
	losses := func(f *graph.Func) *graph.Value { return m.Loss(s.Image(f)) }

	b := compiler.New("ae")
	b.Model("", m)
	entry, opt := s.Averaged(b, optim.Adam{LR: s.Float("lr"), Schedule: s.Fall(1)})
	entry("encode", func(f *graph.Func) { f.Output("z", m.Encode(s.Image(f))) })
	entry("decode", func(f *graph.Func) { f.Output("image", picture(s.Noise(f))) })
	entry("reconstruct", func(f *graph.Func) { f.Output("reconstruction", picture(m.Encode(s.Image(f)))) })
	entry("validate", func(f *graph.Func) { f.Output("loss", losses(f)) })
	b.Step("train", opt, m, losses)
	return b.Compile()
}
