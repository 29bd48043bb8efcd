package errors

import (
	"strings"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/initializer"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
)

type twoHeads struct{ A, B nn.Dense }

var programCases = []Case{
	{"an output named twice", fn(func(f *graph.Func) {
		x := input(f, 4)
		f.Output("y", x.Tanh())
		f.Output("y", x.Exp()) // want "Output: a second output named \"y\""
	})},
	{"an input named twice", fn(func(f *graph.Func) {
		x := input(f, 4)
		f.Output("y", x.Add(f.Input("x", graph.F32, batch, 4))) // want "Input: a second input or parameter named \"x\""
	})},
	{"a nil output", fn(func(f *graph.Func) {
		f.Output("x", input(f, 4))
		f.Output("y", nil) // want "Output \"y\": the value is nil"
	})},
	{"a gradient with respect to nil", func(b *compiler.Builder) {
		m := &linear{nn.Dense{Units: 3}}
		b.Model("", m)
		b.Step("train", adam, m, func(f *graph.Func) *graph.Value {
			var mix *graph.Value
			y := m.FC.Apply(input(f, 4))
			return y.Square().Mean().Add(graph.Grad(y, mix)[0].Sum()) // want "Grad: value 0 to differentiate by is nil"
		})
	}},
	{"a panic inside the standard library", fn(func(f *graph.Func) {
		f.Output(strings.Repeat("y", input(f, 4).Rank()-3), input(f, 4)) // want "f: panic while tracing: strings: negative Repeat count"
	})},
	{"a parameter with an input's name", fn(func(f *graph.Func) {
		x := input(f, 4)
		f.Output("y", x.Add(f.Param("x", initializer.Zeros{}, 4))) // want "parameter \"x\" has the name of an input"
	})},
	{"a dtype that there is not", fn(func(f *graph.Func) {
		f.Output("y", f.Input("x", graph.DType(42), 3)) // want "Input: dtype.42. is no dtype"
	})},
	{"the difference of two symbols", fn(func(f *graph.Func) {
		f.Output("y", f.Input("x", graph.F32, batch-seq, 3)) // want "axis 0 of the shape is not a dimension"
	})},
	{"a nil argument", fn(func(f *graph.Func) {
		var bias *graph.Value
		f.Output("y", input(f, 4).Add(bias)) // want "Add: argument 1 is nil"
	})},
	{"a user's own panic", fn(func(f *graph.Func) {
		widths := []int{1, 2, 3}
		f.Output("y", input(f, graph.Dim(widths[f.Input("n", graph.F32, 3).Rank()+2]))) // want "f: panic while tracing: runtime error: index out of range"
	})},
	{"a method of a nil value", fn(func(f *graph.Func) {
		var x *graph.Value
		f.Output("y", x.Tanh()) // want "f: panic while tracing: .*nil"
	})},
	{"no output", func(b *compiler.Builder) {
		b.Func("f", func(f *graph.Func) { input(f, 4).Tanh() }) // want "Func \"f\" has no output"
	}},
	{"a value of another function", func(b *compiler.Builder) {
		var kept *graph.Value
		b.Func("f", func(f *graph.Func) {
			kept = input(f, 4)
			f.Output("y", kept)
		})
		b.Func("g", func(f *graph.Func) {
			f.Output("y", input(f, 4).Add(kept)) // want "Add: argument 1 belongs to \"f\", not to \"g\""
		})
	}},
	{"two entry points of one name", func(b *compiler.Builder) {
		b.Func("f", func(f *graph.Func) { f.Output("y", input(f, 4)) })
		b.Func("f", func(f *graph.Func) { f.Output("y", input(f, 5)) }) // want "a second entry point named \"f\""
	}},
	{"a loss that is not a scalar", func(b *compiler.Builder) {
		m := &linear{nn.Dense{Units: 3}}
		b.Model("", m)
		b.Step("train", adam, m, func(f *graph.Func) *graph.Value {
			return m.FC.Apply(input(f, 4)).Square() // want "(?s)Step \"train\": the loss is f32.batch 3., want a floating-point scalar.*hint: .*Mean"
		})
	}},
	{"a nil loss", func(b *compiler.Builder) {
		m := &linear{nn.Dense{Units: 3}}
		b.Model("", m)
		b.Func("f", func(f *graph.Func) { f.Output("y", m.FC.Apply(input(f, 4))) })
		b.Step("train", adam, m, func(f *graph.Func) *graph.Value { return nil }) // want "Step \"train\": the loss is nil"
	}},
	{"a parameter no loss reaches", func(b *compiler.Builder) {
		m := &twoHeads{nn.Dense{Units: 3}, nn.Dense{Units: 3}}
		b.Model("", m)
		b.Step("train", adam, m, func(f *graph.Func) *graph.Value {
			x := input(f, 4)
			f.Output("b", m.B.Apply(x)) // want "no loss reaches parameter \"b.weight\"" "no loss reaches parameter \"b.bias\""
			return m.A.Apply(x).Square().Mean()
		})
	}},
	{"a step that trains nothing", func(b *compiler.Builder) {
		m, other := &linear{nn.Dense{Units: 3}}, &linear{nn.Dense{Units: 3}}
		b.Model("a", m)
		b.Model("b", other)
		b.Func("f", func(f *graph.Func) { f.Output("y", other.FC.Apply(input(f, 4))) })
		b.Step("train", adam, other, func(f *graph.Func) *graph.Value { // want "Step \"train\" trains nothing"
			return m.FC.Apply(input(f, 4)).Square().Mean()
		})
	}},
	{"no learning rate", func(b *compiler.Builder) {
		m := &linear{nn.Dense{Units: 3}}
		b.Model("", m)
		b.Step("train", optim.Adam{}, m, func(f *graph.Func) *graph.Value { // want "Adam: .*LR"
			return m.FC.Apply(input(f, 4)).Square().Mean()
		})
	}},
	{"no optimizer", func(b *compiler.Builder) {
		m := &linear{nn.Dense{Units: 3}}
		b.Model("", m)
		b.Func("f", func(f *graph.Func) { f.Output("y", m.FC.Apply(input(f, 4))) })
		b.Step("train", nil, m, func(f *graph.Func) *graph.Value { return nil }) // want "Step \"train\" has no optimizer"
	}},
	{"two models of one prefix", func(b *compiler.Builder) {
		m, other := &linear{nn.Dense{Units: 3}}, &linear{nn.Dense{Units: 3}}
		b.Model("m", m)
		b.Model("m", other) // want "a second model with the prefix \"m\"" "two layers are called \"m.fc\""
		b.Func("f", func(f *graph.Func) { f.Output("y", other.FC.Apply(m.FC.Apply(input(f, 3)))) })
	}},
}
