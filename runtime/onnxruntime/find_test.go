package onnxruntime

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

func TestFindOrder(t *testing.T) {
	fakeCache(t)
	there, err := CachePath()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Find(""); err == nil {
		t.Log("the system has an onnxruntime library")
	} else {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("Find with nothing there: %v, want ErrNotFound", err)
		}
		wantError(t, err, there, systemNames(runtime.GOOS)[0], installCommand, EnvLibrary)
	}

	missing := filepath.Join(t.TempDir(), "lib.so")
	_, err = Find(missing)
	wantError(t, err, missing, string(FromCaller), installCommand)
	t.Setenv(EnvLibrary, missing)
	_, err = Find("")
	wantError(t, err, missing, string(FromEnv))
	text := writeTemp(t, "text.so", []byte("not a library"))
	_, err = Find(text) // before the environment variable
	wantError(t, err, text, string(FromCaller), "cannot be loaded")

	t.Setenv(EnvLibrary, "")
	if err := os.MkdirAll(filepath.Dir(there), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(there, []byte("not a library"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Find("")
	wantError(t, err, there, string(FromCache), installCommand)
}

func TestFindReal(t *testing.T) {
	lib, err := Find("")
	if errors.Is(err, ErrNotFound) {
		t.Skip("the native library is missing: run ", installCommand)
	} else if err != nil {
		t.Fatal(err)
	}
	fakeCache(t)
	for _, path := range []string{lib.Path, filepath.Dir(lib.Path)} {
		if got, err := Find(path); err != nil || got.Source != FromCaller || got.Version != lib.Version {
			t.Errorf("Find(%s) = %v, %v", path, got, err)
		}
	}
	t.Setenv(EnvLibrary, lib.Path)
	if got, err := Find(""); err != nil || got.Source != FromEnv {
		t.Errorf("Find with %s = %v, %v", EnvLibrary, got, err)
	}
}

func TestUsable(t *testing.T) {
	for version, want := range map[string]bool{"1.24.0": true, "1.29.0": true, "2.0.0": true, "1.23.2": false, "1.9": false, "": false, "x.30.0": false} {
		if got := usable(version); got != want {
			t.Errorf("usable(%q) = %v", version, got)
		}
	}
	wantError(t, &versionError{"/lib/x.so", FromSystem, "1.14.1"}, "/lib/x.so", "1.14.1", "1.24 or later", installCommand)
}

// TestFindDamaged has files that would end the process if they were loaded as they are.
func TestFindDamaged(t *testing.T) {
	if runtime.GOOS != "linux" && runtime.GOOS != "freebsd" {
		t.Skip("the loader looks at the file itself")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(self) // an ELF file
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, 64, 1000, len(whole) / 2, len(whole) - 1} {
		path := writeTemp(t, "part.so", whole[:n])
		_, err := Find(path)
		wantError(t, err, path, "cannot be loaded", "part of")
	}
	_, err = Find("/dev/null")
	wantError(t, err, "/dev/null", "not a file")
}

// TestFindOld has a library that states another version, made by the C compiler.
func TestFindOld(t *testing.T) {
	cc, err := exec.LookPath("cc")
	if err != nil || runtime.GOOS != "linux" {
		t.Skip("needs Linux and a C compiler")
	}
	dir := t.TempDir()
	const base = "\nstruct { void *api; const char *(*version)(void); } base = {0, v};\nvoid *OrtGetApiBase(void) { return &base; }\n"
	for name, c := range map[string]struct{ source, want string }{
		"old":     {`static const char *v(void) { return "1.14.1"; }` + base, "is version 1.14.1: 1.24 or later is needed; to fetch " + PinnedVersion + ": " + installCommand},
		"odd":     {`static const char *v(void) { return ""; }` + base, "1.24 or later is needed"},
		"nothing": {`#define v 0` + base, "OrtGetApiBase returned nothing"},
		"other":   {`int other(void) { return 0; }`, "not an onnxruntime library"},
	} {
		source, lib := filepath.Join(dir, name+".c"), filepath.Join(dir, name+".so")
		if err := os.WriteFile(source, []byte(c.source), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(cc, "-shared", "-fPIC", "-o", lib, source).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		_, err := Find(lib)
		wantError(t, err, lib, c.want)
		t.Setenv(EnvLibrary, lib)
		_, err = Find("")
		wantError(t, err, lib, string(FromEnv), c.want)
	}
}
