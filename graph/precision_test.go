package graph_test

import (
	"slices"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph"
)

// TestAttentionBetweenProducts: of an attention in 16 bits that is lowered, and its gradient, what is computed between the products is
// f32: masks, softmax and their gradients.
func TestAttentionBetweenProducts(t *testing.T) {
	f := graph.NewFunc("f", false)
	q, k, v := f.Input("q", graph.BF16, 1, 2, 3, 4), f.Input("k", graph.BF16, 1, 2, 5, 4), f.Input("v", graph.BF16, 1, 2, 5, 4)
	mask := f.Input("mask", graph.BF16, 1, 2, 3, 5)
	y := q.Attention(k, v, mask, graph.Attention{Causal: true, Softcap: 2})
	f.Output("y", y)
	f.Output("dq", graph.Grad(y.Sum(), q)[0])
	g := graph.Lower(f, func(*graph.Node) bool { return false })
	if len(g.Diags) > 0 || g.Verify() != nil {
		t.Fatal(g.Diags, g.Verify())
	}
	moves := []string{"Input", "Cast", "Reshape", "Transpose", "Expand", "Scale", "Sum", "Full", "Const", "Mul", "MatMul"}
	for _, n := range g.Nodes {
		name := graph.OpName(n.Op)
		if n.Results[0].DType() == graph.BF16 && !slices.Contains(moves, name) {
			t.Errorf("%s is in bf16", n.Results[0].Text())
		}
	}
}

// TestProducts: in a Func whose products are narrow, what is a product of f32 is narrow in bodies too, and nothing of another dtype is.
func TestProducts(t *testing.T) {
	f := graph.NewFunc("f", true)
	f.Products = graph.F16
	x, w := f.Input("x", graph.F32, 2, 4), f.Input("w", graph.F32, 4, 4)
	final, _ := f.Scan([]*graph.Value{x}, []*graph.Value{f.Input("xs", graph.F32, 3, 2, 4)}, func(s, xs []*graph.Value) (next, ys []*graph.Value) {
		return []*graph.Value{s[0].Add(xs[0]).MatMul(w).Tanh()}, nil
	})
	f.Output("y", final[0])
	f.Output("dw", graph.Grad(final[0].Sum(), w)[0])
	d := f.Input("d", graph.F64, 4, 4)
	f.Output("wide", d.MatMul(d))
	if len(f.Diags) > 0 || f.Verify() != nil {
		t.Fatal(f.Diags, f.Verify())
	}
	if got := f.Outputs[2].Value; got.DType() != graph.F64 || graph.OpName(got.Op) != "MatMul" {
		t.Errorf("a product of f64 is %s", got.Text())
	}
	if got := f.Outputs[0].Value; got.DType() != graph.F32 {
		t.Errorf("the result is %v", got.Type)
	}
	products := 0
	var look func(f *graph.Func)
	look = func(f *graph.Func) {
		for _, n := range f.Nodes {
			if _, ok := n.Op.(graph.Counted); ok && n.Results[0].DType() != graph.F64 {
				if products++; n.Results[0].DType() != graph.F16 {
					t.Errorf("%s is wide", n.Results[0].Text())
				}
			}
			for _, b := range n.Bodies {
				look(b)
			}
		}
	}
	look(f)
	if products < 3 {
		t.Errorf("there are %d products, want one forward, and two backward", products)
	}
}
