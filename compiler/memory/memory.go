// Package memory plans where the values of a Func lie while it runs: values that are never needed at once share places in one
// arena. It knows sizes and the order of values, no engine and no device.
//
// A value lives from when its node is computed to its last use. A result may take the place of an argument that is used for the last
// time, or lie with an argument whose elements it has, where its op allows it ([graph.Value.Shares]); what shares a place is
// one block. Blocks are then packed (pack.go).
package memory

import (
	"fmt"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// A Class says where a value lies.
type Class uint8

const (
	Arena    Class = iota // in the arena, as long as it is needed
	Input                 // in memory of an input's own, where the caller writes it, and which keeps it: the input, and what has its elements
	Constant              // in memory of its own: it depends on constants only, and is computed once, before the first run
	Output                // in memory of its own, where it stays until the next run: outputs, and strings
	Update                // in the memory that becomes new state after the run
	State                 // in the state: what the Func reads, and what has its elements and its shape
	Late                  // in memory that a run finds: only it tells the size
)

// Align is what every offset in the arena is a multiple of, in bytes: a line of the CPU's cache.
const Align = 64

// A Plan is where the values of a Func lie under one binding of its symbols. Slices are indexed by [graph.Value.ID].
type Plan struct {
	Shapes [][]int
	Bytes  []int
	Class  []Class
	Offset []int // in the arena, of values of class Arena
	Alias  []int // of a value whose elements are those of an earlier one, in its place: the ID of that one; else −1

	// Direct is, for each update of the Func, whether it is computed in the memory that becomes the new state; otherwise it is copied
	// there after the run.
	Direct []bool

	Arena int // bytes
	// Live is the least that any arena could have, in this order of the values: the most bytes that are needed at once.
	Live int
	// Fixed is the bytes of values of the classes Input, Constant and Output, of copies of state and inputs that are outputs, and of the
	// new state.
	Fixed int
	State int // bytes of the state that the Func reads
	Late  int // how many values have sizes that only a run tells; the bytes here leave them out
	Each  int // bytes of all values but the state, if each had memory of its own
	// Moved is the bytes that a run's ops read and write: arguments and results of each, what its bodies move not counted. Caches may
	// keep much of it from memory.
	Moved int

	blocks []block
	of     []int // the block of a value, or −1
}

// Peak is the bytes that a run needs at once, the state among them.
func (p *Plan) Peak() int { return p.Arena + p.Fixed + p.State }

// New plans f, whose values are computed in their order, under the binding b of its symbols.
func New(f *graph.Func, b graph.Binding) (*Plan, error) {
	n := len(f.Values)
	p := &Plan{Shapes: make([][]int, n), Bytes: make([]int, n), Class: classes(f), Offset: make([]int, n), Alias: make([]int, n), of: make([]int, n)}
	for i, v := range f.Values {
		if p.Class[i] == Late {
			p.Late++
			continue
		}
		shape, err := v.Sizes(b)
		if err != nil {
			return nil, err
		}
		size, _ := tensor.Count(shape)
		p.Shapes[i], p.Bytes[i] = shape, size*v.DType().Size()
		if p.Bytes[i] > maxBytes || p.Each > maxBytes || p.State > maxBytes {
			return nil, fmt.Errorf("%s with %v: its values take more than %.0g bytes: take smaller batches or a smaller model", f.Name, b, float64(maxBytes))
		}
		if p.Class[i] == State {
			p.State += p.Bytes[i]
			continue
		}
		p.Each += p.Bytes[i]
		if c := p.Class[i]; c == Input || c == Constant || c == Output {
			p.Fixed += p.Bytes[i]
		}
	}
	for _, o := range f.Outputs {
		if id := o.Value.ID; p.Class[id] == State || p.Class[id] == Input {
			p.Fixed += p.Bytes[id]
			p.Each += p.Bytes[id]
		}
	}
	p.Direct = direct(f, p.Class)
	for i, u := range f.Updates {
		p.Fixed += p.Bytes[u.Value.ID]
		if !p.Direct[i] {
			p.Each += p.Bytes[u.Value.ID]
		}
	}
	p.share(f)
	p.Moved = moved(f, p)
	p.Live = live(p.blocks)
	p.Arena = pack(p.blocks)
	for i := range f.Values {
		if k := p.of[i]; k >= 0 {
			p.Offset[i] = p.blocks[k].offset
		}
	}
	return p, nil
}

// moved is what the ops of f that run each time read and write.
func moved(f *graph.Func, p *Plan) (bytes int) {
	for _, n := range f.Nodes {
		first := n.Results[0].ID
		switch n.Op.(type) {
		case graph.Input, graph.Param:
			continue
		}
		if p.Class[first] == Constant || p.Alias[first] >= 0 {
			continue
		}
		for _, v := range slices.Concat(n.Args, n.Results) {
			if v != nil {
				bytes = min(bytes+p.Bytes[v.ID], maxBytes)
			}
		}
	}
	return bytes
}

// maxBytes bounds sums of sizes, far above any machine's memory, so that they do not overflow.
const maxBytes = 1 << 56

// classes says where each value of f lies.
func classes(f *graph.Func) []Class {
	class, late := make([]Class, len(f.Values)), f.Late()
	for _, n := range f.Nodes {
		c := Arena
		switch n.Op.(type) {
		case graph.Input:
			c = Input
		case graph.Param:
			c = State
		default:
			if !late.Node(n) && !slices.ContainsFunc(n.Args, func(a *graph.Value) bool { return a != nil && class[a.ID] != Constant }) {
				c = Constant
			}
		}
		for _, v := range n.Results {
			class[v.ID] = c
			switch {
			case late.Value(v):
				class[v.ID] = Late
			case v.DType() == graph.String && c == Arena: // strings are not bytes of an arena
				class[v.ID] = Output
			}
		}
	}
	for _, o := range f.Outputs {
		if id := o.Value.ID; class[id] == Arena {
			class[id] = Output
		}
	}
	for _, u := range f.Updates {
		if v := u.Value; class[v.ID] == Arena {
			class[v.ID] = Update
		}
	}
	return class
}

// direct says which updates of f are computed in place: those of values that stay nowhere else, as an output, a constant, an input,
// or other state.
func direct(f *graph.Func, class []Class) []bool {
	list := make([]bool, len(f.Updates))
	for i, u := range f.Updates {
		list[i] = class[u.Value.ID] == Update && !slices.ContainsFunc(f.Updates[:i], func(other graph.Update) bool { return other.Value == u.Value })
	}
	return list
}

// share gathers the values of class Arena into blocks.
func (p *Plan) share(f *graph.Func) {
	first, last := make([]int, len(f.Values)), make([]int, len(f.Values)) // when a value is needed: from its node to its last user
	for t, n := range f.Nodes {
		for _, v := range n.Results {
			first[v.ID], last[v.ID] = t, t
		}
		for _, a := range n.Args {
			if a != nil {
				last[a.ID] = t
			}
		}
	}
	for _, u := range f.Updates { // copied after the run
		last[u.Value.ID] = len(f.Nodes)
	}
	for t, n := range f.Nodes {
		for _, v := range n.Results {
			i := v.ID
			p.Alias[i], p.of[i] = -1, -1
			if p.Class[i] != Arena {
				continue
			}
			if a := p.place(v, func(a *graph.Value) bool {
				return p.joins(v, a, Input, graph.Same) || p.joins(v, a, State, graph.Same) && v.Type.Equal(a.Type)
			}); a != nil {
				p.Alias[i], p.Class[i] = a.ID, p.Class[a.ID]
				continue
			}
			if a := p.place(v, func(a *graph.Value) bool { return p.joins(v, a, Arena, graph.Same) }); a != nil {
				p.Alias[i], p.of[i] = a.ID, p.of[a.ID]
			} else if a := p.place(v, func(a *graph.Value) bool { return p.joins(v, a, Arena, graph.Over) && p.over(v, a, t) }); a != nil {
				p.of[i] = p.of[a.ID]
			} else {
				p.of[i] = len(p.blocks)
				p.blocks = append(p.blocks, block{size: p.Bytes[i], first: first[i], last: last[i]})
			}
			b := &p.blocks[p.of[i]]
			b.last = max(b.last, last[i])
		}
	}
}

// place is the first of v's arguments that may have v in its place, nil if none may.
func (p *Plan) place(v *graph.Value, may func(a *graph.Value) bool) *graph.Value {
	for _, a := range v.Args {
		if a != nil && may(a) {
			return a
		}
	}
	return nil
}

// joins reports whether v may lie in the place of its argument a, which must be of class c, as how says.
func (p *Plan) joins(v, a *graph.Value, c Class, how graph.Sharing) bool {
	k := slices.Index(v.Args, a)
	return p.Class[a.ID] == c && p.Bytes[a.ID] == p.Bytes[v.ID] && a.DType() == v.DType() && v.Shares(k) == how
}

// over reports whether nothing else needs what is in the place of v's argument a: no value in it is used after v, and v's
// other arguments in it may be written over too. v is computed at time t.
func (p *Plan) over(v, a *graph.Value, t int) bool {
	if p.blocks[p.of[a.ID]].last > t {
		return false
	}
	for k, other := range v.Args {
		if other != nil && p.of[other.ID] == p.of[a.ID] && v.Shares(k) != graph.Over {
			return false
		}
	}
	return true
}
