package report

import (
	"bytes"
	"flag"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var keep = flag.String("keep", "", "a folder to leave the pictures in, to be looked at")

func folder(t *testing.T) string {
	if *keep != "" {
		return *keep
	}
	return t.TempDir()
}

func decode(t *testing.T, path string) image.Image {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// near counts the pixels of about the colour c.
func near(img image.Image, c color.RGBA) int {
	n := 0
	diff := func(a uint32, b uint8) bool { d := int(a>>8) - int(b); return d > 12 || d < -12 }
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y++ {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x++ {
			r, g, b, _ := img.At(x, y).RGBA()
			if !diff(r, c.R) && !diff(g, c.G) && !diff(b, c.B) {
				n++
			}
		}
	}
	return n
}

// curve falls from high by a power law over n points, with NaN at the end.
func curve(name string, n int, high, low float64) Series {
	s := Series{Name: name}
	for i := range n {
		s.X = append(s.X, float64(i+1))
		s.Y = append(s.Y, low+(high-low)/math.Sqrt(float64(i+1)))
	}
	s.X, s.Y = append(s.X, float64(n+1)), append(s.Y, math.NaN())
	return s
}

func TestChart(t *testing.T) {
	for name, c := range map[string]Chart{
		"few":      {Title: "vae", X: "epoch", Y: "loss", Series: []Series{curve("train", 10, 200, 100), curve("validate", 10, 190, 105)}},
		"many":     {X: "step", Y: "loss", Series: []Series{curve("train", 2000, 9, .1), curve("validate", 1500, 9, .2)}},
		"log":      {X: "step", Y: "loss", LogY: true, Series: []Series{curve("train", 500, 1000, .001), curve("validate", 50, 90, .2)}},
		"narrow":   {X: "step", Y: "loss", LogY: true, Series: []Series{curve("train", 500, 200, 100), curve("validate", 50, 180, 120)}},
		"one":      {X: "epoch", Y: "loss", Series: []Series{curve("train", 1, 3, 3), curve("validate", 1, 3, 3)}},
		"one log":  {X: "epoch", Y: "loss", LogY: true, Series: []Series{curve("train", 1, 3, 3), curve("validate", 1, 2, 2)}},
		"sizes":    {X: "width", Y: "ms", LogX: true, LogY: true, Series: []Series{curve("plain", 9, 3, 300), curve("checkpoint", 9, 4, 40)}},
		"one size": {X: "width", Y: "ms", LogX: true, LogY: true, Series: []Series{curve("plain", 1, 3, 3), curve("checkpoint", 1, 2, 2)}},
		"zero":     {X: "epoch", Y: "loss", Series: []Series{{"train", []float64{1, 2}, []float64{0, 0}}, curve("validate", 1, 0, 0)}},
		"negative": {X: "epoch", Y: "loss", Series: []Series{curve("critic", 300, -1, -1e6), curve("gen", 10, 1e6, -5)}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(folder(t), "chart "+name+".png")
			if err := c.Write(path); err != nil {
				t.Fatal(err)
			}
			img := decode(t, path)
			if img.Bounds().Dx() < 600 || img.Bounds().Dy() < 350 {
				t.Errorf("the picture is %v", img.Bounds())
			}
			for i := range 2 {
				if n := near(img, colors[i]); n < 20 {
					t.Errorf("series %d has %d pixels", i, n)
				}
			}
		})
	}
}

// TestRow draws two charts side by side: each has the colours of its own lines, and the left one a line less.
func TestRow(t *testing.T) {
	path := filepath.Join(folder(t), "row.png")
	left := Chart{X: "size", Y: "ms", LogX: true, Series: []Series{curve("time", 5, 1, 9)}}
	right := Chart{X: "size", Y: "MB", Series: []Series{curve("plain", 5, 1, 9), curve("checkpoint", 5, 2, 3)}}
	if err := WriteRow(path, left, right); err != nil {
		t.Fatal(err)
	}
	img := decode(t, path)
	half := img.Bounds().Dx() / 2
	count := func(x0, x1, color int) int {
		return near(img.(interface {
			SubImage(r image.Rectangle) image.Image
		}).SubImage(image.Rect(x0, 0, x1, img.Bounds().Dy())), colors[color])
	}
	if a, b, c := count(0, half, 0), count(half, 2*half, 0), count(half, 2*half, 1); a < 20 || b < 20 || c < 20 {
		t.Errorf("lines have %d pixels left, %d and %d right", a, b, c)
	}
	if n := count(0, half, 1); n > 0 {
		t.Errorf("the right line has %d pixels on the left", n)
	}
	if err := WriteRow(path, left, Chart{}); err == nil || !strings.Contains(err.Error(), "no finite point") {
		t.Errorf("of an empty chart: %v", err)
	}
}

func TestChartErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.png")
	for name, tt := range map[string]struct {
		c    Chart
		want string
	}{
		"nothing":    {Chart{}, "no finite point"},
		"not finite": {Chart{Series: []Series{{"a", []float64{1, 2}, []float64{math.NaN(), math.Inf(1)}}}}, "no finite point"},
		"lengths":    {Chart{Series: []Series{{"a", []float64{1}, nil}}}, "1 x and 0 y"},
		"log of 0":   {Chart{LogY: true, Series: []Series{{"a", []float64{1}, []float64{0}}}}, "above 0"},
		"log at 0":   {Chart{LogX: true, Series: []Series{{"a", []float64{0}, []float64{1}}}}, "above 0"},
	} {
		if err := tt.c.Write(path); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a file was left")
	}
}

func TestGrid(t *testing.T) {
	const n, h, w = 7, 28, 20
	for name, channels := range map[string]int{"grey": 1, "colour": 3} {
		t.Run(name, func(t *testing.T) {
			x := tensor.New(tensor.F32, n, channels, h, w)
			value := func(i, c, y, xx int) float64 { // -0.1 to 1.1: the ends are clamped
				return -.1 + 1.2*float64((i*31+c*57+y*5+xx*3)%101)/100
			}
			for i := range n {
				for c := range channels {
					for y := range h {
						for xx := range w {
							x.Set(((i*channels+c)*h+y)*w+xx, value(i, c, y, xx))
						}
					}
				}
			}
			path := filepath.Join(folder(t), "grid "+name+".png")
			if err := Grid(path, x, 3); err != nil {
				t.Fatal(err)
			}
			img := decode(t, path)
			const zoom, line = 3, 3
			if got, want := img.Bounds().Size(), image.Pt(3*(w*zoom+line)+line, 3*(h*zoom+line)+line); got != want {
				t.Fatalf("the picture is %v, want %v", got, want)
			}
			for i := range n {
				for y := range h * zoom {
					for xx := range w * zoom {
						r, g, b, _ := img.At(i%3*(w*zoom+line)+line+xx, i/3*(h*zoom+line)+line+y).RGBA()
						for c, got := range []uint32{r, g, b} {
							want := math.Round(255 * min(max(value(i, min(c, channels-1), y/zoom, xx/zoom), 0), 1))
							if math.Abs(float64(got>>8)-want) > 1 { // f32 may round the other way
								t.Fatalf("image %d at (%d, %d), channel %d is %d, want %v", i, xx, y, c, got>>8, want)
							}
						}
					}
				}
			}
		})
	}
}

// TestWriteImage writes one image as large as it is, and refuses what is none.
func TestWriteImage(t *testing.T) {
	x := tensor.New(tensor.F32, 3, 2, 4)
	for i := range x.Len() {
		x.Set(i, float64(i)/23)
	}
	var b bytes.Buffer
	if err := WriteImage(&b, x); err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(&b)
	if err != nil || img.Bounds() != image.Rect(0, 0, 4, 2) {
		t.Fatalf("the image is %v: %v", img.Bounds(), err)
	}
	for i := range 8 {
		r, g, bl, _ := img.At(i%4, i/4).RGBA()
		for k, got := range []uint32{r, g, bl} {
			if want := math.Round(255 * float64(8*k+i) / 23); float64(got>>8) != want {
				t.Errorf("pixel %d, colour %d is %d, want %v", i, k, got>>8, want)
			}
		}
	}
	for _, bad := range []*tensor.Tensor{tensor.New(tensor.F32, 2, 4), tensor.New(tensor.F32, 2, 2, 4), tensor.New(tensor.F32, 1, 0, 4), tensor.New(tensor.U8, 1, 2, 4)} {
		if err := WriteImage(&b, bad); err == nil {
			t.Errorf("%v is written", bad)
		}
	}
}

func TestGridErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.png")
	bad := tensor.New(tensor.F32, 1, 1, 2, 2)
	bad.Set(3, math.NaN())
	for name, tt := range map[string]struct {
		x    *tensor.Tensor
		cols int
		want string
	}{
		"rank":     {tensor.New(tensor.F32, 4, 4), 2, "must be"},
		"channels": {tensor.New(tensor.F32, 1, 2, 4, 4), 2, "must be"},
		"dtype":    {tensor.New(tensor.U8, 1, 1, 4, 4), 2, "must be"},
		"none":     {tensor.New(tensor.F32, 0, 1, 4, 4), 2, "must be"},
		"columns":  {tensor.New(tensor.F32, 1, 1, 4, 4), 0, "at least 1"},
		"NaN":      {bad, 1, "NaN at row 1, column 1"},
	} {
		if err := Grid(path, tt.x, tt.cols); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a file was left")
	}
}

func BenchmarkChart(b *testing.B) {
	c := Chart{X: "epoch", Y: "loss", Series: []Series{curve("train", 100, 200, 100), curve("validate", 100, 190, 105)}}
	path := filepath.Join(b.TempDir(), "x.png")
	for b.Loop() {
		if err := c.Write(path); err != nil {
			b.Fatal(err)
		}
	}
}

// TestWholeTicks has axes of epochs and of steps.
func TestWholeTicks(t *testing.T) {
	for _, tt := range []struct {
		lo, hi float64
		want   string
	}{
		{1, 3, "1 2 3"}, {1, 10, "1 2 3 4 5 6 7 8 9 10"}, {0, 2, "0 1 2"}, {1, 30, "5 10 15 20 25 30"}, {1, 12, "2 4 6 8 10 12"},
		{100, 46900, "5000 10000 15000 20000 25000 30000 35000 40000 45000"}, {7, 7, "7"},
	} {
		var labels []string
		for _, tick := range whole(tt.lo, tt.hi) {
			if tick.Label != strconv.Itoa(int(tick.Value)) {
				t.Errorf("%v to %v: the tick at %v is labelled %q", tt.lo, tt.hi, tick.Value, tick.Label)
			}
			labels = append(labels, tick.Label)
		}
		if got := strings.Join(labels, " "); got != tt.want {
			t.Errorf("%v to %v: %s, want %s", tt.lo, tt.hi, got, tt.want)
		}
	}
}

// TestSVG draws a chart as an element: its texts escaped, its lines there, the same bytes each time.
func TestSVG(t *testing.T) {
	c := Chart{Title: "<script>alert(1)</script>", X: "epoch", Series: []Series{curve("a & b", 10, 200, 100), curve("\"quoted\"", 9, 190, 105)}}
	svg, err := c.SVG()
	if err != nil {
		t.Fatal(err)
	}
	again, _ := c.SVG()
	for name, ok := range map[string]bool{
		"an element":       strings.HasPrefix(svg, "<svg ") && strings.HasSuffix(strings.TrimSpace(svg), "</svg>"),
		"nothing injected": !strings.Contains(svg, "<script") && strings.Contains(svg, "&lt;script&gt;"),
		"names":            strings.Contains(svg, "a &amp; b") && strings.Contains(svg, "&#34;quoted&#34;"),
		"lines":            strings.Contains(svg, "#0072B2") && strings.Contains(svg, "#D55E00"),
		"deterministic":    svg == again,
	} {
		if !ok {
			t.Errorf("%s: not so:\n%.3000s", name, svg)
		}
	}
	if svg, err := (Chart{}).SVG(); err == nil || svg != "" {
		t.Errorf("without points: %q, %v", svg, err)
	}
}

// TestManyPoints draws a long line with few points, and loses no peak of it.
func TestManyPoints(t *testing.T) {
	s := curve("train", 200000, 9, .1)
	s.Y[77777], s.Y[100000] = 500, -500
	s.Y[len(s.Y)-1] = .1
	points, err := Chart{}.points(s)
	if err != nil {
		t.Fatal(err)
	}
	if len(points) > mostPoints+2 || points[len(points)-1].X != 200001 || points[0].X != 1 {
		t.Errorf("%d points, from %v to %v", len(points), points[0], points[len(points)-1])
	}
	found := 0
	for i, p := range points {
		if p.Y == 500 && p.X == 77778 || p.Y == -500 && p.X == 100001 {
			found++
		}
		if i > 0 && p.X <= points[i-1].X {
			t.Errorf("%v follows %v", p, points[i-1])
		}
	}
	if found != 2 {
		t.Errorf("%d of 2 peaks are there", found)
	}
}

func TestPointsBound(t *testing.T) {
	for _, tt := range []struct {
		x0, x1, y0, y1 float64
		want           float64 // 0 for axes of their own
	}{
		{-1, 1, -.9, .9, 1}, {-1.01, 1, 0, 0, 1.5}, {0, .21, -.1, .1, .3}, {-8.1, 3, 0, 1, 10}, {-1e-7, 0, 0, 0, 1e-7},
		{100, 101, 100, 101, 0}, {0, 0, 0, 0, 0}, {3, 4, 3, 4, 4},
	} {
		if b, ok := bound(tt.x0, tt.x1, tt.y0, tt.y1); ok != (tt.want > 0) || math.Abs(b-tt.want) > 1e-12*tt.want {
			t.Errorf("%v: %v, %v", tt, b, ok)
		}
	}
}
