// Package data has data sets and the loader that cuts them into batches.
//
// A [Dataset] is a set of named fields over the same examples; a [Source] is one field. Sources come from idx files
// ([ReadIDX]), NumPy files (package exporters/numpy), CSV files ([OpenCSV]), image folders ([OpenImages]), or any Go type with the
// four methods.
// [Open] makes a Dataset from a person's own files, [Load] from a published data set that is on this machine or from one that is
// drawn ([portraits]), and [Fetch] downloads one: it is the only function here that uses the network. What an example is known to
// have, a smile or a colour of hair, is an [Attribute].
//
// A [Loader] yields batches as named tensors, in an order that depends only on a seed, and can go on from any batch.
//
// Files are untrusted: what a header claims is checked against the real size before memory is allocated for it.
package data

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// A Source is one field of every example of a data set. Its methods may be called from several goroutines at once.
type Source interface {
	// Len is the number of examples.
	Len() int
	// DType is the dtype in which examples are delivered.
	DType() tensor.DType
	// Shape is the shape of one example. The caller must not change it.
	Shape() []int
	// Gather writes example rows[i] to row i of dst, which has dtype DType and shape [len(rows), Shape()...].
	Gather(dst *tensor.Tensor, rows []int) error
}

// A Field is a named source.
type Field struct {
	Name   string
	Source Source
}

// A Spec describes a field: its name, and the dtype and shape of one example.
type Spec struct {
	Name  string
	DType tensor.DType
	Shape []int
}

// String is the name, dtype and shape, "image f32[1 28 28]".
func (s Spec) String() string { return fmt.Sprintf("%s %v%v", s.Name, s.DType, s.Shape) }

// A Dataset is a list of fields over the same examples. It is immutable and may be shared by goroutines.
type Dataset struct {
	// Classes names the values of the label field, where that is known; Classes[2] is the name of label 2.
	Classes []string
	// Values names the values of fields that are categories, by the fields' names.
	Values map[string][]string
	// Categories describes the columns of a table, a data set that [Dataset.Table] made.
	Categories []Column
	// Attributes describes the fields that are attributes, in order; the field "attributes" has them all as one vector.
	Attributes []Attribute

	fields []Field
	lo, n  int // the examples are rows lo to lo+n of every source
}

// New returns the data set of these fields, which must have different names and the same number of examples.
func New(fields ...Field) (*Dataset, error) {
	if len(fields) == 0 {
		return nil, fmt.Errorf("a data set needs at least one field")
	}
	d := &Dataset{fields: slices.Clone(fields), n: fields[0].Source.Len()}
	for i, f := range fields {
		if f.Name == "" {
			return nil, fmt.Errorf("field %d of the data set has no name", i)
		}
		if d.find(f.Name) != i {
			return nil, fmt.Errorf("two fields of the data set are called %q", f.Name)
		}
		if n := f.Source.Len(); n != d.n {
			return nil, fmt.Errorf("field %q has %d examples but field %q has %d: the first axis of every field must agree",
				fields[0].Name, d.n, f.Name, n)
		}
	}
	return d, nil
}

// Len is the number of examples.
func (d *Dataset) Len() int { return d.n }

// Fields describes the fields, in order.
func (d *Dataset) Fields() []Spec {
	specs := make([]Spec, len(d.fields))
	for i, f := range d.fields {
		specs[i] = Spec{Name: f.Name, DType: f.Source.DType(), Shape: slices.Clone(f.Source.Shape())}
	}
	return specs
}

// String is the number of examples and the fields, "60000 × (image f32[1 28 28], label i64[])".
func (d *Dataset) String() string {
	var parts []string
	for _, s := range d.Fields() {
		parts = append(parts, s.String())
	}
	return fmt.Sprintf("%d × (%s)", d.n, strings.Join(parts, ", "))
}

// Subset returns examples lo to hi, without hi, sharing their storage.
func (d *Dataset) Subset(lo, hi int) (*Dataset, error) {
	if lo < 0 || hi < lo || hi > d.n {
		return nil, fmt.Errorf("examples %d to %d asked of a data set of %d", lo, hi, d.n)
	}
	s := *d
	s.lo, s.n = d.lo+lo, hi-lo
	return &s, nil
}

// Select returns the data set with only the named fields, in the order given.
func (d *Dataset) Select(names ...string) (*Dataset, error) {
	s := *d
	s.fields = nil
	for _, name := range names {
		i := d.find(name)
		if i < 0 {
			return nil, fmt.Errorf("the data set has no field %q; it is %v", name, d)
		}
		s.fields = append(s.fields, d.fields[i])
	}
	if !slices.Contains(names, AttributesField) { // which needs all their names
		s.Attributes = slices.DeleteFunc(slices.Clone(s.Attributes), func(a Attribute) bool { return !slices.Contains(names, a.Name) })
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no field of the data set was selected; it is %v", d)
	}
	return &s, nil
}

// Take returns the given examples as new tensors by field name, each of shape [len(rows), example shape...].
func (d *Dataset) Take(rows ...int) (map[string]*tensor.Tensor, error) {
	abs := make([]int, len(rows))
	for i, r := range rows {
		if r < 0 || r >= d.n {
			return nil, fmt.Errorf("example %d asked of a data set of %d", r, d.n)
		}
		abs[i] = d.lo + r
	}
	out := make(map[string]*tensor.Tensor, len(d.fields))
	for _, f := range d.fields {
		shape := batchShape(len(rows), f.Source.Shape())
		if _, err := tensor.Count(shape); err != nil {
			return nil, fmt.Errorf("field %q: %w", f.Name, err)
		}
		t := tensor.New(f.Source.DType(), shape...)
		if err := f.Source.Gather(t, abs); err != nil {
			return nil, fmt.Errorf("field %q: %w", f.Name, err)
		}
		out[f.Name] = t
	}
	return out, nil
}

// Hash is a SHA-256 over every example, in hexadecimal. Data sets with the same fields and Hash have the same examples.
func (d *Dataset) Hash() (string, error) {
	h := sha256.New()
	for _, f := range d.fields {
		if err := d.hash(h, f.Source); err != nil {
			return "", fmt.Errorf("field %q: %w", f.Name, err)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// hash writes the examples of src to h.
func (d *Dataset) hash(h io.Writer, src Source) error {
	if p, ok := src.(*drawn); ok {
		all := make([]int, d.n)
		for i := range all {
			all[i] = d.lo + i
		}
		if err := p.prepare(all); err != nil {
			return err
		}
		src = p.rows
	}
	if r, ok := src.(*rows); ok && r.x.DType() == tensor.U8 { // as stored: a quarter of the bytes that are delivered
		_, err := h.Write(tensor.Data[uint8](r.x)[d.lo*r.size : (d.lo+d.n)*r.size])
		return err
	}
	const chunk = 256 // examples
	shape := batchShape(min(chunk, d.n), src.Shape())
	if _, err := tensor.Count(shape); err != nil {
		return err
	}
	whole := tensor.New(src.DType(), shape...)
	at := make([]int, 0, chunk)
	for lo := 0; lo < d.n; lo += chunk {
		at = at[:0]
		for i := lo; i < min(lo+chunk, d.n); i++ {
			at = append(at, d.lo+i)
		}
		part := firstRows(whole, len(at))
		if err := src.Gather(part, at); err != nil {
			return err
		}
		if err := binary.Write(h, binary.LittleEndian, part.Raw()); err != nil {
			return err
		}
	}
	return nil
}

// names are the names of the fields.
func (d *Dataset) names() []string {
	var out []string
	for _, f := range d.fields {
		out = append(out, f.Name)
	}
	return out
}

// find is the index of the first field called name, or -1.
func (d *Dataset) find(name string) int {
	return slices.IndexFunc(d.fields, func(f Field) bool { return f.Name == name })
}

func batchShape(n int, example []int) []int { return append([]int{n}, example...) }
