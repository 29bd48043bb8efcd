package graph

import (
	"fmt"
	"math"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

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
