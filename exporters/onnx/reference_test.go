package onnx

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/onnxtest"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// opsets are the opsets that can be both written and checked here.
func opsets(t *testing.T) []int {
	t.Helper()
	out, err := exec.Command(onnxtest.Python(t, "onnx"), "-c", "import onnx; print(onnx.defs.onnx_opset_version())").Output()
	if err != nil {
		t.Fatal(err)
	}
	newest, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	var list []int
	for n := MinOpset; n <= min(MaxOpset, newest); n++ {
		list = append(list, n)
	}
	return list
}

// checkScript holds files to the checker with strict shape inference; then it takes the shapes off the outputs, infers
// them anew, and holds what the file declared to that. It prints a line for each fault, and at the end how many
// dimensions of outputs were inferred, of how many.
const checkScript = `
import sys, onnx
known = total = 0
for p in sys.stdin.read().split("\n"):
    try:
        onnx.checker.check_model(p, full_check=True)
        m = onnx.load(p)
        declared = [onnx.ValueInfoProto.FromString(o.SerializeToString()) for o in m.graph.output]
        for o in m.graph.output:
            o.type.tensor_type.ClearField("shape")
        m = onnx.shape_inference.infer_shapes(m, check_type=True, strict_mode=True, data_prop=True)
        for want, got in zip(declared, m.graph.output):
            want, got = want.type.tensor_type, got.type.tensor_type
            w, g = want.shape.dim, got.shape.dim
            total += len(w)
            if not got.HasField("shape"):
                continue
            if want.elem_type != got.elem_type or len(w) != len(g):
                raise Exception("an output is declared %s, inferred %s" % (want, got))
            for a, b in zip(w, g):
                if b.HasField("dim_value") or b.dim_param and not b.dim_param.startswith("unk__"):
                    known += 1
                    if a != b:
                        raise Exception("a dimension is declared %s, inferred %s" % (a, b))
    except Exception as e:
        print("%s: %s" % (p, e))
print(known, total)
`

// checkONNX lets the reference implementation check the files, and returns its complaints.
func checkONNX(t *testing.T, paths ...string) (faults []string) {
	t.Helper()
	cmd := exec.Command(onnxtest.Python(t, "onnx"), "-c", checkScript)
	cmd.Stdin = strings.NewReader(strings.Join(paths, "\n"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("the checker: %v\n%s", err, &stderr)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	t.Logf("%d files; dimensions of outputs inferred, and in all: %s", len(paths), lines[len(lines)-1])
	return lines[:len(lines)-1]
}

// acceptONNX fails t for each complaint of the reference implementation.
func acceptONNX(t *testing.T, paths ...string) {
	t.Helper()
	for _, f := range checkONNX(t, paths...) {
		t.Error(f)
	}
}

// zeros gives every piece of a program's state.
func zeros(t testing.TB, prog *compiler.Program) Tensors {
	t.Helper()
	w := Tensors{}
	for _, p := range prog.Params() {
		shape, err := p.Type.Shape.Eval(nil)
		if err != nil {
			t.Fatal(err)
		}
		w[p.Name] = tensor.New(p.Type.DType, shape...)
	}
	return w
}

func programs(t testing.TB) []*compiler.Program {
	t.Helper()
	progs, err := onnxtest.Programs()
	if err != nil {
		t.Fatal(err)
	}
	return progs
}

// TestReferenceModels lets the reference implementation check every function and step of the models: each opset, random
// numbers from outside and from the runtime, weights inside and outside.
func TestReferenceModels(t *testing.T) {
	dir, list := t.TempDir(), opsets(t)
	variants := map[string]Options{
		"inputs": {}, "native": {Random: RandomNative}, "external": {External: true}, "bare": {NoPositions: true, Doc: "d"},
	}
	var paths []string
	for _, prog := range programs(t) {
		w := zeros(t, prog)
		for _, f := range slices.Concat(prog.Funcs(), prog.Steps()) {
			for _, opset := range list {
				for _, name := range slices.Sorted(maps.Keys(variants)) {
					o := variants[name]
					o.Opset, o.Training = opset, f.Training
					path := filepath.Join(dir, fmt.Sprintf("%s-%s-%d-%s.onnx", prog.Name(), f.Name, opset, name))
					if _, err := ExportFile(path, f, w, o); err != nil {
						t.Fatal(err)
					}
					paths = append(paths, path)
				}
			}
		}
	}
	acceptONNX(t, paths...)
}

// TestReferenceOps lets the reference implementation check each sample of each op, in f32 and f64, at each opset.
func TestReferenceOps(t *testing.T) {
	dir, list := t.TempDir(), opsets(t)
	var paths []string
	for _, op := range graph.All() {
		for i, s := range op.Samples() {
			for _, float := range []graph.DType{graph.F32, graph.F64} {
				f, _, _ := s.Trace(float)
				if len(f.Diags) > 0 {
					if float == graph.F32 {
						t.Errorf("%s: %v", graph.OpText(s.Op), f.Diags)
					}
					continue // an op that has no f64, such as a cast's result
				}
				for _, opset := range list {
					if opset < graph.Since(op) {
						continue
					}
					path := filepath.Join(dir, fmt.Sprintf("%s-%d-%v-%d.onnx", graph.OpName(op), i, float, opset))
					if _, err := ExportFile(path, f, Tensors{}, Options{Opset: opset}); err != nil {
						t.Fatalf("%s: %v", graph.OpText(s.Op), err)
					}
					paths = append(paths, path)
				}
			}
		}
	}
	if len(paths) < 600 {
		t.Errorf("only %d files", len(paths))
	}
	acceptONNX(t, paths...)
}

// TestReferenceRefuses sees that the check can fail: each file has one fault.
func TestReferenceRefuses(t *testing.T) {
	dir := t.TempDir()
	faults := map[string]func(m *wire.Model){
		"order":  func(m *wire.Model) { slices.Reverse(m.Graph.Nodes) },
		"shape":  func(m *wire.Model) { m.Graph.Outputs[0].Type.Shape[1].Value = 3 },
		"symbol": func(m *wire.Model) { m.Graph.Outputs[0].Type.Shape[0].Param = "seq" },
		"type":   func(m *wire.Model) { m.Graph.Outputs[0].Type.Elem = wire.Double },
		"node":   func(m *wire.Model) { m.Graph.Nodes[0].OpType = "MatMull" },
	}
	var paths []string
	for _, name := range slices.Sorted(maps.Keys(faults)) {
		f, w := dense()
		m, _, _ := export(t, f, w, Options{})
		faults[name](m)
		path := filepath.Join(dir, name+".onnx")
		var b bytes.Buffer
		if err := m.Encode(&b); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	found := strings.Join(checkONNX(t, paths...), "\n")
	for _, p := range paths {
		if !strings.Contains(found, p+": ") {
			t.Errorf("%s was accepted; complaints:\n%s", p, found)
		}
	}
}
