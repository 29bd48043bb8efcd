package train

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/runtime"
)

// stopped is the Config to resume a run that was stopped in its third epoch: its last checkpoint is of step 12, its best one
// of step 10.
func stopped(t *testing.T) Config {
	base := config(t, filepath.Join(t.TempDir(), "run"))
	base.Update = RunStep(base.Program.Step("train"))
	ctx, c := stopAfter(t, base, 12)
	if _, err := Fit(ctx, c); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	base.Resume = true
	return base
}

// damage changes the last byte of a checkpoint.
func damage(t *testing.T, c Config, which Which) {
	t.Helper()
	cs, err := OpenCheckpoints(c.Dir.Checkpoints())
	if err != nil {
		t.Fatal(err)
	}
	at, err := cs.Get(which)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(c.Dir.Checkpoints(), at.File)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 1
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// contents are the bytes of all files in dir, by path.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		out[path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestResumeDamaged resumes runs whose folders are damaged: what cannot go on is an error that leaves the folder as it is.
func TestResumeDamaged(t *testing.T) {
	index := func(c Config) string { return filepath.Join(c.Dir.Checkpoints(), indexName) }
	for name, tt := range map[string]struct {
		do   func(t *testing.T, c Config) error
		want []string
	}{
		"both states": {func(t *testing.T, c Config) error { damage(t, c, Last); damage(t, c, Best); return nil },
			[]string{"damaged or was changed", "the best checkpoint cannot be read either: begin again in another folder"}},
		"index cut":  {func(_ *testing.T, c Config) error { return os.Truncate(index(c), 100) }, []string{"index.json: it is damaged"}},
		"no index":   {func(_ *testing.T, c Config) error { return os.Remove(index(c)) }, []string{"has lost its index.json"}},
		"no records": {func(_ *testing.T, c Config) error { return os.Truncate(c.Dir.Metrics(), 0) }, []string{"it has 0 records of the 8"}},
		"no file":    {func(_ *testing.T, c Config) error { return os.Remove(c.Dir.Metrics()) }, []string{"metrics.jsonl: no such file"}},
		"config cut": {func(_ *testing.T, c Config) error { return os.Truncate(c.Dir.Config(), 5) }, []string{"read ", "config.json"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := stopped(t)
			c.Epochs++
			if err := tt.do(t, c); err != nil {
				t.Fatal(err)
			}
			before := contents(t, string(c.Dir))
			res, err := Fit(t.Context(), c)
			if err == nil {
				t.Fatalf("resumed: %+v", res)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %v\nwant %q in it", err, want)
				}
			}
			compareLeft(t, "folder", contents(t, string(c.Dir)), before)
		})
	}
}

// TestResumeFromBest resumes a run whose last checkpoint is damaged: it goes on from the best one, to the same end.
func TestResumeFromBest(t *testing.T) {
	var out strings.Builder
	c := stopped(t)
	damage(t, c, Last)
	c.Out = &out
	got := fit(t, t.Context(), c)
	if !strings.Contains(out.String(), "going on from the best checkpoint instead") || !strings.Contains(out.String(), "after step 10, in epoch 3 of 3") {
		t.Errorf("output:\n%s", out.String())
	}
	whole := c
	whole.Dir, whole.Resume = Folder(filepath.Join(t.TempDir(), "whole")), false
	want := fit(t, t.Context(), whole)
	if bits(t, got.State) != bits(t, want.State) {
		t.Error("the state differs")
	}
	compareLeft(t, "folder", left(t, string(c.Dir)), left(t, string(whole.Dir)))
}

// renamed is an engine under another name.
type renamed struct{ runtime.Engine }

func (renamed) Name() string { return "another engine" }

// TestResumeFinished resumes runs that have nothing left to do: they say so, and config.json stays what they were run with.
func TestResumeFinished(t *testing.T) {
	c := stopped(t)
	fit(t, t.Context(), c)
	before := left(t, string(c.Dir))
	const want = "has finished 3 epochs: nothing is left to do"
	for _, epochs := range []int{3, 2} {
		var out strings.Builder
		c.Epochs, c.Engine, c.Out = epochs, renamed{engine(t)}, &out
		if res := fit(t, t.Context(), c); res.Epochs != 3 || res.Step != 15 {
			t.Errorf("%d epochs: %+v", epochs, res)
		}
		if !strings.Contains(out.String(), want) {
			t.Errorf("%d epochs: output %q, want %q in it", epochs, out.String(), want)
		}
		compareLeft(t, "folder", left(t, string(c.Dir)), before)
	}
}

// TestInUse resumes a run while it goes on.
func TestInUse(t *testing.T) {
	c := stopped(t)
	second := c
	tried := false
	c.OnEpoch = []Callback{func(ctx context.Context, _ EpochEnd) error {
		tried = true
		if _, err := Fit(ctx, second); !errors.Is(err, ErrInUse) {
			t.Errorf("a second process: %v, want %v", err, ErrInUse)
		}
		return nil
	}}
	fit(t, t.Context(), c)
	if !tried {
		t.Fatal("no epoch was left")
	}
	fit(t, t.Context(), second) // once it is free
}

// TestResumeChanged resumes runs of programs that have changed since: one with the same state goes on and says what is
// other, and one with another state is an error that lists it.
func TestResumeChanged(t *testing.T) {
	whole := config(t, filepath.Join(t.TempDir(), "whole"))
	whole.Update = RunStep(whole.Program.Step("train"))
	want := fit(t, t.Context(), whole)
	adam := optim.Adam{LR: 1e-2}
	another := func(b *compiler.Builder, m *net) {
		b.Func("hidden", func(f *graph.Func) {
			f.Output("h", m.Hidden.Apply(f.Input("x", graph.F32, batch, 3)))
		})
	}
	for name, tt := range map[string]struct {
		prog func() *compiler.Program
		says string // of a run that goes on
		same bool   // to the end of the unbroken run
		err  string
	}{
		"a Func more":      {func() *compiler.Program { return program(t, 8, adam, another) }, "the Func hidden is new", true, ""},
		"another Beta1":    {func() *compiler.Program { return program(t, 8, optim.Adam{LR: 1e-2, Beta1: .5}) }, "the Step train has changed", false, ""},
		"another rate":     {func() *compiler.Program { return program(t, 8, optim.Adam{LR: 1e-3}) }, "the Step train has changed", false, ""},
		"another width":    {func() *compiler.Program { return program(t, 9, adam) }, "", false, "hidden.weight is f32[3 8] in it and f32[3 9] in the program"},
		"another update":   {func() *compiler.Program { return program(t, 8, optim.SGD{LR: 1e-2}) }, "", false, "it has opt.train."},
		"a longer update":  {func() *compiler.Program { return program(t, 8, optim.AdamW{LR: 1e-2}) }, "the Step train has changed", false, ""},
		"as it was before": {func() *compiler.Program { return program(t, 8, adam) }, "", true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := stopped(t)
			var out strings.Builder
			c.Program, c.Out = tt.prog(), &out
			c.Update = RunStep(c.Program.Step("train"))
			before := contents(t, string(c.Dir))
			res, err := Fit(t.Context(), c)
			if tt.err != "" {
				if !errors.Is(err, ErrOtherRun) || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("got %v, want %q in it", err, tt.err)
				}
				compareLeft(t, "folder", contents(t, string(c.Dir)), before)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if said := strings.Contains(out.String(), "the program is not the one that the run was begun with"); said != (tt.says != "") || !strings.Contains(out.String(), tt.says) {
				t.Errorf("output, which should say %q:\n%s", tt.says, out.String())
			}
			if same := bits(t, res.State) == bits(t, want.State); same != tt.same {
				t.Errorf("ended as the unbroken run: %v", same)
			}
			out.Reset()
			fit(t, t.Context(), c) // has nothing left to do, and is the program's run now
			if s, err := c.Dir.Setup(); err != nil || s.Fingerprint != c.Program.Fingerprint() || len(s.Changes(c.Program)) != 0 {
				t.Errorf("config.json is still of the program before: %v", err)
			}
		})
	}
}

// TestSetupStrict reads a config.json that was edited: what this program would not have written is an error that names the key.
func TestSetupStrict(t *testing.T) {
	c := stopped(t)
	good, err := os.ReadFile(c.Dir.Config())
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ from, to, want string }{
		"misspelt":     {`"batch"`, `"bacth"`, `the key "bacth" is unknown`},
		"another case": {`"batch"`, `"Batch"`, `the key "Batch" is unknown`},
		"missing":      {`"batch": 8,`, ``, `the key "batch" is missing`},
		"twice":        {`"batch": 8,`, `"batch": 8, "batch": 9,`, `the key "batch" is there twice`},
		"twice inside": {`"width": 8`, `"width": 8, "width": 9`, `the key "settings.width" is there twice`},
		"version":      {`"version": 2`, `"version": 1`, "its version is 1"},
		"null":         {`"batch": 8`, `"batch": null`, `"batch" is null`},
		"long":         {`{`, strings.Repeat(" ", maxConfig) + `{`, "no more than"},
	} {
		text := strings.Replace(string(good), tt.from, tt.to, 1)
		if text == string(good) {
			t.Fatalf("%s: there is no %s in %s", name, tt.from, good)
		}
		if err := os.WriteFile(c.Dir.Config(), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Dir.Setup(); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), c.Dir.Config()) {
			t.Errorf("%s: %v, want %q and the file's name", name, err, tt.want)
		}
	}
}
