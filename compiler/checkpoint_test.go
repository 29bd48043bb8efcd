package compiler_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/loss"
	"github.com/sardonyx-ml/sardonyx/compiler/memory"
	"github.com/sardonyx-ml/sardonyx/compiler/models/modelstest"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestCheckpoint compiles models whose blocks are marked, and as they are: losses and new state must be the same to the bit over some
// steps, running statistics and draws with them, and the arena smaller by what the marks are for.
func TestCheckpoint(t *testing.T) {
	conv := func() []nn.Module {
		return []nn.Module{&nn.Conv2D{Filters: 6, Kernel: 3, Pad: 1}, &nn.BatchNorm{}, nn.SiLU, &nn.Dropout{P: .3}, &nn.Conv2D{Filters: 6, Kernel: 3, Pad: 1}, &nn.GroupNorm{Groups: 2}, nn.GELU}
	}
	attention := func() []nn.Module {
		return []nn.Module{
			nn.Residual{&nn.LayerNorm{}, &nn.Attention{Heads: 2, Causal: true}, &nn.Dropout{P: .2}},
			nn.Residual{&nn.LayerNorm{}, &nn.Dense{Units: 24}, nn.GELU, &nn.Dense{Units: 6}},
		}
	}
	recurrent := func() []nn.Module { return []nn.Module{&nn.LSTM{Units: 6}, nn.Tanh, &nn.GRU{Units: 6}} }
	noise := nn.Func(func(x *graph.Value) *graph.Value { return x.Mul(x.NormalLike().Tanh()).Tanh() })
	checkpoint := func(list []nn.Module) nn.Module { return nn.Checkpoint(list) }
	nested := func(list []nn.Module) nn.Module {
		return nn.Checkpoint{nn.Checkpoint(list[:len(list)/2]), nn.Checkpoint(list[len(list)/2:])}
	}
	plain := func(list []nn.Module) nn.Module { return nn.Sequential(list) }
	halves := func(list []nn.Module) nn.Module {
		return nn.Sequential{nn.Sequential(list[:len(list)/2]), nn.Sequential(list[len(list)/2:])}
	}
	for _, c := range []struct {
		name        string
		block       func() []nn.Module
		shape       []graph.Dim
		mark, plain func([]nn.Module) nn.Module
		share       float64 // of the arena without marks, at most
	}{
		{"convolutions", conv, []graph.Dim{6, 8, 8}, checkpoint, plain, .5},
		{"nested", conv, []graph.Dim{6, 8, 8}, nested, halves, .5},
		{"attention", attention, []graph.Dim{10, 6}, checkpoint, plain, .5},
		{"recurrence", recurrent, []graph.Dim{10, 6}, checkpoint, plain, .8},
		{"noise", func() []nn.Module { return []nn.Module{noise, noise, &nn.Dense{Units: 6}, noise} }, []graph.Dim{10, 6}, checkpoint, plain, .5},
	} {
		t.Run(c.name, func(t *testing.T) {
			define := func(mark func([]nn.Module) nn.Module) *compiler.Program {
				m := nn.Repeat(6, func(int) nn.Module { return mark(c.block()) })
				b := compiler.New("checkpoint")
				b.Model("", m)
				b.Step("train", optim.Adam{LR: 1e-2}, m, func(f *graph.Func) *graph.Value {
					x := f.Input("x", graph.F32, append([]graph.Dim{batch}, c.shape...)...)
					return loss.MSE(m.Apply(x), x.Detach()).Mean()
				})
				return compile(t, b)
			}
			var losses [2][]float64
			var states [2]map[string]*tensor.Tensor
			var arena [2]int
			for i, prog := range []*compiler.Program{define(c.plain), define(c.mark)} {
				r := rand.New(rand.NewPCG(1, 2))
				state := modelstest.State(t, prog, r)
				step := prog.Step("train")
				sizes, err := step.Inputs[0].Sizes(graph.Binding{"batch": 3})
				if err != nil {
					t.Fatal(err)
				}
				x := tensor.New(graph.F32, sizes...)
				for k := range x.Len() {
					x.Set(k, r.NormFloat64())
				}
				state["x"] = x
				for range 3 {
					losses[i] = append(losses[i], modelstest.Train(t, step, state)["loss"].At(0))
				}
				states[i] = state
				p, err := memory.New(step, graph.Binding{"batch": 300})
				if err != nil {
					t.Fatal(err)
				}
				arena[i] = p.Arena
			}
			if !slices.Equal(losses[0], losses[1]) || losses[0][0] == losses[0][2] {
				t.Errorf("the losses are %v, without marks %v", losses[1], losses[0])
			}
			for name, want := range states[0] {
				if got := states[1][name]; got == nil || !slices.Equal(got.Float64s(), want.Float64s()) {
					t.Errorf("%s is another than without marks", name)
				}
			}
			if len(states[0]) != len(states[1]) {
				t.Errorf("there are %d pieces of state, without marks %d", len(states[1]), len(states[0]))
			}
			if share := float64(arena[1]) / float64(arena[0]); share > c.share {
				t.Errorf("the arena is %.2f of that without marks, want at most %.2f", share, c.share)
			} else {
				t.Logf("the arena is %.2f of that without marks", share)
			}
		})
	}
}
