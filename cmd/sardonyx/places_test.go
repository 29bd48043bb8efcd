package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	links  = regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
	quoted = regexp.MustCompile("`((?:[a-z0-9_]+/)*[a-z0-9_]+\\.go)`")
	tests  = regexp.MustCompile("\\bTest[A-Z][A-Za-z]*\\b")
)

// TestPlaces sees that the files that the docs link to or name are there, and the tests that they say hold something.
func TestPlaces(t *testing.T) {
	root := filepath.Join("..", "..")
	var files, code []string
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root:
			return filepath.SkipDir
		case strings.HasSuffix(path, ".go"):
			files = append(files, filepath.ToSlash(path))
		}
		if strings.HasSuffix(path, "_test.go") {
			data, err := os.ReadFile(path)
			code = append(code, string(data))
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	pages, _ := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	pages = append(pages, filepath.Join(root, "README.md"))
	if len(pages) < 5 || len(code) < 50 {
		t.Fatalf("%d pages and %d files of tests", len(pages), len(code))
	}
	for _, page := range pages {
		data, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		text := string(data)
		for _, m := range links.FindAllStringSubmatch(goBlocks.ReplaceAllString(text, ""), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", page, m[1], err)
			}
		}
		if name := filepath.Base(page); name != "architecture.md" && name != "adding-an-op.md" && name != "benchmarks.md" {
			continue // others name files of the reader's own
		}
		for _, m := range quoted.FindAllStringSubmatch(text, -1) {
			if !slices.ContainsFunc(files, func(f string) bool { return strings.HasSuffix(f, "/"+m[1]) }) {
				t.Errorf("%s names %s, which is not there", page, m[1])
			}
		}
		for _, name := range tests.FindAllString(text, -1) {
			if !slices.ContainsFunc(code, func(c string) bool { return strings.Contains(c, "func "+name+"(") }) {
				t.Errorf("%s names %s, which is no test", page, name)
			}
		}
	}
}
