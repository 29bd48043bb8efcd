// Package disktest has a disk to test with, for what writes by way of atomicfile: it does what it is asked in a real folder,
// remembers it, fails on demand, and says what a crash after any part of it could have left.
package disktest

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sardonyx-ml/sardonyx/runtime/atomicfile"
)

// A Kind is what an [Op] does.
type Kind string

// The kinds of operations.
const (
	Create   Kind = "create"   // a file that was not there
	Write    Kind = "write"    // to an open file
	Truncate Kind = "truncate" // an open file
	Sync     Kind = "sync"     // an open file
	Mkdir    Kind = "mkdir"
	Rename   Kind = "rename"
	Remove   Kind = "remove"
	SyncDir  Kind = "sync folder"
	mark     Kind = "mark"
)

// An Op is something done to a disk.
type Op struct {
	Kind     Kind
	Path, To string // relative to the disk's folder; To is of a Rename

	file int    // the number of the open file
	data []byte // of a Write
	at   int64  // where a Write begins, or the size after a Truncate
}

// String is the kind and the path.
func (o Op) String() string { return strings.TrimSpace(string(o.Kind) + " " + o.Path + " " + o.To) }

// A Disk records what is done in its folder.
type Disk struct {
	atomicfile.OS
	root  string
	start map[string][]byte // the files that were there when it was made, on the disk; folders end in a slash
	ops   []Op
	first map[string]int // the numbers of these files
	files map[string]int // the number of the file at a path now
	count int            // of files

	// Fail, if not nil, is asked before each operation: an error is what it fails with.
	Fail func(n int, op Op) error
}

// Full is the error of a disk without room.
var Full error = syscall.ENOSPC

// NewDisk returns a disk that records what is done in the folder root, and makes it the one that is written to until the
// test ends. What is in root counts as durable.
func NewDisk(t testing.TB, root string) *Disk {
	t.Helper()
	d := &Disk{root: root, start: map[string][]byte{}, files: map[string]int{}}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		if e.IsDir() {
			d.start[d.rel(path)+"/"] = nil
			return nil
		}
		b, err := os.ReadFile(path)
		d.start[d.rel(path)] = b
		d.number(d.rel(path))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	d.first = maps.Clone(d.files)
	t.Cleanup(atomicfile.Use(d))
	return d
}

// Ops are the operations so far.
func (d *Disk) Ops() []Op { return d.ops }

// Mark notes that something has been promised: a crash after it must leave at least that. [Crash] counts the marks.
func (d *Disk) Mark() { d.ops = append(d.ops, Op{Kind: mark}) }

func (d *Disk) rel(path string) string {
	rel, err := filepath.Rel(d.root, path)
	if err != nil {
		return path
	}
	return filepath.ToSlash(rel)
}

// number gives the file that is new at path a number.
func (d *Disk) number(path string) int {
	d.count++
	d.files[path] = d.count
	return d.count
}

// do records op once act has done it.
func (d *Disk) do(op Op, act func() error) error {
	if d.Fail != nil {
		if err := d.Fail(len(d.ops), op); err != nil {
			return &fs.PathError{Op: string(op.Kind), Path: filepath.Join(d.root, op.Path), Err: err}
		}
	}
	if err := act(); err != nil {
		return err
	}
	d.ops = append(d.ops, op)
	return nil
}

// A handle is an open file of a Disk.
type handle struct {
	atomicfile.Handle
	disk *Disk
	path string
	file int
}

// Open opens a file.
func (d *Disk) Open(path string, flag int, perm fs.FileMode) (atomicfile.Handle, error) {
	_, err := os.Stat(path)
	return d.open(path, err != nil && flag&os.O_CREATE != 0, func() (atomicfile.Handle, error) { return d.OS.Open(path, flag, perm) })
}

// CreateTemp makes a file.
func (d *Disk) CreateTemp(dir, pattern string) (atomicfile.Handle, error) {
	return d.open(filepath.Join(dir, pattern), true, func() (atomicfile.Handle, error) { return d.OS.CreateTemp(dir, pattern) })
}

func (d *Disk) open(path string, create bool, open func() (atomicfile.Handle, error)) (atomicfile.Handle, error) {
	h := &handle{disk: d}
	act := func() (err error) {
		if h.Handle, err = open(); err == nil {
			h.path = d.rel(h.Name())
		}
		return err
	}
	if !create {
		err := act()
		h.file = d.files[h.path]
		return h, err
	}
	if err := d.do(Op{Kind: Create, Path: d.rel(path)}, act); err != nil {
		return nil, err
	}
	h.file = d.number(h.path)
	last := &d.ops[len(d.ops)-1]
	last.Path, last.file = h.path, h.file
	return h, nil
}

// Write writes p; a write that fails leaves half of it.
func (h *handle) Write(p []byte) (n int, err error) {
	at, err := h.Seek(0, 1)
	if err != nil {
		return 0, err
	}
	put := func(p []byte) {
		h.disk.ops = append(h.disk.ops, Op{Kind: Write, Path: h.path, file: h.file, data: append([]byte(nil), p...), at: at})
	}
	if h.disk.Fail != nil {
		if err := h.disk.Fail(len(h.disk.ops), Op{Kind: Write, Path: h.path}); err != nil {
			n, _ := h.Handle.Write(p[:len(p)/2])
			put(p[:n])
			return n, &fs.PathError{Op: "write", Path: h.Name(), Err: err}
		}
	}
	n, err = h.Handle.Write(p)
	put(p[:n])
	return n, err
}

// Truncate cuts the file.
func (h *handle) Truncate(size int64) error {
	return h.disk.do(Op{Kind: Truncate, Path: h.path, file: h.file, at: size}, func() error { return h.Handle.Truncate(size) })
}

// Sync records that what was written is durable; it does not wait for the real disk.
func (h *handle) Sync() error {
	return h.disk.do(Op{Kind: Sync, Path: h.path, file: h.file}, func() error { return nil })
}

// Mkdir makes a folder.
func (d *Disk) Mkdir(path string, perm fs.FileMode) error {
	return d.do(Op{Kind: Mkdir, Path: d.rel(path)}, func() error { return d.OS.Mkdir(path, perm) })
}

// Rename renames a file.
func (d *Disk) Rename(from, to string) error {
	op := Op{Kind: Rename, Path: d.rel(from), To: d.rel(to), file: d.files[d.rel(from)]}
	err := d.do(op, func() error { return d.OS.Rename(from, to) })
	if err == nil {
		delete(d.files, op.Path)
		d.files[op.To] = op.file
	}
	return err
}

// Remove removes a file.
func (d *Disk) Remove(path string) error {
	err := d.do(Op{Kind: Remove, Path: d.rel(path)}, func() error { return d.OS.Remove(path) })
	if err == nil {
		delete(d.files, d.rel(path))
	}
	return err
}

// SyncDir records that the entries of the folder are durable.
func (d *Disk) SyncDir(dir string) error {
	return d.do(Op{Kind: SyncDir, Path: d.rel(dir)}, func() error { return nil })
}
