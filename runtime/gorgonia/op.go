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

// kernelOp is the one gorgonia.Op there is, but for restOp: it runs the kernel of an IR node into the buffers of its results. Buffers
// share memory, as the memory plan says, so the order matters: to gorgonia each op takes, besides its arguments, the result of the one
// before it.
type kernelOp struct {
	node     *graph.Node
	ctx      *kernel.Context
	pool     *pool
	outs     []*buffer // the results', in order
	in       []*buffer // the arguments', in order; nil of one that is left out
	previous *buffer   // of the op before, where it is no argument
	still    bool      // the result lies with an argument that has its elements: nothing need run
	results  []*tensor.Tensor
	args     []*tensor.Tensor
	salt     uint32
	late     *lateOp   // of what is prepared in each run
	spent    []*buffer // in the pool's memory, which no later op reads
	err      error     // of the last run
	done     func()    // called after each run, if not nil
}

// restOp is a further result of a node with several, which its kernelOp has computed: a gorgonia.Op has one.
type restOp struct {
	*kernelOp
	index int
}

// A buffer is a tensor with its gorgonia face. The two share memory, but for a size that only a run tells.
type buffer struct {
	*tensor.Tensor
	dense *gt.Dense
	mem   []byte // of a value whose size is known late, the piece of the pool that it has
}

func newBuffer(t *tensor.Tensor) *buffer { return &buffer{Tensor: t, dense: newDense(t)} }

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
	if o.err = nil; o.late != nil {
		o.err = o.late.prepare(o)
	}
	o.args, o.results = tensors(o.args[:0], o.in), tensors(o.results[:0], o.outs) // anew each time: state moves between buffers
	if !o.still && o.err == nil {
		o.err = o.node.Run(o.ctx, o.results, o.args)
	}
	for _, b := range o.spent {
		o.pool.give(b)
	}
	if o.done != nil {
		o.done()
	}
	return o.outs[0].dense, o.err
}

// Do has nothing to do.
func (o restOp) Do(...G.Value) (G.Value, error) { return o.outs[o.index].dense, nil }

// tensors appends the tensors of buffers to list.
func tensors(list []*tensor.Tensor, buffers []*buffer) []*tensor.Tensor {
	for _, b := range buffers {
		if b == nil {
			list = append(list, nil)
		} else {
			list = append(list, b.Tensor)
		}
	}
	return list
}

// types are those of what gorgonia gives the op.
func (o *kernelOp) types() []hm.Type {
	ts := make([]hm.Type, 0, len(o.in)+2)
	for _, b := range o.in {
		if b != nil {
			ts = append(ts, b.denseType())
		}
	}
	if o.previous != nil {
		ts = append(ts, o.previous.denseType())
	}
	return ts
}

func (o *kernelOp) Arity() int { return len(o.types()) }
func (o restOp) Arity() int    { return 1 }

func (o *kernelOp) Type() hm.Type { return hm.NewFnType(append(o.types(), o.outs[0].denseType())...) }
func (o restOp) Type() hm.Type {
	return hm.NewFnType(o.outs[0].denseType(), o.outs[o.index].denseType())
}

func (o *kernelOp) InferShape(...G.DimSizer) (gt.Shape, error) {
	return o.outs[0].dense.Shape().Clone(), nil
}

func (o restOp) InferShape(...G.DimSizer) (gt.Shape, error) {
	return o.outs[o.index].dense.Shape().Clone(), nil
}

func (o *kernelOp) ReturnsPtr() bool     { return false }
func (o *kernelOp) CallsExtern() bool    { return false }
func (o *kernelOp) OverwritesInput() int { return -1 }
func (o *kernelOp) String() string {
	return fmt.Sprintf("%s#%d", graph.OpName(o.node.Op), o.node.Results[0].ID)
}
func (o restOp) String() string { return fmt.Sprintf("%v[%d]", o.kernelOp, o.index) }

// WriteHash gives each op an identity of its own: gorgonia merges nodes whose hashes agree.
func (o *kernelOp) WriteHash(h hash.Hash) { fmt.Fprintf(h, "%v %d", o, o.salt) }

// WriteHash is as that of a kernelOp.
func (o restOp) WriteHash(h hash.Hash) { fmt.Fprintf(h, "%v %d", o, o.salt) }

func (o *kernelOp) Hashcode() uint32 { return hashOf(o) }
func (o restOp) Hashcode() uint32    { return hashOf(o) }

func hashOf(o interface{ WriteHash(hash.Hash) }) uint32 {
	h := fnv.New32a()
	o.WriteHash(h)
	return h.Sum32()
}
