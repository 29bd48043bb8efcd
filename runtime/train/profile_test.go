package train

import (
	"context"
	"errors"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/runtime"
)

// countingEngine counts the runs of Steps, and what is loaded and closed.
type countingEngine struct {
	runtime.Engine
	loads, steps, closes *int
}

func (e countingEngine) Load(p *compiler.Program, s *runtime.State) (runtime.Executable, error) {
	*e.loads++
	x, err := hooked{Engine: e.Engine, before: func(entry string) {
		if entry == "train" {
			*e.steps++
		}
	}}.Load(p, s)
	return countingExec{x, e.closes}, err
}

type countingExec struct {
	runtime.Executable
	closes *int
}

func (x countingExec) Close() error {
	*x.closes++
	return x.Executable.Close()
}

// TestProfile trains the first batches on another engine, on a device or not: the run ends in the same bits, and its error is that of the
// profile, if that has one.
func TestProfile(t *testing.T) {
	want := fit(t, context.Background(), config(t, ""))
	all := int(want.Step)
	bad := errors.New("the disk is full")
	for _, c := range []struct {
		name    string
		batches int
		steps   int // on the other engine
		device  bool
		err     error
	}{
		{"three batches", 3, 3, false, nil}, {"on a device", 3, 3, true, nil}, {"more than there are", 1000, all, false, nil}, {"to the end", all, all, false, nil}, {"with an error", 2, 2, false, bad},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := config(t, "")
			var loads, steps, closes, done int
			e := cfg.Engine
			if c.device {
				e = deviceEngine{e, new(moves)}
			}
			cfg.Profile = &Profile{Batches: c.batches, Engine: countingEngine{e, &loads, &steps, &closes}, Done: func() error {
				if closes != 1 {
					t.Errorf("the engine was closed %d times before it is asked what it took", closes)
				}
				done++
				return c.err
			}}
			got, err := Fit(context.Background(), cfg)
			if !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
				t.Fatalf("the error is %v, want %v", err, c.err)
			}
			if loads != 1 || steps != c.steps || closes != 1 || done != 1 {
				t.Errorf("%d loads, %d steps, %d closes, done %d times; want %d steps", loads, steps, closes, done, c.steps)
			}
			if got.Step != want.Step || bits(t, got.State) != bits(t, want.State) {
				t.Error("another run came of it")
			}
		})
	}
}
