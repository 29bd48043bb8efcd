package app

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/exporters/numpy"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// edited is a copy of {}/run/decode.onnx after edit, in a folder of its own.
func edited(t *testing.T, edit func(m *wire.Model)) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(shared, "run", "decode.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := wire.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	edit(m)
	path := filepath.Join(t.TempDir(), "decode.onnx")
	var b bytes.Buffer
	if err := m.Encode(&b); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestInspectCheck lists all faults of a file, for people and for scripts.
func TestInspectCheck(t *testing.T) {
	t.Parallel()
	needRun(t)
	good := filepath.Join(shared, "run", "decode.onnx")
	if got := must(t, "inspect --check "+good); got != good+": no faults\n" {
		t.Errorf("a good file: %s", got)
	}
	if got := must(t, "inspect "+good+" --check --json"); strings.Contains(got, "null") || !strings.Contains(got, `"findings": []`) {
		t.Errorf("a good file: %s", got)
	}
	bad := edited(t, func(m *wire.Model) {
		m.Graph.Nodes[0].OpType = "MatMull"
		m.Graph.Nodes[1].Name = m.Graph.Nodes[2].Name
		m.Graph.Initializers = append(m.Graph.Initializers, &wire.Tensor{Name: "more", Type: wire.Int64, Dims: []int64{}, Data: []int64{1}})
	})
	r := command("inspect --check " + bad)
	if n := strings.Count(r.out, "\n"); r.code != exitError || n != 3 {
		t.Errorf("exit code %d, %d lines:\n%s%s", r.code, n, r.out, r.err)
	}
	contains(t, r.out, `(MatMull): ai.onnx has no such operator`, "has the same name", `warning: initializer`, `"more": nothing reads it`)
	contains(t, r.err, "there are 2 faults in it")
	r = command("inspect --check --json " + bad)
	var got struct {
		Errors   int
		Findings []struct{ Severity, Where, Message string }
	}
	if err := json.Unmarshal([]byte(r.out), &got); err != nil || r.code != exitError || got.Errors != 2 || len(got.Findings) != 3 || got.Findings[2].Severity != "warning" {
		t.Errorf("exit code %d, %v:\n%s", r.code, err, r.out)
	}
	needRuntime(t)
	r = command("verify " + bad)
	contains(t, r.err, "ai.onnx has no such operator", "there are 2 faults in it")
	if r.code != exitError || r.out != "" {
		t.Errorf("verify: exit code %d, %s", r.code, r.out)
	}
}

// TestNothingCompared sees that a file whose vectors compare nothing is refused, and that run, sample and verify refuse one
// whose weights are not those of its digest.
func TestNothingCompared(t *testing.T) {
	t.Parallel()
	needRun(t)
	needRuntime(t)
	vectors := func(old, new string) func(m *wire.Model) {
		return func(m *wire.Model) {
			for i, e := range m.Metadata {
				if strings.HasPrefix(e.Key, "sardonyx.vector.") {
					m.Metadata[i].Value = strings.Replace(e.Value, old, new, 1)
				}
			}
		}
	}
	weights := func(m *wire.Model) {
		for i, x := range m.Graph.Initializers {
			if values, err := x.Values(); err == nil && x.Name == "out.bias" {
				changed := slices.Clone(values.([]float32))
				changed[0]++
				m.Graph.Initializers[i] = &wire.Tensor{Name: x.Name, Type: x.Type, Dims: x.Dims, Data: changed}
			}
		}
	}
	both := func(m *wire.Model) { vectors(`"outputs"`, `"outputz"`)(m); weights(m) }
	undigested := func(m *wire.Model) {
		m.Metadata = slices.DeleteFunc(m.Metadata, func(e wire.Entry) bool { return e.Key == "sardonyx.weights.sha256" })
		weights(m)
	}
	const differ = "the weights are not those that were exported"
	for _, c := range []struct {
		name string
		edit func(m *wire.Model)
		line string // FILE is the edited file
		code int
		want []string
	}{
		{"outputs by another name", vectors(`"outputs"`, `"outputz"`), "verify FILE", exitError, []string{"nothing was compared", `the key "outputz" is unknown`}},
		{"and other weights", both, "verify FILE", exitError, []string{"nothing was compared", differ}},
		{"for scripts", both, "verify FILE --json", exitError, []string{"nothing was compared", differ}},
		{"no vectors", func(m *wire.Model) {
			m.Metadata = slices.DeleteFunc(m.Metadata, func(e wire.Entry) bool { return strings.HasPrefix(e.Key, "sardonyx.vector.") })
		}, "verify FILE", exitError, []string{"nothing was compared", "has no test vectors"}},
		{"any tolerance", func(*wire.Model) {}, "verify FILE --tolerance Inf", exitUsage, []string{"--tolerance +Inf"}},
		{"run with other weights", weights, "run FILE --input z={}/z.npy", exitError, []string{differ}},
		{"sample with other weights", weights, "sample vae --onnx FILE --npy OUT.npy", exitError, []string{differ}},
		{"run without a digest", undigested, "run FILE --input z={}/z.npy", exitOK, nil},
		{"run", func(*wire.Model) {}, "run FILE --input z={}/z.npy", exitOK, nil},
	} {
		file := edited(t, c.edit)
		r := command(strings.NewReplacer("FILE", file, "OUT", filepath.Join(t.TempDir(), "out")).Replace(c.line))
		if r.code != c.code || strings.Contains(r.out, "null") || c.code != exitOK && r.out != "" {
			t.Errorf("%s: exit code %d:\n%s%s", c.name, r.code, r.out, r.err)
		}
		contains(t, r.err, c.want...)
	}
}

// TestControlBytes has names in files that would move a terminal's cursor, turn the text round or begin a line: whatever a
// command prints, they are escaped.
func TestControlBytes(t *testing.T) {
	t.Parallel()
	needRun(t)
	const name = "a\x1b[2Jb\rc\nd\u202ee\u009bf\x7f"
	const plainName = `a\x1b[2Jb\rc\nd\u202ee\u009bf\x7f`
	if got := plain("x" + name + "\xff\xfey"); got != "x"+plainName+`\xff\xfey` {
		t.Errorf("plain gives %s", got)
	}
	odd := edited(t, func(m *wire.Model) {
		m.Graph.Inputs[0].Name, m.Graph.Nodes[0].Inputs[0] = name, name
		m.Graph.Name, m.Doc, m.ProducerName = name, name, name
		m.Graph.Nodes[1].Name = name
		m.Graph.Nodes[1].OpType = name
		m.Metadata = []wire.Entry{{Key: name, Value: name}}
	})
	arrays := filepath.Join(t.TempDir(), "odd.npz")
	if err := numpy.WriteNPZ(arrays, map[string]*tensor.Tensor{name: tensor.New(tensor.F32, 2)}); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(t.TempDir(), "run")
	for _, line := range []string{"inspect " + odd, "inspect --check " + odd, "verify " + odd, "run " + odd, "run " + odd + " --input z={}/z.npy", "run {}/run/decode.onnx --input " + arrays,
		"inspect " + arrays, "sample vae --npy s.npy --onnx " + odd, "train vae --data " + arrays + " --out " + folder, "models " + name} {
		r := command(line)
		for _, text := range []string{r.out, r.err} {
			if i := strings.IndexFunc(text, func(c rune) bool { return c != '\n' && !strings.ContainsRune(plain(string(c)), c) }); i >= 0 {
				t.Errorf("%s prints a control character at %d of %q", line, i, text)
			}
		}
		if r.code != exitOK && strings.Count(r.err, "\n") > 2 && !strings.HasPrefix(line, "inspect --check") && !strings.HasPrefix(line, "verify") {
			t.Errorf("%s: the error has more than a line:\n%s", line, r.err)
		}
	}
	if got := must(t, "inspect "+odd); strings.Count(got, plainName) < 5 {
		t.Errorf("the names are not shown:\n%s", got)
	}
}
