package gorgonia

import (
	"fmt"
	"maps"
	"slices"

	"github.com/sardonyx-ml/sardonyx/compiler/memory"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
)

// This file has values whose sizes only a run tells. To gorgonia they are tensors of one element, which stand for what lies in memory that
// is found when a run comes to them, and which later values have when they are not needed any more.

// A lateOp is what is prepared for an op in each run.
type lateOp struct {
	plan *plan
	node *graph.Node // as it is in the Func
}

// prepare binds o's node for this run, and finds memory for those of its results whose sizes are known only now.
func (l *lateOp) prepare(o *kernelOp) (err error) {
	told := l.plan.told
	if err := l.node.Tell(o.ctx, told, tensors(o.args[:0], o.in)); err != nil {
		return err
	}
	for i, v := range l.node.Results {
		if l.plan.memory.Class[v.ID] != memory.Late {
			continue
		}
		shape, err := v.Sizes(told)
		if err != nil {
			return err
		}
		if err := l.plan.find(o.outs[i], v, shape); err != nil {
			return err
		}
	}
	o.node, err = l.node.Bound(told)
	return err
}

// standIn is the buffer of v before a run has come to it.
func standIn(v *graph.Value) *buffer {
	return newBuffer(tensor.New(v.DType(), slices.Repeat([]int{1}, v.Rank())...))
}

// largeLate is from how many bytes on it is asked whether the machine has them.
const largeLate = 64 << 20

// find gives b, the buffer of v, memory for the shape. That of an output is its own, since callers keep it.
func (p *plan) find(b *buffer, v *graph.Value, shape []int) error {
	n, err := tensor.Count(shape)
	if err != nil {
		return err
	}
	n *= v.DType().Size()
	if n >= largeLate {
		if err := runtime.Fits(float64(n)); err != nil {
			return &graph.RunError{Value: v, Err: fmt.Errorf("%v of shape %v: %w", v.DType(), shape, err)}
		}
	}
	if v.DType() == graph.String || slices.ContainsFunc(p.f.Outputs, func(o graph.Output) bool { return o.Value == v }) {
		if !slices.Equal(b.Shape(), shape) {
			b.Tensor = tensor.New(v.DType(), shape...)
		}
		return nil
	}
	b.mem = p.pool.take(n)
	b.Tensor = tensor.In(b.mem[:n], v.DType(), shape...)
	return nil
}

// begin forgets what the last run has told.
func (p *plan) begin() {
	if len(p.late) == 0 {
		return
	}
	p.told = maps.Clone(p.binding)
	for _, b := range p.late { // those of a run that failed
		p.pool.give(b)
	}
}

// A pool is memory for values whose sizes are known late, in pieces.
type pool struct{ free [][]byte }

// take returns a piece of n bytes or more: the smallest that is free, or a new one in the place of one that is too small.
func (p *pool) take(n int) []byte {
	best := -1
	for i, m := range p.free {
		if len(m) >= n && (best < 0 || len(m) < len(p.free[best])) {
			best = i
		}
	}
	if best < 0 {
		if len(p.free) > 0 {
			p.free = p.free[:len(p.free)-1]
		}
		return aligned(n + n/8) // the next run may need some more
	}
	m := p.free[best]
	p.free = slices.Delete(p.free, best, best+1)
	return m
}

// give takes back the memory of b, if it has some of the pool's.
func (p *pool) give(b *buffer) {
	if b.mem != nil {
		p.free = append(p.free, b.mem)
		b.mem = nil
	}
}
