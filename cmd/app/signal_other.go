//go:build !unix

package app

import (
	"os"
	"os/exec"
	"syscall"
)

// stopSignals tell a command to stop.
var stopSignals = []os.Signal{os.Interrupt, syscall.SIGTERM}

// withChildren leaves cmd as it is: what it has started goes on without it.
func withChildren(*exec.Cmd) {}
