// Package cudatest has stand-ins for NVIDIA's libraries, so that tests go as far with onnxruntime's CUDA provider as a machine without a
// GPU lets them: the provider loads, sessions are made, nodes are placed, memory is taken and copied; kernels do nothing.
package cudatest

import (
	"bytes"
	"debug/elf"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/runtime/regularfile"
)

// The source is no file of Go's, which would be compiled into the package.
//
//go:embed stub.c.txt
var source string

// Libraries are those that there are stand-ins for.
var Libraries = []string{"libcuda.so.1", "libcudart.so.13", "libcublas.so.13", "libcublasLt.so.13", "libcurand.so.10", "libcufft.so.12", "libcudnn.so.9"}

// lazily are the libraries that the provider opens when it wants them, by the beginning of their functions' names.
var lazily = map[string]string{"libcudnn.so.9": "cudnn", "libcufft.so.12": "cufft"}

// inChild is the environment variable that has the name of the test that a process is started for.
const inChild = "SARDONYX_TEST_CUDA_STUB"

// A Stub is a folder with the stand-ins.
type Stub struct{ dir string }

// Build compiles the stand-ins for what the provider beside the library of onnxruntime imports. The test is skipped where there is no
// provider, or no gcc.
func Build(t *testing.T, library string) Stub {
	t.Helper()
	if os.Getenv(inChild) != "" {
		return Stub{}
	}
	provider := filepath.Join(filepath.Dir(library), "libonnxruntime_providers_cuda.so")
	switch _, err := os.Stat(provider); {
	case runtime.GOOS != "linux" || runtime.GOARCH != "amd64":
		t.Skip("the CUDA provider is for linux/amd64")
	case err != nil:
		t.Skip("the CUDA provider is missing: run sardonyx runtime install --cuda")
	}
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("stand-ins for CUDA's libraries need gcc")
	}
	s := Stub{t.TempDir()}
	if err := build(s.dir, provider); err != nil {
		t.Fatal(err)
	}
	return s
}

// Run runs do in a process of its own, in which the stand-ins are found: the test binary again, for this test alone. env are further
// variables of its environment, STUB_CUDA_DEVICES=0 for no GPU, STUB_CUDA_FULL=1 for one whose memory is taken; without are Libraries to
// leave out.
func (s Stub) Run(t *testing.T, without, env []string, do func(t *testing.T)) {
	t.Helper()
	if os.Getenv(inChild) == t.Name() {
		do(t)
		return
	}
	dir := t.TempDir()
	for _, name := range Libraries {
		if slices.Contains(without, name) {
			continue
		}
		if err := os.Symlink(filepath.Join(s.dir, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+strings.ReplaceAll(regexp.QuoteMeta(t.Name()), "/", "$/^")+"$", "-test.v")
	cmd.Env = append(append(os.Environ(), inChild+"="+t.Name(), "LD_LIBRARY_PATH="+dir), env...)
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Errorf("with stand-ins for CUDA: %v\n%s", err, out)
	}
}

// What is counted.
const (
	Allocations = iota
	Copies
	Launches // of kernels and graphs
	Graphs   // that were made
)

// own matches what the source defines.
var own = regexp.MustCompile(`(?m)^[a-z][^;{}()]*?\b(\w+)\([^;{}]*\) \{`)

// build compiles the stand-ins for what the provider imports into the folder dir.
func build(dir, provider string) error {
	imports, err := imported(provider)
	if err != nil {
		return err
	}
	defined := map[string]bool{}
	for _, m := range own.FindAllStringSubmatch(source, -1) {
		defined[m[1]] = true
	}
	for _, library := range Libraries {
		short := strings.TrimPrefix(library[:strings.Index(library, ".")], "lib")
		var c strings.Builder
		fmt.Fprintf(&c, "#define STUB_%s\n%s", short, source)
		for _, name := range imports[library] {
			if !defined[name] {
				fmt.Fprintf(&c, "int %s() { return 0; }\n", name)
			}
		}
		code, versions := filepath.Join(dir, short+".c"), filepath.Join(dir, short+".map")
		if err := os.WriteFile(code, []byte(c.String()), 0o600); err != nil {
			return err
		}
		if err := os.WriteFile(versions, []byte(library+" { global: *; };\n"), 0o600); err != nil {
			return err
		}
		cmd := exec.Command("gcc", "-w", "-shared", "-fPIC", "-o", filepath.Join(dir, library), code, "-Wl,-soname,"+library, "-Wl,--version-script,"+versions)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("compiling a stand-in for %s: %w\n%s", library, err, out)
		}
	}
	return nil
}

// imported are the functions that the provider takes of each library: those that its table of symbols names and, of libraries that it
// opens when it wants them, those that its strings name.
func imported(provider string) (map[string][]string, error) {
	data, err := regularfile.Read(provider, 1<<30)
	if err != nil {
		return nil, err
	}
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	symbols, err := f.ImportedSymbols()
	if err != nil {
		return nil, err
	}
	list := map[string][]string{}
	for _, s := range symbols {
		list[s.Library] = append(list[s.Library], s.Name)
	}
	for library, begin := range lazily {
		names := map[string]bool{}
		for _, m := range regexp.MustCompile(`\x00(`+begin+`[A-Z]\w+)`).FindAllSubmatch(data, -1) {
			names[string(m[1])] = true
		}
		for name := range names {
			list[library] = append(list[library], name)
		}
	}
	return list, nil
}
