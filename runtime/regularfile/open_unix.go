//go:build unix

package regularfile

import "syscall"

// nonBlocking is the flag with which a pipe is opened without waiting for its other end.
const nonBlocking = syscall.O_NONBLOCK
