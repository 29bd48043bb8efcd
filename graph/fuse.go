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
	absorbed := absorb(f)
	out := Rewrite(f, func(out *Func, v *Value, args []*Value) *Value {
		if absorbed[v.ID] || !slices.ContainsFunc(v.Args, func(a *Value) bool { return absorbed[a.ID] }) {
			return nil
		}
		var c collector
		c.add(absorbed, v, v.Op, args)
		o := Fused{Steps: c.steps, kernels: &kernels{}}
		return out.Apply(o, c.args...)
	})
	return Prune(out)
}

// absorb marks, by ID, the values that are computed inside their only user: both are elementwise, of one dtype and shape,
// and the tree has few enough arguments.
func absorb(f *Func) []bool {
	users := make([]int, len(f.Values))
	for _, v := range f.Values {
		for _, a := range v.Args {
			users[a.ID]++
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
			if !fusable(a) || users[a.ID] != 1 || !a.Shape().Equal(v.Shape()) || a.DType() != v.DType() {
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
	if !ok || !v.DType().Float() {
		return false
	}
	k := o.flats()
	return k.f32 != nil && k.f64 != nil
}

// A FusedStep is one op of a Fused: its arguments are numbered, the Fused's own first, then the results of earlier steps.
type FusedStep struct {
	Op   Op
	Args []int
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
func (c *collector) add(absorbed []bool, old *Value, o Op, args []*Value) int {
	step := FusedStep{Op: o}
	for k, a := range args {
		if absorbed[old.Args[k].ID] {
			step.Args = append(step.Args, c.add(absorbed, old.Args[k], a.Op, a.Args))
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

// Infer infers step by step.
func (o Fused) Infer(in []*Value) (Type, error) {
	types := make([]*Value, len(o.Steps))
	for k, s := range o.Steps {
		args := make([]*Value, len(s.Args))
		for i, a := range s.Args {
			if args[i] = o.arg(in, types, a); args[i] == nil {
				return Type{}, fmt.Errorf("step %d has no argument %d", k, a)
			}
		}
		t, err := s.Op.Infer(args)
		if err != nil {
			return Type{}, fmt.Errorf("step %d: %w", k, err)
		}
		types[k] = &Value{Type: t, fn: in[0].fn}
	}
	return types[len(types)-1].Type, nil
}

// arg is the argument numbered a: one of in, or a result so far.
func (o Fused) arg(in, results []*Value, a int) *Value {
	if a >= 0 && a < len(in) {
		return in[a]
	}
	if a < 0 && -1-a < len(results) {
		return results[-1-a]
	}
	return nil
}

// VJP differentiates the tree.
func (o Fused) VJP(y, g *Value) []*Value {
	results := make([]*Value, len(o.Steps))
	for k, s := range o.Steps {
		args := make([]*Value, len(s.Args))
		for i, a := range s.Args {
			args[i] = o.arg(y.Args, results, a)
		}
		results[k] = Apply(s.Op, args...)
	}
	return Grad(results[len(results)-1].Mul(g.Detach()).Sum(), y.Args...)
}

// Eval runs the steps over blocks.
func (o Fused) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	k := o.kernels
	k.once.Do(func() {
		for _, s := range o.Steps {
			f := s.Op.(elementwise).flats()
			k.flats = append(k.flats, f)
			k.cost += max(f.cost, 1)
		}
	})
	switch out.DType() {
	case F32:
		evalFused(c, o, &k.f32, func(f flats) flat[float32] { return f.f32 }, out, in)
	case F64:
		evalFused(c, o, &k.f64, func(f flats) flat[float64] { return f.f64 }, out, in)
	default:
		return noKernel(o, out)
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

// ONNX fails: fusing is for engines that run the graph themselves.
func (o Fused) ONNX(e Emitter, y *Value, in []string) string {
	return e.Fail(y, "a fused op has no ONNX form: export the Func before Fuse")
}

// Samples returns none: Fuse makes these ops from others, on which it is tested.
func (Fused) Samples() []Sample { return nil }
