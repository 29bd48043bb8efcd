package gan

import (
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
	Penalty loss.Penalty                                       // the setting lambda times its mean is added to the critic's loss; nil for none
	Opt     func(lr float64, s optim.Schedule) optim.Optimizer // of both
	Clip    float64                                            // the critic's weights are kept in [-Clip, Clip]; 0 does not
}

// A Critic scores images x in [-1, 1], [batch channels size size], given their classes y, one-hot, or nil: [batch 1]. It is a
// pointer to a struct of layers.
type Critic interface {
	Score(x, y *graph.Value) *graph.Value
}

// define builds g's program: generate and judge, and the Steps critic and generator, which run in turn. With the setting ema, the
// generator's average weights are what generate has. The critic sees packs of pac images.
func (g GAN) define(name string, s models.Settings) (*compiler.Program, error) {
	images := func(f *graph.Func) *graph.Value { return s.Pack(s.Image(f).Scale(2).Shift(-1)) }
	score := func(x, y *graph.Value) *graph.Value { return g.Critic.Score(x, s.Pack(y)) }
	draw := func(f *graph.Func, y *graph.Value) *graph.Value {
		return g.Gen.Apply(nn.Given(f.RandomNormal(graph.F32, models.Batch, s.Dim("latent")), y))
	}

	b := compiler.New(name)
	b.Model("gen", g.Gen)
	b.Model("critic", g.Critic)
	criticOpt := g.Opt(s.Float("lr")*s.Float("ttur"), s.Fall(1))
	if g.Clip > 0 {
		criticOpt = optim.ClipWeights{Max: g.Clip, Then: criticOpt}
	}
	sampled, genOpt := s.Averaged(b, g.Opt(s.Float("lr"), s.Fall(s.Int("ratio"))))
	sampled("generate", func(f *graph.Func) {
		f.Output("image", g.Gen.Apply(nn.Given(s.Noise(f), s.Label(f))).Scale(.5).Shift(.5))
	})
	b.Func("judge", func(f *graph.Func) { f.Output("score", score(images(f), s.Label(f))) })
	b.Step("critic", criticOpt, g.Critic, func(f *graph.Func) *graph.Value {
		y := s.Label(f)
		judge := func(x *graph.Value) *graph.Value { return score(x, y) }
		real, fake := images(f), s.Pack(draw(f, y).Detach())
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
		y := s.Label(f)
		return g.Loss.Generator(score(s.Pack(draw(f, y)), y)).Mean()
	})
	return b.Compile()
}
