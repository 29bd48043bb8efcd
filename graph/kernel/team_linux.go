package kernel

import (
	"runtime"
	"syscall"
)

// yield lets others run: goroutines, and what else wants the CPU, of whatever process. Where nobody does it takes some tenths of a
// microsecond.
func yield() {
	runtime.Gosched()
	syscall.RawSyscall(syscall.SYS_SCHED_YIELD, 0, 0, 0)
}
