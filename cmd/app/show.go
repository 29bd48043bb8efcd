package app

import (
	"encoding/csv"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/exporters/numpy"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/atomicfile"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
	"github.com/sardonyx-ml/sardonyx/runtime/train/report"
)

// A shower writes what a Func has given into files, as the model's Sampling says.
type shower struct {
	output string
	kind   models.Kind
}

// newShower is the shower of a Sampling.
func newShower(how models.Sampling) shower {
	output, kind := how.Shown()
	return shower{output, report.Drawn(kind)}
}

// accepts reports whether samples can be written to the file path.
func (s shower) accepts(path string) error {
	exts := slices.Compact([]string{s.kind.Ext, ".npy", ".npz", ".csv"})
	if s.kind.Ext == ".csv" {
		exts = exts[:3]
	}
	if !slices.Contains(exts, filepath.Ext(path)) {
		return fmt.Errorf("want a name that ends in %s: the samples are %s", strings.Join(exts, ", "), s.kind.Name)
	}
	return nil
}

// check reports whether n samples can be computed at once and, if they are to be, drawn as a grid, as far as a file declares its outputs.
func (s shower) check(outputs []onnxruntime.Info, n, cols int, paths []string) error {
	i := slices.IndexFunc(outputs, func(o onnxruntime.Info) bool { return o.Name == s.output })
	if i < 0 {
		return fmt.Errorf("there is no output %q", s.output)
	}
	dims := outputs[i].Shape
	if len(dims) == 0 || slices.ContainsFunc(dims[1:], func(d onnxruntime.Dim) bool { return d.Size < 0 }) {
		return nil
	}
	shape := []int{n}
	for _, d := range dims[1:] {
		shape = append(shape, int(d.Size))
	}
	if total, err := tensor.Count(shape); err != nil || total > maxImages {
		return fmt.Errorf("%s of shape %v are more than the %d numbers that are computed at once: sample fewer, and again with another --seed", s.kind.Name, shape, maxImages)
	}
	drawn := func(path string) bool { return filepath.Ext(path) == s.kind.Ext }
	if s.kind.Name == models.Images.Name && slices.ContainsFunc(paths, drawn) {
		return report.CheckGrid(shape, cols)
	}
	return nil
}

// write writes the file path.
func (s shower) write(path string, out map[string]*tensor.Tensor, cols int) error {
	x := out[s.output]
	if x == nil {
		return fmt.Errorf("there is no output %q", s.output)
	}
	var err error
	switch ext := filepath.Ext(path); {
	case ext == s.kind.Ext && s.kind.Write != nil:
		err = atomicfile.Write(path, func(w io.Writer) error { return s.kind.Write(w, x, cols) })
	case ext == ".npy":
		return numpy.WriteNPY(path, x)
	case ext == ".npz":
		return numpy.WriteNPZ(path, out)
	case ext == ".csv":
		err = atomicfile.Write(path, func(w io.Writer) error { return writeNumbers(w, s.output, x) })
	default:
		err = fmt.Errorf("nothing writes %s as %s: the Kind has no Write", s.kind.Name, ext)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// writeNumbers writes x as CSV: a line a sample, after one with the names of the columns, image.0, image.1 and so on.
func writeNumbers(w io.Writer, name string, x *tensor.Tensor) error {
	if x.Rank() == 0 {
		return fmt.Errorf("%v has no axis for the samples", x)
	}
	out := csv.NewWriter(w)
	size := x.Len() / max(x.Dim(0), 1)
	row := make([]string, size)
	for j := range row {
		if row[j] = name; size > 1 {
			row[j] += "." + strconv.Itoa(j)
		}
	}
	out.Write(row) // Flush has its error
	for i := range x.Dim(0) {
		for j := range row {
			row[j] = x.Text(i*size + j)
		}
		out.Write(row)
	}
	out.Flush()
	return out.Error()
}
