package errors

import (
	"math"
	"strings"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/initializer"
	"github.com/sardonyx-ml/sardonyx/compiler/loss"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
)

type twoHeads struct{ A, B nn.Dense }

var programCases = []Case{
	{"an output named twice", fn(func(f *graph.Func) {
		x := input(f, 4)
		f.Output("y", x.Tanh())
		f.Output("y", x.Exp()) // want "(?s)Output: \"y\" is already the name of an output.*hint: that is at .*programs.go:20"
	})},
	{"an input named twice", fn(func(f *graph.Func) {
		x := input(f, 4)
		f.Output("y", x.Add(f.Input("x", graph.F32, batch, 4))) // want "(?s)Input: \"x\" is already the name of an input.*hint: that is at .*layers.go:"
	})},
	{"an output with the name of an input", fn(func(f *graph.Func) {
		x := f.Input("image", graph.F32, batch, 4)
		f.Output("image", x.Sigmoid()) // want "(?s)Output: \"image\" is already the name of an input.*hint: that is at .*programs.go:28"
	})},
	{"an output with the name of a parameter", fn(func(f *graph.Func) {
		w := f.Param("w", initializer.Zeros{}, 4)
		f.Output("w", w.Tanh()) // want "Output: \"w\" is already the name of a parameter or buffer"
	})},
	{"an output with the name of new state", func(b *compiler.Builder) {
		m := named(b)
		b.Step("train", adam, m, func(f *graph.Func) *graph.Value {
			y := m.FC.Apply(input(f, 4)) // want "(?s)fc: Update: \"fc.bias.next\" is already the name of an output.*hint: that is at .*programs.go:39"
			f.Output("fc.bias.next", y)
			return y.Mean()
		})
	}},
	{"an input with the name of random numbers", fn(func(f *graph.Func) {
		x := f.Input("x", graph.F32, batch, 4).NormalLike()
		f.Output("y", x.Add(f.Input("noise.0", graph.F32, batch, 4))) // want "Input: \"noise.0\" is already the name of the numbers of a random op"
	})},
	{"two updates of one state", fn(func(f *graph.Func) {
		x, w := f.Input("x", graph.F32, 3), f.Buffer("w", graph.F32, nil, 3)
		f.Update(w, w.Lerp(x, .1))
		f.Update(w, w.Lerp(x.Square(), .1)) // want "(?s)Update: \"w\" is updated twice in one step, first at .*programs.go:49, and the second does not start from the first.*hint: start from f.Current"
		f.Output("y", x)
	})},
	{"a nil output", fn(func(f *graph.Func) {
		f.Output("x.out", input(f, 4))
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
		f.Output("y", x.Add(f.Param("x", initializer.Zeros{}, 4))) // want "Param: \"x\" is already the name of an input"
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
		f.Output("y", x.Tanh()) // want "f: panic while tracing: Tanh: every argument is nil"
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
	{"a loss of a nil value", training(func(f *graph.Func, y *graph.Value) *graph.Value {
		return loss.MSE(y, nil).Mean() // want "(?s)MSE: argument 1 is nil.*argument 0: f32.batch 3. made by Add"
	})},
	{"a loss of two nil values", training(func(f *graph.Func, y *graph.Value) *graph.Value {
		return loss.CrossEntropy(nil, nil).Mean() // want "CrossEntropy: both arguments are nil"
	})},
	{"a loss that would broadcast", training(func(f *graph.Func, y *graph.Value) *graph.Value {
		return loss.MSE(y, f.Input("target", graph.F32, batch)).Mean() // want "MSE: the arguments are f32.batch 3. and f32.batch."
	})},
	{"a loss of integers", training(func(f *graph.Func, y *graph.Value) *graph.Value {
		i := f.Input("i", graph.I64, batch, 3)
		return loss.MAE(i, i).Mean() // want "(?s)MAE: the arguments are i64.*hint: .*floats"
	})},
	{"a loss through integers", func(b *compiler.Builder) {
		m := named(b)
		b.Step("train", adam, m, func(f *graph.Func) *graph.Value {
			y := m.FC.Apply(input(f, 4)) // want "no loss reaches parameter \"fc.weight\"" "no loss reaches parameter \"fc.bias\""
			return y.Cast(graph.I64).Cast(graph.F32).Mean()
		})
	}},
	{"an integer loss", training(func(f *graph.Func, y *graph.Value) *graph.Value {
		return y.Mean().Cast(graph.I64) // want "Step \"train\": the loss is i64.., want a floating-point scalar"
	})},
	{"a gradient with respect to indices", fn(func(f *graph.Func) {
		i := f.Input("i", graph.I64, batch)
		y := f.Input("table", graph.F32, 10, 4).Gather(i, 0)
		f.Output("g", graph.Grad(y, i)[0]) // want "Grad: with respect to i64.batch."
	})},
	{"a mistake inside a gradient penalty", training(func(f *graph.Func, y *graph.Value) *graph.Value {
		slope := graph.Grad(y.Sum(), y)[0]
		return slope.MatMul(slope).Mean() // want "(?s)MatMul: inner dimensions differ: 3 and batch.*argument 0: f32.batch 3. made by "
	})},
	{"an output that the step makes itself", func(b *compiler.Builder) {
		m := named(b)
		b.Step("train", adam, m, func(f *graph.Func) *graph.Value { // want "Output: \"loss\" is already the name of an output"
			f.Output("loss", m.FC.Apply(input(f, 4)))
			return m.mean(f.Inputs[0])
		})
	}},
	{"a nil update", fn(func(f *graph.Func) {
		w := f.Param("w", initializer.Zeros{}, 3)
		f.Update(w, nil) // want "Update: the state or its new value is nil"
		f.Output("w.out", w)
	})},
	{"every number of an optimizer", func(b *compiler.Builder) {
		m := named(b)
		b.Step("train", optim.Adam{LR: -1, Beta1: 2}, m, m.loss) // want "Adam: LR is -1" "Adam: Beta1 is 2"
	}},
	{"averages that no step keeps", func(b *compiler.Builder) {
		m := named(b)
		b.Step("train", adam, m, m.loss)
		b.EMAFunc("f", func(f *graph.Func) { f.Output("y", m.mean(input(f, 4))) }) // want "(?s)EMAFunc \"f\": no Step keeps an average of what it reads.*hint: .*optim.EMA"
	}},
	{"averages of a step that is wrong, which are not its fault", func(b *compiler.Builder) {
		m := named(b)
		b.Step("train", optim.EMA{Decay: .9, Then: optim.Adam{}}, m, m.loss) // want "Adam: LR is 0"
		b.EMAFunc("f", func(f *graph.Func) { f.Output("y", m.mean(input(f, 4))) })
	}},
	{"averages of two steps", func(b *compiler.Builder) {
		m := named(b)
		b.Step("first", optim.EMA{Decay: .9, Then: adam}, m, m.loss)
		b.Step("second", optim.EMA{Decay: .9, Then: adam}, m, m.loss)
		b.EMAFunc("f", func(f *graph.Func) { // want "two averages of \"fc.weight\", \"opt.first.ema.fc.weight\" and \"opt.second.ema.fc.weight\"" "two averages of \"fc.bias\""
			f.Output("y", m.mean(input(f, 4)))
		})
	}},
	{"groups that leave out a parameter", func(b *compiler.Builder) {
		m := named(b)
		b.Step("train", optim.Groups{{Match: "*.bias", Then: adam}}, m, m.loss) // want "(?s)Groups: no group has the parameter \"fc.weight\".*hint: "
	}},
	{"clipping to nothing", func(b *compiler.Builder) {
		m := named(b)
		b.Step("train", optim.ClipNorm{Then: adam}, m, m.loss) // want "(?s)ClipNorm: Max is 0.*hint: "
	}},
	{"Nesterov's momentum without momentum", func(b *compiler.Builder) {
		m := named(b)
		b.Step("train", optim.SGD{LR: .1, Nesterov: true}, m, m.loss) // want "SGD: Nesterov without Momentum"
	}},
	{"a schedule of nonsense", func(b *compiler.Builder) {
		m := named(b)
		b.Step("train", optim.SGD{LR: .1, Schedule: optim.StepDecay{Every: 10, Gamma: math.Inf(1)}}, m, m.loss) // want "StepDecay: .*Gamma above 0"
	}},
	{"an optimizer that is a nil pointer", func(b *compiler.Builder) {
		m := named(b)
		b.Step("train", (*optim.Adam)(nil), m, m.loss) // want "(?s)train: panic while tracing: .*nil .Adam pointer.*hint: .*optimizer"
	}},
	{"a loop without end", fn(func(f *graph.Func) {
		for x := input(f, 4); ; {
			x = x.Tanh() // want "f: panic while tracing: \"f\" has more than .* ops"
		}
	})},
	{"an entry point without a name", func(b *compiler.Builder) {
		b.Func("", func(f *graph.Func) { f.Output("y", input(f, 4)) }) // want "the entry point has no name"
	}},
	{"a nil function", func(b *compiler.Builder) {
		b.Func("f", nil) // want "\"f\" has a nil function"
	}},
	{"a draw by a symbol that is the name of something else", func(b *compiler.Builder) {
		b.Func("f", func(f *graph.Func) {
			f.Output("y", f.RandomNormal(graph.F32, batch).Add(f.Param("batch", initializer.Zeros{}))) // want "Input: \"batch\" is already the name of a parameter"
		})
	}},
	{"a symbol that no input has", func(b *compiler.Builder) {
		b.Func("f", func(f *graph.Func) {
			f.Output("y", f.Full(graph.F32, 0, batch, 4)) // want "Full: no input of \"f\" has batch as an axis"
		})
		b.Func("g", func(f *graph.Func) {
			x := f.Input("x", graph.F32, batch.Times(2), seq) // want "(?s)Input: no input of \"g\" has batch as an axis.*hint: give an input"
			f.Output("y", x.Tanh())
		})
	}},
}
