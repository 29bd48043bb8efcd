package gorgonia

import (
	"errors"
	"fmt"
	"sync/atomic"

	_ "go4.org/unsafe/assume-no-moving-gc" // the version that lets gorgonia start on this Go
	G "gorgonia.org/gorgonia"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
)

// A plan is a Func specialised to one binding of its symbols: a gorgonia graph with fixed shapes, a machine that runs it,
// and a buffer for every value.
type plan struct {
	f       *graph.Func
	machine G.VM
	ops     []*kernelOp    // in order; ops[i].value.ID rises
	bufs    []*buffer      // by Value.ID
	nodes   []*G.Node      // by Value.ID
	states  []*graph.Value // the params of f
	faces   faces          // shared by the plans of an executable
	updates []update
	outputs map[string]*tensor.Tensor
	copies  []*tensor.Tensor // of the outputs that are state, in f's order: steps of other entries change it
	random  *tensor.Tensor   // holds the random state that a caller gives for one run
}

// An update is how a new piece of state reaches the State after a run.
type update struct {
	name  string
	value int     // the Value.ID of the new contents
	buf   *buffer // its tensor becomes the state: that of value or, where it must stay, one of the update's own
}

// maxSalts bounds the search for node hashes without a collision; one collision in 2³² is expected per 65,000 nodes.
const maxSalts = 8

func newPlan(f *graph.Func, b graph.Binding, ctx *kernel.Context, s *runtime.State, faces faces) (*plan, error) {
	p := &plan{f: f, faces: faces, bufs: make([]*buffer, len(f.Values)), outputs: map[string]*tensor.Tensor{}, random: tensor.New(graph.I64, 2)}
	shapes, err := shapesOf(f, b)
	if err != nil {
		return nil, err
	}
	constant := make([]bool, len(f.Values)) // known now: computed once, here
	for _, v := range f.Values {
		shape := shapes[v.ID]
		switch v.Op.(type) {
		case graph.Input:
			p.bufs[v.ID] = newBuffer(tensor.New(v.DType(), shape...))
		case graph.Param:
			t, err := s.Tensor(v.Name)
			if err != nil {
				return nil, err
			}
			p.bufs[v.ID] = newBuffer(t)
			p.states = append(p.states, v)
		default:
			o := &kernelOp{value: v, ctx: ctx, out: newBuffer(tensor.New(v.DType(), shape...))}
			constant[v.ID] = true
			for _, a := range v.Args {
				o.in = append(o.in, p.bufs[a.ID])
				constant[v.ID] = constant[v.ID] && constant[a.ID]
			}
			p.bufs[v.ID] = o.out
			if !constant[v.ID] {
				p.ops = append(p.ops, o)
			} else if _, err := o.Do(); err != nil {
				return nil, err
			}
		}
	}
	if err := p.build(); err != nil {
		return nil, fmt.Errorf("%s: building the gorgonia graph: %w", f.Name, err)
	}
	for _, o := range f.Outputs {
		var own *tensor.Tensor
		if _, ok := o.Value.Op.(graph.Param); ok {
			own = tensor.New(o.Value.DType(), shapes[o.Value.ID]...)
		}
		p.copies = append(p.copies, own)
	}
	p.planUpdates()
	return p, nil
}

// shapesOf are the shapes of f's values under b, by Value.ID. Together the values must fit into memory.
func shapesOf(f *graph.Func, b graph.Binding) ([][]int, error) {
	shapes := make([][]int, len(f.Values))
	total := 0.
	for _, v := range f.Values {
		shape, err := v.Type.Shape.Eval(b)
		n := 0
		if err == nil {
			n, err = tensor.Count(shape)
		}
		if err != nil {
			return nil, &graph.RunError{Value: v, Err: err}
		}
		shapes[v.ID] = shape
		total += float64(n) * float64(v.DType().Size())
	}
	if err := runtime.Fits(total); err != nil {
		return nil, fmt.Errorf("%s with %v: %w: take smaller batches or a smaller model", f.Name, b, err)
	}
	return shapes, nil
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
		p.nodes = make([]*G.Node, len(p.bufs))
		for _, o := range p.ops {
			o.salt = salt
			in := make([]*G.Node, len(o.in))
			for k, a := range o.value.Args {
				if p.nodes[a.ID] == nil {
					p.nodes[a.ID] = p.leaf(g, a)
				}
				in[k] = p.nodes[a.ID]
			}
			if p.nodes[o.value.ID], err = G.ApplyOp(o, in...); err != nil {
				return fmt.Errorf("%s: %w", o.value.Text(), err)
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
	return G.NewTensor(g, b.dense.Dtype(), b.dense.Dims(), G.WithShape(b.dense.Shape()...), G.WithName(fmt.Sprint("v", v.ID)), G.WithValue(b.dense))
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

// planUpdates decides which tensors become new state. That of a value may only if nothing else looks at it once the run is
// over: no output, no second update, and not an input, a constant or other state.
func (p *plan) planUpdates() {
	computed := make([]bool, len(p.bufs))
	for _, o := range p.ops {
		computed[o.value.ID] = true
	}
	taken := make([]bool, len(p.bufs))
	for _, o := range p.f.Outputs {
		taken[o.Value.ID] = true
	}
	for _, u := range p.f.Updates {
		id := u.Value.ID
		buf := p.bufs[id]
		if !computed[id] || taken[id] {
			buf = newBuffer(tensor.New(buf.DType(), buf.Shape()...))
		}
		p.updates = append(p.updates, update{u.Name, id, buf})
		taken[id] = true
	}
}

// run computes all values from the inputs, which must have been checked against the binding, and the state s.
func (p *plan) run(in map[string]*tensor.Tensor, s *runtime.State) error {
	for _, v := range p.f.Inputs {
		p.bufs[v.ID].CopyFrom(in[v.Name])
	}
	for _, v := range p.states {
		t, err := s.Tensor(v.Name)
		if err != nil {
			return err
		}
		if own := in[v.Name]; own != nil && v.Name == graph.RandomState { // the random state of this run alone
			p.random.CopyFrom(own)
			t = p.random
		}
		if b := p.bufs[v.ID]; b.Tensor != t { // a step of this or another plan swapped it
			p.faces.set(b, t)
			if p.nodes != nil && p.nodes[v.ID] != nil {
				if err := G.Let(p.nodes[v.ID], b.dense); err != nil {
					return fmt.Errorf("%s: binding %q: %w", p.f.Name, v.Name, err)
				}
			}
		}
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
	return nil
}

// finite reports whether the loss and all new state are finite.
func (p *plan) finite(c *kernel.Context) bool {
	for _, o := range p.f.Outputs {
		if o.Name == "loss" && !runtime.Finite(p.bufs[o.Value.ID].Tensor) {
			return false
		}
	}
	var bad atomic.Bool
	c.Parallel(len(p.updates), 1, func(lo, hi int) {
		for _, u := range p.updates[lo:hi] {
			if !runtime.Finite(p.bufs[u.value].Tensor) {
				bad.Store(true)
			}
		}
	})
	return !bad.Load()
}

// commit makes the new state current.
func (p *plan) commit(s *runtime.State) {
	for _, u := range p.updates { // before any state changes, since the value may be state
		if from := p.bufs[u.value]; from != u.buf {
			u.buf.CopyFrom(from.Tensor)
		}
	}
	for _, u := range p.updates {
		p.faces.set(u.buf, s.Swap(u.name, u.buf.Tensor))
	}
}

func (p *plan) close() error {
	if p.machine == nil {
		return nil
	}
	return p.machine.Close()
}
