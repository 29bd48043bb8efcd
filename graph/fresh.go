package graph

import (
	"fmt"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// This file has sizes that only a run tells, such as how many elements are not zero. Inference makes a symbol for each ([Infer.Fresh]),
// which is an axis of a result of its node. When a run comes to the node it tells the size, and what follows is computed in tensors that
// are made then.

// A Sizer is an op whose results have sizes that only a run tells. An op made of smaller ops that says none is run for them.
type Sizer interface {
	// Sizes are the sizes for which inference called [Infer.Fresh], in that order, of the results for the arguments in.
	Sizes(c *kernel.Context, in []*tensor.Tensor) ([]int, error)
}

// Fresh are the symbols of the sizes that only a run of n tells.
func (n *Node) Fresh() []Dim { return n.fresh }

// Tell adds to b the sizes that this run of n tells, for its arguments' tensors.
func (n *Node) Tell(c *kernel.Context, b Binding, args []*tensor.Tensor) error {
	if len(n.fresh) == 0 {
		return nil
	}
	list, err := n.tell(c, args)
	if err == nil && len(list) != len(n.fresh) {
		err = fmt.Errorf("it tells %d sizes of %d", len(list), len(n.fresh))
	}
	for i, size := range list {
		if err != nil {
			break
		}
		name := n.fresh[i].String()
		if old, ok := b[name]; ok && old != size {
			err = fmt.Errorf("the size %s is %d here, and was %d", name, size, old)
		}
		b[name] = size
	}
	if err != nil {
		return &RunError{n.Results[0], err}
	}
	return nil
}

// tell are the sizes, as the op or its results say them.
func (n *Node) tell(c *kernel.Context, args []*tensor.Tensor) (list []int, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	switch o := n.Op.(type) {
	case Sizer:
		return o.Sizes(c, args)
	case Composite:
		out, err := evaluateComposite(c, n, args)
		for _, d := range n.fresh {
			for i, v := range n.Results {
				if k := slices.Index(v.Shape(), d); k >= 0 && err == nil {
					list = append(list, out[i].Dim(k))
					break
				}
			}
		}
		return list, err
	}
	return nil, fmt.Errorf("it does not tell the sizes of its results")
}

// Late is what of a Func depends on sizes that only a run tells. Without any, it is nil.
type Late map[string]*Node // the names of these sizes, and the first node that tells each

// Late is what of f depends on sizes that only a run tells.
func (f *Func) Late() Late {
	var l Late
	for _, n := range f.Nodes {
		if n == nil { // Verify says so
			continue
		}
		for _, d := range n.fresh {
			if l == nil {
				l = Late{}
			}
			if name := d.String(); l[name] == nil {
				l[name] = n
			}
		}
	}
	return l
}

// Value reports whether v's shape is known only in a run.
func (l Late) Value(v *Value) bool { return l.any(v.Shape()) }

// Node reports whether n cannot be prepared before a run, but for its arguments: it tells sizes, or has some that only a run tells.
func (l Late) Node(n *Node) bool {
	return l != nil && (len(n.fresh) > 0 || l.any(sizes(n.Op)) || slices.ContainsFunc(n.Results, l.Value))
}

func (l Late) any(list []Dim) bool {
	return l != nil && slices.ContainsFunc(list, func(d Dim) bool {
		return slices.ContainsFunc(d.Symbols(), func(s string) bool { _, ok := l[s]; return ok })
	})
}

// needs are the nodes that tell sizes which n has.
func (l Late) needs(n *Node) []*Node {
	var out []*Node
	if l == nil {
		return nil
	}
	for _, s := range n.Symbols() {
		if from := l[s]; from != nil && from != n && !slices.Contains(out, from) && !slices.Contains(n.fresh, Sym(s)) {
			out = append(out, from)
		}
	}
	return out
}

// Symbols are the names in the sizes of n's results and of its op's attributes.
func (n *Node) Symbols() []string {
	var out []string
	for _, d := range sizes(n.Op) {
		out = append(out, d.Symbols()...)
	}
	for _, v := range n.Results {
		for _, d := range v.Shape() {
			out = append(out, d.Symbols()...)
		}
	}
	return out
}

// freshSize is a size that only a run tells, as a symbol that nothing else is: name, and a number. In a body it has the body's number too.
func (f *Func) freshSize(name string) Dim {
	if f.fresh == nil {
		f.fresh = map[string]int{}
	}
	for {
		f.fresh[name]++
		d := Sym(fmt.Sprintf("%s%s_%d", name, f.inside, f.fresh[name]))
		if !slices.ContainsFunc(f.outermost().Inputs, Late{d.String(): nil}.Value) {
			return d
		}
	}
}

// outermost is the Func that f is in a body of, or f.
func (f *Func) outermost() *Func {
	for f.body != nil {
		f = f.body.outer
	}
	return f
}
