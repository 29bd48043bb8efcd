package onnx

import (
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/symbolic"
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

// dim returns the name of an i64[1] tensor with d, computed at run time from the shape of what has it.
func (e *emitter) dim(d graph.Dim) string {
	if name, ok := e.dims[d.String()]; ok {
		return name
	}
	name := e.axisDim(d.String())
	if name == "" {
		name = e.sum(d.Expr())
	}
	e.dims[d.String()] = name
	return name
}

// sum returns the name of an i64[1] tensor with x.
func (e *emitter) sum(x *symbolic.Expr) string {
	if name, ok := e.dims[x.String()]; ok {
		return name
	}
	name := ""
	for _, t := range x.Terms() {
		switch {
		case name == "":
			name = e.product(t)
		case t.Coef < 0:
			t.Coef = -t.Coef
			name = e.Node("Sub", []string{name, e.product(t)})
		default:
			name = e.Node("Add", []string{name, e.product(t)})
		}
	}
	if name == "" {
		name = e.constDims(graph.Shape{0})
	}
	e.dims[x.String()] = name
	return name
}

func (e *emitter) product(t symbolic.Term) string {
	name := ""
	if t.Coef != 1 || len(t.Factors) == 0 {
		name = e.Const(tensor.Of([]int64{t.Coef}, 1))
	}
	for _, f := range t.Factors {
		p := e.factor(f)
		if name == "" {
			name = p
		} else {
			name = e.Node("Mul", []string{name, p})
		}
	}
	return name
}

// factor returns the name of an i64[1] tensor with f.
func (e *emitter) factor(f *symbolic.Factor) string {
	if name, ok := e.dims[f.Name]; ok {
		return name
	}
	name := ""
	if f.Op == symbolic.Symbol {
		if name = e.axisDim(f.Name); name == "" {
			return e.Fail(e.cur, "the size of %q is needed, and no input has it as an axis", f.Name)
		}
	} else {
		x, by, least := f.X, e.sum(f.Y), f.X.Least()
		n, number := f.Y.Number()
		below := int64(0) // so many times n make x no less than 0
		if f.Op == symbolic.Div && number && least < 0 && least > -1<<31 {
			below = (n - 1 - least) / n
			x = x.Plus(symbolic.Number(below * n))
		}
		in := []string{e.sum(x), by}
		switch f.Op {
		case symbolic.Div:
			if x.Least() < 0 { // ONNX's Div of integers rounds to 0, and its Mod has the divisor's sign
				in[0] = e.Node("Sub", []string{in[0], e.Node("Mod", in)})
			}
			if name = e.Node("Div", in); below > 0 {
				name = e.Node("Sub", []string{name, e.Const(tensor.Of([]int64{below}, 1))})
			}
		case symbolic.Mod:
			name = e.Node("Mod", in)
		case symbolic.Min:
			name = e.Node("Min", in)
		case symbolic.Max:
			name = e.Node("Max", in)
		}
	}
	e.dims[f.Name] = name
	return name
}

// axisDim reads the size written d off an input that has it as an axis, or off the result that tells it; "" if there is none.
func (e *emitter) axisDim(d string) string {
	read := func(v *graph.Value) string {
		if i := slices.IndexFunc(v.Shape(), func(has graph.Dim) bool { return has.Symbolic() && has.String() == d }); i >= 0 && e.names[v.ID] != "" {
			return e.Node("Shape", []string{e.names[v.ID]}, graph.Attr{Name: "start", Value: i}, graph.Attr{Name: "end", Value: i + 1})
		}
		return ""
	}
	for _, in := range e.f.Inputs {
		if in.IsSize() && in.Name == d {
			return e.Node("Reshape", []string{e.names[in.ID], e.Const(tensor.Of([]int64{1}, 1))})
		}
		if name := read(in); name != "" {
			return name
		}
	}
	if from := e.late[d]; from != nil {
		for _, v := range from.Results {
			if name := read(v); name != "" {
				return name
			}
		}
	}
	return ""
}

// reshape replaces a symbolic target of Reshape by a constant where ONNX can say it: 0 copies a dimension from the
// argument, -1 is worked out from the size. A target that may have no elements needs allowzero.
func (e *emitter) reshape(in []string, attrs []graph.Attr) ([]string, []graph.Attr) {
	s, ok := e.pending[in[1]]
	if !ok {
		return in, attrs
	}
	zeros := append(slices.Clone(attrs), graph.Attr{Name: "allowzero", Value: 1})
	if slices.Contains(s, 0) { // then 0 and -1 cannot be told apart from sizes
		return in, zeros
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
	if left > 1 || left == 1 && slices.Contains(d, 0) { // what is left of nothing is not known: the size of an axis may be 0
		return in, zeros
	}
	return []string{in[0], e.Const(tensor.Of(d, len(d)))}, attrs
}
