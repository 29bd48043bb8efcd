//go:build !unix

package app

import "time"

var begun = time.Now()

// cpuTime is a time in milliseconds, where what a process had of the CPUs is not known.
func cpuTime() float64 { return time.Since(begun).Seconds() * 1e3 }
