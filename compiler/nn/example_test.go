package nn_test

import (
	"fmt"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/initializer"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// compileOne compiles a program with one Func over the model m.
func compileOne(m any, build func(f *graph.Func)) *compiler.Program {
	b := compiler.New("example")
	b.Model("", m)
	b.Func("f", build)
	prog, err := b.Compile()
	if err != nil {
		panic(err)
	}
	return prog
}

// A layer's fields say what it is; the fields that lead to it are the names of its parameters.
func Example() {
	m := &struct {
		Stem nn.Conv2D
		Body []nn.Conv2D
		Head nn.Dense
	}{
		Stem: nn.Conv2D{Filters: 16, Kernel: 3, Same: true, Stride: 2},
		Body: []nn.Conv2D{{Filters: 16, Kernel: 3, Same: true, NoBias: true}},
		Head: nn.Dense{Units: 10},
	}
	prog := compileOne(m, func(f *graph.Func) {
		x := m.Stem.Apply(f.Input("image", graph.F32, graph.Sym("batch"), 3, 32, 32)).ReLU()
		for i := range m.Body {
			x = x.Add(m.Body[i].Apply(x).ReLU())
		}
		f.Output("logits", m.Head.Apply(x.GlobalAveragePool().Flatten()))
	})
	for _, p := range prog.Params() {
		fmt.Println(p.Name, p.Type)
	}
	// Output:
	// stem.weight f32[16 3 3 3]
	// stem.bias f32[16]
	// body.0.weight f32[16 16 3 3]
	// head.weight f32[16 10]
	// head.bias f32[10]
}

// Applying a layer again, or holding a pointer to it twice, shares its weights.
func Example_sharing() {
	shared := &nn.Dense{Units: 8}
	m := &struct{ Left, Right *nn.Dense }{shared, shared}
	prog := compileOne(m, func(f *graph.Func) {
		x := f.Input("x", graph.F32, graph.Sym("batch"), 8)
		f.Output("y", m.Right.Apply(m.Left.Apply(m.Left.Apply(x).Tanh()).Tanh()))
	})
	for _, p := range prog.Params() {
		fmt.Println(p.Name, p.Type)
	}
	// Output:
	// left.weight f32[8 8]
	// left.bias f32[8]
}

// Gate is a layer of one's own: it embeds nn.Layer, and asks it for parameters.
type Gate struct {
	nn.Layer
}

// Apply scales each element of x's last axis by a number in (0, 1) that is learnt.
func (l *Gate) Apply(x *graph.Value) *graph.Value {
	return l.Run(l, x, func() *graph.Value {
		return x.Mul(l.Param(x, "open", initializer.Zeros{}, x.Dim(-1)).Sigmoid())
	})
}

func ExampleLayer() {
	m := &struct{ Net nn.Sequential }{nn.Sequential{&nn.Dense{Units: 4}, nn.SiLU, &Gate{}}}
	prog := compileOne(m, func(f *graph.Func) {
		f.Output("y", m.Net.Apply(f.Input("x", graph.F32, graph.Sym("batch"), 2)))
	})
	for _, p := range prog.Params() {
		fmt.Println(p.Name, p.Type)
	}
	// Output:
	// net.0.weight f32[2 4]
	// net.0.bias f32[4]
	// net.2.open f32[4]
}
