package vae

import (
	"github.com/sardonyx-ml/sardonyx/compiler/initializer"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// Nets are an encoder, up to what it says of the latent z, and a decoder. Each has a hidden layer; convolutions, if any, stand before
// the encoder's, and transposed ones after the decoder's. Both may be given a condition y [batch classes], or nil.
type Nets struct {
	Body     nn.Sequential // of the image
	Enc, Dec nn.Dense
	Out      nn.Module // of the decoder
	Pixels   Likelihood
	image    nn.Func // gives what comes out the image's shape
}

// Hidden is the encoder's hidden layer, of images x.
func (m *Nets) Hidden(x, y *graph.Value) *graph.Value {
	return m.Enc.Apply(nn.Given(m.Body.Apply(x), y)).ReLU()
}

// Decode gives what p(x|z) is made of, for each pixel: see [Likelihood].
func (m *Nets) Decode(z, y *graph.Value) *graph.Value {
	return m.image(m.Out.Apply(m.Dec.Apply(nn.Given(z, y)).ReLU()))
}

// newNets returns nets of the settings: with filters, two convolutions that halve the image twice; without, multi-layer perceptrons.
func newNets(s models.Settings) Nets {
	size, channels, filters, he := s.Int("size"), s.Int("channels"), s.Int("filters"), initializer.HeNormal{}
	hidden := nn.Dense{Units: s.Int("hidden"), Weight: he}
	n := Nets{Body: nn.Sequential{nn.Flatten}, Enc: hidden, Dec: hidden, Out: &nn.Dense{Units: channels * size * size},
		Pixels: likelihood(s), image: nn.Reshape(channels, size, size)}
	if filters > 0 {
		least := size / 4 // rows after the convolutions
		n.Body = nn.Sequential{
			&nn.Conv2D{Filters: filters, Kernel: 4, Stride: 2, Same: true, Weight: he}, nn.ReLU,
			&nn.Conv2D{Filters: 2 * filters, Kernel: 4, Stride: 2, Same: true, Weight: he}, nn.ReLU, nn.Flatten,
		}
		n.Out = nn.Sequential{
			&nn.Dense{Units: 2 * filters * least * least, Weight: he}, nn.ReLU, nn.Reshape(2*filters, least, least),
			&nn.ConvTranspose2D{Filters: filters, Kernel: 4, Stride: 2, Same: true, Weight: he}, nn.ReLU,
			&nn.ConvTranspose2D{Filters: channels, Kernel: 4, Stride: 2, Same: true, Weight: he},
		}
	}
	return n
}
