package atomicfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/sardonyx-ml/sardonyx/runtime/regularfile"
)

// A Disk does what changes files and folders. The real one is [OS]; tests put one in its place that fails, or that remembers
// what a crash could leave.
type Disk interface {
	Open(path string, flag int, perm fs.FileMode) (Handle, error)
	CreateTemp(dir, pattern string) (Handle, error)
	Mkdir(path string, perm fs.FileMode) error
	Rename(from, to string) error
	Remove(path string) error
	ReadDir(dir string) ([]fs.DirEntry, error)
	// SyncDir makes what was created, renamed and removed in the folder dir durable.
	SyncDir(dir string) error
}

// A Handle is an open file of a Disk.
type Handle interface {
	io.ReadWriteSeeker
	io.Closer
	Name() string
	Fd() uintptr
	Truncate(size int64) error
	Chmod(mode fs.FileMode) error
	Sync() error
}

// OS is the disk of the operating system.
type OS struct{}

var disk Disk = OS{}

// Use makes d the disk that everything in this package writes to, and returns what undoes that. It is for tests, which must not
// run beside others that write.
func Use(d Disk) (undo func()) {
	old := disk
	disk = d
	return func() { disk = old }
}

// Open is [regularfile.OpenFile].
func (OS) Open(path string, flag int, perm fs.FileMode) (Handle, error) {
	return handle(regularfile.OpenFile(path, flag, perm))
}

// CreateTemp is [os.CreateTemp].
func (OS) CreateTemp(dir, pattern string) (Handle, error) { return handle(os.CreateTemp(dir, pattern)) }

// handle keeps a nil file from becoming a Handle that is not nil.
func handle(f *os.File, err error) (Handle, error) {
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Mkdir is [os.Mkdir].
func (OS) Mkdir(path string, perm fs.FileMode) error { return os.Mkdir(path, perm) }

// Rename is [os.Rename].
func (OS) Rename(from, to string) error { return os.Rename(from, to) }

// Remove is [os.Remove].
func (OS) Remove(path string) error { return os.Remove(path) }

// ReadDir is [os.ReadDir].
func (OS) ReadDir(dir string) ([]fs.DirEntry, error) { return os.ReadDir(dir) }

// SyncDir syncs the folder, but on Windows, which has no such call and journals its folders.
func (OS) SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// MkdirAll makes the folder dir and those above it, durably. One that is there is not an error.
func MkdirAll(dir string) error {
	info, err := os.Stat(dir)
	if err == nil {
		if !info.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if err := MkdirAll(parent); err != nil {
		return err
	}
	if err := disk.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return disk.SyncDir(parent)
}

// OpenLog opens the file path for reading and writing, to append to it. If it is not there it is made, durably, if create says
// so. What is written to it is durable after its Sync.
func OpenLog(path string, create bool) (Handle, error) {
	f, err := disk.Open(path, os.O_RDWR, 0)
	if !create || !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	if f, err = disk.Open(path, os.O_RDWR|os.O_CREATE, 0o644); err != nil {
		return nil, err
	}
	if err := disk.SyncDir(filepath.Dir(path)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Remove removes the file path, durably. It need not be there; a folder or a device is not removed.
func Remove(path string) error {
	if err := replaceable(path); err != nil {
		return err
	}
	err := disk.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return disk.SyncDir(filepath.Dir(path))
}
