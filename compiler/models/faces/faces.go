// Package faces is the convolutional variational autoencoder of faces of Foster, "Generative Deep Learning": chapter 3 of both
// editions. What a face is known to have, a smile or a colour of hair, is a direction of its latent space, so that it can be given
// to a face that has it not: the command edit does.
package faces

import (
	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/loss"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// blocks are how often the encoder halves an image, and the decoder doubles it.
const blocks = 4

// VAE has a Gaussian encoder q(z|x) and a decoder of pixels, images of size rows and columns in three colours.
type VAE struct {
	Enc        nn.Sequential
	Mu, LogVar nn.Dense
	Dec        nn.Sequential
}

// New returns a VAE of images of size×size whose outermost blocks have first filters and the others width. The first edition's has
// 32 and 64, of 128×128, and a dropout of ¼; the second's 128 and 128, of 32×32, and none.
func New(size, first, width, latent int, dropout float64) *VAE {
	m, base := &VAE{Mu: nn.Dense{Units: latent}, LogVar: nn.Dense{Units: latent}}, size>>blocks
	block := func(layer nn.Module) nn.Sequential {
		return append(nn.Sequential{layer, &nn.BatchNorm{}, nn.LeakyReLU(.3)}, nn.If(dropout > 0, &nn.Dropout{P: dropout})...)
	}
	for _, filters := range []int{first, width, width, width} {
		m.Enc = append(m.Enc, block(&nn.Conv2D{Filters: filters, Kernel: 3, Stride: 2, Same: true}))
	}
	m.Dec = append(block(&nn.Dense{Units: width * base * base}), nn.Reshape(width, base, base))
	for _, filters := range []int{width, width, first} {
		m.Dec = append(m.Dec, block(&nn.ConvTranspose2D{Filters: filters, Kernel: 3, Stride: 2, Same: true}))
	}
	m.Dec = append(m.Dec, &nn.ConvTranspose2D{Filters: 3, Kernel: 3, Stride: 2, Same: true}, nn.Sigmoid)
	return m
}

// Encode gives the mean and log variance of q(z|x), each [batch latent], for x [batch 3 size size].
func (m *VAE) Encode(x *graph.Value) (mu, logVar *graph.Value) {
	h := m.Enc.Apply(x).Flatten()
	return m.Mu.Apply(h), m.LogVar.Apply(h)
}

// Define builds the program: encode, decode, reconstruct and validate, and the training step. Its loss is weight times the mean
// squared error of a pixel, plus the divergence of q(z|x) from the prior.
func Define(s models.Settings) (*compiler.Program, error) {
	m := New(s.Int("size"), s.Int("first"), s.Int("width"), s.Int("latent"), s.Float("dropout"))
	image := func(f *graph.Func) *graph.Value {
		return f.Input("image", graph.F32, models.Batch, 3, s.Dim("size"), s.Dim("size"))
	}

	b := compiler.New("faces")
	b.Model("", m)
	b.Func("encode", func(f *graph.Func) {
		mu, logVar := m.Encode(image(f))
		f.Output("mu", mu)
		f.Output("log_var", logVar)
	})
	b.Func("decode", func(f *graph.Func) { f.Output("image", m.Dec.Apply(s.Noise(f))) })
	b.Func("reconstruct", func(f *graph.Func) {
		mu, _ := m.Encode(image(f))
		f.Output("reconstruction", m.Dec.Apply(mu))
	})
	losses := func(f *graph.Func) *graph.Value {
		x := image(f)
		mu, logVar := m.Encode(x)
		mse := loss.MSE(m.Dec.Apply(nn.Reparameterise(mu, logVar, mu.NormalLike())), x).Mean()
		kl := loss.KLNormal(mu, logVar).Mean()
		f.Output("mse", mse)
		f.Output("kl", kl)
		return mse.Scale(s.Float("weight")).Add(kl)
	}
	b.Func("validate", func(f *graph.Func) { f.Output("loss", losses(f)) })
	b.Step("train", optim.Adam{LR: s.Float("lr"), Schedule: optim.Cosine{Steps: s.Int("steps"), WarmUp: s.Int("steps") / 20}}, m, losses)
	return b.Compile()
}

// Model describes the VAE of faces to the commands.
var Model = models.Model{
	Name:   "faces",
	Family: "Faces",
	Doc:    "convolutional VAE of faces, for attribute arithmetic (Foster 2019 and 2023, chapter 3)",
	Needs:  "half an hour of a shared CPU core, 1 GB",
	Results: []models.Result{
		{Measure: "held-out neutral portraits with P(smile) above 0.8 after smile=2.5", Reference: "90%", Reached: "95.4%",
			Command: "train faces --set first=32 --set width=64 --set weight=200000 --epochs 10 --seed 1"},
		{Measure: "other attributes kept, by the classifier", Reference: "85%", Reached: "86.6%",
			Command: "train faces --set first=32 --set width=64 --set weight=200000 --epochs 10 --seed 1"},
	},
	Settings: models.Settings{
		"size": 64, "first": 16, "width": 48, "latent": 200, "dropout": 0, "weight": 100000, "lr": 2e-3, "steps": 5 * (20000 / 32),
	},
	Limits: models.Usual.With(models.Limits{"size": models.Rows(1<<blocks, 256), "latent": models.Whole(1, 4096)}),
	Define: Define,
	Train: models.Training{
		Step: "train", Validate: "validate", Inputs: map[string]string{"image": "image"},
		Data: "portraits", Epochs: 5, Batch: 32, DropLast: true, Length: "steps",
	},
	Sample: models.Sampling{Func: "decode", Noise: "z", Image: "image"},
	Edit:   models.Editing{Encode: "encode", Latent: "mu", Decode: "decode"},
}
