package errors

import (
	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// sequence is [batch 5 n].
func sequence(f *graph.Func, n graph.Dim) *graph.Value { return f.Input("x", graph.F32, batch, 5, n) }

var sequenceCases = []Case{
	{"heads that do not share the width", func(b *compiler.Builder) {
		m := nn.Sequential{&nn.Attention{Heads: 3}}
		b.Model("", m)
		b.Func("f", func(f *graph.Func) {
			f.Output("y", m.Apply(sequence(f, 8))) // want "(?s)0: Attention: 3 heads share a width of 8.*hint: .*multiple of Heads"
		})
	}},
	{"attention without heads", func(b *compiler.Builder) {
		m := nn.Sequential{&nn.Attention{}}
		b.Model("", m)
		b.Func("f", func(f *graph.Func) {
			f.Output("y", m.Apply(sequence(f, 8))) // want "0: Attention: the field Heads is 0"
		})
	}},
	{"attention over vectors", func(b *compiler.Builder) {
		m := nn.Sequential{&nn.Attention{Heads: 2}}
		b.Model("", m)
		b.Func("f", func(f *graph.Func) {
			f.Output("y", m.Apply(input(f, 8))) // want "0: Attention: needs .batch seq dim., has f32.batch 8."
		})
	}},
	{"causal attention to another sequence", func(b *compiler.Builder) {
		m := &struct{ A nn.Attention }{nn.Attention{Heads: 2, Causal: true}}
		b.Model("", m)
		b.Func("f", func(f *graph.Func) {
			f.Output("y", m.A.Attend(sequence(f, 8), f.Input("memory", graph.F32, batch, 3, 8))) // want "a: Attention: causal attention to another sequence"
		})
	}},
	{"attention between batches", func(b *compiler.Builder) {
		m := &struct{ A nn.Attention }{nn.Attention{Heads: 2}}
		b.Model("", m)
		b.Func("f", func(f *graph.Func) {
			f.Output("y", m.A.Attend(sequence(f, 8), f.Input("memory", graph.F32, 2, 3, 8))) // want "(?s)a: Attention: of f32.batch 5 8. to f32.2 3 8..*hint: both have one batch"
		})
	}},
	{"recurrence over vectors", func(b *compiler.Builder) {
		m := &struct {
			L nn.LSTM
			G nn.GRU
		}{nn.LSTM{Units: 3}, nn.GRU{Units: 3}}
		b.Model("", m)
		b.Func("f", func(f *graph.Func) {
			x := input(f, 4)
			f.Output("y", m.L.Apply(x)) // want "(?s)l: LSTM: needs .batch seq dim., has f32.batch 4..*hint: .*through Step"
			f.Output("z", m.G.Apply(x)) // want "g: GRU: needs .batch seq dim., has f32.batch 4."
		})
	}},
	{"lengths that are no numbers of places", func(b *compiler.Builder) {
		m := &struct{ L nn.LSTM }{nn.LSTM{Units: 3}}
		b.Model("", m)
		b.Func("f", func(f *graph.Func) {
			x := sequence(f, 4)
			y, _, _ := m.L.Sequence(x, f.Input("n", graph.I64, 7), nil, nil) // want "(?s)l: LSTM: the lengths are i64.7., want i32.batch. or i64.batch..*hint: .*how many places"
			f.Output("y", y)
		})
	}},
	{"a step of both directions", func(b *compiler.Builder) {
		m := &struct{ G nn.GRU }{nn.GRU{Units: 3, Bidirectional: true}}
		b.Model("", m)
		b.Func("f", func(f *graph.Func) {
			f.Output("y", m.G.Step(input(f, 4), f.Full(graph.F32, 0, batch, 6))) // want "(?s)g: GRU: a Step of both directions.*hint: .*Sequence runs over all"
		})
	}},
	{"a recurrent state of another width", func(b *compiler.Builder) {
		m := &struct {
			L nn.LSTM
			G nn.GRU
		}{nn.LSTM{Units: 3}, nn.GRU{Units: 3}}
		b.Model("", m)
		b.Func("f", func(f *graph.Func) {
			x, h := input(f, 4), f.Full(graph.F32, 0, batch, 4)
			y, _ := m.L.Step(x, h, h) // want "(?s)l: LSTM: the state is f32.batch 4., want f32.batch 3..*hint: .*zeros at first"
			f.Output("y", y)
			f.Output("z", m.G.Step(x, h)) // want "g: GRU: the state is f32.batch 4., want f32.batch 3."
		})
	}},
	{"recurrence without units", func(b *compiler.Builder) {
		m := nn.Sequential{&nn.LSTM{}}
		b.Model("", m)
		b.Func("f", func(f *graph.Func) {
			f.Output("y", m.Apply(sequence(f, 8))) // want "0: LSTM: the field Units is 0"
		})
	}},
	{"groups that do not divide the channels", func(b *compiler.Builder) {
		m := nn.Sequential{&nn.GroupNorm{Groups: 3}}
		b.Model("", m)
		b.Func("f", func(f *graph.Func) {
			f.Output("y", m.Apply(input(f, 8))) // want "(?s)0: GroupNorm: 3 groups of 8 channels.*hint: .*multiple of Groups"
		})
	}},
	{"more places than positions", func(b *compiler.Builder) {
		m := nn.Sequential{&nn.Positions{Len: 4}}
		b.Model("", m)
		b.Func("f", func(f *graph.Func) {
			f.Output("y", m.Apply(sequence(f, 8))) // want "0: Positions: the sequence f32.batch 5 8. is longer than Len, 4"
		})
	}},
	{"an odd sinusoidal embedding", fn(func(f *graph.Func) {
		f.Output("y", nn.Sinusoidal(5).Apply(f.Input("t", graph.I64, batch))) // want "Sinusoidal: dim is 5"
	})},
	{"a residual of another shape", func(b *compiler.Builder) {
		m := nn.Sequential{nn.Residual{&nn.Dense{Units: 3}}}
		b.Model("", m)
		b.Func("f", func(f *graph.Func) {
			f.Output("y", m.Apply(input(f, 4))) // want "(?s)Residual: x is f32.batch 4., and what is added f32.batch 3..*hint: .*projection"
		})
	}},
	{"positions of a negative number", fn(func(f *graph.Func) {
		f.Output("y", f.Causal(-1)) // want "Arange: axis 0 of the shape is not a dimension .-1.: negative"
	})},
}
