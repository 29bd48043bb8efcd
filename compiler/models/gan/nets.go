package gan

import (
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// Nets are the sizes of a generator and its critic: those of the settings, and what a paper adds. They are convolutional (of 64×64
// images, a width of 64 and a Kernel of 4 or 5 are the papers'), or, where the setting conv is 0, perceptrons of two hidden layers of
// width units, as those of Goodfellow et al. (2014): less able and much cheaper.
type Nets struct {
	models.Settings
	Kernel   int
	Norm     bool              // the critic has BatchNorm too
	Spectral bool              // the critic's weights are normalised by their largest singular values
	Init     graph.Initializer // of the weights; nil means GlorotUniform
}

// scales are the sizes of the image from the smallest, where the critic ends and the generator begins, to half of the
// whole: 4, 8, 16, 32 of 64, and 4, 7, 14 of 28.
func (n Nets) scales() []int {
	var sizes []int
	for size := n.Int("size"); size > 4; {
		size = (size + 1) / 2
		sizes = append([]int{size}, sizes...)
	}
	return sizes
}

// Generator maps z [batch latent] to images in [-1, 1], [batch channels size size]: a projection to the smallest image, then
// transposed convolutions that double it ("fractionally-strided", Radford et al., figure 1), less a row and a column where the next
// size is odd. The running statistics of its normalisation are means of about so many steps as its average weights.
func (n Nets) Generator() nn.Sequential {
	sizes, size, channels, width := n.scales(), n.Int("size"), n.Int("channels"), n.Int("width")
	if n.Int("conv") == 0 {
		dense := func(units int) nn.Module { return &nn.Dense{Units: units, Weight: n.Init} }
		return nn.Sequential{dense(width), nn.ReLU, dense(width), nn.ReLU, dense(channels * size * size), nn.Tanh, nn.Reshape(channels, size, size)}
	}
	norm := func() nn.Module { return &nn.BatchNorm{Momentum: max(.9, n.Float("ema"))} }
	base, width := sizes[0], width<<(len(sizes)-1)
	g := nn.Sequential{&nn.Dense{Units: width * base * base, NoBias: true, Weight: n.Init}, nn.Reshape(width, base, base), norm(), nn.ReLU}
	for _, size := range sizes[1:] {
		width /= 2
		g = append(g, &nn.ConvTranspose2D{Filters: width, Kernel: n.Kernel, Stride: 2, Same: true, NoBias: true, Weight: n.Init},
			cut(size), norm(), nn.ReLU)
	}
	return append(g, &nn.ConvTranspose2D{Filters: channels, Kernel: n.Kernel, Stride: 2, Same: true, Weight: n.Init}, cut(size), nn.Tanh)
}

// cut takes the first rows and columns of images, so many of each.
func cut(size int) nn.Func {
	return func(x *graph.Value) *graph.Value { return x.Slice(2, 0, size).Slice(3, 0, size) }
}

// Body is a critic but for its last layer: strided convolutions that halve the image and double the filters.
func (n Nets) Body() nn.Sequential {
	if n.Int("conv") == 0 {
		layer := func() nn.Module { return &nn.Dense{Units: n.Int("width"), Weight: n.Init, SpectralNorm: n.Spectral} }
		return nn.Sequential{nn.Flatten, layer(), nn.LeakyReLU(.2), layer(), nn.LeakyReLU(.2)}
	}
	var c nn.Sequential
	for i := range n.scales() {
		norm := n.Norm && i > 0
		c = append(c, &nn.Conv2D{Filters: n.Int("width") << i, Kernel: n.Kernel, Stride: 2, Same: true, NoBias: norm,
			Weight: n.Init, SpectralNorm: n.Spectral})
		c = append(append(c, nn.If(norm, &nn.BatchNorm{})...), nn.LeakyReLU(.2))
	}
	return append(c, nn.Flatten)
}

// Critic scores images by themselves or, given classes, with these beside them (Mirza and Osindero 2014, figure 1): to a convolution,
// as further channels that are 1 or 0 all over.
func (n Nets) Critic() *Concat {
	return &Concat{append(n.Body(), &nn.Dense{Units: 1, Weight: n.Init, SpectralNorm: n.Spectral}), n.Int("conv") == 0}
}

// Concat is a critic that is told the class beside the image.
type Concat struct {
	Net  nn.Sequential
	Flat bool // the network sees pixels, not channels
}

// Score is the network's result.
func (c *Concat) Score(x, y *graph.Value) *graph.Value {
	if y != nil && c.Flat {
		x = x.Flatten()
	}
	return c.Net.Apply(nn.Given(x, y))
}

// Projection is a critic whose score is ψ(φ(x)) + yᵀV·φ(x) (Miyato and Koyama 2018, eq. 3).
type Projection struct {
	Phi    nn.Sequential
	Psi, V nn.Dense // V has a row for each class, of φ's size, which Score finds
}

// Score is the sum of both.
func (c *Projection) Score(x, y *graph.Value) *graph.Value {
	phi := c.Phi.Apply(x)
	c.V.Units = int(phi.Dim(-1))
	return c.Psi.Apply(phi).Add(phi.Mul(c.V.Apply(y)).SumKeep(-1))
}
