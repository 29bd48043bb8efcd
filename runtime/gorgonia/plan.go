package gorgonia

import (
	"errors"
	"fmt"
	"slices"

	_ "go4.org/unsafe/assume-no-moving-gc" // the version that lets gorgonia start on this Go
	G "gorgonia.org/gorgonia"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/memory"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
)

// A plan is a Func specialised to one binding of its symbols: a gorgonia graph with fixed shapes, a machine that runs it,
// and a buffer for every value, where the memory plan says.
type plan struct {
	f       *graph.Func
	memory  *memory.Plan
	machine G.VM
	ops     []*kernelOp    // in the order in which they run
	bufs    []*buffer      // by Value.ID
	states  []*graph.Value // the params of f
	updates []update
	outputs map[string]*tensor.Tensor
	copies  []*tensor.Tensor // of the outputs that are state or inputs, in f's order: steps of other entries and callers change these
	random  *tensor.Tensor   // holds the random state that a caller gives for one run

	binding, told graph.Binding // of the symbols, and with the sizes that this run has told
	late          []*buffer     // of the values whose sizes only a run tells
	pool          *pool         // shared by the plans of an executable
}

// An update is how a new piece of state reaches the State after a run.
type update struct {
	name  string
	value int     // the Value.ID of the new contents
	buf   *buffer // its tensor becomes the state: that of value or, where it must stay, one for copies
}

// maxSalts bounds the search for node hashes without a collision; one collision in 2³² is expected per 65,000 nodes.
const maxSalts = 8

// newPlan makes the plan of f, which is fused, for the binding b, among the plans of x.
func newPlan(f *graph.Func, b graph.Binding, x *executable) (*plan, error) {
	f = memory.Order(f, b)
	m, err := memory.New(f, b)
	if err != nil {
		return nil, err
	}
	if err := runtime.Fits(float64(m.Peak())); err != nil {
		return nil, fmt.Errorf("%s with %v: %w: take smaller batches or a smaller model, or have a training step compute blocks again (nn.Checkpoint)", f.Name, b, err)
	}
	p := &plan{f: f, memory: m, binding: b, pool: &x.pool, bufs: make([]*buffer, len(f.Values)), outputs: map[string]*tensor.Tensor{}, random: tensor.New(graph.I64, 2)}
	for i, u := range f.Updates {
		spare := x.spare(u.Name, u.Value.DType(), m.Shapes[u.Value.ID])
		if m.Direct[i] {
			p.bufs[u.Value.ID] = spare
		}
		p.updates = append(p.updates, update{u.Name, u.Value.ID, spare})
	}
	for _, v := range f.Values {
		switch m.Class[v.ID] {
		case memory.Arena:
			p.bufs[v.ID] = new(buffer) // its place is known below
		case memory.State:
			if k := m.Alias[v.ID]; k >= 0 {
				p.bufs[v.ID] = p.bufs[k] // the same, since state moves between buffers
				continue
			}
			t, err := x.state.Tensor(v.Name)
			if err != nil {
				return nil, err
			}
			p.bufs[v.ID] = newBuffer(t)
			p.states = append(p.states, v)
		case memory.Input:
			if k := m.Alias[v.ID]; k >= 0 {
				p.bufs[v.ID] = newBuffer(p.bufs[k].Reshape(m.Shapes[v.ID]...))
			} else {
				p.bufs[v.ID] = newBuffer(tensor.New(v.DType(), m.Shapes[v.ID]...))
			}
		case memory.Constant, memory.Output:
			p.bufs[v.ID] = newBuffer(tensor.New(v.DType(), m.Shapes[v.ID]...))
		case memory.Late:
			p.bufs[v.ID] = standIn(v)
			p.late = append(p.late, p.bufs[v.ID])
		}
	}
	late, last := f.Late(), map[*buffer]*kernelOp{}
	for _, n := range f.Nodes {
		switch n.Op.(type) {
		case graph.Input, graph.Param:
			continue
		}
		first := n.Results[0].ID
		o := &kernelOp{node: n, ctx: x.ctx, pool: p.pool, still: m.Alias[first] >= 0}
		if late.Node(n) {
			o.late = &lateOp{p, n}
		} else if o.node, err = n.Bound(b); err != nil {
			return nil, err
		}
		for _, a := range n.Args {
			if a == nil {
				o.in = append(o.in, nil)
			} else {
				o.in = append(o.in, p.bufs[a.ID])
			}
		}
		for _, v := range n.Results {
			o.outs = append(o.outs, p.bufs[v.ID])
		}
		for _, v := range slices.Concat(n.Args, n.Results) {
			if v != nil && m.Class[v.ID] == memory.Late {
				last[p.bufs[v.ID]] = o
			}
		}
		if m.Class[first] != memory.Constant {
			if !o.still || o.late != nil {
				p.ops = append(p.ops, o)
			}
		} else if _, err := o.Do(); err != nil {
			return nil, err
		}
	}
	for _, b := range p.late {
		last[b].spent = append(last[b].spent, b)
	}
	if x.arena.need(m.Arena) {
		for _, other := range x.all() {
			other.place(&x.arena)
		}
	}
	p.place(&x.arena)
	if err := p.build(); err != nil {
		return nil, fmt.Errorf("%s: building the gorgonia graph: %w", f.Name, err)
	}
	for _, o := range f.Outputs {
		var own *tensor.Tensor
		if c := m.Class[o.Value.ID]; c == memory.State || c == memory.Input {
			own = tensor.New(o.Value.DType(), m.Shapes[o.Value.ID]...)
		}
		p.copies = append(p.copies, own)
	}
	return p, nil
}

// build makes the gorgonia graph and compiles it.
func (p *plan) build() (err error) {
	defer func() { // gorgonia panics on graphs that it cannot compile
		if r := recover(); r != nil {
			err = fmt.Errorf("gorgonia panicked: %v", r)
		}
	}()
	if len(p.ops) == 0 {
		return nil // every output is an input, state or constant
	}
	for salt := range uint32(maxSalts) {
		g := G.NewGraph()
		nodes, has := make([]*G.Node, len(p.bufs)), make([]*buffer, len(p.bufs)) // by Value.ID; the results of an op have one node
		var last *graph.Value
		for _, o := range p.ops {
			o.salt, o.takes = salt, o.takes[:0]
			var in []*G.Node
			take := func(v *graph.Value) {
				if v == nil {
					return
				}
				for nodes[v.ID] == nil && p.memory.Alias[v.ID] >= 0 { // one value to gorgonia
					v = p.f.Values[p.memory.Alias[v.ID]]
				}
				if nodes[v.ID] == nil {
					nodes[v.ID], has[v.ID] = p.leaf(g, v), p.bufs[v.ID]
				}
				if n := nodes[v.ID]; !slices.Contains(in, n) {
					in, o.takes = append(in, n), append(o.takes, has[v.ID])
				}
			}
			for _, a := range o.node.Args {
				take(a)
			}
			take(last)
			n, err := G.ApplyOp(o, in...)
			if err != nil {
				return fmt.Errorf("%s: %w", o.node.Results[0].Text(), err)
			}
			last = o.node.Results[0]
			for _, v := range o.node.Results {
				nodes[v.ID], has[v.ID] = n, o.outs[0]
			}
		}
		if distinct(g) {
			p.machine = G.NewTapeMachine(g)
			return nil
		}
	}
	return errors.New("node hashes collide")
}

// leaf is the node of a value that is known before the run: an input, state, or a constant.
func (p *plan) leaf(g *G.ExprGraph, v *graph.Value) *G.Node {
	b := p.bufs[v.ID]
	return G.NewTensor(g, b.value.dtype, b.value.shape.Dims(), G.WithShape(b.value.shape...), G.WithName(fmt.Sprint("v", v.ID)), G.WithValue(b.value))
}

// distinct reports whether no two nodes have one hash: gorgonia would take them for the same node.
func distinct(g *G.ExprGraph) bool {
	seen := map[uint32]bool{}
	for _, n := range g.AllNodes() {
		if h := n.Hashcode(); seen[h] {
			return false
		} else {
			seen[h] = true
		}
	}
	return true
}

// run computes all values from what the inputs' buffers hold and the state s; with own, random numbers are drawn from p.random instead.
func (p *plan) run(s *runtime.State, own bool) error {
	p.begin()
	for _, v := range p.states {
		t, err := s.Tensor(v.Name)
		if err != nil {
			return err
		}
		if own && v.Name == graph.RandomState { // of this run alone
			t = p.random
		}
		p.bufs[v.ID].hold(t) // which a step of this or another plan may have swapped
	}
	for i, o := range p.f.Outputs {
		t := p.bufs[o.Value.ID].Tensor
		if own := p.copies[i]; own != nil {
			own.CopyFrom(t)
			t = own
		}
		p.outputs[o.Name] = t
	}
	if p.machine == nil {
		return nil
	}
	defer p.machine.Reset()
	if err := p.machine.RunAll(); err != nil {
		for _, o := range p.ops {
			if failed := o.err; failed != nil {
				o.err = nil
				return failed
			}
		}
		return fmt.Errorf("%s: gorgonia: %w", p.f.Name, err)
	}
	for _, o := range p.f.Outputs {
		if p.memory.Class[o.Value.ID] == memory.Late {
			p.outputs[o.Name] = p.bufs[o.Value.ID].Tensor
		}
	}
	return nil
}

// ok is what the guard of a Step says after a run.
func (p *plan) ok() bool { return tensor.Data[bool](p.outputs[compiler.OK])[0] }

// commit makes the new state current.
func (p *plan) commit(s *runtime.State) {
	for _, u := range p.updates { // before any state changes, since the value may be state
		if from := p.bufs[u.value]; from != u.buf {
			u.buf.CopyFrom(from.Tensor)
		}
	}
	for _, u := range p.updates {
		u.buf.hold(s.Swap(u.name, u.buf.Tensor))
	}
}

func (p *plan) close() error {
	if p.machine == nil {
		return nil
	}
	return p.machine.Close()
}
