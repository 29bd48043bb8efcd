package graph

import (
	"fmt"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// Fits is the first fault that every run of f with the sizes b has, whatever is in its inputs and parameters, nil if sizes alone tell none:
// a size below 0, elements beyond an axis, or an [Assert] about sizes, as that of a sequence that is longer than a table of places. Whole
// numbers and bools that no input or parameter goes into are computed for that, up to some thousands a value.
func (f *Func) Fits(b Binding) error {
	c, late, known := kernel.NewContext(nil, 1), f.Late(), make([]*tensor.Tensor, len(f.Values))
	for _, n := range f.Nodes {
		if late.Node(n) || slices.ContainsFunc(n.Args, func(v *Value) bool { return v != nil && late.Value(v) }) {
			continue
		}
		if err := n.fits(c, b, known); err != nil {
			return err
		}
	}
	return nil
}

// maxKnown is how many elements a value may have that Fits computes.
const maxKnown = 1 << 14

// fits is n's fault, and adds its results to known if it has none and they can be computed.
func (n *Node) fits(c *kernel.Context, b Binding, known []*tensor.Tensor) error {
	small := true // and no floats
	for _, v := range n.Results {
		shape, err := v.Sizes(b)
		if err != nil {
			return err
		}
		size, _ := tensor.Count(shape)
		small = small && size <= maxKnown && (v.DType().Integer() || v.DType() == Bool)
	}
	v := n.Results[0]
	switch o := n.Op.(type) {
	case Input:
		if size, ok := b[v.Name]; ok && v.IsSize() {
			known[v.ID] = tensor.Scalar(int64(size))
		}
		return nil
	case Param:
		return nil
	case Const:
		known[v.ID] = o.Value
		return nil
	}
	n, err := n.Bound(b)
	if err != nil {
		return err
	}
	args, all := make([]*tensor.Tensor, len(n.Args)), true
	for k, a := range n.Args {
		if a != nil {
			args[k] = known[a.ID]
			all = all && args[k] != nil && !a.DType().Float()
		}
	}
	if all && small && len(n.Bodies) == 0 {
		out, err := n.buffers(b, known)
		if err != nil {
			return err
		}
		return n.Run(c, out, args)
	}
	if err := n.within(b, args); err != nil {
		return &RunError{v, err}
	}
	return nil
}

// within is what is wrong with the places that n takes of its first argument, as far as they are known.
func (n *Node) within(b Binding, args []*tensor.Tensor) error {
	switch o := n.Op.(type) {
	case Slice:
		size, err := n.Args[0].Dim(o.Axis).Eval(b)
		if err != nil {
			return err
		}
		return o.within(size)
	case Gather:
		size, err := n.Args[0].Dim(o.Axis).Eval(b)
		if err != nil || args[1] == nil {
			return err
		}
		for i := range args[1].Len() {
			if at := args[1].Int(i); at < -int64(size) || at >= int64(size) {
				return fmt.Errorf("element %d of an axis of %d", at, size)
			}
		}
	}
	return nil
}

// BindNear is the binding of every symbol of f's inputs to n where f fits it ([Func.Fits]) and no axis is empty by it, and else that with the
// fewest other sizes: n halved or doubled as often as need be, the nearest below before those above. Where none of these fits either, it is n
// everywhere.
func (f *Func) BindNear(n int) Binding {
	b := f.BindAll(n)
	symbols := b.names()
	var others []int
	for k := n / 2; k > 0; k /= 2 {
		others = append(others, k)
	}
	for k := max(n, 1); k <= maxNear/2; {
		k *= 2
		others = append(others, k)
	}
	tries := 0
	var change func(from, many int) bool
	change = func(from, many int) bool {
		if many == 0 {
			tries++
			return f.Fits(b) == nil && !f.empty(b)
		}
		for i := from; i <= len(symbols)-many; i++ {
			for _, size := range others {
				if b[symbols[i]] = size; tries < maxTries && change(i+1, many-1) {
					return true
				}
			}
			b[symbols[i]] = n
		}
		return false
	}
	for many := range len(symbols) + 1 {
		if change(0, many) {
			return b
		}
	}
	return f.BindAll(n)
}

// empty reports whether b makes an axis 0.
func (f *Func) empty(b Binding) bool {
	return slices.ContainsFunc(f.Values, func(v *Value) bool {
		return slices.ContainsFunc(v.Shape(), func(d Dim) bool {
			n, err := d.Eval(b)
			return d.Symbolic() && n == 0 && err == nil
		})
	})
}

const (
	maxNear  = 64   // the largest size that BindNear tries for a smaller one
	maxTries = 4096 // how many bindings it tries
)
