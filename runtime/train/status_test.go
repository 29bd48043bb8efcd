package train

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/filelock"
)

// TestStatus follows a run from before its beginning to its end: what is told is so at each moment, and asking changes nothing.
func TestStatus(t *testing.T) {
	if _, known := filelock.Held(os.Args[0]); !known {
		t.Skip("locks cannot be seen here")
	}
	dir := filepath.Join(t.TempDir(), "run")
	status := func(want Standing, epochs int, step int64) Status {
		t.Helper()
		s, err := Folder(dir).Status()
		if err != nil {
			t.Fatal(err)
		}
		if s.Standing != want || s.Epochs != epochs || s.Step != step {
			t.Errorf("%s after %d epochs and %d steps, want %s, %d, %d", s.Standing, s.Epochs, s.Step, want, epochs, step)
		}
		return s
	}
	if _, err := Folder(dir).Status(); !errors.Is(err, ErrNoRun) {
		t.Errorf("before it begins: %v", err)
	}
	c := config(t, dir)
	c.Data, c.LogEvery = "points", 0
	c.OnEpoch = []Callback{func(_ context.Context, e EpochEnd) error {
		saved := []int64{0, 7, 10}[e.Record.Epoch-1] // before it: the run is interrupted after 7 steps
		if s := status(Running, e.Record.Epoch-1, saved); len(s.Records) != e.Record.Epoch-1 {
			t.Errorf("%d records in epoch %d", len(s.Records), e.Record.Epoch)
		}
		return nil
	}}
	ctx, stopped := stopAfter(t, c, 7)
	if _, err := Fit(ctx, stopped); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	before := left(t, dir)
	s := status(Interrupted, 1, 7)
	if s.Best == nil || s.Best.Epoch != 1 || s.Setup.Data != "points" || s.Time <= 0 || s.Live != nil {
		t.Errorf("%+v", s)
	}
	compareLeft(t, "asked", left(t, dir), before)
	c.Resume, c.Update = true, RunStep(c.Program.Step("train"))
	if res := fit(t, t.Context(), c); res.Epochs != c.Epochs {
		t.Fatalf("%d epochs", res.Epochs)
	}
	status(Finished, c.Epochs, int64(5*c.Epochs))
	if n, err := Folder(dir).Size(); err != nil || n < 1000 {
		t.Errorf("%d bytes: %v", n, err)
	}

	for _, file := range []string{"config.json", "metrics.jsonl", "checkpoints/index.json"} {
		path := filepath.Join(dir, file)
		b, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(path, []byte("{\"odd\": 1}\n"), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Folder(dir).Status(); err == nil || errors.Is(err, ErrNoRun) || !strings.Contains(err.Error(), filepath.Base(file)) {
			t.Errorf("a damaged %s: %v", file, err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestStandingElsewhere looks at an unfinished run that a process of another place trains in, or was killed in: its lock is not seen, and
// its progress tells as far as it can.
func TestStandingElsewhere(t *testing.T) {
	here := filelock.Place()
	if _, known := filelock.Held(os.Args[0]); !known || here == "" {
		t.Skip("locks cannot be seen here")
	}
	dir := Folder(filepath.Join(t.TempDir(), "run"))
	ctx, c := stopAfter(t, config(t, string(dir)), 7)
	if _, err := Fit(ctx, c); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		what string
		live *Live // nil for none
		age  time.Duration
		want Standing
	}{
		{"a clean end", nil, 0, Interrupted},
		{"killed here a moment ago", &Live{Place: here}, 0, Interrupted},
		{"killed here long ago", &Live{Place: here}, time.Hour, Interrupted},
		{"training elsewhere", &Live{Place: "elsewhere"}, 0, Running},
		{"training elsewhere, by a clock that is fast", &Live{Place: "elsewhere"}, -30 * time.Second, Running},
		{"silent elsewhere", &Live{Place: "elsewhere"}, 2 * time.Minute, NotKnown},
		{"from the future", &Live{Place: "elsewhere"}, -time.Hour, NotKnown},
		{"of a place that is not told", &Live{}, 0, Running},
		{"silent at a place that is not told", &Live{}, time.Hour, NotKnown},
	} {
		if tt.live != nil {
			tt.live.Phase, tt.live.Time = "epoch 2/3", time.Now().Add(-tt.age)
			if err := writeJSON(dir.Progress(), tt.live); err != nil {
				t.Fatal(err)
			}
		}
		s, err := dir.Status()
		if err != nil || s.Standing != tt.want || (s.Live != nil) != (tt.want == Running) {
			t.Errorf("%s: %s, with %+v; %v; want %s", tt.what, s.Standing, s.Live, err, tt.want)
		}
	}
	// It can be resumed, whatever was not known, and is then known from its beginning on.
	c.Resume, c.Update = true, RunStep(c.Program.Step("train"))
	begun := false
	c.OnEpoch = []Callback{func(context.Context, EpochEnd) error {
		l := dir.live()
		begun = begun || l != nil && l.Place == here
		return nil
	}}
	if fit(t, t.Context(), c); !begun {
		t.Error("progress.json does not tell where the process runs")
	}
	if s, err := dir.Status(); err != nil || s.Standing != Finished {
		t.Errorf("%s; %v", s.Standing, err)
	}
}

// TestLive sees how far a run says that it is within an epoch whose steps take long, and that nothing of that is left.
func TestLive(t *testing.T) {
	dir := Folder(filepath.Join(t.TempDir(), "run"))
	c := config(t, string(dir))
	c.Epochs = 1
	do := RunStep(c.Program.Step("train"))
	seen := false
	c.Update = func(ctx context.Context, x runtime.Executable, step int64, in map[string]*tensor.Tensor) (Metrics, error) {
		switch step {
		case 2:
			time.Sleep(beatPause)
		case 3:
			l := dir.live()
			seen = l != nil && l.Phase == "epoch 1/1" && l.Done == 3*c.Batch && l.Total == c.Train.Len() && l.Rate > 0 && l.Metrics[Loss] > 0 && time.Since(l.Time) < time.Minute
			if !seen {
				t.Errorf("%+v", l)
			}
		}
		return do(ctx, x, step, in)
	}
	fit(t, t.Context(), c)
	if !seen {
		t.Error("the run was too short")
	}
	if _, err := os.Stat(dir.Progress()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("progress.json is left: %v", err)
	}
	// One that a killed process has left tells nothing once the lock is free, and goes when the run does on.
	if err := os.WriteFile(dir.Progress(), []byte(`{"phase":"epoch 1/2","done":1,"total":2}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if s, err := dir.Status(); err != nil || s.Live != nil {
		t.Errorf("%+v: %v", s.Live, err)
	}
	c.Resume, c.Epochs = true, 2
	fit(t, t.Context(), c)
	if _, err := os.Stat(dir.Progress()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old progress.json is left: %v", err)
	}
}

// TestDifferences names what differs between runs, and not what says the same again.
func TestDifferences(t *testing.T) {
	a := Setup{Program: "vae", Fingerprint: "1", Command: "train vae", Batch: 128, Seed: 1, Settings: map[string]float64{"lr": 1e-3, "latent": 20}}
	b := a
	b.Fingerprint, b.Command, b.Batch, b.Settings = "2", "train vae --batch 64", 64, map[string]float64{"lr": 1e-3, "beta": 4}
	want := []Difference{{"batch", []string{"128", "64"}}, {"settings.beta", []string{"", "4"}}, {"settings.latent", []string{"20", ""}}}
	if got := Differences([]Setup{a, b}); !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := Differences([]Setup{a, a, a}); got != nil {
		t.Errorf("of one and the same: %v", got)
	}
}
