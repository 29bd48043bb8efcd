package data

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/regularfile"
)

// A Column is a column of a table of categories: each value is one of Values.
type Column struct {
	Name   string   `json:"name"`
	Values []string `json:"values"`
}

// What the columns of a table may have: more values, or longer ones, are no categories.
const (
	mostValues     = 4096
	mostValueBytes = 1 << 22 // of all columns
)

// Table returns the data set of one field, called name, i64[columns]: the fields of d side by side, as places among the values of
// columns, which its Categories are. These are found in d if they are nil: of a field of names, those in Values; of one of whole numbers,
// the numbers that there are, by their size. It is an error if a field is neither, if it has one value or more than 4,096, and, where
// columns are given, if d has others or a value that they lack.
func (d *Dataset) Table(name string, columns []Column) (*Dataset, error) {
	for _, f := range d.Fields() {
		if len(f.Shape) != 0 || !f.DType.Integer() {
			return nil, fmt.Errorf("the field %v is no column of categories: want names or whole numbers", f)
		}
	}
	if columns != nil {
		var want []string
		for _, c := range columns {
			want = append(want, c.Name)
		}
		if !slices.Equal(d.names(), want) {
			return nil, fmt.Errorf("its columns are %s, and those of the training data %s", some(d.names()), some(want))
		}
	}
	all := make([]int, d.n)
	for i := range all {
		all[i] = i
	}
	fields, err := d.Take(all...)
	if err != nil {
		return nil, err
	}
	if columns == nil {
		if columns, err = d.columns(fields); err != nil {
			return nil, err
		}
	}
	x := tensor.New(tensor.I64, d.n, len(columns))
	for j, c := range columns {
		place := map[string]int64{}
		for k, v := range c.Values {
			place[v] = int64(k)
		}
		for i := range d.n {
			text := d.text(c.Name, fields[c.Name].Int(i))
			k, ok := place[text]
			if !ok {
				return nil, fmt.Errorf("row %d: the column %s is %q, which the training data do not have: they have %s", i+1, c.Name, text, some(c.Values))
			}
			x.SetInt(i*len(columns)+j, k)
		}
	}
	src, err := FromTensor(x)
	if err != nil {
		return nil, err
	}
	table, err := New(Field{name, src})
	if err == nil {
		table.Categories = columns
	}
	return table, err
}

// text is a value of a field of names or whole numbers, as a file has it.
func (d *Dataset) text(field string, v int64) string {
	if names := d.Values[field]; v >= 0 && v < int64(len(names)) {
		return names[v]
	}
	return strconv.FormatInt(v, 10)
}

// columns are the columns of d, whose fields were read.
func (d *Dataset) columns(fields map[string]*tensor.Tensor) ([]Column, error) {
	var out []Column
	bytes := 0
	for _, name := range d.names() {
		values := d.Values[name]
		if values == nil {
			seen := map[int64]bool{}
			for i := range d.n {
				seen[fields[name].Int(i)] = true
			}
			for _, v := range slices.Sorted(maps.Keys(seen)) {
				values = append(values, d.text(name, v))
			}
		}
		for _, v := range values {
			bytes += len(v)
		}
		switch {
		case len(values) == 1:
			return nil, fmt.Errorf("the column %s is %s in every row, and tells nothing: leave it out", name, values[0])
		case len(values) > mostValues:
			return nil, fmt.Errorf("the column %s has %d values, more than the %d that categories may have: leave it out, or make them fewer", name, len(values), mostValues)
		case bytes > mostValueBytes:
			return nil, fmt.Errorf("the names of the columns' values have more than %d bytes, up to the column %s: leave it out, or make them shorter", mostValueBytes, name)
		}
		out = append(out, Column{name, values})
	}
	return out, nil
}

// OpenTable reads a CSV file of the given columns, as [OpenCSV] and [Dataset.Table] do.
func OpenTable(path, name string, columns []Column) (*Dataset, error) {
	like := &Dataset{Values: map[string][]string{}}
	for _, c := range columns {
		like.Values[c.Name] = c.Values
		like.fields = append(like.fields, Field{c.Name, &rows{x: tensor.New(tensor.I64, 0), dtype: tensor.I64, size: 1}})
	}
	d, err := openCSV(path, like, nil)
	if err == nil {
		d, err = d.Table(name, columns)
	}
	if err != nil {
		return nil, fmt.Errorf("read csv file %s: %w", path, err)
	}
	return d, nil
}

// readValues reads a CSV file with the columns column and value: what values the columns of a table may have besides those in its
// rows.
func readValues(path string) (map[string][]string, error) {
	f, size, err := regularfile.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size > mostValueBytes {
		return nil, fmt.Errorf("it has %d bytes, more than %d", size, mostValueBytes)
	}
	names, rows, lines, err := readCSV(f)
	if err != nil {
		return nil, err
	}
	if !slices.Equal(names, []string{"column", "value"}) {
		return nil, fmt.Errorf("its columns are %s, want column, value", some(names))
	}
	out := map[string][]string{}
	for i, row := range rows {
		column, value := strings.TrimSpace(row[0]), strings.TrimSpace(row[1])
		if column == "" || value == "" {
			return nil, fmt.Errorf("line %d: the column or the value is empty", lines[i])
		}
		out[column] = append(out[column], value)
	}
	return out, nil
}
