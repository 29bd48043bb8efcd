package train

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/atomicfile/disktest"
	"github.com/sardonyx-ml/sardonyx/runtime/data"
	"github.com/sardonyx-ml/sardonyx/runtime/racetest"
)

// saved are checkpoints as a test saves them: the state and position of each, and whether it is the best.
type saved struct {
	prog   *compiler.Program
	states []*runtime.State
	at     []Position
	best   []int // the best one after each
	bits   map[string]int
}

func newSaved(t *testing.T) *saved {
	s := &saved{prog: program(t, 2, optim.SGD{LR: .1}), best: []int{0, 0, 2, 2}, bits: map[string]int{}}
	for i := range s.best {
		state, err := runtime.NewState(s.prog, uint64(i))
		if err != nil {
			t.Fatal(err)
		}
		s.states = append(s.states, state)
		s.at = append(s.at, Position{Step: int64(i + 1), Loader: data.State{Index: 8 * (i + 1)}, Records: i})
		s.bits[bits(t, state)] = i
	}
	return s
}

// save saves checkpoint i.
func (s *saved) save(cs *Checkpoints, i int) error {
	return cs.Save(s.states[i], s.at[i], s.best[i] == i)
}

// found says which checkpoint dir has, -1 if none, and is an error unless the last and the best one of it are there, whole.
func (s *saved) found(t *testing.T, dir string) (int, error) {
	cs, err := OpenCheckpoints(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return -1, nil
	}
	if err != nil {
		return 0, err
	}
	last := -1
	for _, which := range []Which{Last, Best} {
		state, err := runtime.NewState(s.prog, 99)
		if err != nil {
			t.Fatal(err)
		}
		at, err := cs.Restore(which, state)
		if errors.Is(err, ErrNoCheckpoint) && last < 0 {
			continue
		}
		if err != nil {
			return 0, err
		}
		i, ok := s.bits[bits(t, state)]
		if !ok || !reflect.DeepEqual(at, s.at[i]) {
			return 0, fmt.Errorf("the %s state is none that was saved, or not at its position: %+v", which, at)
		}
		if which == Last {
			last = i
		} else if last < 0 || s.best[last] != i {
			return 0, fmt.Errorf("checkpoint %d goes with the best one of checkpoint %d", i, last)
		}
	}
	return last, nil
}

// record saves all checkpoints on a disk that remembers it.
func (s *saved) record(t *testing.T) *disktest.Disk {
	root := t.TempDir()
	d := disktest.NewDisk(t, root)
	cs := NewCheckpoints(filepath.Join(root, "run", "checkpoints"), s.prog, 3)
	for i := range s.states {
		if err := s.save(cs, i); err != nil {
			t.Fatal(err)
		}
		d.Mark()
	}
	return d
}

// crashes counts what crashes can leave of d, and returns the first that is not right.
func (s *saved) crashes(t *testing.T, d *disktest.Disk, forget func(disktest.Op) bool) (n int, bad error) {
	d.Crashes(t, forget, func(c disktest.Crash) {
		n++
		if bad != nil {
			return
		}
		got, err := s.found(t, filepath.Join(c.Dir, "run", "checkpoints"))
		if err == nil && got != c.Marks-1 && got != c.Marks {
			err = fmt.Errorf("checkpoint %d is there", got)
		}
		if err != nil {
			bad = fmt.Errorf("%v: after %d were saved: %w", c, c.Marks, err)
		}
	})
	return n, bad
}

// TestCrashSave crashes at every operation of saving four checkpoints: what is left is the one before or the one after, and
// what Save has returned of is there.
func TestCrashSave(t *testing.T) {
	s := newSaved(t)
	d := s.record(t)
	n, err := s.crashes(t, d, nil)
	if err != nil {
		t.Error(err)
	}
	if n < 40 {
		t.Errorf("only %d crashes were tried, at %d operations", n, len(d.Ops()))
	}
	t.Logf("%d crashes at %d operations", n, len(d.Ops()))
	for name, forget := range map[string]func(op disktest.Op) bool{
		"state not synced": func(op disktest.Op) bool { return op.Kind == disktest.Sync },
		"folder not synced": func(op disktest.Op) bool {
			return op.Kind == disktest.SyncDir && filepath.Base(op.Path) == "checkpoints"
		},
		"folder above not synced": func(op disktest.Op) bool { return op.Kind == disktest.SyncDir && op.Path == "run" },
		"state not there":         func(op disktest.Op) bool { return op.Kind == disktest.Rename && filepath.Ext(op.To) == ".safetensors" },
		"removed before its time": func(op disktest.Op) bool { return op.Kind == disktest.Rename && filepath.Ext(op.To) == ".json" },
	} {
		if _, err := s.crashes(t, d, forget); err == nil {
			t.Errorf("%s: not noticed", name)
		}
	}
}

// TestFullDisk fails each operation of a Save, alone, and all from it on that need room: the error says so, the checkpoint
// before is there, nothing else is, and when there is room again the next Save succeeds.
func TestFullDisk(t *testing.T) {
	s := newSaved(t)
	for _, all := range []bool{false, true} {
		for n := 0; ; n++ {
			root := t.TempDir()
			d := disktest.NewDisk(t, root)
			dir := filepath.Join(root, "run", "checkpoints")
			cs := NewCheckpoints(dir, s.prog, 3)
			if err := s.save(cs, 0); err != nil {
				t.Fatal(err)
			}
			from := len(d.Ops())
			failed := disktest.Op{}
			d.Fail = func(i int, op disktest.Op) error {
				room := op.Kind == disktest.Create || op.Kind == disktest.Write || op.Kind == disktest.Sync
				if failed.Kind == "" && i == from+n || all && i >= from+n && room {
					failed = op
					return disktest.Full
				}
				return nil
			}
			err := s.save(cs, 1)
			d.Fail = nil
			if failed.Kind == "" {
				if n < 8 {
					t.Errorf("a Save has only %d operations", n)
				}
				break
			}
			name := fmt.Sprintf("all %v, operation %d: %v", all, n, failed)
			if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "save the checkpoint of step 2 into ") || !strings.Contains(err.Error(), "no space left on device") {
				t.Errorf("%s: %v", name, err)
			}
			got, err := s.found(t, dir)
			if err != nil || got > 1 {
				t.Errorf("%s: checkpoint %d: %v", name, got, err)
			}
			if temps, _ := filepath.Glob(filepath.Join(dir, ".*.tmp")); len(temps) > 0 && failed.Kind != disktest.Remove {
				t.Errorf("%s: left %v", name, temps)
			}
			if err := s.save(cs, 2); err != nil {
				t.Errorf("%s: the next: %v", name, err)
			}
			if got, err := s.found(t, dir); err != nil || got != 2 {
				t.Errorf("%s: the next is checkpoint %d: %v", name, got, err)
			}
			if list, err := os.ReadDir(dir); err != nil || len(list) != 2 {
				t.Errorf("%s: in the end there are %v, %v", name, list, err)
			}
		}
	}
}

// TestCrashHistory crashes at every operation of writing records: those that were synced are there.
func TestCrashHistory(t *testing.T) {
	root := t.TempDir()
	d := disktest.NewDisk(t, root)
	h := openHistory(t, filepath.Join(root, "metrics.jsonl"), 0)
	want := records(4)
	for _, r := range want {
		if err := h.Append(r); err != nil {
			t.Fatal(err)
		}
		if err := h.Sync(); err != nil {
			t.Fatal(err)
		}
		d.Mark()
	}
	d.Crashes(t, nil, func(c disktest.Crash) {
		h, err := OpenHistory(filepath.Join(c.Dir, "metrics.jsonl"), c.Marks)
		if err != nil {
			t.Errorf("%v: %v", c, err)
			return
		}
		if got := h.Records(); len(got) != c.Marks || !reflect.DeepEqual(got, append([]Record(nil), want[:c.Marks]...)) {
			t.Errorf("%v: %d records of %d: %+v", c, len(got), c.Marks, got)
		}
		h.Close()
	})
}

// crashing is the Config of a run of two epochs of two steps, each saved, with pictures.
func crashing(t *testing.T) Config {
	c := config(t, "")
	x, err := dataset(t, 2, 9).Take(0, 1)
	if err != nil {
		t.Fatal(err)
	}
	c.Program, c.Settings = program(t, 2, optim.Adam{LR: 1e-2}), nil
	c.Train, c.Test, c.Epochs, c.LogEvery, c.SaveEvery = dataset(t, 12, 1), dataset(t, 3, 2), 2, 1, 1
	c.Update = RunStep(c.Program.Step("train"))
	c.OnEpoch = []Callback{Samples("draw", "image", models.Images, 2, map[string]*tensor.Tensor{"x": x["x"]})}
	return c
}

// TestCrashRun crashes at every operation of a run, and of one that is resumed: what is left is resumed, and ends as if nothing
// had happened. A run that has trained long enough to save does not begin again.
func TestCrashRun(t *testing.T) {
	if racetest.Enabled {
		t.Skip("a hundred runs, one after the other, whose goroutines other tests have too: the race detector makes them minutes")
	}
	c := crashing(t)
	root := t.TempDir()
	half, whole := filepath.Join(root, "half"), filepath.Join(root, "whole")
	c.Dir = Folder(filepath.Join(whole, "run"))
	if err := os.MkdirAll(whole, 0o755); err != nil {
		t.Fatal(err)
	}
	d := disktest.NewDisk(t, whole)
	promise := func(c Config, d *disktest.Disk) Config {
		do := c.Update
		c.Update = func(ctx context.Context, x runtime.Executable, step int64, in map[string]*tensor.Tensor) (Metrics, error) {
			if step > 0 { // the step before was saved
				d.Mark()
			}
			return do(ctx, x, step, in)
		}
		return c
	}
	fit(t, t.Context(), promise(c, d))
	want := left(t, string(c.Dir))

	stop, interrupted := stopAfter(t, c, 2)
	interrupted.Dir = Folder(filepath.Join(half, "run"))
	if _, err := Fit(stop, interrupted); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	again := disktest.NewDisk(t, half)
	again.Mark() // with the mark of its first step, two are saved
	resumed := c
	resumed.Dir, resumed.Resume = interrupted.Dir, true
	fit(t, t.Context(), promise(resumed, again))
	tried := map[string]bool{}
	for what, d := range map[string]*disktest.Disk{"new": d, "resumed": again} {
		bad := 0
		d.Crashes(t, nil, func(crash disktest.Crash) {
			c := c
			c.Dir = Folder(filepath.Join(crash.Dir, "run"))
			for path, end := range map[string]string{c.Dir.Report(): "</html>\n", c.Dir.Animation(): "\x00;", c.Dir.Curve(): "IEND\xaeB`\x82"} {
				if b, err := os.ReadFile(path); err == nil && !strings.HasSuffix(string(b), end) {
					bad++
					t.Errorf("%s: %v: %s is not whole", what, crash, filepath.Base(path))
				}
			}
			if key := essence(t, string(c.Dir)) + strconv.Itoa(crash.Marks); tried[key] || bad > 2 {
				return
			} else {
				tried[key] = true
			}
			_, err := c.Dir.Setup()
			c.Resume = err == nil
			if cs, err := OpenCheckpoints(c.Dir.Checkpoints()); crash.Marks > 0 {
				at := Checkpoint{}
				if err == nil {
					at, err = cs.Get(Last)
				}
				if at.Position.Step < int64(crash.Marks) || err != nil {
					bad++
					t.Errorf("%s: %v: step %d was saved, and step %d is there: %v", what, crash, crash.Marks, at.Position.Step, err)
				}
			}
			if _, err := Fit(t.Context(), c); err != nil {
				bad++
				t.Errorf("%s: %v: %v", what, crash, err)
				return
			}
			got := left(t, string(c.Dir))
			if !reflect.DeepEqual(got, want) {
				bad++
				compareLeft(t, what+": "+crash.String(), got, want)
			}
		})
	}
	if len(tried) < 50 {
		t.Errorf("only %d crashes were tried", len(tried))
	}
}

// essence is what of a run's folder can make a difference to one that resumes it.
func essence(t *testing.T, dir string) string {
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if ext := filepath.Ext(path); err != nil || ext == ".png" || ext == ".tmp" || ext == ".gif" || ext == ".html" || ext == ".sardonyx" || e.IsDir() {
			return nil
		}
		text, _ := os.ReadFile(path)
		fmt.Fprintf(&b, "%s %d %x\n", path[len(dir):], len(text), sha256.Sum256(text))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestFullDiskRun has no room from some operation of a run on: it ends with an error that says so, and is resumed to the same
// end when there is room again.
func TestFullDiskRun(t *testing.T) {
	if racetest.Enabled {
		t.Skip("a hundred runs, one after the other, whose goroutines other tests have too: the race detector makes them minutes")
	}
	c := crashing(t)
	c.Dir = Folder(filepath.Join(t.TempDir(), "run"))
	d := disktest.NewDisk(t, filepath.Dir(string(c.Dir)))
	fit(t, t.Context(), c)
	want := left(t, string(c.Dir))
	for n := 0; n < len(d.Ops()); n += 5 {
		c := crashing(t)
		c.Dir = Folder(filepath.Join(t.TempDir(), "run"))
		full := disktest.NewDisk(t, filepath.Dir(string(c.Dir)))
		failed := disktest.Op{}
		full.Fail = func(i int, op disktest.Op) error {
			if i < n || op.Kind == disktest.Remove || op.Kind == disktest.Rename || op.Kind == disktest.SyncDir {
				return nil
			}
			if failed.Kind == "" {
				failed = op
			}
			return disktest.Full
		}
		_, err := Fit(t.Context(), c)
		full.Fail = nil
		if onlyPicture := strings.HasPrefix(failed.Path, "run/.") && err == nil; !onlyPicture && !errors.Is(err, disktest.Full) && failed.Kind != "" {
			t.Errorf("no room from operation %d, %v: %v", n, failed, err)
		}
		_, err = c.Dir.Setup()
		c.Resume = err == nil
		fit(t, t.Context(), c)
		compareLeft(t, fmt.Sprintf("no room from operation %d, %v", n, failed), left(t, string(c.Dir)), want)
	}
}
