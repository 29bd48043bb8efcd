package optim_test

import (
	"fmt"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/compiler/initializer"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// An optimizer is a plain value. Clipping wraps another, a schedule is one of its fields.
func Example() {
	o := optim.ClipNorm{Max: 1, Then: optim.AdamW{
		LR:          6e-4,
		WeightDecay: .1,
		Schedule:    optim.Cosine{WarmUp: 2000, Steps: 100_000, Floor: .1},
	}}
	f := graph.NewFunc("train", true)
	w := f.Param("w", initializer.Zeros{}, 3)
	loss := w.Shift(-1).Square().Sum()
	o.Update(f, "opt", []*graph.Value{w}, graph.Grad(loss, w))
	for _, u := range f.Updates {
		fmt.Println(u.Name, u.Value.Type)
	}
	// Output:
	// opt.step i64[]
	// opt.m.w f32[3]
	// opt.v.w f32[3]
	// w f32[3]
}

// A schedule's factor multiplies the learning rate.
func ExampleCosine() {
	f := graph.NewFunc("f", false)
	step := f.Input("step", graph.F64)
	factor := optim.Cosine{WarmUp: 4, Steps: 12}.Factor(step)
	for _, s := range []float64{0, 1, 3, 4, 8, 12, 20} {
		values, err := graph.Evaluate(kernel.NewContext(gonum.Implementation{}, 1), f, map[string]*tensor.Tensor{"step": tensor.Scalar(s)})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%g: %.2f\n", s, values[factor.ID].At(0))
	}
	// Output:
	// 0: 0.25
	// 1: 0.50
	// 3: 1.00
	// 4: 1.00
	// 8: 0.50
	// 12: 0.00
	// 20: 0.00
}
