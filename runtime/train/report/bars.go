package report

import (
	"fmt"
	"io"
	"math"
	"slices"

	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"github.com/sardonyx-ml/sardonyx/runtime/atomicfile"
)

// A BarChart compares numbers: a group of bars for each name, a bar of the group for each series.
type BarChart struct {
	Title, Value string   // Value names the axis of the numbers
	Names        []string // of the groups
	Series       []Bars
}

// Bars are one series of a [BarChart]: a number for each group, NaN where there is none.
type Bars struct {
	Name   string
	Values []float64
}

// Write draws the chart as the PNG file path, which appears whole or not at all. All numbers must be finite, or NaN, and one must be there.
func (c BarChart) Write(path string) error {
	if err := atomicfile.Write(path, c.png); err != nil {
		return fmt.Errorf("draw %s: %w", path, err)
	}
	return nil
}

func (c BarChart) png(w io.Writer) (err error) {
	defer func() {
		if r := recover(); r != nil { // the drawing library panics
			err = fmt.Errorf("the plot failed: %v", r)
		}
	}()
	p := newPlot()
	p.Title.Text, p.Y.Label.Text = c.Title, c.Value
	p.Title.Padding = vg.Points(6)
	top := 0.
	width := vg.Points(min(28, 360/float64(max(1, len(c.Names)*(len(c.Series)+1)))))
	for i, s := range c.Series {
		if len(s.Values) != len(c.Names) {
			return fmt.Errorf("series %q has %d numbers for %d names", s.Name, len(s.Values), len(c.Names))
		}
		values := slices.Clone(s.Values)
		for k, v := range values {
			switch {
			case math.IsNaN(v):
				values[k] = 0
			case !(math.Abs(v) < limit):
				return fmt.Errorf("series %q has %v", s.Name, v)
			}
			top = max(top, values[k])
		}
		bars, err := plotter.NewBarChart(plotter.Values(values), width)
		if err != nil {
			return err
		}
		bars.Color, bars.LineStyle.Width = colors[i%len(colors)], 0
		bars.Offset = width * vg.Length(float64(i)-float64(len(c.Series)-1)/2)
		p.Add(bars)
		p.Legend.Add(s.Name, bars)
	}
	if top == 0 {
		return fmt.Errorf("there is no number above 0 to draw")
	}
	p.NominalX(c.Names...)
	p.Y.Min, p.Y.Max = 0, top*1.25 // room for the legend
	p.Legend.Top = true
	p.Legend.TextStyle.Font.Size = vg.Points(10)
	p.X.Tick.Label.Font.Variant, p.Legend.TextStyle.Font.Variant = "Sans", "Sans"
	canvas := vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(7*vg.Inch, 4.2*vg.Inch), vgimg.UseDPI(120))}
	p.Draw(draw.Crop(draw.New(canvas), vg.Points(8), -vg.Points(14), vg.Points(8), -vg.Points(8)))
	_, err = canvas.WriteTo(w)
	return err
}
