package graph_test

import (
	"math"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// A dual is a number and its derivative by one of the arguments' elements.
type dual struct{ v, d float64 }

func (a dual) add(b dual) dual { return dual{a.v + b.v, a.d + b.d} }
func (a dual) sub(b dual) dual { return dual{a.v - b.v, a.d - b.d} }
func (a dual) mul(b dual) dual { return dual{a.v * b.v, a.d*b.v + a.v*b.d} }

func (a dual) tanh() dual {
	t := math.Tanh(a.v)
	return dual{t, a.d * (1 - t*t)}
}

func (a dual) sigmoid() dual {
	s := 1 / (1 + math.Exp(-a.v))
	return dual{s, a.d * s * (1 - s)}
}

// recurrentArgs are the arguments of a recurrent op as duals: the derivative is by element seed.at of argument seed.of.
type recurrentArgs struct {
	in   []*tensor.Tensor
	seed struct{ of, at int }
}

func (a recurrentArgs) has(k int) bool { return k < len(a.in) && a.in[k] != nil }

// at is an element of argument k; one that is left out is zeros.
func (a recurrentArgs) at(k int, shape []int, index ...int) dual {
	at := 0
	for i, n := range shape {
		at = at*n + index[i]
	}
	x := dual{}
	if a.has(k) {
		x.v = a.in[k].At(at)
	}
	if a.seed.of == k && a.seed.at == at {
		x.d = 1
	}
	return x
}

// A cell makes the next state, h first, of the last and what is added up for each gate from x and from the state h that is given.
type cell func(state [][]dual, fromX, fromH func(gate, unit int, h []dual) dual) [][]dual

// recur runs a cell as ONNX's operators do, and gives the states h at each place, the last h and so on. Where y is not nil, it has the
// values that h takes at each place in the place of the computed ones, which keep their derivatives.
func recur(a recurrentArgs, direction string, gates, states int, y *tensor.Tensor, run cell) []dual {
	seq, batch, width, hidden := a.in[0].Dim(0), a.in[0].Dim(1), a.in[0].Dim(2), a.in[2].Dim(2)
	reverse := map[string][]bool{"": {false}, "forward": {false}, "reverse": {true}, "bidirectional": {false, true}}[direction]
	dirs, all := len(reverse), gates*hidden
	out, last := make([]dual, seq*dirs*batch*hidden), make([]dual, states*dirs*batch*hidden)
	for d, back := range reverse {
		for b := range batch {
			length := seq
			if a.has(4) {
				length = int(a.in[4].At(b))
			}
			state := make([][]dual, states)
			for k := range state {
				for u := range hidden {
					state[k] = append(state[k], a.at(5+k, []int{dirs, batch, hidden}, d, b, u))
				}
			}
			order := make([]int, length)
			for t := range order {
				order[t] = t
			}
			if back {
				slices.Reverse(order)
			}
			for _, t := range order {
				fromX := func(gate, unit int, _ []dual) dual {
					sum := a.at(3, []int{dirs, 2 * all}, d, gate*hidden+unit)
					for i := range width {
						sum = sum.add(a.at(0, []int{seq, batch, width}, t, b, i).mul(a.at(1, []int{dirs, all, width}, d, gate*hidden+unit, i)))
					}
					return sum
				}
				fromH := func(gate, unit int, h []dual) dual {
					sum := a.at(3, []int{dirs, 2 * all}, d, all+gate*hidden+unit)
					for i := range hidden {
						sum = sum.add(h[i].mul(a.at(2, []int{dirs, all, hidden}, d, gate*hidden+unit, i)))
					}
					return sum
				}
				state = run(state, fromX, fromH)
				for u := range hidden {
					at := ((t*dirs+d)*batch+b)*hidden + u
					if y != nil {
						state[0][u].v = y.At(at)
					}
					out[at] = state[0][u]
				}
			}
			for k := range state {
				copy(last[((k*dirs+d)*batch+b)*hidden:], state[k])
			}
		}
	}
	return append(out, last...)
}

// lstmCell is ONNX's LSTM: gates i, o, f, c.
func lstmCell(state [][]dual, fromX, fromH func(gate, unit int, h []dual) dual) [][]dual {
	next := [][]dual{nil, nil}
	for u, c := range state[1] {
		gate := func(k int) dual { return fromX(k, u, nil).add(fromH(k, u, state[0])) }
		c = gate(2).sigmoid().mul(c).add(gate(0).sigmoid().mul(gate(3).tanh()))
		next[0], next[1] = append(next[0], gate(1).sigmoid().mul(c.tanh())), append(next[1], c)
	}
	return next
}

// gruCell is ONNX's GRU: gates z, r, h.
func gruCell(linear bool) cell {
	return func(state [][]dual, fromX, fromH func(gate, unit int, h []dual) dual) [][]dual {
		h := state[0]
		gate := func(k, u int) dual { return fromX(k, u, nil).add(fromH(k, u, h)).sigmoid() }
		reset := make([]dual, len(h))
		for u := range h {
			reset[u] = gate(1, u).mul(h[u])
		}
		next := make([]dual, len(h))
		for u := range h {
			n := fromX(2, u, nil).add(fromH(2, u, reset)).tanh()
			if linear {
				n = fromX(2, u, nil).add(gate(1, u).mul(fromH(2, u, h))).tanh()
			}
			next[u] = dual{1, 0}.sub(gate(0, u)).mul(n).add(gate(0, u).mul(h[u]))
		}
		return [][]dual{next}
	}
}

// numbersOf are the values of duals.
func numbersOf(list []dual) []float64 {
	out := make([]float64, len(list))
	for i, x := range list {
		out[i] = x.v
	}
	return out
}

// recurrentGradient is the gradient of what recur gives, weighed by the gradients that the arguments after y are, forwards, one element of
// an argument after another.
func recurrentGradient(in []*tensor.Tensor, direction string, gates, states int, run cell) []float64 {
	a := recurrentArgs{in: in[:5+states]}
	y := in[5+states]
	batch, hidden, dirs := in[0].Dim(1), in[2].Dim(2), in[2].Dim(0)
	sizes := []int{in[0].Len(), in[1].Len(), in[2].Len(), dirs * 2 * gates * hidden, 0}
	for range states {
		sizes = append(sizes, dirs*batch*hidden)
	}
	var weights []float64
	for k := range 1 + states {
		n := dirs * batch * hidden
		if k == 0 {
			n = y.Len()
		}
		if at := 6 + states + k; at < len(in) && in[at] != nil {
			weights = append(weights, in[at].Float64s()...)
		} else {
			weights = append(weights, make([]float64, n)...)
		}
	}
	var out []float64
	for k, n := range sizes {
		for i := range n {
			a.seed.of, a.seed.at = k, i
			sum := 0.
			for j, x := range recur(a, direction, gates, states, y, run) {
				sum += weights[j] * x.d
			}
			out = append(out, sum)
		}
	}
	return out
}

var recurrentRefs = map[string]reference{
	"LSTM": func(op graph.Op, in []*tensor.Tensor) []float64 {
		a := recurrentArgs{in: in}
		a.seed.of = -1
		return numbersOf(recur(a, op.(graph.LSTM).Direction, 4, 2, nil, lstmCell))
	},
	"LSTMGrad": func(op graph.Op, in []*tensor.Tensor) []float64 {
		return recurrentGradient(in, op.(graph.LSTMGrad).Direction, 4, 2, lstmCell)
	},
	"GRU": func(op graph.Op, in []*tensor.Tensor) []float64 {
		a := recurrentArgs{in: in}
		a.seed.of = -1
		return numbersOf(recur(a, op.(graph.GRU).Direction, 3, 1, nil, gruCell(op.(graph.GRU).Linear)))
	},
	"GRUGrad": func(op graph.Op, in []*tensor.Tensor) []float64 {
		o := op.(graph.GRUGrad)
		return recurrentGradient(in, o.Direction, 3, 1, gruCell(o.Linear))
	},
}
