// Package report draws the pictures that a training run leaves behind: curves, grids of samples and animations of these; and writes the
// page that shows all of the run.
package report

import (
	"fmt"
	"image/color"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/sardonyx-ml/sardonyx/runtime/atomicfile"
)

// A Series is a named line through points (X[i], Y[i]), in the order given.
type Series struct {
	Name string
	X, Y []float64
}

// A Chart is a picture of lines over one pair of axes.
type Chart struct {
	Title  string
	X, Y   string // the names of the axes
	LogX   bool   // a logarithmic x axis; every finite X must be above 0
	LogY   bool   // a logarithmic y axis; every finite Y must be above 0
	Series []Series
}

// colors tell the series apart, also to the colour-blind (Okabe and Ito 2008).
var colors = []color.RGBA{
	{0, 114, 178, 255}, {213, 94, 0, 255}, {0, 158, 115, 255}, {204, 121, 167, 255},
	{230, 159, 0, 255}, {86, 180, 233, 255}, {0, 0, 0, 255},
}

// manyPoints is from how many points on a line is drawn without marks on them.
const manyPoints = 40

// limit bounds what is drawn: beyond it the drawing library's arithmetic overflows.
const limit = 1e150

// Write draws the chart as the PNG file path, which appears whole or not at all. Points that are not finite are left out;
// a chart without any other is an error.
func (c Chart) Write(path string) error {
	if err := atomicfile.Write(path, c.png); err != nil {
		return fmt.Errorf("draw %s: %w", path, err)
	}
	return nil
}

func (c Chart) png(w io.Writer) error {
	canvas := vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(7*vg.Inch, 4.2*vg.Inch), vgimg.UseDPI(120))}
	if err := c.draw(canvas); err != nil {
		return err
	}
	_, err := canvas.WriteTo(w)
	return err
}

// SVG draws the chart as the element svg of a page. What holds for points in [Chart.Write] holds here.
func (c Chart) SVG() (string, error) {
	canvas := vgsvg.New(5.2*vg.Inch, 3.1*vg.Inch)
	if err := c.draw(canvas); err != nil {
		return "", err
	}
	var b strings.Builder
	if _, err := canvas.WriteTo(&b); err != nil {
		return "", err
	}
	_, element, ok := strings.Cut(b.String(), "<svg")
	if !ok {
		return "", fmt.Errorf("the plot has no element svg")
	}
	return "<svg" + element, nil
}

// WriteRow draws charts side by side as the PNG file path, as [Chart.Write] draws one.
func WriteRow(path string, charts ...Chart) error {
	err := atomicfile.Write(path, func(w io.Writer) error {
		const width, height = 4.6 * vg.Inch, 4.2 * vg.Inch
		canvas := vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(width*vg.Length(len(charts)), height), vgimg.UseDPI(120))}
		whole := draw.New(canvas)
		for i, c := range charts {
			left, right := width*vg.Length(i), width*vg.Length(len(charts)-1-i)
			if err := c.drawOn(draw.Crop(whole, left, -right, 0, 0)); err != nil {
				return err
			}
		}
		_, err := canvas.WriteTo(w)
		return err
	})
	if err != nil {
		return fmt.Errorf("draw %s: %w", path, err)
	}
	return nil
}

// draw draws the chart on a canvas.
func (c Chart) draw(canvas vg.CanvasSizer) error { return c.drawOn(draw.New(canvas)) }

// drawOn draws the chart on a part of a canvas.
func (c Chart) drawOn(canvas draw.Canvas) (err error) {
	defer func() {
		if r := recover(); r != nil { // the drawing library panics, and a picture must not end a training run
			err = fmt.Errorf("the plot failed: %v", r)
		}
	}()
	p := newPlot()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = c.Title, c.X, c.Y
	p.Title.Padding = vg.Points(6)
	p.X.Padding, p.Y.Padding = 0, 0
	lo, hi := math.Inf(1), math.Inf(-1)
	named, counted := 0, true
	for i, s := range c.Series {
		points, err := c.points(s)
		if err != nil {
			return err
		}
		if len(points) == 0 {
			continue
		}
		for _, q := range points {
			lo, hi = min(lo, q.Y), max(hi, q.Y)
			counted = counted && q.X == math.Trunc(q.X)
		}
		line, err := plotter.NewLine(points)
		if err != nil {
			return err
		}
		line.Color, line.Width = colors[i%len(colors)], vg.Points(1.6)
		p.Add(line)
		thumbs := []plot.Thumbnailer{line}
		if len(points) < manyPoints {
			marks, err := plotter.NewScatter(points)
			if err != nil {
				return err
			}
			marks.GlyphStyle = draw.GlyphStyle{Color: line.Color, Radius: vg.Points(2.2), Shape: draw.CircleGlyph{}}
			p.Add(marks)
			thumbs = append(thumbs, marks)
		}
		if s.Name != "" {
			p.Legend.Add(s.Name, thumbs...)
			named++
		}
	}
	if hi < lo {
		return fmt.Errorf("there is no finite point to draw")
	}
	c.scale(p, lo, hi, named)
	if c.LogX {
		p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.TickerFunc(decades)
		if p.X.Min == p.X.Max {
			p.X.Min, p.X.Max = p.X.Min/1.1, p.X.Max*1.1
		}
	} else if counted {
		p.X.Tick.Marker = plot.TickerFunc(whole)
	}
	p.Legend.Top = true
	p.Legend.Padding = vg.Points(2)
	p.Legend.TextStyle.Font.Size = vg.Points(10)
	p.Draw(draw.Crop(canvas, vg.Points(8), -vg.Points(14), vg.Points(8), -vg.Points(8)))
	return nil
}

// newPlot is an empty plot with a grid.
func newPlot() *plot.Plot {
	p := plot.New()
	for _, f := range []*font.Font{
		&p.Title.TextStyle.Font, &p.Legend.TextStyle.Font,
		&p.X.Label.TextStyle.Font, &p.Y.Label.TextStyle.Font, &p.X.Tick.Label.Font, &p.Y.Tick.Label.Font,
	} {
		f.Variant = "Sans"
	}
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = color.Gray{225}, color.Gray{225}
	p.Add(grid)
	return p
}

// points are those of s that can be drawn and, of very many, the lowest and the highest of every few.
func (c Chart) points(s Series) (plotter.XYs, error) {
	if len(s.X) != len(s.Y) {
		return nil, fmt.Errorf("series %q has %d x and %d y", s.Name, len(s.X), len(s.Y))
	}
	var out plotter.XYs
	for i, x := range s.X {
		y := s.Y[i]
		if math.Abs(x) < limit && math.Abs(y) < limit { // false for NaN
			if c.LogX && x <= 0 {
				return nil, fmt.Errorf("series %q has %v at %v: a logarithmic axis needs numbers above 0", s.Name, y, x)
			}
			if c.LogY && y <= 0 {
				return nil, fmt.Errorf("series %q has %v at %v: a logarithmic axis needs numbers above 0", s.Name, y, x)
			}
			out = append(out, plotter.XY{X: x, Y: y})
		}
	}
	return thin(out), nil
}

// mostPoints are about as many as a line of a chart shows apart.
const mostPoints = 1000

// thin leaves about mostPoints of many points: of every few, the lowest and the highest, and the last.
func thin(points plotter.XYs) plotter.XYs {
	if len(points) <= 2*mostPoints {
		return points
	}
	every := (len(points) + mostPoints/2 - 1) / (mostPoints / 2)
	var out plotter.XYs
	for few := range slices.Chunk(points, every) {
		lo, hi := 0, 0
		for i, p := range few {
			if p.Y < few[lo].Y {
				lo = i
			}
			if p.Y > few[hi].Y {
				hi = i
			}
		}
		out = append(out, few[min(lo, hi)])
		if lo != hi {
			out = append(out, few[max(lo, hi)])
		}
	}
	if last := points[len(points)-1]; out[len(out)-1] != last {
		out = append(out, last)
	}
	return out
}

// scale sets the y axis to hold lo to hi with room above for a legend of so many names.
func (c Chart) scale(p *plot.Plot, lo, hi float64, names int) {
	const line = .065 // of the axis
	legend := 1 + line*float64(names)
	if c.LogY {
		p.Y.Scale = plot.LogScale{}
		p.Y.Min, p.Y.Max = lo/1.1, 1.1*lo*math.Pow(hi/lo, legend)
		if hi/lo >= 10 { // else even ticks are enough
			p.Y.Tick.Marker = plot.TickerFunc(decades)
		}
		return
	}
	room := (hi - lo) * .06
	if room == 0 {
		room = max(math.Abs(hi)*.1, 1e-9)
	}
	p.Y.Min, p.Y.Max = lo-room, lo+(hi-lo)*legend+room
}

// whole are labelled ticks at whole numbers, 1, 2 or 5 times a power of ten apart, and not many of them.
func whole(lo, hi float64) []plot.Tick {
	const most = 10
	apart := 1.0
	for i := 0; (hi-lo)/apart > most; i++ {
		apart *= []float64{2, 2.5, 2}[i%3]
	}
	var ticks []plot.Tick
	for v := math.Ceil(lo/apart) * apart; v <= hi; v += apart {
		ticks = append(ticks, plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'f', -1, 64)})
	}
	return ticks
}

// decades are ticks at 1 to 9 times the powers of ten, those at 1 labelled, and over a short range also those at 2 and 5.
func decades(lo, hi float64) []plot.Tick {
	var ticks []plot.Tick
	many := math.Log10(hi / lo)
	every := max(1, int(math.Ceil(many/8)))
	for e := int(math.Floor(math.Log10(lo))); e <= int(math.Ceil(math.Log10(hi))); e++ {
		for m := 1; m <= 9; m++ {
			t := plot.Tick{Value: float64(m) * math.Pow(10, float64(e))}
			if t.Value < lo || t.Value > hi {
				continue
			}
			if m == 1 && e%every == 0 || many < 3 && (m == 2 || m == 5) {
				t.Label = strconv.FormatFloat(t.Value, 'g', 4, 64)
			} else if every > 1 {
				continue
			}
			ticks = append(ticks, t)
		}
	}
	return ticks
}
