package data

import (
	"bufio"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/sardonyx-ml/sardonyx/runtime/regularfile"
)

// The files that say which attributes the images of a folder have: ours, and those of CelebA (Liu et al. 2015).
const (
	attributesCSV   = "attributes.csv"
	celebAttributes = "list_attr_celeba.txt"
	celebPartition  = "list_eval_partition.txt"
	celebImages     = "img_align_celeba"
)

// maxValues is how many different names an attribute may have: more are not values but remarks, or names of the examples.
const maxValues = 1000

// A table is what such a file says.
type table struct {
	file   string   // its name, for messages
	names  []string // of the attributes
	rows   []tableRow
	signs  bool   // every value is -1 or 1
	images string // the folder that the rows' files are in
}

type tableRow struct {
	line   int
	file   string // of the image, with slashes
	split  string
	values []string
}

// errorf is an error about a line of the table.
func (t *table) errorf(line int, format string, args ...any) error {
	return fmt.Errorf("%s line %d: %s", t.file, line, fmt.Sprintf(format, args...))
}

// findTable reads the table of a folder of images; it is nil if the folder has none.
func findTable(dir string) (*table, error) {
	if path := filepath.Join(dir, attributesCSV); exists(path) {
		return readAttributes(path)
	}
	for _, sub := range []string{"", "Anno"} {
		path := filepath.Join(dir, sub, celebAttributes)
		if !exists(path) {
			continue
		}
		t, err := readCelebA(path)
		if err != nil {
			return nil, err
		}
		t.images = dir
		if in := filepath.Join(dir, celebImages); isDir(in) {
			t.images = in
		}
		for _, sub := range []string{"", "Eval"} {
			if path := filepath.Join(dir, sub, celebPartition); exists(path) {
				return t, t.partition(path)
			}
		}
		return t, nil
	}
	return nil, nil
}

// readAttributes reads a table: a line with the columns' names, then a line for each image. The first column is the image's file, relative
// to the table's folder; a column "split" is the part that it belongs to; the others are attributes.
func readAttributes(path string) (*table, error) {
	f, size, err := regularfile.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t := &table{file: filepath.Base(path), images: filepath.Dir(path)}
	if size > maxCSV {
		return nil, fmt.Errorf("%s has %d bytes, more than the %d that are read", t.file, size, maxCSV)
	}
	head, rows, lines, err := readCSV(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.file, err)
	}
	if len(head) < 2 {
		return nil, t.errorf(1, "it has %d column, but the first is the image's file, and each other is an attribute", len(head))
	}
	split := slices.Index(head, "split")
	t.names = slices.DeleteFunc(slices.Clone(head[1:]), func(name string) bool { return name == "split" })
	for i, cells := range rows {
		row := tableRow{line: lines[i], file: filepath.ToSlash(strings.TrimSpace(cells[0])), split: "train"}
		for j, v := range cells[1:] {
			v = strings.TrimSpace(v)
			if j+1 != split {
				row.values = append(row.values, v)
			} else if row.split = splitOf(v); row.split == "" {
				return nil, t.errorf(row.line, "the split %q is none of train, validation and test", v)
			}
		}
		t.rows = append(t.rows, row)
	}
	return t, nil
}

// eachLine calls do with the words of each line of a file, but for empty ones at its end.
func eachLine(path string, do func(line int, words []string) error) error {
	f, _, err := regularfile.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	empty := 0
	for line := 1; s.Scan(); line++ {
		words := strings.Fields(s.Text())
		if len(words) == 0 {
			empty = line
			continue
		}
		if empty > 0 {
			return fmt.Errorf("%s line %d: it is empty", filepath.Base(path), empty)
		}
		if err := do(line, words); err != nil {
			return err
		}
	}
	if err := s.Err(); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return nil
}

// readCelebA reads CelebA's table: the number of images, the attributes' names, and a line for each image with its file and, for each
// attribute, 1 or -1.
func readCelebA(path string) (*table, error) {
	t := &table{file: filepath.Base(path), signs: true}
	count := 0
	err := eachLine(path, func(line int, words []string) (err error) {
		switch line {
		case 1:
			if count, err = strconv.Atoi(words[0]); err != nil || len(words) > 1 || count < 0 {
				return t.errorf(1, "want the number of images, not %q", strings.Join(words, " "))
			}
		case 2:
			t.names = words
		default:
			if len(words) != len(t.names)+1 {
				return t.errorf(line, "it has %d columns, but a file and %d attributes are wanted", len(words), len(t.names))
			}
			t.rows = append(t.rows, tableRow{line: line, file: words[0], split: "train", values: words[1:]})
		}
		return nil
	})
	if err == nil && len(t.rows) != count {
		err = t.errorf(1, "it says that there are %d images, but lines for %d follow: is the file whole?", count, len(t.rows))
	}
	return t, err
}

// partition reads CelebA's file of parts: a line for each image with its file and 0, 1 or 2, for training, validation and test.
func (t *table) partition(path string) error {
	p := &table{file: filepath.Base(path)}
	at := make(map[string]int, len(t.rows))
	for i, r := range t.rows {
		at[r.file] = i
	}
	err := eachLine(path, func(line int, words []string) error {
		if len(words) != 2 {
			return p.errorf(line, "it has %d columns, but a file and a part are wanted", len(words))
		}
		i, ok := at[words[0]]
		if !ok {
			return p.errorf(line, "the image %s is not in %s, or is here twice", words[0], t.file)
		}
		k := slices.Index([]string{"0", "1", "2"}, words[1])
		if k < 0 {
			return p.errorf(line, "the part %q is none of 0, 1 and 2", words[1])
		}
		t.rows[i].split = splitNames[k].split
		delete(at, words[0])
		return nil
	})
	if err != nil {
		return err
	}
	for _, r := range t.rows {
		if _, ok := at[r.file]; ok {
			return t.errorf(r.line, "the image %s has no part in %s", r.file, p.file)
		}
	}
	return nil
}

// columns are the attributes, with the value of each row.
func (t *table) columns() ([]attributeColumn, error) {
	list := make([]attributeColumn, len(t.names))
	for k, name := range t.names {
		if slices.Contains(t.names[:k], name) {
			return nil, fmt.Errorf("%s has two columns called %q", t.file, name)
		}
		c, err := t.column(k)
		if err != nil {
			return nil, err
		}
		list[k] = c
	}
	return list, nil
}

// The words of an attribute that an example has or has not, by what they mean.
var yesNo = map[string]float32{"no": 0, "yes": 1, "false": 0, "true": 1}

// column is attribute k. The first row decides what it is: no and yes, a number, or names; numbers that all are written 0 and 1, or -1
// and 1, are no and yes too. One that is written 0.0 or 1.0 is measured: it only happens to be at an end.
func (t *table) column(k int) (attributeColumn, error) {
	c := attributeColumn{Attribute: Attribute{Name: t.names[k]}, x: make([]float32, len(t.rows))}
	first := t.rows[0]
	_, words := yesNo[strings.ToLower(first.values[k])]
	_, err := strconv.ParseFloat(first.values[k], 32)
	numbers, counted := err == nil, true
	var known []string // the names in the training part
	for i, r := range t.rows {
		v := r.values[k]
		switch {
		case v == "":
			return c, t.errorf(r.line, "%s has no value for %s", r.file, c.Name)
		case t.signs && v != "1" && v != "-1":
			return c, t.errorf(r.line, "%s of %s is %q, neither 1 nor -1", c.Name, r.file, v)
		case words:
			yes, ok := yesNo[strings.ToLower(v)]
			if !ok {
				return c, t.errorf(r.line, "%s of %s is %q, neither yes nor no, as it is in line %d", c.Name, r.file, v, first.line)
			}
			c.x[i] = yes
		case numbers:
			f, err := strconv.ParseFloat(v, 32)
			if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
				return c, t.errorf(r.line, "%s of %s is %q, not a finite number, as it is in line %d", c.Name, r.file, v, first.line)
			}
			c.x[i] = float32(f)
			_, err = strconv.Atoi(v)
			counted = counted && err == nil
		case r.split == "train" && !slices.Contains(known, v):
			if known = append(known, v); len(known) > maxValues {
				return c, t.errorf(r.line, "%s has more than %d different values: leave the column out, or group them", c.Name, maxValues)
			}
		}
	}
	switch {
	case words:
		c.Values = noYes
		return c, nil
	case numbers && counted && (within(c.x, 0, 1) || within(c.x, -1, 1)):
		c.Values = noYes
		for i := range c.x {
			c.x[i] = max(c.x[i], 0)
		}
		return c, nil
	case numbers:
		return c, nil
	}
	slices.Sort(known)
	c.Values = known
	for i, r := range t.rows {
		at, ok := slices.BinarySearch(known, r.values[k])
		if !ok {
			return c, t.errorf(r.line, "%s of %s is %q, which no image of the training part is: there are %s", c.Name, r.file, r.values[k], some(known))
		}
		c.x[i] = float32(at)
	}
	return c, nil
}

// within reports whether every element of x is a or b.
func within(x []float32, a, b float32) bool {
	return !slices.ContainsFunc(x, func(v float32) bool { return v != a && v != b })
}

// openTable opens the images of a table with their attributes, in the table's order.
func openTable(t *table, opt ImageOptions) (s Splits, err error) {
	if len(t.rows) == 0 {
		return Splits{}, fmt.Errorf("%s has no images", t.file)
	}
	if t.images, err = filepath.EvalSymlinks(t.images); err != nil { // the folder itself may be a link
		return Splits{}, err
	}
	if err := t.checkFiles(); err != nil {
		return Splits{}, err
	}
	if !slices.ContainsFunc(t.rows, func(r tableRow) bool { return r.split == "train" }) {
		return Splits{}, fmt.Errorf("%s has no images to train on", t.file)
	}
	columns, err := t.columns()
	if err != nil {
		return Splits{}, err
	}
	for _, part := range []struct {
		split string
		to    **Dataset
	}{{"train", &s.Train}, {"validation", &s.Validation}, {"test", &s.Test}} {
		var files []string
		own := make([]attributeColumn, len(columns))
		for k, c := range columns {
			own[k].Attribute = c.Attribute
		}
		for i, r := range t.rows {
			if r.split != part.split {
				continue
			}
			files = append(files, r.file)
			for k, c := range columns {
				own[k].x = append(own[k].x, c.x[i])
			}
		}
		if len(files) == 0 {
			continue
		}
		images, err := readImages(t.images, files, &opt)
		if err != nil {
			return Splits{}, err
		}
		if *part.to, err = withAttributes(images, own); err != nil {
			return Splits{}, fmt.Errorf("%s: %w", t.file, err)
		}
	}
	return s, nil
}

// checkFiles holds that the rows' files are the images of the folder, each once.
func (t *table) checkFiles() error {
	there, err := imageFiles(t.images)
	if err != nil {
		return err
	}
	left := make(map[string]bool, len(there))
	for _, f := range there {
		left[f] = true
	}
	for _, r := range t.rows {
		unused, ok := left[r.file]
		switch {
		case r.file == "":
			return t.errorf(r.line, "the first column has no file")
		case !ok:
			return t.errorf(r.line, "there is no image %s in %s", r.file, t.images)
		case !unused:
			return t.errorf(r.line, "the image %s has had a line before", r.file)
		}
		left[r.file] = false
	}
	var others []string
	for _, f := range there {
		if left[f] {
			others = append(others, f)
		}
	}
	if len(others) > 0 {
		return errors.New(t.file + " has no line for " + some(others) + ": add lines, or move the images away")
	}
	return nil
}
