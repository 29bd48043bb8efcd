package runtime

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// limits are where a container's memory is bounded, in control groups of version 2 and 1.
var limits = []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}

// Memory is how many bytes of memory this machine has, or 0 where that is not known; in a container with a limit, not more than that.
func Memory() uint64 {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return 0
	}
	bytes := uint64(info.Totalram) * uint64(info.Unit)
	for _, path := range limits {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 { // "max" is none
			bytes = min(bytes, n)
		}
	}
	return bytes
}

// PeakResident is the most memory that this process had so far, in bytes, its libraries among it; 0 where that is not known. (What
// getrusage says begins with what the process that started this one had.)
func PeakResident() int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, _ := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			return n << 10
		}
	}
	return 0
}
