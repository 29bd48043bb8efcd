package pass

import (
	"fmt"

	"github.com/sardonyx-ml/sardonyx/graph"
)

// maxRules bounds the rules that follow one another at one value: only rules that undo each other get there.
const maxRules = 100

// simplify applies the rules to each value until none applies. Arguments come first and are in their last form then, so one walk
// is enough.
func simplify(rules *[]rule) func(f *graph.Func) *graph.Func {
	return func(f *graph.Func) *graph.Func { return graph.Rewrite(f, apply(*rules)) }
}

// apply visits a node with the rules.
func apply(rules []rule) func(out *graph.Func, n *graph.Node, args []*graph.Value) []*graph.Value {
	return func(out *graph.Func, n *graph.Node, args []*graph.Value) []*graph.Value {
		if len(n.Results) != 1 {
			return nil
		}
		v := n.Results[0]
		m := match{out: out, v: v, args: args}
		var last []*graph.Value // nil as long as v stays as it is
		for range maxRules {
			y := m.replace(rules)
			if y == nil {
				return last
			}
			if last = []*graph.Value{y}; !y.OK() || len(y.Args) == 0 || len(y.Results) != 1 {
				return last
			}
			m = match{out: out, v: y, args: y.Args}
		}
		out.Mistake(v.Pos, fmt.Sprintf("simplify: more than %d rules apply one after another to %s", maxRules, v.Text()), "two rules undo each other", last...)
		return []*graph.Value{out.Poison()}
	}
}

// A match is a value that a rule may replace. Its arguments are those in the Func under construction, which are simplified.
type match struct {
	out  *graph.Func
	v    *graph.Value // its op and type; it may be of the old Func
	args []*graph.Value
}

// replace is what the first of the rules that applies to m makes of it, nil if none does.
func (m match) replace(rules []rule) *graph.Value {
	for _, r := range rules {
		if y := r.apply(m); y != nil {
			return y
		}
	}
	return nil
}

// same reports whether y has m's dtype and shape, and so may stand in its place.
func (m match) same(y *graph.Value) bool {
	return y.Type.Equal(m.v.Type)
}
