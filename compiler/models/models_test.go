package models_test

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
)

var defaults = models.Settings{"hidden": 512, "lr": 1e-3}

// TestWith changes settings by name; what it refuses is named.
func TestWith(t *testing.T) {
	got, err := defaults.With(models.Settings{"hidden": 64})
	if err != nil {
		t.Fatal(err)
	}
	if got.Int("hidden") != 64 || got.Float("lr") != 1e-3 || got.String() != "hidden=64, lr=0.001" {
		t.Errorf("got %v", got)
	}
	if d := (models.Settings{"n": -1 << 40}).Dim("n"); got.Dim("hidden") != 64 || d.Symbolic() || d.Valid() {
		t.Errorf("as axes: %v and %v", got.Dim("hidden"), d)
	}
	if defaults.Int("hidden") != 512 {
		t.Error("the defaults changed")
	}
	for want, changes := range map[string]models.Settings{
		`no setting is called "width": there are hidden=512, lr=0.001`: {"width": 3},
		"setting lr is NaN, want a number":                             {"lr": math.NaN()},
		"setting hidden is -Inf, want a number":                        {"hidden": math.Inf(-1)},
	} {
		if _, err := defaults.With(changes); err == nil || err.Error() != want {
			t.Errorf("%v: %v, want %q", changes, err, want)
		}
	}
}

// TestInt panics with a SettingError on a number that is not whole, and otherwise on a name that is not there.
func TestInt(t *testing.T) {
	try := func(s models.Settings, name string) (r any) {
		defer func() { r = recover() }()
		s.Int(name)
		return nil
	}
	for _, v := range []float64{1.5, 1e30, -1e15} {
		err, _ := try(models.Settings{"n": v}, "n").(error)
		var bad models.SettingError
		if !errors.As(err, &bad) || bad.Name != "n" || bad.Value != v || !strings.Contains(err.Error(), "want a whole number") {
			t.Errorf("%v: %v", v, err)
		}
	}
	if r := fmt.Sprint(try(defaults, "depth")); !strings.Contains(r, `no setting "depth"`) {
		t.Errorf("a missing name: %v", r)
	}
	if r := try(models.Settings{"n": -3}, "n"); r != nil {
		t.Errorf("-3: %v", r)
	}
}

// TestModelWith holds what follows from settings, and that the model itself stays as it is.
func TestModelWith(t *testing.T) {
	m := models.Model{Name: "pair", Settings: models.Settings{"ratio": 5, "classes": 10},
		Train:  models.Training{Rhythm: models.Rhythm{{Step: "critic", Setting: "ratio", Fresh: true}, {Step: "gen"}}},
		Sample: models.Sampling{Inputs: map[string]models.Feed{"label": {Setting: "classes"}, "z": models.Normal}}}
	for range 2 {
		got, err := m.With(models.Settings{"ratio": 2, "classes": 3})
		if err != nil {
			t.Fatal(err)
		}
		if want := (models.Turn{Step: "critic", Times: 2, Fresh: true}); got.Train.Rhythm[0] != want || got.Train.Rhythm[1] != m.Train.Rhythm[1] {
			t.Errorf("the Rhythm is %v", got.Train.Rhythm)
		}
		if in := got.Sample.Inputs; in["label"] != models.Label(3) || in["z"] != models.Normal {
			t.Errorf("the Inputs are %v", in)
		}
	}
	if m.Train.Rhythm[0].Times != 0 || m.Sample.Inputs["label"].Classes != 0 {
		t.Errorf("the model has become %+v", m)
	}
	for want, c := range map[string]models.Settings{
		`how often its Rhythm runs the step "critic" follows from the setting "ratio", which it does not have: it has classes=3`: {"classes": 3},
		`the input "label" of its Sampling follows from the setting "classes"`:                                                   {"ratio": 2},
		"setting ratio is 0, want a whole number from 1":                                                                         {"ratio": 0, "classes": 3},
		"setting classes is 2.5, want a whole number from 1":                                                                     {"ratio": 2, "classes": 2.5},
	} {
		if _, err := m.With(c); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "model pair") {
			t.Errorf("%v: %v, want %q", c, err, want)
		}
	}
	m.Train.Rhythm[0].Times = 2
	if _, err := m.With(models.Settings{"ratio": 2, "classes": 3}); err == nil || !strings.Contains(err.Error(), "give one") {
		t.Errorf("both Times and a Setting: %v", err)
	}
}

// TestParseSettings reads back what is written.
func TestParseSettings(t *testing.T) {
	for _, s := range []models.Settings{{}, {"lr": 1e-4}, {"lr": 2.5e-17, "size": 28, "a.b": -1}} {
		if got, err := models.ParseSettings(s.String()); err != nil || !maps.Equal(got, s) {
			t.Errorf("%v is read as %v: %v", s, got, err)
		}
	}
	for _, text := range []string{"lr", "lr=", "lr=x", "=1,2"} {
		if _, err := models.ParseSettings(text); err == nil || !strings.Contains(err.Error(), "is not NAME=VALUE") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
