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
	"path"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

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

func TestPinned(t *testing.T) {
	for platform, b := range builds {
		if raw, err := hex.DecodeString(b.sha256); err != nil || len(raw) != sha256.Size || b.size < 1<<20 {
			t.Errorf("%s: %+v", platform, b)
		}
	}
	for platform, list := range cudaBuilds {
		if len(list) != 2 || builds[platform].sha256 == "" {
			t.Errorf("the CUDA provider for %s has %d files, or there is no library for it", platform, len(list))
		}
		for _, b := range list {
			if raw, err := hex.DecodeString(b.sha256); err != nil || len(raw) != sha256.Size || b.size == 0 || b.name != path.Base(b.npm) {
				t.Errorf("%s: %+v", platform, b)
			}
		}
	}
	_, _, err := Install(t.Context(), InstallOptions{platform: "linux/arm64", CUDA: true})
	wantError(t, err, "CUDA provider", "linux/arm64", "only for linux/amd64", EnvLibrary)
	_, err = buildFor("plan9/386")
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
	zw, err := gzip.NewWriterLevel(&buf, gzip.NoCompression) // some are large
	if err != nil {
		t.Fatal(err)
	}
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
	path, _ := pinnedLibrary(t)
	dir := fakeCache(t)
	_, _, err := Install(t.Context(), InstallOptions{From: filepath.Join(dir, "none.tgz")})
	wantError(t, err, "none.tgz")
	there, err := CachePath()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(there, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	busy, release, err := cache.Workspace(filepath.Dir(there)) // of an installation under way
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	old := filepath.Join(filepath.Dir(there), ".fetch-1") // of one that was killed
	if err := os.MkdirAll(filepath.Join(old, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, false} {
		got, fresh, err := Install(t.Context(), InstallOptions{From: path})
		if err != nil || fresh != want || got.Path != there || got.Version != PinnedVersion {
			t.Fatalf("installation %d = %v, %v, %v", i+1, got, fresh, err)
		}
	}
	if files := left(t, dir); len(files) != 1 {
		t.Errorf("the cache has %q", files)
	}
	if _, err := os.Stat(old); err == nil {
		t.Errorf("%s is still there", old)
	}
	if _, err := os.Stat(busy); err != nil {
		t.Error(err)
	}
}

// pinnedLibrary is the real library in the cache, which a test then installs into a cache of its own.
func pinnedLibrary(t *testing.T) (path, data string) {
	t.Helper()
	lib, err := Find("")
	if err != nil || lib.Version != PinnedVersion || lib.Source != FromCache {
		t.Skip("the pinned library is not in the cache: run ", installCommand)
	}
	raw, err := os.ReadFile(lib.Path)
	if err != nil {
		t.Fatal(err)
	}
	return lib.Path, string(raw)
}

// fakeNPM is a client that runs the shell commands script in the folder that it is to download to.
func fakeNPM(t *testing.T, script string) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell")
	}
	path := filepath.Join(t.TempDir(), "npm")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nset -e\ntest \"$1 $2\" = \"pack "+npmPackage+"\"\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestInstallNPM installs by way of clients that stand in for npm: one that works, and those that do not.
func TestInstallNPM(t *testing.T) {
	_, data := pinnedLibrary(t)
	b, err := buildFor(runtime.GOOS + "/" + runtime.GOARCH)
	if err != nil {
		t.Skip(err)
	}
	good := writeTemp(t, "good.tgz", tgz(t, entry{"package/package.json", tar.TypeReg, "{}"}, entry{b.npm, tar.TypeReg, data}))
	bad := writeTemp(t, "bad.tgz", tgz(t, entry{b.npm, tar.TypeReg, data[:len(data)-1] + "x"}))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }))
	defer server.Close()
	for _, c := range []struct {
		name, script string
		want         []string // of the error
	}{
		{"whole", "cp " + good + " .", nil},
		{"one byte is another", "cp " + bad + " .", []string{"not the pinned one", b.sha256, "not installed"}},
		{"cut off", "head -c 1000000 " + good + " > a.tgz", []string{"a.tgz", "unexpected EOF"}},
		{"no archive", "true", []string{"left 0 archives", "404", installCommand + " --from"}},
		{"two archives", "cp " + good + " a.tgz; cp " + good + " b.tgz", []string{"left 2 archives", "404"}},
		{"no connection", "echo cannot reach the registry >&2; exit 1", []string{"cannot reach the registry", "404", installCommand + " --from"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := fakeCache(t)
			lib, fresh, err := Install(t.Context(), InstallOptions{npm: fakeNPM(t, c.script), releases: server.URL + "/"})
			if c.want != nil {
				wantError(t, err, c.want...)
				if files := left(t, dir); len(files) > 0 {
					t.Errorf("left %q", files)
				}
				return
			}
			if err != nil || !fresh || lib.Version != PinnedVersion || lib.Source != FromCache {
				t.Errorf("Install = %v, %v, %v", lib, fresh, err)
			}
			if files := left(t, dir); len(files) != 1 {
				t.Errorf("left %q", files)
			}
		})
	}
	t.Run("broken off", func(t *testing.T) {
		dir := fakeCache(t)
		ctx, cancel := context.WithCancel(t.Context())
		o := InstallOptions{npm: fakeNPM(t, "cp "+good+" . ; exec sleep 60"), releases: server.URL + "/"}
		o.Progress = func(string, int64, int64) { time.AfterFunc(50*time.Millisecond, cancel) }
		if _, _, err := Install(ctx, o); !errors.Is(err, context.Canceled) {
			t.Errorf("Install = %v", err)
		}
		if files := left(t, dir); len(files) > 0 {
			t.Errorf("left %q", files)
		}
	})
}

// TestInstallCUDA installs a provider of two small files by way of a client that stands in for npm, beside the real library.
func TestInstallCUDA(t *testing.T) {
	library, _ := pinnedLibrary(t)
	if _, err := cudaBuildsFor(runtime.GOOS + "/" + runtime.GOARCH); err != nil {
		t.Skip(err)
	}
	var pinned []build
	contents := map[string]string{"shared.so": "shared", "cuda.so": "a provider"}
	for _, name := range []string{"shared.so", "cuda.so"} {
		sum := sha256.Sum256([]byte(contents[name]))
		pinned = append(pinned, build{name: name, pkg: "provider@1", npm: "package/x64/" + name, size: int64(len(contents[name])), sha256: hex.EncodeToString(sum[:])})
	}
	packed := func(name, cuda string) string {
		return writeTemp(t, name, tgz(t, entry{"package/x64/cuda.so", tar.TypeReg, cuda}, entry{"package/x64/shared.so", tar.TypeReg, contents["shared.so"]}))
	}
	good, bad := packed("good.tgz", contents["cuda.so"]), packed("bad.tgz", "a Provider")
	npm := func(script string) string {
		path := filepath.Join(t.TempDir(), "npm")
		if err := os.WriteFile(path, []byte("#!/bin/sh\nset -e\ntest \"$1 $2\" = \"pack provider@1\"\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct {
		name string
		o    InstallOptions
		want []string // of the error
	}{
		{"whole", InstallOptions{npm: npm("cp " + good + " .")}, nil},
		{"from a file", InstallOptions{From: good}, nil},
		{"one byte is another", InstallOptions{npm: npm("cp " + bad + " .")}, []string{"CUDA provider", "not the pinned one", pinned[1].sha256, "provider@1", "not installed", "beside"}},
		{"no connection", InstallOptions{npm: npm("echo no way >&2; exit 1")}, []string{"no way", "npm pack provider@1", installCUDA + " --from"}},
		{"from one of its files", InstallOptions{From: writeTemp(t, "cuda.so", []byte(contents["cuda.so"]))}, []string{"an archive"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := fakeCache(t)
			c.o.CUDA, c.o.provider = true, pinned
			if _, _, err := Install(t.Context(), InstallOptions{From: library}); err != nil {
				t.Fatal(err)
			}
			lib, fresh, err := Install(t.Context(), c.o)
			if c.want != nil {
				wantError(t, err, c.want...)
				if files := left(t, dir); len(files) != 1 {
					t.Errorf("left %q", files)
				}
				return
			}
			if err != nil || !fresh || lib.Version != PinnedVersion {
				t.Fatalf("Install = %v, %v, %v", lib, fresh, err)
			}
			for name, want := range contents {
				if got, err := os.ReadFile(filepath.Join(filepath.Dir(lib.Path), name)); err != nil || string(got) != want {
					t.Errorf("%s has %q, %v", name, got, err)
				}
			}
			c.o.npm = "no-such-npm-client"
			if _, fresh, err := Install(t.Context(), c.o); fresh || err != nil {
				t.Errorf("a second installation: %v, %v", fresh, err)
			}
			damaged := filepath.Join(filepath.Dir(lib.Path), "cuda.so") // it alone is put right
			if err := os.WriteFile(damaged, []byte("damaged"), 0o600); err != nil {
				t.Fatal(err)
			}
			c.o.From = good
			if _, fresh, err := Install(t.Context(), c.o); !fresh || err != nil {
				t.Errorf("over a damaged file: %v, %v", fresh, err)
			}
			if files := left(t, dir); len(files) != 3 {
				t.Errorf("left %q", files)
			}
		})
	}
}

// TestInstallArchive installs the real library from a server that stands in for the releases.
func TestInstallArchive(t *testing.T) {
	_, data := pinnedLibrary(t)
	b, err := buildFor(runtime.GOOS + "/" + runtime.GOARCH)
	if err != nil || !strings.HasSuffix(b.archive, ".tgz") {
		t.Skip("the archive of this platform is no tgz")
	}
	archive := tgz(t, entry{b.members()[1], tar.TypeReg, data})
	cut := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(archive)))
		if cut {
			w.Write(archive[:1000])
			return
		}
		w.Write(archive)
	}))
	defer server.Close()
	for _, cut = range []bool{true, false} {
		dir := fakeCache(t)
		lib, fresh, err := Install(t.Context(), InstallOptions{npm: "no-such-npm-client", releases: server.URL + "/"})
		if cut {
			wantError(t, err, server.URL, "unexpected EOF")
			if files := left(t, dir); len(files) > 0 {
				t.Errorf("left %q", files)
			}
		} else if err != nil || !fresh || lib.Version != PinnedVersion {
			t.Errorf("Install = %v, %v, %v", lib, fresh, err)
		}
	}
}

// TestInstallAtOnce has several installations under way at once: all end with the library in its place.
func TestInstallAtOnce(t *testing.T) {
	path, _ := pinnedLibrary(t)
	dir := fakeCache(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if lib, _, err := Install(t.Context(), InstallOptions{From: path}); err != nil || lib.Version != PinnedVersion {
				t.Errorf("Install = %v, %v", lib, err)
			}
		})
	}
	wg.Wait()
	if files := left(t, dir); len(files) != 1 {
		t.Errorf("left %q", files)
	}
}

// TestInstallNowhere has a cache folder that cannot be made.
func TestInstallNowhere(t *testing.T) {
	t.Setenv(cache.Env, writeTemp(t, "file", nil))
	_, _, err := Install(t.Context(), InstallOptions{platform: "linux/amd64"})
	wantError(t, err, "installing onnxruntime", cache.Env)
}
