package report

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// pictures are PNG files with the pixels that at gives for a frame.
func pictures(t testing.TB, n, w, h int, at func(frame, x, y int) color.Color) (paths []string) {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		img := image.NewRGBA(image.Rect(0, 0, w, h))
		for y := range h {
			for x := range w {
				img.Set(x, y, at(i, x, y))
			}
		}
		var b bytes.Buffer
		if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, img); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, filepath.Join(dir, fmt.Sprintf("%d.png", i)))
		if err := os.WriteFile(paths[i], b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return paths
}

func animate(t testing.TB, paths []string) (*gif.GIF, []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.gif")
	if err := Animate(path, paths); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	g, err := gif.DecodeAll(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return g, b
}

// TestAnimateGrey keeps every pixel of grey pictures, in their order, and gives the same bytes again.
func TestAnimateGrey(t *testing.T) {
	at := func(frame, x, y int) color.Color { return color.Gray{uint8(5*frame + 3*x + 7*y)} }
	paths := pictures(t, 5, 40, 30, at)
	g, b := animate(t, paths)
	if _, again := animate(t, paths); !bytes.Equal(b, again) {
		t.Error("the second time gives other bytes")
	}
	if len(g.Image) != 5 || g.Config.Width != 40 || g.Config.Height != 30 || g.LoopCount != 0 || g.Delay[0] != mostTime || g.Delay[4] != lastTime {
		t.Fatalf("%d frames, %v, delays %v, %d loops", len(g.Image), g.Config, g.Delay, g.LoopCount)
	}
	for i, f := range g.Image {
		for y := range 30 {
			for x := range 40 {
				if got, want := color.GrayModel.Convert(f.At(x, y)), at(i, x, y); got != want {
					t.Fatalf("frame %d at (%d, %d) is %v, want %v", i, x, y, got, want)
				}
			}
		}
	}
}

// TestAnimateColour holds the palette of many colours to the pictures: no pixel is far off, and few are off at all.
func TestAnimateColour(t *testing.T) {
	at := func(frame, x, y int) color.Color {
		return color.RGBA{uint8(2 * x), uint8(2 * y), uint8(40 * frame), 255}
	}
	g, _ := animate(t, pictures(t, 4, 128, 128, at))
	worst, total := 0, 0
	for i, f := range g.Image {
		for y := range 128 {
			for x := range 128 {
				got, want := color.RGBAModel.Convert(f.At(x, y)).(color.RGBA), at(i, x, y).(color.RGBA)
				for _, d := range []int{int(got.R) - int(want.R), int(got.G) - int(want.G), int(got.B) - int(want.B)} {
					worst, total = max(worst, d, -d), total+d*d
				}
			}
		}
	}
	if mean := float64(total) / (4 * 128 * 128 * 3); worst > 40 || mean > 60 { // 64,000 colours in 256
		t.Errorf("a channel is off by %d, and their mean square is %.1f", worst, mean)
	}
}

// TestAnimateBounds makes large pictures smaller, chooses of many, and of noise shows fewer: the file stays small.
func TestAnimateBounds(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	noise := func(int, int, int) color.Color {
		return color.RGBA{uint8(r.Uint32()), uint8(r.Uint32()), uint8(r.Uint32()), 255}
	}
	g, b := animate(t, pictures(t, 16, 513, 500, noise))
	if len(b) > mostAnimation || len(g.Image) != 8 || g.Config.Width != mostSide || g.Config.Height != 499 {
		t.Errorf("noise: %d bytes, %d frames of %d×%d", len(b), len(g.Image), g.Config.Width, g.Config.Height)
	}
	g, _ = animate(t, pictures(t, 100, 4, 4, func(frame, _, _ int) color.Color { return color.Gray{uint8(frame)} }))
	if len(g.Image) != mostFrames || g.Image[0].At(0, 0) != (color.RGBA{0, 0, 0, 255}) || g.Image[mostFrames-1].At(0, 0) != (color.RGBA{99, 99, 99, 255}) || g.Delay[0] != wholeTime/mostFrames {
		t.Errorf("of 100 there are %d, from %v to %v, %d each", len(g.Image), g.Image[0].At(0, 0), g.Image[len(g.Image)-1].At(0, 0), g.Delay[0])
	}
	zoomed := func(frame, x, y int) color.Color { return color.Gray{uint8(frame + x/3*7 + y/3*31)} }
	g, _ = animate(t, pictures(t, 2, 600, 300, zoomed))
	if g.Config.Width != 400 || g.Config.Height != 200 {
		t.Fatalf("an enlargement of 200×100 pixels is %d×%d", g.Config.Width, g.Config.Height)
	}
	for y := range 200 {
		for x := range 400 {
			if got, want := color.GrayModel.Convert(g.Image[1].At(x, y)), zoomed(1, x/2*3, y/2*3); got != want {
				t.Fatalf("an enlargement at (%d, %d) is %v, want %v", x, y, got, want)
			}
		}
	}
}

func TestAnimateErrors(t *testing.T) {
	black := func(int, int, int) color.Color { return color.Black }
	two, other := pictures(t, 2, 8, 8, black), pictures(t, 1, 9, 8, black)
	broken := filepath.Join(t.TempDir(), "b.png")
	if err := os.WriteFile(broken, []byte("no picture"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		list []string
		want string
	}{
		"none":           {nil, "0 pictures of one size"},
		"one":            {two[:1], "1 pictures of one size"},
		"of other sizes": {[]string{two[0], other[0]}, "1 pictures of one size"},
		"broken":         {[]string{two[0], broken}, "b.png"},
		"not there":      {[]string{"none.png", two[0]}, "none.png"},
	} {
		path := filepath.Join(t.TempDir(), "a.gif")
		if err := Animate(path, c.list); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s: a file was left", name)
		}
	}
	if g, _ := animate(t, append(other, two...)); len(g.Image) != 2 {
		t.Errorf("a picture of another size is shown: %d frames", len(g.Image))
	}
}

func TestThin(t *testing.T) {
	for _, c := range []struct {
		have, n int
		want    []int
	}{{0, 3, nil}, {3, 3, []int{0, 1, 2}}, {4, 3, []int{0, 1, 3}}, {9, 3, []int{0, 4, 8}}, {100, 2, []int{0, 99}}} {
		var list []int
		for i := range c.have {
			list = append(list, i)
		}
		if got := Thin(list, c.n); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%d of %d are %v, want %v", c.n, c.have, got, c.want)
		}
	}
}

func BenchmarkAnimate(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	paths := pictures(b, 48, 650, 650, func(frame, x, y int) color.Color {
		return color.RGBA{uint8(x/4 + frame), uint8(y / 4), uint8(frame*5) + uint8(r.Uint32())%8, 255}
	})
	for b.Loop() {
		animate(b, paths)
	}
}
