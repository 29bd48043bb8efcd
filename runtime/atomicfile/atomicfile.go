// Package atomicfile writes files that appear whole or not at all, and that are on the disk once they have appeared. All that
// the house writes goes through its [Disk].
package atomicfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// A File is being written under a temporary name. It ends by Commit or by Discard.
type File struct {
	f    Handle
	w    *bufio.Writer
	size int64 // once finished
	soon bool  // on the disk some time, not at once
	done bool  // finished: written and synced
	gone bool  // committed, or removed
}

// Create begins a file in the folder dir, which must exist.
func Create(dir string) (*File, error) {
	f, err := disk.CreateTemp(dir, ".*.tmp")
	if err != nil {
		return nil, err
	}
	return &File{f: f, w: bufio.NewWriterSize(f, 256<<10)}, nil
}

// Write appends p.
func (f *File) Write(p []byte) (int, error) { return f.w.Write(p) }

// Finish makes what was written durable, and returns its size; Commit after it does no more than give the name. Of several
// files that belong together, finish all before the first is committed.
func (f *File) Finish() (size int64, err error) {
	if f.done {
		return f.size, nil
	}
	err = f.w.Flush()
	if err == nil {
		err = f.f.Chmod(0o644) // CreateTemp lets only the owner read
	}
	if err == nil && !f.soon {
		err = f.f.Sync()
	}
	if err == nil {
		f.size, err = f.f.Seek(0, io.SeekCurrent)
	}
	if err = errors.Join(err, f.f.Close()); err != nil {
		f.remove()
		return 0, err
	}
	f.done = true
	return f.size, nil
}

// Commit finishes the file and gives it the name path, in the folder of Create or another of its disk, replacing a file that is there, but no
// folder or device. If it fails the file is gone and what path named is as before.
func (f *File) Commit(path string) error {
	if _, err := f.Finish(); err != nil {
		return err
	}
	err := replaceable(path)
	if err == nil {
		err = disk.Rename(f.f.Name(), path)
	}
	if err != nil {
		f.remove()
		return err
	}
	f.gone = true
	if f.soon {
		return nil
	}
	return disk.SyncDir(filepath.Dir(path))
}

func replaceable(path string) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is there and is not a file: it is not replaced", path)
	}
	return nil
}

// Discard removes the file. After Commit it does nothing.
func (f *File) Discard() {
	if f.gone {
		return
	}
	if !f.done {
		f.f.Close()
	}
	f.remove()
}

func (f *File) remove() {
	f.gone = true
	disk.Remove(f.f.Name())
}

// Write replaces the file path by what write writes.
func Write(path string, write func(io.Writer) error) error { return replace(path, false, write) }

// WriteSoon replaces the file path by b without waiting for the disk, for what is written often and is of no use after a crash, which
// may leave anything of it.
func WriteSoon(path string, b []byte) error {
	return replace(path, true, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}

func replace(path string, soon bool, write func(io.Writer) error) error {
	if err := replaceable(path); err != nil {
		return err
	}
	f, err := Create(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer f.Discard()
	f.soon = soon
	if err := write(f); err != nil {
		return err
	}
	return f.Commit(path)
}

// Check reports whether [Write] could begin the file path, for saying so before the work whose result is to be written: whether its
// folder is there and takes files, and no folder or device stands in the file's place.
func Check(path string) error {
	dir := filepath.Dir(path)
	if info, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("the folder %s is not there", dir)
	} else if err == nil && !info.IsDir() {
		return fmt.Errorf("%s is not a folder", dir)
	}
	if err := replaceable(path); err != nil {
		return err
	}
	f, err := Create(dir)
	if err != nil {
		return fmt.Errorf("no file can be made in %s: %w", dir, err)
	}
	f.Discard()
	return nil
}

// Clean removes from the folder dir, if it is there, what killed processes have left of files that they had not finished.
// Nobody may be writing a file there.
func Clean(dir string) error {
	files, err := disk.ReadDir(dir)
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
		if err := disk.Remove(filepath.Join(dir, f.Name())); err != nil {
			return err
		}
	}
	return nil
}
