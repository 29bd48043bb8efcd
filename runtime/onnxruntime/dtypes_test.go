package onnxruntime_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
)

var update = flag.Bool("update", false, "write testdata/unimplemented.txt")

// small is how far numbers of 16 bits may be off: both round after each operator, of which an op may be several.
var small = map[graph.DType]float64{graph.F16: 4e-3, graph.BF16: 4e-2}

// TestOpsInEveryDType exports the first sample of each op that takes a dtype in that, and compares onnxruntime with our kernel. Those
// that onnxruntime's CPU provider has no kernel for stand in testdata/unimplemented.txt: each of them, and no other.
func TestOpsInEveryDType(t *testing.T) {
	requireLibrary(t)
	const list = "testdata/unimplemented.txt"
	c := kernel.NewContext(gonum.Implementation{}, 1)
	var missing strings.Builder
	for _, op := range graph.All() {
		if name := graph.OpName(op); name == "Dropout" { // TestRandom
			continue
		}
		var tried graph.DTypes
		for _, s := range op.Samples() {
			for _, dt := range (s.DTypes() &^ tried).List() {
				if dt.Native() || dt.Opset() > onnx.MaxOpset || !exact(s) {
					continue
				}
				f, n, in := s.Trace(dt)
				if len(f.Diags) > 0 {
					continue
				}
				tried |= 1 << dt
				for _, x := range in {
					if x.Rank() == 0 && x.DType() == dt && !dt.Integer() && dt != graph.Bool { // the bindings take no scalar of these
						tried &^= 1 << dt
					}
				}
				if !tried.Has(dt) {
					continue
				}
				want, err := graph.Evaluate(c, f, in)
				if err != nil {
					t.Fatal(err)
				}
				opset := max(onnx.MinOpset, graph.Since(op), dt.Opset())
				var file bytes.Buffer
				if _, err := onnx.Export(&file, f, onnx.Tensors{}, onnx.Options{Opset: opset}); err != nil {
					t.Errorf("%s in %v: %v", graph.OpText(s.Op), dt, err)
					continue
				}
				session, err := onnxruntime.OpenBytes(file.Bytes(), onnxruntime.Options{Threads: 1})
				if err != nil {
					if !strings.Contains(err.Error(), "Could not find an implementation") && !strings.Contains(err.Error(), "Failed to find kernel") {
						t.Errorf("%s in %v: %v", graph.OpText(s.Op), dt, err)
					}
					fmt.Fprintf(&missing, "%s %v\n", graph.OpName(op), dt)
					continue
				}
				got, err := session.Run(t.Context(), in)
				session.Close()
				if err != nil && strings.Contains(err.Error(), "data type is not supported") { // it says so late
					fmt.Fprintf(&missing, "%s %v\n", graph.OpName(op), dt)
					continue
				}
				if err != nil {
					t.Errorf("%s in %v: %v", graph.OpText(s.Op), dt, err)
					continue
				}
				for i, y := range n.Results {
					if err := agree(got[fmt.Sprint("y", i)], want[y.ID], small[dt]); err != nil {
						t.Errorf("%s in %v: result %d: %v", graph.OpText(s.Op), dt, i, err)
					}
				}
			}
		}
	}
	if *update {
		if err := os.WriteFile(list, []byte(missing.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	stated, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	if got := missing.String(); got != string(stated) {
		t.Errorf("%s is not what this onnxruntime lacks: run the test with -update and look at what changed; it lacks\n%s", list, got)
	}
}

// exact reports whether what s computes can be compared: not of elements that are infinite in a small dtype.
func exact(s graph.Sample) bool {
	for _, in := range s.In {
		if !(in.Hi < 1e30) {
			return false
		}
	}
	return true
}
