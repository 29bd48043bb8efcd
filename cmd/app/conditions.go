package app

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/exporters/numpy"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
)

// conditions makes what is chosen, or would have been.
func (f feeder) conditions(out *feeding, inputs []onnxruntime.Info, feeds map[string]models.Feed, arrays map[string]*tensor.Tensor) error {
	labels := 0
	for _, name := range sortedKeys(feeds) {
		feed, text := feeds[name], f.chosen[name]
		_, chosen := f.chosen[name]
		if feed.Noise != "" && !chosen {
			continue
		}
		in := info(inputs, name)
		shape, err := exampleShape(in, out.count)
		if err != nil {
			return err
		}
		x := tensor.New(in.DType, shape...)
		if given := arrays[name]; given != nil {
			if x = given; !slices.Equal(x.Shape(), shape) || x.DType() != in.DType {
				return fmt.Errorf("%s: it is %v, and the input takes %v for %d samples", f.flag(name), x, tensor.New(in.DType, shape...), out.count)
			}
			if err := checkLabels(x, feed.Classes); err != nil {
				return fmt.Errorf("%s: %w", f.flag(name), err)
			}
		} else if feed.Classes > 0 {
			oneHot := x.DType().Native() && x.Rank() == 2 && x.Dim(1) == feed.Classes
			if !oneHot && !(x.DType().Integer() && x.Rank() == 1) { // a file that is not of this model
				return fmt.Errorf("the input %v is not %v: that is integers [batch] or floats [batch %d]", in, feed, feed.Classes)
			}
			which := make([]int, feed.Classes) // a row each
			for i := range which {
				which[i] = i
			}
			if chosen {
				if which, err = f.labels(name, text, feed.Classes); err != nil {
					return err
				}
			}
			if len(which) > 1 && f.plane != 0 {
				return fmt.Errorf("--map: a map is of one class: choose it with --label")
			}
			if len(which) > 1 && labels == 0 {
				out.cols = (out.count + len(which) - 1) / len(which)
			}
			setLabels(x, which, out.cols, labels > 0)
			if len(which) > 1 {
				labels++
			}
		} else if err := f.setNumbers(x, name, text, feed.Value, chosen); err != nil {
			return err
		}
		out.in[name] = x
	}
	return nil
}

// setLabels sets x, integers or one-hot, to the classes: one a row of cols samples or, if across, one a column.
func setLabels(x *tensor.Tensor, classes []int, cols int, across bool) {
	for i := range x.Dim(0) {
		at := i / cols
		if across {
			at = i % cols
		}
		class := classes[at%len(classes)]
		if x.Rank() == 1 {
			x.Set(i, float64(class))
		} else {
			x.Set(i*x.Dim(1)+class, 1)
		}
	}
}

// flag is what chose the input called name, for errors.
func (f feeder) flag(name string) string {
	if f.label == name {
		return "--label " + f.chosen[name]
	}
	return "--set-input " + name + "=" + f.chosen[name]
}

// labels are the classes that text names, with commas between.
func (f feeder) labels(input, text string, classes int) ([]int, error) {
	words := strings.Split(text, ",")
	if values := f.values(input, 0, 1); values != nil {
		f.classes = values
	}
	if slices.ContainsFunc(f.classes, func(c string) bool { return strings.EqualFold(c, text) }) { // a name may have commas
		words = []string{text}
	}
	var out []int
	for _, word := range words {
		i, err := f.class(strings.TrimSpace(word), classes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.flag(input), err)
		}
		out = append(out, i)
	}
	return out, nil
}

// class is the class that word names: by its name, in upper or lower case, its number, or a part of its name that no other has.
func (f feeder) class(word string, classes int) (int, error) {
	names := f.classes[:min(len(f.classes), classes)]
	for _, same := range []func(name string) bool{
		func(name string) bool { return name == word },
		func(name string) bool { return strings.EqualFold(name, word) },
	} {
		if i := slices.IndexFunc(names, same); i >= 0 {
			return i, nil
		}
	}
	if i, err := strconv.Atoi(word); err == nil && i >= 0 && i < classes {
		return i, nil
	}
	var like []string
	found := 0
	for i, name := range names {
		if word != "" && strings.Contains(strings.ToLower(name), strings.ToLower(word)) {
			like, found = append(like, name), i
		}
	}
	switch {
	case len(like) == 1:
		return found, nil
	case len(like) > 1:
		return 0, fmt.Errorf("%q may be each of %s", word, strings.Join(like, ", "))
	case names == nil || numbers(names):
		return 0, fmt.Errorf("there is no class %q: want 0 to %d", word, classes-1)
	}
	return 0, fmt.Errorf("there is no class %q: want 0 to %d or %s", word, classes-1, strings.Join(names, ", "))
}

// numbers reports whether the names of classes say no more than their numbers.
func numbers(names []string) bool {
	for i, name := range names {
		if name != strconv.Itoa(i) {
			return false
		}
	}
	return true
}

// values are the words of number j of the input's size numbers, a column's of the table that the model is of: of the column with the
// input's name or, of an input with a number for each column, of that in its place. It is nil if there are none.
func (f feeder) values(input string, j, size int) []string {
	for _, c := range f.columns {
		if c.Name == input {
			return c.Values
		}
	}
	if size == len(f.columns) {
		return f.columns[j].Values
	}
	return nil
}

// columnNumber is what word says: its place among the values, if it is one of them, in upper or lower case, or a number.
func columnNumber(word string, values []string) (float64, error) {
	for _, same := range []func(a, b string) bool{func(a, b string) bool { return a == b }, strings.EqualFold} {
		if i := slices.IndexFunc(values, func(v string) bool { return same(v, word) }); i >= 0 {
			return float64(i), nil
		}
	}
	v, err := strconv.ParseFloat(word, 64)
	switch {
	case values != nil && (err != nil || v != math.Trunc(v) || v < 0 || v >= float64(len(values))):
		return 0, fmt.Errorf("there is no value %q: want 0 to %d or %s", word, len(values)-1, strings.Join(values, ", "))
	case err != nil || math.IsNaN(v) || math.IsInf(v, 0):
		return 0, fmt.Errorf("%q is no number", word)
	}
	return v, nil
}

// setNumbers sets every sample of x to the numbers in text, one for all or as many as a sample has, or else to value.
func (f feeder) setNumbers(x *tensor.Tensor, input, text string, value float64, chosen bool) error {
	numbers := []float64{value}
	size := x.Len() / max(x.Dim(0), 1)
	if chosen {
		numbers = nil
		words := strings.Split(text, ",")
		if size == 1 && slices.Contains(f.values(input, 0, 1), text) { // a word may have commas
			words = []string{text}
		}
		for j, word := range words {
			var values []string
			if len(words) == size {
				values = f.values(input, j, size)
			}
			v, err := columnNumber(strings.TrimSpace(word), values)
			if err != nil {
				return fmt.Errorf("--set-input %s=%s: %w", input, text, err)
			}
			held := tensor.New(x.DType(), 1)
			if held.Set(0, v); math.IsInf(held.At(0), 0) || x.DType().Integer() && held.At(0) != v {
				return fmt.Errorf("--set-input %s=%s: the input is %v, which cannot hold %v", input, text, x.DType(), v)
			}
			numbers = append(numbers, v)
		}
	}
	if len(numbers) != 1 && len(numbers) != size {
		return fmt.Errorf("--set-input %s=%s: %d numbers, and a sample takes %d, or one for all", input, text, len(numbers), size)
	}
	for i := range x.Len() {
		x.Set(i, numbers[i%size%len(numbers)])
	}
	return nil
}

// arrays are the arrays of the files that are chosen, FILE.npy, a row for each sample. They say how many samples there are.
func (f feeder) arrays(out *feeding, inputs []onnxruntime.Info) (map[string]*tensor.Tensor, error) {
	all := map[string]*tensor.Tensor{}
	for _, name := range sortedKeys(f.chosen) {
		file := f.chosen[name]
		if filepath.Ext(file) != ".npy" {
			continue
		}
		x, err := numpy.ReadNPY(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.flag(name), err)
		}
		n := 0
		if x.Rank() > 0 {
			n = x.Dim(0)
		}
		shape := info(inputs, name).Shape
		fixed := f.fixed || len(all) > 0 || len(shape) > 0 && shape[0].Size >= 0
		switch {
		case n == 0 || n > maxSamples:
			return nil, fmt.Errorf("%s: it is %v: want a row for each sample, 1 to %d", f.flag(name), x, maxSamples)
		case fixed && n != out.count:
			return nil, fmt.Errorf("%s: it is %v: want a row for each of %d samples", f.flag(name), x, out.count)
		}
		all[name], out.count = x, n
	}
	return all, nil
}

// checkLabels refuses integers that are none of so many classes, if the input is a label.
func checkLabels(x *tensor.Tensor, classes int) error {
	for i := range x.Len() {
		if classes > 0 && x.DType().Integer() && (x.Int(i) < 0 || x.Int(i) >= int64(classes)) {
			return fmt.Errorf("there is no class %d: want 0 to %d", x.Int(i), classes-1)
		}
	}
	return nil
}
