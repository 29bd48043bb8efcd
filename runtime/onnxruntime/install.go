package onnxruntime

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/sardonyx-ml/sardonyx/runtime/cache"
	"github.com/sardonyx-ml/sardonyx/runtime/regularfile"
)

// InstallOptions say how [Install] gets the library. The zero value fetches it.
type InstallOptions struct {
	// From is a file to install from instead of fetching: the npm package or the release archive as downloaded, or the
	// library itself. For machines that are not connected.
	From string
	// Force fetches the library even if it is in the cache already.
	Force bool
	// Progress, if not nil, is told what goes on: the stage, and the bytes done and in all; total is 0 if not known.
	Progress func(stage string, done, total int64)

	platform string // tests only; this one's if ""
	npm      string // tests only; the npm client's name
	releases string // tests only; the release server
}

func (o *InstallOptions) report(stage string, done, total int64) {
	if o.Progress != nil {
		o.Progress(stage, done, total)
	}
}

// Install puts the pinned library into the cache, at [CachePath], and returns it; fresh is false if it was there
// already, whole. It comes from the npm package onnxruntime-node where there is an npm client (whose registry settings
// then hold), else from the project's releases; no script of a package is run. A library whose SHA-256 is not the
// pinned one is not installed. The file takes its place in one step, so a broken installation leaves nothing behind.
func Install(ctx context.Context, o InstallOptions) (lib Library, fresh bool, err error) {
	b, err := buildFor(cmp.Or(o.platform, runtime.GOOS+"/"+runtime.GOARCH))
	if err != nil {
		return Library{}, false, err
	}
	dest, err := CachePath()
	if err != nil {
		return Library{}, false, err
	}
	if !o.Force && hasPinned(dest, b) {
		lib, err = check(dest, FromCache)
		return lib, false, err
	}
	temp, release, err := cache.Workspace(filepath.Dir(dest))
	if err != nil {
		return Library{}, false, fmt.Errorf("installing onnxruntime %s: %w; set %s to a folder that can be written", PinnedVersion, err, cache.Env)
	}
	defer release()

	if o.From != "" {
		err = b.place(&o, o.From, dest, temp)
	} else {
		err = b.fetch(ctx, &o, dest, temp)
	}
	if err != nil {
		return Library{}, false, fmt.Errorf("installing onnxruntime %s: %w", PinnedVersion, err)
	}
	if lib, err = check(dest, FromCache); err != nil {
		return Library{}, true, fmt.Errorf("onnxruntime %s is installed, but this system cannot load it (it needs glibc 2.28 or later on Linux): %w", PinnedVersion, err)
	}
	return lib, true, nil
}

// hasPinned reports whether the file at path is the pinned library, by its hash.
func hasPinned(path string, b build) bool {
	f, _, err := regularfile.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, io.LimitReader(f, b.size+1))
	return err == nil && n == b.size && hex.EncodeToString(h.Sum(nil)) == b.sha256
}

// fetch tries the npm package, then the release archive.
func (b build) fetch(ctx context.Context, o *InstallOptions, dest, temp string) error {
	archive, errNPM := fetchNPM(ctx, o, temp)
	if errNPM == nil {
		return b.place(o, archive, dest, temp)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	url := cmp.Or(o.releases, releases) + b.archive
	archive = filepath.Join(temp, b.archive)
	errRelease := download(ctx, o, url, archive)
	if errRelease == nil {
		return b.place(o, archive, dest, temp)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("it could not be fetched: %w; %w; without a connection, run npm pack %s on a machine that has one, bring the file here, and run: %s --from FILE",
		errNPM, errRelease, npmPackage, installCommand)
}

// fetchNPM has the npm client download the package into temp, and returns the archive.
func fetchNPM(ctx context.Context, o *InstallOptions, temp string) (string, error) {
	name := cmp.Or(o.npm, "npm")
	npm, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("no npm client: %w", err)
	}
	o.report("fetching "+npmPackage+" with npm", 0, 0)
	cmd := exec.CommandContext(ctx, npm, "pack", npmPackage, "--ignore-scripts", "--loglevel=error", "--pack-destination", temp)
	cmd.Dir = temp
	cmd.WaitDelay = 10 * time.Second // npm starts children that may hold its output open
	var stderr tail
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("npm pack %s: %w: %s", npmPackage, err, stderr.line())
	}
	found, err := filepath.Glob(filepath.Join(temp, "*.tgz"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("npm pack %s left %d archives, not one", npmPackage, len(found))
	}
	return found[0], nil
}

// A tail keeps the last bytes written to it.
type tail struct{ b []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if len(t.b) > 2000 {
		t.b = t.b[len(t.b)-2000:]
	}
	return len(p), nil
}

func (t *tail) line() string { return strings.Join(strings.Fields(string(t.b)), " ") }

// download fetches url into the new file path.
func download(ctx context.Context, o *InstallOptions, url, path string) (err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = 30 * time.Second
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return err // names the method and the URL
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("fetching %s: %s", url, res.Status)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	body := &meter{r: res.Body, o: o, stage: "fetching " + url, total: max(res.ContentLength, 0)}
	n, err := io.Copy(f, io.LimitReader(body, maxArchiveFile+1))
	if err != nil {
		return fmt.Errorf("fetching %s: %w", url, err)
	}
	if n > maxArchiveFile {
		return fmt.Errorf("fetching %s: it is larger than %d bytes", url, int64(maxArchiveFile))
	}
	return nil
}

// place takes the library out of from, an archive or the library itself, checks it, and moves it to dest by way of temp.
func (b build) place(o *InstallOptions, from, dest, temp string) (err error) {
	in, size, err := regularfile.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	staged := filepath.Join(temp, "library")
	out, err := os.OpenFile(staged, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fs.FileMode(0o755))
	if err != nil {
		return err
	}
	sum := &summer{w: out, h: sha256.New(), o: o, total: b.size}
	if isArchive(from) {
		err = extract(sum, in, size, from, b.members(), b.size)
	} else {
		err = copyMember(sum, in, from, size, b.size)
	}
	if err == nil {
		err = b.matches(from, sum.n, hex.EncodeToString(sum.h.Sum(nil)))
	} else {
		err = fmt.Errorf("%s: %w", from, err)
	}
	if err == nil {
		err = out.Sync()
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	return os.Rename(staged, dest)
}

func isArchive(name string) bool {
	return strings.HasSuffix(name, ".tgz") || strings.HasSuffix(name, ".tar.gz") || strings.HasSuffix(name, ".zip")
}

// A meter reports how far a download is.
type meter struct {
	r           io.Reader
	o           *InstallOptions
	stage       string
	done, total int64
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.done += int64(n)
	m.o.report(m.stage, m.done, m.total)
	return n, err
}

// A summer writes the library on, and hashes and counts it.
type summer struct {
	w        io.Writer
	h        hash.Hash
	o        *InstallOptions
	n, total int64
}

func (s *summer) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.h.Write(p[:n])
	s.n += int64(n)
	s.o.report("unpacking", s.n, s.total)
	return n, err
}
