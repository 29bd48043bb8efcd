package graph

import (
	"maps"
	"reflect"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// A BodyKernel is an op with bodies that computes.
type BodyKernel interface {
	// RunBodies is as Run of a [Kernel], with the bodies of the node.
	RunBodies(c *kernel.Context, bodies []*Func, out, in []*tensor.Tensor) error
	// own is how many inputs each body has besides those that are captured.
	own() int
}

// A Span is the arguments From up to To of a node.
type Span struct{ From, To int }

// Captures are the arguments that each body of n takes from outside, one body after another; those before the first are the op's own.
func (n *Node) Captures() []Span {
	if len(n.Bodies) == 0 {
		return nil
	}
	own := n.Op.(BodyKernel).own()
	out, to := make([]Span, len(n.Bodies)), len(n.Args)
	for i, b := range slices.Backward(n.Bodies) {
		from := to - (len(b.Inputs) - own)
		out[i], to = Span{from, to}, from
	}
	return out
}

// A bodyRun runs a body any number of times, for one set of shapes, in the same buffers: what goes in and comes out is copied.
type bodyRun struct {
	c     *kernel.Context
	f     *Func
	in    []*tensor.Tensor // of the inputs, in order
	out   []*tensor.Tensor // of the outputs, in order
	calls []call

	b    Binding
	late Late
	all  []*tensor.Tensor // by Value.ID; of values whose sizes only a run tells, those of the last run
}

// A call is one node with its buffers.
type call struct {
	n       *Node
	out, in []*tensor.Tensor
	late    *Node // n as it was, if it must be bound in each run
}

// newBodyRun prepares f. Its first inputs have buffers of their own, of the shapes of own, and the others are shared.
func newBodyRun(c *kernel.Context, f *Func, own, shared []*tensor.Tensor) (*bodyRun, error) {
	all := make([]*tensor.Tensor, len(f.Values))
	r := &bodyRun{c: c, f: f, late: f.Late(), all: all}
	inputs := map[string]*tensor.Tensor{}
	for _, t := range own {
		r.in = append(r.in, tensor.New(t.DType(), t.Shape()...))
	}
	for i, t := range append(r.in[:len(r.in):len(r.in)], shared...) {
		v := f.Inputs[i]
		inputs[v.Name], all[v.ID] = t, t
	}
	b, err := f.Bind(inputs)
	if err != nil {
		return nil, err
	}
	r.b = b
	for _, n := range f.Nodes {
		if _, ok := n.Op.(Input); ok {
			continue
		}
		k := call{n: n, in: make([]*tensor.Tensor, len(n.Args))}
		if r.late.Node(n) || slices.ContainsFunc(n.Args, func(a *Value) bool { return a != nil && r.late.Value(a) }) {
			k.late, k.out = n, make([]*tensor.Tensor, len(n.Results))
			for _, v := range n.Results {
				if r.late.Value(v) {
					continue
				}
				shape, err := v.Sizes(b)
				if err != nil {
					return nil, err
				}
				all[v.ID] = tensor.New(v.DType(), shape...)
			}
			r.calls = append(r.calls, k)
			continue
		}
		if k.n, err = n.Bound(b); err != nil {
			return nil, err
		}
		for i, a := range n.Args {
			if a != nil {
				k.in[i] = all[a.ID]
			}
		}
		if k.out, err = n.buffers(b, all); err != nil {
			return nil, err
		}
		if len(n.Args) > 0 || len(n.Bodies) > 0 {
			r.calls = append(r.calls, k)
		} else if err := k.n.Run(c, k.out, nil); err != nil { // a constant
			return nil, err
		}
	}
	for _, o := range f.Outputs {
		r.out = append(r.out, all[o.Value.ID])
	}
	return r, nil
}

// run computes r.out from r.in.
func (r *bodyRun) run() error {
	b := r.b
	if r.late != nil {
		b = maps.Clone(b)
	}
	for i := range r.calls {
		k := &r.calls[i]
		if k.late != nil {
			if err := r.bind(k, b); err != nil {
				return err
			}
		}
		if err := k.n.Run(r.c, k.out, k.in); err != nil {
			return err
		}
	}
	return nil
}

// bind gives k the tensors that this run has for it, under b, which gets the sizes that it tells.
func (r *bodyRun) bind(k *call, b Binding) (err error) {
	for i, a := range k.late.Args {
		if a != nil {
			k.in[i] = r.all[a.ID]
		}
	}
	if err := k.late.Tell(r.c, b, k.in); err != nil {
		return err
	}
	for i, v := range k.late.Results {
		shape, err := v.Sizes(b)
		if err != nil {
			return err
		}
		if t := r.all[v.ID]; t == nil || !slices.Equal(t.Shape(), shape) {
			r.all[v.ID] = tensor.New(v.DType(), shape...)
		}
		k.out[i] = r.all[v.ID]
	}
	k.n, err = k.late.Bound(b)
	return err
}

// row is element i along the first axis of t, in t's memory.
func row(t *tensor.Tensor, i int) *tensor.Tensor {
	n := t.Len() / t.Dim(0)
	x, _ := tensor.OfRaw(t.DType(), reflect.ValueOf(t.Raw()).Slice(i*n, (i+1)*n).Interface(), t.Shape()[1:]...)
	return x
}

// next makes the results from the inputs of the next run, at once, since one may be another's input.
func (r *bodyRun) next(from, to []*tensor.Tensor) {
	list := slices.Clone(from)
	for i, t := range list {
		if slices.Contains(to, t) { // an input that goes on, perhaps in another's place
			list[i] = t.Clone()
		}
	}
	for i, t := range list {
		to[i].CopyFrom(t)
	}
}
