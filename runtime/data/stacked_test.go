package data

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestStacked compares the channels of stacked pictures with those of the digits in their labels: in these files, digit d is a picture of
// d's only. The same digits are put together each time, and the parts have digits of their own.
func TestStacked(t *testing.T) {
	const size, n = 4, 200
	dir := t.TempDir()
	for part, from := range map[string]int{"train": 0, "t10k": 5} { // 0 to 4, and 5 to 9
		images, labels := []byte{0, 0, 8, 3, 0, 0, 0, n, 0, 0, 0, size, 0, 0, 0, size}, []byte{0, 0, 8, 1, 0, 0, 0, n}
		for i := range n {
			digit := byte(from + i%5)
			labels = append(labels, digit)
			for range size * size {
				images = append(images, digit)
			}
		}
		for name, b := range map[string][]byte{"-images-idx3-ubyte": images, "-labels-idx1-ubyte": labels} {
			if err := os.WriteFile(filepath.Join(dir, part+name), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	take := func(d *Dataset) (image, label *tensor.Tensor) {
		t.Helper()
		if d.Len() != n {
			t.Fatalf("it has %d examples", d.Len())
		}
		rows := make([]int, n)
		for i := range rows {
			rows[i] = (i + 7) % n
		}
		x, err := d.Take(rows...)
		if err != nil {
			t.Fatal(err)
		}
		return x["image"], x["label"]
	}
	s, err := Load("stacked-mnist", dir)
	if err != nil {
		t.Fatal(err)
	}
	modes := map[float64]bool{}
	for part, d := range []*Dataset{s.Train, s.Test} {
		image, label := take(d)
		if got := image.String(); image.Rank() != 4 || image.Dim(1) != 3 || image.Dim(2) != size {
			t.Fatalf("the images are %v", got)
		}
		for i := range n {
			modes[label.At(i)] = true
			digits := []int{int(label.At(i)) / 100, int(label.At(i)) / 10 % 10, int(label.At(i)) % 10}
			for k, digit := range digits {
				if digit/5 != part {
					t.Errorf("part %d has the label %v", part, label.At(i))
				}
				for p := range size * size {
					if got, want := image.At((i*3+k)*size*size+p), float64(float32(digit)/255); got != want {
						t.Fatalf("channel %d of an example of the label %v is %v, want %v", k, label.At(i), got, want)
					}
				}
			}
		}
	}
	if len(modes) < 150 { // of 250, of which 400 draws see 200
		t.Errorf("%d modes", len(modes))
	}
	again, err := Load("stacked-mnist", dir)
	if err != nil {
		t.Fatal(err)
	}
	if a, err := again.Train.Hash(); err != nil {
		t.Error(err)
	} else if b, _ := s.Train.Hash(); a != b {
		t.Error("it is another data set the second time")
	}
}
