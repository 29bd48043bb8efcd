package app

import (
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/runtime/data"
)

// TestDataShow holds that the grid and the table show the same examples: the first ones, or those of the seed.
func TestDataShow(t *testing.T) {
	t.Parallel()
	splits, err := data.Load("portraits-32", "")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, tt := range []struct {
		args string
		rows []int
	}{
		{"--count 2", []int{0, 1}},
		{"--count 2 --seed 3", pick(2, splits.Test.Len(), 3, 0)},
	} {
		file := filepath.Join(dir, "grid.png")
		lines := strings.Split(strings.TrimSpace(must(t, "data show portraits-32:test "+tt.args+" --png "+file)), "\n")
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		zoom := 84 / 32 // a grid enlarges small images
		for i, row := range tt.rows {
			one, err := splits.Test.Take(row)
			if err != nil {
				t.Fatal(err)
			}
			cells := strings.Fields(lines[len(lines)-2+i])
			smile := []string{"no", "yes"}[int(one["smile"].At(0))]
			hair := splits.Test.Attributes[5].Values[int(one["hair"].At(0))]
			if cells[1] != smile || cells[6] != hair {
				t.Errorf("%s: example %d is told as %v, but smile is %s and hair %s", tt.args, row, cells, smile, hair)
			}
			r, _, _, _ := img.At(zoom+i*(32*zoom+zoom), zoom).RGBA() // its first pixel
			if got, want := float64(r>>8)/255, one["image"].At(0); got-want > .003 || want-got > .003 {
				t.Errorf("%s: example %d has a first pixel of red %g, want %g", tt.args, row, got, want)
			}
		}
	}
}

// TestDataShowTable shows all of a small table, with whole numbers as they are.
func TestDataShowTable(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "x.csv")
	if err := os.WriteFile(file, []byte("id,hair\n9007199254740993,long\n12345,short\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	contains(t, must(t, "data show "+file), "9007199254740993  long", "12345             short")
}
