package atomicfile_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/sardonyx-ml/sardonyx/runtime/atomicfile"
	"github.com/sardonyx-ml/sardonyx/runtime/atomicfile/disktest"
)

func write(path, text string) error {
	return atomicfile.Write(path, func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
}

// TestCrash replaces a file and crashes at every operation: it has the old content or the new one, and the new one once Write
// has returned.
func TestCrash(t *testing.T) {
	root := t.TempDir()
	d := disktest.NewDisk(t, root)
	texts := []string{"the first", "the second, which is longer", "third"}
	dir := filepath.Join(root, "a", "b")
	if err := atomicfile.MkdirAll(dir); err != nil {
		t.Fatal(err)
	}
	for _, text := range texts {
		if err := write(filepath.Join(dir, "file"), text); err != nil {
			t.Fatal(err)
		}
		d.Mark()
	}
	bad := func(forget func(disktest.Op) bool) (n int) {
		d.Crashes(t, forget, func(c disktest.Crash) {
			b, err := os.ReadFile(filepath.Join(c.Dir, "a", "b", "file"))
			old := c.Marks == 0 && errors.Is(err, os.ErrNotExist) || c.Marks > 0 && string(b) == texts[c.Marks-1]
			if !old && (c.Marks == len(texts) || string(b) != texts[c.Marks]) {
				if n++; forget == nil {
					t.Errorf("%v: after %d of the texts there is %q, %v", c, c.Marks, b, err)
				}
			}
		})
		return n
	}
	bad(nil)
	for _, kind := range []disktest.Kind{disktest.Sync, disktest.SyncDir, disktest.Mkdir, disktest.Write} {
		if bad(func(op disktest.Op) bool { return op.Kind == kind }) == 0 {
			t.Errorf("without any %s nothing is found", kind)
		}
	}
}

// TestFull fails each operation of replacing a file: the file is as before or as wanted, and nothing else is left.
func TestFull(t *testing.T) {
	for n := 0; ; n++ {
		root := t.TempDir()
		path := filepath.Join(root, "file")
		d := disktest.NewDisk(t, root)
		if err := write(path, "old"); err != nil {
			t.Fatal(err)
		}
		failed := disktest.Op{}
		from := len(d.Ops())
		d.Fail = func(i int, op disktest.Op) error {
			if i != from+n || failed.Kind != "" {
				return nil
			}
			failed = op
			return disktest.Full
		}
		err := write(path, "new")
		if failed.Kind == "" {
			if err != nil || n < 4 {
				t.Errorf("after %d operations: %v", n, err)
			}
			return
		}
		if !errors.Is(err, disktest.Full) {
			t.Errorf("%v failed: %v", failed, err)
		}
		want := "old"
		if failed.Kind == disktest.SyncDir { // it is there, and may be lost
			want = "new"
		}
		if b, err := os.ReadFile(path); string(b) != want {
			t.Errorf("%v failed: the file is %q, %v", failed, b, err)
		}
		if list, err := os.ReadDir(root); err != nil || len(list) != 1 {
			t.Errorf("%v failed: left %v, %v", failed, list, err)
		}
	}
}
