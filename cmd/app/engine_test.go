package app

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOnnxGo exports for onnx-go, and verifies and runs there what came out, and in onnxruntime too.
func TestOnnxGo(t *testing.T) {
	needRun(t)
	dir := t.TempDir()
	r := command("export vae --run {}/run --profile onnx-go --batch 3 --out", dir)
	if r.code != exitOK {
		t.Fatal(r.err)
	}
	contains(t, r.err, "note: validate is left out")
	contains(t, r.out, "decode.onnx-go.onnx", "z f32[3 4]", "encode.onnx-go.onnx")
	if strings.Contains(r.out, "validate") {
		t.Errorf("validate was exported:\n%s", r.out)
	}
	for _, name := range []string{"encode", "decode", "reconstruct"} {
		file := filepath.Join(dir, name+".onnx-go.onnx")
		contains(t, must(t, "verify --engine onnx-go", file), name, "3 ", "ok")
	}
	decode := filepath.Join(dir, "decode.onnx-go.onnx")
	contains(t, must(t, "run --engine onnx-go --input z={}/z.npy --output "+filepath.Join(dir, "y.npz"), decode), "image", "f32[3 1 28 28]", "wrote")

	contains(t, must(t, "verify vae --run {}/run --engine onnx-go"), "decode", "encode", "reconstruct", "ok")
	contains(t, must(t, "export vae --run {}/run --profile onnx-go --func decode"), "decode.onnx-go.onnx")
	defer os.Remove(filepath.Join(shared, "run", "decode.onnx-go.onnx"))
	contains(t, must(t, "verify vae --run {}/run --engine onnx-go --func decode"), "decode", "ok")

	// A changed weight is found.
	b, err := os.ReadFile(decode)
	if err != nil {
		t.Fatal(err)
	}
	i := bytes.Index(b, []byte("dec.weight"))
	for k := range 4 {
		b[i+40+k] ^= 0x55
	}
	changed := filepath.Join(dir, "changed.onnx")
	if err := os.WriteFile(changed, b, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"verify --engine onnx-go", "run --engine onnx-go --input z={}/z.npy"} {
		if r := command(line, changed); r.code != exitError {
			t.Errorf("%s on changed weights: exit code %d, %s%s", line, r.code, r.out, r.err)
		}
	}

	needRuntime(t)
	contains(t, must(t, "verify", decode), "decode", "ok")
}

// TestGo verifies and runs a file on our own kernels, and names the first operator of a file that they lack.
func TestGo(t *testing.T) {
	needRun(t)
	dir := t.TempDir()
	must(t, "export vae --run {}/run --func decode --out", dir)
	decode := filepath.Join(dir, "decode.onnx")
	contains(t, must(t, "verify --engine go", decode), "decode", "ok")
	contains(t, must(t, "run --engine go --input z={}/z.npy --output "+filepath.Join(dir, "y.npz"), decode), "image", "f32[3 1 28 28]", "wrote")
	contains(t, must(t, "verify vae --run {}/run --engine go --func encode"), "encode", "ok")
	must(t, "export vae --run {}/run --random native --func validate --out", dir)
	if r := command("run --engine go --input image={}/z.npy", filepath.Join(dir, "validate.onnx")); r.code != exitError || !strings.Contains(r.err, "there is no op for the operator RandomNormalLike") {
		t.Errorf("exit code %d, %s", r.code, r.err)
	}
	if r := command("run --engine go --device cuda --input z={}/z.npy", decode); r.code != exitUsage {
		t.Errorf("exit code %d, %s", r.code, r.err)
	}
	if r := command("run --engine go --input w={}/z.npy", decode); r.code != exitError || !strings.Contains(r.err, `no input "w"`) {
		t.Errorf("exit code %d, %s", r.code, r.err)
	}
}

// TestOnnxGoErrors are command lines that ask for what the engine or the profile is not for.
func TestOnnxGoErrors(t *testing.T) {
	needRun(t)
	for _, tt := range []struct {
		line string
		code int
		want string
	}{
		{"verify {}/run/decode.onnx --engine tensorflow", exitUsage, "--engine tensorflow: want onnxruntime, go, onnx-go"},
		{"verify {}/run/decode.onnx --engine onnx-go --device cpu", exitUsage, "--device is for --engine onnxruntime"},
		{"run {}/run/decode.onnx --engine onnx-go --onnxruntime /x", exitUsage, "--onnxruntime is for --engine onnxruntime"},
		{"verify {}/run/decode.onnx --engine onnx-go", exitError, "it needs a fixed batch too (export --profile onnx-go)"},
		{"run {}/run/decode.onnx --engine onnx-go --input z={}/z.npy", exitError, "a fixed batch"},
		{"export vae --run {}/run --profile tensorflow", exitUsage, "--profile tensorflow: want plain or onnx-go"},
		{"export vae --run {}/run --batch 3", exitUsage, "--batch is for --profile onnx-go"},
		{"export vae --run {}/run --profile onnx-go --batch 0", exitUsage, "--batch 0: want 1 to"},
		{"export vae --run {}/run --profile onnx-go --steps", exitUsage, "--steps is for the plain profile"},
		{"export vae --run {}/run --profile onnx-go --random native", exitUsage, "--random native is for the plain profile"},
		{"export vae --run {}/run --profile onnx-go --func validate", exitError, "it has no form for this profile"},
		{"verify vae --run {}/run --engine onnx-go --func validate", exitError, "it has no form for this profile"},
	} {
		r := command(tt.line)
		if r.code != tt.code || !strings.Contains(r.err, tt.want) {
			t.Errorf("%s: exit code %d, %s; want %d, %q", tt.line, r.code, r.err, tt.code, tt.want)
		}
	}
}
