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

// PeakResident is the most memory that this process had so far, in bytes, its libraries among it; 0 where that is not known.
func PeakResident() int {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return int(u.Maxrss)
}
