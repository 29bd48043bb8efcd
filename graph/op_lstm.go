package graph

import (
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// LSTM is a long short-term memory over sequences (Hochreiter and Schmidhuber 1997; with forget gates, Gers et al. 2000), in one direction
// or both: i, o, f = σ(x·wᵀ + h·rᵀ + b), n = tanh(x·wᵀ + h·rᵀ + b), c ← f·c + i·n, h ← o·tanh c. Arguments: x [seq batch in], w
// [dirs 4·hidden in], r [dirs 4·hidden hidden], and optionally b [dirs 8·hidden], first those added to x·wᵀ and then those added to h·rᵀ,
// how many places each example has, i32[batch], and the first h and c, [dirs batch hidden]. Results: h at each place
// [seq dirs batch hidden], zeros where an example has none, and the last h and c. The quarters of w, r and b are those of i, o, f and n, as
// in ONNX; PyTorch's are of i, f, n and o. ONNX: LSTM.
type LSTM struct {
	Hidden    int    // the elements of a state; 0 is as many as r is for
	Direction string // "forward", which "" is too, "reverse" or "bidirectional"
}

// LSTM runs o over v [seq batch in], and gives h at each place and the last h and c; b, lengths, h and c may be nil.
func (v *Value) LSTM(w, r, b, lengths, h, c *Value, o LSTM) (y, lastH, lastC *Value) {
	n := ApplyNode(o, nil, v, w, r, b, lengths, h, c)
	return n.Result(0), n.Result(1), n.Result(2)
}

func (o LSTM) normalize(in []*Value) Op {
	o.Hidden, o.Direction = normalRecurrence(o.Direction, in)
	return o
}

var lstmArgs = append(slices.Clone(recurrentArgs), floatArgs("c")...)

// Takes is x, the weights, and what may be left out.
func (LSTM) Takes() []Arg { return lstmArgs }

// Infer checks the shapes.
func (o LSTM) Infer(in *Infer) ([]Type, error) {
	t, err := inferRecurrence(in, 4, o.Hidden, o.Direction, in.Arg(5), in.Arg(6))
	return []Type{t.y, t.state, t.state}, err
}

// VJP is an LSTMGrad.
func (o LSTM) VJP(n *Node, g []*Value) []*Value {
	args := append(arguments(n, 7), n.Results[0], g[0], g[1], g[2])
	back := ApplyNode(LSTMGrad(o), nil, args...).first(6)
	return slices.Insert(back, 4, nil)[:len(n.Args)] // lengths have none
}

// Run runs each direction.
func (o LSTM) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return floats(c, o, out, in, lstmFloats[float32], lstmFloats[float64])
}

func lstmFloats[T kernel.Float](c *kernel.Context, o LSTM, out, in []*tensor.Tensor) error {
	copyOr0[T](out[1], argument(in, 5))
	copyOr0[T](out[2], argument(in, 6))
	return eachDirection(o.Direction, in, func(p direction[T]) {
		wb, rb := p.biases(argument(in, 3))
		kernel.LSTM(c, p.Recurrence, p.along(out[0]), p.of(out[1]), p.of(out[2]), tensor.Data[T](in[0]), p.of(in[1]), p.of(in[2]), wb, rb)
	})
}

// Forms is LSTM. In onnxruntime's CPU provider it is there for f32.
func (LSTM) Forms() []Form {
	return []Form{{Operator: "LSTM", DTypes: 1 << F32, Fields: append(recurrentFields(), Field{Attribute: "input_forget", Value: 0, Default: 0})}}
}

// Lower is a Scan for each direction.
func (o LSTM) Lower(n *Node) []*Value {
	var ys, hs, cs []*Value
	for _, t := range turns(n, o.Direction, 2) {
		r := t.r.T()
		last, y := t.scan("LSTM", false, t.state, []*Value{plus(t.inputs(), t.rb)}, func(s, x []*Value, live keep) (next, ys []*Value) {
			g := lstmGates(x[0].Add(s[0].MatMul(r)))
			c := g[2].Mul(s[1]).Add(g[0].Mul(g[3]))
			h := g[1].Mul(c.Tanh())
			return []*Value{live(h, s[0]), live(c, s[1])}, []*Value{live(h, h.Scalar(0))}
		})
		ys, hs, cs = append(ys, y[0]), append(hs, last[0]), append(cs, last[1])
	}
	return []*Value{stack(1, ys), stack(0, hs), stack(0, cs)}
}

// lstmGates are the gates i, o, f and n of what was added up for them.
func lstmGates(v *Value) []*Value {
	g := v.Split(-1, 4)
	return []*Value{g[0].Sigmoid(), g[1].Sigmoid(), g[2].Sigmoid(), g[3].Tanh()}
}

// Samples covers the directions, lengths, and each argument left out.
func (LSTM) Samples() []Sample {
	return recurrentSamples(4, 2, func(hidden int, direction string) Op { return LSTM{hidden, direction} })
}

// LSTMGrad is the gradient of an LSTM with respect to its arguments but the lengths, b and the first states too where they were left out:
// from its arguments, h at each place, and the gradients of its results, each of which may be left out. The states that the steps began
// with are taken from h, so that the gates at all places are computed again by two products. ONNX: smaller operators, in a Scan what goes
// from place to place.
type LSTMGrad struct {
	Hidden    int
	Direction string
}

func (o LSTMGrad) normalize(in []*Value) Op { return LSTMGrad(LSTM(o).normalize(in).(LSTM)) }

var lstmGradArgs = slices.Concat(lstmArgs, []Arg{{Name: "y", DTypes: Floats, Like: "T"}}, floatArgs("the gradient of y", "the gradient of h", "the gradient of c"))

// Takes is the arguments of the LSTM, h at each place, and gradients.
func (LSTMGrad) Takes() []Arg { return lstmGradArgs }

// Infer checks the shapes.
func (o LSTMGrad) Infer(in *Infer) ([]Type, error) {
	t, err := inferRecurrence(in, 4, o.Hidden, o.Direction, in.Arg(5), in.Arg(6), in.Arg(9), in.Arg(10))
	if err == nil {
		err = t.places(in.Args[7], in.Arg(8))
	}
	return []Type{in.Args[0].Type, in.Args[1].Type, in.Args[2].Type, t.b, t.state, t.state}, err
}

// Run runs each direction.
func (o LSTMGrad) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return floats(c, o, out, in, lstmGradFloats[float32], lstmGradFloats[float64])
}

func lstmGradFloats[T kernel.Float](c *kernel.Context, o LSTMGrad, out, in []*tensor.Tensor) error {
	copyOr0[T](out[4], argument(in, 9))
	copyOr0[T](out[5], argument(in, 10))
	return eachDirection(o.Direction, in, func(p direction[T]) {
		wb, rb := p.biases(argument(in, 3))
		db, same := p.biases(out[3])
		kernel.LSTMGradient(c, p.Recurrence, tensor.Data[T](out[0]), p.d > 0, p.of(out[1]), p.of(out[2]), db, p.of(out[4]), p.of(out[5]), p.along(argument(in, 8)),
			tensor.Data[T](in[0]), p.of(in[1]), p.of(in[2]), wb, rb, p.of(argument(in, 5)), p.of(argument(in, 6)), p.along(in[7]))
		copy(same, db)
	})
}

// Lower computes the gates of all places at once, and goes over them for the states c, and back for the gradients.
func (o LSTMGrad) Lower(n *Node) []*Value {
	var dx *Value
	var dws, drs, dbs, dhs, dcs []*Value
	for d, t := range turns(n, o.Direction, 2) {
		hs := t.before("LSTMGrad", along(n.Args[7], d))
		g := lstmGates(plus(t.inputs().Add(hs.MatMul(t.r.T())), t.rb))
		i, o, f, m := g[0], g[1], g[2], g[3]
		_, before := t.scan("LSTMGrad", false, t.state[1:], []*Value{f, i.Mul(m)}, func(s, x []*Value, live keep) (next, ys []*Value) {
			return []*Value{live(x[0].Mul(s[0]).Add(x[1]), s[0])}, s
		})
		cs := before[0]
		tanh := f.Mul(cs).Add(i.Mul(m)).Tanh()
		// what h and c after a step have from what was added up for the gates, and c from h
		slope := func(sigmoid *Value) *Value { return sigmoid.Sub(sigmoid.Square()) }
		byC := Join(-1, m.Mul(slope(i)), cs.Mul(slope(f)), i.Sub(i.Mul(m.Square())))
		xs := []*Value{tanh.Mul(slope(o)), byC, o.Sub(o.Mul(tanh.Square())), f}
		if g := along(n.Arg(8), d); g != nil {
			xs = append(xs, g)
		}
		first := []*Value{ended(n.Arg(9), d, t.state[0]), ended(n.Arg(10), d, t.state[1])}
		last, ys := t.scan("LSTMGrad", true, first, xs, func(s, x []*Value, live keep) (next, ys []*Value) {
			dh, dc := s[0], s[1]
			if n.Arg(8) != nil {
				dh = dh.Add(x[4])
			}
			dc = dc.Add(dh.Mul(x[2]))
			by := x[1].Mul(Join(-1, dc, dc, dc)).Split(-1, 3)
			dg := Join(-1, by[0], dh.Mul(x[0]), by[1], by[2])
			return []*Value{live(dg.MatMul(t.r), s[0]), live(dc.Mul(x[3]), s[1])}, []*Value{live(dg, dg.Scalar(0))}
		})
		dg := ys[0]
		dx = plus(dx, dg.MatMul(t.w))
		db := dg.Sum(0, 1)
		dws, drs, dbs = append(dws, product(dg, t.x)), append(drs, product(dg, hs)), append(dbs, Join(0, db, db))
		dhs, dcs = append(dhs, last[0]), append(dcs, last[1])
	}
	return []*Value{dx, stack(0, dws), stack(0, drs), stack(0, dbs), stack(0, dhs), stack(0, dcs)}
}

// Samples covers the directions, lengths, and each argument left out.
func (LSTMGrad) Samples() []Sample {
	return recurrentGradSamples(4, 2, func(hidden int, direction string) Op { return LSTMGrad{hidden, direction} })
}
