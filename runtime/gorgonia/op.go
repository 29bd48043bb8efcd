package gorgonia

import (
	"fmt"
	"hash"
	"hash/fnv"

	"github.com/chewxy/hm"
	G "gorgonia.org/gorgonia"
	gt "gorgonia.org/tensor"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// kernelOp is the one gorgonia.Op there is: it runs an IR op's kernel into the value's buffer. Buffers share memory, as the memory
// plan says, so the order matters: to gorgonia each op takes, besides its arguments, the result of the one before it.
type kernelOp struct {
	value    *graph.Value
	ctx      *kernel.Context
	out      *buffer
	in       []*buffer // the arguments' buffers, in order
	previous *buffer   // of the op before, where it is no argument
	still    bool      // the result lies with an argument that has its elements: nothing need run
	args     []*tensor.Tensor
	salt     uint32
	err      error  // of the last run
	done     func() // called after each run, if not nil
}

// A buffer is a tensor with its gorgonia face. The two share memory.
type buffer struct {
	*tensor.Tensor
	dense *gt.Dense
}

func newBuffer(t *tensor.Tensor) *buffer { return &buffer{t, newDense(t)} }

func newDense(t *tensor.Tensor) *gt.Dense {
	shape := t.Shape()
	if len(shape) == 0 {
		shape = []int{1} // gorgonia's rank-0 values are not Dense
	}
	return gt.New(gt.WithShape(shape...), gt.WithBacking(t.Raw()))
}

// faces keep the gorgonia faces of tensors that move between the state and the buffers of plans.
type faces map[*tensor.Tensor]*gt.Dense

// set makes t the tensor of b.
func (f faces) set(b *buffer, t *tensor.Tensor) {
	f[b.Tensor] = b.dense
	d := f[t]
	if d == nil {
		d = newDense(t)
		f[t] = d
	}
	b.Tensor, b.dense = t, d
}

// denseType is the type of b's gorgonia node.
func (b *buffer) denseType() hm.Type {
	return G.TensorType{Dims: b.dense.Dims(), Of: b.dense.Dtype()}
}

// Do runs the kernel, for gorgonia. What went wrong is kept in o.err too, without what gorgonia wraps around it.
func (o *kernelOp) Do(...G.Value) (G.Value, error) {
	o.args = o.args[:0]
	for _, b := range o.in {
		o.args = append(o.args, b.Tensor) // anew each time: state moves between buffers
	}
	if o.err = nil; !o.still {
		o.err = o.value.Eval(o.ctx, o.out.Tensor, o.args)
	}
	if o.done != nil {
		o.done()
	}
	return o.out.dense, o.err
}

func (o *kernelOp) Arity() int {
	if o.previous != nil {
		return len(o.in) + 1
	}
	return len(o.in)
}

func (o *kernelOp) Type() hm.Type {
	ts := make([]hm.Type, 0, len(o.in)+2)
	for _, b := range o.in {
		ts = append(ts, b.denseType())
	}
	if o.previous != nil {
		ts = append(ts, o.previous.denseType())
	}
	return hm.NewFnType(append(ts, o.out.denseType())...)
}

func (o *kernelOp) InferShape(...G.DimSizer) (gt.Shape, error) {
	return o.out.dense.Shape().Clone(), nil
}
func (o *kernelOp) ReturnsPtr() bool     { return false }
func (o *kernelOp) CallsExtern() bool    { return false }
func (o *kernelOp) OverwritesInput() int { return -1 }
func (o *kernelOp) String() string       { return fmt.Sprintf("%s#%d", graph.OpName(o.value.Op), o.value.ID) }

// WriteHash gives each op an identity of its own: gorgonia merges nodes whose hashes agree.
func (o *kernelOp) WriteHash(h hash.Hash) { fmt.Fprintf(h, "%v %d", o, o.salt) }

func (o *kernelOp) Hashcode() uint32 {
	h := fnv.New32a()
	o.WriteHash(h)
	return h.Sum32()
}
