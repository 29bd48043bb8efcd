package report

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"

	"github.com/sardonyx-ml/sardonyx/exporters/atomicfile"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

const (
	minTile   = 84      // pixels: smaller images are enlarged to about this
	maxPixels = 1 << 26 // of a grid
)

// Grid writes images, f32 or f64 of shape [n, channels, height, width] with 1 or 3 channels and values in [0, 1], as the
// PNG file path: cols images in a row, in row-major order, with lines between them. Values outside [0, 1] are clamped; NaN
// is an error. Small images are enlarged by a whole factor.
func Grid(path string, images *tensor.Tensor, cols int) error {
	img, err := grid(images, cols)
	if err == nil {
		err = atomicfile.Write(path, func(w io.Writer) error { return png.Encode(w, img) })
	}
	if err != nil {
		return fmt.Errorf("draw %s: %w", path, err)
	}
	return nil
}

func grid(x *tensor.Tensor, cols int) (image.Image, error) {
	if !x.DType().Float() || x.Rank() != 4 || x.Dim(1) != 1 && x.Dim(1) != 3 || x.Len() == 0 {
		return nil, fmt.Errorf("images must be f32 or f64 of shape [n, 1 or 3, height, width], not %v", x)
	}
	if cols < 1 {
		return nil, fmt.Errorf("a grid of %d columns: at least 1 is needed", cols)
	}
	n, channels, h, w := x.Dim(0), x.Dim(1), x.Dim(2), x.Dim(3)
	cols = min(cols, n)
	rows := (n + cols - 1) / cols
	zoom := max(1, minTile/max(h, w))
	line := max(1, zoom)
	height, width := rows*(h*zoom+line)+line, cols*(w*zoom+line)+line
	if height > maxPixels/width {
		return nil, fmt.Errorf("a grid of %d×%d pixels is too large: draw fewer images", width, height)
	}
	out := image.NewRGBA(image.Rect(0, 0, width, height))
	for i := range out.Pix {
		out.Pix[i] = 255
	}
	for i := range n {
		top, left := i/cols*(h*zoom+line)+line, i%cols*(w*zoom+line)+line
		for y := range h {
			for xx := range w {
				var c [3]uint8
				for k := range c {
					v := x.At(((i*channels+min(k, channels-1))*h+y)*w + xx)
					if math.IsNaN(v) {
						return nil, fmt.Errorf("image %d has a NaN at row %d, column %d", i, y, xx)
					}
					c[k] = uint8(math.Round(255 * min(max(v, 0), 1)))
				}
				for dy := range zoom {
					for dx := range zoom {
						out.SetRGBA(left+xx*zoom+dx, top+y*zoom+dy, color.RGBA{c[0], c[1], c[2], 255})
					}
				}
			}
		}
	}
	return out, nil
}
