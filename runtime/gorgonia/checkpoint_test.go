package gorgonia_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/initializer"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/gorgonia"
)

// squashed is a Dense whose weights go through tanh: what it computes of parameters alone is computed again too.
type squashed struct{ nn.Layer }

func (l *squashed) Apply(x *graph.Value) *graph.Value {
	return l.Run(l, x, func() *graph.Value {
		return x.MatMul(l.Param(x, "weight", initializer.Normal{Std: .1}, x.Dim(-1), x.Dim(-1)).Tanh())
	})
}

// TestCheckpoint trains a model with marked blocks and without marks: what changes with each step, the state that is read in its own
// place among it, must be the same to the bit, and the arena smaller.
func TestCheckpoint(t *testing.T) {
	define := func(marked bool) *compiler.Program {
		m := nn.Repeat(6, func(int) nn.Module {
			block := nn.Sequential{&squashed{}, nn.GELU, &nn.Dropout{P: .1}, nn.Residual{&nn.LayerNorm{}, &nn.Attention{Heads: 2}}, nn.Tanh}
			if marked {
				return nn.Checkpoint(block)
			}
			return block
		})
		b := compiler.New("marked")
		b.Model("", m)
		b.Step("train", optim.Adam{LR: 1e-2}, m, func(f *graph.Func) *graph.Value {
			x := f.Input("x", graph.F32, batch, 12, 8)
			return m.Apply(x).Sub(x).Square().Mean()
		})
		return compile(t, b)
	}
	var losses [2][]float64
	var states [2]map[string][]float64
	var arena [2]int
	for i, marked := range []bool{false, true} {
		prog := define(marked)
		state, x := load(t, prog, 1)
		r := rand.New(rand.NewPCG(1, 2))
		in := tensor.New(graph.F32, 5, 12, 8)
		for range 4 {
			for k := range in.Len() {
				in.Set(k, r.NormFloat64())
			}
			losses[i] = append(losses[i], run(t, x, "train", map[string]*tensor.Tensor{"x": in})["loss"].At(0))
		}
		states[i] = map[string][]float64{}
		for _, name := range state.Names() {
			s, err := state.Tensor(name)
			if err != nil {
				t.Fatal(err)
			}
			states[i][name] = s.Float64s()
		}
		p, err := gorgonia.Memory(prog.Step("train"), graph.Binding{"batch": 500})
		if err != nil {
			t.Fatal(err)
		}
		arena[i] = p.Arena
	}
	if !slices.Equal(losses[0], losses[1]) {
		t.Errorf("the losses are %v, without marks %v", losses[1], losses[0])
	}
	for name, want := range states[0] {
		if !slices.Equal(states[1][name], want) {
			t.Errorf("%s is another than without marks", name)
		}
	}
	if 10*arena[1] > 4*arena[0] {
		t.Errorf("the arena has %d bytes, without marks %d", arena[1], arena[0])
	}
}
