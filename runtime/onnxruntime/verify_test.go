package onnxruntime

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/runtime/verify"
)

// TestVerifyComparesSomething: a file whose vectors say nothing is not verified.
func TestVerifyComparesSomething(t *testing.T) {
	needLibrary(t)
	f := graph.NewFunc("double", false)
	f.Output("y", f.Input("x", graph.F32, graph.Sym("batch"), 2).Scale(2))
	var b bytes.Buffer
	if _, err := onnx.Export(&b, f, nil, onnx.Options{}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "m.onnx")
	for _, tt := range []struct{ old, new, want string }{
		{"", "", ""},
		{`"outputs":`, `"outpust":`, "nothing was compared"},
		{"sardonyx.vector.", "sardonyx.vectro.", "has no test vectors"},
		{"sardonyx.weights.sha256", "sardonyx.weihgts.sha256", "has no digest"},
	} {
		m, err := wire.Decode(bytes.Clone(b.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		for i := range m.Metadata {
			m.Metadata[i].Key = strings.Replace(m.Metadata[i].Key, tt.old, tt.new, 1)
			m.Metadata[i].Value = strings.Replace(m.Metadata[i].Value, tt.old, tt.new, 1)
		}
		var changed bytes.Buffer
		if err := m.Encode(&changed); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, changed.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		list, err := Verify(t.Context(), path, Options{})
		if tt.want == "" {
			if err != nil || len(list) != 2 || !slices.ContainsFunc(list, func(d verify.Comparison) bool { return d.Batch == 3 && d.Output == "y" && d.OK }) {
				t.Errorf("%+v, %v", list, err)
			}
			continue
		}
		wantError(t, err, tt.want)
	}
}
