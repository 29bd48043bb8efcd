package onnxruntime

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

func external(location string, more ...wire.Entry) (graphDef, []byte) {
	g := linear()
	g.weights[0] = &wire.Tensor{Name: "w", Type: wire.Float, Dims: []int64{2, 3},
		External: append([]wire.Entry{{Key: "location", Value: location}, {Key: "offset", Value: "0"}, {Key: "length", Value: "24"}}, more...)}
	return g, []byte{0, 0, 0x80, 0x3f, 0, 0, 0, 0x40, 0, 0, 0x40, 0x40, 0, 0, 0x80, 0x40, 0, 0, 0xa0, 0x40, 0, 0, 0xc0, 0x40}
}

func TestExternalData(t *testing.T) {
	g, weights := external("w.bin")
	path := writeTemp(t, "m.onnx", g.encode(t))
	_, err := Open(path, Options{})
	wantError(t, err, "m.onnx", `"w"`, "w.bin", "beside the model")
	_, err = OpenBytes(g.encode(t), Options{})
	wantError(t, err, `"w"`, "open the model by its path")

	needLibrary(t)
	half := g // its output makes the session read the file itself
	half.nodes = append(slices.Clone(g.nodes), nd("Cast", "y", "h", "to", int64(wire.Float16)))
	half.out = append(slices.Clone(g.out), vi("h", wire.Float16, "batch", 3))
	for _, g := range []graphDef{g, half} {
		if err := os.WriteFile(path, g.encode(t), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), "w.bin"), weights, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(path, Options{DisableOptimizations: true})
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Run(t.Context(), map[string]*tensor.Tensor{"x": tensor.Of([]float32{1, 1}, 1, 2)})
		if err != nil {
			t.Fatal(err)
		}
		want := tensor.Of([]float32{5.5, 7, 8}, 1, 3)
		same(t, "y", got["y"], want)
		if len(g.out) > 1 {
			same(t, "h", got["h"], want.Cast(tensor.F16))
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestExternalPlaces has weights in places where a model may not keep them, all of which exist, and one where it may.
func TestExternalPlaces(t *testing.T) {
	outer := t.TempDir()
	dir := filepath.Join(outer, "model")
	_, weights := external("")
	address := filepath.Join("*", "_ORT_MEM_ADDR_", "*")
	for _, name := range []string{"w.bin", "sub/w.bin", "../secret.bin", address} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, weights, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"inner.bin": "sub/w.bin", "link.bin": "../secret.bin", "far": outer, "loop": "loop"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Skipf("no symbolic links here: %v", err)
		}
	}
	path := filepath.Join(dir, "m.onnx")
	entry := func(key, value string) wire.Entry { return wire.Entry{Key: key, Value: value} }
	for _, c := range []struct {
		name, location string
		more           []wire.Entry
		want           string
	}{
		{"beside", "w.bin", nil, ""},
		{"below", "sub/w.bin", nil, ""},
		{"link inside", "inner.bin", nil, ""},
		{"above", "../secret.bin", nil, "outside the model's folder"},
		{"above by way of below", "sub/../../secret.bin", nil, "outside the model's folder"},
		{"absolute", filepath.Join(outer, "secret.bin"), nil, "outside the model's folder"},
		{"link outside", "link.bin", nil, "outside the model's folder"},
		{"folder linked outside", "far/secret.bin", nil, "outside the model's folder"},
		{"link to itself", "loop", nil, "too many links"},
		{"folder", "sub", nil, "not a file"},
		{"empty", "", nil, "outside the model's folder"},
		{"memory", "*/_ORT_MEM_ADDR_/*", nil, "not the name of a file"},
		{"two places", "w.bin", []wire.Entry{entry("location", "../secret.bin")}, "outside the model's folder"},
		{"beyond the end", "w.bin", []wire.Entry{entry("offset", "8")}, "24 bytes at 8"},
		{"beyond any end", "w.bin", []wire.Entry{entry("offset", "9223372036854775807")}, "which has 24"},
		{"too long", "w.bin", []wire.Entry{entry("length", "9223372036854775807")}, "which has 24"},
		{"negative", "w.bin", []wire.Entry{entry("offset", "-8")}, "not a number of bytes"},
		{"no number", "w.bin", []wire.Entry{entry("length", "many")}, "not a number of bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, _ := external(c.location, c.more...)
			inside := linear()
			inside.nodes = append(inside.nodes, nd("Constant", "", "unused", "value", g.weights[0]))
			for _, g := range []graphDef{g, inside} {
				if err := os.WriteFile(path, g.encode(t), 0o600); err != nil {
					t.Fatal(err)
				}
				_, err := readFile(path)
				if c.want != "" {
					wantError(t, err, "m.onnx", `"w"`, c.want)
				} else if err != nil {
					t.Error(err)
				}
			}
		})
	}
}
