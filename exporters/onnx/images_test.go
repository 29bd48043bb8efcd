package onnx

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// TestImages sees what a file says of its images: which values they are, and their format.
func TestImages(t *testing.T) {
	f := graph.NewFunc("f", false)
	batch := graph.Sym("batch")
	grey, rgb := f.Input("grey", graph.F32, batch, 1, 8, 8), f.Input("rgb", graph.F32, batch, 3, 8, 8)
	f.Input("two", graph.F32, batch, 2, 8, 8)
	f.Output("negative", grey.Neg().Shift(1))
	f.Output("bright", rgb.Scale(2))
	f.Output("mean", rgb.Mean(1))
	f.Output("whole", grey.Cast(graph.I64))
	for _, c := range []struct {
		images, format string
		err            string
	}{
		{"grey negative", "Gray8", ""},
		{"rgb", "Rgb8", ""},
		{"bright grey rgb", "", ""}, // no format is that of all
		{"", "", ""},
		{"none", "", `"none" is to be an image, and is no input or output`},
		{"two", "", `"two" is to be an image, and is f32[batch 2 8 8]: want floats`},
		{"mean", "", `"mean" is to be an image, and is f32[batch 8 8]: want floats`},
		{"whole", "", `"whole" is to be an image, and is i64[batch 1 8 8]: want floats`},
	} {
		var file bytes.Buffer
		images := strings.Fields(c.images)
		_, err := Export(&file, f, nil, Options{Images: images})
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want %s", c.images, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.images, err)
			continue
		}
		m, err := wire.Decode(file.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		marked := 0
		for _, v := range append(m.Graph.Inputs, m.Graph.Outputs...) {
			if v.Denotation == "IMAGE" {
				marked++
				if !strings.Contains(" "+c.images+" ", " "+v.Name+" ") {
					t.Errorf("%s: %s is marked as an image", c.images, v.Name)
				}
			}
		}
		got := map[string]string{}
		for _, e := range m.Metadata {
			if strings.HasPrefix(e.Key, "Image.") {
				got[e.Key] = e.Value
			}
		}
		want := map[string]string{}
		if len(images) > 0 {
			want["Image.ColorSpaceGamma"], want["Image.NominalPixelRange"] = "SRGB", "Normalized_0_1"
		}
		if c.format != "" {
			want["Image.BitmapPixelFormat"] = c.format
		}
		if marked != len(images) || len(got) != len(want) {
			t.Errorf("%s: %d are marked, and the metadata are %v, want %v", c.images, marked, got, want)
		}
		for key, v := range want {
			if got[key] != v {
				t.Errorf("%s: %s is %q, want %q", c.images, key, got[key], v)
			}
		}
	}
}
