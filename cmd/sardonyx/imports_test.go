package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/sardonyx-ml/sardonyx/"

// layers orders the rooms of the house: a package imports only from rooms of a lower number, or from its own.
var layers = []struct {
	prefix string
	level  int
}{ // the longest prefix decides
	{"graph/tensor", 0},
	{"graph/kernel", 1},
	{"graph/symbolic", 0},
	{"graph", 2},
	{"compiler/initializer", 3},
	{"compiler/nn", 4},
	{"compiler/loss", 4},
	{"compiler/optim", 4},
	{"compiler/pass", 4},
	{"compiler/memory", 4},
	{"compiler", 5},
	{"compiler/models", 6},
	{"runtime/atomicfile", 0}, // the machine's disk, for all that reads and writes
	{"runtime/regularfile", 0},
	{"runtime/strictjson", 0},
	{"exporters", 7},
	{"runtime", 8},
	{"cmd", 9},
	{"testdata", 9},
}

// only says which packages may import a dependency: those under one of the prefixes.
var only = map[string][]string{
	"gorgonia.org/gorgonia":           {"runtime/gorgonia"},
	"gorgonia.org/tensor":             {"runtime/gorgonia", "runtime/onnxgo"},
	"github.com/owulveryck/onnx-go":   {"runtime/onnxgo"},
	"github.com/yalue/onnxruntime_go": {"runtime/onnxruntime"},
	"github.com/urfave/cli/v2":        {"cmd"},
	"C":                               {"runtime/onnxruntime"},
}

func level(path string) int {
	best, length := -1, -1
	for _, l := range layers {
		if (path == l.prefix || strings.HasPrefix(path, l.prefix+"/")) && len(l.prefix) > length {
			best, length = l.level, len(l.prefix)
		}
	}
	return best
}

// TestImports holds the direction of imports: data flows one way through the house.
func TestImports(t *testing.T) {
	list := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...")
	list.Env = append(os.Environ(), "CGO_ENABLED=1") // so that files with cgo are seen
	out, err := list.Output()
	if err != nil {
		var e *exec.ExitError
		if errors.As(err, &e) {
			t.Fatalf("go list: %s", e.Stderr)
		}
		t.Fatal(err)
	}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	packages := 0
	for {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		packages++
		from := strings.TrimPrefix(p.ImportPath, module)
		if level(from) < 0 {
			t.Errorf("%s has no place in the order of rooms", from)
		}
		for _, imp := range p.Imports {
			checkImport(t, from, imp)
		}
	}
	if packages < 10 {
		t.Errorf("go list found only %d packages", packages)
	}
}

func checkImport(t *testing.T, from, imp string) {
	t.Helper()
	if to, ok := strings.CutPrefix(imp, module); ok {
		sameRoom := strings.SplitN(from, "/", 2)[0] == strings.SplitN(to, "/", 2)[0] && level(from) == level(to)
		if level(to) >= level(from) && !sameRoom {
			t.Errorf("%s imports %s, which lies above it", from, to)
		}
		if strings.HasPrefix(from, "exporters") && strings.HasPrefix(to, "runtime") && level(to) > 0 {
			t.Errorf("%s imports %s: exporters do not run things", from, to)
		}
		return
	}
	for dep, rooms := range only {
		if imp != dep && !strings.HasPrefix(imp, dep+"/") {
			continue
		}
		allowed := false
		for _, r := range rooms {
			allowed = allowed || from == r || strings.HasPrefix(from, r+"/")
		}
		if !allowed {
			t.Errorf("%s imports %s: only %v may", from, imp, rooms)
		}
	}
	if std := !strings.Contains(strings.SplitN(imp, "/", 2)[0], "."); !std && level(from) <= 2 && imp != "gonum.org/v1/gonum/blas" && imp != "golang.org/x/sys/cpu" {
		t.Errorf("%s imports %s: graph and below have the standard library, the BLAS interface and what tells the CPU apart, no more", from, imp)
	}
}
