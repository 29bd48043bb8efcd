package read

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/onnxtest"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// seeds are files to damage: an op of each kind, sizes that are computed, and graphs inside.
func seeds(t testing.TB) [][]byte {
	t.Helper()
	var out [][]byte
	add := func(f *graph.Func) {
		var b bytes.Buffer
		if _, err := onnx.Export(&b, f, nil, onnx.Options{Opset: 21, NoVectors: true, Random: onnx.RandomInputs}); err == nil {
			out = append(out, b.Bytes())
		}
	}
	for _, op := range graph.All() {
		if s := op.Samples(); len(s) > 0 {
			f, _, _ := s[len(s)-1].Trace(graph.F32)
			add(f)
		}
	}
	f, _ := onnxtest.Sizes()
	add(f)
	if len(out) < 80 {
		t.Fatalf("only %d files", len(out))
	}
	return out
}

// tryRead reads data. An error is as good as a model, but not one that is a panic.
func tryRead(t *testing.T, data []byte) {
	m, err := wire.Decode(data)
	if err != nil {
		return
	}
	if _, err = Graph(m, Options{}); err != nil && strings.Contains(err.Error(), "panic:") {
		t.Errorf("%v, reading %q", err, data)
	}
}

// FuzzGraph reads damaged files.
func FuzzGraph(f *testing.F) {
	for _, data := range seeds(f) {
		f.Add(data)
	}
	f.Fuzz(tryRead)
}

// TestDamaged changes bytes of files one after another: numbers that are attributes, sizes and dtypes become others.
func TestDamaged(t *testing.T) {
	for _, data := range seeds(t) {
		for i := range data {
			for _, b := range []byte{byte(7 * i), data[i] ^ 1} {
				damaged := bytes.Clone(data)
				damaged[i] = b
				tryRead(t, damaged)
			}
		}
	}
}
