package compiler_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// mixedProgram has products of all kinds, norms, a softmax and running statistics; by gain, its loss and gradient grow.
func mixedProgram(t *testing.T) *compiler.Program {
	t.Helper()
	m := &struct {
		Conv nn.Conv2D
		Norm nn.BatchNorm
		Attn nn.Attention
		Out  nn.Dense
	}{nn.Conv2D{Filters: 4, Kernel: 3, Pad: 1}, nn.BatchNorm{}, nn.Attention{Heads: 2}, nn.Dense{Units: 1}}
	apply := func(f *graph.Func) *graph.Value {
		x := m.Norm.Apply(m.Conv.Apply(f.Input("x", graph.F32, graph.Sym("batch"), 1, 4, 4)))
		return m.Out.Apply(m.Attn.Apply(x.Reshape(graph.Sym("batch"), 4, 16).Transpose(0, 2, 1)).Softmax(-1))
	}
	b := compiler.New("mixed")
	b.Model("", m)
	b.Func("predict", func(f *graph.Func) { f.Output("y", apply(f)) })
	b.Step("train", optim.EMA{Decay: .9, Then: optim.ClipNorm{Max: 1, Then: optim.Adam{LR: .1}}}, m, func(f *graph.Func) *graph.Value {
		return apply(f).Mean().Mul(f.Input("gain", graph.F32))
	})
	prog, err := b.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return prog
}

func mixed(t *testing.T, prog *compiler.Program, dt graph.DType) *compiler.Program {
	t.Helper()
	p, err := prog.MixedPrecision(dt)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestMixedPrecision: in 16 bits are the products of Steps, forward and backward, what moves their arguments and results, and sums over
// axes that were broadcast; nothing else, no Func and no state.
func TestMixedPrecision(t *testing.T) {
	plain := mixedProgram(t)
	for _, dt := range []graph.DType{graph.F16, graph.BF16} {
		prog := mixed(t, plain, dt)
		if prog.Precision() != dt || prog.Fingerprint() == plain.Fingerprint() || mixed(t, prog, graph.F32).Fingerprint() != plain.Fingerprint() {
			t.Errorf("%v: the precision is %v, or fingerprints are not those of the programs", dt, prog.Precision())
		}
		if got, want := prog.Func("predict").String(), plain.Func("predict").String(); got != want {
			t.Errorf("%v: the Func is\n%s\nwant\n%s", dt, got, want)
		}
		for _, p := range prog.Params() {
			if p.Type.DType == dt {
				t.Errorf("the state %s is %v", p.Name, p.Type)
			}
		}
		products := map[string]int{}
		for _, n := range prog.Step("train").Nodes {
			name := graph.OpName(n.Op)
			narrow := slices.ContainsFunc(n.Results, func(v *graph.Value) bool { return v.DType() == dt })
			switch _, counted := n.Op.(graph.Counted); {
			case counted && narrow:
				products[name]++
			case counted:
				t.Errorf("%v: %s is %v", dt, name, n.Results[0].Type)
			case narrow && !slices.Contains([]string{"Cast", "Transpose", "Reshape", "Sum", "Scale", "Add"}, name):
				t.Errorf("%v: %s is %v", dt, name, n.Results[0].Type)
			}
		}
		for _, name := range []string{"Conv", "ConvWeight", "Attention", "AttentionGrad"} {
			if products[name] == 0 {
				t.Errorf("%v: no %s among the products %v", dt, name, products)
			}
		}
		if products["Gemm"]+products["MatMul"] < 10 {
			t.Errorf("%v: products are %v", dt, products)
		}
	}
	b := compiler.New("wrong")
	m := &guardedModel{nn.Dense{Units: 1}}
	b.Model("", m)
	b.Func("f", func(f *graph.Func) { f.Output("y", m.FC.Apply(f.Input("x", graph.F32, 1, 2))) })
	b.MixedPrecision(graph.F64)
	if _, err := b.Compile(); err == nil || !strings.Contains(err.Error(), "products in f64") {
		t.Errorf("products in f64: %v", err)
	}
}

// TestLossScale steps with gradients that overflow in f16: the Step is skipped, the scale halves, and what is not the optimizer's moves;
// a scale of 1 does not shrink, and the Step then fails; after 2,000 finite gradients it doubles, up to 2²⁴.
func TestLossScale(t *testing.T) {
	prog := mixed(t, mixedProgram(t), graph.F16)
	f := prog.Step("train")
	unscaled := 0.
	for _, tt := range []struct {
		what                string
		gain, scale         float64
		good                int64
		wantScale, wantGood float64
		skipped, ok         bool
	}{
		{"finite", 1, 1024, 7, 1024, 8, false, true},
		{"too large a scale", 1e3, 1 << 24, 7, 1 << 23, 0, true, true},
		{"too large a gradient", 1e9, 1024, 1999, 512, 0, true, true},
		{"nearly at the least", 1e9, 2, 0, 1, 0, true, true},
		{"at the least", 1e9, 1, 0, 1, 0, false, false},
		{"finite at the least", 1, 1, 0, 1, 1, false, true}, // the norm is that of the first
		{"after 2,000", 1, 1024, 1999, 2048, 0, false, true},
		{"at the most", 1e-3, 1 << 24, 1999, 1 << 24, 0, false, true},
		{"a loss that is not finite", math.Inf(1), 1024, 5, 512, 0, true, false},
	} {
		in := map[string]*tensor.Tensor{"x": tensor.New(tensor.F32, 2, 1, 4, 4), "gain": tensor.Scalar(float32(tt.gain))}
		for i := range 32 {
			in["x"].Set(i, math.Sin(float64(i)))
		}
		for _, p := range prog.Params() {
			shape, _ := p.Type.Shape.Eval(nil)
			in[p.Name] = tensor.New(p.Type.DType, shape...)
			for i := range in[p.Name].Len() {
				in[p.Name].Set(i, math.Round(8+8*math.Cos(float64(i)))/16)
			}
		}
		in["opt.train.scale"].Set(0, tt.scale)
		in["opt.train.good"].SetInt(0, tt.good)
		all, err := graph.Evaluate(kernel.NewContext(gonum.Implementation{}, 1), f, in)
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]float64{}
		for _, o := range f.Outputs {
			out[o.Name] = all[o.Value.ID].At(0)
		}
		skipped := out[compiler.Skipped] != 0
		if skipped != tt.skipped || (out[compiler.OK] != 0) != tt.ok || out[compiler.LossScale] != tt.scale {
			t.Errorf("%s: %v", tt.what, out)
		}
		if norm := out[compiler.GradNorm]; tt.ok && (tt.skipped != (norm == 0) || math.IsNaN(norm)) {
			t.Errorf("%s: the norm is %v", tt.what, norm)
		}
		if tt.gain == 1 && !tt.skipped {
			if norm := out[compiler.GradNorm]; unscaled == 0 {
				unscaled = norm
			} else if !(math.Abs(norm-unscaled) <= 1e-2*unscaled) {
				t.Errorf("%s: the norm is %v, want %v as at another scale", tt.what, norm, unscaled)
			}
		}
		for _, u := range f.Updates {
			old, now := in[u.Name], all[u.Value.ID]
			moved := false
			for i := range now.Len() {
				moved = moved || now.At(i) != old.At(i)
			}
			switch u.Name {
			case "opt.train.scale":
				if now.At(0) != tt.wantScale {
					t.Errorf("%s: the scale becomes %v, want %v", tt.what, now.At(0), tt.wantScale)
				}
			case "opt.train.good":
				if now.At(0) != tt.wantGood {
					t.Errorf("%s: %v good gradients, want %v", tt.what, now.At(0), tt.wantGood)
				}
			case "norm.mean", "norm.variance":
				if !moved {
					t.Errorf("%s: %s stays", tt.what, u.Name)
				}
			default:
				if tt.skipped && moved || strings.HasSuffix(u.Name, ".step") && !tt.skipped && now.At(0) != old.At(0)+1 {
					t.Errorf("%s: %s goes from %v to %v", tt.what, u.Name, old.At(0), now.At(0))
				}
			}
		}
	}
}
