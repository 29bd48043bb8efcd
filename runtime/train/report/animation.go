package report

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"io"

	"golang.org/x/image/draw"

	"github.com/sardonyx-ml/sardonyx/runtime/atomicfile"
	"github.com/sardonyx-ml/sardonyx/runtime/regularfile"
)

// The bounds of an animation.
const (
	mostFrames    = 48
	mostSide      = 512     // pixels: larger pictures are made smaller
	mostAnimation = 4 << 20 // bytes, unless two frames alone have more
	mostPicture   = 64 << 20
)

// Times in an animation, in hundredths of a second.
const (
	wholeTime = 600 // of all frames together, as far as the next two let it
	leastTime = 8   // of a frame
	mostTime  = 60
	lastTime  = 200 // of the last one
)

// Animate writes the pictures in PNG files, two or more, one after the other as the animated GIF path, which appears whole or not at
// all. Of many, evenly chosen ones are shown, the first and the last among them; a picture of another shape than the last one's is left
// out. The same pictures give the same bytes.
func Animate(path string, pictures []string) error {
	err := atomicfile.Write(path, func(w io.Writer) error {
		b, err := animation(pictures)
		if err == nil {
			_, err = w.Write(b)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("draw %s: %w", path, err)
	}
	return nil
}

func animation(pictures []string) ([]byte, error) {
	var frames []*image.RGBA
	var size image.Point // of the last picture
	var zoom int
	chosen := Thin(pictures, mostFrames)
	for i := len(chosen) - 1; i >= 0; i-- {
		img, err := readPNG(chosen[i])
		if err != nil {
			return nil, err
		}
		if i == len(chosen)-1 {
			size, zoom = img.Bounds().Size(), zoomOf(img)
		}
		if img.Bounds().Size() == size {
			frames = append(frames, shrunk(img, mostSide, zoom))
		}
	}
	if len(frames) < 2 {
		return nil, fmt.Errorf("%d pictures of one size: an animation takes two", len(frames))
	}
	palette, index := quantise(frames)
	indexed := make([]*image.Paletted, len(frames))
	for i, f := range frames {
		p := image.NewPaletted(f.Rect, palette)
		for j := range p.Pix {
			p.Pix[j] = index(f.Pix[4*j], f.Pix[4*j+1], f.Pix[4*j+2])
		}
		indexed[len(frames)-1-i] = p
	}
	for {
		b, err := encodeGIF(indexed, palette)
		if err != nil || len(b) <= mostAnimation || len(indexed) == 2 {
			return b, err
		}
		indexed = Thin(indexed, (len(indexed)+1)/2)
	}
}

func encodeGIF(frames []*image.Paletted, palette color.Palette) ([]byte, error) {
	size := frames[0].Rect.Size()
	g := gif.GIF{Image: frames, Config: image.Config{ColorModel: palette, Width: size.X, Height: size.Y}}
	for range frames {
		g.Delay = append(g.Delay, min(max(wholeTime/len(frames), leastTime), mostTime))
	}
	g.Delay[len(frames)-1] = lastTime
	var b bytes.Buffer
	err := gif.EncodeAll(&b, &g)
	return b.Bytes(), err
}

// Thin leaves at most n of list, 2 or more, at even distances, the first and the last among them.
func Thin[T any](list []T, n int) []T {
	if len(list) <= n {
		return list
	}
	out := make([]T, n)
	for i := range out {
		out[i] = list[i*(len(list)-1)/(n-1)]
	}
	return out
}

// readPNG reads a picture from a file.
func readPNG(path string) (image.Image, error) {
	b, err := regularfile.Read(path, mostPicture)
	if err != nil {
		return nil, err
	}
	return decodePNG(path, b)
}

// decodePNG reads the picture b, the content of the file path, unless it claims to be larger than any that is drawn here.
func decodePNG(path string, b []byte) (image.Image, error) {
	c, err := png.DecodeConfig(bytes.NewReader(b))
	if err == nil && c.Height > maxPixels/max(c.Width, 1) {
		err = fmt.Errorf("%d×%d pixels are too many", c.Width, c.Height)
	}
	var img image.Image
	if err == nil {
		img, err = png.Decode(bytes.NewReader(b))
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return img, nil
}

// zoomOf is the largest number of which img is a whole enlargement, each of its pixels a square of so many, as small images of a
// [Grid] are.
func zoomOf(img image.Image) int {
	size, at := img.Bounds().Size(), img.Bounds().Min
	for k := minTile; k > 1; k-- {
		if size.X%k != 0 || size.Y%k != 0 {
			continue
		}
		same := true
		for y := 0; same && y < size.Y; y++ {
			for x := 0; same && x < size.X; x++ {
				same = img.At(at.X+x, at.Y+y) == img.At(at.X+x-x%k, at.Y+y-y%k)
			}
		}
		if same {
			return k
		}
	}
	return 1
}

// shrunk is img on white, no side longer than so many pixels. Of an enlargement by zoom, every pixel stays a square as long as they fit.
func shrunk(img image.Image, side, zoom int) *image.RGBA {
	from := img.Bounds()
	w, h := from.Dx(), from.Dy()
	longest := max(w, h)
	if small := longest / zoom; longest > side && small <= side {
		k := side / small
		to := image.NewRGBA(image.Rect(0, 0, w/zoom*k, h/zoom*k))
		for y := range to.Rect.Dy() {
			for x := range to.Rect.Dx() {
				to.Set(x, y, img.At(from.Min.X+x/k*zoom, from.Min.Y+y/k*zoom))
			}
		}
		return to
	}
	if longest > side {
		w, h = max(1, w*side/longest), max(1, h*side/longest)
	}
	to := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(to, to.Rect, image.White, image.Point{}, draw.Src)
	if from.Size() == to.Rect.Size() {
		draw.Draw(to, to.Rect, img, from.Min, draw.Over)
	} else {
		draw.CatmullRom.Scale(to, to.Rect, img, from, draw.Over, nil)
	}
	return to
}
