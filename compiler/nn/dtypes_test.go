package nn_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/loss"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"

	"gonum.org/v1/gonum/blas/gonum"
)

// TestDTypes trains layers in each float: their parameters are in the dtype of what they are applied to, or that of the field, and
// the loss falls as in f32.
func TestDTypes(t *testing.T) {
	type model struct {
		Tok  nn.Embedding
		In   nn.Dense
		Norm nn.LayerNorm
		Out  nn.Dense
	}
	curve := func(dt graph.DType) []float64 {
		m := &model{Tok: nn.Embedding{Vocab: 5, Dim: 4, DType: dt}, In: nn.Dense{Units: 8}, Out: nn.Dense{Units: 3}}
		p := compiler.New("dtypes")
		p.Model("m", m)
		p.Step("train", optim.Adam{LR: .02}, m, func(f *graph.Func) *graph.Value {
			x := m.Tok.Apply(f.Input("ids", graph.I64, 6))
			logits := m.Out.Apply(m.Norm.Apply(m.In.Apply(x).Tanh()))
			return loss.CrossEntropy(logits.Cast(graph.F32), f.Input("labels", graph.I64, 6)).Mean()
		})
		prog, err := p.Compile()
		if err != nil {
			t.Fatalf("%v: %v", dt, err)
		}
		step, state := prog.Step("train"), map[string]*tensor.Tensor{}
		r := rand.New(rand.NewPCG(1, 2))
		for _, v := range step.Params {
			o := v.Op.(graph.Param)
			if o.Trainable && v.DType() != dt {
				t.Fatalf("%s is %v, want %v", v.Name, v.DType(), dt)
			}
			shape, _ := v.Shape().Eval(nil)
			start := tensor.New(graph.F32, shape...) // the same numbers for all, rounded
			if o.Init != nil {
				o.Init.Init(start, r)
			}
			state[v.Name] = start.Cast(v.DType())
		}
		state["ids"], state["labels"] = tensor.Of([]int64{0, 1, 2, 3, 4, 0}, 6), tensor.Of([]int64{0, 1, 2, 0, 1, 0}, 6)
		var losses []float64
		for range 12 {
			all, err := graph.Evaluate(kernel.NewContext(gonum.Implementation{}, 1), step, state)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range step.Outputs {
				if o.Name == compiler.Loss {
					losses = append(losses, all[o.Value.ID].At(0))
				}
			}
			for _, u := range step.Updates {
				state[u.Name] = all[u.Value.ID]
			}
		}
		return losses
	}
	want := curve(graph.F32)
	if last := len(want) - 1; want[last] > .6*want[0] {
		t.Fatalf("the loss in f32 goes from %v to %v", want[0], want[last])
	}
	for dt, tol := range map[graph.DType]float64{graph.F64: 1e-4, graph.F16: .02, graph.BF16: .1} {
		for i, got := range curve(dt) {
			if !(math.Abs(got-want[i]) <= tol) {
				t.Errorf("%v: the loss of step %d is %v, in f32 %v", dt, i, got, want[i])
			}
		}
	}
}
