package models_test

import (
	"errors"
	"fmt"
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
