//go:build linux || darwin || freebsd || netbsd || openbsd

package filelock

import (
	"errors"
	"syscall"
)

// Works says whether this system has locks.
const Works = true

// Try takes f for this process until f is closed or the process ends, or returns [ErrHeld]. A file system without locks is
// trusted.
func Try(f Opened) error {
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrHeld
	}
	return nil
}
