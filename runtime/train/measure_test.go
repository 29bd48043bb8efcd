package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/data"
)

// heights are what the measure fid gives after each epoch.
var heights = []float64{3, 9, 4, 2, 8, 6, 7}

// measures are two: a Func of the training data each second epoch, and a Go function each third.
func measures() []models.Measure {
	return []models.Measure{
		{Name: "again", Func: "validate", Train: true, Every: 2},
		{Name: "fid", Every: 3, Take: func(ctx context.Context, m models.Measuring) (map[string]float64, error) {
			x, err := m.Data.Take(0)
			if err != nil {
				return nil, err
			}
			if _, err := m.Run(ctx, "draw", map[string]*tensor.Tensor{"x": x["x"]}); err != nil {
				return nil, err
			}
			return map[string]float64{"": heights[m.Epoch-1], "n": float64(m.Data.Len())}, ctx.Err()
		}},
	}
}

// TestMeasures sees when measures are taken, what they are called, which epoch they say is best, and that a run interrupted in
// one is resumed to the same end.
func TestMeasures(t *testing.T) {
	for _, tt := range []struct {
		highest bool
		monitor string
		best    string
	}{{false, "fid", "epoch 3, 4"}, {true, "fid", "epoch 7, 7"}, {false, "fid.n", "epoch 3, 11"}} {
		base := config(t, "")
		base.Epochs, base.LogEvery, base.Measures = 7, 0, measures()
		base.Monitor, base.Highest = tt.monitor, tt.highest
		whole := base
		whole.Dir = Folder(filepath.Join(t.TempDir(), "whole"))
		want := fit(t, t.Context(), whole)
		if got := fmt.Sprintf("epoch %d, %v", want.Best.Epoch, want.Best.Value); got != tt.best {
			t.Errorf("%+v: the best is %s", tt, got)
		}
		var taken []string
		for _, r := range want.History {
			for _, name := range []string{"again", "again.mae", "fid", "fid.n", "loss"} {
				if _, ok := r.Validate[name]; ok {
					taken = append(taken, fmt.Sprint(name, r.Epoch))
				}
			}
		}
		if got := strings.Join(taken, " "); got != "loss1 again2 again.mae2 loss2 fid3 fid.n3 loss3 again4 again.mae4 loss4 loss5 again6 again.mae6 fid6 fid.n6 loss6 again7 again.mae7 fid7 fid.n7 loss7" {
			t.Errorf("taken are %s", got)
		}
		ctx, cancel := context.WithCancel(t.Context())
		c := base
		c.Dir = Folder(filepath.Join(t.TempDir(), "run"))
		take := c.Measures[1].Take
		c.Measures = measures()
		c.Measures[1].Take = func(ctx context.Context, m models.Measuring) (map[string]float64, error) {
			if m.Epoch == 6 {
				cancel()
			}
			return take(ctx, m)
		}
		if _, err := Fit(ctx, c); !errors.Is(err, ErrInterrupted) {
			t.Fatal(err)
		}
		resumed := base
		resumed.Resume, resumed.Dir = true, c.Dir
		got := fit(t, t.Context(), resumed)
		if bits(t, got.State) != bits(t, want.State) || *got.Best != *want.Best {
			t.Errorf("%+v: resumed it ends with %+v", tt, got.Best)
		}
		compareLeft(t, "folder", left(t, string(c.Dir)), left(t, string(whole.Dir)))
	}
}

// TestBadMeasures sees what is refused before the first step, and what a measure may not do.
func TestBadMeasures(t *testing.T) {
	take := func(do func(m models.Measuring) (map[string]float64, error)) []models.Measure {
		return []models.Measure{{Name: "odd", Take: func(_ context.Context, m models.Measuring) (map[string]float64, error) { return do(m) }}}
	}
	for want, change := range map[string]func(c *Config){
		"measure 1 has no Name":                func(c *Config) { c.Measures = []models.Measure{{}} },
		`the measure "x" is to have a Func or`: func(c *Config) { c.Measures = []models.Measure{{Name: "x"}} },
		`two measures are called "validate"`:   func(c *Config) { c.Measures = []models.Measure{{Func: "validate"}, {Func: "validate"}} },
		`of the function "fly", which`:         func(c *Config) { c.Measures = []models.Measure{{Func: "fly"}} },
		"taken every -1 epochs":                func(c *Config) { c.Measures = []models.Measure{{Func: "validate", Every: -1}} },
		`measure "draw": "draw" returns image`: func(c *Config) { c.Measures = []models.Measure{{Func: "draw"}} },
		`for the measure "x" test data are`: func(c *Config) {
			c.Test, c.Validate, c.Measures = nil, "", []models.Measure{{Name: "x", Func: "validate"}}
		},
		`no metric "fid"`: func(c *Config) { c.Monitor = "fid" },
		`the measure "odd": no luck`: func(c *Config) {
			c.Measures = take(func(models.Measuring) (map[string]float64, error) { return nil, errors.New("no luck") })
		},
		`the measure "odd": its function panics`: func(c *Config) {
			c.Measures = take(func(models.Measuring) (map[string]float64, error) { panic("no luck") })
		},
		`net has no Func "train" to run: it has validate, draw`: func(c *Config) {
			c.Measures = take(func(m models.Measuring) (map[string]float64, error) {
				_, err := m.Run(t.Context(), "train", nil)
				return nil, err
			})
		},
		`there is no metric "odd.fid" to find the best epoch by`: func(c *Config) {
			c.Monitor, c.Epochs = "odd.fid", 1
			c.Measures = take(func(models.Measuring) (map[string]float64, error) { return map[string]float64{"": 1}, nil })
		},
	} {
		c := config(t, "")
		change(&c)
		if _, err := Fit(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestSolve fits in closed form: state from data, validated, saved, and as it was if the function fails.
func TestSolve(t *testing.T) {
	dir := t.TempDir()
	set := func(s models.State, v float64) error {
		x := tensor.New(tensor.F32, 4)
		for i := range 4 {
			x.Set(i, v)
		}
		return s.Set("out.bias", x)
	}
	of := func(name string, solve func(ctx context.Context, s models.State, d models.Examples) (map[string]float64, error)) Config {
		c := config(t, filepath.Join(dir, name))
		c.Epochs, c.Solve = 0, solve
		return c
	}
	good := func(_ context.Context, s models.State, d models.Examples) (map[string]float64, error) {
		return map[string]float64{"n": float64(d.Len())}, set(s, 3)
	}
	res := fit(t, t.Context(), of("run", good))
	if x, err := res.State.Tensor("out.bias"); err != nil || x.At(2) != 3 || res.Epochs != 1 || res.Step != 1 {
		t.Errorf("it ended with %v, %+v", err, res)
	}
	if rec := res.History[0]; rec.Train["n"] != 37 || rec.Validate["loss"] < 4 || res.Best == nil {
		t.Errorf("its record is %+v", rec)
	}
	again := of("run", good)
	again.Resume = true
	if res := fit(t, t.Context(), again); res.Epochs != 1 || len(res.History) != 1 {
		t.Errorf("resumed it is %+v", res)
	}
	ctx, cancel := context.WithCancel(t.Context())
	for want, solve := range map[string]func(ctx context.Context, s models.State, d models.Examples) (map[string]float64, error){
		"no luck": func(_ context.Context, s models.State, _ models.Examples) (map[string]float64, error) {
			return nil, errors.Join(set(s, 3), errors.New("no luck"))
		},
		"panics: no luck": func(_ context.Context, s models.State, _ models.Examples) (map[string]float64, error) {
			panic("no luck")
		},
		"has set out.bias to values that are NaN or Inf": func(_ context.Context, s models.State, _ models.Examples) (map[string]float64, error) {
			return nil, set(s, math.Inf(1))
		},
		"interrupted": func(ctx context.Context, s models.State, _ models.Examples) (map[string]float64, error) {
			cancel()
			return nil, errors.Join(set(s, 3), ctx.Err())
		},
	} {
		c := of(strings.Fields(want)[0]+fmt.Sprint(len(want)), solve)
		res, err := Fit(ctx, c)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Fatalf("%v, want %q", err, want)
		}
		if x, err := res.State.Tensor("out.bias"); err != nil || x.At(0) != 0 || res.Epochs != 0 {
			t.Errorf("%s: the state has changed", want)
		}
		ctx, cancel = context.WithCancel(t.Context())
		c.Solve, c.Resume = good, true
		if want == "interrupted" {
			if res := fit(t, t.Context(), c); res.Epochs != 1 {
				t.Errorf("resumed it is %+v", res)
			}
		}
	}
	cancel()
	c := of("both", good)
	c.Step = "train"
	if _, err := Fit(t.Context(), c); err == nil || !strings.Contains(err.Error(), "both a function Solve and Steps") {
		t.Error(err)
	}
	var _ models.Examples = (*data.Dataset)(nil)
}
