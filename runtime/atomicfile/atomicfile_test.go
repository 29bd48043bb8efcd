package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func entries(t *testing.T, dir string) int {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// TestClean leaves all but what Create makes.
func TestClean(t *testing.T) {
	dir := t.TempDir()
	f, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Discard()
	keep := []string{".a.tmp", ".tmp", "..tmp", "12.tmp", ".12", "a", ".1a2.tmp"}
	for _, name := range keep {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := Clean(dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range keep {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	if n := entries(t, dir); n != len(keep) {
		t.Errorf("%d files are left of %d to keep", n, len(keep))
	}
	if err := Clean(filepath.Join(dir, "none")); err != nil {
		t.Errorf("no folder: %v", err)
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	put := func(s string, fail error) error {
		return Write(path, func(w io.Writer) error {
			if _, err := io.WriteString(w, s); err != nil {
				return err
			}
			return fail
		})
	}
	broken := errors.New("broken")
	for _, step := range []struct {
		text string
		fail error
		want string
	}{{"one", nil, "one"}, {"half", broken, "one"}, {"two", nil, "two"}} {
		if err := put(step.text, step.fail); !errors.Is(err, step.fail) {
			t.Fatalf("%s: %v", step.text, err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != step.want {
			t.Errorf("after %q: %q, %v", step.text, got, err)
		}
		if n := entries(t, dir); n != 1 {
			t.Errorf("after %q: %d files", step.text, n)
		}
	}
	if err := Write(filepath.Join(dir, "none", "a"), func(io.Writer) error { return nil }); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("into no folder: %v", err)
	}
	if err := os.Mkdir(filepath.Join(dir, "taken"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Write(filepath.Join(dir, "taken"), func(io.Writer) error { return nil }); err == nil {
		t.Error("a folder was replaced")
	}
	if n := entries(t, dir); n != 2 {
		t.Errorf("%d files are left", n)
	}
}

// TestFinish tells the size before the name is given, takes no more, and is undone by Discard.
func TestFinish(t *testing.T) {
	dir := t.TempDir()
	for _, commit := range []bool{true, false} {
		f, err := Create(dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, "12345"); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if n, err := f.Finish(); n != 5 || err != nil {
				t.Errorf("finished %d bytes, %v, want 5", n, err)
			}
		}
		want := 0
		if commit {
			if err := f.Commit(filepath.Join(dir, "a")); err != nil {
				t.Fatal(err)
			}
			want = 1
		}
		f.Discard()
		if n := entries(t, dir); n != want {
			t.Errorf("committed %v: %d files, want %d", commit, n, want)
		}
		os.Remove(filepath.Join(dir, "a"))
	}
}

// TestDevice is not replaced by a file.
func TestDevice(t *testing.T) {
	if err := Write(os.DevNull, func(w io.Writer) error { return nil }); err == nil {
		t.Errorf("%s was replaced", os.DevNull)
	}
	f, err := Create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Commit(os.DevNull); err == nil {
		t.Errorf("%s was replaced", os.DevNull)
	}
}
