package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
)

var goBlocks = regexp.MustCompile("(?s)```go\n(.*?)```")

// TestOwnLoop builds the program on the page docs/own-loop.md as a module of its own, and runs what the page says of it.
func TestOwnLoop(t *testing.T) {
	if testing.Short() {
		t.Skip("building a program takes seconds")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs", "own-loop.md"))
	if err != nil {
		t.Fatal(err)
	}
	var program strings.Builder
	for _, block := range goBlocks.FindAllStringSubmatch(string(page), -1) {
		program.WriteString(block[1] + "\n")
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"main.go": strings.TrimSuffix(program.String(), "\n"), "go.mod": "module ring\n\ngo 1.26.0\n",
		"go.work": "go 1.26.0\n\nuse .\nuse " + strconv.Quote(root) + "\n", // stands for a require of the published module
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(want int, command ...string) string {
		t.Helper()
		cmd := exec.Command(command[0], command[1:]...)
		cmd.Dir = dir
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Fatalf("%q: exit code %d, want %d\n%s", command, got, want, out)
		}
		return string(out)
	}
	if got := run(0, "gofmt", "-l", "."); got != "" {
		t.Error("the page is not as gofmt would have it")
	}
	run(0, "go", "vet", ".")
	run(0, "go", "build", "-o", "ring", ".")
	if _, err := onnxruntime.Find(""); err != nil || !onnxruntime.Available() {
		t.Skipf("the program was built and not run: %v", err)
	}
	run(0, "./ring", "loop", "-run", "whole")
	out := run(0, "./ring", "loop", "-epochs", "1")
	for _, want := range []string{"epoch 1: ", "generate.onnx: 2 outputs compared", "critic.onnx: ", "gen.onnx: ", "loss in onnxruntime is"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if out := run(1, "./ring", "loop"); !strings.Contains(out, "already has a run") {
		t.Errorf("a second run:\n%s", out)
	}
	run(0, "./ring", "loop", "-resume", "-epochs", "4")
	for _, name := range []string{"generate.onnx", "gen.onnx", "gen.state.npz", "critic.onnx"} { // what a resumed run comes to is what an unbroken one does
		whole, err := os.ReadFile(filepath.Join(dir, "whole", name))
		if err != nil {
			t.Fatal(err)
		}
		resumed, err := os.ReadFile(filepath.Join(dir, "runs", "ring", name))
		if err != nil || string(whole) != string(resumed) {
			t.Errorf("%s of the resumed run differs from that of the unbroken one; %v", name, err)
		}
	}
	// The commands take the run, and the files that the loop left in it.
	if out := run(0, "./ring", "verify", "ring", "--run", "runs/ring"); !strings.Contains(out, "point") || !strings.Contains(out, "ok") {
		t.Errorf("verify:\n%s", out)
	}
	run(0, "./ring", "export", "ring", "--run", "runs/ring", "--steps", "--out", "exported")
	for _, name := range []string{"generate", "critic", "gen"} {
		if out := run(0, "./ring", "verify", filepath.Join("exported", name+".onnx")); !strings.Contains(out, "ok") {
			t.Errorf("verify %s:\n%s", name, out)
		}
		own, err := os.ReadFile(filepath.Join(dir, "runs", "ring", name+".onnx"))
		if err != nil {
			t.Fatal(err)
		}
		exported, err := os.ReadFile(filepath.Join(dir, "exported", name+".onnx"))
		if err != nil || len(own) == 0 || len(exported) < len(own) {
			t.Errorf("%s: the command exports %d bytes, the loop %d; %v", name, len(exported), len(own), err)
		}
	}
}
