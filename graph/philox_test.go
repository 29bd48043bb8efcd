package graph_test

import (
	"math"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestPhiloxOps holds what random ops are made of to the kernels, at states and streams with all bits.
func TestPhiloxOps(t *testing.T) {
	for _, stream := range []int{0, 5, 1<<16 - 1, 1<<16 + 3} {
		for _, state := range [][2]int64{{0, 0}, {1, 0}, {-1, -1}, {math.MinInt64, 1 << 50}, {math.MaxInt64, 1<<48 - 1}, {0x0123456789abcdef, 0x76543210fedcba98}} {
			for _, op := range []graph.Op{
				graph.RandomUniform{Type: graph.Type{DType: graph.F32, Shape: graph.Shape{7}}, Stream: stream},
				graph.RandomNormal{Type: graph.Type{DType: graph.F64, Shape: graph.Shape{3, 4}}, Stream: stream},
			} {
				f := graph.NewFunc("draw", false)
				f.Output("y", f.Apply(op, f.Input("state", graph.I64, 2)))
				in := map[string]*tensor.Tensor{"state": tensor.Of(state[:], 2)}
				g := graph.Lower(f, func(*graph.Node) bool { return false })
				want, got := evaluate(t, newContext(1), f, in)[f.Outputs[0].Value.ID], evaluate(t, newContext(1), g, in)[g.Outputs[0].Value.ID]
				for i := range want.Len() {
					if !near(got.At(i), want.At(i), 1e-13) {
						t.Fatalf("%s of %v: element %d is %v, the kernel says %v", graph.OpText(op), state, i, got.At(i), want.At(i))
					}
				}
			}
		}
	}
}
