package train

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/data"
	"github.com/sardonyx-ml/sardonyx/runtime/train/safetensors"
)

func newState(t testing.TB, width int, opt optim.Optimizer, seed uint64) *runtime.State {
	t.Helper()
	s, err := runtime.NewState(program(t, width, opt), seed)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCheckpoints(t *testing.T) {
	adam := optim.Adam{LR: 1e-2}
	dir := filepath.Join(t.TempDir(), "checkpoints")
	if _, err := OpenCheckpoints(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	cs := NewCheckpoints(dir, program(t, 8, adam), 3)
	if _, err := cs.Get(Last); !errors.Is(err, ErrNoCheckpoint) {
		t.Errorf("before the first: %v", err)
	}
	one, two := newState(t, 8, adam, 1), newState(t, 8, adam, 2)
	at := Position{Step: 5, Epoch: 1, Loader: data.State{Epoch: 1, Index: 3}, Records: 2, Best: &Score{1.0 / 3, 1, 5}}
	at.InEpoch.Add(Metrics{Loss: .1}, 3)
	if err := cs.Save(one, at, true); err != nil {
		t.Fatal(err)
	}
	later := at
	later.Step = 6
	later.InEpoch = at.InEpoch.Clone()
	later.InEpoch.Add(Metrics{Loss: .7}, 1)
	if err := cs.Save(two, later, false); err != nil {
		t.Fatal(err)
	}
	for range 2 { // a third save removes the second file and leaves the best
		if err := cs.Save(two, later, false); err != nil {
			t.Fatal(err)
		}
	}
	cs, err := OpenCheckpoints(dir)
	if err != nil {
		t.Fatal(err)
	}
	for which, want := range map[Which]*runtime.State{Best: one, Last: two} {
		got := newState(t, 8, adam, 9)
		pos, err := cs.Restore(which, got)
		if err != nil {
			t.Fatal(err)
		}
		if bits(t, got) != bits(t, want) {
			t.Errorf("%s: another state", which)
		}
		p := at
		if which == Last {
			p = later
		}
		if pos.Step != p.Step || pos.Loader != p.Loader || *pos.Best != *p.Best || pos.InEpoch.Metrics()[Loss] != p.InEpoch.Metrics()[Loss] {
			t.Errorf("%s: position %+v, want %+v", which, pos, p)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 3 {
		t.Errorf("the folder has %v, want two states and the index", files)
	}
	c, err := cs.Get(Best)
	if err != nil {
		t.Fatal(err)
	}
	all, meta, err := safetensors.Read(filepath.Join(dir, c.File))
	if err != nil || len(all) != len(one.Names()) || meta["step"] != "5" || meta["program"] != "net" || meta["seed"] != "3" {
		t.Errorf("the file has %d tensors and %v: %v", len(all), meta, err)
	}

	// A program with less state may read it, one with more may not, nor one of another width.
	if _, err := cs.Restore(Best, newState(t, 8, optim.SGD{LR: 1}, 1)); err != nil {
		t.Errorf("less state: %v", err)
	}
	plain := NewCheckpoints(filepath.Join(t.TempDir(), "plain"), program(t, 8, optim.SGD{LR: 1}), 3)
	if err := plain.Save(newState(t, 8, optim.SGD{LR: 1}, 1), Position{}, false); err != nil {
		t.Fatal(err)
	}
	if _, err := plain.Restore(Last, newState(t, 8, adam, 1)); err == nil || !strings.Contains(err.Error(), "it lacks opt.train.") {
		t.Errorf("more state: %v", err)
	}
	wide := newState(t, 9, adam, 1)
	before := bits(t, wide)
	if _, err := cs.Restore(Best, wide); err == nil || !strings.Contains(err.Error(), "out.weight is f32[8 4] in it and f32[9 4] in the program") {
		t.Errorf("another width: %v", err)
	}
	if bits(t, wide) != before {
		t.Error("a refused checkpoint changed the state")
	}
	if _, err := cs.Get("first"); err == nil {
		t.Error("there is a checkpoint called first")
	}
}

func TestCheckpointsDamaged(t *testing.T) {
	adam := optim.Adam{LR: 1e-2}
	s := newState(t, 8, adam, 1)
	dir := filepath.Join(t.TempDir(), "checkpoints")
	cs := NewCheckpoints(dir, program(t, 8, adam), 3)
	if err := cs.Save(s, Position{Step: 1}, true); err != nil {
		t.Fatal(err)
	}
	c, err := cs.Get(Last)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, c.File)
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	flipped := append([]byte(nil), good...)
	flipped[len(flipped)-1] ^= 1
	before := bits(t, s)
	for name, b := range map[string][]byte{"a bit": flipped, "cut": good[:len(good)-1], "empty": nil} {
		if err := os.WriteFile(file, b, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := cs.Restore(Last, s); err == nil || !strings.Contains(err.Error(), "damaged or was changed") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := cs.Restore(Last, s); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if bits(t, s) != before {
		t.Error("a failed Restore changed the state")
	}

	for name, tt := range map[string]struct{ text, want string }{
		"not JSON": {`{`, "read checkpoints"},
		"version":  {`{"version":2}`, "version is 2"},
		"escape":   {`{"version":1,"last":{"file":"../x.safetensors"}}`, "not a .safetensors file beside it"},
		"absolute": {`{"version":1,"last":{"file":"/x.safetensors"}}`, "not a .safetensors file beside it"},
		"no file":  {`{"version":1,"best":{"file":""}}`, "not a .safetensors file beside it"},
		"negative": {`{"version":1,"last":{"file":"x.safetensors","position":{"step":-1}}}`, "negative"},
		"epochs":   {`{"version":1,"last":{"file":"x.safetensors","position":{"epoch":3,"loader":{"epoch":1}}}}`, "finished 3 epochs, and its loader goes on in epoch 1"},
		"large":    {strings.Repeat(" ", maxIndex+1), "more than"},
	} {
		if err := os.WriteFile(filepath.Join(dir, indexName), []byte(tt.text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenCheckpoints(dir); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDescribe tells data sets apart that have the same fields and size.
func TestDescribe(t *testing.T) {
	d := func(n int, seed uint64) string {
		s, err := describe(dataset(t, n, seed))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if d(40, 1) != d(40, 1) || d(40, 1) == d(40, 2) || d(40, 1) == d(39, 1) || d(1, 1) == d(1, 2) {
		t.Error(d(40, 1), d(40, 2), d(39, 1), d(1, 1))
	}
	one, err := data.FromTensor(tensor.New(tensor.F32, 0, 2))
	if err != nil {
		t.Fatal(err)
	}
	ds, err := data.New(data.Field{Name: "x", Source: one})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := describe(ds); err != nil {
		t.Errorf("no examples: %v", err)
	}
}
