//go:build linux || darwin || freebsd || netbsd || openbsd

package filelock

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestRelease frees a file of which, as in a process that is being started, a copy is still open.
func TestRelease(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	open := func() *os.File {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	first, second := open(), open()
	if err := Try(first); err != nil {
		t.Fatal(err)
	}
	copied, err := syscall.Dup(int(first.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(copied)
	if err := Try(second); !errors.Is(err, ErrHeld) {
		t.Errorf("a file that is held: %v", err)
	}
	Release(first)
	if err := errors.Join(first.Close(), Try(second)); err != nil {
		t.Errorf("a file that was released: %v", err)
	}
	Release(second)
	if err := Try(open()); err != nil {
		t.Errorf("released again: %v", err)
	}
}
