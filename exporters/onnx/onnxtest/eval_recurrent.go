package onnxtest

import (
	"math"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var recurrentOperators = map[string]operator{
	"LSTM": func(c *call) []*tensor.Tensor { return c.recurrent(4, 2, lstmStep) },
	"GRU": func(c *call) []*tensor.Tensor {
		linear := c.int("linear_before_reset", 0) != 0
		return c.recurrent(3, 1, func(wx, rh func(g, u int, h []float64) float64, state [][]float64) { gruStep(wx, rh, state, linear) })
	},
}

// A step moves the state of one example on. wx is what the inputs and their biases bring to unit u of gate g, rh what a state h brings.
type step func(wx, rh func(g, u int, h []float64) float64, state [][]float64)

// recurrent is an operator of so many gates and states.
func (c *call) recurrent(gates, states int, move step) []*tensor.Tensor {
	x, w, r := c.input(0), c.input(1), c.input(2)
	c.same(x, w, r)
	if x.Rank() != 3 || w.Rank() != 3 || r.Rank() != 3 || len(c.in) > 5+states {
		c.fail("the inputs are %v", c.in)
	}
	seq, batch, width, hidden := x.Dim(0), x.Dim(1), x.Dim(2), c.int("hidden_size", r.Dim(2))
	reversed := map[string][]bool{"forward": {false}, "reverse": {true}, "bidirectional": {false, true}}[attribute(c, "direction", "forward")]
	must(c, "layout", int64(0))
	dirs := len(reversed)
	at := func(i int, index ...int) float64 { // zero where the input is left out
		if !c.has(i) {
			return 0
		}
		t := c.in[i]
		if t.Rank() != len(index) {
			c.fail("input %d is %v", i, t)
		}
		for k, n := range t.Shape() {
			if index[k] >= n {
				c.fail("input %d is %v, too small", i, t)
			}
		}
		return t.At(position(t.Shape(), index))
	}
	y := tensor.New(x.DType(), seq, dirs, batch, hidden)
	out := []*tensor.Tensor{y}
	for range states {
		out = append(out, tensor.New(x.DType(), dirs, batch, hidden))
	}
	for d, reverse := range reversed {
		for b := range batch {
			length := seq
			if c.has(4) {
				length = int(at(4, b))
			}
			state := make([][]float64, states)
			for k := range state {
				for u := range hidden {
					state[k] = append(state[k], at(5+k, d, b, u))
				}
			}
			for k := range length {
				t := k
				if reverse {
					t = length - 1 - k
				}
				wx := func(g, u int, _ []float64) float64 {
					sum := at(3, d, g*hidden+u)
					for i := range width {
						sum += at(0, t, b, i) * at(1, d, g*hidden+u, i)
					}
					return sum
				}
				rh := func(g, u int, h []float64) float64 {
					sum := at(3, d, (gates+g)*hidden+u)
					for i := range hidden {
						sum += h[i] * at(2, d, g*hidden+u, i)
					}
					return sum
				}
				move(wx, rh, state)
				for u, v := range state[0] {
					y.Set(position(y.Shape(), []int{t, d, b, u}), v)
				}
			}
			for k := range state {
				for u, v := range state[k] {
					out[1+k].Set((d*batch+b)*hidden+u, v)
				}
			}
		}
	}
	return out
}

func sigma(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// lstmStep has the gates i, o, f and c.
func lstmStep(wx, rh func(g, u int, h []float64) float64, state [][]float64) {
	h, next := state[0], make([]float64, len(state[0]))
	for u := range next {
		it := sigma(wx(0, u, nil) + rh(0, u, h))
		ot := sigma(wx(1, u, nil) + rh(1, u, h))
		ft := sigma(wx(2, u, nil) + rh(2, u, h))
		ct := math.Tanh(wx(3, u, nil) + rh(3, u, h))
		state[1][u] = ft*state[1][u] + it*ct
		next[u] = ot * math.Tanh(state[1][u])
	}
	state[0] = next
}

// gruStep has the gates z, r and h.
func gruStep(wx, rh func(g, u int, h []float64) float64, state [][]float64, linear bool) {
	h := state[0]
	next, reset := make([]float64, len(h)), make([]float64, len(h))
	for u := range h {
		reset[u] = sigma(wx(1, u, nil)+rh(1, u, h)) * h[u]
	}
	for u := range h {
		zt := sigma(wx(0, u, nil) + rh(0, u, h))
		ht := math.Tanh(wx(2, u, nil) + rh(2, u, reset))
		if linear {
			ht = math.Tanh(wx(2, u, nil) + sigma(wx(1, u, nil)+rh(1, u, h))*rh(2, u, h))
		}
		next[u] = (1-zt)*ht + zt*h[u]
	}
	state[0] = next
}
