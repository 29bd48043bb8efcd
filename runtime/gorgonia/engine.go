// Package gorgonia runs programs on gorgonia: every IR op becomes one generic gorgonia.Op that runs the op's kernel, and
// gorgonia's graph and TapeMachine hold and run them. Gradients are the IR's own; gorgonia's are not used.
//
// gorgonia fixes shapes when it compiles a graph, so a Func is specialised per binding of its symbolic dimensions, and the
// plans are cached.
package gorgonia

import (
	"context"
	"fmt"
	"slices"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	rt "github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/blas"
)

// Options configure the engine. The zero value uses the fastest BLAS found and all CPUs.
type Options struct {
	BLAS    blas.Impl // nil: blas.Default()
	Threads int       // goroutines a kernel may use; 0: one a CPU ([rt.Threads])
	Grain   int       // least work worth a goroutine, see [kernel.Context]; 0: each kernel's own
	// Observe, if it is not nil, is called of each run of an entry point, with its [graph.Func], and of each op in it: see [kernel.Context].
	Observe func(of any, out, args []*tensor.Tensor) (done func())
	// MaxPlans bounds how many specialisations of one entry point are kept, oldest out first; 0 means 16.
	MaxPlans int
}

// An Engine is gorgonia with a BLAS.
type Engine struct{ o Options }

// KernelContext is what kernels run with under o, for running them outside an engine: in checks, for one.
func KernelContext(o Options) (*kernel.Context, error) {
	e, err := New(o)
	if err != nil {
		return nil, err
	}
	return e.context(), nil
}

// New returns an engine.
func New(o Options) (*Engine, error) {
	if o.BLAS == nil {
		b, err := blas.Default()
		if err != nil {
			return nil, err
		}
		o.BLAS = b
	}
	if o.Grain < 0 || o.MaxPlans < 0 {
		return nil, fmt.Errorf("gorgonia: a grain of %d and %d plans: none may be negative", o.Grain, o.MaxPlans)
	}
	var err error
	if o.Threads, err = rt.Threads(o.Threads); err != nil {
		return nil, fmt.Errorf("gorgonia: %w", err)
	}
	if o.MaxPlans == 0 {
		o.MaxPlans = 16
	}
	return &Engine{o}, nil
}

func (e *Engine) context() *kernel.Context {
	c := kernel.NewContext(e.o.BLAS, e.o.Threads)
	c.Grain, c.Observe = e.o.Grain, e.o.Observe
	return c
}

// Name is the engine with its BLAS and thread count.
func (e *Engine) Name() string {
	return fmt.Sprintf("gorgonia (%s, %d threads)", e.o.BLAS.Name(), e.o.Threads)
}

// Load prepares prog to run over s.
func (e *Engine) Load(prog *compiler.Program, s *rt.State) (rt.Executable, error) {
	if err := rt.CheckState(prog, s); err != nil {
		return nil, err
	}
	return &executable{prog: prog, state: s, fused: map[string]*graph.Func{}, spares: map[string]*buffer{}, ctx: e.context(), plans: map[string][]*boundPlan{}, max: e.o.MaxPlans}, nil
}

// executable is a program with its plans.
type executable struct {
	prog   *compiler.Program
	state  *rt.State
	ctx    *kernel.Context
	fused  map[string]*graph.Func
	arena  arena
	pool   pool
	spares map[string]*buffer      // by name of state: what its next contents are computed into
	plans  map[string][]*boundPlan // by entry point, most recently used last
	max    int
}

// spare is the buffer that the next contents of the state called name are computed into, the same for all plans. Once they are
// the state, it has the memory of the last.
func (x *executable) spare(name string, t graph.DType, shape []int) *buffer {
	if x.spares[name] == nil {
		x.spares[name] = newBuffer(tensor.New(t, shape...))
	}
	return x.spares[name]
}

// all lists the plans of all entry points.
func (x *executable) all() []*boundPlan {
	var all []*boundPlan
	for _, list := range x.plans {
		all = append(all, list...)
	}
	return all
}

// A boundPlan is a plan and what its inputs must be like.
type boundPlan struct {
	*plan
	shapes    [][]int // of the inputs, in the Func's order; of one that is a size, its value
	call, own call    // the second draws from a random state of its own
}

// Prepare finds the plan for the shapes of like, or makes it; see [rt.Executable].
func (x *executable) Prepare(entry string, like map[string]*tensor.Tensor) (rt.Call, error) {
	f, err := x.prog.Entry(entry)
	if err != nil {
		return nil, err
	}
	own, err := rt.CheckRandom(f, like)
	if err != nil {
		return nil, err
	}
	p, err := x.planFor(f, like)
	if err != nil {
		return nil, err
	}
	if own {
		return &p.own, nil
	}
	return &p.call, nil
}

// planFor finds the plan for the shapes of in, or makes it.
func (x *executable) planFor(f *graph.Func, in map[string]*tensor.Tensor) (*boundPlan, error) {
	list := x.plans[f.Name]
	for i, p := range list {
		if p.fits(in) {
			copy(list[i:], list[i+1:])
			list[len(list)-1] = p
			return p, nil
		}
	}
	b, err := f.Bind(in)
	if err != nil {
		return nil, err
	}
	if x.fused[f.Name] == nil {
		x.fused[f.Name] = computable(f)
	}
	p, err := newPlan(x.fused[f.Name], b, x)
	if err != nil {
		return nil, err
	}
	bp := &boundPlan{plan: p}
	bp.call, bp.own = call{x, f, p, false}, call{x, f, p, true}
	for _, v := range p.f.Inputs {
		bp.shapes = append(bp.shapes, slices.Clone(p.memory.Shapes[v.ID]))
		if v.IsSize() {
			p.bufs[v.ID].SetInt(0, int64(b[v.Name]))
			bp.shapes[len(bp.shapes)-1] = []int{b[v.Name]}
		}
	}
	if len(list) == x.max { // who has a Call of the oldest may run it still
		list = slices.Delete(list, 0, 1)
	}
	x.plans[f.Name] = append(list, bp)
	return bp, nil
}

// fits reports whether the plan is for inputs like those in in.
func (p *boundPlan) fits(in map[string]*tensor.Tensor) bool {
	for i, v := range p.f.Inputs {
		t := in[v.Name]
		if t == nil || t.DType() != v.DType() {
			return false
		}
		if v.IsSize() {
			if t.Rank() != 0 || t.Int(0) != int64(p.shapes[i][0]) {
				return false
			}
		} else if !slices.Equal(t.Shape(), p.shapes[i]) {
			return false
		}
	}
	return true
}

// A call is a plan with the entry point that it is of, as it was compiled; see [rt.Call].
type call struct {
	x   *executable
	f   *graph.Func
	p   *plan
	own bool // it draws from a random state of its own
}

// Func is the entry point.
func (c *call) Func() *graph.Func { return c.f }

// Input is the memory of an input.
func (c *call) Input(name string) *tensor.Tensor {
	for _, v := range c.p.f.Inputs {
		if v.Name == name {
			return c.p.bufs[v.ID].Tensor
		}
	}
	if c.own && name == graph.RandomState {
		return c.p.random
	}
	return nil
}

// Run runs the plan, and commits what a Step has updated.
func (c *call) Run(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if observe := c.x.ctx.Observe; observe != nil {
		defer observe(c.f, nil, nil)()
	}
	if err := c.p.run(c.x.state, c.own); err != nil {
		return err
	}
	if c.f.Training {
		if !c.p.ok() {
			return c.Explain()
		}
		c.p.commit(c.x.state)
	}
	return nil
}

// Output is an output of the last run.
func (c *call) Output(name string) (*tensor.Tensor, error) {
	if t := c.p.outputs[name]; t != nil {
		return t, nil
	}
	return nil, rt.NoOutput(c, name)
}

// Explain finds the first value that went bad.
func (c *call) Explain() error { return rt.Explain(c.x.ctx, c, c.x.state) }

// Close frees the machines.
func (x *executable) Close() error {
	for _, p := range x.all() {
		if err := p.close(); err != nil {
			return err
		}
	}
	clear(x.plans)
	clear(x.spares)
	x.arena, x.pool = arena{}, pool{}
	return nil
}
