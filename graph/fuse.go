package graph

import (
	"fmt"
	"slices"
	"sync"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// maxFused bounds the arguments of a Fused op: as many as a broadcast loop has operands.
const maxFused = 8

// fusedBlock is the number of elements that the ops of a Fused pass on to one another: few enough that they stay in the
// first-level cache.
const fusedBlock = 1024

// Fuse returns a copy of f in which trees of elementwise ops are one [Fused] op each: intermediate results that have one
// use then never go through memory. Every number stays the same, bit for bit. It is for engines, after differentiation;
// a Fused op has no ONNX form.
func Fuse(f *Func) *Func {
	f = InBodies(f, Fuse)
	absorbed := absorb(f)
	out := Rewrite(f, func(out *Func, n *Node, args []*Value) []*Value {
		if absorbed[n.Results[0].ID] || !slices.ContainsFunc(n.Args, func(a *Value) bool { return a != nil && absorbed[a.ID] }) {
			return nil
		}
		var c collector
		c.add(absorbed, n, n.Op, args)
		return out.ApplyNode(Fused{Steps: c.steps, kernels: &kernels{}}, nil, c.args...).Results
	})
	return Prune(out)
}

// absorb marks, by ID, the values that are computed inside their only user: both are elementwise, of one dtype and shape,
// and the tree has few enough arguments.
func absorb(f *Func) []bool {
	users := make([]int, len(f.Values))
	for _, n := range f.Nodes {
		for _, a := range n.Args {
			if a != nil {
				users[a.ID]++
			}
		}
	}
	for _, o := range f.Outputs {
		users[o.Value.ID] += 2
	}
	for _, u := range f.Updates {
		users[u.Value.ID] += 2
	}
	absorbed := make([]bool, len(f.Values))
	leaves := make([][]*Value, len(f.Values)) // the arguments of the tree rooted at a value
	for _, v := range f.Values {
		if !fusable(v) {
			continue
		}
		for _, a := range v.Args {
			if !slices.Contains(leaves[v.ID], a) {
				leaves[v.ID] = append(leaves[v.ID], a)
			}
		}
		for _, a := range v.Args {
			if !fusable(a) || users[a.ID] != 1 || !a.Type.Equal(v.Type) {
				continue
			}
			rest := slices.DeleteFunc(slices.Clone(leaves[v.ID]), func(l *Value) bool { return l == a })
			for _, l := range leaves[a.ID] {
				if !slices.Contains(rest, l) {
					rest = append(rest, l)
				}
			}
			if len(rest) <= maxFused {
				absorbed[a.ID], leaves[v.ID] = true, rest
			}
		}
	}
	return absorbed
}

func fusable(v *Value) bool {
	o, ok := v.Op.(elementwise)
	if !ok || !ours(v.Op) || !v.DType().Native() {
		return false
	}
	k := o.flats()
	return k.f32 != nil && k.f64 != nil
}

// A FusedStep is one op of a Fused: its arguments are numbered, the Fused's own first, then the results of earlier steps.
type FusedStep struct {
	Op    Op
	Args  []int
	Scope string `text:"-"` // the layer that made it
	Pos   Pos    `text:"-"` // and the user's line
}

// String is the op and its arguments, Scale{By:2}[-1]: the part of the step in the text form.
func (s FusedStep) String() string { return fmt.Sprintf("%s%v", OpText(s.Op), s.Args) }

// collector gathers the steps of a tree, arguments before users.
type collector struct {
	args  []*Value
	steps []FusedStep
}

// add appends the step that computes old, whose op is o, from the new values args, and returns its number: below 0 as
// −1−k for step k, so that the Fused's arguments can still grow.
func (c *collector) add(absorbed []bool, old *Node, o Op, args []*Value) int {
	step := FusedStep{Op: o, Scope: old.Scope, Pos: old.Pos}
	for k, a := range args {
		if absorbed[old.Args[k].ID] {
			step.Args = append(step.Args, c.add(absorbed, old.Args[k].Node, a.Op, a.Args))
			continue
		}
		i := slices.Index(c.args, a)
		if i < 0 {
			i = len(c.args)
			c.args = append(c.args, a)
		}
		step.Args = append(step.Args, i)
	}
	c.steps = append(c.steps, step)
	return -len(c.steps)
}

// Fused computes a tree of elementwise ops, a block of elements at a time. An argument numbered −1−k is the result of step
// k; the last step's is the result.
type Fused struct {
	Steps   []FusedStep
	kernels *kernels `text:"-"`
}

// kernels are the steps' kernels, made once, and blocks for their results.
type kernels struct {
	once  sync.Once
	flats []flats
	cost  int
	f32   sync.Pool
	f64   sync.Pool
}

// Takes is any number of values.
func (Fused) Takes() []Arg { return []Arg{{Name: "x", DTypes: Floats, Variadic: true}} }

// Infer infers step by step.
func (o Fused) Infer(in *Infer) ([]Type, error) {
	results := make([]*Value, len(o.Steps))
	for k, s := range o.Steps {
		args, err := o.args(s, in.Args, results)
		if err != nil {
			return nil, fmt.Errorf("step %d: %w", k, err)
		}
		n := &Node{Op: s.Op, Args: args, fn: in.fn}
		types, err := n.infer()
		if err != nil {
			return nil, fmt.Errorf("step %d: %w", k, err)
		}
		results[k] = &Value{Node: n, Type: types[0]}
	}
	return []Type{results[len(results)-1].Type}, nil
}

// args are the arguments of step s: some of in, and results so far.
func (o Fused) args(s FusedStep, in, results []*Value) ([]*Value, error) {
	args := make([]*Value, len(s.Args))
	for i, a := range s.Args {
		switch {
		case a >= 0 && a < len(in):
			args[i] = in[a]
		case a < 0 && -1-a < len(results):
			args[i] = results[-1-a]
		}
		if args[i] == nil {
			return nil, fmt.Errorf("there is no argument %d", a)
		}
	}
	return args, nil
}

// Lower is the tree as it was.
func (o Fused) Lower(n *Node) []*Value {
	results := make([]*Value, len(o.Steps))
	for k, s := range o.Steps {
		args, err := o.args(s, n.Args, results)
		if err != nil {
			n.fn.Mistake(n.Pos, "Fused: "+err.Error(), "only Fuse makes these")
			return []*Value{n.fn.Poison()}
		}
		results[k] = n.fn.Apply(s.Op, args...)
	}
	return results[len(results)-1:]
}

// Run runs the steps over blocks.
func (o Fused) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	k := o.kernels
	k.once.Do(func() {
		for _, s := range o.Steps {
			f := s.Op.(elementwise).flats()
			k.flats = append(k.flats, f)
			k.cost += max(f.cost, 1)
		}
	})
	switch out[0].DType() {
	case F32:
		evalFused(c, o, &k.f32, func(f flats) flat[float32] { return f.f32 }, out[0], in)
	case F64:
		evalFused(c, o, &k.f64, func(f flats) flat[float64] { return f.f64 }, out[0], in)
	default:
		return noKernel(o, out[0])
	}
	return nil
}

// A fusedBlocks is one goroutine's memory: a block for each step but the last, and the arguments of the step at hand.
type fusedBlocks[T any] struct {
	block [][]T
	args  [][]T
}

func evalFused[T tensor.Element](c *kernel.Context, o Fused, pool *sync.Pool, pick func(flats) flat[T], out *tensor.Tensor, in []*tensor.Tensor) {
	var args [maxFused][]T
	var shapes [maxFused][]int
	for i, x := range in {
		args[i], shapes[i] = tensor.Data[T](x), x.Shape()
	}
	last := len(o.Steps) - 1
	run := func(out []T, in [][]T) {
		m, _ := pool.Get().(*fusedBlocks[T])
		if m == nil {
			m = &fusedBlocks[T]{args: make([][]T, 0, maxFused)}
			for range last {
				m.block = append(m.block, make([]T, fusedBlock))
			}
		}
		defer pool.Put(m)
		for lo := 0; lo < len(out); lo += fusedBlock {
			hi := min(lo+fusedBlock, len(out))
			for k, s := range o.Steps {
				m.args = m.args[:0]
				for _, a := range s.Args {
					switch {
					case a < 0:
						m.args = append(m.args, m.block[-1-a][:hi-lo])
					case len(in[a]) == len(out):
						m.args = append(m.args, in[a][lo:hi])
					default: // one element
						m.args = append(m.args, in[a])
					}
				}
				to := out[lo:hi]
				if k < last {
					to = m.block[k][:hi-lo]
				}
				pick(o.kernels.flats[k])(to, m.args)
			}
		}
	}
	kernel.Map(c, run, tensor.Data[T](out), out.Shape(), args[:len(in)], shapes[:len(in)], max(1, grain/o.kernels.cost))
}
