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
