package report

import (
	"fmt"
	"image/color"
	"io"
	"math"

	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// WritePoints draws points in the plane, floats [n, 2], as a PNG into w. The axes are alike and go to a round number, so that pictures of
// points that move a little can be compared; points far from the origin have axes of their own. A point that is not finite is an error.
func WritePoints(w io.Writer, x *tensor.Tensor) (err error) {
	defer func() {
		if r := recover(); r != nil { // the drawing library panics
			err = fmt.Errorf("the plot failed: %v", r)
		}
	}()
	if x.Rank() != 2 || x.Dim(1) != 2 || x.Dim(0) == 0 || !x.DType().Native() {
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
	p := newPlot()
	p.Add(marks)
	if b, ok := bound(p.X.Min, p.X.Max, p.Y.Min, p.Y.Max); ok {
		p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = -b, b, -b, b
	}
	canvas := vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(5*vg.Inch, 5*vg.Inch), vgimg.UseDPI(120))}
	p.Draw(draw.Crop(draw.New(canvas), vg.Points(8), -vg.Points(14), vg.Points(8), -vg.Points(8)))
	_, err = canvas.WriteTo(w)
	return err
}

// bound is a round number to which both axes go from its negative, unless the points are far from the origin for their distances.
func bound(x0, x1, y0, y1 float64) (b float64, ok bool) {
	far := max(math.Abs(x0), math.Abs(x1), math.Abs(y0), math.Abs(y1))
	if far == 0 || far > 4*max(x1-x0, y1-y0) {
		return 0, false
	}
	unit := math.Pow(10, math.Floor(math.Log10(far)))
	for _, b := range []float64{1, 1.5, 2, 3, 4, 6, 8} {
		if far <= b*unit {
			return b * unit, true
		}
	}
	return 10 * unit, true
}
