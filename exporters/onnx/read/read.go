// Package read makes graphs of ONNX files: each node becomes the op that an exporter would write as such a node, by the same rows
// ([graph.Form]) run backwards, or what a rule of this package makes of it. Stored weights become parameters, axes that only a run
// knows become symbols, and graphs in attributes become bodies. What cannot be read is an error that names the node.
//
//	m, err := read.File("model.onnx")
//	out, err := onnx.Evaluate(m.Func, m.Weights, inputs)
package read

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/check"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/symbolic"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/regularfile"
)

// The opsets of ai.onnx whose files are read: those whose operators package check has, so that a file is held to its own.
const (
	MinOpset = 13
	MaxOpset = 28
)

// A Model is what a file holds.
type Model struct {
	Func    *graph.Func
	Weights onnx.Tensors // of the Func's parameters
}

// File reads the ONNX file path, and its weights in files beside it.
func File(path string) (*Model, error) {
	f, size, err := regularfile.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m, err := wire.DecodeFrom(f, size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	out, err := Graph(m, Options{Load: func(t *wire.Tensor) (*tensor.Tensor, error) { return onnx.ReadTensor(path, t) }})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return out, nil
}

// Options say how to read. The zero value is good for files that have their weights inside.
type Options struct {
	// Load gives the elements of a tensor of the file; nil knows those that the file has itself.
	Load func(t *wire.Tensor) (*tensor.Tensor, error)
	// Fixed are inputs of the file, by name, that are constants of the graph: axes, sizes or limits that must be known.
	Fixed map[string]*tensor.Tensor
}

// Graph reads a decoded file.
func Graph(m *wire.Model, o Options) (*Model, error) {
	if err := check.Model(m, check.Options{}).Err(); err != nil {
		return nil, fmt.Errorf("the file is faulty: %w", err)
	}
	if o.Load == nil {
		o.Load = func(t *wire.Tensor) (*tensor.Tensor, error) { return onnx.ReadTensor("", t) }
	}
	r := &reader{f: graph.NewFunc(m.Graph.Name, false), weights: onnx.Tensors{}, load: o.Load, fixed: o.Fixed}
	for _, o := range m.Opsets {
		if o.Domain == "" || o.Domain == "ai.onnx" {
			r.opset = int(o.Version)
		}
	}
	if r.opset < MinOpset || r.opset > MaxOpset {
		return nil, fmt.Errorf("its operators are those of opset %d; opsets %d to %d are read", r.opset, MinOpset, MaxOpset)
	}
	if err := r.model(m.Graph); err != nil {
		return nil, err
	}
	f := graph.Prune(r.f)
	if len(f.Diags) > 0 {
		return nil, f.Diags
	}
	weights := onnx.Tensors{}
	for _, p := range f.Params {
		weights[p.Name] = r.weights[p.Name]
	}
	return &Model{Func: f, Weights: weights}, nil
}

// A reader holds one reading.
type reader struct {
	f       *graph.Func
	opset   int
	load    func(t *wire.Tensor) (*tensor.Tensor, error)
	fixed   map[string]*tensor.Tensor
	weights onnx.Tensors
	scopes  []*scope // of the graphs that the node that is read stands in, the outermost first
	unknown int      // how many axes without a name have got one
	scratch bool     // nodes are read to be computed at once
}

// A scope has the values of one graph, by name.
type scope struct{ values map[string]*value }

// find is the value called name, of the graph or one around it; nil if there is none, or it is left out.
func (r *reader) find(name string) *value {
	for _, s := range slices.Backward(r.scopes) {
		if v := s.values[name]; v != nil && name != "" {
			return v
		}
	}
	return nil
}

// model reads the outermost graph.
func (r *reader) model(g *wire.Graph) error {
	top := r.enter()
	if err := r.initializers(g); err != nil {
		return err
	}
	for _, o := range g.Outputs { // has its name: the weight is a constant
		if x := top.values[o.Name]; x != nil {
			x.weight = false
		}
	}
	for _, in := range g.Inputs {
		if top.values[in.Name] != nil {
			continue // a weight, listed as an input: the stored one is taken
		}
		t, err := r.declared(in)
		if err != nil {
			return err
		}
		if x := r.fixed[in.Name]; x != nil {
			if x.DType() != t.DType || x.Rank() != len(t.Shape) {
				return fmt.Errorf("input %q is fixed to %v, want %v", in.Name, x, t)
			}
			top.values[in.Name] = &value{host: x}
			continue
		}
		r.at("", func() { top.values[in.Name] = r.made(r.f.Input(in.Name, t.DType, t.Shape...)) })
	}
	if err := r.nodes(g); err != nil {
		return err
	}
	for _, o := range g.Outputs {
		v, err := r.value(o.Name)
		if err != nil {
			return fmt.Errorf("output %q: %w", o.Name, err)
		}
		r.at("", func() { r.f.Output(o.Name, v) })
	}
	return r.mistake(0)
}

// enter begins a graph.
func (r *reader) enter() *scope {
	s := &scope{map[string]*value{}}
	r.scopes = append(r.scopes, s)
	return s
}

// leave ends the graph that was begun last.
func (r *reader) leave() { r.scopes = r.scopes[:len(r.scopes)-1] }

// at runs do, in which what is applied belongs to the node called name.
func (r *reader) at(name string, do func()) {
	r.f.At(graph.Pos{File: r.f.Name, Line: 1}, name, do)
}

// mistake is the first mistake in the Func after so many.
func (r *reader) mistake(after int) error {
	if len(r.f.Diags) <= after {
		return nil
	}
	d := r.f.Diags[after]
	if d.Hint == "" {
		return errors.New(d.Msg)
	}
	return fmt.Errorf("%s (%s)", d.Msg, d.Hint)
}

// initializers enters the tensors that g stores; their elements are loaded when something asks for them.
func (r *reader) initializers(g *wire.Graph) error {
	if len(g.Sparse) > 0 {
		return fmt.Errorf("the initializer %q is sparse: store it dense", g.Sparse[0].Name)
	}
	for _, t := range g.Initializers {
		r.scopes[len(r.scopes)-1].values[t.Name] = &value{stored: t, weight: len(r.scopes) == 1}
	}
	return nil
}

// declared is the type of an input.
func (r *reader) declared(in *wire.ValueInfo) (graph.Type, error) {
	if in.Type == nil || in.Type.Shape == nil {
		return graph.Type{}, fmt.Errorf("input %q: it has no type, or no shape, or is no tensor: declare it in the file", in.Name)
	}
	t, ok := tensor.OfONNX(int(in.Type.Elem))
	if !ok {
		return graph.Type{}, fmt.Errorf("input %q: there is no dtype for elements of type %v", in.Name, in.Type.Elem)
	}
	shape := graph.Shape{}
	for _, d := range in.Type.Shape {
		switch {
		case d.Param != "":
			shape = append(shape, r.symbol(d.Param))
		case d.Unknown:
			r.unknown++
			shape = append(shape, graph.Sym(fmt.Sprintf("unknown_%d", r.unknown)))
		default:
			shape = append(shape, graph.Dim(d.Value))
		}
	}
	return graph.Type{DType: t, Shape: shape}, nil
}

// symbol is the axis called name: what it says if it is an expression of names, else a symbol of its own.
func (r *reader) symbol(name string) graph.Dim {
	if e, ok := symbolic.Parse(name); ok && e != nil {
		if d := graph.DimOf(e); d.Valid() {
			return d
		}
	}
	var b strings.Builder
	b.WriteString("axis_")
	for _, c := range []byte(name) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "_%x", c)
		}
	}
	return graph.Sym(b.String())
}

// value is the value called name in the Func.
func (r *reader) value(name string) (v *graph.Value, err error) {
	x := r.find(name)
	if x == nil {
		return nil, fmt.Errorf("nothing computes %q", name)
	}
	err = guard(func() { v = r.materialize(x) })
	return v, err
}

// A fault is why a node cannot be read: rules panic with it, and guard makes it an error.
type fault string

func fail(format string, args ...any) { panic(fault(fmt.Sprintf(format, args...))) }

// guard runs do, and returns the fault in it, or the mistake that an op's tracing panics with.
func guard(do func()) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case fault:
			err = errors.New(string(p))
		case *graph.Mistake:
			err = p
		default: // of an op, over what no exporter writes
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	do()
	return nil
}
