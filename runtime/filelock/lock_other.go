//go:build !(linux || darwin || freebsd || netbsd || openbsd)

package filelock

// Works says whether this system has locks.
const Works = false

// Try does nothing where there is no flock.
func Try(Opened) error { return nil }

// Release does nothing where there is no flock.
func Release(Opened) {}
