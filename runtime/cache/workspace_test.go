package cache

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sardonyx-ml/sardonyx/runtime/filelock"
)

// killed is the environment variable that makes TestWorkspace the process to be killed.
const killed = "SARDONYX_TEST_WORKSPACE"

// TestWorkspace kills a process with a workspace: the next one's removes it, but not one that is in use.
func TestWorkspace(t *testing.T) {
	if dir := os.Getenv(killed); dir != "" {
		path, _, err := Workspace(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(path, "half"), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := os.FindProcess(os.Getpid())
		if err == nil {
			err = p.Kill()
		}
		t.Fatal(err)
	}
	if !filelock.Works {
		t.Skip("no locks on this system: workspaces are kept for a day")
	}
	dir := filepath.Join(t.TempDir(), "a", "b")
	used, release, err := Workspace(dir)
	if err != nil {
		t.Fatal(err)
	}
	count := func() int {
		list, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	for range 2 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestWorkspace$")
		cmd.Env = append(os.Environ(), killed+"="+dir)
		if out, err := cmd.CombinedOutput(); err == nil {
			t.Fatalf("the process was not killed: %s", out)
		}
		if n := count(); n != 2 {
			t.Errorf("%d workspaces are there, want the one in use and one of a process that was killed", n)
		}
	}
	other, done, err := Workspace(dir)
	if err != nil || other == used || count() != 2 {
		t.Errorf("%s beside %s, %d in all, %v", other, used, count(), err)
	}
	if _, err := os.Stat(used); err != nil {
		t.Errorf("the workspace in use: %v", err)
	}
	done()
	release()
	if n := count(); n != 0 {
		t.Errorf("%d workspaces are left", n)
	}
}
