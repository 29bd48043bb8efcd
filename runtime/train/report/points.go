package report

import (
	"fmt"
	"image/color"
	"io"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// WritePoints draws points in the plane, floats [n, 2], as a PNG into w. A point that is not finite is an error.
func WritePoints(w io.Writer, x *tensor.Tensor) (err error) {
	defer func() {
		if r := recover(); r != nil { // the drawing library panics
			err = fmt.Errorf("the plot failed: %v", r)
		}
	}()
	if x.Rank() != 2 || x.Dim(1) != 2 || x.Dim(0) == 0 || !x.DType().Float() {
		return fmt.Errorf("points must be floats of shape [n, 2], not %v", x)
	}
	points := make(plotter.XYs, x.Dim(0))
	for i := range points {
		points[i] = plotter.XY{X: x.At(2 * i), Y: x.At(2*i + 1)}
		if !(math.Abs(points[i].X) < limit && math.Abs(points[i].Y) < limit) {
			return fmt.Errorf("point %d is (%v, %v), which cannot be drawn", i, points[i].X, points[i].Y)
		}
	}
	marks, err := plotter.NewScatter(points)
	if err != nil {
		return err
	}
	c := colors[0]
	marks.GlyphStyle = draw.GlyphStyle{Color: color.NRGBA{c.R, c.G, c.B, 140}, Radius: vg.Points(1.8), Shape: draw.CircleGlyph{}}
	p := plot.New()
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = color.Gray{225}, color.Gray{225}
	p.Add(grid, marks)
	canvas := vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(5*vg.Inch, 5*vg.Inch), vgimg.UseDPI(120))}
	p.Draw(draw.Crop(draw.New(canvas), vg.Points(8), -vg.Points(14), vg.Points(8), -vg.Points(8)))
	_, err = canvas.WriteTo(w)
	return err
}
