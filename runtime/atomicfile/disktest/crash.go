package disktest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"hash"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/runtime/atomicfile"
)

// A Crash is what a crash could have left.
type Crash struct {
	Dir   string // a folder with it
	After int    // operations
	Marks int    // promises made before
	Lost  string // what of the operations was lost, in words
}

// String says when the crash was and what it has lost.
func (c Crash) String() string { return fmt.Sprintf("crash after operation %d, %s", c.After, c.Lost) }

// Crashes calls check with what a crash after each of the operations could have left, each once. forget, if not nil, names
// operations that are taken as not done: a test of the test.
//
// Without a sync, a file has lost its last writes, all of them or a part, and may have zeros in their place; and of what was
// created, renamed and removed in a folder, in any choice, each may be lost.
func (d *Disk) Crashes(t testing.TB, forget func(Op) bool, check func(Crash)) {
	t.Helper()
	defer atomicfile.Use(unsynced{})() // check may write
	r := rand.New(rand.NewPCG(1, 2))
	seen := map[string]bool{}
	s := d.durable()
	marks := 0
	for n := 0; n <= len(d.ops); n++ {
		if n > 0 {
			op := d.ops[n-1]
			if op.Kind == mark {
				marks++
			}
			if forget == nil || !forget(op) {
				s.do(op)
			}
		}
		for _, kept := range choices(len(s.entries), r) {
			names := s.names(kept)
			for _, how := range []tear{lose, keep, tornEarly, tornLate, zeros} {
				files := s.contents(names, how)
				if key := fmt.Sprintf("%s %d", sum(files), marks); !seen[key] {
					seen[key] = true
					dir := t.TempDir()
					put(t, dir, files)
					lost := fmt.Sprintf("of %d changes of folders kept %v, of unsynced data %s", len(s.entries), kept, how)
					check(Crash{dir, n, marks, lost})
					if err := os.RemoveAll(dir); err != nil { // there are thousands
						t.Fatal(err)
					}
				}
			}
		}
	}
}

// unsynced is a disk that waits for nothing.
type unsynced struct{ atomicfile.OS }

func (unsynced) SyncDir(string) error { return nil }

func (u unsynced) CreateTemp(dir, pattern string) (atomicfile.Handle, error) {
	f, err := u.OS.CreateTemp(dir, pattern)
	return unsyncedFile{f}, err
}

func (u unsynced) Open(path string, flag int, perm fs.FileMode) (atomicfile.Handle, error) {
	f, err := u.OS.Open(path, flag, perm)
	return unsyncedFile{f}, err
}

type unsyncedFile struct{ atomicfile.Handle }

func (unsyncedFile) Sync() error { return nil }

// choices are the ways to keep some of n changes: all if they are few, else none, each prefix, all but one, and some drawn.
func choices(n int, r *rand.Rand) [][]bool {
	var out [][]bool
	if n <= 4 {
		for bits := range 1 << n {
			c := make([]bool, n)
			for i := range c {
				c[i] = bits>>i&1 == 1
			}
			out = append(out, c)
		}
		return out
	}
	for i := range n + 1 {
		prefix, without := make([]bool, n), make([]bool, n)
		for j := range n {
			prefix[j], without[j] = j < i, j != i
		}
		out = append(out, prefix, without)
	}
	for range 8 {
		c := make([]bool, n)
		for i := range c {
			c[i] = r.IntN(2) == 1
		}
		out = append(out, c)
	}
	return out
}

// A state is a disk: what is durable, and what has been done since.
type state struct {
	folder  map[string]int // the number of the file at a durable path; 0 is a folder
	entries []Op           // changes of folders that are not durable
	file    map[int][]byte // durable content
	writes  map[int][]Op   // not durable
}

func (d *Disk) durable() *state {
	s := &state{map[string]int{}, nil, map[int][]byte{}, map[int][]Op{}}
	for name, b := range d.start {
		if folder, ok := strings.CutSuffix(name, "/"); ok {
			s.folder[folder] = 0
			continue
		}
		s.folder[name] = d.first[name]
		s.file[d.first[name]] = b
	}
	return s
}

// do changes s as op does.
func (s *state) do(op Op) {
	switch op.Kind {
	case Create, Mkdir, Rename, Remove:
		s.entries = append(s.entries, op)
	case Write, Truncate:
		s.writes[op.file] = append(s.writes[op.file], op)
	case Sync:
		s.file[op.file] = apply(s.file[op.file], s.writes[op.file], keep)
		delete(s.writes, op.file)
	case SyncDir:
		s.entries = slices.DeleteFunc(s.entries, func(e Op) bool {
			in := path.Dir(e.Path) == op.Path
			if in {
				change(s.folder, e)
			}
			return in
		})
	}
}

// change does op to the entries of folders.
func change(folder map[string]int, op Op) {
	switch op.Kind {
	case Create, Mkdir:
		folder[op.Path] = op.file
	case Rename:
		delete(folder, op.Path)
		folder[op.To] = op.file
	case Remove:
		delete(folder, op.Path)
	}
}

// names are the entries of folders with some of the changes kept. What is in a folder that was lost is lost.
func (s *state) names(kept []bool) map[string]int {
	out := maps.Clone(s.folder)
	for i, op := range s.entries {
		if kept[i] {
			change(out, op)
		}
	}
	for name := range out {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if n, ok := out[dir]; !ok || n != 0 {
				delete(out, name)
			}
		}
	}
	return out
}

// contents are the files at names by path, as a crash leaves them; folders end in a slash.
func (s *state) contents(names map[string]int, how tear) map[string][]byte {
	out := map[string][]byte{}
	for name, n := range names {
		if n == 0 {
			out[name+"/"] = nil
		} else {
			out[name] = apply(s.file[n], s.writes[n], how)
		}
	}
	return out
}

// A tear is what becomes of the writes to a file that were not synced.
type tear string

const (
	lose      tear = "all is lost"
	keep      tear = "all is there"
	tornEarly tear = "the first write is cut"
	tornLate  tear = "the last write is cut"
	zeros     tear = "there are zeros"
)

// apply is b after the writes.
func apply(b []byte, writes []Op, how tear) []byte {
	if how == lose || len(writes) == 0 {
		return b
	}
	b = slices.Clone(b)
	for i, op := range writes {
		data := op.data
		cut := how == tornEarly && i == 0 || how == tornLate && i == len(writes)-1
		switch {
		case op.Kind == Truncate:
			b = slices.Concat(b[:min(len(b), int(op.at))], make([]byte, max(0, int(op.at)-len(b))))
			if cut {
				return b
			}
			continue
		case cut:
			data = data[:len(data)/2]
		case how == zeros:
			data = make([]byte, len(data))
		}
		if grow := int(op.at) + len(data) - len(b); grow > 0 {
			b = append(b, make([]byte, grow)...)
		}
		copy(b[op.at:], data)
		if cut {
			break
		}
	}
	return b
}

func sum(files map[string][]byte) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		field(h, []byte(name))
		field(h, files[name])
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

func field(h hash.Hash, b []byte) { fmt.Fprintf(h, "%d ", len(b)); h.Write(b) }

func put(t testing.TB, dir string, files map[string][]byte) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		to := filepath.Join(dir, filepath.FromSlash(name))
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(to, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, bytes.Clone(files[name]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
