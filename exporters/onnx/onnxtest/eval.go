package onnxtest

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// Evaluate runs a model by the plainest loops, in float64, each operator as the ONNX specification has it: what an exported
// file computes, without a runtime and without our ops. It returns the outputs by name. in may leave out what the file has an
// initializer for. An attribute that the operator does not have, an operator that the opset does not have, and an output
// that is not of the declared dtype and rank are errors.
func Evaluate(m *wire.Model, in map[string]*tensor.Tensor) (out map[string]*tensor.Tensor, err error) {
	e := &evaluation{values: map[string]*tensor.Tensor{"": nil}}
	for _, o := range m.Opsets {
		if o.Domain == "" {
			e.opset = o.Version
		}
	}
	for _, t := range m.Graph.Initializers {
		if e.values[t.Name], err = host(t); err != nil {
			return nil, err
		}
	}
	maps.Copy(e.values, in)
	if err := e.nodes(m.Graph); err != nil {
		return nil, err
	}
	list, err := e.outputs(m.Graph)
	if err != nil {
		return nil, err
	}
	out = map[string]*tensor.Tensor{}
	for i, o := range m.Graph.Outputs {
		out[o.Name] = list[i]
	}
	return out, nil
}

// nodes computes what the nodes of g do.
func (e *evaluation) nodes(g *wire.Graph) error {
	for _, n := range g.Nodes {
		if err := e.node(n); err != nil {
			return fmt.Errorf("%s %q: %w", n.OpType, n.Name, err)
		}
	}
	return nil
}

// outputs are those of g, each of its declared dtype and rank.
func (e *evaluation) outputs(g *wire.Graph) ([]*tensor.Tensor, error) {
	var out []*tensor.Tensor
	for _, o := range g.Outputs {
		t := e.values[o.Name]
		if t == nil {
			return nil, fmt.Errorf("nothing computes the output %q", o.Name)
		}
		if want := o.Type; wire.DataType(t.DType().ONNX()) != want.Elem || t.Rank() != len(want.Shape) {
			return nil, fmt.Errorf("the output %q is %v, declared %v of rank %d", o.Name, t, want.Elem, len(want.Shape))
		}
		out = append(out, t)
	}
	return out, nil
}

type evaluation struct {
	opset  int64
	values map[string]*tensor.Tensor
}

// An operator computes the outputs of a node.
type operator func(c *call) []*tensor.Tensor

// operators are those of ai.onnx that exported files may have.
var operators map[string]operator

func init() { // operators of graphs lead back to this map
	all := map[string]operator{}
	for _, family := range []map[string]operator{mathOperators, reduceOperators, shapeOperators, indexOperators, imageOperators, recurrentOperators, controlOperators, lateOperators} {
		maps.Copy(all, family)
	}
	operators = all
}

// A call is a node with the values of its inputs; nil stands for one left out.
type call struct {
	*wire.Node
	opset int64
	in    []*tensor.Tensor
	read  map[string]bool // the attributes that the operator has looked for
	outer *evaluation     // of the graph that it stands in
}

// A fault is what is wrong with a node: operators panic with it, and node makes it an error.
type fault string

func (c *call) fail(format string, args ...any) { panic(fault(fmt.Sprintf(format, args...))) }

func (e *evaluation) node(n *wire.Node) (err error) {
	op := operators[n.OpType]
	if op == nil || n.Domain != "" {
		return fmt.Errorf("there is no such operator here")
	}
	c := &call{Node: n, opset: e.opset, read: map[string]bool{}, outer: e}
	for _, name := range n.Inputs {
		v, ok := e.values[name]
		if !ok {
			return fmt.Errorf("the input %q is not there", name)
		}
		c.in = append(c.in, v)
	}
	defer func() {
		if r := recover(); r != nil {
			f, ok := r.(fault)
			if !ok {
				panic(r)
			}
			err = fmt.Errorf("%s", string(f))
		}
	}()
	out := op(c)
	for _, a := range n.Attributes {
		if !c.read[a.Name] {
			return fmt.Errorf("it has no attribute %q at opset %d", a.Name, e.opset)
		}
	}
	for i, name := range n.Outputs {
		if i >= len(out) {
			return fmt.Errorf("it has no output %d", i)
		}
		if name != "" {
			e.values[name] = out[i]
		}
	}
	return nil
}

// attribute is the value of an attribute, or the default where the node has none.
func attribute[T any](c *call, name string, otherwise T) T {
	c.read[name] = true
	for _, a := range c.Attributes {
		if a.Name == name {
			v, ok := a.Value.(T)
			if !ok {
				c.fail("the attribute %q is a %T", name, a.Value)
			}
			return v
		}
	}
	return otherwise
}

func (c *call) float(name string, otherwise float64) float64 {
	return float64(attribute(c, name, float32(otherwise)))
}

func (c *call) int(name string, otherwise int) int { return int(attribute(c, name, int64(otherwise))) }

func (c *call) ints(name string, otherwise ...int) []int {
	var list []int64
	for _, n := range otherwise {
		list = append(list, int64(n))
	}
	return whole(attribute(c, name, list))
}

// must fails unless the node has want, or nothing, for an attribute: nothing else is known here.
func must[T comparable](c *call, name string, want T) {
	if got := attribute(c, name, want); got != want {
		c.fail("the attribute %q is %v, and only %v is known", name, got, want)
	}
}

// since fails before an opset.
func (c *call) since(opset int64) {
	if c.opset < opset {
		c.fail("it came with opset %d, this is %d", opset, c.opset)
	}
}

// input is an input that must be there.
func (c *call) input(i int) *tensor.Tensor {
	if !c.has(i) {
		c.fail("input %d is missing", i)
	}
	return c.in[i]
}

func (c *call) has(i int) bool { return i < len(c.in) && c.in[i] != nil }

// list is an input of rank 1, i64.
func (c *call) list(i int) []int {
	t := c.input(i)
	if t.DType() != tensor.I64 || t.Rank() != 1 {
		c.fail("input %d is %v, want a list of i64", i, t)
	}
	return whole(tensor.Data[int64](t))
}

// axis counts from the end when negative.
func (c *call) axis(k, rank int) int {
	if k < -rank || k >= rank {
		c.fail("axis %d of %d", k, rank)
	}
	return (k + rank) % max(rank, 1)
}

// same fails unless the inputs have one dtype.
func (c *call) same(in ...*tensor.Tensor) {
	for _, t := range in {
		if t != nil && t.DType() != in[0].DType() {
			c.fail("the inputs are %v", in)
		}
	}
}

func whole(list []int64) []int {
	var out []int
	for _, n := range list {
		out = append(out, int(n))
	}
	return out
}

// each calls do with every index of shape, in row-major order; do must not keep it.
func each(shape []int, do func(index []int)) {
	index := make([]int, len(shape))
	var walk func(axis int)
	walk = func(axis int) {
		if axis == len(shape) {
			do(index)
			return
		}
		for index[axis] = 0; index[axis] < shape[axis]; index[axis]++ {
			walk(axis + 1)
		}
	}
	walk(0)
}

// position is the row-major place of an index.
func position(shape, index []int) int {
	at := 0
	for i, n := range shape {
		at = at*n + index[i]
	}
	return at
}

// build is a tensor whose element at each index is f of it. The index must not be kept.
func build(t tensor.DType, shape []int, f func(index []int) float64) *tensor.Tensor {
	out, at := tensor.New(t, shape...), 0
	each(shape, func(index []int) {
		out.Set(at, f(index))
		at++
	})
	return out
}

// A place is an element of a tensor.
type place struct {
	in *tensor.Tensor
	at int
}

// find is where t has its element for an index, where an axis of size 1 has the same element everywhere, and axes count from
// the last: ONNX's broadcasting.
func find(t *tensor.Tensor, index []int) place {
	at := 0
	for i, n := range t.Shape() {
		k := index[len(index)-t.Rank()+i]
		if n == 1 {
			k = 0
		}
		at = at*n + k
	}
	return place{t, at}
}

// look is the element of t that find finds.
func look(t *tensor.Tensor, index []int) float64 {
	p := find(t, index)
	return t.At(p.at)
}

// arrange is a tensor whose element at each index is a copy of the one that from finds, to the bit.
func arrange(t tensor.DType, shape []int, from func(index []int) place) []*tensor.Tensor {
	out, at := tensor.New(t, shape...), 0
	each(shape, func(index []int) {
		p := from(index)
		out.Part(at, at+1).CopyFrom(p.in.Part(p.at, p.at+1))
		at++
	})
	return []*tensor.Tensor{out}
}

// broadcast is the shape to which all of in spread.
func (c *call) broadcast(in ...*tensor.Tensor) []int {
	var shape []int
	for _, t := range in {
		for len(shape) < t.Rank() {
			shape = slices.Insert(shape, 0, 1)
		}
		for i, n := range t.Shape() {
			switch d := &shape[len(shape)-t.Rank()+i]; {
			case *d == n || n == 1:
			case *d == 1:
				*d = n
			default:
				c.fail("%v do not broadcast", in)
			}
		}
	}
	return shape
}

// host is a stored tensor.
func host(t *wire.Tensor) (*tensor.Tensor, error) {
	data, err := t.Values()
	if err != nil {
		return nil, err
	}
	dtype, ok := tensor.OfONNX(int(t.Type))
	if !ok {
		return nil, fmt.Errorf("the initializer %q is of %v", t.Name, t.Type)
	}
	if dtype.Bits() > 0 && dtype.Bits() < 8 {
		x := tensor.New(dtype, whole(t.Dims)...)
		return x, x.Decode(bytes.NewReader(data.([]byte)))
	}
	x, ok := tensor.OfRaw(dtype, data, whole(t.Dims)...)
	if !ok {
		return nil, fmt.Errorf("the initializer %q has a %T for %v", t.Name, data, t.Type)
	}
	return x, nil
}
