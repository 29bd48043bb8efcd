package onnx

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/sardonyx-ml/sardonyx/compiler/pass"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// legalize makes f of nodes that have a form at the opset, or write themselves: the others are lowered to smaller ops. So are random ops
// that the file itself draws for.
func legalize(f *graph.Func, o Options) *graph.Func {
	return graph.Lower(f, func(n *graph.Node) bool {
		if _, _, random := pass.Drawn(n.Op); random && o.Random == RandomSeed {
			return false
		}
		_, writes := n.Op.(graph.Emittable)
		return writes || n.Form(o.Opset) != nil
	})
}

// form adds the node that form says n is.
func (e *emitter) form(form *graph.Form, n *graph.Node, in []string) []string {
	op := reflect.Indirect(reflect.ValueOf(n.Op))
	captures := n.Captures()
	own := len(in)
	if len(captures) > 0 {
		own = captures[0].From
	}
	inputs := append(make([]string, form.First), in[:own]...)
	var attrs []graph.Attr
	for _, f := range form.Fields {
		value := f.Value
		if f.Name != "" {
			value = attribute(f.Of(op))
		}
		list, isList := value.([]int)
		same := f.Default != nil && reflect.DeepEqual(value, attribute(reflect.ValueOf(f.Default)))
		switch {
		case isList && len(list) == 0, same && (f.Attribute == "" || f.Name == ""):
		case f.Times != nil:
			if times := f.Times(n); value != 0 && times > 0 {
				attrs = append(attrs, graph.Attr{Name: f.Attribute, Value: slices.Repeat([]int{value.(int)}, times)})
			}
		case f.Tensor:
			attrs = append(attrs, graph.Attr{Name: f.Attribute, Value: constant(value, n.Results[0].DType(), true)})
		case f.Attribute != "":
			attrs = append(attrs, graph.Attr{Name: f.Attribute, Value: value})
		default:
			for len(inputs) <= f.Input {
				inputs = append(inputs, "")
			}
			inputs[f.Input] = e.field(f, n, value)
		}
	}
	for i, name := range form.Bodies {
		attrs = append(attrs, graph.Attr{Name: name, Value: e.Body(n.Bodies[i], in[captures[i].From:captures[i].To])})
	}
	return e.Nodes(form.Operator, len(n.Results), inputs, attrs...)
}

// field returns the name of a field's value as an input.
func (e *emitter) field(f graph.Field, n *graph.Node, value any) string {
	switch v := value.(type) {
	case graph.Shape:
		return e.Shape(v)
	case graph.Dim:
		if f.Vector {
			return e.Shape(graph.Shape{v})
		}
		if !v.Symbolic() {
			return e.Const(tensor.Scalar(int64(v)))
		}
		return e.Node("Squeeze", []string{e.Shape(graph.Shape{v}), e.constDims(graph.Shape{0})})
	}
	return e.Const(constant(value, n.Results[0].DType(), f.Vector))
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

// constant is a field's value as the input of a node: i64 of ints, of dtype t of floats.
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
	case []float64:
		c := tensor.New(t, len(v))
		for i, x := range v {
			c.Set(i, x)
		}
		return c
	}
	panic(fmt.Sprintf("a %T is no input of a node", value))
}
