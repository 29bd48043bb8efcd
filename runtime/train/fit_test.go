package train

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/data"
)

// TestFit compares a run with the same loop written out by hand over Executable.Run.
func TestFit(t *testing.T) {
	dir := t.TempDir()
	c := config(t, filepath.Join(dir, "run"))
	res := fit(t, t.Context(), c)

	ctx := t.Context()
	state, err := runtime.NewState(c.Program, c.Seed)
	if err != nil {
		t.Fatal(err)
	}
	x, err := c.Engine.Load(c.Program, state)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	l, err := data.NewLoader(c.Train, data.LoaderOptions{Batch: 8, Shuffle: true, Seed: c.Seed})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for epoch := range 3 {
		sum := 0.0
		for range 5 {
			b, err := l.Next(ctx)
			if err != nil {
				t.Fatal(err)
			}
			out, err := runtime.Run(ctx, x, "train", map[string]*tensor.Tensor{"x": b.Tensors["x"], "y": b.Tensors["target"]})
			if err != nil {
				t.Fatal(err)
			}
			sum += out["loss"].At(0) * float64(b.Size)
		}
		all, err := c.Test.Take(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
		if err != nil {
			t.Fatal(err)
		}
		val, err := runtime.Run(ctx, x, "validate", map[string]*tensor.Tensor{"x": all["x"], "y": all["target"]})
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(res.History, func(r Record) bool { return r.Kind == KindEpoch && r.Epoch == epoch+1 })
		if i < 0 {
			t.Fatalf("no record of epoch %d", epoch+1)
		}
		r := res.History[i]
		if got, want := r.Train[Loss], sum/37; math.Abs(got-want) > 1e-12*want {
			t.Errorf("epoch %d: training loss %v, want %v", epoch+1, got, want)
		}
		if got, want := r.Validate[Loss], val["loss"].At(0); math.Abs(got-want) > 1e-6*want { // two batches, or one
			t.Errorf("epoch %d: validation loss %v, want %v", epoch+1, got, want)
		}
		if r.Step != int64(5*(epoch+1)) || r.Validate["mae"] <= 0 || r.Rate <= 0 || r.Seconds <= 0 {
			t.Errorf("epoch %d: %+v", epoch+1, r)
		}
	}
	if bits(t, res.State) != bits(t, state) {
		t.Error("the state differs from that of the loop by hand")
	}
	var steps []int64
	for _, r := range res.History {
		if r.Kind == KindSteps {
			steps = append(steps, r.Step)
		}
	}
	if !slices.Equal(steps, []int64{2, 4, 6, 8, 10, 12, 14}) {
		t.Errorf("records within epochs at steps %v", steps)
	}
	if res.Epochs != 3 || res.Step != 15 || res.Best == nil || res.StoppedEarly {
		t.Errorf("result %+v", res)
	}
	onDisk, err := ReadHistory(c.Dir.Metrics())
	if err != nil || len(onDisk) != len(res.History) || !maps.Equal(onDisk[9].Train, res.History[9].Train) {
		t.Errorf("metrics.jsonl: %v, %v", onDisk, err)
	}
	for _, f := range []string{c.Dir.Config(), c.Dir.Curve(), filepath.Join(c.Dir.Checkpoints(), indexName)} {
		if st, err := os.Stat(f); err != nil || st.Size() == 0 {
			t.Errorf("%s: %v", f, err)
		}
	}
	bare := c
	bare.Dir = ""
	if r := fit(t, ctx, bare); bits(t, r.State) != bits(t, res.State) || len(r.History) != len(res.History) {
		t.Error("without a folder the run is another")
	}
}

// stopAfter makes c end ctx in the middle of its update n, counted from 1.
func stopAfter(t *testing.T, c Config, n int64) (context.Context, Config) {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	do := RunStep(c.Program.Step("train"))
	c.Update = func(ctx context.Context, x runtime.Executable, step int64, in map[string]*tensor.Tensor) (Metrics, error) {
		if step+1 == n {
			cancel()
		}
		return do(ctx, x, step, in)
	}
	return ctx, c
}

// TestResume interrupts a run within, at the end and at the beginning of epochs, and in its validation and callbacks: what it
// leaves in the end must be what an unbroken run leaves, bit for bit.
func TestResume(t *testing.T) {
	x, err := dataset(t, 6, 9).Take(0, 1, 2, 3, 4, 5)
	if err != nil {
		t.Fatal(err)
	}
	samples := Samples("draw", "image", models.Images, 3, map[string]*tensor.Tensor{"x": x["x"]})
	base := config(t, "")
	base.Update = RunStep(base.Program.Step("train")) // the same Setup as the interrupted runs have
	base.OnEpoch = []Callback{samples}
	whole := base
	whole.Dir = Folder(filepath.Join(t.TempDir(), "whole"))
	want := fit(t, t.Context(), whole)
	wantLeft := left(t, string(whole.Dir))
	if len(wantLeft) < 7 { // config, metrics, index, one or two states, three pictures
		t.Fatalf("the run leaves only %v", slices.Collect(maps.Keys(wantLeft)))
	}

	check := func(t *testing.T, c Config, err error) {
		t.Helper()
		if !errors.Is(err, ErrInterrupted) {
			t.Fatalf("the interrupted run: %v", err)
		}
		resumed := base
		resumed.Dir, resumed.Resume = c.Dir, true
		res := fit(t, t.Context(), resumed)
		if bits(t, res.State) != bits(t, want.State) {
			t.Error("the state differs")
		}
		if res.Step != want.Step || *res.Best != *want.Best || len(res.History) != len(want.History) {
			t.Errorf("the result is %+v, want %+v", res, want)
		}
		compareLeft(t, "folder", left(t, string(c.Dir)), wantLeft)
	}
	for _, n := range []int64{1, 5, 8, 15} {
		t.Run(fmt.Sprintf("step %d", n), func(t *testing.T) {
			ctx, c := stopAfter(t, base, n)
			c.Dir = Folder(filepath.Join(t.TempDir(), "run"))
			res, err := Fit(ctx, c)
			if res == nil || res.Step != n {
				t.Fatalf("stopped at %+v", res)
			}
			check(t, c, err)
		})
	}
	t.Run("callback", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c := base
		c.Dir = Folder(filepath.Join(t.TempDir(), "run"))
		c.OnEpoch = []Callback{func(ctx context.Context, e EpochEnd) error {
			if e.Record.Epoch == 2 {
				cancel()
			}
			return ctx.Err()
		}, samples}
		_, err := Fit(ctx, c)
		check(t, c, err)
	})
	t.Run("validation", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c := base
		c.Dir = Folder(filepath.Join(t.TempDir(), "run"))
		n := 0
		c.Engine = hooked{Engine: base.Engine, before: func(entry string) {
			if entry == "validate" {
				if n++; n == 3 { // the first of two batches after the second epoch
					cancel()
				}
			}
		}}
		res, err := Fit(ctx, c)
		if res == nil || res.Epochs != 1 || res.Step != 10 {
			t.Errorf("stopped at %+v", res)
		}
		check(t, c, err)
	})
	t.Run("before the first", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		c := base
		c.Dir = Folder(filepath.Join(t.TempDir(), "run"))
		_, err := Fit(ctx, c)
		check(t, c, err)
	})
	t.Run("twice and finished", func(t *testing.T) {
		ctx, c := stopAfter(t, base, 4)
		c.Dir = Folder(filepath.Join(t.TempDir(), "run"))
		_, err := Fit(ctx, c)
		if !errors.Is(err, ErrInterrupted) || !strings.Contains(err.Error(), "after step 4, in epoch 1 of 3") {
			t.Fatal(err)
		}
		ctx, again := stopAfter(t, c, 12)
		again.Resume = true
		_, err = Fit(ctx, again)
		check(t, c, err)
		check(t, c, ErrInterrupted) // a finished run stays as it is
	})
}

// TestCrash kills a run by a failure between checkpoints, with all the litter that a killed process may leave.
func TestCrash(t *testing.T) {
	base := config(t, "")
	do := RunStep(base.Program.Step("train"))
	base.Update = do
	whole := base
	whole.Dir = Folder(filepath.Join(t.TempDir(), "whole"))
	want := fit(t, t.Context(), whole)

	crash := errors.New("crash")
	for name, every := range map[string]int{"after an epoch": -1, "after each step": 1} {
		t.Run(name, func(t *testing.T) {
			c := base
			c.Dir = Folder(filepath.Join(t.TempDir(), "run"))
			c.SaveEvery = 1
			if every < 0 {
				c.SaveEvery = -1
			}
			c.Update = func(ctx context.Context, x runtime.Executable, step int64, in map[string]*tensor.Tensor) (Metrics, error) {
				if step == 8 {
					return nil, crash
				}
				return do(ctx, x, step, in)
			}
			_, err := Fit(t.Context(), c)
			last := map[int]string{-1: "step 5", 1: "step 8"}[every]
			if !errors.Is(err, crash) || !strings.Contains(err.Error(), "the last checkpoint, of "+last) {
				t.Fatalf("the failed run: %v", err)
			}
			for _, name := range []string{".123.tmp", "step-00000009-00000000.safetensors"} {
				if err := os.WriteFile(filepath.Join(c.Dir.Checkpoints(), name), []byte("half"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			f, err := os.OpenFile(c.Dir.Metrics(), os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteString(`{"kind":"steps","epoch":2,"step":10,"tr`); err != nil {
				t.Fatal(err)
			}
			f.Close()
			c.Update, c.Resume = do, true
			res := fit(t, t.Context(), c)
			if bits(t, res.State) != bits(t, want.State) {
				t.Error("the state differs")
			}
			compareLeft(t, "folder", left(t, string(c.Dir)), left(t, string(whole.Dir)))
		})
	}
}

// TestNonFinite makes the learning rate blow the weights up.
func TestNonFinite(t *testing.T) {
	c := config(t, filepath.Join(t.TempDir(), "run"))
	c.Program = program(t, 8, optim.SGD{LR: 1e30})
	res, err := Fit(t.Context(), c)
	var bad *runtime.NonFiniteError
	if !errors.As(err, &bad) || !strings.HasSuffix(bad.Pos.File, "_test.go") {
		t.Fatalf("got %v, want the line of the model", err)
	}
	if !strings.Contains(err.Error(), "train: after step") || !strings.Contains(err.Error(), "hint: a lower learning rate") {
		t.Errorf("the error does not say where training was or what may help: %v", err)
	}
	for _, name := range res.State.Names() {
		if x, _ := res.State.Tensor(name); !runtime.Finite(x) {
			t.Errorf("%s is not finite", name)
		}
	}
	if errors.Is(err, ErrInterrupted) {
		t.Error("the run counts as interrupted")
	}
	if files, err := os.ReadDir(c.Dir.Checkpoints()); err != nil || len(files) != 1 || files[0].Name() != indexName {
		t.Errorf("a run that ended before its first checkpoint left %v, %v", files, err)
	}
}

// TestNonFiniteData has NaN in an example for training, then in one for validation.
func TestNonFiniteData(t *testing.T) {
	x := tensor.New(tensor.F32, 37, 3)
	x.Set(20, math.NaN())
	y := tensor.New(tensor.F32, 37, 4)
	xs, xErr := data.FromTensor(x)
	ys, yErr := data.FromTensor(y)
	if xErr != nil || yErr != nil {
		t.Fatal(xErr, yErr)
	}
	bad, err := data.New(data.Field{Name: "x", Source: xs}, data.Field{Name: "target", Source: ys})
	if err != nil {
		t.Fatal(err)
	}
	for entry, where := range map[string]func(c *Config) **data.Dataset{
		"train": func(c *Config) **data.Dataset { return &c.Train }, "validate": func(c *Config) **data.Dataset { return &c.Test },
	} {
		c := config(t, "")
		c.Validate = "validate"
		*where(&c) = bad
		_, err := Fit(t.Context(), c)
		var went *runtime.NonFiniteError
		if !errors.As(err, &went) || went.Entry != entry || !strings.Contains(went.Value, `Input "x"`) || !strings.Contains(err.Error(), "hint: it comes with the data") {
			t.Errorf("%s: got %v, want the input and where to look", entry, err)
		}
	}
}

// TestEarlyStop gives validation losses that fall, rise and fall, and checks when the run ends and with which state.
func TestEarlyStop(t *testing.T) {
	base := config(t, "")
	base.Validate, base.LogEvery, base.Epochs = "", 0, 10
	losses := []float64{5, 4, 3.95, 4.5, 3.5, 9, 9, 9, 1, 1}
	do := RunStep(base.Program.Step("train"))
	base.Update = func(ctx context.Context, x runtime.Executable, step int64, in map[string]*tensor.Tensor) (Metrics, error) {
		_, err := do(ctx, x, step, in)
		return Metrics{Loss: losses[step/5]}, err
	}
	for _, tt := range []struct {
		patience int
		delta    float64
		epochs   int
		best     int
		early    bool
	}{{0, 0, 10, 9, false}, {2, 0, 7, 5, true}, {1, 0, 4, 3, true}, {2, .1, 4, 2, true}, {3, 0, 8, 5, true}} {
		for _, dir := range []Folder{"", Folder(filepath.Join(t.TempDir(), "run"))} {
			c := base
			c.Dir, c.Patience, c.MinDelta, c.RestoreBest = dir, tt.patience, tt.delta, true
			states := map[int]string{}
			c.OnEpoch = []Callback{func(_ context.Context, e EpochEnd) error {
				states[e.Record.Epoch] = bits(t, e.State)
				return nil
			}}
			res := fit(t, t.Context(), c)
			if res.Epochs != tt.epochs || res.Best.Epoch != tt.best || res.StoppedEarly != tt.early || res.Best.Step != int64(5*tt.best) {
				t.Errorf("%+v in %q: %d epochs, best %+v", tt, dir, res.Epochs, *res.Best)
			}
			if bits(t, res.State) != states[tt.best] {
				t.Errorf("%+v in %q: the state is not that of epoch %d", tt, dir, tt.best)
			}
		}
	}
}

// TestDropLast leaves the short last batches out.
func TestDropLast(t *testing.T) {
	c := config(t, "")
	c.DropLast, c.Validate, c.LogEvery = true, "", 0
	c.Engine = hooked{Engine: c.Engine}
	res := fit(t, t.Context(), c)
	if res.Step != 3*4 || res.Best == nil || len(res.History) != 3 {
		t.Errorf("%d steps, best %v, %d records", res.Step, res.Best, len(res.History))
	}
}

// TestRefused has configurations that cannot be, and folders of other runs.
func TestRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	done := config(t, dir)
	done.Epochs = 1
	fit(t, t.Context(), done)
	empty := Folder(filepath.Join(t.TempDir(), "empty"))
	resume := func(c *Config) { c.Dir, c.Resume = Folder(dir), true }
	for name, tt := range map[string]struct {
		change func(c *Config)
		want   []string
		is     error
	}{
		"has a run":  {func(c *Config) { c.Dir = Folder(dir) }, []string{"resume it or choose another folder"}, ErrHasRun},
		"no run":     {func(c *Config) { c.Dir, c.Resume = empty, true }, nil, ErrNoRun},
		"no folder":  {func(c *Config) { c.Resume = true }, []string{"folder is needed"}, nil},
		"batch":      {func(c *Config) { resume(c); c.Batch = 9 }, []string{"batch was 8 and is 9"}, ErrOtherRun},
		"seed":       {func(c *Config) { resume(c); c.Seed = 8 }, []string{"seed was 7 and is 8"}, ErrOtherRun},
		"data":       {func(c *Config) { resume(c); c.Train = dataset(t, 37, 4) }, []string{"train was", "and is"}, ErrOtherRun},
		"validation": {func(c *Config) { resume(c); c.Validate = "" }, []string{`validate was "validate" and is not set`}, ErrOtherRun},
		"settings": {func(c *Config) {
			resume(c)
			c.Program, c.Settings = program(t, 9, optim.Adam{LR: 1e-2}), map[string]float64{"width": 9}
		}, []string{"settings.width was 8 and is 9", "hidden.weight is f32[3 8] in it and f32[3 9] in the program"}, ErrOtherRun},
		"epochs":        {func(c *Config) { c.Epochs = 0 }, []string{"at least 1"}, nil},
		"no step":       {func(c *Config) { c.Step = "fly" }, []string{`no Step "fly"`}, nil},
		"no validation": {func(c *Config) { c.Validate = "fly" }, []string{`no Func "fly"`}, nil},
		"not scalar":    {func(c *Config) { c.Validate = "draw" }, []string{"metrics are scalars"}, nil},
		"no metric":     {func(c *Config) { c.Monitor = "fid" }, []string{`no metric "fid"`, "mae, loss"}, nil},
		"no field":      {func(c *Config) { c.Inputs = Inputs{"y": "label"} }, []string{`no field "label"`}, nil},
		"unfed":         {func(c *Config) { c.Inputs = nil }, []string{`feeds the input "y"`}, nil},
		"shape":         {func(c *Config) { c.Inputs = Inputs{"x": "target", "y": "target"} }, []string{`the input "x" of "train" is f32[batch 3], and a batch of the field that feeds it is f32[8 4]: take data of that size`}, nil},
		"dtype": {func(c *Config) {
			pixels, _ := data.FromTensor(tensor.New(tensor.U8, 37, 3))
			c.Train, _ = data.New(data.Field{Name: "x", Source: pixels}, data.Field{Name: "target", Source: pixels})
		}, []string{`the input "x" of "train" is f32, and the field that feeds it is u8[8 3]: store the array as f32`}, nil},
		"test data":      {func(c *Config) { c.Test = nil }, []string{"test data are needed"}, nil},
		"both":           {func(c *Config) { c.Step, c.Update = "train", RunStep(c.Program.Step("train")) }, []string{"give one"}, nil},
		"step, rhythm":   {func(c *Config) { c.Step, c.Rhythm = "train", models.Rhythm{{Step: "train"}} }, []string{"give one"}, nil},
		"update, rhythm": {func(c *Config) { c.Update, c.Rhythm = RunStep(c.Program.Step("train")), models.Rhythm{{Step: "train"}} }, []string{"give one"}, nil},
		"empty rhythm":   {func(c *Config) { c.Rhythm = models.Rhythm{} }, []string{"has no Turn"}, nil},
		"unknown turn":   {func(c *Config) { c.Rhythm = models.Rhythm{{Step: "train"}, {Step: "fly"}} }, []string{`the step "fly"`, "it has train"}, nil},
		"augmentation":   {func(c *Config) { c.Augment = []data.Augmentation{{Field: "z", Flip: true}} }, []string{`no field "z" to augment`}, nil},
		"drops too much": {func(c *Config) { c.DropLast, c.Batch, c.Dir = true, 50, empty }, []string{"fewer than one batch"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c := config(t, "")
			tt.change(&c)
			res, err := Fit(t.Context(), c)
			if err == nil || res != nil {
				t.Fatalf("accepted: %v", res)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %v\nwant %q in it", err, want)
				}
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v is not %v", err, tt.is)
			}
		})
	}
	more := config(t, dir)
	more.Resume = true
	if res := fit(t, t.Context(), more); res.Epochs != 3 {
		t.Errorf("a longer run ended after %d epochs", res.Epochs)
	}
	if _, err := os.Stat(string(empty)); err == nil {
		t.Error("a refused run made its folder")
	}
}

// TestOutput reads what a run says where there is no terminal.
func TestOutput(t *testing.T) {
	var out strings.Builder
	c := config(t, "")
	c.Out = &out
	fit(t, t.Context(), c)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 3 || !strings.HasPrefix(lines[0], "epoch 1/3  step 5  loss ") || !strings.Contains(lines[0], "(best)") ||
		!strings.Contains(lines[0], "| validation: loss ") || !strings.Contains(lines[0], "examples/s, ") || strings.Contains(lines[2], "left") {
		t.Errorf("output:\n%s", out.String())
	}
}
