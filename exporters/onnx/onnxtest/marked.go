package onnxtest

import (
	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// marked has blocks that are computed again for the gradient, one inside another among them, with all that they may have: draws,
// running statistics, attention, and indices.
func marked() (*compiler.Program, error) {
	m := nn.Sequential{
		&nn.Embedding{Vocab: 7, Dim: 6},
		nn.Checkpoint{
			nn.Residual{&nn.LayerNorm{}, &nn.Attention{Heads: 2, Causal: true}, &nn.Dropout{P: .2}},
			nn.Checkpoint{&nn.Dense{Units: 12}, nn.GELU, &nn.Dense{Units: 6}},
			nn.Func(func(x *graph.Value) *graph.Value { return x.Mul(x.NormalLike().Tanh()) }),
		},
		nn.Checkpoint{nn.Func(func(x *graph.Value) *graph.Value { return x.Reshape(x.Dim(0).Times(x.Dim(1)), 6) }), &nn.BatchNorm{}, nn.Tanh},
		&nn.Dense{Units: 1},
	}
	b := compiler.New("marked")
	b.Model("", m)
	b.Step("train", optim.Adam{LR: 1e-2, Eps: eps}, m, func(f *graph.Func) *graph.Value {
		return m.Apply(f.Input("ids", graph.I64, batch, seq)).Square().Mean()
	})
	return b.Compile()
}
