// Package filelock keeps processes apart that would work on the same files.
package filelock

import "errors"

// ErrHeld says that another process, or another opening of the file in this one, holds the lock.
var ErrHeld = errors.New("another process holds the lock")

// An Opened is an open file or folder, such as an [os.File].
type Opened interface{ Fd() uintptr }
