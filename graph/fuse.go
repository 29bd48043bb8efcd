package graph

import "slices"

// maxFused bounds the arguments of a Fused op: as many as a broadcast loop has operands. It has no more results either, and maxSteps steps.
const (
	maxFused = 12
	maxSteps = 64
)

// Fuse returns a copy of f in which ops that go together element by element are one [Fused] op: arithmetic of one float type, comparisons,
// logic, choices, casts between bools and floats, and draws. What only they use then never goes through memory, and what others use too is
// written once and not read again. Sums of what they compute, over all axes, the first or the last ones, and whether it is finite
// ([AllFinite]), are taken on the way. Cross entropies of classes are ops of their own ([LogSoftmaxAt]). Every number stays the same, bit
// for bit. It is for engines, after differentiation; a Fused op has no ONNX form.
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
		if to[v.ID] != nil { // a reduction that a Fused has taken
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
	if rest != nil {
		known = append(known, rest[0].AllFinite(rest[1:]...))
	}
	if len(known) == 1 {
		return known
	}
	return []*Value{Apply(AllTrue{}, known...)}
}

// A cluster is ops of one shape that are computed together, when all others' arguments are known: in order, the last is its root.
type cluster struct {
	members []*Value
	leaves  []*Value // what they take of others
	floats  DType    // their type; Bool if there are none
}

func (g *cluster) root() *Value { return g.members[len(g.members)-1] }

// sized reports whether the arguments alone tell the shape, as a random state, which is i64[2], does not.
func (g *cluster) sized() bool {
	return slices.ContainsFunc(g.leaves, func(a *Value) bool { return a.DType() != I64 && a.Shape().Equal(g.root().Shape()) }) ||
		!slices.ContainsFunc(g.members, func(m *Value) bool { draws, _ := drawing(m.Op); return draws })
}

// usage is who uses the values of a Func.
type usage struct {
	f     *Func
	at    map[*Node]int // the order of the nodes
	users [][]*Node     // by ID
	kept  []bool        // by ID: outputs and updates
}

func newUsage(f *Func) *usage {
	u := &usage{f: f, at: map[*Node]int{}}
	u.users, u.kept = Users(f)
	for i, n := range f.Nodes {
		u.at[n] = i
	}
	return u
}

// clusters are the clusters of the fusable values, by ID, each as large as may be, but for those that nothing is won by.
func (u *usage) clusters() []*cluster {
	of := make([]*cluster, len(u.f.Values))
	for _, v := range u.f.Values {
		floats, ok := fusable(v)
		if !ok {
			continue
		}
		g := &cluster{members: []*Value{v}, floats: floats}
		for _, a := range v.Args {
			if !slices.Contains(g.leaves, a) {
				g.leaves = append(g.leaves, a)
			}
		}
		of[v.ID] = g
		for _, a := range v.Args {
			h := of[a.ID]
			if h == nil || h == of[v.ID] || !a.Shape().Equal(v.Shape()) {
				continue
			}
			if both := join(h, of[v.ID]); both != nil && u.computable(both) {
				for _, m := range both.members {
					of[m.ID] = both
				}
			}
		}
	}
	for i, g := range of {
		if g != nil && len(g.members) == 1 && len(u.reductions(g)) == 0 {
			of[i] = nil
		}
	}
	return of
}

// join is the members of two clusters, in order; nil if their floats are of two types.
func join(g, h *cluster) *cluster {
	both := &cluster{members: slices.Concat(g.members, h.members), floats: g.floats}
	switch {
	case g.floats == Bool:
		both.floats = h.floats
	case h.floats != Bool && h.floats != g.floats:
		return nil
	}
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
	reductions := u.reductions(g)
	for _, m := range g.members {
		if u.kept[m.ID] || slices.ContainsFunc(u.users[m.ID], func(n *Node) bool {
			return !slices.Contains(g.members, n.Results[0]) && !slices.Contains(reductions, n)
		}) {
			list = append(list, m)
		}
	}
	return list
}

// reductions are the nodes that sum up members of g, or find the largest elements, over the same axes, as far as a Fused can.
func (u *usage) reductions(g *cluster) (list []*Node) {
	if !g.sized() {
		return nil
	}
	var axes []int
	for _, m := range g.members {
		for _, n := range u.users[m.ID] {
			over, ok := reducible(n)
			if ok && (list == nil || slices.Equal(axes, over)) && len(list) < maxFused {
				axes, list = over, append(list, n)
			}
		}
	}
	return list
}

// fuse puts the op of g into out, over the arguments that its members have there. By the IDs that they had, to gets its results, and finite
// its word for those that someone asks that of.
func (u *usage) fuse(out *Func, g *cluster, args [][]*Value, to, finite []*Value) {
	o := Fused{kernels: &kernels{floats: g.floats}}
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
	results, reductions := u.results(g), u.reductions(g)
	for _, m := range results {
		o.Results = append(o.Results, number(m))
		if m.DType() != Bool && slices.ContainsFunc(u.users[m.ID], func(n *Node) bool { _, ok := n.Op.(AllFinite); return ok }) {
			o.Finite = append(o.Finite, number(m))
		}
	}
	for _, n := range reductions {
		o.Reductions = append(o.Reductions, FusedReduction{Op: n.Op, Step: number(n.Args[0])})
	}
	if len(results) == 1 && results[0] == g.root() && reductions == nil && o.Finite == nil {
		o.Results = nil
	}
	n := out.ApplyNode(o, nil, in...)
	for i, m := range results {
		to[m.ID] = n.Result(i)
		if slices.Contains(o.Finite, number(m)) {
			finite[m.ID] = n.Result(len(results) + len(reductions))
		}
	}
	for i, s := range reductions {
		to[s.Results[0].ID] = n.Result(len(results) + i)
	}
}

// fusable reports whether v may be computed in a Fused, and the type of the floats in it, Bool if there are none.
func fusable(v *Value) (floats DType, ok bool) {
	if !ours(v.Op) {
		return Bool, false
	}
	switch o := v.Op.(type) {
	case elementwise:
		k := o.flats()
		floats, ok = v.DType(), !k.f32.none() && !k.f64.none()
	case Equal, Less, LessEqual, Greater, GreaterEqual:
		floats, ok = v.Args[0].DType(), true
	case Not, And, Or:
		return Bool, true
	case Where, Dropout, RandomUniform, RandomNormal:
		floats, ok = v.DType(), true
	case Cast:
		switch from := v.Args[0].DType(); {
		case o.To == Bool:
			floats, ok = from, from != Bool
		case from == Bool:
			floats, ok = o.To, true
		}
	}
	return floats, ok && floats.Native()
}

// reducible reports whether a Fused can make n of n's argument, and the axes, in order: a sum over all axes, the first ones, the last ones or
// both, or the largest of all elements.
func reducible(n *Node) ([]int, bool) {
	var axes []int
	whole := func(x *Value) bool { return len(axes) == 0 || len(axes) == x.Rank() }
	switch o := n.Op.(type) {
	case Sum:
		axes = o.Axes
	case ReduceMax:
		if axes = o.Axes; !whole(n.Args[0]) {
			return nil, false
		}
	default:
		return nil, false
	}
	x := n.Args[0]
	if !x.DType().Native() {
		return nil, false
	}
	if whole(x) {
		return nil, true
	}
	var kept []int
	for i := range x.Rank() {
		if !slices.Contains(axes, i) {
			kept = append(kept, i)
		}
	}
	last := kept[len(kept)-1]
	if last-kept[0] != len(kept)-1 { // one is reduced between two that are kept
		return nil, false
	}
	row := x.Shape()[last+1:].Size() // of so many elements
	if !row.Symbolic() && row <= longestRow {
		return axes, true
	}
	return nil, false
}
