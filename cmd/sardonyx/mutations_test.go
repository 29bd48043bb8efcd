package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMutations sees that every change in testdata/mutations can still be made, so that the list keeps up with the code;
// make mutations makes them, and sees that tests catch each.
func TestMutations(t *testing.T) {
	var files []byte
	for _, args := range [][]string{{"vet", "."}, {"run", ".", "-check"}} {
		cmd := exec.Command("go", args...)
		cmd.Dir = "../../testdata/mutations"
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("go %s: %v\n%s", args, err, out)
		}
		files = out
	}
	for _, f := range strings.Fields(string(files)) { // go test then runs this again when one has changed
		if _, err := os.Stat(filepath.Join("../..", f)); err != nil {
			t.Error(err)
		}
	}
}
