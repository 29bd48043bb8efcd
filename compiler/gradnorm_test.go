package compiler_test

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestGradNorm compares the norm that a Step gives with how far plain gradient descent at a rate of 1 goes: of the parameters that it
// updates alone, and not of what an optimizer has made of the gradient.
func TestGradNorm(t *testing.T) {
	m := &struct{ Enc, Dec nn.Dense }{nn.Dense{Units: 3}, nn.Dense{Units: 2}}
	sgd := optim.SGD{LR: 1}
	b := compiler.New("norms")
	b.Model("", m)
	for name, o := range map[string]optim.Optimizer{
		"plain": sgd, "clipped": optim.ClipNorm{Max: 1e-3, Then: sgd}, "adam": optim.Adam{LR: .1},
		"frozen": optim.Groups{{Match: "enc.*"}, {Match: "*", Then: sgd}},
	} {
		b.Step(name, o, m, func(f *graph.Func) *graph.Value {
			return m.Dec.Apply(m.Enc.Apply(f.Input("x", graph.F32, batch, 4)).Tanh()).Square().Mean()
		})
	}
	prog := compile(t, b)
	in := map[string]*tensor.Tensor{"x": tensor.New(tensor.F32, 2, 4)}
	for _, p := range prog.Params() {
		shape, err := p.Type.Shape.Eval(nil)
		if err != nil {
			t.Fatal(err)
		}
		in[p.Name] = tensor.New(p.Type.DType, shape...)
	}
	for _, x := range in {
		for i := range x.Len() {
			x.Set(i, math.Sin(float64(3*i+x.Len())))
		}
	}
	run := func(step string) (norm, moved float64) {
		f := prog.Step(step)
		out, err := graph.Evaluate(kernel.NewContext(gonum.Implementation{}, 1), f, in)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range f.Outputs {
			if o.Name == compiler.GradNorm {
				norm = out[o.Value.ID].At(0)
			}
		}
		for _, u := range f.Updates {
			for i, v := range out[u.Value.ID].Float64s() {
				if u.Name[:4] != "opt." {
					moved += math.Pow(v-in[u.Name].At(i), 2)
				}
			}
		}
		return norm, math.Sqrt(moved)
	}
	_, want := run("plain")
	for step, want := range map[string]float64{"plain": want, "clipped": want, "adam": want, "frozen": 0} {
		norm, moved := run(step)
		if step == "frozen" {
			want = moved
		}
		if !(want > .01) || math.Abs(norm-want) > 1e-5*want {
			t.Errorf("%s: the norm is %v, want %v", step, norm, want)
		}
	}
}
