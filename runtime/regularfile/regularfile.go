// Package regularfile opens files that are read. A pipe, a device, a socket or a folder in the place of a file is an error at
// once: reading it could wait for ever or never end, and what a header claims could not be held to its size.
package regularfile

import (
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Open opens the file path, links followed, for reading, and returns its size in bytes. A pipe that lies at the path is not
// waited for.
func Open(path string) (*os.File, int64, error) { return open(path, os.O_RDONLY, 0) }

// OpenFile is [os.OpenFile] for regular files, which it also makes if flag says so.
func OpenFile(path string, flag int, perm fs.FileMode) (*os.File, error) {
	f, _, err := open(path, flag, perm)
	return f, err
}

func open(path string, flag int, perm fs.FileMode) (*os.File, int64, error) {
	if info, err := os.Stat(path); err == nil { // before anything is opened: a device may act on it
		if err := check(path, info); err != nil {
			return nil, 0, err
		}
	}
	f, err := os.OpenFile(path, flag|nonBlocking, perm)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat() // of what was opened, whatever has taken its place meanwhile
	if err == nil {
		err = check(path, info)
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// check says what is at path if it is no regular file.
func check(path string, info fs.FileInfo) error {
	mode, what := info.Mode(), "of another kind"
	switch {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		what = "a folder"
	case mode&fs.ModeNamedPipe != 0:
		what = "a pipe"
	case mode&fs.ModeSocket != 0:
		what = "a socket"
	case mode&fs.ModeDevice != 0:
		what = "a device"
	}
	return fmt.Errorf("%s is not a file but %s", path, what)
}

// Read reads all of the file path, which must not have more than limit bytes.
func Read(path string, limit int64) ([]byte, error) {
	f, size, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	tooLong := func(size string) error {
		return fmt.Errorf("%s has %s bytes: no more than %d are read", path, size, limit)
	}
	if size > limit {
		return nil, tooLong(fmt.Sprint(size))
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1)) // it may grow, or say less than it has, as in /proc
	if err == nil && int64(len(b)) > limit {
		err = tooLong("more")
	}
	return b, err
}
