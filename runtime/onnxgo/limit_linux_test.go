package onnxgo

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/runtime/racetest"
)

// TestLowerLimit runs models where the system has set a limit of its own below the one that a child would set.
func TestLowerLimit(t *testing.T) {
	if racetest.Enabled {
		t.Skip("the race detector takes more address space than the limit")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const kilobytes = "2500000" // Go's runtime begins with half of this
	cmd := exec.Command("sh", "-c", `ulimit -v `+kilobytes+`; exec "$0" -test.run '^TestAtOnce$' -test.v`, exe)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestAtOnce") {
		t.Errorf("%v: %s", err, out)
	}
}
