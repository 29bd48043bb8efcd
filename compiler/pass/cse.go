package pass

import (
	"strconv"

	"github.com/sardonyx-ml/sardonyx/graph"
)

// cse computes values with equal ops and arguments once. Random ops differ in their stream, so equal ones are one draw.
func cse(f *graph.Func) *graph.Func {
	seen := map[string]*graph.Value{}
	var key []byte
	return graph.Rewrite(f, func(out *graph.Func, v *graph.Value, args []*graph.Value) *graph.Value {
		key = append(key[:0], graph.OpText(v.Op)...)
		// The type too: attributes that are zero are not in the text.
		key = append(key, byte(v.DType()))
		for _, d := range v.Shape() {
			key = strconv.AppendInt(append(key, ' '), int64(d), 10)
		}
		key = append(key, ':')
		for _, a := range args {
			key = strconv.AppendInt(append(key, ' '), int64(a.ID), 10)
		}
		if old := seen[string(key)]; old != nil {
			return old
		}
		y := out.Apply(v.Op, args...)
		seen[string(key)] = y
		return y
	})
}
