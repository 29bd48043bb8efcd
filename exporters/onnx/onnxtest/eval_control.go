package onnxtest

import (
	"maps"
	"slices"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// controlOperators have graphs as attributes.
var controlOperators = map[string]operator{
	"Scan": func(c *call) []*tensor.Tensor {
		g := attribute[*wire.Graph](c, "body", nil)
		scanned := c.int("num_scan_inputs", 0)
		reverse := slices.Contains(c.ints("scan_input_directions"), 1)
		if back := c.ints("scan_output_directions"); len(back) > 0 && slices.Contains(back, 1) != reverse {
			c.fail("only one direction is known")
		}
		states, xs := slices.Clone(c.in[:len(c.in)-scanned]), c.in[len(c.in)-scanned:]
		length := xs[0].Dim(0)
		elements := make([][]*tensor.Tensor, len(g.Outputs)-len(states)) // of each further output, by position
		for i := range elements {
			elements[i] = make([]*tensor.Tensor, length)
		}
		for k := range length {
			at := k
			if reverse {
				at = length - 1 - k
			}
			in := slices.Clone(states)
			for _, x := range xs {
				if x.Dim(0) != length {
					c.fail("the scanned inputs are %v", xs)
				}
				in = append(in, element(x, at))
			}
			out := c.graph(g, in)
			states = out[:len(states)]
			for i, t := range out[len(states):] {
				elements[i][at] = t
			}
		}
		for i, list := range elements {
			if length == 0 {
				c.fail("nothing is known of output %d", i)
			}
			states = append(states, stack(list))
		}
		return states
	},
	"Loop": func(c *call) []*tensor.Tensor {
		g := attribute[*wire.Graph](c, "body", nil)
		more, states := tensor.New(tensor.Bool), c.in[2:]
		more.Set(0, 1)
		if c.has(1) {
			more = c.in[1]
		}
		if len(g.Outputs) != 1+len(states) {
			c.fail("only states are known")
		}
		for i := 0; (!c.has(0) || int64(i) < c.in[0].Int(0)) && more.At(0) != 0; i++ {
			out := c.graph(g, append([]*tensor.Tensor{tensor.Scalar(int64(i)), more}, states...))
			more, states = out[0], out[1:]
		}
		return states
	},
	"If": func(c *call) []*tensor.Tensor {
		then, otherwise := attribute[*wire.Graph](c, "then_branch", nil), attribute[*wire.Graph](c, "else_branch", nil)
		if c.input(0).At(0) != 0 {
			return c.graph(then, nil)
		}
		return c.graph(otherwise, nil)
	},
}

// graph computes the outputs of g, which sees the names around the node, from its inputs.
func (c *call) graph(g *wire.Graph, in []*tensor.Tensor) []*tensor.Tensor {
	if g == nil || len(g.Inputs) != len(in) || len(g.Initializers) > 0 {
		c.fail("a graph of %d inputs is wanted", len(in))
	}
	e := &evaluation{opset: c.opset, values: maps.Clone(c.outer.values)}
	for i, p := range g.Inputs {
		if _, taken := e.values[p.Name]; taken {
			c.fail("the input %q of its graph has the name of a value around it", p.Name)
		}
		if t := in[i]; wire.DataType(t.DType().ONNX()) != p.Type.Elem || t.Rank() != len(p.Type.Shape) {
			c.fail("the input %q of its graph is %v, declared %v of rank %d", p.Name, t, p.Type.Elem, len(p.Type.Shape))
		}
		e.values[p.Name] = in[i]
	}
	if err := e.nodes(g); err != nil {
		c.fail("%v", err)
	}
	out, err := e.outputs(g)
	if err != nil {
		c.fail("%v", err)
	}
	return out
}

// element is element k along the first axis.
func element(t *tensor.Tensor, k int) *tensor.Tensor {
	return arrange(t.DType(), t.Shape()[1:], func(index []int) place {
		return place{t, position(t.Shape(), append([]int{k}, index...))}
	})[0]
}

// stack is the tensors, all of one shape, along a new first axis.
func stack(list []*tensor.Tensor) *tensor.Tensor {
	return arrange(list[0].DType(), append([]int{len(list)}, list[0].Shape()...), func(index []int) place {
		t := list[index[0]]
		return place{t, position(t.Shape(), index[1:])}
	})[0]
}
