package onnx

import (
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// Shape returns the name of a rank-1 i64 tensor with the dimensions s. What computes it is written when a node reads it:
// Reshape often does without.
func (e *emitter) Shape(s graph.Shape) string {
	name := "shape of " + s.String() // a space: no name in the file
	e.pending[name] = s
	return name
}

// resolve returns the name of what name stands for, written now if it was pending.
func (e *emitter) resolve(name string) string {
	s, ok := e.pending[name]
	if !ok {
		return name
	}
	if s.Static() {
		return e.constDims(s)
	}
	var parts []string
	for i := 0; i < len(s); {
		k := i
		for k < len(s) && !s[k].Symbolic() {
			k++
		}
		if k > i {
			parts = append(parts, e.constDims(s[i:k]))
			i = k
			continue
		}
		parts = append(parts, e.dim(s[i]))
		i++
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return e.Node("Concat", parts, graph.Attr{Name: "axis", Value: 0})
}

func (e *emitter) constDims(s graph.Shape) string {
	d := make([]int64, len(s))
	for i, n := range s {
		d[i] = int64(n)
	}
	return e.Const(tensor.Of(d, len(d)))
}

// dim returns the name of an i64[1] tensor with d, computed at run time from the shape of an input that has it.
func (e *emitter) dim(d graph.Dim) string {
	if name, ok := e.dims[d]; ok {
		return name
	}
	name := e.inputDim(d)
	if name == "" {
		for _, t := range d.Terms() {
			p := e.product(t)
			if name == "" {
				name = p
			} else {
				name = e.Node("Add", []string{name, p})
			}
		}
	}
	e.dims[d] = name
	return name
}

func (e *emitter) product(t graph.DimTerm) string {
	name := ""
	if t.Coef != 1 || len(t.Symbols) == 0 {
		name = e.Const(tensor.Of([]int64{t.Coef}, 1))
	}
	for _, s := range t.Symbols {
		p := e.symbol(s)
		if name == "" {
			name = p
		} else {
			name = e.Node("Mul", []string{name, p})
		}
	}
	return name
}

func (e *emitter) symbol(name string) string {
	d := graph.Sym(name)
	if s, ok := e.dims[d]; ok {
		return s
	}
	s := e.inputDim(d)
	if s == "" {
		return e.Fail(e.cur, "the size of %q is needed, and no input has it as an axis", name)
	}
	e.dims[d] = s
	return s
}

// inputDim reads d off an input that has it as an axis; "" if none does.
func (e *emitter) inputDim(d graph.Dim) string {
	for _, in := range e.f.Inputs {
		if in.IsSize() && in.Name == d.String() {
			return e.Node("Reshape", []string{e.names[in.ID], e.Const(tensor.Of([]int64{1}, 1))})
		}
		if i := slices.Index(in.Shape(), d); i >= 0 {
			return e.Node("Shape", []string{e.names[in.ID]}, graph.Attr{Name: "start", Value: i}, graph.Attr{Name: "end", Value: i + 1})
		}
	}
	return ""
}

// reshape replaces a symbolic target of Reshape by a constant where ONNX can say it: 0 copies a dimension from the
// argument, -1 is worked out from the size. A target with no elements needs allowzero.
func (e *emitter) reshape(in []string, attrs []graph.Attr) ([]string, []graph.Attr) {
	s, ok := e.pending[in[1]]
	if !ok {
		return in, attrs
	}
	if slices.Contains(s, 0) { // then 0 and -1 cannot be told apart from sizes
		return in, append(slices.Clone(attrs), graph.Attr{Name: "allowzero", Value: 1})
	}
	from := e.shapes[in[0]]
	d := make([]int64, len(s))
	left := 0
	for i, n := range s {
		switch {
		case !n.Symbolic():
			d[i] = int64(n)
		case i < len(from) && from[i] == n:
			d[i] = 0
		default:
			d[i] = -1
			left++
		}
	}
	if left > 1 {
		return in, attrs
	}
	return []string{in[0], e.Const(tensor.Of(d, len(d)))}, attrs
}
