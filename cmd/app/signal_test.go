//go:build linux

package app

import (
	"bytes"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sardonyx-ml/sardonyx/runtime/train"
)

// started makes the command, to be started in a process of its own, by way of the shell line sh, in which "$@" is the command.
// It ignores no signal but those that sh does, even if the tests were begun under nohup or in the background: what is ignored is
// inherited, and a shell cannot take it back; what is caught is not.
func started(t *testing.T, sh, line string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM} {
		if signal.Ignored(s) {
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
	args := append([]string{"-c", sh, "sh", os.Args[0]}, strings.Fields(strings.ReplaceAll(line, "{}", shared))...)
	cmd := exec.Command("sh", args...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	return cmd, &errs
}

// ended waits for a process to end, and kills it if that takes long.
func ended(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	timer := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() })
	cmd.Wait()
	if !timer.Stop() {
		t.Fatal("the process does not end")
	}
}

// TestSignals sends each signal to a training: it saves a checkpoint and stops. One that is ignored from the beginning, as under
// nohup, stays ignored.
func TestSignals(t *testing.T) {
	t.Parallel()
	needRun(t)
	for name, tt := range map[string]struct {
		sh      string
		ignored syscall.Signal
		signal  syscall.Signal
	}{
		"SIGHUP":        {`exec "$@"`, 0, syscall.SIGHUP},
		"SIGTERM":       {`exec "$@"`, 0, syscall.SIGTERM},
		"SIGINT":        {`exec "$@"`, 0, syscall.SIGINT},
		"nohup":         {`trap "" HUP; exec "$@"`, syscall.SIGHUP, syscall.SIGTERM},
		"in background": {`trap "" INT; exec "$@"`, syscall.SIGINT, syscall.SIGHUP},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := train.Folder(filepath.Join(t.TempDir(), "run"))
			cmd, errs := started(t, tt.sh, "train vae "+strings.Replace(tiny, "--epochs 3", "--epochs 100000", 1)+" --out "+string(dir))
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			step := func() int64 {
				cs, err := train.OpenCheckpoints(dir.Checkpoints())
				if err != nil {
					return 0
				}
				c, _ := cs.Get(train.Last)
				return c.Position.Step
			}
			until := func(n int64) {
				for end := time.Now().Add(30 * time.Second); step() < n && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
				}
			}
			until(1)
			if tt.ignored != 0 {
				cmd.Process.Signal(tt.ignored)
				at := step()
				until(at + 6)
				if step() < at+6 {
					t.Errorf("%v, which was ignored, stopped the run at step %d", tt.ignored, at)
				}
			}
			cmd.Process.Signal(tt.signal)
			ended(t, cmd)
			if code := cmd.ProcessState.ExitCode(); code != exitError || !strings.Contains(errs.String(), "training was interrupted after step") {
				t.Errorf("exit code %d: %s", code, errs)
			}
		})
	}
}

// TestSignalEnds sends a signal to a command that has nothing to finish and waits for what never comes: it ends.
func TestSignalEnds(t *testing.T) {
	t.Parallel()
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		const setPipeSize = 1031 // F_SETPIPE_SZ
		syscall.Syscall(syscall.SYS_FCNTL, w.Fd(), setPipeSize, 4096)
		cmd, _ := started(t, `exec "$@"`, "inspect vae")
		cmd.Stdout = w // which nobody reads
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(500 * time.Millisecond)
		if err := cmd.Process.Signal(syscall.Signal(0)); err != nil {
			t.Fatalf("the command has ended already: %v", err)
		}
		cmd.Process.Signal(s)
		ended(t, cmd)
		if status := cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != s {
			t.Errorf("%v: ended with %v", s, cmd.ProcessState)
		}
		r.Close()
		w.Close()
	}
}
