package compiler_test

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/loss"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// Classifier is a multi-layer perceptron over images of digits.
type Classifier struct {
	Hidden, Out nn.Dense
}

// Apply gives the logits [batch 10] of images x [batch 1 28 28].
func (m *Classifier) Apply(x *graph.Value) *graph.Value {
	return m.Out.Apply(m.Hidden.Apply(x.Flatten()).ReLU())
}

// A program is a model, what can be asked of it (Funcs), and how it is trained (Steps).
func Example() {
	m := &Classifier{Hidden: nn.Dense{Units: 128}, Out: nn.Dense{Units: 10}}
	batch := graph.Sym("batch")
	image := func(f *graph.Func) *graph.Value { return f.Input("image", graph.F32, batch, 1, 28, 28) }

	b := compiler.New("digits")
	b.Model("", m)
	b.Func("classify", func(f *graph.Func) {
		f.Output("probability", m.Apply(image(f)).Softmax(-1))
	})
	b.Step("train", optim.Adam{LR: 1e-3}, m, func(f *graph.Func) *graph.Value {
		logits, label := m.Apply(image(f)), f.Input("label", graph.I64, batch)
		f.Output("accuracy", logits.ArgMax(-1).Equal(label).Cast(graph.F32).Mean()) // reported beside the loss
		return loss.CrossEntropy(logits, label).Mean()
	})
	prog, err := b.Compile()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range prog.Params() {
		if p.Trainable {
			fmt.Println(p.Name, p.Type)
		}
	}
	fmt.Println(prog.ParamCount(), "parameters")
	// Output:
	// hidden.weight f32[784 128]
	// hidden.bias f32[128]
	// out.weight f32[128 10]
	// out.bias f32[10]
	// 101770 parameters
}

// Several steps may train parts of one program: here a generator and its critic, which is kept smooth by a loss that holds a
// gradient (WGAN-GP).
func ExampleBuilder_Step() {
	dense := func(units int) *nn.Dense { return &nn.Dense{Units: units} }
	gen := &struct{ Net nn.Sequential }{nn.Sequential{dense(32), nn.ReLU, dense(2)}}
	critic := &struct{ Net nn.Sequential }{nn.Sequential{dense(32), nn.ReLU, dense(1)}}
	adam := optim.Adam{LR: 1e-4, Beta1: .5}
	batch := graph.Sym("batch")
	noise := func(f *graph.Func) *graph.Value { return f.RandomNormal(graph.F32, batch, 8) }

	b := compiler.New("wgan")
	b.Model("gen", gen)
	b.Model("critic", critic)
	b.Step("critic", adam, critic, func(f *graph.Func) *graph.Value {
		real := f.Input("real", graph.F32, batch, 2)
		fake := gen.Net.Apply(noise(f)).Detach()
		smooth := loss.GradientPenalty(critic.Net.Apply, real, fake).Mean()
		return critic.Net.Apply(fake).Mean().Sub(critic.Net.Apply(real).Mean()).Add(smooth.Scale(10))
	})
	b.Step("gen", adam, gen, func(f *graph.Func) *graph.Value {
		return critic.Net.Apply(gen.Net.Apply(noise(f))).Mean().Neg()
	})
	prog, err := b.Compile()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, step := range prog.Steps() {
		for _, u := range step.Updates {
			if strings.HasSuffix(u.Name, ".weight") && !strings.HasPrefix(u.Name, "opt.") {
				fmt.Println(step.Name, "trains", u.Name)
			}
		}
	}
	// Output:
	// critic trains critic.net.0.weight
	// critic trains critic.net.2.weight
	// gen trains gen.net.0.weight
	// gen trains gen.net.2.weight
}

// Compile returns every mistake in the definition at once, each with its line, its arguments, and what to do.
func ExampleBuilder_Compile() {
	m := &Classifier{Hidden: nn.Dense{Units: 128}} // Out has no units
	b := compiler.New("wrong")
	b.Model("", m)
	b.Func("classify", func(f *graph.Func) {
		f.Output("logits", m.Apply(f.Input("image", graph.F32, graph.Sym("batch"), 784)))
	})
	b.Func("wide", func(f *graph.Func) {
		x := f.Input("x", graph.F32, 2, 10)
		f.Output("y", x.Add(f.Input("shift", graph.F32, 9)))
	})
	_, err := b.Compile()
	var mistakes graph.Diags
	errors.As(err, &mistakes)
	for _, d := range mistakes {
		fmt.Printf("%s\n\t%s\n\thint: %s\n", d.Msg, d.Pos.Source(), d.Hint)
	}
	// Output:
	// Dense: the field Units is 0
	// 	return m.Out.Apply(m.Hidden.Apply(x.Flatten()).ReLU())
	// 	hint: set it to a number from 1 to 2147483647: nn.Dense{Units: ...}
	// Add: shapes [2 10] and [9] do not broadcast: 10 against 9
	// 	f.Output("y", x.Add(f.Input("shift", graph.F32, 9)))
	// 	hint: shapes align at their last axes; each pair must be equal, or one of them 1
}
