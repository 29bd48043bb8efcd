package onnx

import (
	"fmt"
	"slices"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
)

// What ONNX has to say of images (its pages on type denotations and on metadata): values that are one have the denotation, and the
// metadata tell the format of all of them.
const (
	imageDenotation = "IMAGE"

	metaPixelFormat = "Image.BitmapPixelFormat"
	metaGamma       = "Image.ColorSpaceGamma"
)

// The metadata of a file that say in what range its images are, and the value for [0, 1].
const (
	MetaPixelRange = "Image.NominalPixelRange"
	Normalized     = "Normalized_0_1"
)

// pixelFormats are the formats of images by their channels.
var pixelFormats = map[int64]string{1: "Gray8", 3: "Rgb8"}

// images marks the inputs and outputs that are images, and keeps what the metadata are to say of them.
func (x *exporter) images(g *wire.Graph) {
	ports := slices.Concat(g.Inputs, g.Outputs)
	format := ""
	for _, name := range x.o.Images {
		i := slices.IndexFunc(ports, func(v *wire.ValueInfo) bool { return v.Name == name })
		if i < 0 {
			x.errs = append(x.errs, fmt.Errorf("%q is to be an image, and is no input or output", name))
			continue
		}
		v := ports[i]
		f := ""
		if s := v.Type.Shape; len(s) == 4 && v.Type.Elem == wire.Float {
			f = pixelFormats[s[1].Value]
		}
		if f == "" {
			x.errs = append(x.errs, fmt.Errorf("%q is to be an image, and is %s: want floats [batch, 1 or 3, height, width]", name, typeText(v.Type)))
			continue
		}
		v.Denotation, v.Doc = imageDenotation, "images in [0, 1]"
		if format != "" && format != f {
			f = "mixed"
		}
		format = f
	}
	if format == "" {
		return
	}
	x.imageMeta = map[string]string{metaGamma: "SRGB", MetaPixelRange: Normalized}
	if format != "mixed" {
		x.imageMeta[metaPixelFormat] = format
	}
}
