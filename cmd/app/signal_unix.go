//go:build unix

package app

import (
	"os"
	"os/exec"
	"syscall"
)

// stopSignals tell a command to stop: Ctrl-C, kill, and a terminal or connection that is gone.
var stopSignals = []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}

// withChildren has cmd, which is not started yet, end with all that it has started.
func withChildren(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		if syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) != nil {
			return os.ErrProcessDone
		}
		return nil
	}
}
