package compiler_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/graph"
	wrong "github.com/sardonyx-ml/sardonyx/testdata/errors"
)

var wantComment = regexp.MustCompile(`// want .*`)

var quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// wants reads the patterns of the want comments in testdata/errors by file:line.
func wants(t *testing.T) map[string][]*regexp.Regexp {
	t.Helper()
	files, err := filepath.Glob("../testdata/errors/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	out := map[string][]*regexp.Regexp{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(data), "\n") {
			code, comment, ok := strings.Cut(line, "// want ")
			if !ok || strings.TrimSpace(code) == "//" || strings.HasPrefix(line, "//") {
				continue
			}
			for _, q := range quoted.FindAllString(comment, -1) {
				pattern, err := strconv.Unquote(q)
				if err != nil {
					t.Fatalf("%s:%d: %v", file, i+1, err)
				}
				key := fmt.Sprintf("%s:%d", filepath.Base(file), i+1)
				out[key] = append(out[key], regexp.MustCompile(pattern))
			}
		}
	}
	return out
}

// TestWrongModels compiles every wrong model and compares what is reported, and where, with the want comments.
func TestWrongModels(t *testing.T) {
	want := wants(t)
	cases := wrong.Cases()
	if len(cases) < 25 {
		t.Errorf("only %d cases", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			b := compiler.New("wrong")
			c.Define(b)
			prog, err := b.Compile()
			var diags graph.Diags
			if !errors.As(err, &diags) || len(diags) == 0 || prog != nil {
				t.Fatalf("compiles, or fails without a diagnostic: %v", err)
			}
			for _, d := range diags {
				key := d.Pos.Base()
				found := false
				text := wantComment.ReplaceAllString(d.Error(), "") // or a pattern could match itself in the source line
				for i, re := range want[key] {
					if re.MatchString(text) {
						want[key] = append(want[key][:i:i], want[key][i+1:]...)
						found = true
						break
					}
				}
				if !found {
					t.Errorf("unexpected: %v", d)
				}
				if strings.Contains(d.Error(), "goroutine ") {
					t.Errorf("a Go stack in: %v", d)
				}
				if d.Hint == "" {
					t.Errorf("no hint: %v", d)
				}
				if d.Pos.Source() == "" {
					t.Errorf("no source line: %v", d)
				}
			}
		})
	}
	for key, rest := range want {
		for _, re := range rest {
			t.Errorf("%s: nothing reported that matches %q", key, re)
		}
	}
}
