package gorgonia

import (
	"fmt"
	"hash"
	"hash/fnv"
	"slices"

	"github.com/chewxy/hm"
	G "gorgonia.org/gorgonia"
	gt "gorgonia.org/tensor"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// kernelOp is the one gorgonia.Op there is: it runs the kernel of an IR node into the buffers of its results. To gorgonia it has the first
// of them; who reads another takes that too, since it is computed with it. Buffers share memory, as the memory plan says, so the order
// matters: to gorgonia each op takes, besides its arguments, the result of the one before it.
type kernelOp struct {
	node    *graph.Node
	ctx     *kernel.Context
	pool    *pool
	outs    []*buffer // the results', in order
	in      []*buffer // the arguments', in order; nil of one that is left out
	takes   []*buffer // what it takes from gorgonia: leaves, and first results of ops
	still   bool      // the result lies with an argument that has its elements: nothing need run
	results []*tensor.Tensor
	args    []*tensor.Tensor
	salt    uint32
	late    *lateOp   // of what is prepared in each run
	spent   []*buffer // in the pool's memory, which no later op reads
	err     error     // of the last run
	done    func()    // called after each run, if not nil
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
	return o.outs[0].value, o.err
}

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

func (o *kernelOp) Arity() int { return len(o.takes) }

func (o *kernelOp) Type() hm.Type {
	ts := make([]hm.Type, 0, len(o.takes)+1)
	for _, b := range append(slices.Clip(o.takes), o.outs[0]) {
		ts = append(ts, b.value.Type())
	}
	return hm.NewFnType(ts...)
}

func (o *kernelOp) InferShape(...G.DimSizer) (gt.Shape, error) {
	return o.outs[0].value.shape.Clone(), nil
}

func (o *kernelOp) ReturnsPtr() bool     { return false }
func (o *kernelOp) CallsExtern() bool    { return false }
func (o *kernelOp) OverwritesInput() int { return -1 }
func (o *kernelOp) String() string {
	return fmt.Sprintf("%s#%d", graph.OpName(o.node.Op), o.node.Results[0].ID)
}

// WriteHash gives each op an identity of its own: gorgonia merges nodes whose hashes agree.
func (o *kernelOp) WriteHash(h hash.Hash) { fmt.Fprintf(h, "%v %d", o, o.salt) }

func (o *kernelOp) Hashcode() uint32 {
	h := fnv.New32a()
	o.WriteHash(h)
	return h.Sum32()
}
