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
	at := Position{Step: 1, Loader: data.State{Index: 8}, Records: 2, Best: &Score{.5, 0, 1}}
	at.InEpoch.Add(Metrics{Loss: .75}, 1)
	if err := cs.Save(s, at, true); err != nil {
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

	if err := os.WriteFile(file, good, 0o644); err != nil {
		t.Fatal(err)
	}
	indexed, err := os.ReadFile(filepath.Join(dir, indexName))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ from, to, want string }{
		"version":           {`"version": 2`, `"version": 3`, "version is 3"},
		"escape":            {`"file": "`, `"file": "../`, "not a .safetensors file beside it"},
		"absolute":          {`"file": "`, `"file": "/`, "not a .safetensors file beside it"},
		"no file":           {`"file": "` + c.File, `"file": "`, "not a .safetensors file beside it"},
		"negative":          {`"step": 1`, `"step": -1`, "negative"},
		"epochs":            {`"epoch": 0,`, `"epoch": 3,`, "finished 3 epochs, and its loader goes on in epoch"},
		"large":             {`{`, strings.Repeat(" ", maxIndex) + `{`, "no more than"},
		"misspelt":          {`"position"`, `"Xosition"`, `the key "last.Xosition" is unknown`},
		"another case":      {`"position"`, `"Position"`, `the key "last.Position" is unknown`},
		"misspelt step":     {`"step"`, `"stop"`, `the key "last.position.stop" is unknown`},
		"missing":           {`"records": 2,`, ``, `the key "last.position.records" is missing`},
		"twice":             {`"records": 2,`, `"records": 2, "records": 2,`, `the key "last.position.records" is there twice`},
		"garbage":           {"}\n", "}\n}", "after top-level value"},
		"unknown":           {`"seed"`, `"sead": 1, "seed"`, `the key "sead" is unknown`},
		"no last":           {indexEntry(t, indexed, "last"), `"last": null`, "its last checkpoint, which must be there"},
		"another step":      {`"step": 1`, `"step": 2`, "its step is 1, and "},
		"another epoch":     {"\"loader\": {\n\t\t\t\t\"epoch\": 0", "\"loader\": {\n\t\t\t\t\"epoch\": 1", "its position is {"},
		"another loader":    {`"index": 8`, `"index": 7`, "its position is {"},
		"other records":     {`"records": 2`, `"records": 1`, "its position is {"},
		"another best":      {`"value": 0.5`, `"value": 0.25`, "its position is {"},
		"no best":           {`"stale": 0`, `"stale": 1`, "its position is {"},
		"another mean":      {`"loss": 0.75`, `"loss": 0.5`, "its position is {"},
		"another seed":      {`"seed": 3`, `"seed": 4`, "its seed is 3, and "},
		"another program":   {`"program": "net"`, `"program": "nut"`, "its program is net, and "},
		"another file hash": {`"sha256": "`, `"sha256": "0`, "damaged or was changed"},
	} {
		text := strings.Replace(string(indexed), tt.from, tt.to, 1)
		if text == string(indexed) {
			t.Fatalf("%s: the index has no %s:\n%s", name, tt.from, indexed)
		}
		if name == "garbage" {
			text = strings.TrimSuffix(string(indexed), tt.from) + tt.to
		}
		if err := os.WriteFile(filepath.Join(dir, indexName), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		cs, err := OpenCheckpoints(dir)
		if err == nil {
			_, err = cs.Restore(Last, s)
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), indexName) && name != "another file hash" {
			t.Errorf("%s: %v, want %q and the file's name", name, err, tt.want)
		}
		if bits(t, s) != before {
			t.Fatalf("%s: the state was changed", name)
		}
	}
}

// indexEntry is the text of a checkpoint in an index.
func indexEntry(t *testing.T, text []byte, key string) string {
	t.Helper()
	_, rest, ok := strings.Cut(string(text), `"`+key+`": {`)
	entry, _, closed := strings.Cut(rest, "\n\t}")
	if !ok || !closed {
		t.Fatalf("there is no %s in %s", key, text)
	}
	return `"` + key + `": {` + entry + "\n\t}"
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
