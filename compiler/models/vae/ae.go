package vae

import (
	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
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

// defineAE builds the program of an autoencoder: encode, decode, reconstruct and validate, and the training step.
func defineAE(s models.Settings) (*compiler.Program, error) {
	nets, err := newNets(s)
	if err != nil {
		return nil, err
	}
	m, batch := &AE{nets, nn.Dense{Units: s.Int("latent")}}, graph.Sym("batch")
	image := func(f *graph.Func) *graph.Value {
		return f.Input("image", graph.F32, append([]graph.Dim{batch}, nets.image...)...)
	}
	picture := func(z *graph.Value) *graph.Value { return m.Pixels.Mean(m.Decode(z, nil)) }
	losses := func(f *graph.Func) *graph.Value {
		x := image(f)
		return m.Pixels.NLL(m.Decode(m.Encode(x), nil), x).Mean()
	}

	b := compiler.New("ae")
	b.Model("", m)
	entry := entries(b, s)
	entry("encode", func(f *graph.Func) { f.Output("z", m.Encode(image(f))) })
	entry("decode", func(f *graph.Func) { f.Output("image", picture(f.Input("z", graph.F32, batch, s.Dim("latent")))) })
	entry("reconstruct", func(f *graph.Func) { f.Output("reconstruction", picture(m.Encode(image(f)))) })
	entry("validate", func(f *graph.Func) { f.Output("loss", losses(f)) })
	b.Step("train", optimizer(s), m, losses)
	return b.Compile()
}
