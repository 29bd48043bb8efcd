package runtime

import "golang.org/x/sys/unix"

// Memory is how many bytes of memory this machine has, or 0 where that is not known.
func Memory() uint64 {
	n, err := unix.SysctlUint64("hw.memsize")
	if err != nil {
		return 0
	}
	return n
}
