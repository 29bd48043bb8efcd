package report

import (
	"math"
	"path/filepath"
	"strings"
	"testing"
)

// TestBars draws groups of bars, and counts the pixels of each series: as many as the numbers say. What cannot be drawn is an error.
func TestBars(t *testing.T) {
	path := filepath.Join(folder(t), "bars.png")
	c := BarChart{Title: "time of a step", Value: "ratio", Names: []string{"one", "two"}, Series: []Bars{
		{"ours", []float64{1, 2}}, {"theirs", []float64{4, math.NaN()}},
	}}
	if err := c.Write(path); err != nil {
		t.Fatal(err)
	}
	img := decode(t, path)
	ours, theirs := near(img, colors[0]), near(img, colors[1])
	if ratio := float64(ours) / float64(theirs); !(ratio > .6 && ratio < .95) { // 3 to 4, and the legend's
		t.Errorf("of bars of 3 and of 4 there are %d and %d pixels", ours, theirs)
	}
	for want, c := range map[string]BarChart{
		"no number above 0": {Names: []string{"one"}, Series: []Bars{{"ours", []float64{math.NaN()}}}},
		"2 numbers for 1":   {Names: []string{"one"}, Series: []Bars{{"ours", []float64{1, 2}}}},
		"has +Inf":          {Names: []string{"one"}, Series: []Bars{{"ours", []float64{math.Inf(1)}}}},
	} {
		if err := c.Write(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
