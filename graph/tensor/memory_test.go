package tensor_test

import (
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestIn makes tensors of every dtype over bytes: what is set is there, and memory that does not fit is refused.
func TestIn(t *testing.T) {
	for _, dtype := range tensor.DTypes() {
		if dtype == tensor.String {
			continue
		}
		mem := make([]byte, 64)
		n := 6 * dtype.Size()
		a, b := tensor.In(mem[8:8+n], dtype, 2, 3), tensor.In(mem[8:8+n], dtype, 6)
		a.Set(4, 1)
		if b.At(4) != 1 || b.At(3) != 0 || a.String() != dtype.String()+"[2 3]" {
			t.Errorf("%v: %v has %v", dtype, a, b.Float64s())
		}
		for i, x := range mem {
			if (i < 8 || i >= 8+n) && x != 0 {
				t.Errorf("%v: byte %d is %d", dtype, i, x)
			}
		}
		if x := tensor.In(nil, dtype, 0, 3); x.Len() != 0 {
			t.Errorf("%v of no bytes", x)
		}
		refused := func(mem []byte) (refused bool) {
			defer func() { refused = recover() != nil }()
			tensor.In(mem, dtype, 6)
			return false
		}
		if !refused(mem[:n+1]) || dtype.Size() > 1 && !refused(mem[1:1+n]) {
			t.Errorf("%v: memory that does not fit is taken", dtype)
		}
	}
}
