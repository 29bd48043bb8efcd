package memory

import (
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph"
)

// orderSlack is how many bytes a node may take that is moved forward for nothing: a norm that is added up from many parts.
const orderSlack = 1 << 10

// Order returns f with nodes moved forward, each to where its arguments are there, if it then frees as many bytes of the arena as it
// takes, under the binding b of f's symbols, and not more is needed at once than in the order that there is. So the gradient of a parameter
// goes when the optimizer has read it, which stands behind all gradients as it is traced. Where a size is wrong it is f itself: [New] says
// so.
func Order(f *graph.Func, b graph.Binding) *graph.Func {
	as, ahead := newOrder(f, b), newOrder(f, b)
	if as == nil {
		return f
	}
	as.run(f.Nodes, 0)
	ahead.run(f.Nodes, as.peak)
	return graph.Reorder(f, ahead.nodes)
}

// run puts nodes in order; those that may be moved are, while no more than limit bytes are needed at once.
func (o *order) run(nodes []*graph.Node, limit int) {
	for _, n := range nodes { // what is there all the time
		if len(n.Args) == 0 && !o.late.Node(n) {
			o.emit(n)
		}
	}
	for _, n := range nodes {
		if !o.done[n] {
			o.emit(n)
		}
		for len(o.ready) > 0 {
			m := o.ready[0]
			if o.ready = o.ready[1:]; !o.done[m] && o.free(m) && o.live+o.takes(m) <= limit {
				o.emit(m)
			}
		}
	}
}

// An order is one under construction. Slices are indexed by [graph.Value.ID].
type order struct {
	late  graph.Late
	nodes []*graph.Node
	done  map[*graph.Node]bool
	left  map[*graph.Node]int // arguments that are not there
	users [][]*graph.Node
	bytes []int // in the arena; 0 of what lies elsewhere, or with an argument
	root  []int // the value whose place it has
	uses  []int // nodes to come that read a place, by its root
	ready []*graph.Node

	live, peak int // bytes that are needed now, and at most so far
}

func newOrder(f *graph.Func, b graph.Binding) *order {
	n := len(f.Values)
	o := &order{late: f.Late(), done: map[*graph.Node]bool{}, left: map[*graph.Node]int{}, users: make([][]*graph.Node, n), bytes: make([]int, n), root: make([]int, n), uses: make([]int, n)}
	class := classes(f)
	for _, v := range f.Values {
		o.root[v.ID] = v.ID
		if class[v.ID] != Arena {
			continue
		}
		shape, err := v.Sizes(b)
		if err != nil {
			return nil
		}
		o.bytes[v.ID] = v.DType().Size()
		for _, d := range shape {
			o.bytes[v.ID] *= d
		}
		for k, a := range v.Args {
			if a == nil || len(v.Results) > 1 || v.Shares(k) != graph.Same || a.DType() != v.DType() {
				continue
			}
			if c := class[a.ID]; c == Arena || c == Input || c == State && v.Type.Equal(a.Type) {
				class[v.ID], o.root[v.ID], o.bytes[v.ID] = c, o.root[a.ID], 0
				break
			}
		}
	}
	for _, n := range f.Nodes {
		for k, a := range n.Args {
			if a != nil && slices.Index(n.Args, a) == k {
				o.users[a.ID] = append(o.users[a.ID], n)
				o.left[n]++
			}
		}
		for _, r := range o.roots(n) {
			o.uses[r]++
		}
	}
	return o
}

// roots are the places that n reads, each once.
func (o *order) roots(n *graph.Node) []int {
	var list []int
	for _, a := range n.Args {
		if a != nil && !slices.Contains(list, o.root[a.ID]) {
			list = append(list, o.root[a.ID])
		}
	}
	return list
}

// emit puts n next, and finds which nodes may come after it.
func (o *order) emit(n *graph.Node) {
	o.done[n] = true
	o.nodes = append(o.nodes, n)
	o.peak = max(o.peak, o.live+o.takes(n))
	for _, v := range n.Results {
		if o.uses[v.ID] > 0 {
			o.live += o.bytes[v.ID]
		}
	}
	for _, v := range n.Results {
		for _, u := range o.users[v.ID] {
			if o.left[u]--; o.left[u] == 0 {
				o.ready = append(o.ready, u)
			}
		}
	}
	for _, r := range o.roots(n) {
		if o.uses[r]--; o.uses[r] == 0 {
			o.live -= o.bytes[r]
		}
		if o.uses[r] != 1 {
			continue
		}
		for _, u := range o.users[r] { // the last reader may free it now
			if !o.done[u] && o.left[u] == 0 {
				o.ready = append(o.ready, u)
			}
		}
	}
}

// free reports whether n, whose arguments are there, frees as much as it takes.
func (o *order) free(n *graph.Node) bool {
	if o.late != nil && (o.late.Node(n) || slices.ContainsFunc(n.Args, func(a *graph.Value) bool { return a != nil && o.late.Value(a) })) {
		return false // it has sizes that another node tells
	}
	kept, frees := -orderSlack, 0
	for _, v := range n.Results {
		kept += o.bytes[v.ID]
	}
	for _, r := range o.roots(n) {
		if o.uses[r] == 1 {
			frees += o.bytes[r]
		}
	}
	return kept <= frees
}

// takes is how many bytes n takes besides what is needed before it: none, if its result may lie over an argument.
func (o *order) takes(n *graph.Node) int {
	if len(n.Results) == 1 {
		v := n.Results[0]
		for k, a := range n.Args {
			if a != nil && v.Shares(k) == graph.Over && a.DType() == v.DType() && o.uses[o.root[a.ID]] == 1 && o.bytes[o.root[a.ID]] == o.bytes[v.ID] {
				return 0
			}
		}
	}
	sum := 0
	for _, v := range n.Results {
		sum += o.bytes[v.ID]
	}
	return sum
}
