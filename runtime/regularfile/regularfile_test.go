//go:build unix

package regularfile

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// soon fails the test if do waits.
func soon(t *testing.T, what string, do func()) {
	t.Helper()
	done := make(chan bool)
	go func() { do(); close(done) }()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Fatalf("%s: waits", what)
	}
}

// TestOpen opens what is a file and what is not, by itself and through a link.
func TestOpen(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(os.WriteFile(at("file"), []byte("12345"), 0o600), os.Mkdir(at("folder"), 0o700), syscall.Mkfifo(at("pipe"), 0o600)); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", at("s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, want := range map[string]string{"file": "", "folder": "a folder", "pipe": "a pipe", "s": "a socket", "/dev/zero": "a device", "none": "no such file"} {
		path := name
		if !filepath.IsAbs(name) {
			path = at(name)
		}
		link := at("link to " + strings.ReplaceAll(name, "/", ""))
		if err := os.Symlink(path, link); err != nil {
			t.Fatal(err)
		}
		for _, p := range []string{path, link} {
			soon(t, name, func() {
				f, size, err := Open(p)
				if want != "" {
					if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), p) {
						t.Errorf("%s: %v, want %q", p, err, want)
					}
					return
				}
				if err != nil || size != 5 {
					t.Fatalf("%s: %d bytes, %v", p, size, err)
				}
				if err := f.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
	// What takes a file's place between the look and the opening is not waited for either.
	soon(t, "a pipe that was not seen", func() {
		f, err := os.OpenFile(at("pipe"), os.O_RDONLY|nonBlocking, 0)
		if err != nil {
			t.Error(err)
			return
		}
		f.Close()
	})
	if _, err := OpenFile(at("none"), os.O_RDWR, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	f, err := OpenFile(at("new"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}

// TestRead holds to its limit, also where a file says that it has nothing.
func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := Read(path, 5); string(b) != "12345" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := Read(path, 4); err == nil || !strings.Contains(err.Error(), "has 5 bytes: no more than 4 are read") {
		t.Errorf("too long: %v", err)
	}
	if _, err := os.Stat("/proc/self/maps"); err == nil {
		if _, err := Read("/proc/self/maps", 10); err == nil || !strings.Contains(err.Error(), "has more bytes") {
			t.Errorf("a file that says it is empty: %v", err)
		}
	}
}
