package graph_test

import (
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestRecurrentMistakes wants one diagnostic for each misuse.
func TestRecurrentMistakes(t *testing.T) {
	type value = *graph.Value
	for name, c := range map[string]struct {
		build func(f *graph.Func, x, w, r value) value // f32 [seq 2 3], [1 16 3] and [1 16 4]
		want  string                                   // in the message or its hint
	}{
		"direction": {func(f *graph.Func, x, w, r value) value {
			y, _, _ := x.LSTM(w, r, nil, nil, nil, nil, graph.LSTM{Direction: "backward"})
			return y
		}, `"bidirectional"`},
		"two directions, weights for one": {func(f *graph.Func, x, w, r value) value {
			y, _, _ := x.LSTM(w, r, nil, nil, nil, nil, graph.LSTM{Direction: "bidirectional"})
			return y
		}, "w is f32[1 16 3], want f32[2 16 3]"},
		"gates of a GRU": {func(f *graph.Func, x, w, r value) value {
			y, _ := x.GRU(w, r, nil, nil, nil, graph.GRU{})
			return y
		}, "3 gates of 4 for each of 1 directions"},
		"another hidden size": {func(f *graph.Func, x, w, r value) value {
			y, _, _ := x.LSTM(w, r, nil, nil, nil, nil, graph.LSTM{Hidden: 5})
			return y
		}, "for Hidden = 5"},
		"a matrix": {func(f *graph.Func, x, w, r value) value {
			y, _, _ := x.LSTM(w.Squeeze(0), r, nil, nil, nil, nil, graph.LSTM{})
			return y
		}, "w [directions"},
		"one bias": {func(f *graph.Func, x, w, r value) value {
			y, _, _ := x.LSTM(w, r, f.Full(graph.F32, 0, 1, 16), nil, nil, nil, graph.LSTM{})
			return y
		}, "b is f32[1 16], want f32[1 32]"},
		"lengths in i64": {func(f *graph.Func, x, w, r value) value {
			y, _, _ := x.LSTM(w, r, nil, f.Input("n", graph.I64, 2), nil, nil, graph.LSTM{})
			return y
		}, ".Cast(graph.I32)"},
		"a state without an axis for directions": {func(f *graph.Func, x, w, r value) value {
			y, _, _ := x.LSTM(w, r, nil, nil, f.Full(graph.F32, 0, 2, 4), nil, graph.LSTM{})
			return y
		}, "a state is f32[2 4], want f32[1 2 4]"},
		"the gradient of another result": {func(f *graph.Func, x, w, r value) value {
			return graph.Apply(graph.LSTMGrad{}, x, w, r, nil, nil, nil, nil, x)
		}, "a result is f32[seq 2 3], want f32[seq 1 2 4]"},
	} {
		f := graph.NewFunc("f", false)
		y := c.build(f, f.Input("x", graph.F32, graph.Sym("seq"), 2, 3), f.Input("w", graph.F32, 1, 16, 3), f.Input("r", graph.F32, 1, 16, 4))
		if y.OK() || len(f.Diags) != 1 {
			t.Errorf("%s: %d diagnostics: %v", name, len(f.Diags), f.Diags)
		} else if d := f.Diags[0]; !strings.Contains(d.Msg+" "+d.Hint, c.want) {
			t.Errorf("%s: %q, hint %q: nothing of %q", name, d.Msg, d.Hint, c.want)
		}
	}
}

// TestRecurrentLengths refuses lengths that no example can have.
func TestRecurrentLengths(t *testing.T) {
	f := graph.NewFunc("f", false)
	n := f.Input("n", graph.I32, 2)
	y, _ := f.Full(graph.F32, 1, 3, 2, 1).GRU(f.Full(graph.F32, 1, 1, 3, 1), f.Full(graph.F32, 1, 1, 3, 1), nil, n, nil, graph.GRU{})
	f.Output("y", y)
	for _, length := range []int32{-1, 4} {
		_, err := graph.Evaluate(newContext(1), f, map[string]*tensor.Tensor{"n": tensor.Of([]int32{3, length}, 2)})
		if err == nil || !strings.Contains(err.Error(), "example 1 has the length") {
			t.Errorf("of %d: %v", length, err)
		}
	}
}

// TestRecurrentNothing runs over no places, and over no examples: the states stay, and the weights' gradients are zero.
func TestRecurrentNothing(t *testing.T) {
	for _, sizes := range [][2]int{{0, 2}, {3, 0}} {
		f := graph.NewFunc("f", false)
		x, h := f.Input("x", graph.F32, graph.Sym("seq"), graph.Sym("batch"), 3), f.Input("h", graph.F32, 2, graph.Sym("batch"), 4)
		w, r := f.Input("w", graph.F32, 2, 16, 3), f.Input("r", graph.F32, 2, 16, 4)
		y, last, _ := x.LSTM(w, r, nil, nil, h, nil, graph.LSTM{Direction: "bidirectional"})
		z, lastZ := x.GRU(w.Slice(1, 0, 12), r.Slice(1, 0, 12), nil, nil, h, graph.GRU{Direction: "bidirectional"})
		grads := graph.Grad(y.Add(z).Sum().Add(last.Add(lastZ).Square().Sum()), w, r, h)
		out, err := graph.Evaluate(newContext(2), f, map[string]*tensor.Tensor{"x": tensor.New(tensor.F32, sizes[0], sizes[1], 3),
			"h": of32(2, sizes[1], 4), "w": of32(2, 16, 3), "r": of32(2, 16, 4)})
		if err != nil {
			t.Fatal(err)
		}
		for i, was := range out[h.ID].Float64s() {
			if sizes[0] == 0 && (out[last.ID].At(i) != was || out[lastZ.ID].At(i) != was || out[grads[2].ID].At(i) != 8*was) {
				t.Errorf("%v: state %d was %v, is %v and %v, its gradient %v", sizes, i, was, out[last.ID].At(i), out[lastZ.ID].At(i), out[grads[2].ID].At(i))
			}
		}
		for _, g := range grads[:2] {
			for i, v := range out[g.ID].Float64s() {
				if v != 0 {
					t.Errorf("%v: element %d of a weight's gradient is %v", sizes, i, v)
				}
			}
		}
	}
}

// of32 is numbers.
func of32(shape ...int) *tensor.Tensor {
	t := tensor.New(tensor.F32, shape...)
	for i := range t.Len() {
		t.Set(i, float64(i%7)/4-.5)
	}
	return t
}
