package graph_test

import (
	"math"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var attentionRefs = map[string]reference{
	"Attention": func(op graph.Op, in []*tensor.Tensor) []float64 {
		o := op.(graph.Attention)
		a := newAttentionRef(o, in)
		var out []float64
		odometer([]int{a.b, a.h, a.rows, a.v.Dim(3)}, func(i []int) {
			sum := 0.0
			for key, p := range a.row(i[0], i[1], i[2]) {
				sum += p * at4(a.v, i[0], i[1]/a.shared, key, i[3])
			}
			out = append(out, sum)
		})
		if len(in) > 4 {
			out = append(append(out, a.k.Float64s()...), a.v.Float64s()...)
		}
		return out
	},
	// The gradient of row i is ∂/∂x Σ g·p(x)·v, where ∂p_m/∂s_n = p_m(δ_mn − p_n) and s = cap(scale·q·k) + mask.
	"AttentionGrad": func(op graph.Op, in []*tensor.Tensor) []float64 {
		o := graph.Attention(op.(graph.AttentionGrad))
		g := in[3]
		a := newAttentionRef(o, append([]*tensor.Tensor{in[0], in[1], in[2]}, in[4:]...))
		dq, dk, dv := tensor.New(graph.F64, in[0].Shape()...), tensor.New(graph.F64, a.k.Shape()...), tensor.New(graph.F64, a.v.Shape()...)
		add := func(t *tensor.Tensor, x float64, i ...int) {
			at := offset4(t, i...)
			t.Set(at, t.At(at)+x)
		}
		odometer([]int{a.b, a.h, a.rows}, func(i []int) {
			p, group := a.row(i[0], i[1], i[2]), i[1]/a.shared
			for n := range p {
				ds := 0.0
				for m := range p {
					jacobian := -p[m] * p[n]
					if m == n {
						jacobian += p[m]
					}
					for e := range a.v.Dim(3) {
						ds += at4(g, i[0], i[1], i[2], e) * at4(a.v, i[0], group, m, e) * jacobian
					}
				}
				if o.Softcap > 0 {
					c := math.Cosh(a.product(i[0], i[1], i[2], n) / o.Softcap)
					ds /= c * c
				}
				for d := range in[0].Dim(3) {
					add(dq, ds*a.scale*at4(a.k, i[0], group, n, d), i[0], i[1], i[2], d)
					add(dk, ds*a.scale*at4(a.q, i[0], i[1], i[2], d), i[0], group, n, d)
				}
				for e := range a.v.Dim(3) {
					add(dv, p[n]*at4(g, i[0], i[1], i[2], e), i[0], group, n, e)
				}
			}
		})
		part := func(t *tensor.Tensor, from, to int) (out []float64) {
			odometer([]int{t.Dim(0), t.Dim(1), to - from, t.Dim(3)}, func(i []int) {
				out = append(out, at4(t, i[0], i[1], from+i[2], i[3]))
			})
			return out
		}
		out := append(dq.Float64s(), part(dk, a.past, dk.Dim(2))...)
		out = append(out, part(dv, a.past, dv.Dim(2))...)
		if a.past > 0 {
			out = append(append(out, part(dk, 0, a.past)...), part(dv, 0, a.past)...)
		}
		return out
	},
}

// attentionRef is an attention by the plainest loops.
type attentionRef struct {
	o                      graph.Attention
	q, k, v, mask          *tensor.Tensor // k and v with the past
	b, h, rows, keys, past int
	shared                 int // heads of one head of keys
	scale                  float64
}

func newAttentionRef(o graph.Attention, in []*tensor.Tensor) attentionRef {
	a := attentionRef{o: o, q: in[0], k: in[1], v: in[2], b: in[0].Dim(0), h: in[0].Dim(1), rows: in[0].Dim(2), shared: in[0].Dim(1) / in[1].Dim(1), scale: o.Scale}
	if len(in) > 3 {
		a.mask = in[3]
	}
	if len(in) > 4 {
		a.past = in[4].Dim(2)
		join := func(before, after *tensor.Tensor) *tensor.Tensor {
			all := tensor.New(graph.F64, after.Dim(0), after.Dim(1), a.past+after.Dim(2), after.Dim(3))
			n := 0
			odometer(all.Shape(), func(i []int) {
				if i[2] < a.past {
					all.Set(n, at4(before, i...))
				} else {
					all.Set(n, at4(after, i[0], i[1], i[2]-a.past, i[3]))
				}
				n++
			})
			return all
		}
		a.k, a.v = join(in[4], a.k), join(in[5], a.v)
	}
	if a.keys = a.k.Dim(2); a.scale == 0 {
		a.scale = math.Pow(float64(a.q.Dim(3)), -.5)
	}
	return a
}

// product is that of a row with a key, scaled.
func (a attentionRef) product(b, h, row, key int) float64 {
	sum := 0.0
	for d := range a.q.Dim(3) {
		sum += at4(a.q, b, h, row, d) * at4(a.k, b, h/a.shared, key, d)
	}
	return sum * a.scale
}

// row are the probabilities of a row.
func (a attentionRef) row(b, h, row int) []float64 {
	p, total := make([]float64, a.keys), 0.0
	for key := range p {
		x := a.product(b, h, row, key)
		if a.o.Softcap > 0 {
			x = a.o.Softcap * math.Tanh(x/a.o.Softcap)
		}
		p[key] = math.Exp(x)
		if a.mask != nil {
			index, shape := []int{b, h, row, key}, a.mask.Shape()
			at := 0
			for i, n := range shape {
				at = at*n + index[4-len(shape)+i]%n // an axis of 1 is broadcast
			}
			if a.mask.DType() == graph.Bool {
				p[key] *= a.mask.At(at)
			} else {
				p[key] *= math.Exp(a.mask.At(at))
			}
		}
		if a.o.Causal && key > row+a.past {
			p[key] = 0
		}
		total += p[key]
	}
	for key := range p {
		if total > 0 {
			p[key] /= total
		}
	}
	return p
}

func offset4(t *tensor.Tensor, i ...int) int {
	return ((i[0]*t.Dim(1)+i[1])*t.Dim(2)+i[2])*t.Dim(3) + i[3]
}

func at4(t *tensor.Tensor, i ...int) float64 { return t.At(offset4(t, i...)) }
