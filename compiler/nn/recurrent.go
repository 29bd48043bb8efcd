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
// and o, as in PyTorch, which has two biases and adds them. Bidirectional, it has others for the way from the end to the beginning,
// reverse_weight and so on. Several layers are a [Sequential] of them.
type LSTM struct {
	Units             int
	Bidirectional     bool              // both ways, the states of one beside those of the other: 2·Units numbers
	Weight, Recurrent graph.Initializer // nil means GlorotUniform and Orthogonal
	Layer
}

// Apply runs over the places of x [batch seq dim], from h = c = 0, and gives h at each, [batch seq Units].
func (l *LSTM) Apply(x *graph.Value) *graph.Value {
	y, _, _ := l.Sequence(x, nil, nil, nil)
	return y
}

// Sequence is Apply that begins with the states h and c [batch Units], and gives the last ones too. lengths are how many places each
// example has, i32 or i64 [batch]: h is 0 at the others, and they move no state. Each but x may be nil: zeros, and all places.
func (l *LSTM) Sequence(x, lengths, h, c *graph.Value) (y, lastH, lastC *graph.Value) {
	y = base(l, func(l *LSTM) *Layer { return &l.Layer }).Run(l, x, func() *graph.Value {
		r := l.recurrence()
		if !r.sequence(x, lengths, h, c) {
			return x.Func().Poison()
		}
		w, u, b := r.weights(x)
		y, lastH, lastC = x.Transpose(1, 0, 2).LSTM(w, u, b, count(lengths), r.apart(h), r.apart(c), graph.LSTM{Direction: r.direction()})
		lastH, lastC = r.beside(lastH), r.beside(lastC)
		return r.along(y)
	})
	if !y.OK() {
		return y, y, y
	}
	return y, lastH, lastC
}

// Step is one place: of x [batch dim] and the state h, c [batch Units], it gives the next state; h is also the output.
func (l *LSTM) Step(x, h, c *graph.Value) (*graph.Value, *graph.Value) {
	y := base(l, func(l *LSTM) *Layer { return &l.Layer }).Run(l, x, func() *graph.Value {
		r := l.recurrence()
		if !r.step(x, h, c) {
			return x.Func().Poison()
		}
		in := x.MatMul(r.weight(x, "")).Add(r.bias(x, "bias"))
		gate := in.Add(h.MatMul(r.recurrent(x, ""))).Split(-1, 4)
		c = gate[1].Sigmoid().Mul(c).Add(gate[0].Sigmoid().Mul(gate[2].Tanh()))
		h = gate[3].Sigmoid().Mul(c.Tanh())
		return h
	})
	if !y.OK() {
		return y, y
	}
	return h, c
}

func (l *LSTM) recurrence() recurrence {
	return recurrence{layer: &l.Layer, name: "LSTM", units: l.Units, both: l.Bidirectional, initWeight: l.Weight, initRecurrent: l.Recurrent, gates: []int{0, 3, 1, 2}}
}

// GRU is a gated recurrent unit (Cho et al. 2014), in the form of PyTorch and cuDNN, where the reset gate stands after the product:
//
//	r, z = σ(x·W + b + h·U + d), n = tanh(x·W + b + r·(h·U + d))
//	h ← (1−z)·n + z·h
//
// Its parameters are weight [dim 3·Units], recurrent [Units 3·Units], bias and recurrent_bias [3·Units], whose thirds are those
// of r, z and n. Bidirectional, it has others for the way from the end to the beginning, reverse_weight and so on. Several layers are a
// [Sequential] of them.
type GRU struct {
	Units             int
	Bidirectional     bool              // both ways, the states of one beside those of the other: 2·Units numbers
	Weight, Recurrent graph.Initializer // nil means GlorotUniform and Orthogonal
	Layer
}

// Apply runs over the places of x [batch seq dim], from h = 0, and gives h at each, [batch seq Units].
func (l *GRU) Apply(x *graph.Value) *graph.Value {
	y, _ := l.Sequence(x, nil, nil)
	return y
}

// Sequence is Apply that begins with the state h [batch Units], and gives the last one too. lengths are how many places each example has,
// i32 or i64 [batch]: h is 0 at the others, and they move no state. Each but x may be nil: zeros, and all places.
func (l *GRU) Sequence(x, lengths, h *graph.Value) (y, lastH *graph.Value) {
	y = base(l, func(l *GRU) *Layer { return &l.Layer }).Run(l, x, func() *graph.Value {
		r := l.recurrence()
		if !r.sequence(x, lengths, h) {
			return x.Func().Poison()
		}
		w, u, b := r.weights(x)
		y, lastH = x.Transpose(1, 0, 2).GRU(w, u, b, count(lengths), r.apart(h), graph.GRU{Direction: r.direction(), Linear: true})
		lastH = r.beside(lastH)
		return r.along(y)
	})
	if !y.OK() {
		return y, y
	}
	return y, lastH
}

// Step is one place: of x [batch dim] and the state h [batch Units], it gives the next state, which is also the output.
func (l *GRU) Step(x, h *graph.Value) *graph.Value {
	return base(l, func(l *GRU) *Layer { return &l.Layer }).Run(l, x, func() *graph.Value {
		r := l.recurrence()
		if !r.step(x, h) {
			return x.Func().Poison()
		}
		all := x.MatMul(r.weight(x, "")).Add(r.bias(x, "bias"))
		u := r.recurrent(x, "")
		in, past := all.Split(-1, 3), h.MatMul(u).Add(r.bias(x, "recurrent_bias")).Split(-1, 3)
		reset, z := in[0].Add(past[0]).Sigmoid(), in[1].Add(past[1]).Sigmoid()
		n := in[2].Add(reset.Mul(past[2])).Tanh()
		return n.Add(z.Mul(h.Sub(n)))
	})
}

func (l *GRU) recurrence() recurrence {
	return recurrence{layer: &l.Layer, name: "GRU", units: l.Units, both: l.Bidirectional, initWeight: l.Weight, initRecurrent: l.Recurrent, gates: []int{1, 0, 2}, second: true}
}

// A recurrence is what LSTM and GRU have in common.
type recurrence struct {
	layer                     *Layer
	name                      string
	units                     int
	both                      bool // directions
	initWeight, initRecurrent graph.Initializer
	gates                     []int // the places of the op's gates among the parameters'
	second                    bool  // there is a bias of the recurrent product too
}

// all is how many numbers the gates have together.
func (r recurrence) all() graph.Dim { return graph.Dim(len(r.gates)) * graph.Dim(r.units) }

// weight is the parameter that x is multiplied with; those of the other direction are called so after a prefix.
func (r recurrence) weight(x *graph.Value, prefix string) *graph.Value {
	return r.layer.Param(x, prefix+"weight", or(r.initWeight, initializer.GlorotUniform{}), x.Dim(-1), r.all())
}

// recurrent is the parameter that h is multiplied with.
func (r recurrence) recurrent(x *graph.Value, prefix string) *graph.Value {
	return r.layer.Param(x, prefix+"recurrent", or(r.initRecurrent, initializer.Orthogonal{}), graph.Dim(r.units), r.all())
}

func (r recurrence) bias(x *graph.Value, leaf string) *graph.Value {
	return r.layer.Param(x, leaf, initializer.Zeros{}, r.all())
}

// weights are the parameters as the op takes them: transposed, with its order of the gates, and an axis for directions.
func (r recurrence) weights(x *graph.Value) (w, u, b *graph.Value) {
	prefixes := []string{"", "reverse_"}
	if !r.both {
		prefixes = prefixes[:1]
	}
	ordered := func(v *graph.Value) *graph.Value {
		parts := v.Split(-1, len(r.gates))
		list := make([]*graph.Value, len(parts))
		for i, k := range r.gates {
			list[i] = parts[k]
		}
		return graph.Join(-1, list...)
	}
	var ws, us, bs []*graph.Value
	for _, prefix := range prefixes {
		w, b, u := r.weight(x, prefix), r.bias(x, prefix+"bias"), r.recurrent(x, prefix)
		d := x.Func().Full(b.DType(), 0, r.all())
		if r.second {
			d = ordered(r.bias(x, prefix+"recurrent_bias"))
		}
		ws, us = append(ws, ordered(w).T().Unsqueeze(0)), append(us, ordered(u).T().Unsqueeze(0))
		bs = append(bs, graph.Join(0, ordered(b), d).Unsqueeze(0))
	}
	return graph.Join(0, ws...), graph.Join(0, us...), graph.Join(0, bs...)
}

func (r recurrence) direction() string {
	if r.both {
		return "bidirectional"
	}
	return "forward"
}

// width is how many numbers a state has for each example.
func (r recurrence) width() graph.Dim {
	if r.both {
		return 2 * graph.Dim(r.units)
	}
	return graph.Dim(r.units)
}

// apart is a state with an axis for directions before the others; nil of nil.
func (r recurrence) apart(h *graph.Value) *graph.Value {
	if h == nil {
		return nil
	}
	return h.Reshape(h.Dim(0), r.width()/graph.Dim(r.units), graph.Dim(r.units)).Transpose(1, 0, 2)
}

// beside is the op's state with the directions beside each other.
func (r recurrence) beside(h *graph.Value) *graph.Value {
	return h.Transpose(1, 0, 2).Reshape(h.Dim(1), r.width())
}

// along is the op's result along the places, as the layer's.
func (r recurrence) along(y *graph.Value) *graph.Value {
	return y.Transpose(2, 0, 1, 3).Reshape(y.Dim(2), y.Dim(0), r.width())
}

// count is lengths as the op takes them; nil of nil.
func count(lengths *graph.Value) *graph.Value {
	if lengths == nil || lengths.DType() == graph.I32 {
		return lengths
	}
	return lengths.Cast(graph.I32)
}

// sequence checks x and what goes with it, which may be nil.
func (r recurrence) sequence(x, lengths *graph.Value, state ...*graph.Value) bool {
	if x.Rank() != 3 {
		mistake(x, fmt.Sprintf("%s: needs [batch seq dim], has %v", r.name, x.Type), "embed tokens first, with nn.Embedding; a single place goes through Step")
		return false
	}
	if !r.sizes(x) {
		return false
	}
	if lengths != nil {
		if !lengths.OK() {
			return false
		}
		if !lengths.Shape().Equal(x.Shape()[:1]) || !graph.Indices.Has(lengths.DType()) {
			mistake(lengths, fmt.Sprintf("%s: the lengths are %v, want i32[%v] or i64[%v]", r.name, lengths.Type, x.Dim(0), x.Dim(0)), "they are how many places each example has")
			return false
		}
	}
	for _, s := range state {
		if s != nil && !r.state(x, s) {
			return false
		}
	}
	return true
}

// step checks one place and its state.
func (r recurrence) step(x *graph.Value, state ...*graph.Value) bool {
	if r.both {
		mistake(x, r.name+": a Step of both directions", "what comes from the end is not known at a place: Sequence runs over all")
		return false
	}
	if x.Rank() != 2 {
		mistake(x, fmt.Sprintf("%s: Step needs [batch dim], has %v", r.name, x.Type), "Apply takes a sequence, Step one place of it")
		return false
	}
	if !r.sizes(x) {
		return false
	}
	for _, s := range state {
		if s == nil {
			panic(graph.Mistakef(graph.NilHint, "%s: the state is a nil value", r.name))
		}
		if !r.state(x, s) {
			return false
		}
	}
	return true
}

// sizes checks the width of x and the number of units.
func (r recurrence) sizes(x *graph.Value) bool {
	_, ok := width(r.name, x, -1)
	return ok && positive(r.name, x, "Units", r.units)
}

// state checks a state for x.
func (r recurrence) state(x, s *graph.Value) bool {
	if s.OK() && (!s.Shape().Equal(graph.Shape{x.Dim(0), r.width()}) || s.DType() != x.DType()) {
		mistake(s, fmt.Sprintf("%s: the state is %v, want %v[%v %v]", r.name, s.Type, x.DType(), x.Dim(0), r.width()), "the state has Units numbers for each example and direction, zeros at first")
		return false
	}
	return s.OK()
}
