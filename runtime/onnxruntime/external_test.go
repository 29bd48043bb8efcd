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

	out, _ := external("../w.bin")
	_, err = Open(writeTemp(t, "out.onnx", out.encode(t)), Options{})
	wantError(t, err, "outside the model's folder")

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
