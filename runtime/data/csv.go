package data

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/regularfile"
)

// maxCSV bounds a CSV file, in bytes: all of it is held in memory as text while it is read.
const maxCSV = 1 << 30

// OpenCSV reads a CSV file (RFC 4180), whose first line names the columns; each is a field. A column of whole numbers is i64, one
// of other numbers f32, and any other is of categories: i64, places in the sorted list of its values, which Values has by the column's
// name. Classes are those of the column "label". An empty cell, and a line of more or fewer columns than the first, is an error.
func OpenCSV(path string) (*Dataset, error) {
	d, err := openCSV(path, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("read csv file %s: %w", path, err)
	}
	return d, nil
}

// openCSV reads a file. If like is not nil, it has the same columns, of the same types, and no other categories. Columns in values are
// of categories, and have these besides those that are read.
func openCSV(path string, like *Dataset, values map[string][]string) (*Dataset, error) {
	f, size, err := regularfile.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size > maxCSV {
		return nil, fmt.Errorf("it has %d bytes, more than the %d that are read: store it as .npz", size, maxCSV)
	}
	names, rows, lines, err := readCSV(f)
	if err != nil {
		return nil, err
	}
	if like != nil {
		if want := like.names(); !slices.Equal(names, want) {
			return nil, fmt.Errorf("its columns are %s, and those of the training part %s", strings.Join(names, ", "), strings.Join(want, ", "))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if like == nil && !slices.Contains(names, name) {
			return nil, fmt.Errorf("it has no column %s, which values.csv names: its columns are %s", name, some(names))
		}
	}
	d := &Dataset{n: len(rows), Values: map[string][]string{}}
	for j, name := range names {
		c := column{name, j, rows, lines}
		var x *tensor.Tensor
		if like == nil {
			x, d.Values[name], err = c.read(values[name])
		} else {
			x, err = c.readAs(like.fields[j].Source.DType(), like.Values[name])
			d.Values[name] = like.Values[name]
		}
		if err != nil {
			return nil, err
		}
		src, err := FromTensor(x)
		if err != nil {
			return nil, err
		}
		d.fields = append(d.fields, Field{name, src})
	}
	maps.DeleteFunc(d.Values, func(_ string, v []string) bool { return v == nil })
	d.Classes = d.Values["label"]
	return d, nil
}

// readCSV reads the names of the columns, the rows, and the line that each begins in.
func readCSV(f io.Reader) (names []string, rows [][]string, lines []int, err error) {
	text := bufio.NewReader(f)
	if mark, _ := text.Peek(3); string(mark) == "\ufeff" { // as spreadsheets write
		text.Discard(3)
	}
	r := csv.NewReader(text)
	r.FieldsPerRecord = -1 // our error says more
	names, err = r.Read()
	if errors.Is(err, io.EOF) {
		return nil, nil, nil, fmt.Errorf("it is empty: its first line is to name the columns")
	}
	if err != nil {
		return nil, nil, nil, err
	}
	for j, name := range names {
		if names[j] = strings.TrimSpace(name); names[j] == "" {
			return nil, nil, nil, fmt.Errorf("line 1: column %d has no name", j+1)
		}
		if slices.Contains(names[:j], names[j]) {
			return nil, nil, nil, fmt.Errorf("line 1: two columns are called %q", names[j])
		}
	}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, nil, nil, err // it has the line
		}
		line, _ := r.FieldPos(0)
		if len(row) != len(names) {
			return nil, nil, nil, fmt.Errorf("line %d has %d columns, and the first line names %d: %s", line, len(row), len(names), some(names))
		}
		rows, lines = append(rows, row), append(lines, line)
	}
	if len(rows) == 0 {
		return nil, nil, nil, fmt.Errorf("it has the columns %s and no rows", some(names))
	}
	return names, rows, lines, nil
}

// column is one column of a file that was read.
type column struct {
	name  string
	at    int
	rows  [][]string
	lines []int
}

// read finds out what the column is, and returns its values as an array, with the categories if it is of such: those that are given,
// if there are any, and those in its rows.
func (c column) read(given []string) (*tensor.Tensor, []string, error) {
	whole, numbers := given == nil, given == nil
	for i, row := range c.rows {
		cell := strings.TrimSpace(row[c.at])
		if cell == "" {
			return nil, nil, c.mistake(i, "is empty: leave the line out, or give a value")
		}
		if _, err := strconv.ParseInt(cell, 10, 64); err != nil {
			whole = false
		}
		if _, err := strconv.ParseFloat(cell, 64); err != nil {
			numbers = false
		}
	}
	var categories []string
	dtype := tensor.I64
	switch {
	case whole:
	case numbers:
		dtype = tensor.F32
	default:
		set := map[string]bool{}
		for _, v := range given {
			set[v] = true
		}
		for _, row := range c.rows {
			set[strings.TrimSpace(row[c.at])] = true
		}
		categories = slices.Sorted(maps.Keys(set))
	}
	x, err := c.readAs(dtype, categories)
	return x, categories, err
}

// readAs reads the column as places among categories or, if there are none, as numbers.
func (c column) readAs(dtype tensor.DType, categories []string) (*tensor.Tensor, error) {
	x := tensor.New(dtype, len(c.rows))
	place := map[string]int{}
	for k, v := range categories {
		place[v] = k
	}
	for i, row := range c.rows {
		cell := strings.TrimSpace(row[c.at])
		switch {
		case categories != nil:
			k, ok := place[cell]
			if !ok {
				return nil, c.mistake(i, fmt.Sprintf("is %q: it is none of %s", cell, some(categories)))
			}
			tensor.Data[int64](x)[i] = int64(k)
		case dtype == tensor.I64:
			v, err := strconv.ParseInt(cell, 10, 64)
			if err != nil {
				return nil, c.mistake(i, fmt.Sprintf("is %q, no whole number", cell))
			}
			tensor.Data[int64](x)[i] = v
		default:
			v, err := strconv.ParseFloat(cell, 32)
			if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
				return nil, c.mistake(i, fmt.Sprintf("is %q, no number that f32 can hold", cell))
			}
			tensor.Data[float32](x)[i] = float32(v)
		}
	}
	return x, nil
}

func (c column) mistake(row int, what string) error {
	return fmt.Errorf("line %d: the column %s %s", c.lines[row], c.name, what)
}

// openCSVs opens a folder with the files train.csv, and validation.csv or test.csv or both, and perhaps values.csv.
func openCSVs(dir string) (s Splits, err error) {
	var values map[string][]string
	if path := filepath.Join(dir, "values.csv"); exists(path) {
		if values, err = readValues(path); err != nil {
			return Splits{}, fmt.Errorf("read csv file %s: %w", path, err)
		}
	}
	path := filepath.Join(dir, "train.csv")
	if s.Train, err = openCSV(path, nil, values); err != nil {
		return Splits{}, fmt.Errorf("read csv file %s: %w", path, err)
	}
	for _, part := range []struct {
		name string
		to   **Dataset
	}{{"validation.csv", &s.Validation}, {"test.csv", &s.Test}} {
		path := filepath.Join(dir, part.name)
		if !exists(path) {
			continue
		}
		if *part.to, err = openCSV(path, s.Train, nil); err != nil {
			return Splits{}, fmt.Errorf("read csv file %s: %w", path, err)
		}
	}
	return s, nil
}

// Join returns the data set with one more field, called name: the named fields side by side, as dtype. They are numbers, one each
// example, as columns of a CSV file are; whole numbers may become floats, and nothing else changes.
func (d *Dataset) Join(name string, dtype tensor.DType, fields ...string) (*Dataset, error) {
	if d.find(name) >= 0 {
		return nil, fmt.Errorf("the data set has a field %q already; it is %v", name, d)
	}
	part, err := d.Select(fields...)
	if err != nil {
		return nil, err
	}
	for _, f := range part.Fields() {
		if len(f.Shape) != 0 {
			return nil, fmt.Errorf("the field %v cannot be joined with others: it is not one number an example", f)
		}
		if f.DType != dtype && !(f.DType == tensor.I64 && dtype == tensor.F32) {
			return nil, fmt.Errorf("the field %v cannot be joined with others as %v", f, dtype)
		}
	}
	x := tensor.New(dtype, d.n, len(fields))
	all := make([]int, d.n)
	for i := range all {
		all[i] = i
	}
	columns, err := part.Take(all...)
	if err != nil {
		return nil, err
	}
	for j, field := range fields {
		for i := range d.n {
			if at, y := i*len(fields)+j, columns[field]; y.DType().Integer() {
				x.SetInt(at, y.Int(i))
			} else {
				x.Set(at, y.At(i))
			}
		}
	}
	if len(fields) == 1 {
		x = x.Reshape(d.n)
	}
	src, err := FromTensor(x)
	if err != nil {
		return nil, err
	}
	s := *d
	if d.lo != 0 { // sources are read from lo on
		src = offset{src, d.lo}
	}
	s.fields = append(slices.Clone(d.fields), Field{name, src})
	return &s, nil
}

// offset is a source whose row at is the first of another.
type offset struct {
	Source
	at int
}

// Len counts the rows before it too.
func (o offset) Len() int { return o.at + o.Source.Len() }

// Gather reads rows from at on.
func (o offset) Gather(dst *tensor.Tensor, rows []int) error {
	moved := make([]int, len(rows))
	for i, r := range rows {
		moved[i] = r - o.at
	}
	return o.Source.Gather(dst, moved)
}
