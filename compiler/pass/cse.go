package pass

import (
	"fmt"
	"strings"

	"github.com/sardonyx-ml/sardonyx/graph"
)

// cse computes values with equal ops and arguments once. Random ops differ in their stream, so equal ones are one draw.
func cse(f *graph.Func) *graph.Func {
	seen := map[string]*graph.Value{}
	return graph.Rewrite(f, func(out *graph.Func, v *graph.Value, args []*graph.Value) *graph.Value {
		var key strings.Builder
		fmt.Fprintf(&key, "%s:%v", graph.OpText(v.Op), v.Type) // the type too: zero-valued attributes are not in the text
		for _, a := range args {
			fmt.Fprintf(&key, " %d", a.ID)
		}
		k := key.String()
		if old := seen[k]; old != nil {
			return old
		}
		seen[k] = out.Apply(v.Op, args...)
		return seen[k]
	})
}
