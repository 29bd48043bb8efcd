//go:build unix

package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sardonyx-ml/sardonyx/runtime/blas"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
)

// TestPipes has a pipe, a device or a folder wherever a file is read: an error at once that says what it is.
func TestPipes(t *testing.T) {
	t.Parallel()
	needRun(t)
	for i, tt := range []struct {
		line string // {} is the shared folder; X is the file, and RUN a run's folder with it
		file string // in the run's folder; "" for a path of its own that ends in ext
		ext  string
	}{
		{line: "run X", ext: ".onnx"},
		{line: "inspect X", ext: ".onnx"},
		{line: "verify X", ext: ".onnx"},
		{line: "sample vae --onnx X --npy RUN/s.npy", ext: ".onnx"},
		{line: "run {}/run/decode.onnx --input z=X", ext: ".npy"},
		{line: "run {}/run/decode.onnx --input X", ext: ".npz"},
		{line: "run {}/run/decode.onnx --input z={}/z.npy --onnxruntime X"},
		{line: "runtime install --from X", ext: ".tgz"},
		{line: "train vae --data X --out RUN/new", ext: ".npz"},
		{line: "train vae --data X --out RUN/new", ext: ".npy"},
		{line: "train vae --data X --out RUN/new", ext: ".idx"},
		{line: "train vae --data RUN/images --out RUN/new", file: "images/a.png"},
		{line: "train vae " + tiny + " --out RUN/new --blas X"},
		{line: "export vae --run RUN", file: "config.json"},
		{line: "export vae --run RUN", file: "checkpoints/index.json"},
		{line: "export vae --run RUN", file: "checkpoints/step-*.safetensors"},
		{line: "train vae " + tiny + " --out RUN --resume", file: "config.json"},
		{line: "train vae " + tiny + " --out RUN --resume", file: "metrics.jsonl"},
		{line: "sample vae --run RUN --npy RUN/s.npy", file: "decode.onnx"},
	} {
		t.Run(fmt.Sprint(i, " ", tt.file, tt.ext), func(t *testing.T) {
			t.Parallel()
			for what, make := range map[string]func(path string) error{
				"a pipe":   func(path string) error { return syscall.Mkfifo(path, 0o600) },
				"a device": func(path string) error { return os.Symlink("/dev/zero", path) },
			} {
				dir := t.TempDir()
				path := filepath.Join(dir, "x"+tt.ext)
				if tt.file != "" {
					if err := os.CopyFS(dir, os.DirFS(filepath.Join(shared, "run"))); err != nil {
						t.Fatal(err)
					}
					path = filepath.Join(dir, filepath.FromSlash(tt.file))
					if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
						t.Fatal(err)
					}
					paths, err := filepath.Glob(path)
					if err != nil {
						t.Fatal(err)
					}
					if len(paths) == 0 {
						paths = []string{path}
					}
					for _, p := range paths {
						if err := os.RemoveAll(p); err != nil {
							t.Fatal(err)
						}
						if err := make(p); err != nil {
							t.Fatal(err)
						}
					}
				} else if err := make(path); err != nil {
					t.Fatal(err)
				}
				line := strings.NewReplacer("X", path, "RUN", dir).Replace(tt.line)
				r := soon(t, nil, line)
				if r.code != exitError || !strings.Contains(r.err, what) || !strings.Contains(r.err, "is not a file but") {
					t.Errorf("%s: %s: exit code %d: %s", tt.line, what, r.code, r.err)
				}
			}
		})
	}
	pipe := filepath.Join(t.TempDir(), "lib.so")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, env := range []string{blas.Env + "=" + pipe, onnxruntime.EnvLibrary + "=" + pipe} {
		if r := soon(t, []string{env}, "doctor"); r.code != exitError || !strings.Contains(r.out, "is not a file but a pipe") {
			t.Errorf("%s: exit code %d: %s%s", env, r.code, r.out, r.err)
		}
	}
}

// soon is process, and fails the test if it takes long.
func soon(t *testing.T, env []string, line string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], strings.Fields(strings.ReplaceAll(line, "{}", shared))...)
	cmd.Env = append(append(os.Environ(), asCommand+"=1"), env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Errorf("%s: does not end", line)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}
