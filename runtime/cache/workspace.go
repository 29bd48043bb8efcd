package cache

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/sardonyx-ml/sardonyx/exporters/atomicfile"
	"github.com/sardonyx-ml/sardonyx/runtime/filelock"
)

// workspaces is the pattern of the names of folders to work in.
const workspaces = ".fetch-*"

// Workspace makes a folder to work in, in the folder dir, which is made too, and removes those there of processes that were
// killed. release removes it.
func Workspace(dir string) (path string, release func(), err error) {
	if err := atomicfile.MkdirAll(dir); err != nil {
		return "", nil, err
	}
	old, err := filepath.Glob(filepath.Join(dir, workspaces))
	if err != nil {
		return "", nil, err
	}
	for _, o := range old {
		if f := claim(o); f != nil {
			os.RemoveAll(o)
			f.Close()
		}
	}
	for {
		path, err := os.MkdirTemp(dir, workspaces)
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
