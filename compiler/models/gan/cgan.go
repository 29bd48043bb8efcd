package gan

import (
	"fmt"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/loss"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// classes is how many there are in MNIST and in data sets of its form.
const classes = 10

// planes are one-hot classes y [batch classes] as channels that are 1 or 0 all over, [batch classes size size].
func planes(y *graph.Value, size int) *graph.Value {
	return y.Reshape(y.Dim(0), y.Dim(1), 1, 1).Expand(y.Dim(0), y.Dim(1), graph.Dim(size), graph.Dim(size))
}

// DefineCGAN builds the program of a WGAN-GP of p(x|y): generate and judge, which take a label, and the Steps critic and generator.
// The generator sees the class beside z, the critic as channels beside the image's (Mirza and Osindero 2014, eq. 2 and figure 1).
func DefineCGAN(s models.Settings) (*compiler.Program, error) {
	n, err := nets(s, Nets{Kernel: 5})
	if err != nil {
		return nil, err
	}
	gen, critic := n.Generator(), n.Critic()
	batch, latent := graph.Sym("batch"), s.Dim("latent")
	label := func(f *graph.Func) *graph.Value {
		return f.Input("label", graph.I64, batch).InRange(classes, fmt.Sprintf("a label is from 0 to %d", classes-1)).OneHot(classes, graph.F32)
	}
	generate := func(z, y *graph.Value) *graph.Value { return gen.Apply(graph.Join(1, z, y)) }
	given := func(y *graph.Value) module {
		return func(x *graph.Value) *graph.Value { return critic.Apply(graph.Join(1, x, planes(y, n.Size))) }
	}

	b := compiler.New("cgan")
	b.Model("gen", gen)
	b.Model("critic", critic)
	b.Func("generate", func(f *graph.Func) {
		f.Output("image", picture(generate(f.Input("z", graph.F32, batch, latent), label(f))))
	})
	b.Func("judge", func(f *graph.Func) { f.Output("score", given(label(f))(n.images(f, batch))) })
	b.Step("critic", adam(s), critic, func(f *graph.Func) *graph.Value {
		y := label(f)
		fake := generate(f.RandomNormal(graph.F32, batch, latent), y)
		return wasserstein(f, given(y), n.images(f, batch), fake, s.Float("lambda"))
	})
	b.Step("generator", adam(s), gen, func(f *graph.Func) *graph.Value {
		y := label(f)
		return loss.Wasserstein{}.Generator(given(y)(generate(f.RandomNormal(graph.F32, batch, latent), y))).Mean()
	})
	return b.Compile()
}

// CGAN describes the conditional GAN to the commands.
var CGAN = models.Model{
	Name:     "cgan",
	Family:   family,
	Doc:      "conditional GAN p(x|y), a WGAN-GP that is given the class (Mirza & Osindero 2014)",
	Settings: models.Settings{"size": 28, "channels": 1, "width": 32, "latent": 32, "lr": 1e-4, "lambda": 10},
	Define:   DefineCGAN,
	Train: models.Training{
		Rhythm: models.Rhythm{{Step: "critic", Times: 5, Fresh: true}, {Step: "generator"}},
		Data:   "mnist", Epochs: 40, Batch: 64, DropLast: true,
	},
	Sample: models.Sampling{Func: "generate", Noise: "z", Image: "image", Inputs: map[string]models.Feed{"label": models.Label(classes)}},
}
