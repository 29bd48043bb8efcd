package runtime

import (
	"os"
	"path/filepath"
	"testing"
)

// TestMemory gives containers limits: a number counts if the machine has more, and nothing else does.
func TestMemory(t *testing.T) {
	old := limits
	defer func() { limits = old }()
	limits = nil
	machine := Memory()
	if machine < 1<<26 {
		t.Fatalf("the machine has %d bytes", machine)
	}
	path := filepath.Join(t.TempDir(), "memory.max")
	limits = []string{filepath.Join(t.TempDir(), "none"), path}
	for text, want := range map[string]uint64{
		"max\n": machine, "1048576\n": 1 << 20, "9223372036854771712\n": machine, "0\n": machine, "": machine, "-1\n": machine,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := Memory(); got != want {
			t.Errorf("with a limit of %q there are %d bytes, want %d", text, got, want)
		}
	}
	if err := os.WriteFile(path, []byte("1000000000"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Fits(2e9); err == nil || err.Error() != "it takes 2.0 GB, and this machine has 1.0 GB of memory" {
		t.Error(err)
	}
}
