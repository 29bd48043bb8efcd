package train

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
)

// killedFolder is the environment variable that makes TestKilled the process to be killed.
const killedFolder = "SARDONYX_TEST_KILLED"

// begins is the line that this process writes before it trains.
const begins = "begins to train"

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
		fmt.Println(begins)
		fit(t, t.Context(), c)
		return
	}
	whole := c
	whole.Dir = Folder(filepath.Join(t.TempDir(), "whole"))
	fit(t, t.Context(), whole)

	c.Dir = Folder(filepath.Join(t.TempDir(), "run"))
	killed := 0
	for wait := time.Duration(0); ; wait += wait/8 + 5*time.Millisecond { // seconds, on a slow machine with the race detector
		out, late, err := killedAfter(t, wait, string(c.Dir))
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
	t.Logf("killed %d times", killed)
	if killed == 0 {
		t.Error("no process was killed while it trained")
	}
	compareLeft(t, "folder", left(t, string(c.Dir)), left(t, string(whole.Dir)))
}

// killedAfter starts a process that trains in a folder, and kills it some time after it has begun to: not by the clock alone, since
// a process with the race detector takes seconds to start. It returns what was written, and whether the process was killed.
func killedAfter(t *testing.T, wait time.Duration, dir string) (out string, late bool, err error) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
	cmd.Env = append(os.Environ(), killedFolder+"="+dir)
	var written strings.Builder
	cmd.Stderr = &written
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	var kill *time.Timer
	for lines.Scan() {
		if lines.Text() == begins {
			kill = time.AfterFunc(wait, func() { cmd.Process.Kill() })
		}
		fmt.Fprintln(&written, lines.Text())
	}
	err = cmd.Wait()
	return written.String(), kill != nil && !kill.Stop(), err
}
