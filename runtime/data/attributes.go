package data

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// An Attribute is a property that every example of a data set is known to have or not: a smile, a colour of hair, an age. The field
// of its name holds it: i64, an index into Values, or f32 where Values is nil.
type Attribute struct {
	Name   string
	Values []string // the names of its values; no and yes, in this order, where an example has it or not; nil for a number
}

var noYes = []string{"no", "yes"}

// Binary reports whether the attribute is one that an example has or has not.
func (a Attribute) Binary() bool { return slices.Equal(a.Values, noYes) }

// String is the name and the values, "hair (black, blonde)".
func (a Attribute) String() string {
	switch {
	case a.Values == nil:
		return a.Name + " (a number)"
	case a.Binary():
		return a.Name
	case len(a.Values) <= 12:
		return fmt.Sprintf("%s (%s)", a.Name, strings.Join(a.Values, ", "))
	}
	return fmt.Sprintf("%s (%s)", a.Name, some(a.Values))
}

// columns are the names of what a vector has of the attribute.
func (a Attribute) columns() []string {
	if a.Values == nil || a.Binary() {
		return []string{a.Name}
	}
	names := make([]string, len(a.Values))
	for i, v := range a.Values {
		names[i] = a.Name + "=" + v
	}
	return names
}

// Columns names the elements of the field "attributes": smile, hair=black, hair=blonde, and so on. It is nil for a data set that has
// no attributes.
func (d *Dataset) Columns() []string {
	var names []string
	for _, a := range d.Attributes {
		names = append(names, a.columns()...)
	}
	return names
}

// AttributesField is the name of the field that has all attributes as one vector.
const AttributesField = "attributes"

// An attributeColumn is an attribute of each example: the number, or the index of the value's name.
type attributeColumn struct {
	Attribute
	x []float32
}

// withAttributes is the data set of images and, for each column, a field; and, last, the field "attributes" with all of them as an f32
// vector, as a network takes them: 0 or 1 for one that an example has or not, one-hot for other names, numbers as they are.
func withAttributes(images Source, columns []attributeColumn) (*Dataset, error) {
	fields := []Field{{"image", images}}
	v := &vectors{columns: columns, n: images.Len()}
	var list []Attribute
	for _, c := range columns {
		if c.Name == AttributesField {
			return nil, fmt.Errorf("an attribute cannot be called %q: the field with all of them is", c.Name)
		}
		src, err := FromTensor(tensor.Of(c.x, len(c.x)))
		if c.Values != nil {
			at := make([]int64, len(c.x))
			for i, k := range c.x {
				at[i] = int64(k)
			}
			src, err = FromLabels(tensor.Of(at, len(at)))
		}
		if err != nil {
			return nil, err
		}
		fields = append(fields, Field{c.Name, src})
		list = append(list, c.Attribute)
		v.width += len(c.columns())
	}
	d, err := New(append(fields, Field{AttributesField, v})...)
	if err != nil {
		return nil, err
	}
	d.Attributes, d.Values = list, map[string][]string{}
	for _, a := range list {
		if a.Values != nil {
			d.Values[a.Name] = a.Values
		}
	}
	d.Classes = d.Values["label"]
	return d, nil
}

// vectors is the source of the field "attributes".
type vectors struct {
	columns  []attributeColumn
	n, width int
}

func (v *vectors) Len() int            { return v.n }
func (v *vectors) DType() tensor.DType { return tensor.F32 }
func (v *vectors) Shape() []int        { return []int{v.width} }

func (v *vectors) Gather(dst *tensor.Tensor, rows []int) error {
	x := tensor.Data[float32](dst)
	clear(x)
	for i, row := range rows {
		at := i * v.width
		for _, c := range v.columns {
			switch {
			case c.Values == nil || c.Binary():
				x[at] = c.x[row]
				at++
			default:
				x[at+int(c.x[row])] = 1
				at += len(c.Values)
			}
		}
	}
	return nil
}
