package read

import (
	"fmt"
	"reflect"
	"slices"
	"sync"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// A row is one way in which an op stands in a file.
type row struct {
	op   graph.Op
	form graph.Form
}

// rows are the forms of all ops, by operator.
var rows = sync.OnceValue(func() map[string][]row {
	out := map[string][]row{}
	for _, op := range graph.All() {
		if m, ok := op.(graph.Mapped); ok {
			for _, f := range m.Forms() {
				out[f.Operator] = append(out[f.Operator], row{op, f})
			}
		}
	}
	return out
})

// idle are attributes that say nothing to what is computed here: how training would go on, or what a choice among equal results is.
var idle = []string{"BatchNormalization.momentum", "TopK.sorted", "Conv.kernel_shape", "ConvTranspose.kernel_shape", "LayerNormalization.stash_type"}

// row reads the node by the first row that it fits, and returns the results.
func (c *call) row() []*graph.Value {
	list := rows()[c.OpType]
	if len(list) == 0 {
		fail("there is no op for the operator %s: write the model with those of docs/ops.md", c.OpType)
	}
	var first error
	for _, w := range list {
		if c.r.opset < w.form.Since || w.form.Until > 0 && c.r.opset > w.form.Until {
			continue
		}
		var op graph.Op
		var args []*graph.Value
		if err := guard(func() { op, args = c.fit(w) }); err != nil {
			if first == nil {
				first = err
			}
			continue
		}
		return c.apply(op, args)
	}
	if first == nil {
		first = fmt.Errorf("the operator %s is not read at opset %d", c.OpType, c.r.opset)
	}
	fail("%v", first)
	return nil
}

// apply is op over args; a mistake is a fault.
func (c *call) apply(op graph.Op, args []*graph.Value) []*graph.Value {
	before := len(c.r.f.Diags)
	n := c.r.f.ApplyNode(op, nil, args...)
	if err := c.r.mistake(before); err != nil {
		fail("%v", err)
	}
	return n.Results
}

// fit is the op that the node is by w, and its arguments. A node that has more than w says is a fault.
func (c *call) fit(w row) (graph.Op, []*graph.Value) {
	clear(c.read)
	clear(c.used)
	t := reflect.TypeOf(w.op)
	op := reflect.New(t).Elem()
	last, field := len(c.in), map[int]bool{}
	for _, f := range w.form.Fields {
		if f.Attribute == "" {
			field[f.Input] = true
		}
		c.set(op, f)
	}
	takes := w.op.Takes()
	if n := len(takes); n == 0 || !takes[n-1].Variadic {
		last = w.form.First + n
	}
	var args []*graph.Value
	for i := range c.in {
		switch {
		case field[i]:
		case i >= w.form.First && i < last:
			for len(args) < i-w.form.First {
				args = append(args, nil)
			}
			args = append(args, c.arg(i))
		}
	}
	c.complete()
	return op.Interface().(graph.Op), args
}

// set gives the field f of op what the node says.
func (c *call) set(op reflect.Value, f graph.Field) {
	var has any // int, []int, float64, string or graph.Shape
	what := fmt.Sprintf("attribute %q", f.Attribute)
	if f.Attribute != "" {
		has = c.given(f.Attribute)
	} else {
		what = fmt.Sprintf("input %d", f.Input)
		if c.has(f.Input) {
			has = c.field(op, f)
		}
	}
	if has == nil {
		has = plain(f.Default)
	}
	switch {
	case f.Name == "":
		if want := plain(f.Value); !reflect.DeepEqual(has, want) && (has != nil || !reflect.ValueOf(want).IsZero()) {
			fail("its %s is %v, and only %v is known here", what, has, want)
		}
	case has != nil && !assign(f.Of(op), has):
		fail("its %s is %v, which is not known here", what, has)
	}
}

// plain is a value of a row as a node gives it.
func plain(v any) any {
	if b, ok := v.(bool); ok {
		if b {
			return 1
		}
		return 0
	}
	return v
}

// given is the attribute called name as a plain value, nil if it is left out.
func (c *call) given(name string) any {
	c.read[name] = true
	for _, a := range c.Attributes {
		if a.Name != name {
			continue
		}
		switch v := a.Value.(type) {
		case int64:
			return int(v)
		case float32:
			return float64(v)
		case string:
			return v
		case []int64:
			return c.ints(name)
		}
		fail("its attribute %q is a %T", name, a.Value)
	}
	return nil
}

// field is the input that f is, which is known, as a plain value.
func (c *call) field(op reflect.Value, f graph.Field) any {
	if f.Name != "" && f.Of(op).IsValid() && f.Of(op).Type() == reflect.TypeFor[graph.Shape]() {
		return c.shape(f.Input)
	}
	if f.Name != "" && f.Of(op).IsValid() && f.Of(op).Type() == reflect.TypeFor[graph.Dim]() {
		s := c.of(f.Input)
		if len(s.list) != 1 {
			fail("its input %d has %d sizes, want one", f.Input, len(s.list))
		}
		return size(s.list[0])
	}
	t := c.known(f.Input)
	if !t.DType().Integer() {
		if t.Len() != 1 {
			fail("its input %d is %v, want one number", f.Input, t)
		}
		return t.At(0)
	}
	list := make([]int, t.Len())
	for i := range list {
		list[i] = int(t.Int(i))
	}
	if t.Rank() == 0 || f.Vector && len(list) == 1 {
		return list[0]
	}
	return list
}

// assign makes the field to the plain value v, and reports whether it can be.
func assign(to reflect.Value, v any) bool {
	switch v := v.(type) {
	case int:
		switch {
		case to.Type() == reflect.TypeFor[graph.DType]():
			t, ok := tensor.OfONNX(v)
			to.SetUint(uint64(t))
			return ok
		case to.Kind() == reflect.Bool:
			to.SetBool(v != 0)
			return true
		case to.Kind() == reflect.Int:
			to.SetInt(int64(v))
			return true
		}
	case float64:
		if to.Kind() == reflect.Float64 {
			to.SetFloat(v)
			return true
		}
	case string:
		if to.Kind() == reflect.String {
			to.SetString(v)
			return true
		}
	case graph.Shape, graph.Dim:
		to.Set(reflect.ValueOf(v))
		return true
	case []int:
		if to.Type() == reflect.TypeFor[[]int]() {
			to.Set(reflect.ValueOf(slices.Clone(v)))
			return true
		}
		if to.Kind() == reflect.Array && to.Type().Elem().Kind() == reflect.Int && to.Len() == len(v) {
			for i, n := range v {
				to.Index(i).SetInt(int64(n))
			}
			return true
		}
	}
	return false
}
