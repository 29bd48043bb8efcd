package data

import (
	"math"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestBinarised draws each pixel once: black or white, as often as its grey level says, always alike, and otherwise in each part and in
// each example. What it was drawn from stays as it is.
func TestBinarised(t *testing.T) {
	const n = 2500
	grey := tensor.New(tensor.U8, n, 1, 2, 2)
	labels := tensor.New(tensor.I64, n)
	for i := range n {
		for p, level := range []float64{0, 51, 204, 255} {
			grey.Set(4*i+p, level)
		}
		labels.Set(i, float64(i%10))
	}
	part := func() *Dataset {
		x, err := FromPixels(grey)
		if err != nil {
			t.Fatal(err)
		}
		y, err := FromLabels(labels)
		if err != nil {
			t.Fatal(err)
		}
		d, err := New(Field{"image", x}, Field{"label", y})
		if err != nil {
			t.Fatal(err)
		}
		d.Classes = []string{"zero"}
		return d
	}
	rows := make([]int, n)
	for i := range rows {
		rows[i] = i
	}
	draw := func() (all [2][]float64) {
		before := Splits{Train: part(), Test: part()}
		s, err := binarised(before)
		if err != nil {
			t.Fatal(err)
		}
		for i, d := range []*Dataset{s.Train, s.Test} {
			got, err := d.Take(rows...)
			if err != nil {
				t.Fatal(err)
			}
			all[i] = got["image"].Float64s()
			if got["label"].At(13) != 3 || d.Classes[0] != "zero" {
				t.Error("labels and classes are lost")
			}
		}
		if got, err := before.Train.Take(0); err != nil || math.Abs(got["image"].At(1)-.2) > 1e-6 {
			t.Errorf("what was drawn from has changed: %v, %v", got, err)
		}
		return all
	}
	one, two := draw(), draw()
	differ := 0
	for i := range 2 {
		var mean [4]float64
		for k, v := range one[i] {
			if v != 0 && v != 1 {
				t.Fatalf("a pixel is %v", v)
			}
			if v != two[i][k] {
				t.Fatal("another time, other pixels are drawn")
			}
			mean[k%4] += v / n
			if one[0][k] != one[1][k] {
				differ++
			}
		}
		for p, want := range []float64{0, .2, .8, 1} {
			if math.Abs(mean[p]-want) > .04 { // five standard errors
				t.Errorf("part %d: %v of the pixels of level %v are white", i, mean[p], want)
			}
		}
	}
	if differ == 0 {
		t.Error("the parts are drawn alike")
	}
}

// TestParseAugmentation reads what String writes, and refuses what does nothing known.
func TestParseAugmentation(t *testing.T) {
	for _, a := range []Augmentation{{Field: "image", Binarise: true}, {Field: "x", Crop: 3, Flip: true}, {Field: "x", Flip: true, Binarise: true}} {
		if got, err := ParseAugmentation(a.String()); err != nil || got != a {
			t.Errorf("%q is read as %+v, %v", a, got, err)
		}
	}
	if got, err := ParseAugmentation("image:flip,crop 2"); err != nil || got != (Augmentation{Field: "image", Flip: true, Crop: 2}) {
		t.Errorf("without blanks: %+v, %v", got, err)
	}
	for text, want := range map[string]string{
		"flip": "names no field", ":flip": "names no field", "x:": `has ""`, "x:blur": `has "blur"`, "x:flip,flip": "each once",
		"x:crop": `has "crop"`, "x:crop a": `no crop of "a" pixels`, "x:crop 0": "want 1 or more", "x:crop 2,crop 3": "each once",
	} {
		if _, err := ParseAugmentation(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
