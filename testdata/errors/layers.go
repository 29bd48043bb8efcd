package errors

import (
	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/initializer"
	"github.com/sardonyx-ml/sardonyx/compiler/loss"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// hidden keeps a layer where reflection cannot name it.
type hidden struct {
	FC  nn.Dense
	fc2 nn.Dense
}

type pointers struct{ A, B *nn.Dense }

type normed struct {
	FC   nn.Dense
	Norm nn.BatchNorm
}

type embedded struct{ Tok nn.Embedding }

// input is [batch n].
func input(f *graph.Func, n graph.Dim) *graph.Value { return f.Input("x", graph.F32, batch, n) }

var layerCases = []Case{
	{"a layer in an unexported field", func(b *compiler.Builder) {
		m := &hidden{FC: nn.Dense{Units: 3}, fc2: nn.Dense{Units: 3}}
		b.Model("", m) // want "Model: .*unexported.*fc2|Model: .*fc2.*unexported"
		b.Func("f", func(f *graph.Func) { f.Output("y", m.FC.Apply(input(f, 4))) })
	}},
	{"a nil layer", func(b *compiler.Builder) {
		m := &pointers{A: &nn.Dense{Units: 3}}
		b.Model("", m) // want "Model: .*nil"
		b.Func("f", func(f *graph.Func) {
			f.Output("y", m.B.Apply(m.A.Apply(input(f, 4)))) // want "nil"
		})
	}},
	{"a model that is not a pointer", func(b *compiler.Builder) {
		m := linear{nn.Dense{Units: 3}}
		b.Model("", m) // want "Model: .*pointer"
		b.Func("f", func(f *graph.Func) {
			f.Output("y", m.FC.Apply(input(f, 4))) // want "not part of a model"
		})
	}},
	{"a layer that no model holds", func(b *compiler.Builder) {
		var fc = nn.Dense{Units: 3}
		b.Func("f", func(f *graph.Func) {
			f.Output("y", fc.Apply(input(f, 4))) // want "not part of a model"
		})
	}},
	{"a layer that nothing applies", func(b *compiler.Builder) {
		m := &pointers{A: &nn.Dense{Units: 3}, B: &nn.Dense{Units: 3}}
		b.Model("", m) // want "b: Model: no entry point applies this layer"
		b.Func("f", func(f *graph.Func) { f.Output("y", m.A.Apply(input(f, 4))) })
	}},
	{"two fields of one name", func(b *compiler.Builder) {
		m := &struct{ FC, Fc nn.Dense }{nn.Dense{Units: 3}, nn.Dense{Units: 3}}
		b.Model("", m) // want "Model: two layers are called \"fc\""
		b.Func("f", func(f *graph.Func) { f.Output("y", m.Fc.Apply(m.FC.Apply(input(f, 3)))) })
	}},
	{"a layer named like the optimizer's state", func(b *compiler.Builder) {
		m := &struct{ Opt nn.Dense }{nn.Dense{Units: 3}}
		b.Model("", m) // want "Model: the layer's name \"opt\" is reserved"
		b.Func("f", func(f *graph.Func) { f.Output("y", m.Opt.Apply(input(f, 3))) })
	}},
	{"a wrong layer in two functions, reported once", func(b *compiler.Builder) {
		m := &linear{}
		b.Model("", m)
		apply := func(f *graph.Func) {
			f.Output("y", m.FC.Apply(input(f, 4))) // want "Dense: the field Units is 0"
		}
		b.Func("f", apply)
		b.Func("g", apply)
	}},
	{"one layer at two widths", func(b *compiler.Builder) {
		m := &linear{nn.Dense{Units: 3}}
		b.Model("", m)
		b.Func("f", func(f *graph.Func) {
			y := m.FC.Apply(input(f, 4))
			f.Output("y", m.FC.Apply(y)) // want "(?s)parameter \"fc.weight\" is f32.3 3. here, but f32.4 3. where it was first used, at .*layers.go:83"
		})
	}},
	{"one layer at two widths in two functions", func(b *compiler.Builder) {
		m := &linear{nn.Dense{Units: 3}}
		b.Model("", m)
		b.Func("f", func(f *graph.Func) { f.Output("y", m.FC.Apply(input(f, 4))) })
		b.Func("g", func(f *graph.Func) { f.Output("y", m.FC.Apply(input(f, 5))) }) // want "g: parameter \"fc.weight\" is f32.5 3. here, but f32.4 3."
	}},
	{"two parameters of one name", fn(func(f *graph.Func) {
		a := f.Param("w", initializer.Zeros{}, 3)
		b := f.Param("w", initializer.Zeros{}, 4) // want "parameter \"w\" is f32.4. here, but f32.3."
		f.Output("a", a)
		f.Output("b", b)
	})},
	{"a layer without units", func(b *compiler.Builder) {
		m := &linear{}
		b.Model("", m)
		b.Func("f", func(f *graph.Func) {
			f.Output("y", m.FC.Apply(input(f, 4))) // want "Dense: .*Units"
		})
	}},
	{"a layer over a symbolic axis", func(b *compiler.Builder) {
		m := &linear{nn.Dense{Units: 3}}
		b.Model("", m)
		b.Func("f", func(f *graph.Func) {
			f.Output("y", m.FC.Apply(f.Input("x", graph.F32, batch, seq))) // want "seq"
		})
	}},
	{"an embedding of floats", func(b *compiler.Builder) {
		m := &embedded{nn.Embedding{Vocab: 10, Dim: 4}}
		b.Model("", m)
		b.Func("f", func(f *graph.Func) {
			f.Output("y", m.Tok.Apply(input(f, 4))) // want "f32"
		})
	}},
	{"running statistics updated twice", func(b *compiler.Builder) {
		m := &normed{FC: nn.Dense{Units: 3}}
		b.Model("", m)
		b.Step("train", adam, m, func(f *graph.Func) *graph.Value {
			y := m.Norm.Apply(m.FC.Apply(input(f, 4)))
			return m.Norm.Apply(y).Square().Mean() // want "norm.mean\" is updated twice" "norm.variance\" is updated twice"
		})
	}},
	{"labels of the wrong dtype", func(b *compiler.Builder) {
		m := &linear{nn.Dense{Units: 3}}
		b.Model("", m)
		b.Step("train", adam, m, func(f *graph.Func) *graph.Value {
			labels := f.Input("label", graph.F32, batch)
			return loss.CrossEntropy(m.FC.Apply(input(f, 4)), labels).Mean() // want "f32"
		})
	}},
}
