package filelock

import (
	"os"
	"path/filepath"
	"testing"
)

// TestHeld tells a lock from none, time after time, and leaves it to be taken.
func TestHeld(t *testing.T) {
	if _, err := os.Stat("/proc/locks"); err != nil {
		t.Skip("there is no /proc/locks")
	}
	path := filepath.Join(t.TempDir(), "file")
	if held, known := Held(path); held || !known {
		t.Errorf("no file: %v, %v", held, known)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for range 2 {
		if held, known := Held(path); held || !known {
			t.Errorf("not locked: %v, %v", held, known)
		}
	}
	if err := Try(f); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if held, known := Held(path); !held || !known {
			t.Errorf("locked: %v, %v", held, known)
		}
	}
	f.Close()
	if held, _ := Held(path); held {
		t.Error("given free: held")
	}
}

// TestHolders reads the kernel's list.
func TestHolders(t *testing.T) {
	const list = `1: FLOCK  ADVISORY  WRITE 10161 fe:00:5350869 0 EOF
2: POSIX  ADVISORY  WRITE 10162 fe:00:5350869 0 EOF
2: -> FLOCK  ADVISORY  WRITE 10163 fe:00:5350869 0 EOF
3: FLOCK  ADVISORY  WRITE 10164 00:2a:15350869 0 EOF
odd
`
	if got := holders([]byte(list), 5350869); len(got) != 1 || got[0] != "10161" {
		t.Errorf("%v", got)
	}
	file, err := os.Stat(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if holds("self", file) || !holds("no such process", file) {
		t.Error("a process that does not have the file holds it, or one that cannot be looked at does not")
	}
}
