// Package gan has generative adversarial networks over square images: the convolutional GAN of Radford et al. (2016), the
// Wasserstein GAN with a gradient penalty of Gulrajani et al. (2017), and the latter given a class, p(x|y), after Mirza and
// Osindero (2014). They share a pair of networks, whose image is half as large, and twice as deep, at each layer of the critic.
//
// Networks see pixels in [-1, 1]; the images of a program's inputs and outputs are in [0, 1].
package gan

import (
	"fmt"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// family is the heading that all are listed under.
const family = "Generative adversarial networks"

// Models are the package's, for the commands.
var Models = []models.Model{DCGAN, WGANGP, CGAN}

// Nets are the sizes of a generator and its critic. Of 64×64 images, a Width of 64 and a Kernel of 4 or 5 are the papers'.
type Nets struct {
	Size, Channels int // of an image: rows, which are as many as columns, and 1 or 3 colours
	Width          int // filters where the image has half its size
	Kernel         int
	Norm           bool              // the critic has BatchNorm too
	Init           graph.Initializer // of the weights; nil means GlorotUniform
}

// scales are the sizes of the image from the smallest, where the critic ends and the generator begins, to half of the
// whole: 4, 8, 16, 32 of 64, and 7, 14 of 28.
func (n Nets) scales() []int {
	var sizes []int
	for size := n.Size; size%2 == 0 && size > 4; {
		size /= 2
		sizes = append([]int{size}, sizes...)
	}
	return sizes
}

// Generator maps z [batch latent] to images in [-1, 1], [batch Channels Size Size]: a projection to the smallest image, then
// transposed convolutions that double it ("fractionally-strided", Radford et al., figure 1).
func (n Nets) Generator() nn.Sequential {
	sizes := n.scales()
	base, width := sizes[0], n.Width<<(len(sizes)-1)
	g := nn.Sequential{&nn.Dense{Units: width * base * base, NoBias: true, Weight: n.Init},
		nn.Reshape(graph.Dim(width), graph.Dim(base), graph.Dim(base)), &nn.BatchNorm{}, nn.ReLU}
	for range sizes[1:] {
		width /= 2
		g = append(g, &nn.ConvTranspose2D{Filters: width, Kernel: n.Kernel, Stride: 2, Same: true, NoBias: true, Weight: n.Init}, &nn.BatchNorm{}, nn.ReLU)
	}
	return append(g, &nn.ConvTranspose2D{Filters: n.Channels, Kernel: n.Kernel, Stride: 2, Same: true, Weight: n.Init}, nn.Tanh)
}

// Critic maps images, and what else is stacked on them as channels, to one number each, [batch 1]: strided convolutions that
// halve the image.
func (n Nets) Critic() nn.Sequential {
	var c nn.Sequential
	for i := range n.scales() {
		c = append(c, &nn.Conv2D{Filters: n.Width << i, Kernel: n.Kernel, Stride: 2, Same: true, NoBias: n.Norm && i > 0, Weight: n.Init})
		if n.Norm && i > 0 {
			c = append(c, &nn.BatchNorm{})
		}
		c = append(c, nn.LeakyReLU(.2))
	}
	return append(c, nn.Flatten, &nn.Dense{Units: 1, Weight: n.Init})
}

// nets are the Nets of a model's settings, which are checked: sizes are multiplied here.
func nets(s models.Settings, n Nets) (Nets, error) {
	n.Size, n.Channels, n.Width = s.Int("size"), s.Int("channels"), s.Int("width")
	switch {
	case n.Size < 6 || n.Size > 512 || n.Size%2 != 0:
		return n, fmt.Errorf("setting size is %d, want the rows of an image: an even number from 6 to 512, such as 28, 32 or 64", n.Size)
	case n.Channels != 1 && n.Channels != 3:
		return n, fmt.Errorf("setting channels is %d, want 1 or 3", n.Channels)
	case n.Width < 1 || n.Width > 1024:
		return n, fmt.Errorf("setting width is %d, want a number from 1 to 1024", n.Width)
	case s.Int("latent") < 1 || s.Int("latent") > 1<<16:
		return n, fmt.Errorf("setting latent is %d, want a number from 1 to %d", s.Int("latent"), 1<<16)
	}
	return n, nil
}

// images declares the input image, [batch channels size size], and gives it in [-1, 1].
func (n Nets) images(f *graph.Func, batch graph.Dim) *graph.Value {
	return f.Input("image", graph.F32, batch, graph.Dim(n.Channels), graph.Dim(n.Size), graph.Dim(n.Size)).Scale(2).Shift(-1)
}

// picture is a generator's image in [0, 1].
func picture(x *graph.Value) *graph.Value { return x.Scale(.5).Shift(.5) }
