package onnxruntime

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/runtime/cache"
)

// fakeCache gives a test a cache folder of its own.
func fakeCache(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv(cache.Env, dir)
	t.Setenv(EnvLibrary, "")
	return dir
}

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

func TestUsable(t *testing.T) {
	for version, want := range map[string]bool{"1.24.0": true, "1.29.0": true, "2.0.0": true, "1.23.2": false, "1.9": false, "": false, "x.30.0": false} {
		if got := usable(version); got != want {
			t.Errorf("usable(%q) = %v", version, got)
		}
	}
	wantError(t, &versionError{"/lib/x.so", FromSystem, "1.14.1"}, "/lib/x.so", "1.14.1", "1.24 or later", installCommand)
}

func TestPinned(t *testing.T) {
	for platform, b := range builds {
		if raw, err := hex.DecodeString(b.sha256); err != nil || len(raw) != sha256.Size || b.size < 1<<20 {
			t.Errorf("%s: %+v", platform, b)
		}
	}
	_, err := buildFor("plan9/386")
	wantError(t, err, "plan9/386", "linux/amd64", EnvLibrary)
	_, _, err = Install(t.Context(), InstallOptions{platform: "plan9/386"})
	wantError(t, err, "plan9/386")
}

type entry struct {
	name string
	kind byte
	data string
}

func tgz(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	tw := tar.NewWriter(zw)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Typeflag: e.kind, Size: int64(len(e.data)), Mode: 0o644}
		if e.kind == tar.TypeSymlink {
			h.Linkname, h.Size = "/etc/passwd", 0
		}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := tw.Write([]byte(e.data)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(tw.Close(), zw.Close()); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestExtract(t *testing.T) {
	members := []string{"package/lib.so", "release/lib/lib.so"}
	zipped := func(name, data string) []byte {
		var buf bytes.Buffer
		zw := zip.NewWriter(&buf)
		w, err := zw.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(data)); err != nil {
			t.Fatal(err)
		}
		if err := zw.Close(); err != nil {
			t.Fatal(err)
		}
		return buf.Bytes()
	}
	whole := tgz(t, entry{"package/lib.so", tar.TypeReg, "library"})
	for _, c := range []struct {
		name, file string
		data       []byte
		want       string // the content, or with ! words of the error
	}{
		{"npm", "a.tgz", tgz(t, entry{"package/x", tar.TypeReg, "x"}, entry{"package/lib.so", tar.TypeReg, "library"}), "library"},
		{"release", "a.tgz", tgz(t, entry{"./release/lib/lib.so", tar.TypeReg, "library"}), "library"},
		{"zip", "a.zip", zipped("release/lib/lib.so", "library"), "library"},
		{"link", "a.tgz", tgz(t, entry{"package/lib.so", tar.TypeSymlink, ""}), "!no such file"},
		{"path trick", "a.tgz", tgz(t, entry{"../package/lib.so", tar.TypeReg, "library"}), "!no such file"},
		{"absolute", "a.tgz", tgz(t, entry{"/package/lib.so", tar.TypeReg, "library"}), "!no such file"},
		{"none", "a.zip", zipped("other", "library"), "!no such file"},
		{"too large", "a.tgz", tgz(t, entry{"package/lib.so", tar.TypeReg, "a library too large"}), "!more than the 10"},
		{"too large zip", "a.zip", zipped("package/lib.so", "a library too large"), "!more than the 10"},
		{"not gzip", "a.tgz", []byte("hello"), "!reading the archive"},
		{"not zip", "a.zip", []byte("hello"), "!reading the archive"},
		{"cut", "a.tgz", whole[:len(whole)-12], "!"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got bytes.Buffer
			err := extract(&got, bytes.NewReader(c.data), int64(len(c.data)), c.file, members, 10)
			if words, bad := strings.CutPrefix(c.want, "!"); bad {
				if words != "" || got.String() != "library" {
					wantError(t, err, words)
				}
			} else if err != nil || got.String() != c.want {
				t.Errorf("extract = %q, %v, want %q", got.String(), err, c.want)
			}
		})
	}
}

// left lists the files in a cache folder.
func left(t *testing.T, dir string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestInstallReleases installs by way of a server that stands in for the releases, without an npm client.
func TestInstallReleases(t *testing.T) {
	b := builds["linux/amd64"]
	archive := tgz(t, entry{b.members()[1], tar.TypeReg, "another build"})
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/"+b.archive {
			t.Errorf("asked for %s", r.URL.Path)
		}
		w.WriteHeader(status)
		w.Write(archive)
	}))
	defer server.Close()
	o := InstallOptions{platform: "linux/amd64", npm: "no-such-npm-client", releases: server.URL + "/"}
	dir := fakeCache(t)
	var stages []string
	o.Progress = func(stage string, _, _ int64) { stages = append(stages, stage) }

	_, _, err := Install(t.Context(), o)
	sum := sha256.Sum256([]byte("another build"))
	wantError(t, err, "not the pinned one", hex.EncodeToString(sum[:]), b.sha256, "not installed", EnvLibrary)
	if len(stages) == 0 || !strings.Contains(stages[0], server.URL) || stages[len(stages)-1] != "unpacking" {
		t.Errorf("progress told %q", stages)
	}

	status = http.StatusNotFound
	_, _, err = Install(t.Context(), o)
	wantError(t, err, "no npm client", "404", b.archive, npmPackage, installCommand+" --from")

	server.Close()
	_, _, err = Install(t.Context(), o)
	wantError(t, err, "no npm client", server.URL, npmPackage, installCommand+" --from")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := Install(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("Install = %v with a context that has ended", err)
	}
	if files := left(t, dir); len(files) > 0 {
		t.Errorf("failed installations left %q", files)
	}
}

// TestInstallFile installs the real library from a file, into a cache of the test's own, over a damaged one.
func TestInstallFile(t *testing.T) {
	lib, err := Find("")
	if err != nil || lib.Version != PinnedVersion || lib.Source != FromCache {
		t.Skip("the pinned library is not in the cache: run ", installCommand)
	}
	dir := fakeCache(t)
	_, _, err = Install(t.Context(), InstallOptions{From: filepath.Join(dir, "none.tgz")})
	wantError(t, err, "none.tgz")
	there, err := CachePath()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(there, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, false} {
		got, fresh, err := Install(t.Context(), InstallOptions{From: lib.Path})
		if err != nil || fresh != want || got.Path != there || got.Version != PinnedVersion {
			t.Fatalf("installation %d = %v, %v, %v", i+1, got, fresh, err)
		}
	}
	if files := left(t, dir); len(files) != 1 {
		t.Errorf("the cache has %q", files)
	}
}
