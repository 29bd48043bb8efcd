package graph_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// drawnBy traces build over logits [n classes], n times the same row, and evaluates what it returns.
func drawnBy(t *testing.T, dtype graph.DType, n int, row []float64, build func(x *graph.Value) []*graph.Value) []*tensor.Tensor {
	t.Helper()
	f := graph.NewFunc("draw", false)
	x := f.Input("x", dtype, graph.Dim(n), graph.Dim(len(row)))
	ys := build(x)
	if len(f.Diags) > 0 {
		t.Fatal(f.Diags)
	}
	in := tensor.New(dtype, n, len(row))
	for i := range in.Len() {
		in.Set(i, row[i%len(row)])
	}
	all := evaluate(t, newContext(1), f, map[string]*tensor.Tensor{"x": in, graph.RandomState: tensor.Of([]int64{11, 4}, 2)})
	out := make([]*tensor.Tensor, len(ys))
	for i, y := range ys {
		out[i] = all[y.ID]
	}
	return out
}

// TestCategorical holds 20,000 draws to their probabilities by χ², at several temperatures, and sees that a class that cannot be is not
// drawn.
func TestCategorical(t *testing.T) {
	const n = 20000
	row := []float64{.5, -1, math.Inf(-1), 1.5, 0, -2}
	for _, temperature := range []float64{.5, 1, 3} {
		for _, dtype := range []graph.DType{graph.F32, graph.F64} {
			out := drawnBy(t, dtype, n, row, func(x *graph.Value) []*graph.Value {
				return []*graph.Value{x.Categorical(temperature), x.GumbelOneHot(temperature)}
			})
			if out[0].DType() != graph.I64 || fmt.Sprint(out[0].Shape()) != fmt.Sprint([]int{n}) {
				t.Fatalf("draws are %v", out[0])
			}
			byClass, byOneHot := make([]float64, len(row)), make([]float64, len(row))
			for i := range n {
				byClass[out[0].Int(i)]++
				sum := 0.0
				for k := range row {
					v := out[1].At(i*len(row) + k)
					if sum += v; v != 0 && v != 1 {
						t.Fatalf("%v in what is one-hot", v)
					}
					byOneHot[k] += v
				}
				if sum != 1 {
					t.Fatalf("row %d sums to %v", i, sum)
				}
			}
			check := func(name string, counts []float64, temperature float64) {
				total, chi := 0.0, 0.0
				for _, x := range row {
					total += math.Exp(x / temperature)
				}
				for k, x := range row {
					want := n * math.Exp(x/temperature) / total
					if want == 0 && counts[k] == 0 {
						continue
					}
					chi += (counts[k] - want) * (counts[k] - want) / want
				}
				if !(chi < 23.5) { // four degrees of freedom: once in 10,000
					t.Errorf("%v, temperature %v, %s: χ² is %v: %v", dtype, temperature, name, chi, counts)
				}
			}
			check("classes", byClass, temperature)
			check("one-hot", byOneHot, 1) // the temperature relaxes, and leaves which is largest
		}
	}
}

// TestGumbelSoftmax holds relaxed draws to a softmax of their own Gumbel numbers, and their gradient, which one-hot draws have too, to
// finite differences.
func TestGumbelSoftmax(t *testing.T) {
	const temperature = .7
	row := []float64{.5, -1, 1.5, 0}
	weights := []float64{1, -2, .5, 3}
	functional := func(y *graph.Value) *graph.Value { return y.Mul(y.Func().Const(tensor.Of(weights, 4))).Sum() }
	hard := drawnBy(t, graph.F64, 3, row, func(x *graph.Value) []*graph.Value {
		return []*graph.Value{graph.Grad(functional(x.GumbelOneHot(temperature)), x)[0]}
	})[0]
	out := drawnBy(t, graph.F64, 3, row, func(x *graph.Value) []*graph.Value {
		y := x.GumbelSoftmax(temperature)
		u := x.Func().Apply(graph.RandomUniform{Type: x.Type}, x.Func().Lookup(graph.RandomState)) // the same numbers
		return []*graph.Value{y, u, graph.Grad(functional(y), x)[0]}
	})
	y, u, slope := out[0], out[1], out[2]
	relaxed := func(i int, logits []float64) (p [4]float64) {
		sum := 0.0
		for k, x := range logits {
			p[k] = math.Exp((x - math.Log(-math.Log(u.At(4*i+k)+1.0/(1<<25)))) / temperature)
			sum += p[k]
		}
		for k := range p {
			p[k] /= sum
		}
		return p
	}
	for i := range 3 {
		p := relaxed(i, row)
		for k := range row {
			if math.Abs(p[k]-y.At(4*i+k)) > 1e-12 {
				t.Errorf("draw %d, class %d: %v, want %v", i, k, y.At(4*i+k), p[k])
			}
			const h = 1e-6
			value := func(by float64) (sum float64) {
				moved := append([]float64(nil), row...)
				moved[k] += by
				for j, q := range relaxed(i, moved) {
					sum += q * weights[j]
				}
				return sum
			}
			if want := (value(h) - value(-h)) / (2 * h); math.Abs(slope.At(4*i+k)-want) > 1e-7 || hard.At(4*i+k) != slope.At(4*i+k) {
				t.Errorf("draw %d, class %d: the gradient is %v, of the one-hot draw %v, differences say %v", i, k, slope.At(4*i+k), hard.At(4*i+k), want)
			}
		}
	}
}

// TestCategoricalMistakes names what cannot be drawn by.
func TestCategoricalMistakes(t *testing.T) {
	for _, c := range []struct {
		build func(f *graph.Func) *graph.Value
		want  string
	}{
		{func(f *graph.Func) *graph.Value { return f.Input("x", graph.F32, 3).Categorical(0) }, "Categorical: the temperature is 0"},
		{func(f *graph.Func) *graph.Value { return f.Input("x", graph.F32, 3).GumbelSoftmax(math.Inf(1)) }, "the temperature is +Inf"},
		{func(f *graph.Func) *graph.Value { return f.Input("x", graph.I64, 3).Categorical(1) }, "the logits are i64[3]"},
		{func(f *graph.Func) *graph.Value { return f.Input("x", graph.F32).GumbelOneHot(1) }, "the logits are a scalar"},
		{func(f *graph.Func) *graph.Value { return f.Input("x", graph.F32, graph.Sym("n")).GumbelOneHot(1) }, "the number of classes is the symbol n"},
	} {
		f := graph.NewFunc("draw", false)
		y := c.build(f)
		if y.Square().OK() || len(f.Diags) != 1 || !strings.Contains(f.Diags.Error(), c.want) {
			t.Errorf("%v, want %q", f.Diags, c.want)
		}
	}
}
