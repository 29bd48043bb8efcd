package report

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/atomicfile"
)

const (
	minTile   = 84      // pixels: smaller images are enlarged to about this
	maxPixels = 1 << 26 // of a grid
)

// Grid writes images, f32 or f64 of shape [n, channels, height, width] with 1 or 3 channels and values in [0, 1], as the
// PNG file path: cols images in a row, in row-major order, with lines between them. Values outside [0, 1] are clamped; NaN
// is an error. Small images are enlarged by a whole factor.
func Grid(path string, images *tensor.Tensor, cols int) error {
	if err := atomicfile.Write(path, func(w io.Writer) error { return WriteGrid(w, images, cols) }); err != nil {
		return fmt.Errorf("draw %s: %w", path, err)
	}
	return nil
}

// WriteGrid is [Grid] into w.
func WriteGrid(w io.Writer, images *tensor.Tensor, cols int) error {
	img, err := grid(images, cols)
	if err != nil {
		return err
	}
	return png.Encode(w, img)
}

// WriteImage writes one image, [1 or 3, height, width], into w as PNG, as large as it is.
func WriteImage(w io.Writer, x *tensor.Tensor) error {
	if x.Rank() != 3 {
		return fmt.Errorf("an image must be of shape [1 or 3, height, width], not %v", x.Shape())
	}
	x = x.Reshape(append([]int{1}, x.Shape()...)...)
	if err := CheckGrid(x.Shape(), 1); err != nil {
		return err
	}
	img, err := paint(x, layout{cols: 1, zoom: 1, width: x.Dim(3), height: x.Dim(2)})
	if err != nil {
		return err
	}
	return png.Encode(w, img)
}

// CheckGrid reports whether [Grid] can draw images of this shape, for saying so before they are computed.
func CheckGrid(shape []int, cols int) error {
	_, err := layOut(shape, cols)
	return err
}

// A layout is where the images of a grid go, in pixels.
type layout struct {
	cols          int
	zoom, line    int // pixels a pixel, and of a line
	width, height int
}

func layOut(shape []int, cols int) (l layout, err error) {
	if len(shape) != 4 || shape[1] != 1 && shape[1] != 3 || slices.Min(shape) < 1 {
		return l, fmt.Errorf("images must be of shape [n, 1 or 3, height, width], not %v", shape)
	}
	if cols < 1 {
		return l, fmt.Errorf("a grid of %d columns: at least 1 is needed", cols)
	}
	n, h, w := shape[0], shape[2], shape[3]
	if max(n, h, w) > maxPixels {
		return l, fmt.Errorf("a grid of %d images of %d×%d pixels is too large: draw fewer images", n, w, h)
	}
	l.cols = min(cols, n)
	rows := (n + l.cols - 1) / l.cols
	l.zoom = max(1, minTile/max(h, w))
	l.line = l.zoom
	l.width, l.height = l.cols*(w*l.zoom+l.line)+l.line, rows*(h*l.zoom+l.line)+l.line
	if l.height > maxPixels/l.width {
		return l, fmt.Errorf("a grid of %d×%d pixels is too large: draw fewer images", l.width, l.height)
	}
	return l, nil
}

func grid(x *tensor.Tensor, cols int) (image.Image, error) {
	l, err := layOut(x.Shape(), cols)
	if err != nil {
		return nil, err
	}
	return paint(x, l)
}

func paint(x *tensor.Tensor, l layout) (image.Image, error) {
	if !x.DType().Native() {
		return nil, fmt.Errorf("images must be f32 or f64, not %v", x)
	}
	n, channels, h, w := x.Dim(0), x.Dim(1), x.Dim(2), x.Dim(3)
	zoom, line := l.zoom, l.line
	out := image.NewRGBA(image.Rect(0, 0, l.width, l.height))
	for i := range out.Pix {
		out.Pix[i] = 255
	}
	for i := range n {
		top, left := i/l.cols*(h*zoom+line)+line, i%l.cols*(w*zoom+line)+line
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
