package app

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDamagedRun sees what is said of a run whose files are not as training left them.
func TestDamagedRun(t *testing.T) {
	t.Parallel()
	needRun(t)
	tests := []struct {
		name, file string
		content    func(old []byte) []byte // nil removes the file
		want       string
	}{
		{"no config", "config.json", nil, "has no run"},
		{"empty config", "config.json", func([]byte) []byte { return nil }, "config.json"},
		{"other settings", "config.json", func(b []byte) []byte { return bytes.Replace(b, []byte(`"hidden": 6`), []byte(`"hidden": 7`), 1) }, "it is of another model"},
		{"no index", "checkpoints/index.json", nil, "has lost its index.json"},
		{"cut index", "checkpoints/index.json", func(b []byte) []byte { return b[:len(b)/2] }, "index.json"},
		{"changed checkpoint", "", func(b []byte) []byte { b[len(b)-1]++; return b }, "damaged"},
		{"no checkpoint", "", nil, "no such file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "run")
			if err := os.CopyFS(dir, os.DirFS(filepath.Join(shared, "run"))); err != nil {
				t.Fatal(err)
			}
			files := []string{tt.file}
			if tt.file == "" {
				files = nil
				for _, f := range checkpoints(t, dir) {
					files = append(files, "checkpoints/"+f)
				}
			}
			for _, f := range files {
				path := filepath.Join(dir, f)
				old, err := os.ReadFile(path)
				if err == nil && tt.content == nil {
					err = os.Remove(path)
				} else if err == nil {
					err = os.WriteFile(path, tt.content(old), 0o644)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			for _, line := range []string{"export vae --out OUT --run " + dir, "verify vae --run " + dir} {
				badInput(t, line, exitError, tt.want)
			}
		})
	}
}

// TestOtherCheckpoint sees that an exported file is not taken for that of another checkpoint.
func TestOtherCheckpoint(t *testing.T) {
	t.Parallel()
	needRun(t)
	dir := filepath.Join(t.TempDir(), "run")
	must(t, "train vae "+tiny+" --out "+dir)
	must(t, "export vae --run "+dir)
	must(t, "train vae "+strings.Replace(tiny, "--epochs 3", "--epochs 4", 1)+" --resume --out "+dir)
	badInput(t, "verify vae --checkpoint last --run "+dir, exitError, "export it again")

	other := filepath.Join(t.TempDir(), "run") // as many steps, from another seed
	must(t, "train vae "+tiny+" --seed 2 --out "+other)
	file, err := os.ReadFile(filepath.Join(shared, "run", "decode.onnx"))
	if err == nil {
		err = os.WriteFile(filepath.Join(other, "decode.onnx"), file, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	badInput(t, "sample vae --run "+other+" --png OUT/x.png", exitError, "export it again")
}
