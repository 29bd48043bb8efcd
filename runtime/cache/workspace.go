package cache

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sardonyx-ml/sardonyx/runtime/atomicfile"
	"github.com/sardonyx-ml/sardonyx/runtime/filelock"
)

// workspaces is how the names of folders to work in begin.
const workspaces = ".fetch-"

// Workspace makes a folder to work in, in the folder dir, which is made too, and removes those there of processes that were
// killed. release removes it.
func Workspace(dir string) (path string, release func(), err error) {
	if err := atomicfile.MkdirAll(dir); err != nil {
		return "", nil, err
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return "", nil, err
	}
	for _, f := range files {
		if !strings.HasPrefix(f.Name(), workspaces) {
			continue
		}
		old := filepath.Join(dir, f.Name())
		if f := claim(old); f != nil {
			os.RemoveAll(old)
			f.Close()
		}
	}
	for {
		path, err := os.MkdirTemp(dir, workspaces+"*")
		if err != nil {
			return "", nil, err
		}
		f, err := os.OpenFile(path, os.O_RDONLY, 0)
		if err == nil && filelock.Try(f) == nil {
			if _, err := os.Stat(path); err == nil {
				return path, func() { os.RemoveAll(path); f.Close() }, nil
			}
		}
		if f != nil {
			f.Close()
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", nil, err
		}
		// Another process has just taken it for one that was left.
	}
}

// claim opens and locks a workspace that no process holds, or returns nil. Where there are no locks a day decides.
func claim(path string) *os.File {
	info, err := os.Lstat(path)
	if err != nil || !info.IsDir() || !filelock.Works && time.Since(info.ModTime()) < 24*time.Hour {
		return nil
	}
	f, err := os.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil
	}
	if filelock.Try(f) != nil {
		f.Close()
		return nil
	}
	return f
}
