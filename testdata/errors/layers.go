package errors

import (
	"math"

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
		b.Model("", m) // want "Model: b is a nil .nn.Dense"
		b.Func("f", func(f *graph.Func) {
			f.Output("y", m.B.Apply(m.A.Apply(input(f, 4)))) // want "Dense: the layer is nil"
		})
	}},
	{"a model that is not a pointer", func(b *compiler.Builder) {
		m := linear{nn.Dense{Units: 3}}
		b.Model("", m) // want "Model: .*pointer"
		b.Func("f", func(f *graph.Func) {
			f.Output("y", m.FC.Apply(input(f, 4))) // want "Dense: the layer has no name: it is not part of a model"
		})
	}},
	{"a layer that no model holds", func(b *compiler.Builder) {
		var fc = nn.Dense{Units: 3}
		b.Func("f", func(f *graph.Func) {
			f.Output("y", fc.Apply(input(f, 4))) // want "Dense: the layer has no name: it is not part of a model"
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
			f.Output("y", m.FC.Apply(y)) // want "(?s)parameter \"fc.weight\" is f32.3 3. here, but f32.4 3. where it was first used, at .*layers.go:85"
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
			f.Output("y", m.FC.Apply(f.Input("x", graph.F32, batch, seq))) // want "Dense: axis -1 of f32.batch seq. is the symbol seq"
		})
	}},
	{"an embedding of floats", func(b *compiler.Builder) {
		m := &embedded{nn.Embedding{Vocab: 10, Dim: 4}}
		b.Model("", m)
		b.Func("f", func(f *graph.Func) {
			f.Output("y", m.Tok.Apply(input(f, 4))) // want "tok: Embedding: the indices are f32.batch 4."
		})
	}},
	{"labels of the wrong dtype", func(b *compiler.Builder) {
		m := &linear{nn.Dense{Units: 3}}
		b.Model("", m)
		b.Step("train", adam, m, func(f *graph.Func) *graph.Value {
			labels := f.Input("label", graph.F32, batch)
			return loss.CrossEntropy(m.FC.Apply(input(f, 4)), labels).Mean() // want "CrossEntropy: the labels are f32.batch."
		})
	}},
	{"a nil layer in a list", func(b *compiler.Builder) {
		m := &struct{ Hidden []*nn.Dense }{[]*nn.Dense{{Units: 3}, nil}}
		b.Model("", m) // want "Model: hidden.1 is a nil .nn.Dense"
		b.Func("f", func(f *graph.Func) {
			x := input(f, 4)
			for _, l := range m.Hidden {
				x = l.Apply(x) // want "Dense: the layer is nil"
			}
			f.Output("y", x)
		})
	}},
	{"a nil embedded model", func(b *compiler.Builder) {
		m := &struct {
			*pointers
			*Backbone
			Head nn.Dense
		}{Head: nn.Dense{Units: 3}}
		b.Model("", m) // want "Model: the unexported field pointers holds a layer" "Model: an embedded field is a nil .errors.Backbone"
		b.Func("f", func(f *graph.Func) { f.Output("y", m.Head.Apply(input(f, 4))) })
	}},
	{"a nil function in a Sequential", func(b *compiler.Builder) {
		m := &struct{ Net nn.Sequential }{nn.Sequential{&nn.Dense{Units: 3}, nn.Func(nil)}}
		b.Model("", m)
		b.Func("f", func(f *graph.Func) {
			f.Output("y", m.Net.Apply(input(f, 4))) // want "Sequential: module 1 is nil"
		})
	}},
	{"a function in a Sequential that returns nothing", func(b *compiler.Builder) {
		m := &struct{ Net nn.Sequential }{nn.Sequential{nn.Func(func(*graph.Value) *graph.Value { return nil }), &nn.Dense{Units: 3}}}
		b.Model("", m)
		b.Func("f", func(f *graph.Func) {
			f.Output("y", m.Net.Apply(input(f, 4))) // want "Sequential: module 1 is applied to a nil value"
		})
	}},
	{"a module made by a function, at the user's line", fn(func(f *graph.Func) {
		f.Output("y", nn.MaxPool2D(9, 0)(f.Input("x", graph.F32, batch, 3, 8, 8))) // want "MaxPoolND: a window of .9 9. does not fit"
	})},
	{"layers of other dtypes, one mistake each", func(b *compiler.Builder) {
		m := &normed{FC: nn.Dense{Units: 3}}
		b.Model("", m)
		b.Step("train", adam, m, func(f *graph.Func) *graph.Value {
			y := m.Norm.Apply(f.Input("a", graph.U8, batch, 4)) // want "(?s)norm: BatchNorm: needs a float, has u8.*hint: .*Cast"
			z := m.FC.Apply(f.Input("b", graph.I64, batch, 4))  // want "(?s)fc: Dense: needs a float, has i64.*hint: .*Embedding"
			return y.Mean().Add(z.Mean())
		})
	}},
	{"a dense layer over a scalar", func(b *compiler.Builder) {
		m := &linear{nn.Dense{Units: 3}}
		b.Model("", m)
		b.Func("f", func(f *graph.Func) {
			f.Output("y", m.FC.Apply(input(f, 4).Sum())) // want "Dense: needs .*, has f32.."
		})
	}},
	{"a kernel larger than the image, in a layer", func(b *compiler.Builder) {
		m := &struct{ Conv nn.Conv2D }{nn.Conv2D{Filters: 8, Kernel: 9}}
		b.Model("", m)
		b.Func("f", func(f *graph.Func) {
			f.Output("y", m.Conv.Apply(f.Input("x", graph.F32, batch, 1, 8, 8))) // want "(?s)conv: Conv: a filter of 9×9.*does not fit.*hint: pad"
		})
	}},
	{"a panic inside a layer of one's own", func(b *compiler.Builder) {
		m := &struct{ Pick pick }{}
		b.Model("", m)
		b.Func("f", func(f *graph.Func) { f.Output("y", m.Pick.Apply(input(f, 4))) })
	}},
	{"a recursion without end", func(b *compiler.Builder) {
		m := &endless{FC: nn.Dense{Units: 4}}
		b.Model("", m)
		b.Func("f", func(f *graph.Func) { f.Output("y", m.Apply(input(f, 4))) })
	}},
	{"batch normalisation of one value a channel", func(b *compiler.Builder) {
		m := &normed{FC: nn.Dense{Units: 3}}
		b.Model("", m)
		b.Step("train", adam, m, func(f *graph.Func) *graph.Value {
			return m.Norm.Apply(m.FC.Apply(f.Input("x", graph.F32, 1, 4))).Square().Mean() // want "(?s)norm: BatchNorm: f32.1 3. has fewer than two values a channel.*hint: train with larger batches"
		})
	}},
	{"numbers of layers that are none", func(b *compiler.Builder) {
		m := &struct {
			FC   nn.Dense
			Norm nn.LayerNorm
			Drop nn.Dropout
		}{nn.Dense{Units: 3, Weight: initializer.Normal{Std: math.NaN()}}, nn.LayerNorm{Eps: math.Inf(1)}, nn.Dropout{P: math.NaN()}}
		b.Model("", m)
		b.Func("f", func(f *graph.Func) {
			x := input(f, 4)
			f.Output("a", m.FC.Apply(x))   // want "fc: Param: Std: it is NaN"
			f.Output("b", m.Norm.Apply(x)) // want "norm: LayerNorm: Eps: it is .Inf"
			f.Output("c", m.Drop.Apply(x)) // want "drop: Dropout: the probability NaN"
		})
	}},
	{"a copy made before the model was named", func(b *compiler.Builder) {
		m := linear{nn.Dense{Units: 3}}
		old := m
		b.Model("", &m)
		b.Func("f", func(f *graph.Func) {
			f.Output("y", old.FC.Apply(input(f, 4))) // want "(?s)Dense: the layer has no name.*hint: .*copy"
		})
	}},
}

// Backbone is a model that others embed.
type Backbone struct{ FC nn.Dense }

// pick is a layer of one's own that is wrong.
type pick struct{ nn.Layer }

// Apply scales x by a number that is not there.
func (l *pick) Apply(x *graph.Value) *graph.Value {
	return l.Run(l, x, func() *graph.Value {
		scales := []float64{1, 2}
		return x.Scale(scales[x.Rank()]) // want "f: panic while tracing: runtime error: index out of range .2. with length 2"
	})
}

// endless is a model that applies itself.
type endless struct{ FC nn.Dense }

// Apply never returns.
func (m *endless) Apply(x *graph.Value) *graph.Value {
	return m.Apply(m.FC.Apply(x)) // want "(?s)f: panic while tracing: \"f\" has more than .* ops.*hint: .*recursion"
}
