package bayes

import (
	"context"
	"math"
	"math/rand/v2"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// Of is naive Bayes of a table with these columns.
func Of(columns []models.Column) models.Model {
	build := func(s models.Settings) *NaiveBayes {
		m := &NaiveBayes{Smoothing: s.Float("smoothing")}
		for _, c := range columns {
			m.Values = append(m.Values, int64(len(c.Values)))
		}
		return m
	}
	return models.Model{
		Name: "naivebayes", Family: "Naive Bayes, p(x)",
		Doc:   "naive Bayes of a table's columns, in closed form (Foster 2019, chapter 1)",
		Needs: "a second",
		Results: []models.Result{{
			Measure: "entropy of the book's avatars, without smoothing", Reference: "6.8114 nats (of the counts in Foster 2019)", Reached: "6.8114",
			Command: "train naivebayes --set smoothing=0",
		}},
		Settings: models.Settings{"smoothing": 1},
		Limits:   models.Usual,
		Columns:  columns, For: Of,
		Define: func(s models.Settings) (*compiler.Program, error) {
			m, width := build(s), graph.Dim(len(columns))
			row := func(f *graph.Func) *graph.Value { return f.Input(models.Row, graph.I64, models.Batch, width) }
			b := compiler.New("naivebayes")
			b.Model("bayes", m)
			b.Func("score", func(f *graph.Func) { f.Output("log_prob", m.LogProbs(row(f)).Sum(1)) })
			b.Func("draw", func(f *graph.Func) { f.Output(models.Row, m.Draw(f.Input("u", graph.F32, models.Batch, width))) })
			b.Func("validate", func(f *graph.Func) { f.Output("loss", m.LogProbs(row(f)).Sum(1).Mean().Neg()) })
			return b.Compile()
		},
		Train: models.Training{
			Fit: func(ctx context.Context, set models.Settings, s models.State, train models.Examples) (map[string]float64, error) {
				m := build(set)
				metrics, err := m.fit(ctx, s, train, models.Row, 1)
				if err == nil {
					metrics["perplexity"], metrics["parameters"] = math.Exp(metrics["entropy"]), float64(m.free())
				}
				return metrics, err
			},
			Validate: "validate", Generate: avatars,
		},
		Sample: models.Sampling{
			Func: "draw", Inputs: map[string]models.Feed{"u": models.Uniform}, Output: models.Row, Kind: models.Table(columns...),
		},
	}
}

// Model describes naive Bayes of tables to the commands: of the book's avatars, or of any table of categories.
var Model = Of(avatarColumns)

// The avatars of the book's planet Pixel: how often each value was seen in 50 of them.
var (
	avatarColumns = []models.Column{
		{Name: "topType", Values: []string{"NoHair", "LongHairBun", "LongHairCurly", "LongHairStraight", "ShortHairShortWaved", "ShortHairShortFlat", "ShortHairFrizzle"}},
		{Name: "hairColor", Values: []string{"Black", "Blonde", "Brown", "PastelPink", "Red", "SilverGray"}},
		{Name: "accessoriesType", Values: []string{"Blank", "Round", "Sunglasses"}},
		{Name: "clotheType", Values: []string{"Hoodie", "Overall", "ShirtScoopNeck", "ShirtVNeck"}},
		{Name: "clotheColor", Values: []string{"Black", "Blue01", "Gray01", "PastelGreen", "PastelOrange", "Pink", "Red", "White"}},
	}
	avatarCounts = [][]int{
		{7, 0, 1, 23, 1, 11, 7},
		{7, 6, 2, 3, 8, 24},
		{11, 22, 17},
		{7, 18, 19, 6},
		{0, 4, 10, 5, 2, 4, 3, 22},
	}
)

// avatarSeed is that of the order in which the values of a column stand.
const avatarSeed = 1

// avatars are 50 rows with these counts. The book prints the counts and not which values went together, of which naive Bayes
// sees nothing; here, each column is shuffled.
func avatars(models.Settings) (train, test map[string]*tensor.Tensor, err error) {
	const n = 50
	rows := tensor.New(tensor.I64, n, len(avatarCounts))
	r := rand.New(rand.NewPCG(avatarSeed, 0))
	for k, counts := range avatarCounts {
		at := r.Perm(n)
		for v, count := range counts {
			for _, i := range at[:count] {
				rows.SetInt(i*len(avatarCounts)+k, int64(v))
			}
			at = at[count:]
		}
	}
	return map[string]*tensor.Tensor{models.Row: rows}, nil, nil
}
