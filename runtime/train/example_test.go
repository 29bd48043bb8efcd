package train_test

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/data"
	"github.com/sardonyx-ml/sardonyx/runtime/gorgonia"
	"github.com/sardonyx-ml/sardonyx/runtime/train"
)

var batch = graph.Sym("batch")

// circle is a data set of n points around the unit circle: field "point", f32[2].
func circle(n int) *data.Dataset {
	x := tensor.New(tensor.F32, n, 2)
	for i := range n {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / float64(n))
		x.Set(2*i, cos)
		x.Set(2*i+1, sin)
	}
	source, err := data.FromTensor(x)
	if err != nil {
		panic(err)
	}
	ds, err := data.New(data.Field{Name: "point", Source: source})
	if err != nil {
		panic(err)
	}
	return ds
}

// gan is a generative adversarial network of points: two models, and a step for each.
func gan() *compiler.Program {
	net := func(out int) nn.Sequential {
		return nn.Sequential{&nn.Dense{Units: 32}, nn.ReLU, &nn.Dense{Units: out}}
	}
	gen, critic := &struct{ Net nn.Sequential }{net(2)}, &struct{ Net nn.Sequential }{net(1)}
	real := func(f *graph.Func) *graph.Value { return f.Input("point", graph.F32, batch, 2) }
	fake := func(f *graph.Func) *graph.Value { return gen.Net.Apply(f.RandomNormal(graph.F32, batch, 4)) }

	b := compiler.New("gan")
	b.Model("gen", gen)
	b.Model("critic", critic)
	b.Step("critic", optim.Adam{LR: 1e-3, Beta1: .5}, critic, func(f *graph.Func) *graph.Value {
		// −ln σ(x) is softplus(−x), and −ln(1−σ(x)) is softplus(x).
		return critic.Net.Apply(real(f)).Neg().Softplus().Add(critic.Net.Apply(fake(f).Detach()).Softplus()).Mean()
	})
	b.Step("gen", optim.Adam{LR: 1e-3, Beta1: .5}, gen, func(f *graph.Func) *graph.Value {
		real(f) // says how many to draw
		return critic.Net.Apply(fake(f)).Neg().Softplus().Mean()
	})
	prog, err := b.Compile()
	if err != nil {
		panic(err)
	}
	return prog
}

// A training loop may be one's own: an engine loads a program over a state, and each step is a call.
func Example() {
	ctx := context.Background()
	prog := gan()
	state, err := runtime.NewState(prog, 1)
	if err != nil {
		panic(err)
	}
	engine, err := gorgonia.New(gorgonia.Options{})
	if err != nil {
		panic(err)
	}
	x, err := engine.Load(prog, state)
	if err != nil {
		panic(err)
	}
	defer x.Close()
	batches, err := data.NewLoader(circle(64), data.LoaderOptions{Batch: 16, Shuffle: true, Epochs: 2})
	if err != nil {
		panic(err)
	}
	defer batches.Close()
	for range 2 * batches.Batches() {
		b, err := batches.Next(ctx)
		if err != nil {
			panic(err)
		}
		for _, step := range []string{"critic", "gen"} {
			if _, err := train.Run(ctx, x, prog.Step(step), b.Tensors); err != nil { // x.Run, on the fields that the step takes
				panic(err)
			}
		}
	}
	count, err := state.Tensor("opt.gen.step")
	if err != nil {
		panic(err)
	}
	fmt.Println("generator updated", count.At(0), "times")
	// Output: generator updated 8 times
}

// An Update runs several steps on a batch, here the generator's on every second one, and Fit does the rest: epochs,
// metrics, checkpoints.
func ExampleFit_steps() {
	prog := gan()
	engine, err := gorgonia.New(gorgonia.Options{})
	if err != nil {
		panic(err)
	}
	result, err := train.Fit(context.Background(), train.Config{
		Program: prog, Engine: engine, Seed: 1, Train: circle(64), Epochs: 2, Batch: 16,
		Update: func(ctx context.Context, x runtime.Executable, step int64, in map[string]*tensor.Tensor) (train.Metrics, error) {
			m, err := train.Run(ctx, x, prog.Step("critic"), in)
			if err != nil || step%2 == 0 {
				return m, err
			}
			gen, err := train.Run(ctx, x, prog.Step("gen"), in)
			if err != nil {
				return nil, err
			}
			m["gen"] = gen[train.Loss]
			return m, nil
		},
	})
	if err != nil {
		panic(err)
	}
	count, err := result.State.Tensor("opt.gen.step")
	if err != nil {
		panic(err)
	}
	fmt.Println(result.Step, "updates, generator updated", count.At(0), "times")
	fmt.Println("metrics:", slices.Sorted(maps.Keys(result.History[0].Train)))
	// Output:
	// 8 updates, generator updated 4 times
	// metrics: [gen grad_norm loss]
}
