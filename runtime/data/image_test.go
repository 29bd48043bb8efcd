package data

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// plain is an image of one colour.
func plain(w, h int, c color.Color) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Set(x, y, c)
		}
	}
	return img
}

func encoded(t *testing.T, img image.Image, format string) []byte {
	t.Helper()
	var buf bytes.Buffer
	var err error
	switch format {
	case "png":
		err = png.Encode(&buf, img)
	case "jpg":
		err = jpeg.Encode(&buf, img, &jpeg.Options{Quality: 100})
	case "gif":
		err = gif.Encode(&buf, img, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

var (
	red   = color.RGBA{255, 0, 0, 255}
	blue  = color.RGBA{0, 0, 255, 255}
	white = color.RGBA{255, 255, 255, 255}
)

func TestOpenImagesFlat(t *testing.T) {
	dir := t.TempDir()
	img := plain(3, 2, red)
	img.Set(2, 1, color.RGBA{10, 20, 30, 255})
	writeFile(t, filepath.Join(dir, "b.png"), encoded(t, img, "png"))
	writeFile(t, filepath.Join(dir, "a.JPG"), encoded(t, plain(3, 2, white), "jpg"))
	writeFile(t, filepath.Join(dir, "c.gif"), encoded(t, plain(3, 2, blue), "gif"))
	writeFile(t, filepath.Join(dir, "notes.txt"), []byte("not an image"))
	writeFile(t, filepath.Join(dir, ".hidden.png"), []byte("not an image"))

	d := must(OpenImages(dir, ImageOptions{}))(t)
	if got, want := d.String(), "3 × (image f32[3 2 3])"; got != want || d.Classes != nil {
		t.Fatalf("%v %v, want %v and no classes", got, d.Classes, want)
	}
	x := must(d.Take(0, 1, 2))(t)["image"].Float64s()
	for i, v := range x[:18] {
		if v != 1 {
			t.Errorf("the white image has %v at %d", v, i)
		}
	}
	u := func(v uint8) float64 { return float64(float32(v) / 255) }
	want := []float64{1, 1, 1, 1, 1, u(10), 0, 0, 0, 0, 0, u(20), 0, 0, 0, 0, 0, u(30)}
	if got := x[18:36]; !slices.Equal(got, want) {
		t.Errorf("the red image is %v, want %v", got, want)
	}
	if got := x[36:]; !slices.Equal(got, append(make([]float64, 12), 1, 1, 1, 1, 1, 1)) {
		t.Errorf("the blue image is %v", got)
	}

	grey := must(OpenImages(dir, ImageOptions{Grey: true}))(t)
	g := must(grey.Take(1))(t)["image"]
	// Luma of red, 0.299 (ITU-R BT.601).
	if got := g.At(0) * 255; !slices.Equal(g.Shape(), []int{1, 1, 2, 3}) || got < 75 || got > 77 {
		t.Errorf("grey: %v, red is %v, want 76", g, got)
	}
}

func TestOpenImagesClasses(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "dog", "1.png"), encoded(t, plain(8, 4, red), "png"))
	writeFile(t, filepath.Join(dir, "cat", "2.png"), encoded(t, plain(5, 5, blue), "png"))
	writeFile(t, filepath.Join(dir, "cat", "old", "1.png"), encoded(t, plain(20, 20, white), "png"))
	d := must(OpenImages(dir, ImageOptions{Height: 6, Width: 4}))(t)
	if !slices.Equal(d.Classes, []string{"cat", "dog"}) || d.String() != "3 × (image f32[3 6 4], label i64[])" {
		t.Fatalf("%v, classes %v", d, d.Classes)
	}
	all := must(d.Take(0, 1, 2))(t)
	if got := tensor.Data[int64](all["label"]); !slices.Equal(got, []int64{0, 0, 1}) {
		t.Errorf("labels %v", got)
	}
	// Scaled, an image of one colour stays of that colour.
	for i, c := range [][3]float64{{0, 0, 1}, {1, 1, 1}, {1, 0, 0}} {
		for ch, want := range c {
			for p := range 24 {
				if got := all["image"].At((i*3+ch)*24 + p); got < want-0.01 || got > want+0.01 {
					t.Fatalf("image %d channel %d pixel %d: %v, want %v", i, ch, p, got, want)
				}
			}
		}
	}
}

func TestOpenImagesCrop(t *testing.T) {
	// Red with a blue square in the middle: cropped to a square, only blue is left.
	img := plain(12, 4, red)
	for y := range 4 {
		for x := 4; x < 8; x++ {
			img.Set(x, y, blue)
		}
	}
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "a.png"), encoded(t, img, "png"))
	d := must(OpenImages(dir, ImageOptions{Height: 2, Width: 2, Crop: true}))(t)
	if got := must(d.Take(0))(t)["image"].Float64s(); !slices.Equal(got, []float64{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1}) {
		t.Errorf("cropped: %v", got)
	}
	d = must(OpenImages(dir, ImageOptions{Height: 2, Width: 2}))(t)
	if got := must(d.Take(0))(t)["image"].At(0); got < 0.3 {
		t.Errorf("stretched: the first pixel has %v of red", got)
	}
}

// TestReadImage reads one file as those of a folder are read.
func TestReadImage(t *testing.T) {
	dir := t.TempDir()
	path, text := filepath.Join(dir, "wide.png"), filepath.Join(dir, "text.png")
	img := plain(6, 2, red)
	for y := range 2 {
		img.Set(0, y, blue)
		img.Set(5, y, blue)
	}
	writeFile(t, path, encoded(t, img, "png"))
	writeFile(t, text, []byte("no picture"))
	if h, w, err := ImageSize(path); h != 2 || w != 6 || err != nil {
		t.Errorf("the size is %d by %d: %v", h, w, err)
	}
	x, err := ReadImage(path, ImageOptions{Height: 2, Width: 2, Crop: true})
	if err != nil {
		t.Fatal(err)
	}
	if want := []float64{1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0}; !slices.Equal(x.Shape(), []int{1, 3, 2, 2}) || !slices.Equal(x.Float64s(), want) {
		t.Errorf("the middle is %v %v, want %v", x, x.Float64s(), want)
	}
	for _, bad := range []string{text, filepath.Join(dir, "none.png"), dir} {
		if _, _, err := ImageSize(bad); err == nil || !strings.HasPrefix(err.Error(), "read image "+bad+": ") {
			t.Errorf("the size of %s: %v", bad, err)
		}
		if _, err := ReadImage(bad, ImageOptions{}); err == nil || !strings.HasPrefix(err.Error(), "read image "+bad+": ") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestOpenImagesErrors(t *testing.T) {
	good := encoded(t, plain(4, 4, red), "png")
	claims := func(w, h uint32) []byte { // a PNG whose header claims another size, with a right checksum
		b := slices.Clone(good)
		binary.BigEndian.PutUint32(b[16:], w)
		binary.BigEndian.PutUint32(b[20:], h)
		binary.BigEndian.PutUint32(b[29:], crc32.ChecksumIEEE(b[12:29]))
		return b
	}
	tests := []struct {
		name  string
		files map[string][]byte
		opt   ImageOptions
		want  string
	}{
		{"empty", nil, ImageOptions{}, "no .png, .jpg"},
		{"text", map[string][]byte{"a.png": good, "b.png": []byte("hello")}, ImageOptions{}, "b.png: not a readable image"},
		{"first is bad", map[string][]byte{"a.png": []byte("hello")}, ImageOptions{}, "a.png: not a readable image"},
		{"cut", map[string][]byte{"a.png": good, "b.png": good[:len(good)-20]}, ImageOptions{}, "b.png: not a readable image"},
		{"mixed", map[string][]byte{"a.png": good, "c/b.png": good}, ImageOptions{}, "a.png"},
		{"only a width", map[string][]byte{"a.png": good}, ImageOptions{Width: 3}, "0×3"},
		{"negative", map[string][]byte{"a.png": good}, ImageOptions{Width: -3, Height: -3}, "-3×-3"},
		{"huge", map[string][]byte{"a.png": good, "b.png": claims(1<<30, 1<<30)}, ImageOptions{}, "b.png"},
		{"large", map[string][]byte{"a.png": good, "b.png": claims(8000, 8000)}, ImageOptions{}, "more than its"},
		{"many large", map[string][]byte{"a.png": good, "b.png": good}, ImageOptions{Width: 1 << 16, Height: 1 << 16}, "2 images of 65536×65536 pixels take 25.8 GB"},
		{"huge first", map[string][]byte{"a.png": claims(1<<20, 1<<20)}, ImageOptions{}, "1048576×1048576"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, b := range tt.files {
				writeFile(t, filepath.Join(dir, filepath.FromSlash(name)), b)
			}
			_, err := OpenImages(dir, tt.opt)
			wantErr(t, err, dir, tt.want)
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error of several lines: %q", err)
			}
		})
	}
	_, err := OpenImages(filepath.Join(t.TempDir(), "none"), ImageOptions{})
	wantErr(t, err, "none")
}
