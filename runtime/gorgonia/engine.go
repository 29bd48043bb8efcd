// Package gorgonia runs programs on gorgonia: every IR op becomes one generic gorgonia.Op that runs the op's kernel, and
// gorgonia's graph and TapeMachine hold and run them. Gradients are the IR's own; gorgonia's are not used.
//
// gorgonia fixes shapes when it compiles a graph, so a Func is specialised per binding of its symbolic dimensions, and the
// plans are cached.
package gorgonia

import (
	"context"
	"fmt"
	"math"
	"runtime"
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
	Threads int       // goroutines a kernel may use; 0: one a CPU
	Grain   int       // least work worth a goroutine, see [kernel.Context]; 0: each kernel's own
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
	if o.Threads < 0 || o.Grain < 0 || o.MaxPlans < 0 {
		return nil, fmt.Errorf("gorgonia: %d threads, a grain of %d and %d plans: none may be negative", o.Threads, o.Grain, o.MaxPlans)
	}
	if o.Threads == 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	if o.MaxPlans == 0 {
		o.MaxPlans = 16
	}
	return &Engine{o}, nil
}

func (e *Engine) context() *kernel.Context {
	c := kernel.NewContext(e.o.BLAS, e.o.Threads)
	c.Grain = e.o.Grain
	return c
}

// Name is the engine with its BLAS and thread count.
func (e *Engine) Name() string {
	return fmt.Sprintf("gorgonia (%s, %d threads)", e.o.BLAS.Name(), e.o.Threads)
}

// Load prepares prog to run over s.
func (e *Engine) Load(prog *compiler.Program, s *rt.State) (rt.Executable, error) {
	for _, p := range prog.Params() {
		t, err := s.Tensor(p.Name)
		if err != nil {
			return nil, fmt.Errorf("loading %s: %w", prog.Name(), err)
		}
		if shape, _ := p.Type.Shape.Eval(nil); t.DType() != p.Type.DType || !slices.Equal(t.Shape(), shape) {
			return nil, fmt.Errorf("loading %s: state %q is %v, want %v", prog.Name(), p.Name, t, p.Type)
		}
	}
	return &executable{prog: prog, state: s, fused: map[string]*graph.Func{}, faces: faces{}, spares: map[string]*buffer{}, ctx: e.context(), plans: map[string][]*boundPlan{}, max: e.o.MaxPlans}, nil
}

// executable is a program with its plans.
type executable struct {
	prog   *compiler.Program
	state  *rt.State
	ctx    *kernel.Context
	fused  map[string]*graph.Func
	faces  faces
	arena  arena
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

type boundPlan struct {
	*plan
	shapes [][]int // of the inputs, in the Func's order
}

// Run runs one entry point; see [rt.Executable].
func (x *executable) Run(ctx context.Context, entry string, in map[string]*tensor.Tensor) (map[string]*tensor.Tensor, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := x.prog.Entry(entry)
	if err != nil {
		return nil, err
	}
	if t := in[graph.RandomState]; t != nil && (t.DType() != graph.I64 || t.Len() != 2) {
		return nil, fmt.Errorf("%s: %q is %v, want i64[2] {seed, step}", entry, graph.RandomState, t)
	}
	for name := range in {
		if !slices.ContainsFunc(f.Inputs, func(v *graph.Value) bool { return v.Name == name }) && !(name == graph.RandomState && !f.Training && f.Lookup(name) != nil) {
			return nil, fmt.Errorf("%s: no input is called %q: it has %s", entry, name, inputNames(f))
		}
	}
	p, err := x.planFor(f, in)
	if err != nil {
		return nil, err
	}
	if err := p.run(in, x.state); err != nil {
		return nil, err
	}
	if f.Training {
		if !p.ok() {
			return nil, x.diagnose(f, in)
		}
		p.commit(x.state)
	}
	return p.outputs, nil
}

func inputNames(f *graph.Func) string {
	var names []string
	for _, v := range f.Inputs {
		names = append(names, fmt.Sprintf("%s %v", v.Name, v.Type))
	}
	return fmt.Sprint(names)
}

// planFor finds the plan for the shapes of in, or makes it.
func (x *executable) planFor(f *graph.Func, in map[string]*tensor.Tensor) (*plan, error) {
	list := x.plans[f.Name]
	for i, p := range list {
		if p.fits(in) {
			copy(list[i:], list[i+1:])
			list[len(list)-1] = p
			return p.plan, nil
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
	for _, v := range f.Inputs {
		bp.shapes = append(bp.shapes, shapeOf(v, in[v.Name]))
	}
	if len(list) == x.max {
		if err := list[0].close(); err != nil {
			return nil, err
		}
		list = slices.Delete(list, 0, 1)
		clear(x.faces) // they would keep the plan's tensors
	}
	x.plans[f.Name] = append(list, bp)
	return p, nil
}

func (p *boundPlan) fits(in map[string]*tensor.Tensor) bool {
	for i, v := range p.f.Inputs {
		t := in[v.Name]
		if t == nil || t.DType() != v.DType() || !slices.Equal(shapeOf(v, t), p.shapes[i]) {
			return false
		}
	}
	return true
}

// shapeOf is what a plan depends on of the tensor t for the input v: its shape, or the size that it is.
func shapeOf(v *graph.Value, t *tensor.Tensor) []int {
	if v.IsSize() && t.Rank() == 0 {
		return []int{int(t.Int(0))}
	}
	return slices.Clone(t.Shape())
}

// Explain finds the first value that went bad; see [rt.Executable].
func (x *executable) Explain(entry string, in map[string]*tensor.Tensor) error {
	f, err := x.prog.Entry(entry)
	if err != nil {
		return err
	}
	return x.diagnose(f, in)
}

// diagnose finds the first value of f that went bad, by running it again, value by value, from the same state.
func (x *executable) diagnose(f *graph.Func, in map[string]*tensor.Tensor) error {
	all := make(map[string]*tensor.Tensor, len(in)+len(f.Params))
	for name, t := range in {
		all[name] = t
	}
	for _, p := range f.Params {
		if all[p.Name] != nil { // the random state of one run
			continue
		}
		t, err := x.state.Tensor(p.Name)
		if err != nil {
			return err
		}
		all[p.Name] = t
	}
	out, err := graph.Evaluate(x.ctx, f, all)
	if err != nil {
		return fmt.Errorf("%s: looking for the value that went bad: %w", f.Name, err)
	}
	for _, blame := range []func(*graph.Value, []*tensor.Tensor) bool{
		culprit,
		func(v *graph.Value, out []*tensor.Tensor) bool { return nonFinite(out[v.ID]) != "" }, // a bad constant
	} {
		for _, v := range f.Values {
			if blame(v, out) {
				return &rt.NonFiniteError{Entry: f.Name, Value: v.Text(), Pos: v.Pos, Scope: v.Scope, What: nonFinite(out[v.ID])}
			}
		}
	}
	return fmt.Errorf("%s: an output or the new state is not finite, but a second run gave finite values", f.Name)
}

// culprit reports whether v is bad and its arguments are not to blame: it is NaN or Inf from finite arguments, or NaN from
// arguments without NaN (an Inf may be meant, as in a mask). A constant is never to blame.
func culprit(v *graph.Value, out []*tensor.Tensor) bool {
	what := nonFinite(out[v.ID])
	if what == "" {
		return false
	}
	switch v.Op.(type) {
	case graph.Input, graph.Param:
		return true
	}
	finite, noNaN := true, true
	for _, a := range v.Args {
		if a == nil {
			continue
		}
		w := nonFinite(out[a.ID])
		finite = finite && w == ""
		noNaN = noNaN && w != "NaN"
	}
	return len(v.Args) > 0 && (finite || what == "NaN" && noNaN)
}

// nonFinite is "NaN" or "Inf" if t has one, else "".
func nonFinite(t *tensor.Tensor) string {
	if !t.DType().Float() || rt.Finite(t) {
		return ""
	}
	for i := range t.Len() {
		if math.IsNaN(t.At(i)) {
			return "NaN"
		}
	}
	return "Inf"
}

// Close frees the machines.
func (x *executable) Close() error {
	for _, p := range x.all() {
		if err := p.close(); err != nil {
			return err
		}
	}
	clear(x.plans)
	clear(x.faces)
	clear(x.spares)
	x.arena = arena{}
	return nil
}
