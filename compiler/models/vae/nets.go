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
	Out      nn.Module
	Pixels   Likelihood
	image    []graph.Dim // channels, height, width
}

// Hidden is the encoder's hidden layer, of images x.
func (m *Nets) Hidden(x, y *graph.Value) *graph.Value {
	return m.Enc.Apply(given(m.Body.Apply(x), y)).ReLU()
}

// Decode gives what p(x|z) is made of, for each pixel: see [Likelihood].
func (m *Nets) Decode(z, y *graph.Value) *graph.Value {
	out := m.Out.Apply(m.Dec.Apply(given(z, y)).ReLU())
	return nn.Reshape(m.image...)(out)
}

// given joins the condition, if there is one.
func given(x, y *graph.Value) *graph.Value {
	if y == nil {
		return x
	}
	return graph.Join(1, x, y)
}

// kernel is the rows and columns of each convolution's window.
const kernel = 4

// newNets returns nets of the settings: with filters, two convolutions that halve the image twice; without, multi-layer perceptrons.
func newNets(s models.Settings) (Nets, error) {
	if err := check(s); err != nil {
		return Nets{}, err
	}
	size, channels, hidden, filters := s.Int("size"), s.Int("channels"), s.Int("hidden"), s.Int("filters")
	pixels, err := likelihood(s)
	if err != nil {
		return Nets{}, err
	}
	he := initializer.HeNormal{}
	n := Nets{
		Body: nn.Sequential{nn.Flatten}, Enc: nn.Dense{Units: hidden, Weight: he}, Dec: nn.Dense{Units: hidden, Weight: he}, Out: &nn.Dense{Units: channels * size * size},
		Pixels: pixels, image: []graph.Dim{graph.Dim(channels), graph.Dim(size), graph.Dim(size)},
	}
	if filters > 0 {
		least := size / 4 // rows after the convolutions
		n.Body = nn.Sequential{
			&nn.Conv2D{Filters: filters, Kernel: kernel, Stride: 2, Same: true, Weight: he}, nn.ReLU,
			&nn.Conv2D{Filters: 2 * filters, Kernel: kernel, Stride: 2, Same: true, Weight: he}, nn.ReLU, nn.Flatten,
		}
		n.Out = nn.Sequential{
			&nn.Dense{Units: 2 * filters * least * least, Weight: he}, nn.ReLU, nn.Reshape(graph.Dim(2*filters), graph.Dim(least), graph.Dim(least)),
			&nn.ConvTranspose2D{Filters: filters, Kernel: kernel, Stride: 2, Same: true, Weight: he}, nn.ReLU,
			&nn.ConvTranspose2D{Filters: channels, Kernel: kernel, Stride: 2, Same: true, Weight: he},
		}
	}
	return n, nil
}
