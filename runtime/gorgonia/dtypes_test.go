package gorgonia_test

import (
	"fmt"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/gorgonia"
)

// TestDTypes moves elements of every dtype through the arena, and computes where numbers are computed.
func TestDTypes(t *testing.T) {
	for _, dt := range tensor.DTypes() {
		t.Run(dt.String(), func(t *testing.T) {
			p := compiler.New("dtypes")
			p.Func("move", func(f *graph.Func) {
				x := f.Input("x", dt, 2, 3)
				y := graph.Join(0, x.T(), x.Reshape(3, 2)).Slice(0, 1, 5)
				f.Output("y", y)
				if graph.Numbers.Has(dt) {
					f.Output("z", y.Mul(y).Add(y.Scalar(1)).Sum(0))
				}
			})
			prog, err := p.Compile()
			if err != nil {
				t.Fatal(err)
			}
			e, err := gorgonia.New(gorgonia.Options{Threads: 2, Grain: 1})
			if err != nil {
				t.Fatal(err)
			}
			_, x := loadIn(t, e, prog, 1)
			in := tensor.New(dt, 2, 3)
			for i := range in.Len() {
				if dt == graph.String {
					tensor.Data[string](in)[i] = fmt.Sprint(i)
				} else {
					in.SetInt(i, int64(i))
				}
			}
			for range 2 { // x is 0 1 2, 3 4 5
				out := run(t, x, "move", map[string]*tensor.Tensor{"x": in})
				for i, at := range []int{1, 4, 2, 5, 0, 1, 2, 3} {
					if got := out["y"]; got.Text(i) != in.Text(at) {
						t.Fatalf("element %d of y is %s, want %s", i, got.Text(i), in.Text(at))
					}
				}
				if z := out["z"]; z != nil && (z.At(0) != 1+4+0+4+4 || z.At(1) != 16+25+1+9+4) {
					t.Fatalf("z is %v", z.Float64s())
				}
			}
		})
	}
}
