package nn_test

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"slices"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// moves are one place of the layers by their equations in loops: from the state, h first, and x, with the parameters called by a prefix.
var moves = map[string]func(all map[string]*tensor.Tensor, prefix string, x []float64, state [][]float64) [][]float64{
	"l": func(all map[string]*tensor.Tensor, prefix string, x []float64, state [][]float64) [][]float64 {
		h, c := make([]float64, len(state[0])), slices.Clone(state[1])
		in := affine([][]float64{x}, matrix(all["m.l."+prefix+"weight"], 0), all["m.l."+prefix+"bias"].Float64s())[0]
		past := affine(state[:1], matrix(all["m.l."+prefix+"recurrent"], 0), nil)[0]
		gate := func(k, u int) float64 { return in[k*len(h)+u] + past[k*len(h)+u] }
		for u := range h {
			c[u] = sigmoid(gate(1, u))*c[u] + sigmoid(gate(0, u))*math.Tanh(gate(2, u))
			h[u] = sigmoid(gate(3, u)) * math.Tanh(c[u])
		}
		return [][]float64{h, c}
	},
	"g": func(all map[string]*tensor.Tensor, prefix string, x []float64, state [][]float64) [][]float64 {
		h := slices.Clone(state[0])
		in := affine([][]float64{x}, matrix(all["m.g."+prefix+"weight"], 0), all["m.g."+prefix+"bias"].Float64s())[0]
		past := affine(state[:1], matrix(all["m.g."+prefix+"recurrent"], 0), all["m.g."+prefix+"recurrent_bias"].Float64s())[0]
		for u, old := range h {
			n := len(h)
			r, z := sigmoid(in[u]+past[u]), sigmoid(in[n+u]+past[n+u])
			h[u] = (1-z)*math.Tanh(in[2*n+u]+r*past[2*n+u]) + z*old
		}
		return [][]float64{h}
	},
}

// TestRecurrent compares LSTM and GRU with their equations in loops: all places or as many as each example has, from zeros and from
// states that are given, one way and both.
func TestRecurrent(t *testing.T) {
	const n, seq, dim, units = 3, 4, 3, 5
	for _, c := range []struct {
		name                   string
		both, lengths, started bool
	}{{"plain", false, false, false}, {"of lengths", false, true, false}, {"started", false, false, true}, {"both ways", true, false, false}, {"both ways, of lengths, started", true, true, true}} {
		m := &struct {
			L nn.LSTM
			G nn.GRU
		}{nn.LSTM{Units: units, Bidirectional: c.both}, nn.GRU{Units: units, Bidirectional: c.both}}
		ways := []string{""}
		if c.both {
			ways = append(ways, "reverse_")
		}
		width := len(ways) * units
		for name, states := range map[string]int{"l": 2, "g": 1} {
			in := map[string]*tensor.Tensor{"x": random(1, n, seq, dim), "n": tensor.Of([]int64{4, 1, 3}, n), "h": random(2, n, width), "c": random(3, n, width)}
			y, all := apply(t, m, in, func(v map[string]*graph.Value) *graph.Value {
				var lengths, h, cell *graph.Value
				if c.lengths {
					lengths = v["n"]
				}
				if c.started {
					h, cell = v["h"], v["c"]
				}
				var last []*graph.Value
				var y *graph.Value
				if name == "l" {
					var lastC *graph.Value
					y, h, lastC = m.L.Sequence(v["x"], lengths, h, cell)
					last = []*graph.Value{h, lastC}
				} else {
					y, h = m.G.Sequence(v["x"], lengths, h)
					last = []*graph.Value{h}
				}
				for i, s := range last {
					last[i] = s.Unsqueeze(1)
				}
				return graph.Join(1, append([]*graph.Value{y}, last...)...)
			})
			rows := seq + states
			for b := range n {
				length := seq
				if c.lengths {
					length = int(all["n"].Int(b))
				}
				for d, prefix := range ways {
					state := [][]float64{make([]float64, units), make([]float64, units)}[:states]
					if c.started {
						for k, s := range []string{"h", "c"}[:states] {
							state[k] = all[s].Float64s()[b*width+d*units:][:units]
						}
					}
					for k := range seq {
						at := k
						if prefix != "" {
							at = seq - 1 - k
						}
						want := make([]float64, units)
						if at < length {
							state = moves[name](all, prefix, matrix(all["x"], b)[at], state)
							want = state[0]
						}
						near(t, c.name+" "+name, y, (b*rows+at)*width+d*units, want)
					}
					for k := range states {
						near(t, c.name+" "+name+", the last state", y, (b*rows+seq+k)*width+d*units, state[k])
					}
				}
			}
		}
	}
}

// TestRecurrentSteps goes from place to place by Step, in a Scan over a symbol, and compares with Apply.
func TestRecurrentSteps(t *testing.T) {
	const n, dim, units = 2, 4, 5
	m := &struct {
		L nn.LSTM
		G nn.GRU
	}{nn.LSTM{Units: units}, nn.GRU{Units: units}}
	if _, problems := nn.Bind("m", m, map[*nn.Layer]bool{}); len(problems) > 0 {
		t.Fatal(problems)
	}
	f := graph.NewFunc("f", false)
	x := f.Input("x", graph.F32, batch, graph.Sym("seq"), dim)
	zeros := f.Full(graph.F32, 0, batch, units)
	places := []*graph.Value{x.Transpose(1, 0, 2)}
	_, lstm := f.Scan([]*graph.Value{zeros, zeros}, places, func(s, x []*graph.Value) (next, ys []*graph.Value) {
		h, c := m.L.Step(x[0], s[0], s[1])
		return []*graph.Value{h, c}, []*graph.Value{h}
	})
	_, gru := f.Scan([]*graph.Value{zeros}, places, func(s, x []*graph.Value) (next, ys []*graph.Value) {
		h := m.G.Step(x[0], s[0])
		return []*graph.Value{h}, []*graph.Value{h}
	})
	pairs := [][2]*graph.Value{{lstm[0].Transpose(1, 0, 2), m.L.Apply(x)}, {gru[0].Transpose(1, 0, 2), m.G.Apply(x)}}
	for _, seq := range []int{1, 6} {
		in := map[string]*tensor.Tensor{"x": random(uint64(seq), n, seq, dim)}
		for i, p := range f.Params {
			shape, err := p.Shape().Eval(nil)
			if err != nil {
				t.Fatal(err)
			}
			in[p.Name] = random(uint64(i), shape...)
		}
		out := run(t, f, in)
		for _, p := range pairs {
			near(t, p[0].Text(), out[p[1].ID], 0, out[p[0].ID].Float64s())
		}
	}
}

// TestRecurrentStepIdentity holds a model of Steps to what it was before the layers had ops: runs that were begun then go on.
func TestRecurrentStepIdentity(t *testing.T) {
	m := &struct {
		L nn.LSTM
		G nn.GRU
	}{nn.LSTM{Units: 4}, nn.GRU{Units: 4}}
	if _, problems := nn.Bind("", m, map[*nn.Layer]bool{}); len(problems) > 0 {
		t.Fatal(problems)
	}
	f := graph.NewFunc("f", false)
	x, h := f.Input("x", graph.F32, batch, 3), f.Full(graph.F32, 0, batch, 4)
	h, c := m.L.Step(x, h, h)
	f.Output("y", m.G.Step(h, c))
	sum := sha256.New()
	if err := f.WriteIdentity(sum); err != nil || len(f.Diags) > 0 {
		t.Fatal(err, f.Diags)
	}
	if got := hex.EncodeToString(sum.Sum(nil)[:8]); got != "95c44b707d638068" {
		t.Errorf("the identity is %s", got)
	}
}
