// Mutations breaks the house in small ways, one at a time, and sees that tests catch each: a changed sign, a wrong cut, a copy
// left out. A test is worth what it catches; what survives here is a test that is missing.
//
//	go run ./testdata/mutations            # all; some minutes. make mutations does this
//	go run ./testdata/mutations gemm safe  # those whose name or file contains gemm or safe
//	go run ./testdata/mutations -check     # only that each can still be made; prints the files that would change
//
// A mutation is a row of one of the lists here. It is compiled through go's -overlay, so no file of the tree changes.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/sardonyx-ml/sardonyx/runtime/regularfile"
)

// A mutation is one change that must not go unnoticed.
type mutation struct {
	name     string
	file     string // from the root of the repository
	old, new string // old stands exactly once in the file
	tests    string // the packages whose tests should catch it, separated by spaces
	run      string // of these, the tests to run, as for go test; "" is all
}

var mutations = slices.Concat(kernelMutations, graphMutations, compilerMutations, exporterMutations, runtimeMutations, onnxGoMutations, commandMutations, reportMutations, runMutations, editMutations)

func main() {
	check := flag.Bool("check", false, "only see that each mutation can still be made, and print the files")
	flag.Parse()
	if err := mutate(*check, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "mutations:", err)
		os.Exit(1)
	}
}

func mutate(checkOnly bool, words []string) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	broken := 0
	for _, m := range mutations {
		if _, err := m.apply(root); err != nil {
			fmt.Println(err)
			broken++
		}
	}
	if broken > 0 {
		return fmt.Errorf("%d of %d cannot be made: bring the list up to date with the code", broken, len(mutations))
	}
	if checkOnly {
		var files []string
		for _, m := range mutations {
			files = append(files, m.file)
		}
		slices.Sort(files)
		fmt.Println(strings.Join(slices.Compact(files), "\n"))
		return nil
	}
	chosen := slices.DeleteFunc(slices.Clone(mutations), func(m mutation) bool {
		return len(words) > 0 && !slices.ContainsFunc(words, func(w string) bool { return strings.Contains(m.name+" "+m.file, w) })
	})
	if err := sound(root, chosen); err != nil {
		return err
	}
	var wrong []string
	results := make(chan string)
	next := make(chan mutation)
	for range runtime.GOMAXPROCS(0) {
		go func() {
			for m := range next {
				results <- m.report(root)
			}
		}()
	}
	go func() {
		for _, m := range chosen {
			next <- m
		}
		close(next)
	}()
	for range chosen {
		line := <-results
		fmt.Println(line)
		if strings.Contains(line, survives) || strings.Contains(line, useless) {
			wrong = append(wrong, line)
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%d of %d are not caught:\n%s", len(wrong), len(chosen), strings.Join(wrong, "\n"))
	}
	fmt.Printf("all %d are caught\n", len(chosen))
	return nil
}

const (
	survives = "SURVIVES"
	useless  = "IS NO MUTATION: " // it does not compile, for one
)

// report is the line of the table for m.
func (m mutation) report(root string) string {
	began := time.Now()
	by, err := m.test(root)
	switch {
	case err != nil:
		by = useless + err.Error()
	case by == "":
		by = survives
	}
	return fmt.Sprintf("%-70s %5.1fs  %s", m.name, time.Since(began).Seconds(), by)
}

// moduleRoot is where go.mod is.
func moduleRoot() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	return filepath.Dir(strings.TrimSpace(string(out))), err
}

// apply returns the mutated file.
func (m mutation) apply(root string) ([]byte, error) {
	text, err := regularfile.Read(filepath.Join(root, m.file), 1<<20)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.name, err)
	}
	if n := bytes.Count(text, []byte(m.old)); n != 1 {
		return nil, fmt.Errorf("%s: its text stands %d times in %s, not once", m.name, n, m.file)
	}
	return bytes.Replace(text, []byte(m.old), []byte(m.new), 1), nil
}

// sound sees that the tests pass as long as nothing is mutated. Its command is that of make test, so that what has passed there
// is not run again.
func sound(root string, list []mutation) error {
	packages := map[string]bool{}
	for _, m := range list {
		for _, p := range strings.Fields(m.tests) {
			packages[p] = true
		}
	}
	cmd := exec.Command("go", append([]string{"test"}, slices.Sorted(maps.Keys(packages))...)...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("tests fail without any mutation:\n%s", out)
	}
	return nil
}

// goTest runs the tests of m over an overlay.
func (m mutation) goTest(root, overlay string) ([]byte, error) {
	args := []string{"test", "-vet=off", "-count=1", "-failfast", "-timeout=120s", "-overlay=" + overlay}
	if m.run != "" {
		args = append(args, "-run", m.run)
	}
	cmd := exec.Command("go", append(args, strings.Fields(m.tests)...)...)
	cmd.Dir = root
	return cmd.CombinedOutput()
}

var (
	failed = regexp.MustCompile(`(?m)^ *--- FAIL: (\S+)`)
	where  = regexp.MustCompile(`(?m)^FAIL\s+\S+?/sardonyx/(\S+)`)
)

// test runs the tests over the mutation and says which caught it; "" if none did.
func (m mutation) test(root string) (by string, err error) {
	text, err := m.apply(root)
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "mutation")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	file, overlay := filepath.Join(dir, filepath.Base(m.file)), filepath.Join(dir, "overlay.json")
	list, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, m.file): file}})
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	if err == nil {
		err = os.WriteFile(overlay, list, 0o600)
	}
	if err != nil {
		return "", err
	}
	out, err := m.goTest(root, overlay)
	if err == nil {
		return "", nil
	}
	if bytes.Contains(out, []byte("[build failed]")) || bytes.Contains(out, []byte("[setup failed]")) {
		return "", fmt.Errorf("%.300s", out)
	}
	by = "the process ended"
	if tests := failed.FindAllSubmatch(out, -1); tests != nil {
		by = string(tests[0][1])
		for _, t := range tests[1:] { // the subtest, deeper down
			if strings.HasPrefix(string(t[1]), by+"/") {
				by = string(t[1])
			}
		}
	}
	if p := where.FindSubmatch(out); p != nil {
		by = string(p[1]) + " " + by
	}
	return by, nil
}
