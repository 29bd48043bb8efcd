package models

import (
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// Sampling says how to draw from the trained model: the Func to run, what feeds its inputs, and how its output is shown. Random
// numbers that the Func itself draws need no word.
type Sampling struct {
	Func  string // the Func to run
	Noise string // its input of standard normal noise, [batch, ...]; "" if it has none
	Image string // its output of images in [0, 1], [batch, channels, height, width]

	Inputs map[string]Feed // what feeds its other inputs, by name
	Output string          // its output to show as Kind says, where that is no image
	Kind   Kind
}

// A Feed is what an input of a Func is fed with when it is sampled: noise, or a condition, which a person may choose. Inputs have
// the batch as their first axis.
type Feed struct {
	Noise   string  // onnx.Normal or onnx.Uniform, "normal" and "uniform"; "" for a condition
	Classes int     // of a condition that is a label: integers [batch], or floats [batch, Classes], which are one-hot; 0 if it is none
	Setting string  // the model's setting that says how many Classes; [Model.With] looks it up
	Value   float64 // of another condition, such as an attribute: what all of it is where nobody chooses
}

// Normal and Uniform feed noise: of mean 0 and variance 1, and of [0, 1).
var (
	Normal  = Feed{Noise: "normal"}
	Uniform = Feed{Noise: "uniform"}
)

// Label feeds a label of so many classes. Where nobody chooses one, samples are of all: a row of a picture for each.
func Label(classes int) Feed { return Feed{Classes: classes} }

// Condition feeds numbers, which are value where nobody chooses them.
func Condition(value float64) Feed { return Feed{Value: value} }

// String says what f is, for people.
func (f Feed) String() string {
	switch {
	case f.Noise != "":
		return f.Noise + " noise"
	case f.Classes > 0:
		return fmt.Sprintf("a label of %d classes", f.Classes)
	}
	return fmt.Sprintf("a condition, %v by default", f.Value)
}

// A Kind is a way to show samples. A family may add its own: it is a value with a function.
type Kind struct {
	Name string // plural, for people: "images"
	Ext  string // of the files that Write writes: ".png"
	// Write writes samples x, [batch ...], as a file; cols is how many of them belong in a row. It is nil for Images and Points, which
	// the commands draw.
	Write func(w io.Writer, x *tensor.Tensor, cols int) error
}

// Images are a grid of images in [0, 1], [batch, 1 or 3, height, width]; Points a plot of points in the plane, [batch, 2].
var (
	Images = Kind{Name: "images", Ext: ".png"}
	Points = Kind{Name: "points", Ext: ".png"}
)

// A Column is a column of a table. Where it has Values, its numbers are places among them: 1 is Values[1].
type Column struct {
	Name   string
	Values []string
}

// Table is samples [batch, columns], or [batch] for one column, as a CSV file with the names of the columns in its first line.
func Table(columns ...Column) Kind {
	return Kind{Name: "a table", Ext: ".csv", Write: func(w io.Writer, x *tensor.Tensor, _ int) error {
		width := 1
		if x.Rank() > 1 {
			width = x.Len() / max(x.Dim(0), 1)
		}
		if x.Rank() == 0 || width != len(columns) {
			return fmt.Errorf("a table of %d columns cannot hold %v", len(columns), x)
		}
		out := csv.NewWriter(w)
		row := make([]string, width)
		for j, c := range columns {
			row[j] = c.Name
		}
		out.Write(row) // Flush has its error
		for i := range x.Dim(0) {
			for j, c := range columns {
				if c.Values == nil {
					row[j] = x.Text(i*width + j)
					continue
				}
				v := x.At(i*width + j)
				if v != float64(int(v)) || v < 0 || int(v) >= len(c.Values) {
					return fmt.Errorf("row %d: the column %s is %v, and its values are 0 to %d", i, c.Name, v, len(c.Values)-1)
				}
				row[j] = c.Values[int(v)]
			}
			out.Write(row)
		}
		out.Flush()
		return out.Error()
	}}
}

// Text is samples of tokens, integers [batch, length], a line each: token 1 is vocabulary[1]. A nil vocabulary is that of bytes.
func Text(vocabulary []string) Kind {
	return Kind{Name: "text", Ext: ".txt", Write: func(w io.Writer, x *tensor.Tensor, _ int) error {
		if x.Rank() != 2 || !x.DType().Integer() {
			return fmt.Errorf("text is made of integers [batch, length], not of %v", x)
		}
		size := len(vocabulary)
		if vocabulary == nil {
			size = 256
		}
		for i := range x.Dim(0) {
			var line strings.Builder
			for j := range x.Dim(1) {
				v := int(x.At(i*x.Dim(1) + j))
				switch {
				case v < 0 || v >= size:
					return fmt.Errorf("sample %d has the token %d, and the vocabulary has %d", i, v, size)
				case vocabulary == nil:
					line.WriteByte(byte(v))
				default:
					line.WriteString(vocabulary[v])
				}
			}
			line.WriteByte('\n')
			if _, err := io.WriteString(w, line.String()); err != nil {
				return err
			}
		}
		return nil
	}}
}

// Feeds are what feeds the inputs of s.Func, by name.
func (s Sampling) Feeds() map[string]Feed {
	all := maps.Clone(s.Inputs)
	if all == nil {
		all = map[string]Feed{}
	}
	if s.Noise != "" {
		all[s.Noise] = Normal
	}
	return all
}

// Noises are the inputs of s.Func that are fed with noise, in the order of their streams: the n-th has stream n of step 0 of the seed.
func (s Sampling) Noises() []string {
	var list []string
	if s.Noise != "" {
		list = append(list, s.Noise)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Inputs)) {
		if s.Inputs[name].Noise != "" {
			list = append(list, name)
		}
	}
	return list
}

// Shown is the output of s.Func that is shown, and how.
func (s Sampling) Shown() (output string, k Kind) {
	if s.Image != "" {
		return s.Image, Images
	}
	return s.Output, s.Kind
}

// checkSampling says what in m's Sampling contradicts prog.
func (m Model) checkSampling(prog *compiler.Program) error {
	s := m.Sample
	f := prog.Func(s.Func)
	if f == nil {
		return nil
	}
	draws := f.Lookup(graph.RandomState) != nil // its file has inputs for what it draws
	if s.Noise != "" && !draws && !has(f.Inputs, s.Noise) {
		return fmt.Errorf("model %s: the Noise of its Sampling is %q, and the function %q has no such input: it has %s", m.Name, s.Noise, s.Func, inputs(f))
	}
	if _, twice := s.Inputs[s.Noise]; twice {
		return fmt.Errorf("model %s: its Sampling has the input %q both as Noise and in Inputs: name it once", m.Name, s.Noise)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Inputs)) {
		feed := s.Inputs[name]
		i := slices.IndexFunc(f.Inputs, func(v *graph.Value) bool { return v.Name == name })
		if i < 0 {
			return fmt.Errorf("model %s: the Inputs of its Sampling feed %q, and the function %q has no such input: it has %s", m.Name, name, s.Func, inputs(f))
		}
		v := f.Inputs[i]
		oneHot := v.DType().Native() && v.Rank() == 2 && v.Shape()[1] == graph.Dim(feed.Classes)
		switch {
		case v.Rank() == 0:
			return fmt.Errorf("model %s: the input %q of %q is %v, and sampling feeds inputs with a batch axis", m.Name, name, s.Func, v.Type)
		case feed.Noise != "" && feed.Noise != Normal.Noise && feed.Noise != Uniform.Noise:
			return fmt.Errorf("model %s: the input %q of its Sampling is %q noise: want %s or %s", m.Name, name, feed.Noise, Normal.Noise, Uniform.Noise)
		case feed.Noise != "" && !v.DType().Native():
			return fmt.Errorf("model %s: the input %q of %q is %v, and noise is floats", m.Name, name, s.Func, v.Type)
		case feed.Classes < 0:
			return fmt.Errorf("model %s: the label %q of its Sampling has %d classes", m.Name, name, feed.Classes)
		case feed.Classes > 0 && !oneHot && !(v.DType().Integer() && v.Rank() == 1):
			return fmt.Errorf("model %s: the input %q of %q is %v, and a label of %d classes is integers [batch] or floats [batch %d]", m.Name, name, s.Func, v.Type, feed.Classes, feed.Classes)
		}
	}
	if s.Image != "" && (s.Output != "" || s.Kind.Name != "") {
		return fmt.Errorf("model %s: its Sampling has both an Image, %q, and an Output or a Kind: give one", m.Name, s.Image)
	}
	what := "Output"
	if s.Image != "" {
		what = "Image"
	}
	if name, _ := s.Shown(); name != "" && !slices.ContainsFunc(f.Outputs, func(o graph.Output) bool { return o.Name == name }) {
		return fmt.Errorf("model %s: the %s of its Sampling is %q, and the function %q has no such output: it has %s", m.Name, what, name, s.Func, outputs(f))
	}
	return nil
}

// Samplable says what m's Sampling lacks, and what prog, which m.Define built, has for it.
func (m Model) Samplable(prog *compiler.Program) error {
	s := m.Sample
	output, _ := s.Shown()
	f := prog.Func(s.Func)
	var unfed []string
	if f != nil {
		feeds := s.Feeds()
		for _, v := range f.Inputs {
			if _, ok := feeds[v.Name]; !ok && !v.IsSize() { // a size is the number of samples
				unfed = append(unfed, v.Name)
			}
		}
	}
	var have, lack []string
	for _, x := range []struct {
		name    string
		is, may bool
	}{
		{"Func", s.Func != "", false}, {"Noise", s.Noise != "", f != nil && len(unfed) == 0}, {"Inputs", s.Inputs != nil, true},
		{"Image", s.Image != "", output != ""}, {"Output", s.Output != "", true}, {"Kind", s.Kind.Name != "", s.Output == ""},
	} {
		if x.is {
			have = append(have, x.name)
		} else if !x.may {
			lack = append(lack, x.name)
		}
	}
	switch {
	case lack == nil && len(unfed) == 0:
		return nil
	case lack == nil || s.Noise != "" && len(unfed) > 0:
		return fmt.Errorf("model %s does not say how to sample it: nothing in its Sampling feeds the input %s of the function %s: add it to Inputs", m.Name, strings.Join(unfed, ", "), s.Func)
	}
	what := "is empty"
	if have != nil {
		what = "has " + strings.Join(have, " and ") + " but no " + strings.Join(lack, " and no ")
	}
	which := "set Func to one of the program's: " + entries(prog.Funcs())
	if f != nil {
		which = fmt.Sprintf("the function %s has the inputs %s and the outputs %s", s.Func, inputs(f), outputs(f))
	}
	return fmt.Errorf("model %s does not say how to sample it: its Sampling %s; %s", m.Name, what, which)
}
