//go:build linux || darwin || freebsd || netbsd || openbsd

package train

import (
	"errors"
	"syscall"
)

// lock takes f for this process until f is closed, or returns [ErrInUse]. Two processes in one folder would remove each
// other's files. A file system without locks is trusted.
func lock(f interface{ Fd() uintptr }) error {
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrInUse
	}
	return nil
}
