package train

import (
	"context"
	"errors"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/racetest"
)

// TestResumePatience interrupts runs that stop early within epochs and at their ends: resumed, they stop after the same epoch, with the
// same best score, records and state as the unbroken one, also when they are resumed after they have stopped.
func TestResumePatience(t *testing.T) {
	if racetest.Enabled {
		t.Skip("a hundred runs, one after the other, whose goroutines other tests have too: the race detector makes them minutes")
	}
	losses := []float64{5, 4, 3.95, 4.5, 3.5, 9, 9, 9, 1, 1}
	for _, tt := range []struct {
		patience, epochs, best int
		delta                  float64
		restore                bool
	}{{2, 4, 2, .1, true}, {2, 7, 5, 0, true}, {1, 4, 3, 0, false}} {
		base := config(t, "")
		base.Validate, base.LogEvery, base.Epochs = "", 0, len(losses)
		base.Train, base.Batch = dataset(t, 6, 1), 4 // two steps an epoch
		base.Patience, base.MinDelta, base.RestoreBest = tt.patience, tt.delta, tt.restore
		do := RunStep(base.Program.Step("train"))
		base.Update = func(ctx context.Context, x runtime.Executable, step int64, in map[string]*tensor.Tensor) (Metrics, error) {
			_, err := do(ctx, x, step, in)
			return Metrics{Loss: losses[step/2]}, err
		}
		whole := base
		whole.Dir = Folder(filepath.Join(t.TempDir(), "whole"))
		want := fit(t, t.Context(), whole)
		if want.Epochs != tt.epochs || want.Best.Epoch != tt.best || !want.StoppedEarly {
			t.Fatalf("%+v: the unbroken run has %d epochs, best %+v", tt, want.Epochs, want.Best)
		}
		wantLeft := left(t, string(whole.Dir))
		for n := int64(1); n <= want.Step; n += 3 { // within epochs and at their ends
			ctx, cancel := context.WithCancel(t.Context())
			c := base
			c.Dir = Folder(filepath.Join(t.TempDir(), "run"))
			c.Update = func(ctx context.Context, x runtime.Executable, step int64, in map[string]*tensor.Tensor) (Metrics, error) {
				if step+1 == n {
					cancel()
				}
				return base.Update(ctx, x, step, in)
			}
			if _, err := Fit(ctx, c); err != nil && !errors.Is(err, ErrInterrupted) {
				t.Fatal(err)
			}
			c.Update, c.Resume = base.Update, true
			for _, when := range []string{"resumed", "resumed again"} {
				got := fit(t, t.Context(), c)
				if got.Epochs != want.Epochs || got.Step != want.Step || *got.Best != *want.Best || !got.StoppedEarly {
					t.Errorf("%+v: stopped after step %d, %s: %d epochs, %d steps, best %+v, early %v", tt, n, when, got.Epochs, got.Step, *got.Best, got.StoppedEarly)
				}
				if bits(t, got.State) != bits(t, want.State) {
					t.Errorf("%+v: stopped after step %d, %s: the state differs", tt, n, when)
				}
				if !reflect.DeepEqual(left(t, string(c.Dir)), wantLeft) {
					compareLeft(t, when, left(t, string(c.Dir)), wantLeft)
				}
			}
		}
	}
}
