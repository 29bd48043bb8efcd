package loss_test

import (
	"fmt"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/compiler/loss"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// A loss is one number for each example, so losses add up before the mean is taken.
func Example() {
	f := graph.NewFunc("elbo", true)
	batch := graph.Sym("batch")
	logits, image := f.Input("logits", graph.F32, batch, 2), f.Input("image", graph.F32, batch, 2)
	mu, logVar := f.Input("mu", graph.F32, batch, 1), f.Input("log_var", graph.F32, batch, 1)
	each := loss.BCEWithLogits(logits, image).Add(loss.KLNormal(mu, logVar))
	mean := each.Mean()
	fmt.Println(each.Type, mean.Type)

	values, err := graph.Evaluate(kernel.NewContext(gonum.Implementation{}, 1), f, map[string]*tensor.Tensor{
		"logits": tensor.Of([]float32{0, 0, 100, -100}, 2, 2), "image": tensor.Of([]float32{1, 0, 1, 0}, 2, 2),
		"mu": tensor.Of([]float32{0, 2}, 2, 1), "log_var": tensor.Of([]float32{0, 0}, 2, 1),
	})
	fmt.Printf("%.4f %v\n", values[each.ID].Float64s(), err)
	// Output:
	// f32[batch] f32[]
	// [1.3863 2.0000] <nil>
}
