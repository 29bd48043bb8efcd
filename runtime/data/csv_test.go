package data

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

func csvFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestCSV reads columns of each type.
func TestCSV(t *testing.T) {
	path := csvFile(t, "x.csv", "\ufeffn, size,label,\"a, b\"\r\n1,2.5,boot,7\n-3,1e2,bag,8\n\n4, 3 ,\"shirt, long\",9\n")
	s, err := Open(path, ImageOptions{})
	if err != nil {
		t.Fatal(err)
	}
	d := s.Train
	if got, want := d.String(), "3 × (n i64[], size f32[], label i64[], a, b i64[])"; got != want {
		t.Errorf("it is %s, want %s", got, want)
	}
	if got := fmt.Sprintf("%q", d.Classes); got != `["bag" "boot" "shirt, long"]` || len(d.Values) != 1 {
		t.Errorf("the classes are %s, the categories %v", got, d.Values)
	}
	x, err := d.Take(0, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"n": "[1 -3 4]", "size": "[2.5 100 3]", "label": "[1 0 2]", "a, b": "[7 8 9]"} {
		if got := fmt.Sprint(x[name].Raw()); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

// TestBadCSV sees what is said of files that cannot be read: the line, and the column.
func TestBadCSV(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "it is empty",
		"a,b\n":                          "it has the columns a, b and no rows",
		"a,b\n1,2\n3\n":                  "line 3 has 1 columns, and the first line names 2: a, b",
		"a,b\n1,2\n3,4,5\n":              "line 3 has 3 columns",
		"a,b\n\"x\ny\",2\n3\n":           "line 4 has 1 columns",
		"a,\n1,2\n":                      "column 2 has no name",
		"a,a\n1,2\n":                     `two columns are called "a"`,
		"a,b\n1,2\n3,\n":                 "line 3: the column b is empty",
		"a,b\n1,2.5\n3,NaN\n":            `line 3: the column b is "NaN", no number that f32 can hold`,
		"a,b\n1,2.5\n3,1e60\n":           `line 3: the column b is "1e60"`,
		"a,b\n1,\"2\n":                   "extraneous or missing",
		"a\n1\n99999999999999999999.5\n": "",
	} {
		_, err := OpenCSV(csvFile(t, "x.csv", text))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "x.csv")) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// TestCSVParts reads a folder whose parts have the columns and categories of the training part.
func TestCSVParts(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("train.csv", "hair,n\nlong,1.5\nshort,2\nnone,3\n")
	write("test.csv", "hair,n\nshort,2\n")
	s, err := Open(dir, ImageOptions{})
	if err != nil {
		t.Fatal(err)
	}
	x, err := s.Test.Take(0)
	if err != nil || x["hair"].At(0) != 2 || x["n"].DType() != tensor.F32 || s.Validation != nil {
		t.Errorf("test.csv: %v, %v", x, err)
	}
	write("validation.csv", "frob\n1\n")
	write("test.csv", "frob\n1\n")
	for range 10 { // of two bad files the same one is told each time
		if _, err := Open(dir, ImageOptions{}); err == nil || !strings.Contains(err.Error(), "validation.csv") {
			t.Fatalf("%v", err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "validation.csv")); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"hair,n\nshort,2\nred,2\n": `test.csv: line 3: the column hair is "red": it is none of long, none, short`,
		"hair,m\nshort,2\n":        "its columns are hair, m, and those of the training part hair, n",
		"hair,n\nshort,x\n":        `line 2: the column n is "x"`,
	} {
		write("test.csv", text)
		if _, err := Open(dir, ImageOptions{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// TestJoin puts columns side by side, of a part of a data set too.
func TestJoin(t *testing.T) {
	d, err := OpenCSV(csvFile(t, "x.csv", "a,b,c\n1,.5,u\n2,1.5,v\n3,2.5,u\n"))
	if err != nil {
		t.Fatal(err)
	}
	if d, err = d.Subset(1, 3); err != nil {
		t.Fatal(err)
	}
	j, err := d.Join("x", tensor.F32, "a", "b", "c")
	if err != nil {
		t.Fatal(err)
	}
	x, err := j.Take(0, 1)
	if err != nil || fmt.Sprint(x["x"].Raw()) != "[2 1.5 1 3 2.5 0]" || fmt.Sprint(x["a"].Raw()) != "[2 3]" {
		t.Errorf("it is %v, %v", x["x"].Raw(), err)
	}
	ids, err := OpenCSV(csvFile(t, "ids.csv", "a,b\n9007199254740993,1\n"))
	if err != nil {
		t.Fatal(err)
	}
	if ids, err = ids.Join("x", tensor.I64, "a", "b"); err != nil {
		t.Fatal(err)
	}
	if x, err := ids.Take(0); err != nil || fmt.Sprint(x["x"].Raw()) != "[9007199254740993 1]" {
		t.Errorf("it is %v, %v", x["x"].Raw(), err)
	}
	for want, try := range map[string]func() (*Dataset, error){
		`no field "z"`:       func() (*Dataset, error) { return d.Join("x", tensor.F32, "a", "z") },
		`a field "a"`:        func() (*Dataset, error) { return d.Join("a", tensor.F32, "a", "b") },
		"as i64":             func() (*Dataset, error) { return d.Join("x", tensor.I64, "a", "b") },
		"not one number":     func() (*Dataset, error) { return j.Join("y", tensor.F32, "x", "b") },
		"joined with others": func() (*Dataset, error) { return j.Join("y", tensor.F32, "x", "b") },
	} {
		if _, err := try(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
