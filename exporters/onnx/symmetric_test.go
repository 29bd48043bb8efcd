package onnx

import (
	"math"
	"slices"
	"testing"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestSymmetric: transposed convolutions of all paddings become symmetric ones, which compute the same.
func TestSymmetric(t *testing.T) {
	rows := graph.Sym("rows")
	for name, c := range map[string]struct {
		o graph.ConvTranspose

		stays bool
	}{
		"even":                         {graph.ConvTranspose{Strides: []int{2, 2}, Pads: []int{1, 1, 1, 1}, OutputPadding: []int{1, 0}}, true},
		"more before":                  {graph.ConvTranspose{Strides: []int{2, 2}, Pads: []int{2, 1, 1, 1}}, false},
		"more behind":                  {graph.ConvTranspose{Strides: []int{1, 1}, Pads: []int{0, 1, 2, 1}}, false},
		"uneven, with output padding":  {graph.ConvTranspose{Strides: []int{2, 3}, Pads: []int{2, 1, 2, 2}, OutputPadding: []int{1, 2}}, false},
		"output padding beyond pads":   {graph.ConvTranspose{Strides: []int{3, 2}, Pads: []int{1, 0, 1, 0}, OutputPadding: []int{2, 1}}, false},
		"dilated, and beyond the pads": {graph.ConvTranspose{Strides: []int{2, 2}, Pads: []int{0, 2, 0, 0}, Dilations: []int{2, 1}, OutputPadding: []int{1, 1}}, false},
	} {
		f := graph.NewFunc("f", false)
		x, w := f.Input("x", graph.F32, graph.Sym("batch"), 2, rows, 5), f.Input("w", graph.F32, 2, 3, 3, 4)
		y := x.ConvTranspose(w, c.o)
		f.Output("y", y)
		f.Output("dw", graph.Grad(y.Square().Sum(), w)[0])
		if len(f.Diags) > 0 {
			t.Fatal(f.Diags)
		}
		g := symmetric(f)
		if len(g.Diags) > 0 || g.Verify() != nil {
			t.Fatal(g.Diags, g.Verify())
		}
		for _, n := range g.Nodes {
			if o, ok := n.Op.(graph.ConvTranspose); ok && !c.stays && (!slices.Equal(o.Pads[:2], o.Pads[2:]) || slices.Max(o.OutputPadding) > 0) {
				t.Errorf("%s: it becomes %s", name, n.Results[0].Text())
			}
		}
		if c.stays && len(g.Nodes) != len(f.Nodes) {
			t.Errorf("%s: it has changed", name)
		}
		in := map[string]*tensor.Tensor{"x": tensor.New(tensor.F32, 2, 2, 4, 5), "w": tensor.New(tensor.F32, 2, 3, 3, 4)}
		for _, t := range in {
			for i := range t.Len() {
				t.Set(i, math.Sin(float64(i)))
			}
		}
		ctx := kernel.NewContext(gonum.Implementation{}, 1)
		want, err := graph.Evaluate(ctx, f, in)
		if err != nil {
			t.Fatal(err)
		}
		got, err := graph.Evaluate(ctx, g, in)
		if err != nil {
			t.Fatal(err)
		}
		for i, o := range f.Outputs {
			a, b := want[o.Value.ID], got[g.Outputs[i].Value.ID]
			if !slices.Equal(a.Shape(), b.Shape()) {
				t.Fatalf("%s: %s is %v, want %v", name, o.Name, b, a)
			}
			for k := range a.Len() {
				if d := math.Abs(a.At(k) - b.At(k)); !(d <= 1e-5*max(1, math.Abs(a.At(k)))) {
					t.Fatalf("%s: %s[%d] is %v, want %v", name, o.Name, k, b.At(k), a.At(k))
				}
			}
		}
	}
}
