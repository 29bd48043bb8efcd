package graph_test

import (
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph"
)

// TestAttentionTwice is attention of a value to itself: the gradients of its three uses are apart, from the kernel and from the smaller
// ops, and their sum is the value's.
func TestAttentionTwice(t *testing.T) {
	s := graph.Sample{Op: graph.AttentionGrad{Causal: true}, In: []graph.SampleInput{{Shape: []int{1, 2, 3, 2}}, {Shape: []int{1, 2, 3, 2}}}}
	f := graph.NewFunc("f", false)
	x, g := f.Input("in0", graph.F64, 1, 2, 3, 2), f.Input("in1", graph.F64, 1, 2, 3, 2)
	n := graph.ApplyNode(s.Op, nil, x, x, x, g)
	for _, v := range n.Results {
		f.Output(v.Text(), v)
	}
	y := x.Attention(x, x, nil, graph.Attention{Causal: true})
	first := y.Mul(g).Sum()
	whole := graph.Grad(first, x)[0]
	f.Output("whole", whole)
	in := byName(s.Inputs(graph.F64))
	all := evaluate(t, newContext(1), f, in)
	differences(t, "of itself", newContext(1), f, in, in["in0"], all[whole.ID], first, 0)
	lowered := graph.Lower(f, func(n *graph.Node) bool { return graph.OpName(n.Op) != "AttentionGrad" })
	if len(lowered.Diags) > 0 || len(f.Diags) > 0 {
		t.Fatal(f.Diags, lowered.Diags)
	}
	made := evaluate(t, newContext(1), lowered, in)
	for i, o := range f.Outputs {
		for k, want := range all[o.Value.ID].Float64s() {
			if got := made[lowered.Outputs[i].Value.ID].At(k); !near(got, want, 1e-12) {
				t.Errorf("element %d of %s is %v, of smaller ops %v", k, o.Name, want, got)
			}
		}
	}
	for k := range all[whole.ID].Len() {
		sum := 0.0
		for _, v := range n.Results {
			sum += all[v.ID].At(k)
		}
		if !near(sum, all[whole.ID].At(k), 1e-12) {
			t.Errorf("element %d: the three are %v together, the gradient is %v", k, sum, all[whole.ID].At(k))
		}
	}
}

func TestAttentionMistakes(t *testing.T) {
	seq := graph.Sym("seq")
	for _, c := range []struct {
		name, want, hint string
		build            func(f *graph.Func, q, k value)
	}{
		{"rank", "needs [batch heads seq size], has f32[batch 4 8]", "into heads", func(f *graph.Func, q, k value) {
			q.Sum(2).Attention(k, k, nil, graph.Attention{})
		}},
		{"batch", "the queries are f32[batch 4 seq 8], the keys f32[4 2 seq 8]", "one batch", func(f *graph.Func, q, k value) {
			q.Attention(f.Full(graph.F32, 0, 4, 2, seq, 8), k, nil, graph.Attention{})
		}},
		{"values", "the values f32[batch 2 9 8]", "a value for each key", func(f *graph.Func, q, k value) {
			q.Attention(k, k.Slice(2, 0, 9), nil, graph.Attention{})
		}},
		{"heads", "4 heads of queries are no multiple of 3 of keys", "so many heads", func(f *graph.Func, q, k value) {
			k = f.Full(graph.F32, 0, batch, 3, seq, 8)
			q.Attention(k, k, nil, graph.Attention{})
		}},
		{"scale", "the scale is -1", "1/√size", func(f *graph.Func, q, k value) { q.Attention(k, k, nil, graph.Attention{Scale: -1}) }},
		{"no size", "the size of a head is seq, and the scale 1/√size", "Scale", func(f *graph.Func, q, k value) {
			q, k = q.Transpose(0, 1, 3, 2), k.Transpose(0, 1, 3, 2)
			q.Attention(k, k, nil, graph.Attention{})
		}},
		{"half a past", "there are past keys or past values, not both", "both", func(f *graph.Func, q, k value) {
			q.AttentionPast(k, k, nil, k, nil, graph.Attention{})
		}},
		{"another past", "the past is f32[batch 4 seq 8], what follows f32[batch 2 seq 8]", "number of places", func(f *graph.Func, q, k value) {
			q.AttentionPast(k, k, nil, q, q, graph.Attention{})
		}},
		{"mask", "the mask bool[5 seq] does not broadcast to [batch 4 seq seq]", "the rows and of all keys", func(f *graph.Func, q, k value) {
			q.Attention(k, k, f.Input("mask", graph.Bool, 5, seq), graph.Attention{})
		}},
		{"mask of the new keys", "the mask bool[seq seq] does not broadcast to [batch 4 seq 2*seq]", "all keys", func(f *graph.Func, q, k value) {
			q.AttentionPast(k, k, f.Causal(seq), k, k, graph.Attention{})
		}},
		{"mask's dtype", "the mask is f64[seq seq], the queries f32[batch 4 seq 8]", "a mask of bools", func(f *graph.Func, q, k value) {
			q.Attention(k, k, f.Full(graph.F64, 0, seq, seq), graph.Attention{})
		}},
	} {
		f := graph.NewFunc("model", false)
		c.build(f, f.Input("q", graph.F32, batch, 4, seq, 8), f.Input("k", graph.F32, batch, 2, seq, 8))
		if len(f.Diags) != 1 || !strings.Contains(f.Diags[0].Msg, c.want) || !strings.Contains(f.Diags[0].Hint, c.hint) {
			t.Errorf("%s: reported %v; want %q, hint %q", c.name, f.Diags, c.want, c.hint)
		}
	}
	f := graph.NewFunc("model", false)
	q := f.Input("q", graph.F32, batch, 4, seq, 8)
	if y := q.Attention(q, q, f.Input("mask", graph.Bool, batch, 1, 1, seq), graph.Attention{}); !y.OK() || !y.Type.Equal(q.Type) {
		t.Error("a mask that is the same for all rows:", f.Diags)
	}
}
