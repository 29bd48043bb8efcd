//go:build unix

package app

import "syscall"

// cpuTime is what this process has had of the CPUs, in milliseconds: it tells what work takes on a machine that does other work too.
func cpuTime() float64 {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u) // of this process it does not fail
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e6
}
