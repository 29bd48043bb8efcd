package report

import (
	"fmt"
	"image"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestConfusion looks at the colours of pictures: a row of the matrix is a row of cells from the top, and dark is its larger share.
func TestConfusion(t *testing.T) {
	dir := folder(t)
	// Of "cat" all are right, of "dog" all taken for "cat", of "a very long-legged bird" half are, and of "none" there are no examples.
	m := Confusion{"pets", []string{"cat", "dog", "a very long-legged bird", "none"}, [][]int{{1000, 0, 0, 0}, {9, 0, 0, 0}, {3, 0, 3, 0}, {0, 0, 0, 0}}}
	one, two := filepath.Join(dir, "confusion.png"), filepath.Join(dir, "confusions.png")
	if err := WriteConfusions(one, m); err != nil {
		t.Fatal(err)
	}
	img := decode(t, one)
	x0, y0, x1, y1 := dark(img)
	w, h := float64(x1-x0), float64(y1-y0) // of the two dark cells of the first column
	for k, row := range [][]float64{{1, 0, 0, 0}, {1, 0, 0, 0}, {.5, 0, .5, 0}, {0, 0, 0, 0}} {
		for j, share := range row {
			x, y := float64(x0)+w*(float64(j)+.15), float64(y0)+h/2*(float64(k)+.15) // beside the number
			r, g, b, _ := img.At(int(x), int(y)).RGBA()
			if want := 255 - share*(255-8); float64(r>>8) < want-6 || float64(r>>8) > want+6 {
				t.Errorf("the cell of %s taken for %s has the colour %d %d %d, want red %.0f", m.Classes[k], m.Classes[j], r>>8, g>>8, b>>8, want)
			}
		}
	}
	if err := WriteConfusions(two, m, m); err != nil {
		t.Fatal(err)
	}
	if a, b := decode(t, one).Bounds(), decode(t, two).Bounds(); b.Dx()-2*a.Dx() > 1 || b.Dx() < 2*a.Dx() || b.Dy() != a.Dy() {
		t.Errorf("one matrix has %v, two %v", a, b)
	}

	big := Confusion{Title: "many"}
	for k := range MaxConfusion {
		big.Classes, big.Counts = append(big.Classes, fmt.Sprint("class ", k)), append(big.Counts, make([]int, MaxConfusion))
		big.Counts[k][k] = 1
	}
	if err := WriteConfusions(filepath.Join(dir, "big.png"), big); err != nil {
		t.Error(err)
	}
	none := filepath.Join(dir, "none.png")
	for want, m := range map[string]Confusion{
		"201 classes is too large for a picture: 200":   {"", append(big.Classes, "one more"), append(big.Counts, nil)},
		"0 classes has 0 rows":                          {},
		"2 classes has 2 rows: want as many rows and c": {"", []string{"a", "b"}, [][]int{{1, 2}, {1}}},
	} {
		if n := len(m.Classes); n > MaxConfusion {
			for k := range m.Counts {
				m.Counts[k] = make([]int, n)
			}
		}
		if err := WriteConfusions(none, m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want %q", err, want)
		}
		if _, err := os.Stat(none); err == nil {
			t.Errorf("%q leaves a file", want)
		}
	}
}

// dark is the rectangle of the pixels as dark as a cell with its whole row.
func dark(img image.Image) (x0, y0, x1, y1 int) {
	x0, y0 = img.Bounds().Dx(), img.Bounds().Dy()
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			if r, g, b, _ := img.At(x, y).RGBA(); r>>8 < 14 && g>>8 > 58 && g>>8 < 70 && b>>8 > 120 && b>>8 < 140 {
				x0, y0, x1, y1 = min(x0, x), min(y0, y), max(x1, x+1), max(y1, y+1)
			}
		}
	}
	return x0, y0, x1, y1
}
