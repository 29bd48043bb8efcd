package report

import (
	"fmt"
	"image/color"
	"io"
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"github.com/sardonyx-ml/sardonyx/runtime/atomicfile"
)

// A Confusion is a confusion matrix: Counts[k][j] examples of class k were taken for class j. Classes are the classes' names.
type Confusion struct {
	Title   string
	Classes []string
	Counts  [][]int
}

// What is drawn of a matrix.
const (
	MaxConfusion = 200 // classes, of which a picture is drawn at all
	countedUpTo  = 20  // classes, whose counts stand in the cells
	namedUpTo    = 60  // classes, each of which is named; of more, every few
	longestName  = 18  // letters of a name
)

// WriteConfusions draws confusion matrices, one beside the other, as the PNG file path, which appears whole or not at all. A cell is the
// darker the larger its share of its row is: of the examples of a class.
func WriteConfusions(path string, list ...Confusion) error {
	if err := atomicfile.Write(path, func(w io.Writer) error { return confusions(w, list) }); err != nil {
		return fmt.Errorf("draw %s: %w", path, err)
	}
	return nil
}

func confusions(w io.Writer, list []Confusion) (err error) {
	defer func() {
		if r := recover(); r != nil { // the drawing library panics
			err = fmt.Errorf("the plot failed: %v", r)
		}
	}()
	if len(list) == 0 {
		return fmt.Errorf("there is no confusion matrix")
	}
	var side vg.Length
	for _, c := range list {
		if err := c.check(); err != nil {
			return err
		}
		side = max(side, c.side())
	}
	canvas := vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(side*vg.Length(len(list)), side), vgimg.UseDPI(120))}
	for i, c := range list {
		p, err := c.plot()
		if err != nil {
			return err
		}
		right := side * vg.Length(len(list)-1-i)
		p.Draw(draw.Crop(draw.New(canvas), side*vg.Length(i)+vg.Points(8), -right-vg.Points(14), vg.Points(8), -vg.Points(8)))
	}
	_, err = canvas.WriteTo(w)
	return err
}

// check refuses what is no matrix of the classes.
func (c Confusion) check() error {
	n := len(c.Classes)
	if n == 0 || len(c.Counts) != n || slices.ContainsFunc(c.Counts, func(row []int) bool { return len(row) != n }) {
		return fmt.Errorf("a confusion matrix of %d classes has %d rows: want as many rows and columns as classes", n, len(c.Counts))
	}
	if n > MaxConfusion {
		return fmt.Errorf("a confusion matrix of %d classes is too large for a picture: %d classes are the most", n, MaxConfusion)
	}
	return nil
}

// side is the length of the picture's sides.
func (c Confusion) side() vg.Length {
	longest := 0
	for _, name := range c.Classes {
		longest = max(longest, len([]rune(short(name))))
	}
	n := len(c.Classes)
	return vg.Points(90+6*float64(longest)) + vg.Length(n)*vg.Points(min(32, max(3, 640/float64(n))))
}

// short is name, or its beginning.
func short(name string) string {
	if r := []rune(name); len(r) > longestName {
		return string(r[:longestName-1]) + "…"
	}
	return name
}

// share is the share of row k that lies in column j.
func (c Confusion) share(k, j int) float64 {
	sum := 0
	for _, n := range c.Counts[k] {
		sum += n
	}
	return float64(c.Counts[k][j]) / float64(max(sum, 1))
}

// cells are a matrix's for the drawing library, whose rows go upwards.
type cells struct{ Confusion }

func (c cells) Dims() (int, int)   { return len(c.Classes), len(c.Classes) }
func (c cells) X(j int) float64    { return float64(j) }
func (c cells) Y(i int) float64    { return float64(i) }
func (c cells) Z(j, i int) float64 { return c.share(len(c.Classes)-1-i, j) }

// shades go from white to blue.
type shades struct{}

func (shades) Colors() []color.Color { return blues }

var blues = func() []color.Color {
	out := make([]color.Color, 256)
	for i := range out {
		t := float64(i) / 255
		mix := func(to uint8) uint8 { return uint8(math.Round(255 + t*(float64(to)-255))) }
		out[i] = color.RGBA{mix(8), mix(64), mix(129), 255}
	}
	return out
}()

// plot draws the matrix, with a title, the classes' names and, of few, the counts.
func (c Confusion) plot() (*plot.Plot, error) {
	n := len(c.Classes)
	p := newPlot()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = c.Title, "predicted", "label"
	p.Title.Padding = vg.Points(6)
	p.X.Padding, p.Y.Padding = 0, 0
	heat := plotter.NewHeatMap(cells{c}, shades{})
	heat.Min, heat.Max = 0, 1
	p.Add(heat)
	var across, down []plot.Tick
	for k, every := 0, (n+namedUpTo-1)/namedUpTo; k < n; k += every {
		across = append(across, plot.Tick{Value: float64(k), Label: short(c.Classes[k]) + "  "}) // which keeps a turned name off its tick
		down = append(down, plot.Tick{Value: float64(n - 1 - k), Label: short(c.Classes[k])})
	}
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.ConstantTicks(across), plot.ConstantTicks(down)
	if slices.ContainsFunc(c.Classes, func(name string) bool { return len(name) > 3 }) {
		p.X.Tick.Label.Rotation, p.X.Tick.Label.XAlign, p.X.Tick.Label.YAlign = math.Pi/2, text.XRight, text.YCenter
	}
	if n > countedUpTo {
		return p, nil
	}
	counts := plotter.XYLabels{}
	for k, row := range c.Counts {
		for j, v := range row {
			counts.XYs = append(counts.XYs, plotter.XY{X: float64(j), Y: float64(n - 1 - k)})
			counts.Labels = append(counts.Labels, strconv.Itoa(v))
		}
	}
	labels, err := plotter.NewLabels(counts)
	if err != nil {
		return nil, err
	}
	for i := range labels.TextStyle {
		s := &labels.TextStyle[i]
		s.Font.Variant, s.Font.Size, s.XAlign, s.YAlign = "Sans", vg.Points(8), text.XCenter, text.YCenter
		s.Color = color.Gray{40}
		if c.share(i/n, i%n) > .5 {
			s.Color = color.White
		}
	}
	p.Add(labels)
	return p, nil
}
