package train

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/data"
)

// ownLoop trains 3 epochs of 5 steps in the folder dir, with or without a loader, until step stop.
func ownLoop(t *testing.T, dir Folder, o RunOptions, loader bool, stop int64) error {
	t.Helper()
	c := config(t, "")
	state, err := runtime.NewState(c.Program, c.Seed)
	if err != nil {
		t.Fatal(err)
	}
	x, err := c.Engine.Load(c.Program, state)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	o.Program, o.State, o.Seed, o.Data, o.LogEvery = c.Program, state, c.Seed, "waves", 2
	shown, err := dataset(t, 4, 9).Take(0, 1, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	samples := Samples("draw", "image", models.Images, 2, map[string]*tensor.Tensor{"x": shown["x"]})
	run, err := OpenRun(dir, o)
	if err != nil {
		return err
	}
	defer func() {
		if err := run.Close(); err != nil {
			t.Error(err)
		}
	}()
	again := o
	again.Resume = true
	if _, err := OpenRun(dir, again); !errors.Is(err, ErrInUse) {
		t.Errorf("a second loop in the folder: %v", err)
	}
	batches, err := data.NewLoader(c.Train, data.LoaderOptions{Batch: c.Batch, Shuffle: true, Seed: c.Seed, Epochs: 3, Start: run.Position.Loader})
	if err != nil {
		t.Fatal(err)
	}
	defer batches.Close()
	sum, examples, whole := 0., 0, false // of an epoch, if all of it is trained here
	for run.Position.Epoch < 3 {
		if run.Position.Step%5 == 0 {
			sum, examples, whole = 0, 0, true
		}
		size := 2
		fields, err := c.Train.Take(int(run.Position.Step)%30, 30) // a loop that knows no epochs of the data
		if err != nil {
			t.Fatal(err)
		}
		if loader {
			b, err := batches.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			fields, size = b.Tensors, b.Size
			run.Position.Loader = batches.State()
		}
		m, err := Run(t.Context(), x, c.Program.Step("train"), c.Inputs.Name(fields))
		if err != nil {
			t.Fatal(err)
		}
		run.Log(m, size)
		if records := run.Records(); run.Position.Step == 6 && math.Abs(records[len(records)-1].Train["mae"]-m["mae"]) > 1e-9 {
			t.Errorf("the first record of the second epoch, of its first step, has %v, want %v", records[len(records)-1].Train["mae"], m["mae"])
		}
		sum, examples = sum+m["mae"]*float64(size), examples+size
		if run.Position.Step%5 == 0 {
			if err := run.Show(t.Context(), x, samples); err != nil {
				t.Fatal(err)
			}
			if _, err := run.EndEpoch(Metrics{Loss: []float64{3, 1, 2}[run.Position.Epoch]}); err != nil {
				t.Fatal(err)
			}
			records := run.Records()
			if got, want := records[len(records)-1].Train["mae"], sum/float64(examples); whole && math.Abs(got-want) > 1e-9 {
				t.Errorf("the average of epoch %d is %v, want %v", run.Position.Epoch, got, want)
			}
		}
		if run.Position.Step == stop {
			return run.Save(false)
		}
	}
	if best := run.Position.Best; best == nil || *best != (Score{1, 2, 10}) {
		t.Errorf("the best is %+v", best)
	}
	if meta := run.Metadata(); meta["training.steps"] != "15" || meta["training.data"] != "waves" {
		t.Errorf("metadata %v", meta)
	}
	if err := run.Restore(Best); err != nil {
		return err
	}
	if meta := run.Metadata(); meta["training.steps"] != "10" || meta["training.epochs"] != "2" || meta["training.loss"] != "1" {
		t.Errorf("metadata of the best checkpoint %v", meta)
	}
	return nil
}

// TestJournal: a loop of one's own has a run that resumes as Fit's does, to the same bits, wherever it is stopped.
func TestJournal(t *testing.T) {
	for name, loader := range map[string]bool{"loader": true, "no loader": false} {
		t.Run(name, func(t *testing.T) {
			whole := Folder(filepath.Join(t.TempDir(), "whole"))
			if err := ownLoop(t, whole, RunOptions{}, loader, -1); err != nil {
				t.Fatal(err)
			}
			records, err := ReadHistory(whole.Metrics())
			var steps []int64
			for _, r := range records {
				if steps = append(steps, r.Step); !(r.Train["mae"] > 0) || (r.Kind == KindEpoch) != (r.Validate != nil) {
					t.Errorf("the record %+v", r)
				}
			}
			if err != nil || !slices.Equal(steps, []int64{2, 4, 5, 6, 8, 10, 10, 12, 14, 15}) || records[6].Validate[Loss] != 1 {
				t.Errorf("records of the steps %v, %v", steps, err)
			}
			if l, err := whole.samples(9); err != nil || len(l) != 3 {
				t.Errorf("samples %v, %v", l, err)
			}
			for _, path := range []string{whole.Report(), whole.Animation(), whole.Curve()} {
				if _, err := os.Stat(path); err != nil {
					t.Error(err)
				}
			}
			for _, stop := range []int64{1, 5, 7, 10, 14, 15} {
				dir := Folder(filepath.Join(t.TempDir(), "run"))
				if err := ownLoop(t, dir, RunOptions{}, loader, stop); err != nil {
					t.Fatal(err)
				}
				var out strings.Builder
				if err := ownLoop(t, dir, RunOptions{Resume: true, Out: &out}, loader, -1); err != nil {
					t.Fatalf("stopped after step %d: %v", stop, err)
				}
				if !strings.Contains(out.String(), "resuming") {
					t.Errorf("output %q", &out)
				}
				compareLeft(t, "stopped", left(t, string(dir)), left(t, string(whole)))
			}
		})
	}
}

// TestJournalRefuses: a run is not mixed up with another.
func TestJournalRefuses(t *testing.T) {
	dir := Folder(filepath.Join(t.TempDir(), "run"))
	if err := ownLoop(t, dir, RunOptions{Resume: true}, true, 3); !errors.Is(err, ErrNoRun) {
		t.Errorf("nothing to resume: %v", err)
	}
	if err := ownLoop(t, dir, RunOptions{}, true, 3); err != nil {
		t.Fatal(err)
	}
	before := contents(t, string(dir))
	if err := ownLoop(t, dir, RunOptions{}, true, 3); !errors.Is(err, ErrHasRun) {
		t.Errorf("a second run: %v", err)
	}
	if err := ownLoop(t, dir, RunOptions{Resume: true, Monitor: "mae"}, true, 3); !errors.Is(err, ErrOtherRun) || !strings.Contains(err.Error(), `monitor was "loss" and is "mae"`) {
		t.Errorf("another metric to find the best by: %v", err)
	}
	if err := ownLoop(t, dir, RunOptions{Settings: map[string]float64{"width": math.NaN()}}, true, 3); err == nil || !strings.Contains(err.Error(), "width is NaN") {
		t.Errorf("a setting that is no number: %v", err)
	}
	if _, err := OpenRun(dir, RunOptions{}); err == nil || !strings.Contains(err.Error(), "a program and its state") {
		t.Errorf("no program: %v", err)
	}
	c := config(t, string(dir))
	c.Resume = true
	if _, err := Fit(t.Context(), c); !errors.Is(err, ErrOtherRun) {
		t.Errorf("Fit goes on with it: %v", err)
	}
	compareLeft(t, "folder", contents(t, string(dir)), before)
}
