package bayes

import (
	"context"
	"math"
	"slices"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// pixels is naive Bayes whose features are the pixels of an image, each of so many levels: level l is the grey l/(levels-1). A grey
// between two levels is one of them by chance, of which likelihoods are the mean: of two levels, greys are taken as probabilities.
func pixels(s models.Settings) (m *NaiveBayes, levels int) {
	levels = s.Int("levels")
	values := slices.Repeat([]int64{int64(levels)}, s.Int("channels")*s.Int("side")*s.Int("side"))
	return &NaiveBayes{Values: values, Smoothing: s.Float("smoothing")}, levels
}

// PixelModel describes naive Bayes of pixels to the commands: what the book's chapter 1 ends with, since it does not work.
var PixelModel = models.Model{
	Name: "pixelbayes", Family: Model.Family,
	Doc:   "naive Bayes of an image's pixels, which draws noise (Foster 2019, chapter 1)",
	Needs: "5 s",
	Results: []models.Result{{
		Measure: "black and white MNIST, nats (vae: 108 after five epochs)", Reached: "205.8",
		Command: "train pixelbayes --data mnist --seed 1",
	}},
	Settings: models.Settings{"smoothing": 1, "side": 28, "channels": 1, "levels": 2},
	Limits:   models.Usual.With(models.Limits{"side": models.Whole(1, 256), "channels": models.Whole(1, 4)}),
	Define: func(s models.Settings) (*compiler.Program, error) {
		m, levels := pixels(s)
		side, channels := s.Dim("side"), s.Dim("channels")
		logProb := func(f *graph.Func) *graph.Value {
			return m.MeanLogProbs(s.Image(f).Flatten().Scale(float64(levels - 1))).Sum(1)
		}
		b := compiler.New("pixelbayes")
		b.Model("bayes", m)
		b.Func("score", func(f *graph.Func) { f.Output("log_prob", logProb(f)) })
		b.Func("draw", func(f *graph.Func) {
			x := m.Draw(f.Input("u", graph.F32, models.Batch, channels*side*side))
			f.Output("image", x.Cast(graph.F32).Scale(1/float64(levels-1)).Reshape(models.Batch, channels, side, side))
		})
		b.Func("validate", func(f *graph.Func) {
			nats := logProb(f).Mean().Neg()
			f.Output("loss", nats)
			f.Output("bits_per_dim", nats.Scale(1/(math.Ln2*float64(len(m.Values)))))
		})
		return b.Compile()
	},
	Train: models.Training{
		Fit: func(ctx context.Context, set models.Settings, s models.State, train models.Examples) (map[string]float64, error) {
			m, levels := pixels(set)
			return m.fit(ctx, s, train, models.ImageField, float32(levels-1))
		},
		Validate: "validate", Data: "mnist",
	},
	Sample: models.Sampling{Func: "draw", Inputs: map[string]models.Feed{"u": models.Uniform}, Image: "image"},
}

// Models are naive Bayes of tables and of pixels.
var Models = []models.Model{Model, PixelModel}
