package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/models/vae"
	"github.com/sardonyx-ml/sardonyx/runtime/blas"
	"github.com/sardonyx-ml/sardonyx/runtime/cache"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
)

// TestMissingRuntime sees that the commands that need onnxruntime say how to get it.
func TestMissingRuntime(t *testing.T) {
	t.Parallel()
	if !onnxruntime.Available() {
		t.Skip("this test binary was built without cgo, which onnxruntime needs")
	}
	needRun(t)
	gone := filepath.Join(t.TempDir(), "gone")
	for _, line := range []string{
		"run {}/run/decode.onnx --input z={}/z.npy", "verify vae --run {}/run", "verify {}/run/decode.onnx",
		"sample vae --run {}/run --png " + gone + ".png", "run {}/run/decode.onnx --input z={}/z.npy --json",
	} {
		r := process(t, []string{onnxruntime.EnvLibrary + "=" + gone}, line)
		if r.code != exitError || strings.Count(r.err, "\n") != 1 || r.out != "" {
			t.Errorf("%s: exit code %d:\n%s%s", line, r.code, r.out, r.err)
		}
		contains(t, r.err, gone, onnxruntime.EnvLibrary, "sardonyx runtime install")
	}
}

// TestDoctor sees that doctor tells what is there and what is not, and that its exit code says whether that will do.
func TestDoctor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		env  string
		what string // the finding to look at
		ok   bool
		text string
	}{
		{cache.Env + "=" + dir, "cache", true, dir},
		{cache.Env + "=" + dir + "/new", "cache", true, "made when it is needed"},
		{cache.Env + "=" + file, "cache", false, "not a folder"},
		{blas.Env + "=go", "blas", true, ", chosen by " + blas.Env + "=go"},
		{blas.Env + "=" + file, "blas", false, file},
		{cache.Env + "=" + file, "blas go", true, " GFLOP/s on one thread, measured "},
		{onnxruntime.EnvLibrary + "=" + file + "/gone", "onnxruntime", false, file + "/gone"},
		{"SARDONYX_DATA=" + dir, "data mnist", false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.env, func(t *testing.T) {
			t.Parallel()
			r := process(t, []string{tt.env}, "doctor --json")
			var list []finding
			if err := json.Unmarshal([]byte(r.out), &list); err != nil {
				t.Fatalf("%v in:\n%s", err, r.out)
			}
			i := slices.IndexFunc(list, func(f finding) bool { return f.What == tt.what })
			if i < 0 {
				t.Fatalf("doctor says nothing of %s:\n%s", tt.what, r.out)
			}
			if f := list[i]; f.Needed && f.OK != tt.ok || !strings.Contains(f.Text, tt.text) {
				t.Errorf("doctor finds %+v", f)
			}
			bad := slices.ContainsFunc(list, func(f finding) bool { return f.Needed && !f.OK })
			if bad != (r.code == exitError) || bad != strings.Contains(r.err, "missing or not working: ") {
				t.Errorf("exit code %d, %q for the findings:\n%s", r.code, r.err, r.out)
			}
			if text := process(t, []string{tt.env}, "doctor"); text.code != r.code || !strings.Contains(text.out, list[i].What) {
				t.Errorf("without --json, the exit code is %d:\n%s", text.code, text.out)
			}
		})
	}
}

// TestDoctorPrescott has an OpenBLAS that does not know the CPU, as on a machine that is younger than it: its generic code has a
// third of the speed of pure Go with vectors. Doctor shows both rates, whatever they are on a busy machine, and that the one taken is the
// one that they speak for; the second time it remembers them.
func TestDoctorPrescott(t *testing.T) {
	t.Parallel()
	if l, err := blas.Find("openblas"); err != nil || !strings.HasPrefix(l.Name(), "OpenBLAS") {
		t.Skip("needs OpenBLAS")
	}
	dir := t.TempDir()
	doctor := func() map[string]string {
		r := process(t, []string{cache.Env + "=" + dir, blas.Env + "=", "OPENBLAS_CORETYPE=Prescott"}, "doctor --json")
		var list []finding
		if err := json.Unmarshal([]byte(r.out), &list); err != nil {
			t.Fatalf("%v in:\n%s", err, r.out)
		}
		said := map[string]string{}
		for _, f := range list {
			if strings.HasPrefix(f.What, "blas") {
				said[f.What] = f.Text
			}
		}
		return said
	}
	first := doctor()
	rate := func(what, name string) (rate float64) {
		t.Helper()
		_, text, _ := strings.Cut(first[what], name+": ")
		if _, err := fmt.Sscanf(text, "%f GFLOP/s on one thread, measured ", &rate); err != nil {
			t.Fatalf("%v in %q of %s", err, first[what], what)
		}
		return rate
	}
	pure, generic := rate("blas go", blas.Go().Name()), rate("blas openblas", " for Prescott")
	taken := strings.HasPrefix(first["blas"], "OpenBLAS")
	if taken && generic+1 < 1.1*(pure-1) || !taken && generic-1 > 1.1*(pure+1) { // 1 for what doctor rounds
		t.Errorf("%q is taken, where pure Go has %v GFLOP/s and the library %v", first["blas"], pure, generic)
	}
	if second := doctor(); !maps.Equal(first, second) {
		t.Errorf("first %q, then %q", first, second)
	}
	if _, err := os.Stat(filepath.Join(dir, "blas.json")); err != nil {
		t.Error(err)
	}
}

// TestDoctorHomeless sees that doctor tells the rest where there is no cache folder.
func TestDoctorHomeless(t *testing.T) {
	t.Parallel()
	r := process(t, []string{"HOME=", "XDG_CACHE_HOME=", cache.Env + "="}, "doctor")
	if r.code != exitError {
		t.Errorf("exit code %d", r.code)
	}
	contains(t, r.out, "no user cache folder", "GFLOP/s on one thread", "\n--  data")
}

// TestRuntimeInstall sees that a library that is there is not fetched again.
func TestRuntimeInstall(t *testing.T) {
	t.Parallel()
	path, err := onnxruntime.CachePath()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Skip("onnxruntime is not in the cache: run sardonyx runtime install")
	}
	contains(t, must(t, "runtime install"), "already there: onnxruntime "+onnxruntime.PinnedVersion, path)
}

// TestInit builds the project that init writes, and trains its model.
func TestInit(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("building a project takes seconds")
	}
	needRun(t)
	root := sources()
	if root == "" {
		t.Skip("the tests were built with -trimpath: init does not know its sources")
	}
	dir := filepath.Join(t.TempDir(), "a folder", "digits")
	contains(t, must(t, "init", dir), "go mod tidy", "go run . train")
	r := command("init", dir)
	if r.code != exitError || !strings.Contains(r.err, "not empty") {
		t.Errorf("a second init: exit code %d: %s", r.code, r.err)
	}
	for _, name := range []string{"README.md", "go.mod", "main.go", "model.go"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	if got := run(t, dir, "gofmt", "-l", "."); got != "" {
		t.Errorf("these files are not as gofmt would have them: %s", got)
	}
	run(t, dir, "go", "mod", "edit", "-json") // the module file can be read

	// A workspace stands for go mod tidy, which may need the network.
	work := "go 1.26.0\n\nuse .\nuse " + strconv.Quote(root) + "\n"
	if err := os.WriteFile(filepath.Join(dir, "go.work"), []byte(work), 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, dir, "go", "build", "-o", "digits", ".")
	contains(t, run(t, dir, "./digits", "models", "digits"), "digits: ", "encode, decode, validate")
	contains(t, run(t, dir, "./digits", "train", "--data", filepath.Join(shared, "images.npz"), "--epochs", "1", "--out", "out"), "best loss")
	run(t, dir, "./digits", "export", "--run", "out")
	for _, name := range []string{"encode.onnx", "decode.onnx", "validate.onnx"} {
		if _, err := os.Stat(filepath.Join(dir, "out", name)); err != nil {
			t.Error(err)
		}
	}
}

// run runs a program in dir and returns what it prints.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %v: %v\n%s%s", name, args, err, &out, &errs)
	}
	return out.String()
}

// TestFlagsFirst holds how command lines are put into the order that the library reads.
func TestFlagsFirst(t *testing.T) {
	t.Parallel()
	tests := []struct{ line, want string }{
		{"sardonyx", "sardonyx"},
		{"sardonyx train vae --epochs 3 --resume", "sardonyx train --epochs 3 --resume vae"},
		{"sardonyx train --resume vae --epochs=3", "sardonyx train --resume --epochs=3 vae"},
		{"sardonyx run a.onnx -i x=b.npy -", "sardonyx run -i x=b.npy a.onnx -"},
		{"sardonyx train vae -- --epochs 3", "sardonyx train vae -- --epochs 3"},
		{"sardonyx data fetch mnist", "sardonyx data fetch mnist"},
		{"sardonyx data --json list", "sardonyx data --json list"},
		{"sardonyx inspect train", "sardonyx inspect train"},
		{"sardonyx train --epochs", "sardonyx train --epochs"},
		{"sardonyx train vae --resume --epochs", "sardonyx train --resume --epochs"},
		{"sardonyx train vae --epochs 3 --help", "sardonyx train --help"},
		{"sardonyx --help train", "sardonyx --help"},
		{"sardonyx frob --help", "sardonyx frob"},
	}
	a := &app{name: "sardonyx", models: []models.Model{vae.Model}}
	one.Lock()
	defer one.Unlock()
	for _, tt := range tests {
		if got := strings.Join(flagsFirst(a.cli().Commands, strings.Fields(tt.line)), " "); got != tt.want {
			t.Errorf("%s becomes %s, want %s", tt.line, got, tt.want)
		}
	}
}

// completions are command lines, of which the last word is unfinished, and words that could complete them.
var completions = []struct{ line, want string }{
	{"tr", "train"},
	{"train ", "vae"},
	{"train vae --ep", "--epochs"},
	{"train vae --epochs 3 --res", "--resume"},
	{"data ", "fetch list show"},
	{"data show port", "portraits portraits-32"},
	{"data fetch mn", "mnist"},
	{"sample vae --device ", "cpu cuda"},
	{"export vae --func de", "decode"},
	{"export vae --checkpoint ", "best last"},
	{"export vae --random ", "inputs native seed"},
	{"train --set hid", "hidden="},
	{"evaluate --real mn", "mnist:test mnist:train"},
	{"evaluate --feat", "--features"},
	{"completion ", "bash zsh"},
	{"help run", "run runs runtime"},
	{"models ", "vae"},
	{"version ", ""},
	{"run --output ", ""},
}

// TestComplete holds what the program offers to a shell.
func TestComplete(t *testing.T) {
	t.Parallel()
	for _, tt := range completions {
		args := strings.Split(tt.line, " ")
		got := strings.Fields(must(t, completeWord, args...))
		slices.Sort(got)
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%q: %v, want %s", tt.line, got, tt.want)
		}
	}
}

// TestBashCompletion sources the script in bash, and has it complete the same command lines.
func TestBashCompletion(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	dir := t.TempDir()
	if err := os.Symlink(os.Args[0], filepath.Join(dir, "sardonyx")); err != nil {
		t.Fatal(err)
	}
	script := new(strings.Builder)
	script.WriteString("source <(sardonyx completion bash)\n")
	for _, tt := range completions {
		script.WriteString("COMP_WORDS=(sardonyx")
		for _, w := range strings.Split(tt.line, " ") {
			script.WriteString(" '" + w + "'")
		}
		script.WriteString(")\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=(); _sardonyx\nprintf '%s\\n' \"$(printf '%s\\n' \"${COMPREPLY[@]}\" | sort | paste -sd ' ')\"\n")
	}
	cmd := exec.Command(bash, "--norc", "-c", script.String())
	cmd.Env = append(os.Environ(), asCommand+"=1", "LC_ALL=C", "PATH="+dir+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	lines := strings.Split(string(out), "\n")
	for i, tt := range completions {
		if lines[i] != tt.want {
			t.Errorf("%q: %q, want %q", tt.line, lines[i], tt.want)
		}
	}
}
