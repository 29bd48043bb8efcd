package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	rt "github.com/sardonyx-ml/sardonyx/runtime"
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
	dir, run := programIn(t, root, map[string]string{"main.go": strings.TrimSuffix(program.String(), "\n")})
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

// TestServing builds the program on the page docs/serving.md, asks it from many goroutines, and stops it.
func TestServing(t *testing.T) {
	if testing.Short() {
		t.Skip("building a program takes seconds")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs", "serving.md"))
	if err != nil {
		t.Fatal(err)
	}
	dir, run := programIn(t, root, map[string]string{"main.go": goBlocks.FindStringSubmatch(string(page))[1]})
	if got := run(0, "gofmt", "-l", "."); got != "" {
		t.Error("the page is not as gofmt would have it")
	}
	run(0, "go", "vet", ".")
	run(0, "go", "build", "-o", "serve", ".")
	if _, err := onnxruntime.Find(""); err != nil || !onnxruntime.Available() || runtime.GOOS == "windows" {
		t.Skipf("the program was built and not run: %v", err)
	}
	file := filepath.Join(dir, "classify.onnx")
	mlp := zoo()[slices.IndexFunc(zoo(), func(m models.Model) bool { return m.Name == "mlp" })]
	prog, err := mlp.Define(mlp.Settings)
	if err != nil {
		t.Fatal(err)
	}
	state, err := rt.NewState(prog, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := onnx.ExportFile(file, prog.Func("classify"), state, onnx.Options{NoVectors: true}); err != nil {
		t.Fatal(err)
	}
	s, err := onnxruntime.Open(file, onnxruntime.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()

	server := exec.Command(filepath.Join(dir, "serve"), "-model", file, "-addr", "localhost:0")
	log, err := server.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer server.Process.Kill()
	line, err := bufio.NewReader(log).ReadString('\n')
	at := strings.Index(line, "http://")
	if at < 0 {
		t.Fatalf("it says %q, %v", line, err)
	}
	url := strings.TrimSpace(line[at:]) + "/classify"
	ask := func(image []float32) (code int, body []byte) {
		question, _ := json.Marshal(map[string]any{"image": image})
		resp, err := http.Post(url, "application/json", bytes.NewReader(question))
		if err != nil {
			t.Error(err)
			return 0, nil
		}
		defer resp.Body.Close()
		body, err = io.ReadAll(resp.Body)
		if err != nil {
			t.Error(err)
		}
		return resp.StatusCode, body
	}
	var wg sync.WaitGroup
	for k := range 8 {
		wg.Go(func() {
			image := make([]float32, 784)
			for i := range image {
				image[i] = float32(i*(k+1)%256) / 255
			}
			want, err := s.Run(t.Context(), map[string]*tensor.Tensor{"image": tensor.Of(image, 1, 1, 28, 28)})
			if err != nil {
				t.Error(err)
				return
			}
			for range 20 {
				code, body := ask(image)
				var got struct {
					Label         int64
					Probabilities []float32
				}
				if err := json.Unmarshal(body, &got); err != nil || code != http.StatusOK || got.Label != want["label"].Int(0) ||
					!slices.Equal(got.Probabilities, tensor.Data[float32](want["probabilities"])) {
					t.Errorf("it answers %d %s, want %v", code, body, tensor.Data[float32](want["probabilities"]))
					return
				}
			}
		})
	}
	wg.Wait()
	if code, body := ask(make([]float32, 3)); code != http.StatusBadRequest || !strings.Contains(string(body), "3 pixels, want 784") {
		t.Errorf("an image of three pixels: %d %s", code, body)
	}
	if err := server.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := server.Wait(); err != nil {
		t.Errorf("it ends with %v", err)
	}
}

// TestLanguage counts the lines of the models on the page docs/language.md, and builds and runs those in Go: each trains a step, is
// exported, and agrees with onnxruntime.
func TestLanguage(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs", "language.md"))
	if err != nil {
		t.Fatal(err)
	}
	models := countModels(t, string(page))
	if testing.Short() {
		t.Skip("building a program takes seconds")
	}
	text := "package main\n\nimport (\n"
	for _, path := range []string{"math", "", "compiler", "compiler/loss", "compiler/nn", "compiler/optim", "graph"} {
		switch path {
		case "":
			text += "\n"
		case "math":
			text += "\t\"math\"\n"
		default:
			text += "\t" + strconv.Quote(module+path) + "\n"
		}
	}
	text += ")\n\n" + strings.Join(models, "\n")
	main, err := os.ReadFile(filepath.Join("testdata", "language", "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	_, run := programIn(t, root, map[string]string{"models.go": text, "main.go": string(main)})
	if got := run(0, "gofmt", "-l", "."); got != "" {
		t.Errorf("the page is not as gofmt would have it: %s", got)
	}
	run(0, "go", "vet", ".")
	run(0, "go", "build", "-o", "program", ".")
	if _, err := onnxruntime.Find(""); err != nil || !onnxruntime.Available() {
		t.Skipf("the program was built and not run: %v", err)
	}
	out := run(0, "./program")
	if trained, compared := strings.Count(out, ": loss "), strings.Count(out, " outputs compared"); trained != 7 || compared != 6+7 {
		t.Errorf("%d steps were trained, want 7, and %d files compared, want 13:\n%s", trained, compared, out)
	}
}

var (
	comparison = regexp.MustCompile("(?s)\n## ([^\n]*)\n[^`]*```go\n(.*?)```\n\n```python\n(.*?)```")
	tableRow   = regexp.MustCompile(`(?m)^\| ([^|]+) \| (\d+) \| (\d+) \|$`)
)

// countModels returns the models in Go on the page, and checks that its table has the lines of each pair that are neither blank nor a
// comment, that ours are not more, and that no line is wide.
func countModels(t *testing.T, page string) []string {
	t.Helper()
	table := map[string][]string{}
	for _, row := range tableRow.FindAllStringSubmatch(page, -1) {
		table[row[1]] = row[2:]
	}
	var models []string
	for _, pair := range comparison.FindAllStringSubmatch(page, -1) {
		var counts [2]int
		for i, comment := range []string{"//", "#"} {
			for line := range strings.Lines(pair[2+i]) {
				if n := len([]rune(strings.ReplaceAll(strings.TrimRight(line, "\n"), "\t", "    "))); n > 120 {
					t.Errorf("%s: a line has %d characters, more than 120: %s", pair[1], n, line)
				}
				if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, comment) {
					counts[i]++
				}
			}
		}
		if want := table[pair[1]]; len(want) != 2 || want[0] != strconv.Itoa(counts[0]) || want[1] != strconv.Itoa(counts[1]) {
			t.Errorf("%s: %d lines, and %d in PyTorch; the table says %v", pair[1], counts[0], counts[1], want)
		}
		if counts[0] > counts[1] {
			t.Errorf("%s: longer than in PyTorch", pair[1])
		}
		models = append(models, pair[2])
	}
	if len(models) != 6 || len(table) != 6 {
		t.Errorf("%d models and %d rows, want 6", len(models), len(table))
	}
	return models
}

// programIn writes a module with the files, which requires the one at root, and returns its folder and what runs commands there.
func programIn(t *testing.T, root string, files map[string]string) (string, func(want int, command ...string) string) {
	t.Helper()
	dir := t.TempDir()
	files["go.mod"] = "module program\n\ngo 1.26.0\n"
	files["go.work"] = "go 1.26.0\n\nuse .\nuse " + strconv.Quote(root) + "\n" // stands for a require of the published module
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, func(want int, command ...string) string {
		t.Helper()
		cmd := exec.Command(command[0], command[1:]...)
		cmd.Dir = dir
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Fatalf("%q: exit code %d, want %d\n%s", command, got, want, out)
		}
		return string(out)
	}
}
