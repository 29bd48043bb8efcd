package pass

import (
	"encoding/binary"

	"github.com/sardonyx-ml/sardonyx/graph"
)

// cse computes values with equal ops and arguments once. Random ops differ in their stream, so equal ones are one draw. An
// op that cannot be compared is computed each time.
func cse(f *graph.Func) *graph.Func {
	seen := map[string]*graph.Value{}
	return graph.Rewrite(f, func(out *graph.Func, v *graph.Value, args []*graph.Value) *graph.Value {
		key, ok := graph.Identity(v.Op)
		if !ok {
			return nil
		}
		k := []byte(key)
		for _, a := range args {
			k = binary.LittleEndian.AppendUint64(k, uint64(a.ID))
		}
		if old := seen[string(k)]; old != nil {
			return old
		}
		y := out.Copy(v, args...)
		seen[string(k)] = y
		return y
	})
}
