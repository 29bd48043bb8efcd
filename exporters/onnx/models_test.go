package onnx

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/onnxtest"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// eachModel calls do with every function and step of the models, exported.
func eachModel(t *testing.T, do func(t *testing.T, prog *compiler.Program, f *graph.Func, data []byte)) {
	t.Helper()
	for _, prog := range programs(t) {
		w := zeros(t, prog)
		for _, f := range slices.Concat(prog.Funcs(), prog.Steps()) {
			var b bytes.Buffer
			if _, err := Export(&b, f, w, Options{Training: f.Training, Metadata: map[string]string{"a": "1", "b": "2", "c": "3"}}); err != nil {
				t.Fatal(err)
			}
			do(t, prog, f, b.Bytes())
		}
	}
}

var position = regexp.MustCompile(`^[^/\\]+\.go:[1-9][0-9]*$`)

// TestNames holds files to the names of the model: parameters, the paths of layers in nodes, the lines of the source, and
// nothing of the machine.
func TestNames(t *testing.T) {
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	eachModel(t, func(t *testing.T, prog *compiler.Program, f *graph.Func, data []byte) {
		s, err := Read(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		m, _, _ := export(t, f, zeros(t, prog), Options{Training: f.Training}) // checks the graph's own rules too
		if bytes.Contains(data, []byte(wd)) || bytes.Contains(data, []byte("/src/")) {
			t.Errorf("%s: a path of this machine is in the file", f.Name)
		}
		stored := map[string]bool{}
		for _, x := range s.Initializers {
			stored[x.Name] = true
		}
		for _, p := range s.State {
			stored[p.Input] = true
		}
		params, owner := 0, map[string]string{} // a parameter's layer
		for _, p := range f.Params {
			if !stored[p.Name] {
				continue // the random state, hoisted
			}
			params++
			name := p.Name
			if average, ok := p.Op.(graph.Param).Init.(optim.Average); ok {
				name = average.Of
			}
			if i := strings.LastIndexByte(name, '.'); i > 0 && !f.Training { // a step's optimizer reads them too
				owner[p.Name] = name[:i+1]
			}
		}
		if want := len(f.Params); params != want && params != want-1 {
			t.Errorf("%s: %d parameters, want %d", f.Name, params, want)
		}
		for _, n := range m.Graph.Nodes {
			if !position.MatchString(n.Doc) {
				t.Errorf("%s: node %q is of %q, want file.go:line", f.Name, n.Name, n.Doc)
			}
			for _, in := range n.Inputs {
				if !strings.HasPrefix(n.Name, owner[in]) {
					t.Errorf("%s: node %q reads %q", f.Name, n.Name, in)
				}
			}
		}
		for i, o := range f.Outputs {
			if got, want := s.Outputs[i], fmt.Sprintf("%v", o.Value.Type); got.Name != o.Name || got.Type != want {
				t.Errorf("%s: output %q %s, want %q %s", f.Name, got.Name, got.Type, o.Name, want)
			}
		}
	})
}

// digestsEnv makes this test binary print the digests of the models' files.
const digestsEnv = "SARDONYX_TEST_DIGESTS"

// TestSameBytes exports the models in processes of their own, with one and more threads: maps have another order in each.
func TestSameBytes(t *testing.T) {
	digests := func(w io.Writer) {
		eachModel(t, func(_ *testing.T, prog *compiler.Program, f *graph.Func, data []byte) {
			fmt.Fprintf(w, "%s %s %x\n", prog.Name(), f.Name, sha256.Sum256(data))
		})
	}
	if path := os.Getenv(digestsEnv); path != "" {
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		digests(f)
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		return
	}
	var want bytes.Buffer
	digests(&want)
	for _, procs := range []int{1, 2, 7} {
		path := t.TempDir() + "/digests"
		cmd := exec.Command(os.Args[0], "-test.run=^TestSameBytes$")
		cmd.Env = append(os.Environ(), digestsEnv+"="+path, fmt.Sprint("GOMAXPROCS=", procs))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		got, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, want.Bytes()) {
			t.Errorf("%d threads, in another process: %v\n%s\nwant\n%s", procs, err, got, &want)
		}
	}
}

// TestFingerprints holds the fingerprints of models of images to what they were when convolutions and pooling were over rows and columns
// alone: runs of that time go on. That of images is since batch normalisation in training is one op: an older run of it has the same
// state and goes on too, and is told that its step has changed.
func TestFingerprints(t *testing.T) {
	want := map[string]string{
		"vae": "27cd0a095e41e78edfb5cebda31c3bf0", "images": "5d83f6615a89b9cf5c32fdb7f4f6fcd6", "classifier": "a8aa09a2d4a88524a7cc2a8a3b6035e3",
		"residual": "c9f154f3a540373f4d4e875ee4736cb9", "adversaries": "d462960069603b97f452296aa4dc8a70",
	}
	networks, err := onnxtest.Networks()
	if err != nil {
		t.Fatal(err)
	}
	for _, prog := range append(programs(t), networks...) {
		if w, ok := want[prog.Name()]; ok && prog.Fingerprint() != w {
			t.Errorf("%s has the fingerprint %s, want %s", prog.Name(), prog.Fingerprint(), w)
		}
		delete(want, prog.Name())
	}
	if len(want) > 0 {
		t.Errorf("not there: %v", want)
	}
}
