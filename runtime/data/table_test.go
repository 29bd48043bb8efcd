package data

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestTable reads tables of names and whole numbers as places among their values, with values that no row has.
func TestTable(t *testing.T) {
	path := csvFile(t, "x.csv", "pet,legs\ncat,4\nbird,-2\ncat,10\n")
	d, err := OpenCSV(path)
	if err != nil {
		t.Fatal(err)
	}
	table, err := d.Table("row", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(table.Categories, table); got != "[{pet [bird cat]} {legs [-2 4 10]}] 3 × (row i64[2])" {
		t.Errorf("the table is %s", got)
	}
	rows := func(d *Dataset) string {
		all := make([]int, d.Len())
		for i := range all {
			all[i] = i
		}
		x, err := d.Take(all...)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(x["row"].Raw())
	}
	if got := rows(table); got != "[1 1 0 0 1 2]" {
		t.Errorf("the rows are %s", got)
	}
	part, err := d.Subset(1, 3)
	if err != nil {
		t.Fatal(err)
	}
	if part, err = part.Table("row", table.Categories); err != nil || rows(part) != "[0 0 1 2]" {
		t.Errorf("the last rows are %v: %v", part, err)
	}
	again, err := OpenTable(csvFile(t, "y.csv", "pet,legs\nbird,10\n"), "row", table.Categories)
	if err != nil || rows(again) != "[0 2]" {
		t.Errorf("the rows of another file are %v: %v", again, err)
	}
	x := tensor.Of([]uint8{7, 3, 7}, 3)
	arrays, err := FromArrays(map[string]*tensor.Tensor{"n": x})
	if err == nil {
		arrays, err = arrays.Table("row", nil)
	}
	if err != nil || rows(arrays) != "[1 0 1]" || fmt.Sprint(arrays.Categories) != "[{n [3 7]}]" {
		t.Errorf("the rows of an array are %v: %v", arrays, err)
	}
	for text, want := range map[string]string{
		"pet,legs\nfish,4\n": `line 2: the column pet is "fish": it is none of bird, cat`,
		"pet,legs\ncat,5\n":  `line 2: the column legs is "5": it is none of -2, 4, 10`,
		"legs,pet\n4,cat\n":  "its columns are legs, pet, and those of the training part pet, legs",
		"pet,legs\ncat\n":    "line 2 has 1 columns",
	} {
		if _, err := OpenTable(csvFile(t, "z.csv", text), "row", table.Categories); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "z.csv") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// TestNoTable sees what is said of what is no table of categories.
func TestNoTable(t *testing.T) {
	many := make([]int64, mostValues+1)
	for i := range many {
		many[i] = int64(i)
	}
	long := csvFile(t, "long.csv", "a\n"+strings.Repeat("x", mostValueBytes)+"\ny\n")
	words, err := OpenCSV(long)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := words.Table("row", nil); err == nil || !strings.Contains(err.Error(), "have more than 4194304 bytes, up to the column a") {
		t.Errorf("long names: %v", err)
	}
	for want, x := range map[string]*tensor.Tensor{
		"the column x has 4097 values, more than the 4096": tensor.Of(many, len(many)),
		"the column x is 3 in every row":                   tensor.Of([]int64{3, 3}, 2),
		"the field x f32[] is no column of categories":     tensor.Of([]float32{1, 2}, 2),
		"the field x i64[2] is no column of categories":    tensor.Of([]int64{1, 2, 3, 4}, 2, 2),
	} {
		d, err := FromArrays(map[string]*tensor.Tensor{"x": x})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Table("row", nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestValuesCSV has values that no row of the training part has.
func TestValuesCSV(t *testing.T) {
	for text, want := range map[string]string{
		"column,value\nlegs,8\npet,fish\nlegs,4\n": "",
		"value,column\n8,legs\n":                   "its columns are value, column, want column, value",
		"column,value\nlegs,\n":                    "line 2: the column or the value is empty",
		"column,value\nage,8\n":                    "it has no column age, which values.csv names",
	} {
		dir := t.TempDir()
		for name, text := range map[string]string{"train.csv": "pet,legs\ncat,4\nbird,2\n", "test.csv": "pet,legs\nfish,8\n", "values.csv": text} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		s, err := Open(dir, ImageOptions{})
		if want != "" {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v, want %q", text, err, want)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(s.Train.Values); got != "map[legs:[2 4 8] pet:[bird cat fish]]" {
			t.Errorf("the values are %s", got)
		}
	}
}
