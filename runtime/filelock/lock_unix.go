//go:build linux || darwin || freebsd || netbsd || openbsd

package filelock

import (
	"errors"
	"syscall"
)

// Works says whether this system has locks.
const Works = true

// Try takes f for this process until [Release] or the end of the process, or returns [ErrHeld]. A file system without locks is
// trusted.
func Try(f Opened) error {
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrHeld
	}
	return nil
}

// Release gives f free, before it is closed: a process that is just being started has a copy of f, which would hold the lock a little
// longer.
func Release(f Opened) {
	_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN) // one that is not held is free
}
