package graph

import (
	"fmt"
	"math"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// Evaluate computes every value of f, one after another, each into a new tensor. It is the plainest engine there is: the
// one that passes and other engines are checked against. inputs holds the Inputs and Params of f by name. The result is
// indexed by Value.ID.
func Evaluate(c *kernel.Context, f *Func, inputs map[string]*tensor.Tensor) ([]*tensor.Tensor, error) {
	b, err := f.Bind(inputs)
	if err != nil {
		return nil, err
	}
	out := make([]*tensor.Tensor, len(f.Values))
	for i, v := range f.Values {
		switch o := v.Op.(type) {
		case Input, Param:
			t := inputs[v.Name]
			if t == nil {
				return nil, fmt.Errorf("%s: no tensor for %q", f.Name, v.Name)
			}
			if shape, err := v.Type.Shape.Eval(b); err != nil || t.DType() != v.DType() || !slices.Equal(t.Shape(), shape) {
				return nil, fmt.Errorf("%s: %q is %v, want %v", f.Name, v.Name, t, v.Type)
			}
			out[i] = t
			continue
		case Const:
			out[i] = o.Value.Clone()
			continue
		}
		shape, err := v.Type.Shape.Eval(b)
		if err == nil {
			_, err = tensor.Count(shape)
		}
		if err != nil {
			return nil, &RunError{v, err}
		}
		args := make([]*tensor.Tensor, len(v.Args))
		for k, a := range v.Args {
			args[k] = out[a.ID]
		}
		out[i] = tensor.New(v.DType(), shape...)
		if err := v.Eval(c, out[i], args); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Eval computes v from its arguments' tensors into out, for engines. A failure of the op, or a panic in it, is a [RunError].
func (v *Value) Eval(c *kernel.Context, out *tensor.Tensor, args []*tensor.Tensor) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
		if err != nil {
			err = &RunError{v, err}
		}
	}()
	return v.Op.Eval(c, out, args)
}

// A RunError is why a value could not be computed in a run.
type RunError struct {
	Value *Value
	Err   error
}

// Error is the entry point, the user's line, the layer, the op, and what is wrong.
func (e *RunError) Error() string {
	v := e.Value
	var where string
	if v.Scope != "" {
		where = v.Scope + ": "
	}
	if _, ok := v.Op.(Assert); !ok { // whose message says who wants what
		where += OpName(v.Op) + ": "
	}
	return fmt.Sprintf("%s: %v: %s%v", v.fn.Name, v.Pos, where, e.Err)
}

// Unwrap is the op's own error.
func (e *RunError) Unwrap() error { return e.Err }

// BindAll is the binding of every symbol of f's inputs to n.
func (f *Func) BindAll(n int) Binding {
	b := Binding{}
	for _, v := range f.Inputs {
		if v.IsSize() {
			b[v.Name] = n
		}
		for _, d := range v.Shape() {
			for _, s := range d.Symbols() {
				b[s] = n
			}
		}
	}
	return b
}

// Bind finds the sizes of f's symbols from the shapes of its inputs, and checks that every input is there with the
// declared dtype and a shape that fits. Entries of inputs that f does not know are ignored.
func (f *Func) Bind(inputs map[string]*tensor.Tensor) (Binding, error) {
	b := Binding{}
	for _, in := range f.Inputs {
		t := inputs[in.Name]
		if t == nil {
			return nil, fmt.Errorf("%s: input %q is missing: it is %v", f.Name, in.Name, in.Type)
		}
		if t.DType() != in.DType() || t.Rank() != in.Rank() {
			return nil, fmt.Errorf("%s: input %q is %v, want %v", f.Name, in.Name, t, in.Type)
		}
		if in.IsSize() {
			n := t.Int(0)
			if old, ok := b[in.Name]; n < 0 || n > math.MaxInt32 || ok && int64(old) != n {
				return nil, fmt.Errorf("%s: input %q, which is the size %s, is %d: want a number from 0 to %d, that of the other inputs", f.Name, in.Name, in.Name, n, math.MaxInt32)
			}
			b[in.Name] = int(n)
		}
		for i, d := range in.Shape() { // plain symbols first: products follow from them
			if name, ok := d.Symbol(); ok {
				if old, ok := b[name]; ok && old != t.Dim(i) {
					return nil, fmt.Errorf("%s: input %q has %s = %d, another input has %d", f.Name, in.Name, d, t.Dim(i), old)
				}
				b[name] = t.Dim(i)
			}
		}
	}
	for _, in := range f.Inputs {
		for i, d := range in.Shape() {
			n, err := d.Eval(b)
			if err != nil {
				return nil, fmt.Errorf("%s: input %q: %w: some input must have it as an axis of its own", f.Name, in.Name, err)
			}
			if n != inputs[in.Name].Dim(i) {
				return nil, fmt.Errorf("%s: input %q is %v, want %v", f.Name, in.Name, inputs[in.Name], in.Type)
			}
		}
	}
	return b, nil
}
