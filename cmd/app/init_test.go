package app

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/sardonyx-ml/sardonyx/runtime/atomicfile/disktest"
)

// TestInitInterrupted has a full disk, or a crash, at each operation of writing a project: the next writing succeeds, and a full
// disk leaves nothing.
func TestInitInterrupted(t *testing.T) {
	files := map[string]string{"a": "one", "b": "two", "go.mod": "three"}
	whole := func(dir string) bool {
		for name, text := range files {
			if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(b) != text {
				t.Errorf("%s: %q, %v", name, b, err)
			}
		}
		list, err := os.ReadDir(dir)
		return err == nil && len(list) == len(files)
	}
	for _, made := range []bool{true, false} { // by writeProject, or there and empty
		for n := 0; ; n++ {
			dir := filepath.Join(t.TempDir(), "p")
			if !made {
				if err := os.Mkdir(dir, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			d := disktest.NewDisk(t, filepath.Dir(dir))
			failed := false
			d.Fail = func(i int, op disktest.Op) error {
				if i < n || op.Kind == disktest.Remove || op.Kind == disktest.SyncDir {
					return nil
				}
				failed = true
				return disktest.Full
			}
			err := writeProject(dir, files)
			if !failed {
				if err != nil || !whole(dir) || n < 9 {
					t.Errorf("after %d operations: %v", n, err)
				}
				d.Fail = nil
				if err := writeProject(dir, files); err == nil || err.Error() != "the folder is not empty" {
					t.Errorf("written twice: %v", err)
				}
				d.Crashes(t, nil, func(c disktest.Crash) {
					dir := filepath.Join(c.Dir, "p")
					if err := writeProject(dir, files); err != nil && err.Error() != "the folder is not empty" || !whole(dir) {
						t.Errorf("%v: the next: %v", c, err)
					}
				})
				break
			}
			if !errors.Is(err, disktest.Full) {
				t.Errorf("no room from operation %d on: %v", n, err)
			}
			if list, err := os.ReadDir(dir); len(list) > 0 || made && err == nil {
				t.Errorf("no room from operation %d on: left %v, %v", n, list, err)
			}
			d.Fail = nil
			if err := writeProject(dir, files); err != nil || !whole(dir) {
				t.Errorf("no room from operation %d on: the next: %v", n, err)
			}
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("my own"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeProject(dir, files); err == nil {
		t.Error("a folder with another's file was written to")
	}
}
