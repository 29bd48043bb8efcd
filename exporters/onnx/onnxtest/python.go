package onnxtest

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// EnvPython names the Python that tests compare with.
const EnvPython = "SARDONYX_TEST_PYTHON"

// Python finds a Python that has modules, such as onnx or onnxruntime: the one that EnvPython names, else the path's python3, else
// Debian's. The test is skipped where there is none: nothing here needs one.
func Python(t testing.TB, modules ...string) string {
	t.Helper()
	list := []string{"python3", "/usr/bin/python3"}
	if p := os.Getenv(EnvPython); p != "" {
		list = []string{p}
	}
	var errs []string
	for _, p := range list {
		out, err := exec.Command(p, "-c", "import "+strings.Join(modules, ", ")).CombinedOutput()
		if err == nil {
			return p
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		errs = append(errs, fmt.Sprintf("%s: %s", p, cmp.Or(lines[len(lines)-1], err.Error())))
	}
	t.Skipf("needs a Python with %s, which %s may name (%s)", strings.Join(modules, " and "), EnvPython, strings.Join(errs, "; "))
	return ""
}
