package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// readers open files by themselves; all else reads by way of runtime/regularfile.
var readers = map[string]string{
	"runtime/regularfile/regularfile.go":  "the one way",
	"runtime/atomicfile/disk.go":          "a folder, to sync it",
	"runtime/atomicfile/disktest/disk.go": "files of tests",
	"graph/diag.go":                       "the line of a program's source, from where the compiler says it is",
	"runtime/blas/remember.go":            "what the system says of the CPU",
	"runtime/memory_linux.go":             "what the system says of memory",
}

// TestReaders sees that no file is opened to be read but where a pipe or a device in its place is an error.
func TestReaders(t *testing.T) {
	root := filepath.Join("..", "..")
	opens := regexp.MustCompile(`\b(os\.(Open|ReadFile)|elf\.Open|zip\.OpenReader)\(`)
	seen := 0
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && strings.HasPrefix(e.Name(), "_") {
			return filepath.SkipDir // generators
		}
		if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		seen++
		name, err := filepath.Rel(root, path)
		if found := opens.Find(text); found != nil && readers[filepath.ToSlash(name)] == "" {
			t.Errorf("%s calls %s...): files are read by way of runtime/regularfile", name, found)
		}
		return err
	})
	if err != nil || seen < 100 {
		t.Errorf("%d files were looked at: %v", seen, err)
	}
}
