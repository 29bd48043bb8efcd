package models_test

import (
	"math"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// TestLimits takes numbers at the limits, and refuses those just beyond, between steps, and that are none.
func TestLimits(t *testing.T) {
	limits := models.Usual.With(models.Limits{"size": models.Rows(4, 64), "n": models.Whole(0, 3), "share": {Min: .5, Max: 1, Want: "½ to 1"}})
	for name, c := range map[string]struct{ good, bad []float64 }{
		"size":     {[]float64{4, 8, 64}, []float64{0, 2, 6, 62, 68, 4.5, -4}},
		"n":        {[]float64{0, 1, 3}, []float64{-1, .5, 4, math.NaN(), math.Inf(1)}},
		"share":    {[]float64{.5, .75, 1}, []float64{.49, 1.01, math.NaN()}},
		"channels": {[]float64{1, 3}, []float64{0, 2, 4}},
		"of mine":  {[]float64{-1e300, math.NaN()}, nil},
	} {
		for _, v := range c.good {
			if err := limits.Check(models.Settings{name: v}); err != nil {
				t.Error(err)
			}
		}
		for _, v := range c.bad {
			if err := limits.Check(models.Settings{"n": 1, name: v}); err == nil || !strings.Contains(err.Error(), "setting "+name+" is ") {
				t.Errorf("%s=%v: %v", name, v, err)
			}
		}
	}
	if err := models.Limits(nil).Check(models.Settings{"size": -1}); err != nil {
		t.Errorf("no limits: %v", err)
	}
	if size := models.Usual["size"]; size.Step != 1 {
		t.Errorf("With changes the limits that it is given: size is %+v", size)
	}
}

// TestDeclare sees what is declared by which settings.
func TestDeclare(t *testing.T) {
	for _, c := range []struct {
		set     models.Settings
		image   string
		labels  int
		average bool
	}{
		{models.Settings{"size": 8, "channels": 3, "latent": 4, "ema": 0}, "f32[batch 3 8 8]", 0, false},
		{models.Settings{"side": 6, "channels": 1, "latent": 2, "classes": 5, "ema": .9}, "f32[batch 1 6 6]", 5, true},
	} {
		layer := &nn.Dense{Units: 1}
		b := compiler.New("declared")
		b.Model("layer", layer)
		entry, opt := c.set.Averaged(b, optim.SGD{LR: 1})
		entry("f", func(f *graph.Func) {
			if got := c.set.Image(f).Type.String(); got != c.image {
				t.Errorf("the image is %s, want %s", got, c.image)
			}
			y := c.set.Label(f)
			if (y == nil) != (c.labels == 0) || y != nil && y.Dim(1) != graph.Dim(c.labels) {
				t.Errorf("the label is %v, of %d classes", y, c.labels)
			}
			f.Output("y", layer.Apply(nn.Given(c.set.Noise(f), y)))
		})
		b.Step("train", opt, layer, func(f *graph.Func) *graph.Value {
			return layer.Apply(nn.Given(c.set.Noise(f), c.set.Label(f))).Mean()
		})
		prog, err := b.Compile()
		if err != nil {
			t.Fatal(err)
		}
		average := false
		for _, p := range prog.Params() {
			average = average || strings.Contains(p.Name, ".ema.layer")
		}
		if read := strings.Contains(prog.Func("f").String(), ".ema.layer"); average != c.average || read != c.average {
			t.Errorf("averages are kept: %v, and read: %v; want %v", average, read, c.average)
		}
	}
}
