//go:build !unix

package app

import (
	"os"
	"syscall"
)

// stopSignals tell a command to stop.
var stopSignals = []os.Signal{os.Interrupt, syscall.SIGTERM}
