package onnxruntime

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestLinkedModels runs models that are symbolic links, with their weights beside the link, beside the link's target, or
// themselves links, as in a cache of downloads; and refuses weights that lie elsewhere.
func TestLinkedModels(t *testing.T) {
	g, weights := external("m.data")
	half := g // its output makes the session read the file itself
	half.nodes = append(slices.Clone(g.nodes), nd("Cast", "y", "h", "to", int64(wire.Float16)))
	half.out = append(slices.Clone(g.out), vi("h", wire.Float16, "batch", 3))
	type files map[string]string // a path to its contents: MODEL, DATA, or what it links to
	for _, c := range []struct {
		name  string
		model string
		files files
		err   string
	}{
		{"a cache of downloads", "snapshots/x/m.onnx", files{"blobs/a1": "MODEL", "blobs/b2": "DATA", "snapshots/x/m.onnx": "../../blobs/a1", "snapshots/x/m.data": "../../blobs/b2"}, ""},
		{"beside the target", "link/m.onnx", files{"real/model.onnx": "MODEL", "real/m.data": "DATA", "link/m.onnx": "../real/model.onnx"}, ""},
		{"beside the link", "link/m.onnx", files{"real/model.onnx": "MODEL", "link/m.data": "DATA", "link/m.onnx": "../real/model.onnx"}, ""},
		{"links of links", "c/m.onnx", files{"a/model.onnx": "MODEL", "a/m.data": "DATA", "b/m.onnx": "../a/model.onnx", "c/m.onnx": "../b/m.onnx"}, ""},
		{"no links", "real/m.onnx", files{"real/m.onnx": "MODEL", "real/m.data": "DATA"}, ""},
		{"linked data of a model that is none", "real/m.onnx", files{"real/m.onnx": "MODEL", "other/d": "DATA", "real/m.data": "../other/d"}, "outside"},
		{"data linked elsewhere", "link/m.onnx", files{"real/m.onnx": "MODEL", "other/d": "DATA", "link/m.onnx": "../real/m.onnx", "link/m.data": "../other/d"}, "outside"},
		{"the target's data linked elsewhere", "link/m.onnx", files{"real/m.onnx": "MODEL", "other/d": "DATA", "link/m.onnx": "../real/m.onnx", "real/m.data": "../other/d"}, "outside"},
		{"in a folder on the way", "c/m.onnx", files{"a/m.onnx": "MODEL", "b/m.data": "DATA", "b/m.onnx": "../a/m.onnx", "c/m.onnx": "../b/m.onnx"}, "beside the model"},
		{"nowhere", "link/m.onnx", files{"real/m.onnx": "MODEL", "link/m.onnx": "../real/m.onnx"}, "beside the model"},
	} {
		for _, g := range []graphDef{g, half} {
			dir := t.TempDir()
			for path, is := range c.files {
				path = filepath.Join(dir, filepath.FromSlash(path))
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				var err error
				switch is {
				case "MODEL":
					err = os.WriteFile(path, g.encode(t), 0o600)
				case "DATA":
					err = os.WriteFile(path, weights, 0o600)
				default:
					if err := os.Symlink(filepath.FromSlash(is), path); err != nil {
						t.Skipf("no symbolic links here: %v", err)
					}
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			s, err := Open(filepath.Join(dir, filepath.FromSlash(c.model)), Options{})
			if c.err != "" {
				wantError(t, err, c.err)
				continue
			}
			needLibrary(t)
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
				continue
			}
			got, err := s.Run(t.Context(), map[string]*tensor.Tensor{"x": tensor.Of([]float32{1, 1}, 1, 2)})
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			} else {
				same(t, c.name, got["y"], tensor.Of([]float32{5.5, 7, 8}, 1, 3))
			}
			s.Close()
		}
	}
}
