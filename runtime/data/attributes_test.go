package data

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// writePictures writes 2×2 PNG files in dir, the k-th of grey level k.
func writePictures(t *testing.T, dir string, names ...string) {
	t.Helper()
	for k, name := range names {
		img := image.NewGray(image.Rect(0, 0, 2, 2))
		for i := range 4 {
			img.SetGray(i%2, i/2, color.Gray{uint8(k)})
		}
		var b bytes.Buffer
		if err := png.Encode(&b, img); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, name), b.Bytes())
	}
}

const facesCSV = `file,smile,hair,age,tall,split
a.png,yes,blonde,31.5,1,train
"b, c.png",No,black,20,0,train
sub/d.png,true,blonde,-4,1,val
e.png,false,black,50,0,TEST
`

func TestAttributesCSV(t *testing.T) {
	dir := t.TempDir()
	writePictures(t, dir, "a.png", "b, c.png", "sub/d.png", "e.png")
	writeFile(t, filepath.Join(dir, attributesCSV), []byte("\ufeff"+facesCSV))
	s := must(Open(dir, ImageOptions{}))(t)
	const fields = "(image f32[3 2 2], smile i64[], hair i64[], age f32[], tall i64[], attributes f32[5])"
	for want, d := range map[string]*Dataset{"2 × " + fields: s.Train, "1 × " + fields: s.Validation} {
		if d.String() != want {
			t.Errorf("got %v, want %s", d, want)
		}
	}
	if got := s.Test.Columns(); !slices.Equal(got, []string{"smile", "hair=black", "hair=blonde", "age", "tall"}) {
		t.Errorf("columns %v", got)
	}
	var list []string
	for _, a := range s.Train.Attributes {
		list = append(list, a.String())
	}
	if got := strings.Join(list, ", "); got != "smile, hair (black, blonde), age (a number), tall" {
		t.Errorf("attributes %s", got)
	}
	for _, tt := range []struct {
		d       *Dataset
		row     int
		grey    float32
		hair    int64
		vectors []float32
	}{
		{s.Train, 0, 0, 1, []float32{1, 0, 1, 31.5, 1}},
		{s.Train, 1, 1. / 255, 0, []float32{0, 1, 0, 20, 0}},
		{s.Validation, 0, 2. / 255, 1, []float32{1, 0, 1, -4, 1}},
		{s.Test, 0, 3. / 255, 0, []float32{0, 1, 0, 50, 0}},
	} {
		got := must(tt.d.Take(tt.row))(t)
		if !slices.Equal(tensor.Data[float32](got["attributes"]), tt.vectors) || tensor.Data[int64](got["hair"])[0] != tt.hair ||
			tensor.Data[float32](got["image"])[0] != tt.grey {
			t.Errorf("%v: attributes %v, hair %v, grey %v", tt, got["attributes"].Float64s(), got["hair"].Float64s(), got["image"].At(0))
		}
	}
	two := must(must(s.Train.Subset(0, 1))(t).Select("image", "hair"))(t)
	if len(two.Attributes) != 1 || two.Attributes[0].Name != "hair" || len(s.Train.Attributes) != 4 {
		t.Errorf("selected attributes %v of %v", two.Attributes, s.Train.Attributes)
	}
}

// TestNumbersOrYesNo reads columns of 0 and 1, which are no and yes, unless one of them is written as a measured number is.
func TestNumbersOrYesNo(t *testing.T) {
	for _, tt := range []struct {
		column string // a cell for each of three images
		values []string
		want   []float64
	}{
		{"0 1 1", noYes, []float64{0, 1, 1}},
		{"-1 1 -1", noYes, []float64{0, 1, 0}},
		{"1 1 1", noYes, []float64{1, 1, 1}},
		{"0.0 1.0 1.0", nil, []float64{0, 1, 1}},
		{"0 1 1.0", nil, []float64{0, 1, 1}},
		{"-1.0 1.0 1", nil, []float64{-1, 1, 1}},
		{"0 1 1e0", nil, []float64{0, 1, 1}},
		{"0 1 0.5", nil, []float64{0, 1, .5}},
		{"0 1 2", nil, []float64{0, 1, 2}},
		{"-1 0 1", nil, []float64{-1, 0, 1}},
	} {
		tb := &table{file: "t", names: []string{"has"}}
		for i, v := range strings.Fields(tt.column) {
			tb.rows = append(tb.rows, tableRow{line: i + 2, file: "a.png", split: "train", values: []string{v}})
		}
		c := must(tb.columns())(t)[0]
		if got := tensor.Of(c.x, len(c.x)).Float64s(); !slices.Equal(c.Values, tt.values) || !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, with the values %v; want %v, %v", tt.column, got, c.Values, tt.want, tt.values)
		}
	}
}

// A column called label is what a classifier learns.
func TestAttributesLabel(t *testing.T) {
	dir := t.TempDir()
	writePictures(t, dir, "a.png", "b.png")
	writeFile(t, filepath.Join(dir, attributesCSV), []byte("image_id,label\nb.png,dog\na.png,cat\n"))
	d := must(Open(dir, ImageOptions{}))(t).Train
	if got := must(d.Take(0))(t); !slices.Equal(d.Classes, []string{"cat", "dog"}) || got["label"].At(0) != 1 || got["image"].At(0) == 0 {
		t.Errorf("classes %v, label %v, grey %v", d.Classes, got["label"].At(0), got["image"].At(0))
	}
}

func TestAttributesCSVErrors(t *testing.T) {
	edit := func(from, to string) string { return strings.Replace(facesCSV, from, to, 1) }
	tests := []struct{ name, csv, want string }{
		{"short row", edit("20,0,train", "20,train"), "attributes.csv: line 3 has 5 columns, and the first line names 6: file, smile, hair"},
		{"long row", edit("20,0,train", "20,0,train,"), "line 3 has 7 columns"},
		{"picture missing", edit("e.png", "f.png"), "line 5: there is no image f.png in "},
		{"picture twice", edit("e.png", "a.png"), "line 5: the image a.png has had a line before"},
		{"outside", edit("e.png", "../e.png"), "line 5: there is no image ../e.png"},
		{"no line", edit("e.png,false,black,50,0,TEST\n", ""), "attributes.csv has no line for e.png"},
		{"neither yes nor no", edit("false", "perhaps"), `line 5: smile of e.png is "perhaps", neither yes nor no, as it is in line 2`},
		{"no number", edit("50", "old"), `line 5: age of e.png is "old", not a finite number`},
		{"infinite", edit("50", "inf"), `line 5: age of e.png is "inf", not a finite number`},
		{"unknown name", edit("e.png,false,black", "e.png,false,green"), `line 5: hair of e.png is "green", which no image of the training part is: there are black, blonde`},
		{"no value", edit("blonde,-4", ",-4"), "line 4: sub/d.png has no value for hair"},
		{"split", edit("TEST", "spare"), `line 5: the split "spare" is none of train, validation and test`},
		{"no training", strings.ReplaceAll(facesCSV, ",train", ",test"), "has no images to train on"},
		{"same name", edit("tall", "smile"), `line 1: two columns are called "smile"`},
		{"no name", edit("tall", ""), "line 1: column 5 has no name"},
		{"name of a field", edit("tall", "image"), `two fields of the data set are called "image"`},
		{"name of the vector", edit("tall", "attributes"), `an attribute cannot be called "attributes"`},
		{"one column", "file\na.png\n", "line 1: it has 1 column"},
		{"quote", edit("e.png,false", "e.png,\"false"), "attributes.csv: parse error on line 5"},
		{"empty", "", "attributes.csv: it is empty"},
		{"no rows", "file,smile\n", "attributes.csv: it has the columns file, smile and no rows"},
	}
	dir := t.TempDir()
	writePictures(t, dir, "a.png", "b, c.png", "sub/d.png", "e.png")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			writeFile(t, filepath.Join(dir, attributesCSV), []byte(tt.csv))
			_, err := Open(dir, ImageOptions{})
			wantErr(t, err, "open data "+dir, tt.want)
		})
	}
	var many strings.Builder
	many.WriteString("file,name\n")
	var files []string
	for i := range maxValues + 1 {
		files = append(files, strings.Repeat("x", i+1))
	}
	tb := &table{file: "t", names: []string{"name"}}
	for i, f := range files {
		tb.rows = append(tb.rows, tableRow{line: i + 2, file: f, split: "train", values: []string{f}})
	}
	_, err := tb.columns()
	wantErr(t, err, "t line 1002: name has more than 1000 different values")
}

const celebA = `3
5_o_Clock_Shadow Smiling Young
000001.jpg.png -1  1  1
000002.jpg.png -1 -1  1
000003.jpg.png  1 -1 -1
`

const celebAParts = "000001.jpg.png 0\n000002.jpg.png 1\n000003.jpg.png 2\n"

func TestCelebA(t *testing.T) {
	for _, layout := range []struct{ images, table, parts string }{
		{"img_align_celeba", "Anno", "Eval"}, {"img_align_celeba", "", ""}, {"", "", ""}, {"", "", "none"},
	} {
		dir := t.TempDir()
		writePictures(t, filepath.Join(dir, layout.images), "000001.jpg.png", "000002.jpg.png", "000003.jpg.png")
		writeFile(t, filepath.Join(dir, layout.table, celebAttributes), []byte(celebA))
		if layout.parts != "none" {
			writeFile(t, filepath.Join(dir, layout.parts, celebPartition), []byte(celebAParts))
		}
		s := must(Open(dir, ImageOptions{}))(t)
		last, train := s.Test, 1
		if layout.parts == "none" {
			last, train = s.Train, 3
		}
		if s.Train.Len() != train || last == nil || (s.Validation == nil) != (layout.parts == "none") {
			t.Fatalf("%v: %v, %v, %v", layout, s.Train, s.Validation, s.Test)
		}
		got := must(last.Take(last.Len() - 1))(t)
		if want := []float32{1, 0, 0}; !slices.Equal(tensor.Data[float32](got["attributes"]), want) || got["image"].At(0) != float64(float32(2)/255) {
			t.Errorf("%v: attributes %v, want %v; grey %v", layout, got["attributes"].Float64s(), want, got["image"].At(0))
		}
		if got := last.Columns(); !slices.Equal(got, []string{"5_o_Clock_Shadow", "Smiling", "Young"}) {
			t.Errorf("%v: columns %v", layout, got)
		}
	}
}

func TestCelebAErrors(t *testing.T) {
	tests := []struct{ name, old, new, want string }{
		{"count", "3\n5", "4\n5", "list_attr_celeba.txt line 1: it says that there are 4 images, but lines for 3 follow"},
		{"no count", "3\n5", "three\n5", `line 1: want the number of images, not "three"`},
		{"short row", "-1 -1  1\n", "-1 -1\n", "line 4: it has 3 columns, but a file and 3 attributes are wanted"},
		{"value", "-1 -1  1\n", "-1 0  1\n", `line 4: Smiling of 000002.jpg.png is "0", neither 1 nor -1`},
		{"picture missing", "000002.jpg.png -1", "000009.jpg.png -1", "list_eval_partition.txt line 2: the image 000002.jpg.png is not in list_attr_celeba.txt"},
		{"empty line", "\n000002", "\n\n000002", "line 4: it is empty"},
		{"part", "2.jpg.png 1\n", "2.jpg.png 3\n", `list_eval_partition.txt line 2: the part "3" is none of 0, 1 and 2`},
		{"no part", "000002.jpg.png 1\n", "", "list_attr_celeba.txt line 4: the image 000002.jpg.png has no part in list_eval_partition.txt"},
		{"part twice", "000002.jpg.png 1\n", "000001.jpg.png 1\n", "list_eval_partition.txt line 2: the image 000001.jpg.png is not in list_attr_celeba.txt, or is here twice"},
		{"columns of parts", "2.jpg.png 1\n", "2.jpg.png\n", "list_eval_partition.txt line 2: it has 1 columns"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			writePictures(t, dir, "000001.jpg.png", "000002.jpg.png", "000003.jpg.png")
			both := strings.Replace(celebA+"|"+celebAParts, tt.old, tt.new, 1)
			attributes, parts, _ := strings.Cut(both, "|")
			writeFile(t, filepath.Join(dir, celebAttributes), []byte(attributes))
			writeFile(t, filepath.Join(dir, celebPartition), []byte(parts))
			_, err := Open(dir, ImageOptions{})
			wantErr(t, err, tt.want)
		})
	}
	dir := t.TempDir()
	writePictures(t, dir, "000001.jpg.png", "000002.jpg.png")
	writeFile(t, filepath.Join(dir, celebAttributes), []byte(celebA))
	_, err := Open(dir, ImageOptions{})
	wantErr(t, err, "list_attr_celeba.txt line 5: there is no image 000003.jpg.png in ")
}

// TestPortraits holds that a portrait is the same however many are asked for at once, in whatever order, on however many CPUs.
func TestPortraits(t *testing.T) {
	s := must(Load("portraits-32", ""))(t)
	if s.Train.Len() != trainPortraits || s.Test.Len() != testPortraits || s.Validation != nil {
		t.Fatalf("%v, %v", s.Train, s.Test)
	}
	if got := s.Train.Fields()[0].String(); got != "image f32[3 32 32]" {
		t.Errorf("the first field is %s", got)
	}
	rows := []int{7, 3, 1999, 3, 0, 40, 41, 42, 43}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	many := must(s.Test.Take(rows...))(t)
	again := must(s.Test.Take(rows...))(t)
	runtime.GOMAXPROCS(1)
	other := must(Load("portraits-32", ""))(t)
	for i, row := range rows {
		one := must(other.Test.Take(row))(t)
		for name, x := range one {
			for k := range x.Len() {
				if a, b, c := x.At(k), many[name].At(i*x.Len()+k), again[name].At(i*x.Len()+k); a != b || a != c {
					t.Fatalf("portrait %d, %s[%d]: %v alone, %v among others, %v again", row, name, k, a, b, c)
				}
			}
		}
	}
	at := func(name string) float64 { return many[name].At(0) }
	columns, vectors := s.Test.Columns(), many["attributes"]
	element := func(name string) float64 { return vectors.At(slices.Index(columns, name)) }
	hair := s.Test.Attributes[5]
	if hair.Name != "hair" || element("hair="+hair.Values[int(at("hair"))]) != 1 || element("smile") != at("smile") || element("mouth") != at("mouth") {
		t.Errorf("columns %v, vector %v", columns, vectors.Float64s()[:len(columns)])
	}
	if (at("mouth") > .3) != (at("smile") == 1) {
		t.Errorf("smile %v with a mouth of %v", at("smile"), at("mouth"))
	}
	train := must(s.Train.Take(0))(t)["image"]
	if slices.Equal(train.Float64s(), must(s.Test.Take(0))(t)["image"].Float64s()) {
		t.Error("the test begins with the training part's first portrait")
	}
	_, err := Fetch(t.Context(), "portraits", FetchOptions{})
	wantErr(t, err, "there is nothing to fetch: it is drawn as it is read")
}
