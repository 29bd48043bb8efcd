package graph

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// maxFused bounds the arguments of a Fused op: as many as a broadcast loop has operands. It has no more results either, and maxSteps steps.
const (
	maxFused = 8
	maxSteps = 64
)

// fusedBlock is the number of elements that the ops of a Fused pass on to one another: few enough that they stay in the
// first-level cache.
const fusedBlock = kernel.SumBlock

// Fuse returns a copy of f in which elementwise ops that go together are one [Fused] op: what only they use then never goes through memory,
// and what others use too is written once and not read again. Sums over all elements of what they compute, and whether it is finite
// ([AllFinite]), are taken on the way. Every number stays the same, bit for bit. It is for engines, after differentiation; a Fused op has
// no ONNX form.
func Fuse(f *Func) *Func {
	f = fuseClasses(InBodies(f, Fuse))
	u := newUsage(f)
	clusters := u.clusters()
	args, to, finite := make([][]*Value, len(f.Values)), make([]*Value, len(f.Values)), make([]*Value, len(f.Values)) // by the IDs in f
	out := Rewrite(f, func(out *Func, n *Node, in []*Value) []*Value {
		for k, a := range n.Args {
			if a != nil && to[a.ID] != nil {
				in[k] = to[a.ID]
			}
		}
		v := n.Results[0]
		if to[v.ID] != nil { // a sum that a Fused has taken
			return []*Value{to[v.ID]}
		}
		if _, ok := n.Op.(AllFinite); ok {
			return looked(n, in, finite)
		}
		g := clusters[v.ID]
		if g == nil {
			return nil
		}
		args[v.ID] = in
		if g.root() == v {
			u.fuse(out, g, args, to, finite)
		}
		return nil
	})
	for i, o := range f.Outputs {
		if v := to[o.Value.ID]; v != nil {
			out.Outputs[i].Value = v
		}
	}
	for i, o := range f.Updates {
		if v := to[o.Value.ID]; v != nil {
			out.Updates[i].Value = v
		}
	}
	return Prune(out)
}

// looked is AllFinite of in where finite, by the IDs of what they were, has values that say so already; nil if it has none.
func looked(n *Node, in, finite []*Value) []*Value {
	var rest, known []*Value
	for k, a := range n.Args {
		switch ok := finite[a.ID]; {
		case ok == nil:
			rest = append(rest, in[k])
		case !slices.Contains(known, ok):
			known = append(known, ok)
		}
	}
	if known == nil {
		return nil
	}
	var all *Value
	if rest != nil {
		all = rest[0].AllFinite(rest[1:]...)
	} else {
		all, known = known[0], known[1:]
	}
	for _, ok := range known {
		all = all.And(ok)
	}
	return []*Value{all}
}

// A cluster is elementwise ops of one type that are computed together, when all others' arguments are known: in order, the last is its root.
type cluster struct {
	members []*Value
	leaves  []*Value // what they take of others
}

func (g *cluster) root() *Value { return g.members[len(g.members)-1] }

// flat reports whether each argument has all elements or one, so that a block of the results needs the same block of each.
func (g *cluster) flat() bool {
	return !slices.ContainsFunc(g.leaves, func(a *Value) bool {
		single := !slices.ContainsFunc(a.Shape(), func(d Dim) bool { return d != 1 })
		return !single && !a.Type.Equal(g.root().Type)
	})
}

// usage is who uses the values of a Func.
type usage struct {
	f     *Func
	at    map[*Node]int // the order of the nodes
	users [][]*Node     // by ID
	kept  []bool        // by ID: outputs and updates
}

func newUsage(f *Func) *usage {
	u := &usage{f, map[*Node]int{}, make([][]*Node, len(f.Values)), make([]bool, len(f.Values))}
	for i, n := range f.Nodes {
		u.at[n] = i
		for _, a := range n.Args {
			if a != nil {
				u.users[a.ID] = append(u.users[a.ID], n)
			}
		}
	}
	for _, o := range f.Outputs {
		u.kept[o.Value.ID] = true
	}
	for _, o := range f.Updates {
		u.kept[o.Value.ID] = true
	}
	return u
}

// clusters are the clusters of the elementwise values, by ID, each as large as may be, but for those that nothing is won by.
func (u *usage) clusters() []*cluster {
	of := make([]*cluster, len(u.f.Values))
	for _, v := range u.f.Values {
		if !fusable(v) {
			continue
		}
		g := &cluster{members: []*Value{v}}
		for _, a := range v.Args {
			if !slices.Contains(g.leaves, a) {
				g.leaves = append(g.leaves, a)
			}
		}
		of[v.ID] = g
		for _, a := range v.Args {
			h := of[a.ID]
			if h == nil || h == of[v.ID] || !a.Type.Equal(v.Type) {
				continue
			}
			if both := join(h, of[v.ID]); u.computable(both) {
				for _, m := range both.members {
					of[m.ID] = both
				}
			}
		}
	}
	for i, g := range of {
		if g != nil && len(g.members) == 1 && len(u.sums(g)) == 0 {
			of[i] = nil
		}
	}
	return of
}

// join is the members of two clusters, in order.
func join(g, h *cluster) *cluster {
	both := &cluster{members: slices.Concat(g.members, h.members)}
	slices.SortFunc(both.members, func(a, b *Value) int { return a.ID - b.ID })
	for _, a := range slices.Concat(g.leaves, h.leaves) {
		if !slices.Contains(both.members, a) && !slices.Contains(both.leaves, a) {
			both.leaves = append(both.leaves, a)
		}
	}
	return both
}

// computable reports whether g has few enough arguments and results, and nobody else needs a member before the root.
func (u *usage) computable(g *cluster) bool {
	root := u.at[g.root().Node]
	for _, m := range g.members {
		for _, n := range u.users[m.ID] {
			if u.at[n] < root && !slices.Contains(g.members, n.Results[0]) {
				return false
			}
		}
	}
	return len(g.leaves) <= maxFused && len(g.members) <= maxSteps && len(u.results(g)) <= maxFused
}

// results are the members of g that others use.
func (u *usage) results(g *cluster) (list []*Value) {
	sums := u.sums(g)
	for _, m := range g.members {
		if u.kept[m.ID] || slices.ContainsFunc(u.users[m.ID], func(n *Node) bool {
			return !slices.Contains(g.members, n.Results[0]) && !slices.Contains(sums, n)
		}) {
			list = append(list, m)
		}
	}
	return list
}

// sums are the nodes that sum up all elements of a member of g.
func (u *usage) sums(g *cluster) (list []*Node) {
	if !g.flat() {
		return nil
	}
	for _, m := range g.members {
		for _, n := range u.users[m.ID] {
			if s, ok := n.Op.(Sum); ok && !s.KeepDims && n.Results[0].Rank() == 0 {
				list = append(list, n)
			}
		}
	}
	return list
}

// fuse puts the op of g into out, over the arguments that its members have there. By the IDs that they had, to gets its results, and finite
// its word for those that someone asks that of.
func (u *usage) fuse(out *Func, g *cluster, args [][]*Value, to, finite []*Value) {
	o := Fused{kernels: &kernels{}}
	var in []*Value
	number := func(v *Value) int { return -1 - slices.Index(g.members, v) }
	for _, m := range g.members {
		step := FusedStep{Op: m.Op, Scope: m.Scope, Pos: m.Pos}
		for k, a := range m.Args {
			if slices.Contains(g.members, a) {
				step.Args = append(step.Args, number(a))
				continue
			}
			i := slices.Index(in, args[m.ID][k])
			if i < 0 {
				i, in = len(in), append(in, args[m.ID][k])
			}
			step.Args = append(step.Args, i)
		}
		o.Steps = append(o.Steps, step)
	}
	results, sums, flat := u.results(g), u.sums(g), g.flat()
	for _, m := range results {
		o.Results = append(o.Results, number(m))
		if flat && slices.ContainsFunc(u.users[m.ID], func(n *Node) bool { _, ok := n.Op.(AllFinite); return ok }) {
			o.Finite = append(o.Finite, number(m))
		}
	}
	for _, n := range sums {
		o.Sums = append(o.Sums, number(n.Args[0]))
	}
	if len(results) == 1 && results[0] == g.root() && sums == nil && o.Finite == nil {
		o.Results = nil
	}
	n := out.ApplyNode(o, nil, in...)
	for i, m := range results {
		to[m.ID] = n.Result(i)
		if slices.Contains(o.Finite, number(m)) {
			finite[m.ID] = n.Result(len(results) + len(sums))
		}
	}
	for i, s := range sums {
		to[s.Results[0].ID] = n.Result(len(results) + i)
	}
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

// Fused computes elementwise ops of one type, a block of elements at a time. An argument numbered −1−k is the result of step k. Its results
// are those of the steps that Results numbers, in order; then for each of Sums a scalar, the sum of all elements of that step; then, if there
// are any in Finite, a bool, whether all elements of those are finite. If it has none of these, the last step is the result.
type Fused struct {
	Steps   []FusedStep
	Results []int
	Sums    []int
	Finite  []int
	kernels *kernels `text:"-"`
}

// last reports whether result i of a Fused is written by its last step.
func (o Fused) last(i int) bool {
	return o.Results == nil && o.Sums == nil || i < len(o.Results) && o.Results[i] == -len(o.Steps)
}

// kernels are the steps' kernels and where their results go, made once, and memory for blocks of them.
type kernels struct {
	once   sync.Once
	flats  []flats
	cost   int
	to     []int // for each step the result that it is, or −1−i of block i
	blocks int
	f32    sync.Pool
	f64    sync.Pool
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
	last := results[len(results)-1].Type
	if o.Results == nil && o.Sums == nil {
		return []Type{last}, nil
	}
	types := slices.Repeat([]Type{last}, len(o.Results))
	for range o.Sums {
		types = append(types, Type{DType: last.DType})
	}
	if o.Finite != nil {
		types = append(types, Type{DType: Bool})
	}
	return types, nil
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

// Lower is the ops as they were.
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
	if o.Results == nil && o.Sums == nil {
		return results[len(results)-1:]
	}
	numbered := func(steps []int) (list []*Value) {
		for _, k := range steps {
			list = append(list, results[-1-k])
		}
		return list
	}
	list := numbered(o.Results)
	for _, v := range numbered(o.Sums) {
		list = append(list, v.Sum())
	}
	if looked := numbered(o.Finite); looked != nil {
		list = append(list, looked[0].AllFinite(looked[1:]...))
	}
	return list
}

// prepare finds the steps' kernels, and gives each step that is no result a block, which it has until its last use.
func (k *kernels) prepare(o Fused) {
	last := make([]int, len(o.Steps)) // the last step that uses each
	for i, s := range o.Steps {
		f := s.Op.(elementwise).flats()
		k.flats, k.cost = append(k.flats, f), k.cost+max(f.cost, 1)
		for _, a := range s.Args {
			if a < 0 {
				last[-1-a] = i
			}
		}
	}
	var free []int
	for i, s := range o.Steps {
		for _, a := range slices.Compact(slices.Sorted(slices.Values(s.Args))) {
			if a < 0 && last[-1-a] == i && k.to[-1-a] < 0 {
				free = append(free, k.to[-1-a]) // also for this step: kernels may write over an operand
			}
		}
		switch result := slices.Index(o.Results, -1-i); {
		case result >= 0:
			k.to = append(k.to, result)
		case o.last(0) && i == len(o.Steps)-1:
			k.to = append(k.to, 0)
		case len(free) > 0:
			k.to, free = append(k.to, free[len(free)-1]), free[:len(free)-1]
		default:
			k.blocks++
			k.to = append(k.to, -k.blocks)
		}
	}
}

// Run runs the steps over blocks.
func (o Fused) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	k := o.kernels
	k.once.Do(func() { k.prepare(o) })
	switch in[0].DType() {
	case F32:
		evalFused(c, o, &k.f32, func(f flats) flat[float32] { return f.f32 }, out, in)
	case F64:
		evalFused(c, o, &k.f64, func(f flats) flat[float64] { return f.f64 }, out, in)
	default:
		return noKernel(o, in[0])
	}
	return nil
}

// A fusedBlocks is one goroutine's memory: blocks for what is no result, and the arguments of the step at hand.
type fusedBlocks[T kernel.Float] struct {
	block [][]T
	args  [][]T
}

func evalFused[T kernel.Float](c *kernel.Context, o Fused, pool *sync.Pool, pick func(flats) flat[T], out, in []*tensor.Tensor) {
	k := o.kernels
	var args [maxFused][]T
	var shapes [maxFused][]int
	shape, n := in[0].Shape(), in[0].Len() // of the results, if there are none: of the largest argument
	for i, x := range in {
		if args[i], shapes[i] = tensor.Data[T](x), x.Shape(); x.Len() > n {
			shape, n = x.Shape(), x.Len()
		}
	}
	var results [][]T
	for i := range out {
		if i < len(o.Results) || o.last(i) {
			results = append(results, tensor.Data[T](out[i]))
			shape, n = out[i].Shape(), out[i].Len()
		}
	}
	sums := make([][]T, len(o.Sums)) // of each block
	for i := range sums {
		sums[i] = make([]T, (n+kernel.SumBlock-1)/kernel.SumBlock)
	}
	var bad atomic.Bool
	// run does the elements from lo to hi, whose arguments are in.
	run := func(lo, hi int, in [][]T) {
		m, _ := pool.Get().(*fusedBlocks[T])
		if m == nil {
			m = &fusedBlocks[T]{args: make([][]T, 0, maxFused)}
			for range k.blocks {
				m.block = append(m.block, make([]T, fusedBlock))
			}
		}
		defer pool.Put(m)
		for from := lo; from < hi; from += fusedBlock {
			to := min(from+fusedBlock, hi)
			of := func(step int) []T {
				if at := k.to[step]; at >= 0 {
					return results[at][from:to]
				}
				return m.block[-1-k.to[step]][:to-from]
			}
			for i, s := range o.Steps {
				m.args = m.args[:0]
				for _, a := range s.Args {
					switch {
					case a < 0:
						m.args = append(m.args, of(-1-a))
					case len(in[a]) == hi-lo:
						m.args = append(m.args, in[a][from-lo:to-lo])
					default: // one element
						m.args = append(m.args, in[a])
					}
				}
				pick(k.flats[i])(of(i), m.args)
				for q, step := range o.Sums {
					if step == -1-i {
						sums[q][from/kernel.SumBlock] = kernel.Total(of(i))
					}
				}
				if slices.Contains(o.Finite, -1-i) && !kernel.Finite(of(i)) {
					bad.Store(true)
				}
			}
		}
	}
	each := max(1, grain/k.cost)
	if o.Sums == nil && o.Finite == nil {
		kernel.Broadcast(c, run, shape, args[:len(in)], shapes[:len(in)], each)
		return
	}
	c.Parallel((n+fusedBlock-1)/fusedBlock, max(1, each/fusedBlock), func(lo, hi int) { // whole blocks: each argument has all elements or one
		lo, hi = lo*fusedBlock, min(hi*fusedBlock, n)
		var part [maxFused][]T
		for i, x := range args[:len(in)] {
			if part[i] = x; len(x) == n {
				part[i] = x[lo:hi]
			}
		}
		run(lo, hi, part[:len(in)])
	})
	for i, list := range sums {
		tensor.Data[T](out[len(results)+i])[0] = kernel.Total(list)
	}
	if o.Finite != nil {
		tensor.Data[bool](out[len(out)-1])[0] = !bad.Load()
	}
}
