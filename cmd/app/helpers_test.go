package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/models/vae"
	"github.com/sardonyx-ml/sardonyx/exporters/numpy"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxgo"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
)

// asCommand is the environment variable that makes the test binary the command, for tests that need a process.
const asCommand = "SARDONYX_TEST_AS_COMMAND"

// shared is a folder for what several tests read.
var shared string

func TestMain(m *testing.M) {
	onnxgo.Child()
	if os.Getenv(asCommand) != "" {
		Main(vae.Model)
	}
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "sardonyx-app-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	shared = dir
	return m.Run()
}

// A result is how a command ended.
type result struct {
	code     int
	out, err string
}

// command runs a command line in this process. In it, {} stands for the shared folder.
func command(line string, args ...string) result {
	return commandContext(context.Background(), io.Discard, io.Discard, line, args...)
}

// one lets one command run at a time in this process: urfave/cli keeps flags in package variables.
var one sync.Mutex

// commandContext is command with a context, and with writers that get the standard output and error too.
func commandContext(ctx context.Context, watchOut, watchErr io.Writer, line string, args ...string) result {
	return commandOf(ctx, watchOut, watchErr, []models.Model{vae.Model}, line, args...)
}

// commandOf is commandContext of a program with other models.
func commandOf(ctx context.Context, watchOut, watchErr io.Writer, ms []models.Model, line string, args ...string) result {
	all := append([]string{"sardonyx"}, strings.Fields(strings.ReplaceAll(line, "{}", shared))...)
	one.Lock()
	defer one.Unlock()
	var out, errs bytes.Buffer
	code := Run(ctx, append(all, args...), io.MultiWriter(&out, watchOut), io.MultiWriter(&errs, watchErr), ms...)
	return result{code, out.String(), errs.String()}
}

// process runs a command line in a process of its own, with additional environment variables.
func process(t *testing.T, env []string, line string, args ...string) result {
	t.Helper()
	cmd := exec.Command(os.Args[0], append(strings.Fields(strings.ReplaceAll(line, "{}", shared)), args...)...)
	cmd.Env = append(append(os.Environ(), asCommand+"=1"), env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// must fails the test unless the command succeeds, and returns what it printed.
func must(t testing.TB, line string, args ...string) string {
	t.Helper()
	r := command(line, args...)
	if r.code != exitOK {
		t.Fatalf("sardonyx %s %v: exit code %d: %s", line, args, r.code, r.err)
	}
	return r.out
}

// needRuntime skips a test where ONNX files cannot be run.
func needRuntime(t testing.TB) {
	t.Helper()
	if !onnxruntime.Available() {
		t.Skip("this test binary was built without cgo, which onnxruntime needs")
	}
	if _, err := onnxruntime.Find(""); errors.Is(err, onnxruntime.ErrNotFound) {
		t.Skip("onnxruntime is missing: run sardonyx runtime install")
	} else if err != nil {
		t.Fatal(err)
	}
}

// needRun makes, once, {}/run: a run of the VAE on {}/images.npz, exported, and {}/z.npy, latents for its decoder.
func needRun(t testing.TB) {
	t.Helper()
	if err := makeRun(); err != nil {
		t.Fatal(err)
	}
}

var makeRun = sync.OnceValue(func() error {
	images, z := tensor.New(tensor.F32, 48, 1, 28, 28), tensor.New(tensor.F32, 3, 4)
	for i := range images.Len() {
		images.Set(i, float64(i*i%251)/250)
	}
	for i := range z.Len() {
		z.Set(i, float64(i)/4-1)
	}
	err := errors.Join(
		numpy.WriteNPZ(filepath.Join(shared, "images.npz"), map[string]*tensor.Tensor{"image": images}),
		numpy.WriteNPY(filepath.Join(shared, "z.npy"), z),
	)
	if err != nil {
		return err
	}
	for _, line := range []string{"train vae " + tiny + " --out {}/run", "export vae --run {}/run --steps"} {
		if r := command(line); r.code != exitOK {
			return fmt.Errorf("sardonyx %s: exit code %d: %s", line, r.code, r.err)
		}
	}
	return nil
})

// tiny are the flags of a training that takes no time: three steps in each of three epochs.
const tiny = "--data {}/images.npz --set hidden=6 --set latent=4 --batch 16 --epochs 3"

// contains fails the test unless text has all of parts.
func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("there is no %q in:\n%s", p, text)
		}
	}
}

// TestResuming sees that a shell reads back the words it was given.
func TestResuming(t *testing.T) {
	for want, args := range map[string][]string{
		"sardonyx train vae --out runs/a --resume":         {"sardonyx", "train", "vae", "--out", "runs/a"},
		"sardonyx train vae --resume --out 'my runs'":      {"sardonyx", "train", "vae", "--resume", "--out", "my runs"},
		`sardonyx train vae --out 'it'\''s' '' --resume`:   {"sardonyx", "train", "vae", "--out", "it's", ""},
		"sardonyx train vae --data '$HOME/*.npz' --resume": {"sardonyx", "train", "vae", "--data", "$HOME/*.npz"},
		"'/my tools/sardonyx' train vae --resume":          {"/my tools/sardonyx", "train", "vae"},
		"sardonyx train --epochs 3 --resume -- vae":        {"sardonyx", "train", "--epochs", "3", "--", "vae"},
	} {
		if got := resuming(args); got != want {
			t.Errorf("%q: %s, want %s", args, got, want)
		}
	}
}
