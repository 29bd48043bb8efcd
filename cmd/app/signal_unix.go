//go:build unix

package app

import (
	"os"
	"syscall"
)

// stopSignals tell a command to stop: Ctrl-C, kill, and a terminal or connection that is gone.
var stopSignals = []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}
