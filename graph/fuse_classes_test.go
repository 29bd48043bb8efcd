package graph_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// crossEntropy is a Func of the cross entropy of logits [rows classes] as losses have it, one number a row, weighed, and its gradient.
func crossEntropy(dtype graph.DType, rows, classes int) *graph.Func {
	f := graph.NewFunc("f", true)
	x, class := f.Input("x", dtype, graph.Dim(rows), graph.Dim(classes)), f.Input("class", graph.I64, graph.Dim(rows))
	weight := f.Input("weight", dtype, graph.Dim(rows))
	zero := f.Full(dtype, 0)
	loss := class.OneHot(classes, dtype).Greater(zero).Where(x.Scale(1).LogSoftmax(-1), zero).Sum(-1).Neg().Mul(weight)
	f.Output("loss", loss)
	f.Output("mean", loss.Mean())
	f.Output("grad", graph.Grad(loss.Sum(), x)[0])
	f.Output("grad of mean", graph.Grad(loss.Mean(), x)[0])
	return f
}

// TestFuseClasses holds the fused cross entropy and its gradients to the ops that they are made of, bit by bit: rows around vectors, blocks
// and halves of sums, large and infinite logits, classes that are none, on any number of goroutines, lowered too.
func TestFuseClasses(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, dtype := range []graph.DType{graph.F32, graph.F64} {
		for _, classes := range []int{1, 2, 7, 8, 17, 1023, 1024, 1025, 2056, 4101, 9000} {
			const rows = 13
			f := crossEntropy(dtype, rows, classes)
			g := graph.Fuse(f)
			if text := g.String(); strings.Count(text, "= LogSoftmaxAt ") != 3 || strings.Count(text, "= LogSoftmaxAtGrad ") != 2 || strings.Contains(text, "OneHot") {
				t.Fatalf("it is\n%v", g)
			}
			x, class, weight := tensor.New(dtype, rows, classes), tensor.New(graph.I64, rows), tensor.New(dtype, rows)
			for i := range x.Len() {
				x.Set(i, 3*r.NormFloat64())
				if row := i / classes; row == 3 || row == 4 && i%3 == 0 {
					x.Set(i, []float64{0, math.Copysign(0, -1), math.Inf(-1), 200, math.NaN()}[(i%5+i/7)%(7-row)])
				}
			}
			for i := range rows {
				class.Set(i, float64(r.IntN(classes)))
				weight.Set(i, []float64{r.NormFloat64(), 0, 1}[i%3])
			}
			class.Set(5, float64(classes-1))
			class.Set(6, -1)
			class.Set(7, float64(classes))
			class.Set(8, float64(-classes-1))
			in := map[string]*tensor.Tensor{"x": x, "class": class, "weight": weight}
			want := evaluate(t, newContext(1), f, in)
			apart := graph.Lower(g, func(n *graph.Node) bool { return !strings.HasPrefix(graph.OpName(n.Op), "LogSoftmaxAt") })
			for _, threads := range []int{1, 2, 5, 0} {
				h, c := g, cutContext(threads)
				if threads == 0 {
					h, c = apart, newContext(1)
				}
				got := evaluate(t, c, h, in)
				for k, o := range f.Outputs {
					sameBits(t, fmt.Sprintf("%v, %d classes, %d threads: %s", dtype, classes, threads, o.Name), got[h.Outputs[k].Value.ID], want[o.Value.ID])
				}
			}
		}
	}
}

// TestFuseClassesNeeded leaves a LogSoftmax as it is that something else needs.
func TestFuseClassesNeeded(t *testing.T) {
	for name, use := range map[string]func(y, hit, zero *graph.Value) *graph.Value{
		"an output":     func(y, _, _ *graph.Value) *graph.Value { return y },
		"its sum":       func(y, _, _ *graph.Value) *graph.Value { return y.Sum(-1) },
		"probabilities": func(y, _, _ *graph.Value) *graph.Value { return y.Exp() },
		"the choice":    func(y, hit, zero *graph.Value) *graph.Value { return hit.Where(y, zero) },
		"another axis":  func(y, hit, zero *graph.Value) *graph.Value { return hit.Where(y, zero).Sum(0) },
	} {
		f := graph.NewFunc("f", false)
		x, class := f.Input("x", graph.F32, 3, 4), f.Input("class", graph.I64, 3)
		y, zero := x.LogSoftmax(-1), f.Full(graph.F32, 0)
		hit := class.OneHot(4, graph.F32).Greater(zero)
		f.Output("loss", hit.Where(y, zero).Sum(-1))
		f.Output("other", use(y, hit, zero))
		if text := graph.Fuse(f).String(); strings.Contains(text, "LogSoftmaxAt") {
			t.Errorf("%s needs it, and it is\n%v", name, text)
		}
	}
	for name, make := range map[string]func(x, hit, zero *graph.Value) *graph.Value{
		"not where it is": func(x, hit, zero *graph.Value) *graph.Value { return hit.Where(zero, x.LogSoftmax(-1)).Sum(-1) },
		"not zeros": func(x, hit, zero *graph.Value) *graph.Value {
			return hit.Where(x.LogSoftmax(-1), zero.Shift(1)).Sum(-1)
		},
		"over more rows": func(x, hit, zero *graph.Value) *graph.Value {
			return hit.Where(x.LogSoftmax(-1), x.Func().Full(graph.F32, 0, 3, 4, 4)).Sum(-1)
		},
		"of 32 bits": func(x, hit, zero *graph.Value) *graph.Value {
			class := x.Func().Input("small", graph.I32, 4)
			return class.OneHot(4, graph.F32).Greater(zero).Where(x.LogSoftmax(-1), zero).Sum(-1)
		},
		"along the others": func(x, hit, zero *graph.Value) *graph.Value { return hit.Where(x.LogSoftmax(0), zero).Sum(-1) },
		"over the others":  func(x, hit, zero *graph.Value) *graph.Value { return hit.Where(x.LogSoftmax(-1), zero).Sum(0) },
	} {
		f := graph.NewFunc("f", false)
		x, class := f.Input("x", graph.F32, 4, 4), f.Input("class", graph.I64, 4)
		zero := f.Full(graph.F32, 0)
		f.Output("loss", make(x, class.OneHot(4, graph.F32).Greater(zero), zero))
		if text := graph.Fuse(f).String(); strings.Contains(text, "LogSoftmaxAt") {
			t.Errorf("%s, and it is\n%v", name, text)
		}
	}
}

// TestFuseClassesPlace computes the gradient over the logits, and over nothing else.
func TestFuseClassesPlace(t *testing.T) {
	const rows, classes = 3, 1100
	g := graph.Fuse(crossEntropy(graph.F32, rows, classes))
	for _, n := range g.Nodes {
		if _, ok := n.Op.(graph.LogSoftmaxAtGrad); !ok {
			continue
		}
		in := []*tensor.Tensor{tensor.New(graph.F32, rows, classes), tensor.New(graph.I64, rows), tensor.New(graph.F32, rows), tensor.New(graph.F32, rows), tensor.New(graph.F32, rows, 1)}
		for k, x := range in {
			for i := range x.Len() {
				x.Set(i, float64((i*7+k)%11))
			}
			if n.Results[0].Shares(k) != map[bool]graph.Sharing{true: graph.Over, false: graph.Apart}[k == 0] {
				t.Errorf("over argument %d: %v", k, n.Results[0].Shares(k))
			}
		}
		want := tensor.New(graph.F32, rows, classes)
		for _, out := range []*tensor.Tensor{want, in[0]} {
			if err := n.Run(newContext(1), []*tensor.Tensor{out}, in); err != nil {
				t.Fatal(err)
			}
		}
		sameBits(t, "over the logits", in[0], want)
		return
	}
	t.Error("there is no gradient")
}
