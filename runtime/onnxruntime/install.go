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
	"slices"
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
	// CUDA installs the CUDA provider, beside the library, which is installed first if it is not there; From is then an archive with
	// the provider.
	CUDA bool
	// Progress, if not nil, is told what goes on: the stage, and the bytes done and in all; total is 0 if not known.
	Progress func(stage string, done, total int64)

	platform string  // tests only; this one's if ""
	npm      string  // tests only; the npm client's name
	releases string  // tests only; the release server
	provider []build // tests only; the CUDA provider's files, as pinned if nil
}

func (o *InstallOptions) report(stage string, done, total int64) {
	if o.Progress != nil {
		o.Progress(stage, done, total)
	}
}

// Install puts the pinned library into the cache, at [CachePath], or the CUDA provider beside it, and returns the library; fresh is
// false if all was there already, whole. It comes from an npm package where there is an npm client (whose registry settings
// then hold), else, but for the provider, from the project's releases; no script of a package is run. A file whose SHA-256 is not the
// pinned one is not installed. Files take their places when all are there and checked, each in one step, so a broken installation leaves
// nothing behind, and the next one fetches what is not there yet.
func Install(ctx context.Context, o InstallOptions) (lib Library, fresh bool, err error) {
	what := "installing onnxruntime " + PinnedVersion
	list, err := o.builds()
	if err != nil {
		return Library{}, false, err
	}
	if o.CUDA {
		what = "installing the CUDA provider of onnxruntime " + PinnedVersion
		core := o
		core.CUDA, core.Force, core.From = false, false, ""
		if _, _, err := Install(ctx, core); err != nil {
			return Library{}, false, err
		}
	}
	dest, err := CachePath()
	if err != nil {
		return Library{}, false, err
	}
	place := func(b build) string { return filepath.Join(filepath.Dir(dest), cmp.Or(b.name, filepath.Base(dest))) }
	if !o.Force {
		list = slices.DeleteFunc(list, func(b build) bool { return hasPinned(place(b), b) })
	}
	if len(list) == 0 {
		lib, err = check(dest, FromCache)
		return lib, false, err
	}
	temp, release, err := cache.Workspace(filepath.Dir(dest))
	if err != nil {
		return Library{}, false, fmt.Errorf("%s: %w; set %s to a folder that can be written", what, err, cache.Env)
	}
	defer release()

	staged, err := obtain(ctx, &o, list, temp)
	if err != nil {
		return Library{}, false, fmt.Errorf("%s: %w", what, err)
	}
	for i, b := range list {
		if err := os.Rename(staged[i], place(b)); err != nil {
			return Library{}, false, fmt.Errorf("%s: %w", what, err)
		}
	}
	if lib, err = check(dest, FromCache); err != nil {
		return Library{}, true, fmt.Errorf("onnxruntime %s is installed, but this system cannot load it (it needs glibc 2.28 or later on Linux): %w", PinnedVersion, err)
	}
	return lib, true, nil
}

// builds are the files that o asks for, of one package.
func (o *InstallOptions) builds() ([]build, error) {
	platform := cmp.Or(o.platform, runtime.GOOS+"/"+runtime.GOARCH)
	if o.CUDA {
		list, err := cudaBuildsFor(platform)
		if o.provider != nil {
			list = o.provider
		}
		return slices.Clone(list), err
	}
	b, err := buildFor(platform)
	return []build{b}, err
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

// obtain puts the files of list, of one package, into temp, checked, and returns their paths. They come from o.From, or the npm package,
// or else the release archive.
func obtain(ctx context.Context, o *InstallOptions, list []build, temp string) ([]string, error) {
	if o.From != "" {
		return stage(o, list, o.From, temp)
	}
	b := list[0]
	archive, errNPM := fetchNPM(ctx, o, b.from(), temp)
	if errNPM == nil {
		return stage(o, list, archive, temp)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if b.archive != "" {
		url := cmp.Or(o.releases, releases) + b.archive
		archive = filepath.Join(temp, b.archive)
		errRelease := download(ctx, o, url, archive)
		if errRelease == nil {
			return stage(o, list, archive, temp)
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		errNPM = fmt.Errorf("%w; %w", errNPM, errRelease)
	}
	command := installCommand
	if o.CUDA {
		command = installCUDA
	}
	return nil, fmt.Errorf("it could not be fetched: %w; without a connection, run npm pack %s on a machine that has one, bring the file here, and run: %s --from FILE",
		errNPM, b.from(), command)
}

// fetchNPM has the npm client download the package pkg into temp, and returns the archive.
func fetchNPM(ctx context.Context, o *InstallOptions, pkg, temp string) (string, error) {
	name := cmp.Or(o.npm, "npm")
	npm, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("no npm client: %w", err)
	}
	o.report("fetching "+pkg+" with npm", 0, 0)
	cmd := exec.CommandContext(ctx, npm, "pack", pkg, "--ignore-scripts", "--loglevel=error", "--pack-destination", temp)
	cmd.Dir = temp
	cmd.WaitDelay = 10 * time.Second // npm starts children that may hold its output open
	var stderr tail
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("npm pack %s: %w: %s", pkg, err, stderr.line())
	}
	found, err := filepath.Glob(filepath.Join(temp, "*.tgz"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("npm pack %s left %d archives, not one", pkg, len(found))
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

// stage takes the files of list out of from, an archive or, of one file, the library itself, into temp, checks them, and returns their
// paths.
func stage(o *InstallOptions, list []build, from, temp string) ([]string, error) {
	if !isArchive(from) && o.CUDA {
		return nil, fmt.Errorf("%s: want the package as downloaded, an archive", from)
	}
	staged := make([]string, len(list))
	for i, b := range list {
		staged[i] = filepath.Join(temp, fmt.Sprint("library", i))
		if err := b.stage(o, from, staged[i]); err != nil {
			return nil, err
		}
	}
	return staged, nil
}

// stage writes the library, out of from, to the new file path.
func (b build) stage(o *InstallOptions, from, path string) error {
	in, size, err := regularfile.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fs.FileMode(0o755))
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
	return errors.Join(err, out.Close())
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
