package train

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
)

// killedFolder is the environment variable that makes TestKilled the process to be killed.
const killedFolder = "SARDONYX_TEST_KILLED"

// TestKilled kills a process that trains, again and again, each time a little later, and resumes it: what is left in the end
// must be what an unbroken run leaves.
func TestKilled(t *testing.T) {
	c := config(t, os.Getenv(killedFolder))
	do := RunStep(c.Program.Step("train"))
	c.Update = do
	c.SaveEvery = 1 // after each step
	if c.Dir != "" {
		c.Update = func(ctx context.Context, x runtime.Executable, step int64, in map[string]*tensor.Tensor) (Metrics, error) {
			time.Sleep(5 * time.Millisecond) // long enough to be killed in
			return do(ctx, x, step, in)
		}
		_, err := c.Dir.Setup()
		c.Resume = err == nil
		fit(t, t.Context(), c)
		return
	}
	whole := c
	whole.Dir = Folder(filepath.Join(t.TempDir(), "whole"))
	fit(t, t.Context(), whole)

	c.Dir = Folder(filepath.Join(t.TempDir(), "run"))
	killed := 0
	for wait := 20 * time.Millisecond; ; wait += 15 * time.Millisecond {
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestKilled$") // which kills it when ctx ends
		cmd.Env = append(os.Environ(), killedFolder+"="+string(c.Dir))
		out, err := cmd.CombinedOutput()
		late := errors.Is(ctx.Err(), context.DeadlineExceeded)
		cancel()
		if err == nil {
			break
		}
		if !late {
			t.Fatalf("resumed after %d kills: %v\n%s", killed, err, out)
		}
		if _, err := os.Stat(c.Dir.Metrics()); err == nil {
			killed++
		}
	}
	if killed == 0 {
		t.Error("no process was killed while it trained")
	}
	compareLeft(t, "folder", left(t, string(c.Dir)), left(t, string(whole.Dir)))
}
