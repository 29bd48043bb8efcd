package nn

import (
	"fmt"

	"github.com/sardonyx-ml/sardonyx/compiler/initializer"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// LSTM is a long short-term memory (Hochreiter and Schmidhuber 1997; with forget gates, Gers et al. 2000):
//
//	i, f, o = σ(x·W + h·U + b), g = tanh(x·W + h·U + b)
//	c ← f·c + i·g,  h ← o·tanh(c)
//
// Its parameters are weight [dim 4·Units], recurrent [Units 4·Units] and bias [4·Units], whose quarters are those of i, f, g
// and o, as in PyTorch, which has two biases and adds them.
type LSTM struct {
	Units             int
	Weight, Recurrent graph.Initializer // nil means GlorotUniform and Orthogonal
	Layer
}

// Apply runs over the places of x [batch seq dim], from h = c = 0, and gives h at each, [batch seq Units]. seq must be a number:
// the places are traced one by one.
func (l *LSTM) Apply(x *graph.Value) *graph.Value {
	return base(l, func(l *LSTM) *Layer { return &l.Layer }).Run(l, x, func() *graph.Value {
		return unroll("LSTM", x, l.Units, func() step {
			h := x.Func().Full(graph.F32, 0, x.Dim(0), graph.Dim(l.Units))
			c := h
			return func(x *graph.Value) *graph.Value { h, c = l.cell(x, h, c); return h }
		}, func() *graph.Value { return l.inputs(x) })
	})
}

// Step is one place: of x [batch dim] and the state h, c [batch Units], it gives the next state; h is also the output.
func (l *LSTM) Step(x, h, c *graph.Value) (*graph.Value, *graph.Value) {
	y := base(l, func(l *LSTM) *Layer { return &l.Layer }).Run(l, x, func() *graph.Value {
		if !stepped("LSTM", x, l.Units, h, c) {
			return x.Func().Poison()
		}
		h, c = l.cell(l.inputs(x), h, c)
		return h
	})
	if !y.OK() {
		return y, y
	}
	return h, c
}

// inputs is what x brings to the gates.
func (l *LSTM) inputs(x *graph.Value) *graph.Value {
	units := 4 * graph.Dim(l.Units)
	w := l.Param(x, "weight", or(l.Weight, initializer.GlorotUniform{}), x.Dim(-1), units)
	return x.MatMul(w).Add(l.Param(x, "bias", initializer.Zeros{}, units))
}

func (l *LSTM) cell(x, h, c *graph.Value) (*graph.Value, *graph.Value) {
	u := l.Param(x, "recurrent", or(l.Recurrent, initializer.Orthogonal{}), graph.Dim(l.Units), 4*graph.Dim(l.Units))
	gate := x.Add(h.MatMul(u)).Split(-1, 4)
	c = gate[1].Sigmoid().Mul(c).Add(gate[0].Sigmoid().Mul(gate[2].Tanh()))
	return gate[3].Sigmoid().Mul(c.Tanh()), c
}

// GRU is a gated recurrent unit (Cho et al. 2014), in the form of PyTorch and cuDNN, where the reset gate stands after the product:
//
//	r, z = σ(x·W + b + h·U + d), n = tanh(x·W + b + r·(h·U + d))
//	h ← (1−z)·n + z·h
//
// Its parameters are weight [dim 3·Units], recurrent [Units 3·Units], bias and recurrent_bias [3·Units], whose thirds are those
// of r, z and n.
type GRU struct {
	Units             int
	Weight, Recurrent graph.Initializer // nil means GlorotUniform and Orthogonal
	Layer
}

// Apply runs over the places of x [batch seq dim], from h = 0, and gives h at each, [batch seq Units]. seq must be a number: the
// places are traced one by one.
func (l *GRU) Apply(x *graph.Value) *graph.Value {
	return base(l, func(l *GRU) *Layer { return &l.Layer }).Run(l, x, func() *graph.Value {
		return unroll("GRU", x, l.Units, func() step {
			h := x.Func().Full(graph.F32, 0, x.Dim(0), graph.Dim(l.Units))
			return func(x *graph.Value) *graph.Value { h = l.cell(x, h); return h }
		}, func() *graph.Value { return l.inputs(x) })
	})
}

// Step is one place: of x [batch dim] and the state h [batch Units], it gives the next state, which is also the output.
func (l *GRU) Step(x, h *graph.Value) *graph.Value {
	return base(l, func(l *GRU) *Layer { return &l.Layer }).Run(l, x, func() *graph.Value {
		if !stepped("GRU", x, l.Units, h) {
			return x.Func().Poison()
		}
		return l.cell(l.inputs(x), h)
	})
}

func (l *GRU) inputs(x *graph.Value) *graph.Value {
	units := 3 * graph.Dim(l.Units)
	w := l.Param(x, "weight", or(l.Weight, initializer.GlorotUniform{}), x.Dim(-1), units)
	return x.MatMul(w).Add(l.Param(x, "bias", initializer.Zeros{}, units))
}

func (l *GRU) cell(x, h *graph.Value) *graph.Value {
	units := 3 * graph.Dim(l.Units)
	u := l.Param(x, "recurrent", or(l.Recurrent, initializer.Orthogonal{}), graph.Dim(l.Units), units)
	in, past := x.Split(-1, 3), h.MatMul(u).Add(l.Param(x, "recurrent_bias", initializer.Zeros{}, units)).Split(-1, 3)
	r, z := in[0].Add(past[0]).Sigmoid(), in[1].Add(past[1]).Sigmoid()
	n := in[2].Add(r.Mul(past[2])).Tanh()
	return n.Add(z.Mul(h.Sub(n)))
}

// A step takes what one place's input brings to the gates, and gives its output.
type step func(x *graph.Value) *graph.Value

// unroll runs a recurrent layer over the places of x; inputs is what x brings to the gates at all places, one product.
func unroll(layer string, x *graph.Value, units int, start func() step, inputs func() *graph.Value) *graph.Value {
	if x.Rank() != 3 {
		return mistake(x, fmt.Sprintf("%s: needs [batch seq dim], has %v", layer, x.Type), "embed tokens first, with nn.Embedding; a single place goes through Step")
	}
	if _, ok := width(layer, x, -1); !ok || !positive(layer, x, "Units", units) {
		return x.Func().Poison()
	}
	n := x.Dim(1)
	if n.Symbolic() || n < 1 {
		return mistake(x, fmt.Sprintf("%s: the sequence has %v places", layer, n), "its places are traced one by one, so their number must be known, and 1 or more: declare the input with a number, or loop over Step")
	}
	all, do := inputs(), start()
	var out []*graph.Value
	for i := range int(n) {
		out = append(out, do(all.Slice(1, i, i+1).Squeeze(1)).Unsqueeze(1))
	}
	return graph.Join(1, out...)
}

// stepped checks one place of a recurrent layer and its state.
func stepped(layer string, x *graph.Value, units int, state ...*graph.Value) bool {
	if x.Rank() != 2 {
		mistake(x, fmt.Sprintf("%s: Step needs [batch dim], has %v", layer, x.Type), "Apply takes a sequence, Step one place of it")
		return false
	}
	if _, ok := width(layer, x, -1); !ok || !positive(layer, x, "Units", units) {
		return false
	}
	for _, s := range state {
		if s == nil {
			panic(graph.Mistakef(graph.NilHint, "%s: the state is a nil value", layer))
		}
		if !s.OK() {
			return false
		}
		if !s.Shape().Equal(graph.Shape{x.Dim(0), graph.Dim(units)}) || s.DType() != graph.F32 {
			mistake(s, fmt.Sprintf("%s: the state is %v, want f32[%v %d]", layer, s.Type, x.Dim(0), units), "the state has Units numbers for each example, zeros at first")
			return false
		}
	}
	return true
}
