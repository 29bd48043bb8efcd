package onnx

import (
	"fmt"
	"math"
	"reflect"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// formOf is the form of n at an opset, nil if it has none there.
func formOf(n *graph.Node, opset int) *graph.Form {
	o, ok := n.Op.(graph.Mapped)
	if !ok {
		return nil
	}
	args := 0 // so many of the first are there
	for args < len(n.Args) && n.Args[args] != nil {
		args++
	}
	for _, f := range o.Forms() {
		if opset >= f.Since && args >= f.Args && (f.DTypes == 0 || f.DTypes.Has(n.Results[0].DType())) {
			return &f
		}
	}
	return nil
}

// legalize makes f of nodes that have a form at an opset, or write themselves: the others are lowered to smaller ops.
func legalize(f *graph.Func, opset int) *graph.Func {
	return graph.Lower(f, func(n *graph.Node) bool {
		_, writes := n.Op.(graph.Emittable)
		return writes || formOf(n, opset) != nil
	})
}

// form adds the node that form says n is.
func (e *emitter) form(form *graph.Form, n *graph.Node, in []string) []string {
	op := reflect.Indirect(reflect.ValueOf(n.Op))
	var attrs []graph.Attr
	for _, f := range form.Fields {
		value := f.Value
		if f.Name != "" {
			value = attribute(op.FieldByName(f.Name))
		}
		if list, ok := value.([]int); ok && len(list) == 0 {
			continue
		}
		if f.Attribute != "" {
			attrs = append(attrs, graph.Attr{Name: f.Attribute, Value: value})
			continue
		}
		if x, ok := value.(float64); ok && math.IsInf(x, 0) {
			continue
		}
		for len(in) <= f.Input {
			in = append(in, "")
		}
		in[f.Input] = e.Const(constant(value, n.Args[0].DType(), f.Vector))
	}
	return e.Nodes(form.Operator, len(n.Results), in, attrs...)
}

// attribute is the value of an op's field as an attribute.
func attribute(v reflect.Value) any {
	switch {
	case v.Type() == reflect.TypeFor[graph.DType]():
		return graph.ONNXType(graph.DType(v.Uint()))
	case v.Kind() == reflect.Bool:
		if v.Bool() {
			return 1
		}
		return 0
	case v.Kind() == reflect.Array && v.Type().Elem().Kind() == reflect.Int:
		out := make([]int, v.Len())
		for i := range out {
			out[i] = int(v.Index(i).Int())
		}
		return out
	}
	return v.Interface()
}

// constant is a field's value as the input of a node: i64 of ints, of dtype t of a float.
func constant(value any, t graph.DType, vector bool) *tensor.Tensor {
	var shape []int
	if vector {
		shape = []int{1}
	}
	switch v := value.(type) {
	case int:
		c := tensor.New(graph.I64, shape...)
		c.SetInt(0, int64(v))
		return c
	case []int:
		return tensor.Of(ints(v), len(v))
	case float64:
		c := tensor.New(t, shape...)
		c.Set(0, v)
		return c
	}
	panic(fmt.Sprintf("a %T is no input of a node", value))
}
