package data

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// stored are the images that show 1 2 3 above 4 5 6, one for each orientation, as EXIF 2.32 describes them in 4.6.4 A: where the
// stored row 0 and column 0 are seen.
var stored = [][][]uint8{
	1: {{1, 2, 3}, {4, 5, 6}},   // top, left
	2: {{3, 2, 1}, {6, 5, 4}},   // top, right
	3: {{6, 5, 4}, {3, 2, 1}},   // bottom, right
	4: {{4, 5, 6}, {1, 2, 3}},   // bottom, left
	5: {{1, 4}, {2, 5}, {3, 6}}, // left, top
	6: {{3, 6}, {2, 5}, {1, 4}}, // right, top
	7: {{6, 3}, {5, 2}, {4, 1}}, // right, bottom
	8: {{4, 1}, {5, 2}, {6, 3}}, // left, bottom
}

// exif is an EXIF block with an orientation.
func exif(order binary.AppendByteOrder, orientation uint16) []byte {
	b := []byte("MM")
	if order == binary.AppendByteOrder(binary.LittleEndian) {
		b = []byte("II")
	}
	b = order.AppendUint16(b, 42)
	b = order.AppendUint32(b, 8)
	b = order.AppendUint16(b, 1)
	b = order.AppendUint16(b, 0x0112)
	b = order.AppendUint16(b, 3) // SHORT
	b = order.AppendUint32(b, 1)
	b = order.AppendUint16(b, orientation)
	b = order.AppendUint16(b, 0)
	return order.AppendUint32(b, 0)
}

// withEXIF puts an EXIF block into a PNG file, behind the header, or a JPEG file, at its beginning.
func withEXIF(file, exif []byte) []byte {
	if bytes.HasPrefix(file, []byte{0xff, 0xd8}) {
		app1 := append([]byte("Exif\x00\x00"), exif...)
		head := binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(len(app1)+2))
		return slices.Concat(file[:2], head, app1, file[2:])
	}
	chunk := append([]byte("eXIf"), exif...)
	sum := binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(chunk))
	return slices.Concat(file[:33], binary.BigEndian.AppendUint32(nil, uint32(len(exif))), chunk, sum, file[33:])
}

// scaled is an image of rows whose values stand for areas of size×size pixels, 40 grey levels apart.
func scaled(rows [][]uint8, size int) image.Image {
	img := image.NewGray(image.Rect(0, 0, size*len(rows[0]), size*len(rows)))
	for y := range img.Rect.Dy() {
		for x := range img.Rect.Dx() {
			img.SetGray(x, y, color.Gray{Y: 40 * rows[y/size][x/size]})
		}
	}
	return img
}

// TestOrientation reads an image in each orientation: grey and in colours, in its own size and scaled.
func TestOrientation(t *testing.T) {
	for o := 1; o <= 8; o++ {
		for _, format := range []string{"png", "jpg"} {
			for name, order := range map[string]binary.AppendByteOrder{"big": binary.BigEndian, "little": binary.LittleEndian} {
				t.Run(fmt.Sprint(o, format, name), func(t *testing.T) {
					dir := t.TempDir()
					writeFile(t, filepath.Join(dir, "a."+format), withEXIF(encoded(t, scaled(stored[o], 8), format), exif(order, uint16(o))))
					for _, opt := range []ImageOptions{{}, {Grey: true}, {Height: 8, Width: 12}, {Height: 8, Width: 12, Grey: true, Crop: true}} {
						viewed(t, dir, opt)
					}
				})
			}
		}
	}
}

// viewed sees that the image in dir shows 1 2 3 above 4 5 6.
func viewed(t *testing.T, dir string, opt ImageOptions) {
	t.Helper()
	d := must(OpenImages(dir, opt))(t)
	shape := d.Fields()[0].Shape
	h, w := shape[1], shape[2]
	if opt.Height == 0 && (h != 16 || w != 24) {
		t.Fatalf("%+v: %v, want 16×24 pixels", opt, d)
	}
	x := must(d.Take(0))(t)["image"]
	for c := range shape[0] {
		for i := range 6 {
			y, x0 := (2*(i/3)+1)*h/4, (2*(i%3)+1)*w/6 // in the middle of an area
			if got := x.At((c*h+y)*w+x0) * 255 / 40; got < float64(i+1)-.3 || got > float64(i+1)+.3 {
				t.Errorf("%+v: channel %d shows %.2f at row %d, column %d, want %d", opt, c, got, i/3, i%3, i+1)
			}
		}
	}
}

// TestOrientationOfOthers reads a file that another program wrote: 4×2 pixels, orientation 6.
func TestOrientationOfOthers(t *testing.T) {
	b, err := os.ReadFile("testdata/exif6.png")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "a.png"), b)
	x := must(must(OpenImages(dir, ImageOptions{}))(t).Take(0))(t)["image"]
	plain := must(must(OpenImages(filepath.Dir(writeTwin(t, b)), ImageOptions{}))(t).Take(0))(t)["image"]
	if fmt.Sprint(x.Shape(), plain.Shape()) != "[1 3 4 2] [1 3 2 4]" {
		t.Fatalf("%v, as stored %v", x, plain)
	}
	for c := range 3 {
		for row := range 4 {
			for column := range 2 { // a quarter turn to the right: what is seen at the right was stored first
				if got, want := x.At((c*4+row)*2+column), plain.At((c*2+1-column)*4+row); got != want {
					t.Errorf("channel %d, row %d, column %d: %v, want %v", c, row, column, got, want)
				}
			}
		}
	}
}

// writeTwin writes the image in b, a PNG file whose second chunk is its EXIF block, without that, and returns its path.
func writeTwin(t *testing.T, b []byte) string {
	t.Helper()
	end := 33 + 12 + int(binary.BigEndian.Uint32(b[33:]))
	path := filepath.Join(t.TempDir(), "twin.png")
	writeFile(t, path, slices.Concat(b[:33], b[end:]))
	return path
}

// TestDamagedEXIF reads images whose EXIF block is damaged in all places: the image is read, turned or not, and nothing panics.
func TestDamagedEXIF(t *testing.T) {
	block := exif(binary.BigEndian, 6)
	r := rand.New(rand.NewPCG(1, 2))
	var blocks [][]byte
	for i := range block {
		for _, v := range []byte{0, 1, 0x7f, 0xff} {
			bad := slices.Clone(block)
			bad[i] = v
			blocks = append(blocks, bad)
		}
		blocks = append(blocks, block[:i])
	}
	for range 200 {
		bad := make([]byte, r.IntN(60))
		for i := range bad {
			bad[i] = byte(r.Uint32())
		}
		copy(bad, block[:min(len(bad), 10)])
		blocks = append(blocks, bad)
	}
	png, jpg := encoded(t, scaled(stored[1], 2), "png"), encoded(t, scaled(stored[1], 2), "jpg")
	for i, b := range blocks {
		for format, file := range map[string][]byte{"png": png, "jpeg": jpg} {
			if o := orientationOf(bytes.NewReader(withEXIF(file, b)), format); o < 1 || o > 8 {
				t.Errorf("block %d in a %s: orientation %d", i, format, o)
			}
		}
	}
	for _, v := range []uint16{0, 9, 600} {
		if o := orientationOf(bytes.NewReader(withEXIF(png, exif(binary.LittleEndian, v))), "png"); o != upright {
			t.Errorf("orientation %d, which there is not, is taken for %d", v, o)
		}
	}
}

// FuzzOrientation reads the orientation of damaged files.
func FuzzOrientation(f *testing.F) {
	t := new(testing.T)
	f.Add(withEXIF(encoded(t, scaled(stored[6], 1), "png"), exif(binary.BigEndian, 6)), true)
	f.Add(withEXIF(encoded(t, scaled(stored[6], 1), "jpg"), exif(binary.LittleEndian, 6)), false)
	f.Fuzz(func(t *testing.T, file []byte, png bool) {
		format := map[bool]string{true: "png", false: "jpeg"}[png]
		if o := orientationOf(bytes.NewReader(file), format); o < 1 || o > 8 {
			t.Errorf("orientation %d", o)
		}
	})
}
