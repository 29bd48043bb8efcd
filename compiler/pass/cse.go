package pass

import (
	"encoding/binary"

	"github.com/sardonyx-ml/sardonyx/graph"
)

// cse computes values with equal ops and arguments once. Random ops differ in their stream, so equal ones are one draw. An
// op that cannot be compared is computed each time.
func cse(f *graph.Func) *graph.Func {
	seen := make(map[string]*graph.Value, len(f.Values))
	var key []byte
	return graph.Rewrite(f, func(out *graph.Func, v *graph.Value, args []*graph.Value) *graph.Value {
		op, ok := graph.Identity(v.Op)
		if !ok {
			return nil
		}
		key = append(key[:0], op...)
		for _, a := range args {
			key = binary.LittleEndian.AppendUint64(key, uint64(a.ID))
		}
		if old := seen[string(key)]; old != nil {
			return old
		}
		y := out.Copy(v, args...)
		seen[string(key)] = y
		return y
	})
}
