package gan

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/loss"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// A GAN is a generator and a critic that learn against each other (Goodfellow et al. 2014, algorithm 1), and what each learns by.
type GAN struct {
	Gen     nn.Sequential // z [batch latent], with the class beside it if there are classes, to images in [-1, 1]
	Critic  Critic
	Loss    loss.Adversarial
	Penalty Penalty                          // the setting lambda times its mean is added to the critic's loss; nil for none
	Opt     func(lr float64) optim.Optimizer // of both
	Clip    float64                          // the critic's weights are kept in [-Clip, Clip]; 0 does not
	Classes int                              // of p(x|y); 0 is p(x)
}

// A Critic scores images x in [-1, 1], [batch channels size size], given their classes y, one-hot, or nil: [batch 1]. It is a
// pointer to a struct of layers.
type Critic interface {
	Score(x, y *graph.Value) *graph.Value
}

// A Penalty is one number an example for a critic that is not as smooth as it should be.
type Penalty = func(critic func(x *graph.Value) *graph.Value, real, fake *graph.Value) *graph.Value

// r1 is a Penalty at real examples only.
func r1(critic func(x *graph.Value) *graph.Value, real, _ *graph.Value) *graph.Value {
	return loss.R1(critic, real)
}

// generate are images for noise z and classes y, which may be nil.
func (g GAN) generate(z, y *graph.Value) *graph.Value {
	if y != nil {
		z = graph.Join(1, z, y)
	}
	return g.Gen.Apply(z)
}

// label declares the input label and gives it one-hot; nil if there are no classes.
func (g GAN) label(f *graph.Func, batch graph.Dim) *graph.Value {
	if g.Classes == 0 {
		return nil
	}
	return models.OneHotLabel(f, batch, g.Classes)
}

// pack puts beside each example the n−1 before it in the batch, and the last before the first, as further channels: what a critic
// sees that is to tell sets of n apart (PacGAN, Lin et al. 2018, section 3). There, no example is in two packs. Steps refuse a batch of
// fewer than n; elsewhere such a batch's first example is repeated.
func pack(v *graph.Value, n int) *graph.Value {
	if v == nil || n == 1 {
		return v
	}
	f, parts := v.Func(), []*graph.Value{v}
	at := f.Arange(v.Dim(0))
	batch := at.Size()
	if f.Training {
		batch = batch.Assert(batch.GreaterEqual(f.FullInt(graph.I64, int64(n))), fmt.Sprintf("the setting pac is %d, and a batch must have so many examples at least", n))
	}
	for i := 1; i < n; i++ {
		parts = append(parts, v.Gather(at.Sub(f.FullInt(graph.I64, int64(i))).Max(f.FullInt(graph.I64, 0).Sub(batch)), 0))
	}
	return graph.Join(1, parts...)
}

// define builds g's program: generate and judge, and the Steps critic and generator, which run in turn. With the setting ema, the
// generator's average weights are what generate has.
func (g GAN) define(name string, s models.Settings) (*compiler.Program, error) {
	batch, latent, pac := graph.Sym("batch"), s.Dim("latent"), s.Int("pac")
	size, channels := s.Dim("size"), s.Dim("channels")
	images := func(f *graph.Func) *graph.Value {
		return f.Input("image", graph.F32, batch, channels, size, size).Scale(2).Shift(-1)
	}
	draw := func(f *graph.Func, y *graph.Value) *graph.Value {
		return g.generate(f.RandomNormal(graph.F32, batch, latent), y)
	}

	b := compiler.New(name)
	b.Model("gen", g.Gen)
	b.Model("critic", g.Critic)
	criticOpt := g.Opt(s.Float("lr") * s.Float("ttur"))
	if g.Clip > 0 {
		criticOpt = optim.ClipWeights{Max: g.Clip, Then: criticOpt}
	}
	sampled, genOpt := b.Func, g.Opt(s.Float("lr"))
	if ema := s.Float("ema"); ema > 0 {
		sampled, genOpt = b.EMAFunc, optim.EMA{Decay: ema, Then: genOpt}
	}
	sampled("generate", func(f *graph.Func) {
		f.Output("image", g.generate(f.Input("z", graph.F32, batch, latent), g.label(f, batch)).Scale(.5).Shift(.5))
	})
	b.Func("judge", func(f *graph.Func) {
		f.Output("score", g.Critic.Score(pack(images(f), pac), pack(g.label(f, batch), pac)))
	})
	b.Step("critic", criticOpt, g.Critic, func(f *graph.Func) *graph.Value {
		y := g.label(f, batch)
		real, fake := pack(images(f), pac), pack(draw(f, y).Detach(), pac)
		judge := func(x *graph.Value) *graph.Value { return g.Critic.Score(x, pack(y, pac)) }
		ofReal, ofFake := judge(real), judge(fake)
		f.Output("real", ofReal.Mean())
		f.Output("fake", ofFake.Mean())
		l := g.Loss.Critic(ofReal, ofFake).Mean()
		if g.Penalty == nil {
			return l
		}
		penalty := g.Penalty(judge, real, fake).Mean()
		f.Output("penalty", penalty)
		return l.Add(penalty.Scale(s.Float("lambda")))
	})
	b.Step("generator", genOpt, g.Gen, func(f *graph.Func) *graph.Value {
		y := g.label(f, batch)
		return g.Loss.Generator(g.Critic.Score(pack(draw(f, y), pac), pack(y, pac))).Mean()
	})
	return b.Compile()
}

// common are the settings that all models of the package have: the image, the noise, whether the networks are convolutional, the learning rate of the generator and how
// many times that of the critic is (two time-scales, Heusel et al. 2017), how many steps the critic does for one of the generator,
// the decay of the generator's average weights (0 keeps none), and how many images the critic sees at once. So small networks learn
// best from learning rates ten times the papers', which are for a width of 64.
var common = models.Settings{"size": 28, "channels": 1, "latent": 64, "conv": 1, "width": 16, "lr": 2e-3, "ttur": 1, "ratio": 1, "ema": .999, "pac": 1}

// limits are what settings may be.
var limits = map[string]struct {
	lo, hi float64
	whole  bool
	want   string
}{
	"size":     {6, 512, true, "the rows of an image: an even number from 6 to 512, such as 28, 32 or 64"},
	"channels": {1, 3, true, "1 or 3"},
	"latent":   {1, 1 << 16, true, "a whole number from 1 to 65536"},
	"conv":     {0, 1, true, "1 for convolutional networks or 0 for perceptrons"},
	"width":    {1, 1 << 12, true, "a whole number from 1 to 4096"},
	"lr":       {1e-12, 1, false, "a number above 0 and at most 1"},
	"ttur":     {1e-6, 1e6, false, "a number above 0: how many times the generator's learning rate the critic's is"},
	"ratio":    {1, 1000, true, "a whole number from 1 to 1000: the critic's steps for one of the generator"},
	"ema":      {0, 1 - 1e-9, false, "a number from 0, for none, to below 1, such as 0.999"},
	"pac":      {1, 64, true, "a whole number from 1 to 64: how many images the critic sees at once"},
	"smooth":   {0, 1 - 1e-9, false, "a number from 0, for none, to below 1, such as 0.1"},
	"lambda":   {0, math.MaxFloat64, false, "a number from 0"},
	"clip":     {1e-12, math.MaxFloat64, false, "a number above 0, such as 0.01"},
	"classes":  {2, 1000, true, "a whole number from 2 to 1000"},
}

// check says which setting cannot be: sizes are multiplied, and memory is taken by them.
func check(s models.Settings) error {
	for _, name := range slices.Sorted(maps.Keys(s)) {
		l, v := limits[name], s[name]
		odd := name == "size" && math.Mod(v, 2) != 0 || name == "channels" && v == 2
		if odd || l.whole && v != math.Trunc(v) || !(v >= l.lo && v <= l.hi) {
			return fmt.Errorf("setting %s is %v, want %s", name, v, l.want)
		}
	}
	return nil
}

// model describes a GAN to the commands: what settings it has beside, or instead of, the common ones, and what it is of them.
func model(name, doc string, settings models.Settings, of func(s models.Settings) GAN) models.Model {
	all := maps.Clone(common)
	maps.Copy(all, settings)
	m := models.Model{
		Name: name, Family: family, Doc: doc, Results: results[name], Settings: all,
		Define: func(s models.Settings) (*compiler.Program, error) {
			if err := check(s); err != nil {
				return nil, err
			}
			return of(s).define(name, s)
		},
		Train: models.Training{
			Rhythm: models.Rhythm{{Step: "critic", Setting: "ratio", Fresh: true}, {Step: "generator"}},
			Data:   "mnist", Epochs: 20, Batch: 64, DropLast: true,
		},
		Sample: models.Sampling{Func: "generate", Noise: "z", Image: "image"},
	}
	if _, ok := all["classes"]; ok {
		m.Sample.Inputs = map[string]models.Feed{"label": {Setting: "classes"}}
	}
	return m
}
