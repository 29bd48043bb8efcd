// Package atomicfile writes files that appear whole or not at all, and that are on the disk once they have appeared.
package atomicfile

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// A File is being written under a temporary name. It ends by Commit or by Discard.
type File struct {
	f *os.File
	w *bufio.Writer
}

// Create begins a file in the folder dir, which must exist.
func Create(dir string) (*File, error) {
	f, err := os.CreateTemp(dir, ".*.tmp")
	if err != nil {
		return nil, err
	}
	return &File{f, bufio.NewWriterSize(f, 256<<10)}, nil
}

// Write appends p.
func (f *File) Write(p []byte) (int, error) { return f.w.Write(p) }

// Commit makes the file durable and gives it the name path, in the folder of Create, replacing what is there. If it fails
// the file is gone and what path named is as before.
func (f *File) Commit(path string) error {
	err := f.w.Flush()
	if err == nil {
		err = f.f.Chmod(0o644) // CreateTemp lets only the owner read
	}
	if err == nil {
		err = f.f.Sync()
	}
	if err = errors.Join(err, f.f.Close()); err == nil {
		err = os.Rename(f.f.Name(), path)
	}
	if err != nil {
		os.Remove(f.f.Name())
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// Discard removes the file. After Commit it does nothing.
func (f *File) Discard() {
	if f.f.Close() == nil { // else it was closed by Commit, which has renamed or removed it
		os.Remove(f.f.Name())
	}
}

// Write replaces the file path by what write writes.
func Write(path string, write func(io.Writer) error) error {
	f, err := Create(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer f.Discard()
	if err := write(f); err != nil {
		return err
	}
	return f.Commit(path)
}

// Clean removes from the folder dir, if it is there, what killed processes have left of files that they had not finished.
// Nobody may be writing a file there.
func Clean(dir string) error {
	files, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, f := range files {
		number, dotted := strings.CutPrefix(f.Name(), ".")
		number, temporary := strings.CutSuffix(number, ".tmp")
		if !dotted || !temporary || number == "" || strings.Trim(number, "0123456789") != "" {
			continue // not a name of Create
		}
		if err := os.Remove(filepath.Join(dir, f.Name())); err != nil {
			return err
		}
	}
	return nil
}

// SyncDir makes renames and removals in the folder dir durable.
func SyncDir(dir string) error {
	if runtime.GOOS == "windows" { // which has no such call, and journals its folders
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
